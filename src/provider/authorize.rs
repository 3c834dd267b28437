//! `GET` and `POST /authorize`: a relying party asks, and the person is sent to sgID, or a session answers.
//! RFC 6749 section 4.1.1; OpenID Connect Core sections 3.1.2.1 and 3.1.2.3.

use std::time::Duration;

use actix_web::http::Method;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::asked::{Asked, asked};
use super::code::{self, By};
use super::error::{AuthorizeError, PageFault};
use super::incoming::{self, ClientAddress, RequestId};
use super::outgoing::{say, see_other, way_back};
use super::paths::Path;
use super::{cookies, hint, session};
use crate::bridge::Bridge;
use crate::clock::Timestamp;
use crate::login::{Login, LoginId, MustInteract, Silence, UpstreamAttempt};
use crate::oidc::authorization::AuthorizationRequest;
use crate::oidc::client::Client;
use crate::oidc::error::{ErrorCode, OAuthError};
use crate::oidc::prompt::Prompt;
use crate::oidc::return_address::ReturnAddress;
use crate::oidc::subject::SubjectIdentifier;
use crate::pages::{Action, Message};
use crate::secret::{Bearer, LoginCookie, LoginState, randomness};

/// The authorization endpoint.
pub async fn authorize(
    bridge: Data<Bridge>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    match admit(&bridge, &request, payload).await {
        Ok(response) => response,
        Err(error) => error.respond(&bridge, &request),
    }
}

async fn admit(
    bridge: &Bridge,
    request: &HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, AuthorizeError> {
    let now = bridge.clock.now();
    let parameters = match *request.method() {
        Method::POST => incoming::form(request, payload).await?,
        _ => incoming::query(request)?,
    };
    let asked = asked(bridge, parameters, now).await?;
    bridge
        .throttle
        .admit_login(ClientAddress::of(request), asked.client.client_id())
        .map_err(|_| throttled(&asked.request))?;
    let return_to = asked.request.return_to();
    let found = session::find(bridge, request, now).await;
    let found = found.map_err(|error| AuthorizeError::store_to(return_to.clone(), error))?;
    let hinted = Hinted::read(bridge, &asked);
    match answer_silently(bridge, request, (&asked, &hinted), found.as_ref(), now).await? {
        Ok(response) => Ok(response),
        Err(reason) if asked.request.prompt() == Prompt::None => {
            Err(AuthorizeError::to(return_to.clone(), needed(reason)))
        }
        Err(_) => {
            let has_aged = found.is_some_and(|it| {
                it.session
                    .is_too_old_for(&asked.request, &asked.client, now)
            });
            send_upstream(bridge, request, &asked, hinted, has_aged).await
        }
    }
}

/// A page, unless the request forbids pages.
fn throttled(request: &AuthorizationRequest) -> AuthorizeError {
    match request.prompt() {
        Prompt::None => {
            let busy = OAuthError::new(
                ErrorCode::TemporarilyUnavailable,
                "too many requests from this address or for this client; try again in a minute",
            );
            AuthorizeError::to(request.return_to().clone(), busy)
        }
        Prompt::AsNeeded | Prompt::Login | Prompt::Consent => {
            AuthorizeError::page(PageFault::Throttled)
        }
    }
}

/// Whom `id_token_hint` names.
enum Hinted {
    /// It was not sent.
    Nobody,
    /// A genuine ID token of this client.
    Person(SubjectIdentifier),
    /// We cannot say: it is forged, another client's, or signed by a key of long ago. It never leads to a silent answer.
    Unknown,
}

impl Hinted {
    fn read(bridge: &Bridge, asked: &Asked) -> Self {
        let Some(token) = asked.request.id_token_hint() else {
            return Self::Nobody;
        };
        match hint::genuine(bridge, token) {
            Some(hint) if hint.client_id == *asked.client.client_id() => Self::Person(hint.subject),
            Some(_) | None => Self::Unknown,
        }
    }
}

/// The answer of an earlier sign-in in this browser, or why the person is needed.
async fn answer_silently(
    bridge: &Bridge,
    request: &HttpRequest,
    (asked, hinted): (&Asked, &Hinted),
    found: Option<&session::Found>,
    now: Timestamp,
) -> Result<Result<HttpResponse, MustInteract>, AuthorizeError> {
    let (client, wish) = (&asked.client, &asked.request);
    let hinted = match hinted {
        Hinted::Nobody => None,
        Hinted::Person(subject) => Some(subject),
        Hinted::Unknown => return Ok(Err(MustInteract::SignIn)),
    };
    let Some(found) = found else {
        return Ok(Err(MustInteract::SignIn));
    };
    let wanted = bridge.wanted(wish.scope(), wish.claims(), client);
    let silence = Silence {
        needs_data: !wanted.fields().is_empty(),
        hinted,
        secret: &bridge.pairwise_secret,
    };
    let id = LoginId::generate(&mut randomness());
    let grant = match found.session.answer(wish, client, silence, (id, now)) {
        Ok(grant) => grant,
        Err(reason) => return Ok(Err(reason)),
    };
    let return_to = wish.return_to();
    let away = |error| AuthorizeError::store_to(return_to.clone(), error);
    let kept = code::keep(bridge, &grant, return_to, asked.pushed).await?;
    // The code first: a logout at this very moment either finds it, or is seen here.
    if found.prolong(bridge, now).await.map_err(away)? {
        let by = (&grant, By::Session);
        let response = code::hand_over(bridge, request, by, return_to, &kept);
        return Ok(Ok(response));
    }
    bridge.store.remove_code(&kept.row).await.map_err(away)?;
    if asked.pushed.is_none() {
        return Ok(Err(MustInteract::SignIn));
    }
    let ended = OAuthError::new(
        ErrorCode::LoginRequired,
        "the person signed out at this very moment: push the request anew",
    );
    Err(AuthorizeError::to(return_to.clone(), ended))
}

/// What a relying party hears that must not show the person anything. OpenID Connect Core section 3.1.2.6.
fn needed(reason: MustInteract) -> OAuthError {
    let (code, description) = match reason {
        MustInteract::SignIn => (
            ErrorCode::LoginRequired,
            "prompt=none cannot be answered: no sign-in in this browser fits the request; send the request without it",
        ),
        MustInteract::Agree => (
            ErrorCode::ConsentRequired,
            "prompt=none cannot be answered: the person has not agreed to this for this client; send the request without it",
        ),
        MustInteract::Share => (
            ErrorCode::InteractionRequired,
            "prompt=none cannot be answered: the data asked for must be shared at sgID; ask for scope=openid alone, or send the request without it",
        ),
        MustInteract::BeSeen => (
            ErrorCode::InteractionRequired,
            "prompt=none cannot be answered for a native public client: another program of the device could pose as it; send the request without it",
        ),
    };
    OAuthError::new(code, description)
}

/// The person is needed: a login begins. Where the request insists on a new sign-in, a page of ours says so first.
async fn send_upstream(
    bridge: &Bridge,
    request: &HttpRequest,
    asked: &Asked,
    hinted: Hinted,
    has_aged: bool,
) -> Result<HttpResponse, AuthorizeError> {
    let now = bridge.clock.now();
    let client = &asked.client;
    let attempt = UpstreamAttempt::generate(&mut randomness());
    let hinted = match hinted {
        Hinted::Person(subject) => Some(subject),
        Hinted::Nobody | Hinted::Unknown => None,
    };
    if let (Some(hinted), Some(demanded)) = (&hinted, asked.request.subject())
        && hinted != demanded
    {
        let two = OAuthError::invalid_request("id_token_hint and claims name two different people");
        return Err(AuthorizeError::to(asked.request.return_to().clone(), two));
    }
    let login = Login::begin(&asked.request, client.upstream(), attempt, now)
        .expecting(hinted)
        .from_pushed(asked.pushed);
    let begun = begin(bridge, client, &login, asked.request.return_to(), now).await?;
    metrics::counter!("logins_begun_total").increment(1);
    tracing::info!(client.id = %client.client_id(), login.id = %login.id(), request.id = RequestId::of(request), "login begun");
    let mut response = if has_aged || asked.request.prompt() == Prompt::Login {
        ask_to_sign_in_again(
            bridge,
            client,
            asked.request.return_to(),
            &begun.upstream_url,
        )
    } else {
        see_other(&begun.upstream_url)
    };
    for surplus in cookies::surplus(&bridge.issuer, request) {
        let _ = response.add_cookie(&surplus);
    }
    begun.bind(bridge, &mut response);
    Ok(response)
}

fn ask_to_sign_in_again(
    bridge: &Bridge,
    client: &Client,
    return_to: &ReturnAddress,
    upstream_url: &str,
) -> HttpResponse {
    let back = way_back(return_to);
    let explanation = match client.client_name() {
        Some(name) => format!("{name} asks you to show once more that it is you."),
        None => "The app asks you to show once more that it is you.".to_owned(),
    };
    say(&Message {
        stylesheet: &Path::Stylesheet.on(&bridge.issuer),
        title: "Please sign in again",
        heading: "Please sign in again",
        explanation: &explanation,
        advice: &[],
        action: Some(Action::Link {
            href: upstream_url,
            label: "Sign in with sgID",
        }),
        alternative: back.as_deref().map(|href| Action::Link {
            href,
            label: "Go back to the app without signing in",
        }),
        reference: None,
    })
}

/// A login that has been entered: the browser may go.
pub(super) struct Begun {
    state: Bearer<LoginState>,
    cookie: Bearer<LoginCookie>,
    /// Where it goes.
    pub(super) upstream_url: String,
}

impl Begun {
    /// Hands the browser the cookie without which it cannot come back.
    pub(super) fn bind(&self, bridge: &Bridge, response: &mut HttpResponse) {
        let life = kept_for(bridge);
        let _ = response.add_cookie(&cookies::set(
            &bridge.issuer,
            &self.state,
            &self.cookie,
            life,
        ));
    }
}

/// Enters a login and finds the way upstream.
pub(super) async fn begin(
    bridge: &Bridge,
    client: &Client,
    login: &Login,
    return_to: &ReturnAddress,
    now: Timestamp,
) -> Result<Begun, AuthorizeError> {
    let Some(sgid) = bridge.upstreams.get(login.upstream()) else {
        return Err(AuthorizeError::page(PageFault::ClientChanged));
    };
    bridge.throttle.admit_waiting_login().map_err(|_| {
        let busy = OAuthError::new(
            ErrorCode::TemporarilyUnavailable,
            "too many people are signing in just now; try again in a moment",
        );
        AuthorizeError::to(return_to.clone(), busy)
    })?;
    let state = Bearer::generate(&mut randomness());
    let cookie = Bearer::generate(&mut randomness());
    let wanted = bridge.wanted(&login.scope_for(client), login.claims(), client);
    let upstream_url = sgid
        .authorization_url(&state.expose(), login.attempt(), &wanted.fields(), now)
        .map_err(|error| AuthorizeError::sgid_to(return_to.clone(), error))?;
    bridge
        .store
        .put_login(&state, &cookie, login, now.after(kept_for(bridge)))
        .await
        .map_err(|error| AuthorizeError::store_to(return_to.clone(), error))?;
    Ok(Begun {
        state,
        cookie,
        upstream_url,
    })
}

/// Twice as long as a login may take: whoever comes back too late is offered a fresh start, not a dead end.
fn kept_for(bridge: &Bridge) -> Duration {
    2 * bridge.lifetimes.login
}
