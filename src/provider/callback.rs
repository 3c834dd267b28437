//! `GET /callback`: a person comes back from sgID. RFC 6749 section 4.1.2; RFC 9207 section 2.4.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::authorize::begin;
use super::code::{self, By};
use super::error::{AuthorizeError, ErrorPage, PageFault};
use super::incoming::{self, ClientAddress, RequestId};
use super::outgoing::way_back;
use super::{cookies, session};
use crate::bridge::Bridge;
use crate::clock::Timestamp;
use crate::login::{AnotherPerson, Login, Terms, UpstreamAttempt};
use crate::oidc::client::Client;
use crate::oidc::error::{ErrorCode, OAuthError};
use crate::oidc::parameters::Parameters;
use crate::oidc::return_address::ReturnAddress;
use crate::secret::{Bearer, LoginState, randomness};
use crate::sgid::Sgid;

/// Where sgID sends people back.
pub async fn callback(bridge: Data<Bridge>, request: HttpRequest) -> HttpResponse {
    match take_up(&bridge, &request).await {
        Ok(response) => response,
        Err(error) => error.respond(&bridge, &request),
    }
}

/// Finds the login that this browser began; whatever becomes of it, its cookie goes.
async fn take_up(bridge: &Bridge, request: &HttpRequest) -> Result<HttpResponse, AuthorizeError> {
    let now = bridge.clock.now();
    let parameters = incoming::query(request)?;
    let no_login = || AuthorizeError::page(PageFault::NoLogin);
    let state = parameters
        .one("state")?
        .and_then(Bearer::<LoginState>::parse);
    let state = state.ok_or_else(no_login)?;
    let cookie = cookies::find(&bridge.issuer, request, &state).ok_or_else(no_login)?;
    let answer = UpstreamAnswer::parse(&parameters)?;
    let login = bridge.store.take_login(&state, &cookie, now).await?;
    let login = login.ok_or_else(no_login)?;
    let (client_id, login_id) = (login.client_id().clone(), login.id());
    let mut response = match resume(bridge, request, login, &answer, now).await {
        Ok(response) => response,
        Err(error) => {
            tracing::info!(target: "sgid_bridge::audit", event = "login", outcome = "failed", client.id = %client_id, login.id = %login_id, request.id = RequestId::of(request), "a login failed");
            metrics::counter!("logins_total", "outcome" => "failed").increment(1);
            error.respond(bridge, request)
        }
    };
    let _ = response.add_cookie(&cookies::remove(&bridge.issuer, &state));
    Ok(response)
}

async fn resume(
    bridge: &Bridge,
    request: &HttpRequest,
    login: Login,
    answer: &UpstreamAnswer<'_>,
    now: Timestamp,
) -> Result<HttpResponse, AuthorizeError> {
    let changed = || AuthorizeError::page(PageFault::ClientChanged);
    let client = bridge
        .clients
        .find(&bridge.store, login.client_id(), now)
        .await?;
    let client = client.ok_or_else(changed)?;
    let return_to = login
        .return_address(&client, &bridge.issuer)
        .ok_or_else(changed)?;
    let sgid = bridge.upstreams.get(login.upstream()).ok_or_else(changed)?;
    let address = format!("{}{}", bridge.issuer, below_issuer(bridge, request));
    // A refusal reaches the relying party however late it is; only a code can come too late to be of use.
    let upstream_code = answer
        .code_from(sgid, &address)
        .map_err(|error| AuthorizeError::to(return_to.clone(), error))?;
    if !login.is_in_time(bridge.lifetimes.login, now) {
        return offer_fresh_start(bridge, request, login, &client, &return_to).await;
    }
    let wanted = bridge.wanted(&login.scope_for(&client), login.claims(), &client);
    let store_failed = |error| AuthorizeError::store_to(return_to.clone(), error);
    // Before sgID is asked, which takes its time: a session that ends meanwhile is seen to have ended.
    let former = session::find(bridge, request, now)
        .await
        .map_err(store_failed)?;
    let identity = sgid
        .identify(upstream_code, login.attempt(), &wanted, now)
        .await
        .map_err(|error| AuthorizeError::sgid_to(return_to.clone(), error))?;
    login
        .check_person(&identity, &client, &bridge.pairwise_secret)
        .map_err(|AnotherPerson| {
            let another =
                "another person signed in than the one whom id_token_hint or claims names";
            let error = OAuthError::new(ErrorCode::LoginRequired, another);
            AuthorizeError::to(return_to.clone(), error)
        })?;
    let at = bridge.clock.now();
    let begun = session::begin(bridge, (former, request), (&login, &identity), &client, at)
        .await
        .map_err(store_failed)?;
    let terms = Terms {
        by_scope: bridge.catalogue().claim_names(&login.scope_for(&client)),
        membership: begun.as_ref().map(|begun| begun.membership.clone()),
        at,
    };
    let pushed = login.pushed();
    let mut grant = login.granted(identity, &client, &bridge.pairwise_secret, terms);
    let mut kept = code::keep(bridge, &grant, &return_to, pushed).await?;
    let mut settled = None;
    if let Some(begun) = begun {
        settled = begun.settle(bridge).await.map_err(store_failed)?;
        if settled.is_none() {
            let row = &kept.row;
            bridge.store.remove_code(row).await.map_err(store_failed)?;
            grant = grant.outside_sessions();
            kept = code::keep(bridge, &grant, &return_to, None).await?;
        }
    }
    let by = (&grant, By::Upstream);
    let mut response = code::hand_over(bridge, request, by, &return_to, &kept);
    if let Some(cookie) = settled {
        let _ = response.add_cookie(&cookie);
    }
    Ok(response)
}

/// The path of the callback without the issuer's own.
fn below_issuer<'a>(bridge: &Bridge, request: &'a HttpRequest) -> &'a str {
    let path = request.path();
    path.strip_prefix(bridge.issuer.path()).unwrap_or(path)
}

/// The same request once more, behind one click.
async fn offer_fresh_start(
    bridge: &Bridge,
    request: &HttpRequest,
    login: Login,
    client: &Client,
    return_to: &ReturnAddress,
) -> Result<HttpResponse, AuthorizeError> {
    bridge
        .throttle
        .admit_login(ClientAddress::of(request), client.client_id())
        .map_err(|_| AuthorizeError::page(PageFault::Throttled))?;
    let now = bridge.clock.now();
    let again = login.begin_again(UpstreamAttempt::generate(&mut randomness()), now);
    let begun = begin(bridge, client, &again, return_to, now).await?;
    tracing::info!(client.id = %client.client_id(), login.id = %again.id(), request.id = RequestId::of(request), "login expired and begun again");
    let mut response = ErrorPage {
        fault: &PageFault::Expired(begun.upstream_url.clone(), way_back(return_to)),
        issuer: &bridge.issuer,
        reference: &RequestId::of(request),
    }
    .respond();
    begun.bind(bridge, &mut response);
    Ok(response)
}

/// What came through the browser: one code or one error, and perhaps who says so.
struct UpstreamAnswer<'a> {
    said: Said<'a>,
    issuer: Option<&'a str>,
}

enum Said<'a> {
    Code(&'a str),
    Error(&'a str),
}

impl<'a> UpstreamAnswer<'a> {
    fn parse(parameters: &'a Parameters) -> Result<Self, AuthorizeError> {
        let said = match (parameters.one("code")?, parameters.one("error")?) {
            (Some(code), None) => Said::Code(code),
            (None, Some(error)) => Said::Error(error),
            (Some(_), Some(_)) | (None, None) => {
                let reason = "exactly one of code and error is expected".to_owned();
                return Err(AuthorizeError::page(PageFault::Unreadable(reason, 400)));
            }
        };
        Ok(Self {
            said,
            issuer: parameters.one("iss")?,
        })
    }

    /// The code, if this answer is from the upstream that the login was sent to.
    fn code_from(&self, sgid: &Sgid, address: &str) -> Result<&'a str, OAuthError> {
        let names_another = self.issuer.is_some_and(|issuer| issuer != sgid.issuer());
        if names_another || !sgid.answers_at(address) {
            return Err(OAuthError::new(
                ErrorCode::ServerError,
                "the answer came from another issuer than the login was sent to",
            ));
        }
        match self.said {
            Said::Code(code) => Ok(code),
            Said::Error("access_denied") => Err(OAuthError::new(
                ErrorCode::AccessDenied,
                "the person declined at sgID",
            )),
            Said::Error("temporarily_unavailable") => Err(OAuthError::new(
                ErrorCode::TemporarilyUnavailable,
                "sgID says that it is temporarily unavailable",
            )),
            Said::Error(_) => Err(OAuthError::new(
                ErrorCode::ServerError,
                "sgID refused the request; compare the sgID client's registration with the configuration",
            )),
        }
    }
}
