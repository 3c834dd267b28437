//! `GET` and `POST /authorize`: a relying party asks, and the person is sent to sgID.
//! RFC 6749 section 4.1.1; OpenID Connect Core section 3.1.2.1.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::cookies;
use super::error::{AuthorizeError, PageFault, see_other};
use super::incoming::{self, ClientAddress, RequestId};
use crate::bridge::Bridge;
use crate::clock::Timestamp;
use crate::login::{Login, UpstreamAttempt};
use crate::oidc::authorization::RawAuthorizationRequest;
use crate::oidc::client::{Client, ClientId};
use crate::oidc::error::{ErrorCode, OAuthError};
use crate::oidc::return_address::ReturnAddress;
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
    let raw = RawAuthorizationRequest::new(&parameters);
    let client = client(bridge, &raw, now).await?;
    let state = raw.state();
    let return_to = client
        .return_address(
            raw.redirect_uri()?,
            raw.response_mode()?,
            state.unwrap_or_default(),
            &bridge.issuer,
        )
        .map_err(AuthorizeError::page)?;
    if let Err(repeated) = state {
        return Err(AuthorizeError::to(return_to, repeated.into()));
    }
    let admitted = client
        .admit(&raw, return_to.clone())
        .map_err(|error| AuthorizeError::to(return_to.clone(), error))?;
    bridge
        .throttle
        .admit_login(ClientAddress::of(request), client.client_id())
        .map_err(|_| AuthorizeError::page(PageFault::Throttled))?;
    let attempt = UpstreamAttempt::generate(&mut randomness());
    let login = Login::begin(&admitted, client.upstream(), attempt, now);
    let begun = begin(bridge, &client, &login, &return_to, now).await?;
    metrics::counter!("logins_begun_total").increment(1);
    tracing::info!(client.id = %client.client_id(), login.id = %login.id(), request.id = RequestId::of(request), "login begun");
    let mut response = see_other(&begun.upstream_url);
    for surplus in cookies::surplus(&bridge.issuer, request) {
        let _ = response.add_cookie(&surplus);
    }
    begun.bind(bridge, &mut response);
    Ok(response)
}

async fn client(
    bridge: &Bridge,
    raw: &RawAuthorizationRequest<'_>,
    now: Timestamp,
) -> Result<Arc<Client>, AuthorizeError> {
    let Some(id) = raw.client_id()?.and_then(ClientId::parse) else {
        return Err(AuthorizeError::page(PageFault::UnknownClient));
    };
    let client = bridge.clients.find(&bridge.store, &id, now).await?;
    client
        .filter(|client| client.is_enabled())
        .ok_or(AuthorizeError::page(PageFault::UnknownClient))
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
    let wanted = bridge.catalogue().wanted(&login.scope_for(client));
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
