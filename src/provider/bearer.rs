//! A bearer token, from the one place where it was sent. RFC 6750 section 2.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE};
use actix_web::web::Payload;

use super::error::BearerError;
use super::incoming;
use crate::secret::{AccessToken, Bearer};

/// The access token of a request: in the header, or in the form of a POST. Never in the URL, and never in two places.
pub(super) async fn access_token(
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
