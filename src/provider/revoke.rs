//! `POST /revoke`: a client gives a token of its own back. RFC 7009.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::client_auth;
use super::error::TokenError;
use super::incoming::{self, RequestId};
use crate::bridge::Bridge;
use crate::oidc::client::Client;
use crate::oidc::error::OAuthError;
use crate::oidc::subject::SubjectIdentifier;
use crate::secret::{AccessToken, Bearer, RefreshToken};
use crate::store::StoreError;

/// The revocation endpoint.
pub async fn revoke(bridge: Data<Bridge>, request: HttpRequest, payload: Payload) -> HttpResponse {
    match end(&bridge, &request, payload).await {
        // Whether there was anything to revoke is nobody's business: section 2.2.
        Ok(()) => HttpResponse::Ok().finish(),
        Err(error) => error.respond(&request),
    }
}

async fn end(bridge: &Bridge, request: &HttpRequest, payload: Payload) -> Result<(), TokenError> {
    let now = bridge.clock.now();
    let form = incoming::form(request, payload).await?;
    let client = client_auth::authenticate(bridge, request, &form, now).await?;
    let token = form
        .one("token")?
        .ok_or_else(|| OAuthError::invalid_request("token is missing"))?;
    form.one("token_type_hint")?;
    let subject = match access_token(bridge, &client, token).await? {
        Some(subject) => Some(subject),
        None => refresh_token(bridge, &client, token).await?,
    };
    let outcome = if subject.is_some() {
        "revoked"
    } else {
        "unknown"
    };
    let subject = subject.as_ref().map(SubjectIdentifier::as_str);
    tracing::info!(target: "sgid_bridge::audit", event = "revocation", outcome, client.id = %client.client_id(), subject, request.id = RequestId::of(request), "a client gave a token back");
    Ok(())
}

/// Whose token it was, where it was one of this client's.
async fn access_token(
    bridge: &Bridge,
    client: &Client,
    token: &str,
) -> Result<Option<SubjectIdentifier>, StoreError> {
    let Some(token) = Bearer::<AccessToken>::parse(token) else {
        return Ok(None);
    };
    let now = bridge.clock.now();
    let access = bridge.store.find_access_token(&token, now).await?;
    let theirs = access.filter(|access| access.client_id == *client.client_id());
    if theirs.is_some() {
        bridge.store.revoke_access_token(&token).await?;
    }
    Ok(theirs.map(|access| access.subject))
}

/// With a refresh token ends all that came from its login, an older one of the same family included: section 2.1.
async fn refresh_token(
    bridge: &Bridge,
    client: &Client,
    token: &str,
) -> Result<Option<SubjectIdentifier>, StoreError> {
    let Some(token) = RefreshToken::parse(token) else {
        return Ok(None);
    };
    let now = bridge.clock.now();
    let found = bridge.store.find_refresh_token(&token, now).await?;
    let found = found.filter(|found| found.grant.client_id() == client.client_id());
    if let Some(found) = &found {
        bridge.store.revoke_code(&found.code).await?;
    }
    Ok(found.map(|found| found.grant.subject().clone()))
}
