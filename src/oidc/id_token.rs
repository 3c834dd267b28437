//! The claims set of an ID token. OpenID Connect Core section 2.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256, Sha512};

use super::algorithm::SigningAlgorithm;
use super::client::ClientId;
use super::issuer::Issuer;
use super::subject::SubjectIdentifier;

/// What an ID token says, before it is signed. Instants are seconds since 1970.
#[derive(Serialize)]
pub struct IdTokenClaims<'a> {
    /// `iss`.
    pub iss: &'a Issuer,
    /// `sub`.
    pub sub: &'a SubjectIdentifier,
    /// `aud`: one audience, as a string.
    pub aud: &'a ClientId,
    /// `exp`.
    pub exp: i64,
    /// `iat`.
    pub iat: i64,
    /// `auth_time`: when we verified the upstream's answer.
    pub auth_time: i64,
    /// `acr`: the method, and no level of assurance.
    pub acr: &'a str,
    /// `sid`, where the login belongs to a session of ours. Another one for each client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<&'a str>,
    /// `nonce`, verbatim, where the request had one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<&'a str>,
    /// `at_hash`. OpenID Connect Core section 3.1.3.6.
    pub at_hash: String,
    /// What was granted. None of its names collides with those above: the catalogue forbids it.
    #[serde(flatten)]
    pub granted: Map<String, Value>,
}

/// The one authentication context class of an issuer, for `acr`: that the person signed in at sgID with it. It names
/// the method and asserts no level of assurance, since sgID asserts none.
pub fn authentication_context(issuer: &Issuer) -> String {
    issuer.endpoint("/acr/sgid")
}

/// Claim names that an ID token or a userinfo answer gives a meaning of its own: no mapping may use them.
pub const RESERVED_CLAIMS: [&str; 22] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "auth_time",
    "nonce",
    "acr",
    "amr",
    "azp",
    "at_hash",
    "c_hash",
    "s_hash",
    "sid",
    "cnf",
    "events",
    "scope",
    "client_id",
    "act",
    "may_act",
];

/// `at_hash`: the left half of the hash that goes with the signature algorithm. Ed25519 hashes with SHA-512.
pub fn at_hash(algorithm: SigningAlgorithm, access_token: &str) -> String {
    let half = match algorithm {
        SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 | SigningAlgorithm::Es256 => {
            Sha256::digest(access_token)[..16].to_vec()
        }
        SigningAlgorithm::EdDsa => Sha512::digest(access_token)[..32].to_vec(),
    };
    URL_SAFE_NO_PAD.encode(half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_hash_is_the_left_half() {
        // OpenID Connect Core appendix A.3 (its access token and at_hash).
        assert_eq!(
            at_hash(
                SigningAlgorithm::Rs256,
                "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"
            ),
            "77QmUPtjPfzWtF2AnpK9RQ"
        );
        assert_eq!(at_hash(SigningAlgorithm::EdDsa, "x").len(), 43);
    }
}
