//! Mints ID tokens from a redeemed grant.
//! Never knows: HTTP, SQL.
//! Standards: OpenID Connect Core 1.0 sections 2 and 3.1.3.6; RFC 7515.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::keyring::{Keyring, KeyringError};
use crate::login::Redeemed;
use crate::oidc::id_token::{IdTokenClaims, at_hash};
use crate::oidc::issuer::Issuer;

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// No key, or the library failed.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The claims cannot be written.
    #[error("the claims cannot be written as JSON")]
    Claims(#[from] serde_json::Error),
    /// The process is stopping.
    #[error("signing was interrupted")]
    Interrupted,
}

/// Makes ID tokens, a bounded number at a time.
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
            nonce: redeemed.nonce(),
            at_hash: at_hash(algorithm, access_token),
            granted: redeemed.id_token_claims().into_members(),
        };
        let payload = Zeroizing::new(serde_json::to_vec(&claims)?);
        // An RSA signature takes as long as a hundred requests to anything else: never on the event loop.
        let permit = self.signatures.acquire().await;
        let _permit = permit.map_err(|_| MintError::Interrupted)?;
        let signing = move || Ok(keyring.signer(algorithm, now)?.sign(&payload)?);
        tokio::task::spawn_blocking(signing)
            .await
            .map_err(|_| MintError::Interrupted)?
    }
}
