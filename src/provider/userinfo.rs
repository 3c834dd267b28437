//! `GET` and `POST /userinfo`: the claims behind an access token. OpenID Connect Core section 5.3; RFC 6750.

use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::bearer;
use super::error::BearerError;
use crate::bridge::Bridge;
use crate::clock::Timestamp;
use crate::jose::Content;
use crate::oidc::client::Client;

/// The userinfo endpoint.
pub async fn userinfo(
    bridge: Data<Bridge>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    match answer(&bridge, &request, payload).await {
        Ok(response) => response,
        Err(error) => error.respond(&request),
    }
}

async fn answer(
    bridge: &Bridge,
    request: &HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, BearerError> {
    let now = bridge.clock.now();
    let token = bearer::access_token(request, payload).await?;
    let access = bridge.store.find_access_token(&token, now).await?;
    let access = access.ok_or(BearerError::Invalid)?;
    let client = bridge
        .clients
        .find(&bridge.store, &access.client_id, now)
        .await?;
    let client = client.filter(|client| client.is_enabled());
    let client = client.ok_or(BearerError::Invalid)?;
    // A scope that was withdrawn since the login gives nothing any more.
    let allowed = bridge.catalogue().claim_names(client.scope());
    let mut claims = access.claims.limited_to(&allowed).into_members();
    claims.insert("sub".to_owned(), access.subject.as_str().into());
    protect(bridge, &client, claims, now).await
}

/// The claims as this client wants them: plain, signed, encrypted or both. OpenID Connect Core section 5.3.2.
async fn protect(
    bridge: &Bridge,
    client: &Client,
    mut claims: Map<String, Value>,
    now: Timestamp,
) -> Result<HttpResponse, BearerError> {
    let protection = client.response_protection();
    let recipient = match protection.userinfo_encryption {
        None => None,
        Some(encryption) => Some(bridge.recipient(client, encryption, now).await?),
    };
    let token = match (protection.userinfo_signature, recipient) {
        (None, None) => return Ok(HttpResponse::Ok().json(claims)),
        (Some(algorithm), recipient) => {
            claims.insert("iss".to_owned(), bridge.issuer.as_str().into());
            claims.insert("aud".to_owned(), client.client_id().as_str().into());
            let protection = (algorithm, recipient);
            bridge
                .mint
                .userinfo(bridge.keyring(), &claims, protection, now)
                .await?
        }
        (None, Some(recipient)) => {
            let content = Zeroizing::new(serde_json::to_vec(&claims)?);
            recipient.encrypt(&content, Content::Json)?
        }
    };
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/jwt"))
        .body(token))
}
