//! Who signed in.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::oidc::claims::Claims;
use crate::oidc::client::Client;
use crate::oidc::subject::{PairwiseSecret, SubjectIdentifier};

/// Who signed in, as an upstream has proven it: signature, issuer, audience and nonce of its ID token were right,
/// and the same person stands in its userinfo.
#[derive(Debug)]
pub struct Identity {
    pub(super) issuer: String,
    pub(super) subject: UpstreamSubject,
    pub(super) claims: Claims,
}

/// `sub` as the upstream writes it: opaque, and never shown to anybody.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UpstreamSubject(String);

impl UpstreamSubject {
    /// Takes the value of a verified ID token.
    pub fn new(verified: String) -> Self {
        Self(verified)
    }

    /// Whether another document speaks of the same person, byte for byte. OpenID Connect Core section 5.3.2.
    pub fn is(&self, other: &str) -> bool {
        self.0 == other
    }

    pub(super) fn derive_for(
        &self,
        client: &Client,
        issuer: &str,
        secret: &PairwiseSecret,
    ) -> SubjectIdentifier {
        secret.derive(client.audience(), issuer, &self.0)
    }
}

impl fmt::Debug for UpstreamSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UpstreamSubject[redacted]")
    }
}

impl Identity {
    /// To be called by an upstream's room only, after it has verified everything.
    pub fn verified(issuer: String, subject: UpstreamSubject, claims: Claims) -> Self {
        Self {
            issuer,
            subject,
            claims,
        }
    }

    /// The subject identifier by which a client knows this person.
    pub fn subject_for(&self, client: &Client, secret: &PairwiseSecret) -> SubjectIdentifier {
        self.subject.derive_for(client, &self.issuer, secret)
    }
}
