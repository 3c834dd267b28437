//! What whoever registers a client hears. RFC 7591 section 3.2; RFC 7592 section 3.

use std::error::Error;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value, json};

use crate::bridge::{Bridge, Throttled};
use crate::clients;
use crate::oidc::error::{ErrorCode, OAuthError};
use crate::oidc::metadata::MetadataError;
use crate::outgoing::SectorUnconfirmed;
use crate::provider::error::{RETRY_SECONDS, database_away, log, write_oauth};
use crate::provider::incoming::{RequestId, UnreadableRequest};
use crate::provider::paths::Path;
use crate::store::{ClientRecord, StoreError};

/// A client as it is registered.
pub(super) struct Registered(Map<String, Value>);

impl Registered {
    /// `secret` only where it was made just now; `token` as the caller holds it.
    pub(super) fn of(
        bridge: &Bridge,
        record: &ClientRecord,
        token: &str,
        secret: Option<&str>,
    ) -> Self {
        let mut members = match json!(record.metadata) {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        let uri = Path::Register.url(&bridge.issuer);
        let uri = format!("{uri}/{}", record.metadata.client_id);
        // What is not kept because it is the default is registered all the same.
        members.insert("grant_types".to_owned(), json!(record.metadata.grant_types));
        members.insert("response_types".to_owned(), json!(["code"]));
        members.insert("registration_client_uri".to_owned(), uri.into());
        members.insert("registration_access_token".to_owned(), token.into());
        if let Some(registration) = &record.registration {
            let issued_at = registration.issued_at.seconds();
            members.insert("client_id_issued_at".to_owned(), issued_at.into());
        }
        if let Some(secret) = secret {
            members.insert("client_secret".to_owned(), secret.into());
            members.insert("client_secret_expires_at".to_owned(), 0.into());
        }
        Self(members)
    }

    pub(super) fn respond(&self, status: StatusCode) -> HttpResponse {
        HttpResponse::build(status).json(&self.0)
    }
}

/// Why a client was not registered, read or changed.
#[derive(Debug)]
pub(super) enum RegistrationError {
    /// The configuration names no initial access token.
    NotOffered,
    /// Another method than the endpoint takes.
    Method,
    /// The token is missing or wrong.
    Token,
    /// Too many failures.
    Throttled,
    /// The body cannot be read.
    Unreadable(UnreadableRequest),
    /// The registration cannot work.
    Refused(OAuthError),
    /// Somebody else changed it at the same moment.
    Changed,
    /// The database is away.
    Unavailable(StoreError),
    /// We are at fault.
    Fault,
}

impl RegistrationError {
    pub(super) fn metadata(description: impl Into<String>) -> Self {
        let code = ErrorCode::InvalidClientMetadata;
        Self::Refused(OAuthError::new(code, description.into()))
    }

    /// The answer; logged here, once.
    pub(super) fn respond(self, request: &HttpRequest) -> HttpResponse {
        let mut cause: Option<Box<dyn Error>> = None;
        let (status, error) = match self {
            Self::NotOffered => (
                StatusCode::NOT_FOUND,
                OAuthError::invalid_request(
                    "registration is switched off: set initial_access_token_file in [registration]",
                ),
            ),
            Self::Method => (
                StatusCode::METHOD_NOT_ALLOWED,
                OAuthError::invalid_request("a registration takes GET, PUT and DELETE"),
            ),
            Self::Token => (
                StatusCode::UNAUTHORIZED,
                OAuthError::new(
                    ErrorCode::InvalidToken,
                    "send the initial access token, or the registration access token of this client, in the Authorization header",
                ),
            ),
            Self::Throttled => (
                StatusCode::TOO_MANY_REQUESTS,
                OAuthError::new(
                    ErrorCode::TemporarilyUnavailable,
                    "too many failures from this address; wait a minute",
                ),
            ),
            Self::Unreadable(error) => (
                StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST),
                OAuthError::new(ErrorCode::InvalidClientMetadata, error.to_string()),
            ),
            Self::Refused(error) => (StatusCode::BAD_REQUEST, error),
            Self::Changed => (
                StatusCode::CONFLICT,
                OAuthError::invalid_request(
                    "the registration was changed at the same moment: read it, then try again",
                ),
            ),
            Self::Unavailable(error) => {
                cause = Some(Box::new(error));
                (StatusCode::SERVICE_UNAVAILABLE, database_away())
            }
            Self::Fault => (
                StatusCode::INTERNAL_SERVER_ERROR,
                OAuthError::new(ErrorCode::ServerError, "the client could not be registered"),
            ),
        };
        log(
            "register",
            &error.to_string(),
            cause.as_deref(),
            &RequestId::of(request),
        );
        let mut response = HttpResponse::build(status);
        if error.code == ErrorCode::TemporarilyUnavailable {
            response.insert_header((RETRY_AFTER, RETRY_SECONDS));
        }
        if status == StatusCode::METHOD_NOT_ALLOWED {
            response.insert_header((ALLOW, "GET, PUT, DELETE"));
        }
        if status == StatusCode::UNAUTHORIZED {
            let challenge = "Bearer realm=\"register\", error=\"invalid_token\"";
            response.insert_header((WWW_AUTHENTICATE, challenge));
        }
        write_oauth(response, &error)
    }
}

impl From<clients::RegistrationError> for RegistrationError {
    fn from(error: clients::RegistrationError) -> Self {
        let code = match &error {
            clients::RegistrationError::Metadata(
                MetadataError::RedirectUri { .. } | MetadataError::NoRedirectUri,
            ) => ErrorCode::InvalidRedirectUri,
            clients::RegistrationError::Metadata(_)
            | clients::RegistrationError::UnknownScope(_)
            | clients::RegistrationError::NoPurpose(_) => ErrorCode::InvalidClientMetadata,
        };
        Self::Refused(OAuthError::new(code, error.without_input()))
    }
}

impl From<SectorUnconfirmed> for RegistrationError {
    fn from(error: SectorUnconfirmed) -> Self {
        Self::metadata(error.to_string())
    }
}

impl From<UnreadableRequest> for RegistrationError {
    fn from(error: UnreadableRequest) -> Self {
        Self::Unreadable(error)
    }
}

impl From<StoreError> for RegistrationError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error)
    }
}

impl From<Throttled> for RegistrationError {
    fn from(_: Throttled) -> Self {
        Self::Throttled
    }
}
