//! `GET` and `POST /userinfo`: the claims behind an access token. OpenID Connect Core section 5.3; RFC 6750.

use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value};

use super::error::BearerError;
use super::incoming;
use crate::bridge::Bridge;
use crate::secret::{AccessToken, Bearer};

/// The userinfo endpoint.
pub async fn userinfo(
    bridge: Data<Bridge>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    match claims(&bridge, &request, payload).await {
        Ok(claims) => HttpResponse::Ok().json(claims),
        Err(error) => error.respond(&request),
    }
}

async fn claims(
    bridge: &Bridge,
    request: &HttpRequest,
    payload: Payload,
) -> Result<Map<String, Value>, BearerError> {
    let now = bridge.clock.now();
    let token = bearer(request, payload).await?;
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
    Ok(claims)
}

/// The token, from the one place where it was sent. RFC 6750 section 2.
async fn bearer(
    request: &HttpRequest,
    payload: Payload,
) -> Result<Bearer<AccessToken>, BearerError> {
    let in_query = incoming::query(request)?.one("access_token")?.is_some();
    if in_query {
        return Err(BearerError::Malformed(
            "the access token must not be in the URL: send it in the Authorization header",
        ));
    }
    if request.headers().get_all(AUTHORIZATION).count() > 1 {
        return Err(BearerError::Malformed(
            "the Authorization header occurs twice",
        ));
    }
    let in_header = request.headers().get(AUTHORIZATION);
    // A body counts only if it is a form (RFC 6750 section 2.2); with a token in the header it may be anything.
    let has_form = *request.method() == Method::POST
        && (incoming::is_form(request)
            || (in_header.is_none() && request.headers().contains_key(CONTENT_TYPE)));
    let form = if has_form {
        Some(incoming::form(request, payload).await?)
    } else {
        None
    };
    let in_form = match &form {
        Some(form) => form.one("access_token")?,
        None => None,
    };
    let text = match (in_header, in_form) {
        (Some(_), Some(_)) => {
            return Err(BearerError::Malformed(
                "the access token was sent twice: use the Authorization header or the form",
            ));
        }
        (Some(header), None) => header
            .to_str()
            .ok()
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or(BearerError::Missing)?,
        (None, Some(text)) => text,
        (None, None) => return Err(BearerError::Missing),
    };
    Bearer::parse(text).ok_or(BearerError::Invalid)
}
