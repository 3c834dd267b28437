//! What a request brings, within limits of size and time. Only parses; never queries or decrypts.

use std::net::IpAddr;
use std::time::Duration;

use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE};
use actix_web::web::{BytesMut, Payload};
use actix_web::{HttpMessage, HttpRequest};
use futures_util::StreamExt;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::oidc::json;
use crate::oidc::parameters::{Parameters, ParametersError};

/// The most bytes that a form may have.
const MAX_FORM_BYTES: usize = 64 * 1024;
/// How long a form may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The number under which a request stands in the log, and which an error page shows.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

impl RequestId {
    /// The number of this request.
    pub fn of(request: &HttpRequest) -> String {
        request
            .extensions()
            .get::<Self>()
            .map_or_else(String::new, |id| id.0.clone())
    }
}

/// Who sent a request: the peer, or whom a trusted proxy names.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// The sender of this request.
    pub fn of(request: &HttpRequest) -> IpAddr {
        let known = request.extensions().get::<Self>().map(|address| address.0);
        known.unwrap_or_else(|| IpAddr::from([0, 0, 0, 0]))
    }
}

/// Why a request cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum UnreadableRequest {
    /// Not a form.
    #[error("the body must be application/x-www-form-urlencoded")]
    MediaType,
    /// More than a form may have.
    #[error("the body has more than {MAX_FORM_BYTES} bytes")]
    TooLarge,
    /// It did not arrive in time.
    #[error("the body did not arrive within {} seconds", BODY_TIMEOUT.as_secs())]
    TooSlow,
    /// The connection ended in the middle.
    #[error("the body ended early")]
    Broken,
    /// Not JSON where JSON is expected.
    #[error("the body must be a JSON object with unique member names, as application/json")]
    Json,
    /// It arrived, but does not parse.
    #[error(transparent)]
    Parameters(#[from] ParametersError),
}

impl UnreadableRequest {
    /// The status that says it. RFC 9110 section 15.5.
    pub(super) const fn status(self) -> u16 {
        match self {
            Self::MediaType => 415,
            Self::TooLarge => 413,
            Self::TooSlow => 408,
            Self::Broken | Self::Json | Self::Parameters(_) => 400,
        }
    }
}

/// The parameters of the query.
pub(super) fn query(request: &HttpRequest) -> Result<Parameters, UnreadableRequest> {
    Ok(Parameters::parse(request.query_string().as_bytes())?)
}

/// Whether the body says that it is a form.
pub(super) fn is_form(request: &HttpRequest) -> bool {
    media_type(request)
        .is_some_and(|value| value.eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

fn media_type(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').next().map(str::trim)
}

/// The parameters of a form.
pub(super) async fn form(
    request: &HttpRequest,
    payload: Payload,
) -> Result<Parameters, UnreadableRequest> {
    if !is_form(request) {
        return Err(UnreadableRequest::MediaType);
    }
    let body = tokio::time::timeout(BODY_TIMEOUT, body(payload)).await;
    let body = body.map_err(|_| UnreadableRequest::TooSlow)??;
    Ok(Parameters::parse(&body)?)
}

/// The members of a JSON object.
pub(super) async fn json(
    request: &HttpRequest,
    payload: Payload,
) -> Result<Map<String, Value>, UnreadableRequest> {
    let media_type = media_type(request);
    if !media_type.is_some_and(|it| it.eq_ignore_ascii_case("application/json")) {
        return Err(UnreadableRequest::Json);
    }
    let body = tokio::time::timeout(BODY_TIMEOUT, body(payload)).await;
    let body = body.map_err(|_| UnreadableRequest::TooSlow)??;
    json::parse_object(&body).map_err(|_| UnreadableRequest::Json)
}

/// The bearer token in the header, of whatever kind. RFC 6750 section 2.1.
pub(super) fn bearer(request: &HttpRequest) -> Option<&str> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

async fn body(mut payload: Payload) -> Result<Zeroizing<Vec<u8>>, UnreadableRequest> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| UnreadableRequest::Broken)?;
        if body.len() + chunk.len() > MAX_FORM_BYTES {
            return Err(UnreadableRequest::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Zeroizing::new(body.to_vec()))
}
