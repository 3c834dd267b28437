//! Mints tokens: ID tokens from a redeemed grant, userinfo that is signed, logout tokens; encrypted where the client
//! wants it.
//! Never knows: HTTP, SQL.
//! Standards: OpenID Connect Core 1.0 sections 2, 3.1.3.6 and 5.3.2; Back-Channel Logout 1.0 section 2.4; RFC 7515;
//! RFC 7516.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::jose::{Content, EncryptionError, Recipient};
use crate::keyring::{Keyring, KeyringError};
use crate::login::{Ended, Redeemed};
use crate::oidc::algorithm::SigningAlgorithm;
use crate::oidc::id_token::{IdTokenClaims, at_hash, authentication_context};
use crate::oidc::issuer::Issuer;
use crate::oidc::logout_token::{self, LogoutEvent, LogoutTokenClaims};

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// No key, or the library failed.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The client's key for encryption is missing.
    #[error(transparent)]
    Encryption(#[from] EncryptionError),
    /// The claims cannot be written.
    #[error("the claims cannot be written as JSON")]
    Claims(#[from] serde_json::Error),
    /// The process is stopping.
    #[error("signing was interrupted")]
    Interrupted,
}

/// Makes tokens, a bounded number at a time.
pub struct Mint {
    issuer: Issuer,
    id_token_ttl: Duration,
    signatures: Semaphore,
}

impl Mint {
    /// A mint for this issuer.
    pub fn new(issuer: Issuer, id_token_ttl: Duration) -> Self {
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            issuer,
            id_token_ttl,
            signatures: Semaphore::new(processors),
        }
    }

    /// The ID token of a redeemed grant, bound to the access token that goes with it.
    ///
    /// # Errors
    /// [`MintError`].
    pub async fn id_token(
        &self,
        keyring: Arc<Keyring>,
        redeemed: &Redeemed,
        access_token: &str,
        recipient: Option<Recipient>,
        now: Timestamp,
    ) -> Result<String, MintError> {
        let algorithm = redeemed.algorithm();
        let claims = IdTokenClaims {
            iss: &self.issuer,
            sub: redeemed.subject(),
            aud: redeemed.client_id(),
            exp: now.after(self.id_token_ttl).seconds(),
            iat: now.seconds(),
            auth_time: redeemed.auth_time().seconds(),
            acr: &authentication_context(&self.issuer),
            sid: redeemed.membership().map(|membership| &*membership.sid),
            nonce: redeemed.nonce(),
            at_hash: at_hash(algorithm, access_token),
            granted: redeemed.id_token_claims().into_members(),
        };
        let kind = Kind {
            typ: "JWT",
            algorithm,
        };
        self.sign(keyring, &claims, kind, recipient, now).await
    }

    /// A userinfo answer as a JWT. OpenID Connect Core section 5.3.2. It has no `exp`, so that it passes as no ID token.
    ///
    /// # Errors
    /// [`MintError`].
    pub async fn userinfo(
        &self,
        keyring: Arc<Keyring>,
        claims: &Map<String, Value>,
        protection: (SigningAlgorithm, Option<Recipient>),
        now: Timestamp,
    ) -> Result<String, MintError> {
        let (algorithm, recipient) = protection;
        let kind = Kind {
            typ: "JWT",
            algorithm,
        };
        self.sign(keyring, claims, kind, recipient, now).await
    }

    /// The token that tells a client of a session's end.
    ///
    /// # Errors
    /// [`MintError`].
    pub async fn logout_token(
        &self,
        keyring: Arc<Keyring>,
        ended: &Ended,
        protection: (SigningAlgorithm, Option<Recipient>),
        now: Timestamp,
    ) -> Result<String, MintError> {
        let (algorithm, recipient) = protection;
        let claims = LogoutTokenClaims {
            iss: &self.issuer,
            aud: &ended.client_id,
            iat: now.seconds(),
            exp: now.seconds() + logout_token::LIFE_SECONDS,
            jti: &Uuid::new_v4().to_string(),
            sub: &ended.subject,
            sid: &ended.sid,
            events: LogoutEvent,
        };
        let kind = Kind {
            typ: logout_token::TYPE,
            algorithm,
        };
        self.sign(keyring, &claims, kind, recipient, now).await
    }

    async fn sign(
        &self,
        keyring: Arc<Keyring>,
        claims: &impl Serialize,
        kind: Kind,
        recipient: Option<Recipient>,
        now: Timestamp,
    ) -> Result<String, MintError> {
        let payload = Zeroizing::new(serde_json::to_vec(claims)?);
        // An RSA signature takes as long as a hundred requests to anything else: never on the event loop.
        let permit = self.signatures.acquire().await;
        let _permit = permit.map_err(|_| MintError::Interrupted)?;
        let signing = move || {
            let token = keyring
                .signer(kind.algorithm, now)?
                .sign(kind.typ, &payload)?;
            match recipient {
                None => Ok(token),
                Some(recipient) => Ok(recipient.encrypt(token.as_bytes(), Content::Jwt)?),
            }
        };
        tokio::task::spawn_blocking(signing)
            .await
            .map_err(|_| MintError::Interrupted)?
    }
}

/// What kind of JWT is made.
#[derive(Clone, Copy)]
struct Kind {
    typ: &'static str,
    algorithm: SigningAlgorithm,
}
