//! `POST /introspect`: what a token of the caller's is good for. RFC 7662.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::error::TokenError;
use super::{client_auth, incoming};
use crate::bridge::Bridge;
use crate::oidc::client::{AuthenticationMethod, Client, GrantType};
use crate::oidc::error::{ErrorCode, OAuthError};
use crate::secret::{AccessToken, Bearer, RefreshToken};
use crate::store::StoreError;

/// The introspection endpoint.
pub async fn introspect(
    bridge: Data<Bridge>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    match describe(&bridge, &request, payload).await {
        Ok(description) => HttpResponse::Ok().json(description),
        Err(error) => error.respond(&request),
    }
}

async fn describe(
    bridge: &Bridge,
    request: &HttpRequest,
    payload: Payload,
) -> Result<Value, TokenError> {
    let now = bridge.clock.now();
    let form = incoming::form(request, payload).await?;
    let client = client_auth::authenticate(bridge, request, &form, now).await?;
    if client.method() == AuthenticationMethod::None {
        return Err(OAuthError::new(
            ErrorCode::UnauthorizedClient,
            "introspection is for clients that authenticate",
        )
        .into());
    }
    let token = form
        .one("token")?
        .ok_or_else(|| OAuthError::invalid_request("token is missing"))?;
    form.one("token_type_hint")?;
    let described = match access_token(bridge, &client, token).await? {
        Some(description) => Some(description),
        None => refresh_token(bridge, &client, token).await?,
    };
    // Unknown, expired, revoked and somebody else's are one answer: section 2.2.
    Ok(described.unwrap_or_else(|| json!({ "active": false })))
}

async fn access_token(
    bridge: &Bridge,
    client: &Client,
    token: &str,
) -> Result<Option<Value>, StoreError> {
    let Some(token) = Bearer::<AccessToken>::parse(token) else {
        return Ok(None);
    };
    let now = bridge.clock.now();
    let access = bridge.store.find_access_token(&token, now).await?;
    let access = access.filter(|access| access.client_id == *client.client_id());
    Ok(access.map(|access| {
        json!({
            "active": true,
            "token_type": "Bearer",
            "client_id": access.client_id,
            "iss": bridge.issuer,
            "aud": bridge.issuer,
            "sub": access.subject,
            "scope": access.scope.intersection(client.scope()),
            "iat": access.issued_at.seconds(),
            "exp": access.expires_at.seconds(),
        })
    }))
}

async fn refresh_token(
    bridge: &Bridge,
    client: &Client,
    token: &str,
) -> Result<Option<Value>, StoreError> {
    let Some(token) = RefreshToken::parse(token) else {
        return Ok(None);
    };
    let now = bridge.clock.now();
    let found = bridge.store.find_refresh_token(&token, now).await?;
    let found = found.filter(|it| {
        it.is_latest
            && it.grant.client_id() == client.client_id()
            && client.may_use(GrantType::RefreshToken)
    });
    Ok(found.map(|found| {
        json!({
            "active": true,
            "client_id": client.client_id(),
            "iss": bridge.issuer,
            "sub": found.grant.subject(),
            "scope": found.grant.scope().intersection(client.scope()),
            "exp": found.expires_at.seconds(),
        })
    }))
}
