//! What binds one visit to sgID to one login.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::CryptoRng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::oidc::pkce::CodeVerifier;

/// What binds one visit to sgID to one login: fresh every time, and unrelated to the relying party's values.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UpstreamAttempt {
    /// The `nonce` that the upstream's ID token must bring back.
    pub upstream_nonce: UpstreamNonce,
    /// Our own PKCE verifier; it never leaves the back channel.
    pub code_verifier: CodeVerifier,
}

impl UpstreamAttempt {
    /// Fresh values of 256 random bits each.
    pub fn generate(randomness: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; 32];
        randomness.fill_bytes(&mut bytes);
        let upstream_nonce = UpstreamNonce(URL_SAFE_NO_PAD.encode(bytes));
        randomness.fill_bytes(&mut bytes);
        Self {
            upstream_nonce,
            code_verifier: CodeVerifier::from_random(&bytes),
        }
    }
}

/// The `nonce` that we sent upstream.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UpstreamNonce(String);

impl UpstreamNonce {
    /// The value, for the authorization URL.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the upstream brought back this value, in constant time.
    pub fn is(&self, brought_back: &str) -> bool {
        self.0.as_bytes().ct_eq(brought_back.as_bytes()).into()
    }
}

impl fmt::Debug for UpstreamNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UpstreamNonce[redacted]")
    }
}

/// What ties the log events of one login together. Says nothing to whoever does not hold the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LoginId(String);

impl LoginId {
    /// Half of a hash of the upstream nonce, which is random and used once.
    pub(super) fn of(attempt: &UpstreamAttempt) -> Self {
        let hash = Sha256::digest(attempt.upstream_nonce.0.as_bytes());
        Self(URL_SAFE_NO_PAD.encode(&hash[..12]))
    }
}

impl LoginId {
    /// For an answer that needed no visit.
    pub fn generate(randomness: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; 12];
        randomness.fill_bytes(&mut bytes);
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl fmt::Display for LoginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
