//! `POST /par`: a client leaves its authorization request with us before the browser comes. RFC 9126.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::asked::{REQUEST_URI, unwrap_request_object};
use super::client_auth;
use super::error::TokenError;
use super::incoming::{self, ClientAddress};
use crate::bridge::Bridge;
use crate::oidc::authorization::RawAuthorizationRequest;
use crate::oidc::client::{AuthenticationMethod, Client};
use crate::oidc::error::OAuthError;
use crate::oidc::parameters::Parameters;
use crate::secret::{Bearer, PushedRequest, randomness};
use crate::store::PushedAuthorizationRequest;

/// What means something at the authorization endpoint, so that nothing else is kept.
const MEANINGFUL: [&str; 16] = [
    "client_id",
    "response_type",
    "response_mode",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "prompt",
    "max_age",
    "claims",
    "id_token_hint",
    "code_challenge",
    "code_challenge_method",
    "registration",
    "request",
    "request_uri",
];
/// The most bytes that these may have together: as many as the head of a request that is not pushed.
const MAX_BYTES: usize = 16 * 1024;

/// The pushed authorization request endpoint.
pub async fn push(bridge: Data<Bridge>, request: HttpRequest, payload: Payload) -> HttpResponse {
    match keep(&bridge, &request, payload).await {
        Ok(kept) => HttpResponse::Created().json(kept),
        Err(error) => error.respond(&request),
    }
}

async fn keep(
    bridge: &Bridge,
    request: &HttpRequest,
    payload: Payload,
) -> Result<Value, TokenError> {
    let now = bridge.clock.now();
    let form = incoming::form(request, payload).await?;
    let client = client_auth::authenticate(bridge, request, &form, now).await?;
    // The requests of all people of a client come from the address of its server. But a public client is whoever says
    // so, and is held to what one address may do.
    let admitted = if client.method() == AuthenticationMethod::None {
        let address = ClientAddress::of(request);
        bridge.throttle.admit_login(address, client.client_id())
    } else {
        bridge.throttle.admit_login_of(client.client_id())
    };
    admitted.map_err(|_| TokenError::Overloaded)?;
    if form.one("request_uri")?.is_some() {
        let refusal = "request_uri must not be pushed: send the request itself";
        return Err(OAuthError::invalid_request(refusal).into());
    }
    let unwrapped = unwrap_request_object(bridge, &client, &form, now).await?;
    let parameters = unwrapped.unwrap_or(form).only(&MEANINGFUL);
    if parameters.bytes() > MAX_BYTES {
        let limit = format!("the request must have at most {MAX_BYTES} bytes");
        return Err(OAuthError::invalid_request(limit).into());
    }
    check(bridge, &client, &parameters)?;
    let waits = bridge.throttle.admit_waiting_login();
    waits.map_err(|_| TokenError::Overloaded)?;
    let handle = Bearer::<PushedRequest>::generate(&mut randomness());
    let usable_until = now.after(bridge.lifetimes.pushed_request);
    let pushed = PushedAuthorizationRequest {
        client_id: client.client_id().clone(),
        parameters,
        usable_until,
    };
    // It is used up when a code is issued, so it must outlive the login that it begins.
    let expires_at = usable_until.after(2 * bridge.lifetimes.login);
    bridge
        .store
        .put_pushed_request(&handle, &pushed, expires_at)
        .await?;
    Ok(json!({
        "request_uri": format!("{REQUEST_URI}{}", handle.expose()),
        "expires_in": bridge.lifetimes.pushed_request.as_secs(),
    }))
}

/// What the authorization endpoint would refuse is refused here already. RFC 9126 section 2.3.
fn check(bridge: &Bridge, client: &Client, parameters: &Parameters) -> Result<(), OAuthError> {
    let raw = RawAuthorizationRequest::new(parameters);
    let named = raw.client_id()?;
    if named.is_some_and(|named| named != client.client_id().as_str()) {
        return Err(OAuthError::invalid_request(
            "client_id must be the client that pushes the request",
        ));
    }
    let return_to = client
        .return_address(
            raw.redirect_uri()?,
            raw.response_mode()?,
            raw.state()?,
            &bridge.issuer,
        )
        .map_err(|error| OAuthError::invalid_request(error.to_string()))?;
    client.admit(&raw, return_to).map(|_| ())
}
