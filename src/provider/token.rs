//! `POST /token`: an authorization code becomes tokens. RFC 6749 sections 4.1.3 and 5.

use std::sync::Arc;

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use super::client_auth;
use super::error::TokenError;
use super::incoming::{self, ClientAddress, RequestId};
use crate::bridge::Bridge;
use crate::clock::Timestamp;
use crate::login::NotRedeemable;
use crate::oidc::client::{AuthenticationMethod, Client, ClientCredentials, ClientId};
use crate::oidc::error::{ErrorCode, OAuthError};
use crate::oidc::parameters::Parameters;
use crate::oidc::pkce::CodeVerifier;
use crate::oidc::scope::ScopeSet;
use crate::secret::{AccessToken, AuthorizationCode, Bearer, randomness};
use crate::store::Spending;

/// The token endpoint.
pub async fn token(bridge: Data<Bridge>, request: HttpRequest, payload: Payload) -> HttpResponse {
    match redeem(&bridge, &request, payload).await {
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
struct TokenResponse {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    id_token: String,
    scope: ScopeSet,
}

async fn redeem(
    bridge: &Bridge,
    request: &HttpRequest,
    payload: Payload,
) -> Result<TokenResponse, TokenError> {
    let now = bridge.clock.now();
    let form = incoming::form(request, payload).await?;
    let credentials = client_auth::credentials(request, &form)
        .map_err(|error| counted(bridge, request, error, now))?;
    bridge
        .throttle
        .admit_attempt(ClientAddress::of(request), &credentials.client_id, now)?;
    let client = known_client(bridge, request, &credentials, now).await?;
    let client = client
        .authenticate(&credentials)
        .map_err(|_| {
            tracing::info!(target: "sgid_bridge::audit", event = "token", outcome = "refused", client.id = credentials.client_id, request.id = RequestId::of(request), "a client did not prove who it is");
            refused(bridge, request, &credentials, now)
        })?;
    let presented = Presented::parse(&form)?;
    let code = Bearer::<AuthorizationCode>::parse(presented.code).ok_or_else(invalid_grant)?;
    let found = bridge.store.find_code(&code, now).await?;
    let found = found.ok_or_else(invalid_grant)?;
    let allowed = bridge.catalogue().claim_names(client.scope());
    let redeemed = found
        .grant
        .redeem(
            &client,
            presented.redirect_uri,
            presented.code_verifier.as_ref(),
            &allowed,
        )
        .map_err(explain)?;
    let access_token = Bearer::<AccessToken>::generate(&mut randomness());
    let expires_at = now.after(bridge.lifetimes.access_token);
    let spending = bridge
        .store
        .spend_code(&found.row, &access_token, &redeemed.access(), expires_at)
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
    let access_token = access_token.expose();
    let id_token = bridge
        .mint
        .id_token(bridge.keyring(), &redeemed, &access_token, now)
        .await?;
    audit("issued");
    Ok(TokenResponse {
        access_token,
        token_type: "Bearer",
        expires_in: bridge.lifetimes.access_token.as_secs(),
        id_token,
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
        match form.one("grant_type")? {
            Some("authorization_code") => {}
            Some(_) => {
                return Err(OAuthError::new(
                    ErrorCode::UnsupportedGrantType,
                    "grant_type must be authorization_code",
                )
                .into());
            }
            None => {
                return Err(OAuthError::invalid_request(
                    "grant_type is missing: it must be authorization_code",
                )
                .into());
            }
        }
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

async fn known_client(
    bridge: &Bridge,
    request: &HttpRequest,
    credentials: &ClientCredentials,
    now: Timestamp,
) -> Result<Arc<Client>, TokenError> {
    let client = match ClientId::parse(&credentials.client_id) {
        Some(id) => bridge.clients.find(&bridge.store, &id, now).await?,
        None => None,
    };
    client.ok_or_else(|| {
        let _ = credentials.compare_with_nothing();
        refused(bridge, request, credentials, now)
    })
}

/// The same answer for an unknown client and a wrong secret.
fn refused(
    bridge: &Bridge,
    request: &HttpRequest,
    credentials: &ClientCredentials,
    now: Timestamp,
) -> TokenError {
    let address = ClientAddress::of(request);
    bridge
        .throttle
        .record_failure(address, &credentials.client_id, now);
    TokenError::InvalidClient {
        challenge: credentials.method == AuthenticationMethod::ClientSecretBasic,
    }
}

/// Credentials that cannot even be read count as a failure of nobody in particular.
fn counted(
    bridge: &Bridge,
    request: &HttpRequest,
    error: TokenError,
    now: Timestamp,
) -> TokenError {
    if matches!(error, TokenError::InvalidClient { .. }) {
        let address = ClientAddress::of(request);
        bridge.throttle.record_failure(address, "", now);
    }
    error
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
