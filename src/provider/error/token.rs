//! The endpoints that only programs call: JSON. RFC 6749 section 5.2, which RFC 7009, 7662 and 9126 take over.

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse};

use super::{Cause, RETRY_SECONDS, database_away, log, write_oauth};
use crate::bridge::NotByClient;
use crate::bridge::Throttled;
use crate::oidc::client::InvalidClient;
use crate::oidc::error::{ErrorCode, OAuthError};
use crate::oidc::parameters::BadParameter;
use crate::provider::incoming::{RequestId, UnreadableRequest};
use crate::store::StoreError;
use crate::tokens::MintError;

/// What may go wrong where a client authenticates. RFC 6749 section 5.2.
#[derive(Debug)]
pub(in crate::provider) enum TokenError {
    /// A refusal with its code.
    OAuth(OAuthError),
    /// The body cannot be read.
    Unreadable(UnreadableRequest),
    /// Another method than POST.
    Method,
    /// Nothing says who asks.
    NoCredentials,
    /// Nobody was proven; `challenge` where HTTP Basic was tried.
    InvalidClient {
        /// Whether the client tried HTTP Basic.
        challenge: bool,
        /// What the client may hear of it.
        reason: InvalidClient,
    },
    /// Too many failures.
    Throttled,
    /// More logins at once than can be served.
    Overloaded,
    /// The database is away: never reported as a bad credential.
    Unavailable(StoreError),
    /// The client's own keys, to which its tokens are encrypted, are not to be had.
    ClientKeys(NotByClient),
    /// We are at fault.
    Fault(MintError),
}

impl TokenError {
    /// The answer; logged here, once.
    pub(in crate::provider) fn respond(self, request: &HttpRequest) -> HttpResponse {
        let reference = RequestId::of(request);
        let (status, error, cause): (_, _, Cause) = match self {
            Self::OAuth(error) => (StatusCode::BAD_REQUEST, error, None),
            Self::Unreadable(error) => (
                StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST),
                OAuthError::invalid_request(error.to_string()),
                None,
            ),
            Self::Method => (
                StatusCode::METHOD_NOT_ALLOWED,
                OAuthError::invalid_request("this endpoint takes POST only"),
                None,
            ),
            Self::NoCredentials => (
                StatusCode::UNAUTHORIZED,
                OAuthError::new(
                    ErrorCode::InvalidClient,
                    "client_id is missing: authenticate by the registered token_endpoint_auth_method, or send client_id in the form",
                ),
                None,
            ),
            Self::InvalidClient { challenge, reason } => {
                return invalid_client(challenge, reason, &reference);
            }
            Self::Throttled => (
                StatusCode::TOO_MANY_REQUESTS,
                OAuthError::new(
                    ErrorCode::TemporarilyUnavailable,
                    "too many failed client authentications from this address; wait a minute",
                ),
                None,
            ),
            Self::Overloaded => (
                StatusCode::SERVICE_UNAVAILABLE,
                OAuthError::new(
                    ErrorCode::TemporarilyUnavailable,
                    "too many people are signing in just now; try again in a moment",
                ),
                None,
            ),
            Self::Unavailable(cause) => (
                StatusCode::SERVICE_UNAVAILABLE,
                database_away(),
                Some(Box::new(cause)),
            ),
            Self::ClientKeys(cause @ NotByClient::Keys(_)) => (
                StatusCode::SERVICE_UNAVAILABLE,
                OAuthError::new(
                    ErrorCode::TemporarilyUnavailable,
                    format!("the keys of this client cannot be had just now: {cause}"),
                ),
                Some(Box::new(cause)),
            ),
            Self::ClientKeys(cause) => (
                StatusCode::BAD_REQUEST,
                OAuthError::invalid_request(format!(
                    "tokens of this client are encrypted to its own keys, which cannot be used: {cause}"
                )),
                Some(Box::new(cause)),
            ),
            Self::Fault(cause) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                OAuthError::new(
                    ErrorCode::ServerError,
                    "the bridge could not make tokens; its log says why",
                ),
                Some(Box::new(cause)),
            ),
        };
        log("token", &error.to_string(), cause.as_deref(), &reference);
        let mut response = HttpResponse::build(status);
        if matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        ) {
            response.insert_header((RETRY_AFTER, RETRY_SECONDS));
        }
        if status == StatusCode::METHOD_NOT_ALLOWED {
            response.insert_header((ALLOW, "POST"));
        }
        write_oauth(response, &error)
    }
}

fn invalid_client(challenge: bool, reason: InvalidClient, reference: &str) -> HttpResponse {
    let description = match reason {
        InvalidClient::Unproven => "client authentication failed: check client_id, the secret or key, and that the relying party uses the registered token_endpoint_auth_method".to_owned(),
        other @ (InvalidClient::Assertion(_) | InvalidClient::OtherMethod { .. }) => {
            other.to_string()
        }
    };
    let error = OAuthError::new(ErrorCode::InvalidClient, description);
    log("token", &error.to_string(), None, reference);
    let mut response = HttpResponse::Unauthorized();
    if challenge {
        response.insert_header((WWW_AUTHENTICATE, "Basic realm=\"token\", charset=\"UTF-8\""));
    }
    write_oauth(response, &error)
}

impl From<OAuthError> for TokenError {
    fn from(error: OAuthError) -> Self {
        Self::OAuth(error)
    }
}

impl From<BadParameter> for TokenError {
    fn from(error: BadParameter) -> Self {
        Self::OAuth(error.into())
    }
}

impl From<UnreadableRequest> for TokenError {
    fn from(error: UnreadableRequest) -> Self {
        Self::Unreadable(error)
    }
}

impl From<StoreError> for TokenError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error)
    }
}

impl From<MintError> for TokenError {
    fn from(error: MintError) -> Self {
        Self::Fault(error)
    }
}

impl From<NotByClient> for TokenError {
    fn from(error: NotByClient) -> Self {
        Self::ClientKeys(error)
    }
}

impl From<Throttled> for TokenError {
    fn from(_: Throttled) -> Self {
        Self::Throttled
    }
}
