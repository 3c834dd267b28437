//! The authorization endpoint and the callback: a page, or back to the relying party. RFC 6749 section 4.1.2.1.

use std::error::Error;

use actix_web::{HttpRequest, HttpResponse};

use super::{Cause, ErrorPage, PageFault, database_away, log};
use crate::bridge::Bridge;
use crate::oidc::error::{ErrorCode, OAuthError};
use crate::oidc::parameters::BadParameter;
use crate::oidc::return_address::ReturnAddress;
use crate::provider::incoming::{RequestId, UnreadableRequest};
use crate::provider::outgoing::deliver;
use crate::sgid::SgidError;
use crate::store::StoreError;

/// What may go wrong at the authorization endpoint and the callback.
#[derive(Debug)]
pub(in crate::provider) enum AuthorizeError {
    /// Before there is a way back: our page.
    Page(PageFault, Cause),
    /// Afterwards: to the relying party.
    Return(Box<ReturnAddress>, OAuthError, Cause),
}

impl AuthorizeError {
    pub(in crate::provider) fn page(fault: impl Into<PageFault>) -> Self {
        Self::Page(fault.into(), None)
    }

    /// A refusal that goes to the relying party.
    pub(in crate::provider) fn to(return_to: ReturnAddress, error: OAuthError) -> Self {
        Self::Return(Box::new(return_to), error, None)
    }

    /// Our own fault, told to the relying party without its reason.
    pub(in crate::provider) fn fault_to(
        return_to: ReturnAddress,
        cause: impl Error + 'static,
    ) -> Self {
        let error = OAuthError::new(
            ErrorCode::ServerError,
            "the bridge could not finish this login; its log says why",
        );
        Self::Return(Box::new(return_to), error, Some(Box::new(cause)))
    }

    /// The database's absence, told to the relying party.
    pub(in crate::provider) fn store_to(return_to: ReturnAddress, cause: StoreError) -> Self {
        match cause {
            StoreError::Database(_) | StoreError::TimedOut => {
                let error = database_away();
                Self::Return(Box::new(return_to), error, Some(Box::new(cause)))
            }
            other => Self::fault_to(return_to, other),
        }
    }

    /// sgID's absence or fault, told to the relying party without sgID's words.
    pub(in crate::provider) fn sgid_to(return_to: ReturnAddress, cause: SgidError) -> Self {
        let error = sgid_error(cause);
        Self::Return(Box::new(return_to), error, Some(Box::new(cause)))
    }

    /// The answer; logged here, once, with its whole chain.
    pub(in crate::provider) fn respond(
        self,
        bridge: &Bridge,
        request: &HttpRequest,
    ) -> HttpResponse {
        let reference = RequestId::of(request);
        match self {
            Self::Page(fault, cause) => {
                log("page", &fault.to_string(), cause.as_deref(), &reference);
                ErrorPage {
                    fault: &fault,
                    issuer: &bridge.issuer,
                    reference: &reference,
                }
                .respond()
            }
            Self::Return(return_to, error, cause) => {
                log("returned", &error.to_string(), cause.as_deref(), &reference);
                deliver(bridge, &return_to.with_error(&error))
            }
        }
    }
}

/// What a relying party hears of sgID's absence or fault, without sgID's words.
fn sgid_error(cause: SgidError) -> OAuthError {
    match cause {
        SgidError::Unavailable { .. } => OAuthError::new(
            ErrorCode::TemporarilyUnavailable,
            "sgID is not reachable; try again in a moment",
        ),
        SgidError::Untrusted { .. } => OAuthError::new(
            ErrorCode::ServerError,
            "sgID's answer could not be accepted; the log of the bridge says why",
        ),
    }
}

impl From<StoreError> for AuthorizeError {
    fn from(error: StoreError) -> Self {
        Self::Page(PageFault::Unavailable, Some(Box::new(error)))
    }
}

impl From<UnreadableRequest> for AuthorizeError {
    fn from(error: UnreadableRequest) -> Self {
        Self::page(PageFault::Unreadable(error.to_string(), error.status()))
    }
}

impl From<BadParameter> for AuthorizeError {
    fn from(error: BadParameter) -> Self {
        Self::page(PageFault::Unreadable(error.to_string(), 400))
    }
}
