//! Userinfo: a challenge. RFC 6750 section 3.

use std::error::Error;

use actix_web::http::StatusCode;
use actix_web::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse};

use super::{Cause, RETRY_SECONDS, database_away, log, write_oauth};
use crate::bridge::NotByClient;
use crate::jose::EncryptionError;
use crate::oidc::error::{ErrorCode, OAuthError};
use crate::oidc::parameters::BadParameter;
use crate::provider::incoming::{RequestId, UnreadableRequest};
use crate::store::StoreError;
use crate::tokens::MintError;

/// What may go wrong at userinfo. RFC 6750 section 3.1.
#[derive(Debug)]
pub(in crate::provider) enum BearerError {
    /// No token came: the challenge says nothing more.
    Missing,
    /// It came in two places, or in the query.
    Malformed(&'static str),
    /// The body cannot be read.
    Unreadable(UnreadableRequest),
    /// It is unknown, expired or revoked, or its client is disabled.
    Invalid,
    /// The database is away: never reported as a bad token.
    Unavailable(StoreError),
    /// The client's own keys, to which the answer is encrypted, are not to be had.
    ClientKeys(NotByClient),
    /// We are at fault.
    Fault(Box<dyn Error>),
}

impl BearerError {
    /// The answer; logged here, once.
    pub(in crate::provider) fn respond(self, request: &HttpRequest) -> HttpResponse {
        let (status, error, cause): (_, _, Cause) = match self {
            Self::Missing => {
                return HttpResponse::Unauthorized()
                    .insert_header((WWW_AUTHENTICATE, "Bearer realm=\"userinfo\""))
                    .finish();
            }
            Self::Malformed(reason) => (
                StatusCode::BAD_REQUEST,
                OAuthError::invalid_request(reason),
                None,
            ),
            Self::Unreadable(error) => (
                StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST),
                OAuthError::invalid_request(error.to_string()),
                None,
            ),
            Self::Invalid => (
                StatusCode::UNAUTHORIZED,
                OAuthError::new(
                    ErrorCode::InvalidToken,
                    "the access token is unknown, expired or revoked",
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
                StatusCode::INTERNAL_SERVER_ERROR,
                OAuthError::new(
                    ErrorCode::ServerError,
                    format!(
                        "userinfo of this client is encrypted to its own keys, which cannot be used: {cause}"
                    ),
                ),
                Some(Box::new(cause)),
            ),
            Self::Fault(cause) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                OAuthError::new(
                    ErrorCode::ServerError,
                    "the bridge could not protect the answer; its log says why",
                ),
                Some(cause),
            ),
        };
        log(
            "userinfo",
            &error.to_string(),
            cause.as_deref(),
            &RequestId::of(request),
        );
        let mut response = HttpResponse::build(status);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((RETRY_AFTER, RETRY_SECONDS));
        } else if !status.is_server_error() {
            let challenge = format!(
                "Bearer realm=\"userinfo\", error=\"{}\", error_description=\"{}\"",
                error.code.as_str(),
                error.description
            );
            response.insert_header((WWW_AUTHENTICATE, challenge));
        }
        write_oauth(response, &error)
    }
}

impl From<UnreadableRequest> for BearerError {
    fn from(error: UnreadableRequest) -> Self {
        Self::Unreadable(error)
    }
}

impl From<BadParameter> for BearerError {
    fn from(_: BadParameter) -> Self {
        Self::Malformed("access_token occurs more than once, or is not UTF-8")
    }
}

impl From<StoreError> for BearerError {
    fn from(error: StoreError) -> Self {
        match error {
            // A row that does not open is no token of ours.
            StoreError::DoesNotOpen(_) => Self::Invalid,
            other => Self::Unavailable(other),
        }
    }
}

impl From<NotByClient> for BearerError {
    fn from(error: NotByClient) -> Self {
        Self::ClientKeys(error)
    }
}

impl From<MintError> for BearerError {
    fn from(error: MintError) -> Self {
        Self::Fault(Box::new(error))
    }
}

impl From<EncryptionError> for BearerError {
    fn from(error: EncryptionError) -> Self {
        Self::Fault(Box::new(error))
    }
}

impl From<serde_json::Error> for BearerError {
    fn from(error: serde_json::Error) -> Self {
        Self::Fault(Box::new(error))
    }
}
