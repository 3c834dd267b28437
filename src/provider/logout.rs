//! `GET` and `POST /logout`: an app asks to sign its person out of the bridge. OpenID Connect RP-Initiated Logout 1.0.

use std::sync::Arc;

use actix_web::http::{Method, StatusCode};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::error::{AuthorizeError, PageFault};
use super::hint::{self, Hint};
use super::incoming::{self, RequestId};
use super::outgoing::{say, see_other, with_form};
use super::paths::Path;
use super::session::Found;
use super::{cookies, session};
use crate::bridge::Bridge;
use crate::clock::Timestamp;
use crate::oidc::client::{Client, ClientId};
use crate::oidc::parameters::Parameters;
use crate::oidc::redirect_uri::RedirectUri;
use crate::oidc::return_address::with_query;
use crate::pages::{Action, FormPost, Message};

/// Parameters of a logout request. RP-Initiated Logout section 2.
const PARAMETERS: [&str; 6] = [
    "id_token_hint",
    "logout_hint",
    "client_id",
    "post_logout_redirect_uri",
    "state",
    "ui_locales",
];
/// Says that a form comes from our own page.
const FROM_HERE: &str = "from_here";
/// What only our own page can know: see `Bearer::confirmation`.
const CONFIRMATION: &str = "confirmation";

/// The end session endpoint.
pub async fn logout(bridge: Data<Bridge>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let ended = end(&bridge, &request, payload).await;
    ended.unwrap_or_else(|error| error.respond(&bridge, &request))
}

/// Where our page asks to end the session.
pub async fn confirm(bridge: Data<Bridge>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let ended = end_confirmed(&bridge, &request, payload).await;
    ended.unwrap_or_else(|error| error.respond(&bridge, &request))
}

async fn end(
    bridge: &Bridge,
    request: &HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, AuthorizeError> {
    check_offered(bridge)?;
    let now = bridge.clock.now();
    let is_post = *request.method() == Method::POST;
    let parameters = if is_post {
        incoming::form(request, payload).await?
    } else {
        incoming::query(request)?
    };
    let has_cookie = cookies::session(&bridge.issuer, request).is_some();
    if is_post && !has_cookie && parameters.one(FROM_HERE)?.is_none() {
        return post_from_here(bridge, &parameters);
    }
    let asked = Asked::read(bridge, &parameters, now).await?;
    let found = session::find(bridge, request, now).await?;
    let Some(found) = found else {
        // Nothing is to be ended. A genuine hint is all that a redirect needs; without one it takes a click.
        return Ok(asked.after(bridge, asked.hint.is_some()));
    };
    if asked.names(bridge, &found) {
        bridge
            .end_session(&found.cookie, &found.session, &RequestId::of(request))
            .await?;
        return Ok(signed_out(bridge, asked.after(bridge, true)));
    }
    Ok(asked.ask(bridge, &found))
}

async fn end_confirmed(
    bridge: &Bridge,
    request: &HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, AuthorizeError> {
    check_offered(bridge)?;
    let now = bridge.clock.now();
    let form = incoming::form(request, payload).await?;
    let asked = Asked::read(bridge, &form, now).await?;
    let Some(found) = session::find(bridge, request, now).await? else {
        // Perhaps the cookie was only withheld, because another site posts this: it is not ours to take away then.
        return Ok(asked.after(bridge, false));
    };
    let confirmation = form.one(CONFIRMATION)?.unwrap_or_default();
    if !found.cookie.confirmation().is(confirmation) {
        return Err(AuthorizeError::page(PageFault::NotConfirmed));
    }
    bridge
        .end_session(&found.cookie, &found.session, &RequestId::of(request))
        .await?;
    Ok(signed_out(bridge, asked.after(bridge, true)))
}

/// Without sessions there is nothing to end, and discovery does not name the endpoint.
fn check_offered(bridge: &Bridge) -> Result<(), AuthorizeError> {
    let is_offered = bridge.session.is_some();
    is_offered
        .then_some(())
        .ok_or(AuthorizeError::page(PageFault::NotFound))
}

/// Browsers withhold our cookie from a form that another site posts, so the form is posted once more from here. The
/// parameters stay out of the URL, since the hint may hold personal data.
fn post_from_here(
    bridge: &Bridge,
    parameters: &Parameters,
) -> Result<HttpResponse, AuthorizeError> {
    let mut fields = vec![(FROM_HERE, "1".to_owned())];
    for name in PARAMETERS {
        if let Some(value) = parameters.one(name)? {
            fields.push((name, value.to_owned()));
        }
    }
    let page = FormPost {
        stylesheet: &Path::Stylesheet.on(&bridge.issuer),
        script: &Path::FormPostScript.on(&bridge.issuer),
        action: &Path::Logout.on(&bridge.issuer),
        fields: &fields,
    };
    Ok(with_form(StatusCode::OK, page.render()))
}

/// What an app asks for.
struct Asked {
    hint: Option<Hint>,
    client: Option<Arc<Client>>,
    post_logout_redirect_uri: Option<RedirectUri>,
    state: Option<String>,
}

impl Asked {
    async fn read(
        bridge: &Bridge,
        parameters: &Parameters,
        now: Timestamp,
    ) -> Result<Self, AuthorizeError> {
        for without_effect in ["logout_hint", "ui_locales"] {
            parameters.one(without_effect)?;
        }
        let fault = AuthorizeError::page;
        let hint = match parameters.one("id_token_hint")? {
            None => None,
            Some(token) => {
                Some(hint::genuine(bridge, token).ok_or_else(|| fault(PageFault::Hint))?)
            }
        };
        let named = parameters.one("client_id")?.map(ClientId::parse);
        let named = named
            .map(|named| named.ok_or_else(|| fault(PageFault::UnknownClient)))
            .transpose()?;
        let client_id = match (&hint, named) {
            (Some(hint), Some(named)) if hint.client_id != named => {
                return Err(fault(PageFault::Hint));
            }
            (Some(hint), _) => Some(hint.client_id.clone()),
            (None, named) => named,
        };
        let client = match client_id {
            None => None,
            Some(id) => bridge.clients.find(&bridge.store, &id, now).await?,
        };
        let client = client.filter(|client| client.is_enabled());
        let presented = parameters.one("post_logout_redirect_uri")?;
        let post_logout_redirect_uri = match (presented, &client) {
            // Whose address it is nobody says, so nobody is sent there.
            (None, _) | (Some(_), None) => None,
            (Some(uri), Some(client)) => Some(
                client
                    .post_logout_redirect_uri(uri)
                    .ok_or_else(|| fault(PageFault::PostLogoutRedirectUri))?,
            ),
        };
        Ok(Self {
            hint,
            client,
            post_logout_redirect_uri,
            state: parameters.one("state")?.map(str::to_owned),
        })
    }

    /// Whether a genuine hint is of this very session, so that nobody need be asked.
    fn names(&self, bridge: &Bridge, found: &Found) -> bool {
        let (Some(hint), Some(client)) = (&self.hint, &self.client) else {
            return false;
        };
        let named = (&hint.subject, hint.sid.as_deref());
        let secret = &bridge.pairwise_secret;
        found.session.is_of(named, client, secret)
    }

    fn way_back(&self) -> Option<String> {
        let uri = self.post_logout_redirect_uri.as_ref()?;
        let state = self.state.as_deref().map(|state| ("state", state));
        Some(with_query(uri.as_str(), state))
    }

    fn app(&self) -> Option<&str> {
        self.client.as_ref()?.client_name()
    }

    /// What follows once nobody is signed in: the way back, at once where that is safe, else behind a click.
    fn after(&self, bridge: &Bridge, may_redirect: bool) -> HttpResponse {
        let way_back = self.way_back();
        if let (Some(url), true) = (&way_back, may_redirect) {
            return see_other(url);
        }
        let label = match self.app() {
            Some(name) => format!("Back to {name}"),
            None => "Back to the app".to_owned(),
        };
        let action = way_back.as_deref().map(|href| Action::Link {
            href,
            label: &label,
        });
        say(&Message {
            stylesheet: &Path::Stylesheet.on(&bridge.issuer),
            title: "You are signed out",
            heading: "You are signed out",
            explanation: "This browser is no longer signed in here. sgID itself and the Singpass app are not affected, and apps that you left open may need a moment or a reload.",
            advice: &[],
            action,
            alternative: None,
            reference: None,
        })
    }

    /// Asks the person, since nothing that the app sent shows that it is they who want to sign out.
    fn ask(&self, bridge: &Bridge, found: &Found) -> HttpResponse {
        let confirmation = found.cookie.confirmation().to_text();
        let mut fields = vec![(CONFIRMATION, confirmation.as_str())];
        if let Some(client) = &self.client {
            fields.push(("client_id", client.client_id().as_str()));
        }
        if let Some(uri) = &self.post_logout_redirect_uri {
            fields.push(("post_logout_redirect_uri", uri.as_str()));
        }
        if let Some(state) = &self.state {
            fields.push(("state", state));
        }
        let explanation = match self.app() {
            Some(name) => format!(
                "{name} asks to sign you out. You will be signed out of every app that you opened with this sign-in. To stay signed in, close this page."
            ),
            None => "You will be signed out of every app that you opened with this sign-in. To stay signed in, close this page.".to_owned(),
        };
        let page = Message {
            stylesheet: &Path::Stylesheet.on(&bridge.issuer),
            title: "Do you want to sign out?",
            heading: "Do you want to sign out?",
            explanation: &explanation,
            advice: &[],
            action: Some(Action::Form {
                action: &Path::ConfirmLogout.on(&bridge.issuer),
                fields: &fields,
                label: "Sign out",
            }),
            alternative: None,
            reference: None,
        };
        with_form(StatusCode::OK, page.render())
    }
}

/// The answer, with the browser's cookie taken away.
fn signed_out(bridge: &Bridge, mut response: HttpResponse) -> HttpResponse {
    let _ = response.add_cookie(&cookies::remove_session(&bridge.issuer));
    response
}
