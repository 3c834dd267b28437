//! `POST /token`: a code or a refresh token becomes tokens. RFC 6749 sections 4.1.3, 5 and 6.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use super::error::TokenError;
use super::incoming::{self, RequestId};
use super::{client_auth, refresh};
use crate::bridge::Bridge;
use crate::clock::Timestamp;
use crate::jose::Recipient;
use crate::login::{NotRedeemable, Redeemed};
use crate::oidc::client::AuthenticatedClient;
use crate::oidc::error::{ErrorCode, OAuthError};
use crate::oidc::parameters::Parameters;
use crate::oidc::pkce::CodeVerifier;
use crate::oidc::scope::ScopeSet;
use crate::secret::{AccessToken, AuthorizationCode, Bearer, RefreshToken, randomness};
use crate::store::{Origin, Spending};

/// The token endpoint.
pub async fn token(bridge: Data<Bridge>, request: HttpRequest, payload: Payload) -> HttpResponse {
    match exchange(&bridge, &request, payload).await {
        Ok(tokens) => HttpResponse::Ok().json(tokens),
        Err(error) => error.respond(&request),
    }
}

/// Any other method than POST. RFC 6749 section 3.2.
pub async fn wrong_method(request: HttpRequest) -> HttpResponse {
    TokenError::Method.respond(&request)
}

/// A successful answer. RFC 6749 section 5.1; OpenID Connect Core section 3.1.3.3.
#[derive(Serialize)]
pub(super) struct TokenResponse {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    id_token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    scope: ScopeSet,
}

async fn exchange(
    bridge: &Bridge,
    request: &HttpRequest,
    payload: Payload,
) -> Result<TokenResponse, TokenError> {
    let now = bridge.clock.now();
    let form = incoming::form(request, payload).await?;
    let client = client_auth::authenticate(bridge, request, &form, now).await?;
    match form.one("grant_type")? {
        Some("authorization_code") => redeem(bridge, request, &client, &form, now).await,
        Some("refresh_token") => refresh::refresh(bridge, request, &client, &form, now).await,
        Some(_) => Err(OAuthError::new(
            ErrorCode::UnsupportedGrantType,
            "grant_type must be authorization_code or refresh_token",
        )
        .into()),
        None => Err(OAuthError::invalid_request(
            "grant_type is missing: it must be authorization_code or refresh_token",
        )
        .into()),
    }
}

async fn redeem(
    bridge: &Bridge,
    request: &HttpRequest,
    client: &AuthenticatedClient,
    form: &Parameters,
    now: Timestamp,
) -> Result<TokenResponse, TokenError> {
    let presented = Presented::parse(form)?;
    let code = Bearer::<AuthorizationCode>::parse(presented.code).ok_or_else(invalid_grant)?;
    let found = bridge.store.find_code(&code, now).await?;
    let found = found.ok_or_else(invalid_grant)?;
    let allowed = bridge.catalogue().claim_names(client.scope());
    let redeemed = found
        .grant
        .redeem(
            client,
            presented.redirect_uri,
            presented.code_verifier.as_ref(),
            &allowed,
        )
        .map_err(explain)?;
    let recipient = bridge.token_recipient(client, now).await?;
    // The refresh token first: whoever then loses the code, or revokes it, finds it there.
    let refresh_token = match redeemed.refreshable() {
        None => None,
        Some(grant) => {
            let token = RefreshToken::generate(&mut randomness());
            let expires_at = now.after(bridge.lifetimes.refresh_token);
            let kept = bridge
                .store
                .put_refresh_token(&found.row, &token, &grant, expires_at);
            kept.await?;
            Some(token.expose())
        }
    };
    let access_token = Bearer::<AccessToken>::generate(&mut randomness());
    let access = redeemed.access(now, now.after(bridge.lifetimes.access_token));
    let origin = Origin {
        code: &found.row,
        session: redeemed.membership().map(|membership| membership.tag),
    };
    let spending = bridge
        .store
        .spend_code(origin, &access_token, &access)
        .await?;
    let audit = |outcome: &'static str| {
        metrics::counter!("codes_redeemed_total", "outcome" => outcome).increment(1);
        tracing::info!(target: "sgid_bridge::audit", event = "token", outcome, client.id = %client.client_id(), login.id = %redeemed.id(), subject = redeemed.subject().as_str(), request.id = RequestId::of(request), "a code was redeemed");
    };
    if spending == Spending::AlreadySpent {
        // Whoever came first may have been the thief: what the code had granted ends.
        bridge.store.revoke_code(&found.row).await?;
        audit("replayed");
        return Err(invalid_grant().into());
    }
    // A logout at this very moment takes the code away before it looks for tokens: either it finds ours, or we see it.
    if redeemed.membership().is_some() && bridge.store.find_code(&code, now).await?.is_none() {
        bridge.store.revoke_code(&found.row).await?;
        audit("session ended");
        return Err(invalid_grant().into());
    }
    let issued = Issued {
        access_token,
        refresh_token,
    };
    let response = respond(bridge, &redeemed, issued, recipient, now).await?;
    audit("issued");
    Ok(response)
}

/// The handles that were entered for a grant.
pub(super) struct Issued {
    pub(super) access_token: Bearer<AccessToken>,
    pub(super) refresh_token: Option<String>,
}

/// The answer, with a fresh ID token.
pub(super) async fn respond(
    bridge: &Bridge,
    redeemed: &Redeemed,
    issued: Issued,
    recipient: Option<Recipient>,
    now: Timestamp,
) -> Result<TokenResponse, TokenError> {
    let access_token = issued.access_token.expose();
    let keyring = bridge.keyring();
    let id_token = bridge
        .mint
        .id_token(keyring, redeemed, &access_token, recipient, now)
        .await?;
    Ok(TokenResponse {
        access_token,
        token_type: "Bearer",
        expires_in: bridge.lifetimes.access_token.as_secs(),
        id_token,
        refresh_token: issued.refresh_token,
        scope: redeemed.scope().clone(),
    })
}

/// The parameters of an authorization code grant. RFC 6749 section 4.1.3; RFC 7636 section 4.5.
struct Presented<'a> {
    code: &'a str,
    redirect_uri: Option<&'a str>,
    code_verifier: Option<CodeVerifier>,
}

impl<'a> Presented<'a> {
    fn parse(form: &'a Parameters) -> Result<Self, TokenError> {
        let code = form
            .one("code")?
            .ok_or_else(|| OAuthError::invalid_request("code is missing"))?;
        let redirect_uri = form.one("redirect_uri")?;
        let code_verifier = match form.one("code_verifier")? {
            None => None,
            Some(text) => Some(CodeVerifier::parse(text).ok_or_else(|| {
                OAuthError::invalid_request("code_verifier must be 43 to 128 unreserved characters")
            })?),
        };
        Ok(Self {
            code,
            redirect_uri,
            code_verifier,
        })
    }
}

/// One answer for a code that is unknown, expired, spent or another client's.
fn invalid_grant() -> OAuthError {
    OAuthError::new(
        ErrorCode::InvalidGrant,
        "the code is unknown, expired or already redeemed; a code works once, soon after it was issued",
    )
}

fn explain(reason: NotRedeemable) -> OAuthError {
    match reason {
        NotRedeemable::OtherClient => invalid_grant(),
        NotRedeemable::RedirectUri
        | NotRedeemable::CodeVerifier
        | NotRedeemable::NeedlessVerifier => {
            OAuthError::new(ErrorCode::InvalidGrant, reason.to_string())
        }
    }
}
