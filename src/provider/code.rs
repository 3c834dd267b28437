//! A grant becomes a code on its way to the relying party. RFC 6749 section 4.1.2.

use actix_web::{HttpRequest, HttpResponse};

use super::error::AuthorizeError;
use super::incoming::RequestId;
use super::outgoing::deliver;
use crate::bridge::Bridge;
use crate::login::Grant;
use crate::oidc::error::{ErrorCode, OAuthError};
use crate::oidc::return_address::ReturnAddress;
use crate::secret::{AuthorizationCode, Bearer, RowId, randomness};

/// By which way a person was found.
#[derive(Clone, Copy)]
pub(super) enum By {
    /// They signed in at sgID.
    Upstream,
    /// An earlier sign-in of this browser answered.
    Session,
}

/// A code that waits to be handed over.
pub(super) struct Kept {
    code: Bearer<AuthorizationCode>,
    /// Its row, to be taken away where it is not handed over after all.
    pub(super) row: RowId,
}

/// Keeps the grant behind a fresh code. A pushed request is used up by the first code, whoever else waits with it.
pub(super) async fn keep(
    bridge: &Bridge,
    grant: &Grant,
    return_to: &ReturnAddress,
    pushed: Option<RowId>,
) -> Result<Kept, AuthorizeError> {
    let store_failed = |error| AuthorizeError::store_to(return_to.clone(), error);
    if let Some(row) = pushed {
        let spent = bridge.store.spend_pushed_request(&row).await;
        if !spent.map_err(store_failed)? {
            let used = OAuthError::new(
                ErrorCode::InvalidRequestUri,
                "another sign-in has used this request_uri: push the request anew",
            );
            return Err(AuthorizeError::to(return_to.clone(), used));
        }
    }
    let code = Bearer::<AuthorizationCode>::generate(&mut randomness());
    let expires_at = bridge
        .clock
        .now()
        .after(bridge.lifetimes.authorization_code);
    let row = bridge.store.put_code(&code, grant, expires_at).await;
    let row = row.map_err(store_failed)?;
    Ok(Kept { code, row })
}

/// Sends the code to the relying party.
pub(super) fn hand_over(
    bridge: &Bridge,
    request: &HttpRequest,
    (grant, by): (&Grant, By),
    return_to: &ReturnAddress,
    kept: &Kept,
) -> HttpResponse {
    let by = match by {
        By::Upstream => "sgID",
        By::Session => "session",
    };
    tracing::info!(target: "sgid_bridge::audit", event = "login", outcome = "granted", by, client.id = %grant.client_id(), login.id = %grant.id(), subject = grant.subject().as_str(), request.id = RequestId::of(request), "a person logged in");
    metrics::counter!("logins_total", "outcome" => "granted").increment(1);
    deliver(bridge, &return_to.with_code(&kept.code.expose()))
}
