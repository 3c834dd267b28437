//! The one conversion from what went wrong to HTTP, once for each surface.

mod authorize;
mod bearer;
mod page;
mod token;

pub(super) use authorize::AuthorizeError;
pub(super) use bearer::BearerError;
pub use page::{ErrorPage, PageFault};
pub(super) use token::TokenError;

use std::error::Error;

use actix_web::{HttpResponse, HttpResponseBuilder};
use serde_json::json;

use crate::oidc::error::{ErrorCode, OAuthError};

/// When somebody who was turned away may come back, in seconds.
pub(super) const RETRY_SECONDS: &str = "60";

/// What lies behind an error, for the log only.
type Cause = Option<Box<dyn Error>>;

/// The one way to say that it is us who lack something, and that trying again helps.
pub(super) fn database_away() -> OAuthError {
    OAuthError::new(
        ErrorCode::TemporarilyUnavailable,
        "the bridge cannot reach its database; try again in a moment",
    )
}

/// A refusal as JSON. RFC 6749 section 5.2.
pub(super) fn write_oauth(mut response: HttpResponseBuilder, error: &OAuthError) -> HttpResponse {
    response.json(json!({
        "error": error.code.as_str(),
        "error_description": error.description.as_str(),
    }))
}

/// One event for each refusal and failure, with the whole chain of what lies behind it.
pub(super) fn log(surface: &'static str, answer: &str, cause: Option<&dyn Error>, reference: &str) {
    match cause {
        None => tracing::info!(surface, answer, request.id = reference, "refused"),
        Some(cause) => {
            let mut chain = cause.to_string();
            let mut source = cause.source();
            while let Some(deeper) = source {
                chain = format!("{chain}: {deeper}");
                source = deeper.source();
            }
            tracing::error!(
                surface,
                answer,
                cause = chain,
                request.id = reference,
                "failed"
            );
        }
    }
}
