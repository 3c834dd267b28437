//! `grant_type=refresh_token`: tokens anew, without the person. RFC 6749 section 6; OpenID Connect Core section 12;
//! RFC 9700 section 4.14.

use actix_web::HttpRequest;

use super::error::TokenError;
use super::incoming::RequestId;
use super::token::{Issued, TokenResponse, respond};
use crate::bridge::Bridge;
use crate::clock::Timestamp;
use crate::login::{Narrower, NotRefreshable};
use crate::oidc::client::{AuthenticatedClient, GrantType};
use crate::oidc::error::{ErrorCode, OAuthError};
use crate::oidc::parameters::Parameters;
use crate::oidc::scope::ScopeSet;
use crate::secret::{AccessToken, Bearer, RefreshToken, randomness};
use crate::store::Rotation;

pub(super) async fn refresh(
    bridge: &Bridge,
    request: &HttpRequest,
    client: &AuthenticatedClient,
    form: &Parameters,
    now: Timestamp,
) -> Result<TokenResponse, TokenError> {
    if !client.may_use(GrantType::RefreshToken) {
        return Err(OAuthError::new(
            ErrorCode::UnauthorizedClient,
            "this client is not registered for refresh tokens: add refresh_token to grant_types and offline_access to scope",
        )
        .into());
    }
    let presented = form
        .one("refresh_token")?
        .ok_or_else(|| OAuthError::invalid_request("refresh_token is missing"))?;
    let scope = form.one("scope")?.map(ScopeSet::parse).transpose();
    let scope =
        scope.map_err(|error| OAuthError::new(ErrorCode::InvalidScope, error.to_string()))?;
    let token = RefreshToken::parse(presented).ok_or_else(invalid_grant)?;
    let found = bridge.store.find_refresh_token(&token, now).await?;
    let found = found.ok_or_else(invalid_grant)?;
    let audit = |outcome: &'static str| {
        metrics::counter!("tokens_refreshed_total", "outcome" => outcome).increment(1);
        tracing::info!(target: "sgid_bridge::audit", event = "refresh", outcome, client.id = %client.client_id(), subject = found.grant.subject().as_str(), request.id = RequestId::of(request), "a refresh token was presented");
    };
    let catalogue = bridge.catalogue();
    let allowed = catalogue.claim_names(client.scope());
    let narrower = scope.map(|scope| Narrower {
        by_scope: catalogue.claim_names(&scope),
        scope,
    });
    let refreshed = found
        .grant
        .clone()
        .refresh(client, narrower, &allowed)
        .map_err(explain)?;
    if !found.is_latest {
        // Whoever used the later ones may have been the thief: all of them end.
        bridge.store.revoke_code(&found.code).await?;
        audit("reused");
        return Err(invalid_grant().into());
    }
    let recipient = bridge.token_recipient(client, now).await?;
    // The access token first: it opens nothing for anybody before the rotation lets us hand it out, and whoever ends
    // the grant afterwards finds it there.
    let access_token = Bearer::<AccessToken>::generate(&mut randomness());
    let access = refreshed.access(now, now.after(bridge.lifetimes.access_token));
    bridge
        .store
        .put_access_token(&found.code, &access_token, &access)
        .await?;
    let next = token.next(&mut randomness());
    let rotation = bridge
        .store
        .rotate_refresh_token(&found, &token.turn, &next.turn);
    if rotation.await? == Rotation::Lost {
        // Two presentations of one token at the same instant: the second is a reuse, as a later one would be.
        bridge.store.revoke_code(&found.code).await?;
        audit("reused");
        return Err(invalid_grant().into());
    }
    let issued = Issued {
        access_token,
        refresh_token: Some(next.expose()),
    };
    let response = respond(bridge, &refreshed, issued, recipient, now).await?;
    audit("issued");
    Ok(response)
}

/// One answer for a token that is unknown, expired, used or another client's.
fn invalid_grant() -> OAuthError {
    OAuthError::new(
        ErrorCode::InvalidGrant,
        "the refresh token is unknown, expired, revoked or already used; each works once and brings its successor",
    )
}

fn explain(reason: NotRefreshable) -> OAuthError {
    match reason {
        NotRefreshable::OtherClient => invalid_grant(),
        NotRefreshable::Scope => OAuthError::new(ErrorCode::InvalidScope, reason.to_string()),
    }
}
