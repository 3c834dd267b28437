//! Subject identifiers: who a person is to one sector and to nobody else. OpenID Connect Core section 8.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Whether clients see different identifiers for one person. OpenID Connect Core section 8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SubjectType {
    /// One identifier for each sector.
    #[default]
    Pairwise,
    /// One identifier for all clients.
    Public,
}

/// The host that clients share when they are to see the same pairwise identifiers. OpenID Connect Core section 8.1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SectorIdentifier(String);

impl SectorIdentifier {
    /// Reads a host name; anything but letters, digits, `.`, `-`, `:`, `[` and `]` is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let is_literal_ipv6 = text.starts_with('[') && text.ends_with(']');
        let allowed = |c: u8| {
            c.is_ascii_alphanumeric()
                || b".-".contains(&c)
                || (is_literal_ipv6 && b"[:]".contains(&c))
        };
        let plausible = !text.is_empty() && text.len() <= 253 && text.bytes().all(allowed);
        plausible.then(|| Self(text.to_ascii_lowercase()))
    }

    /// A sector of one client: for hosts that every native application has, such as `127.0.0.1`. No host name holds a
    /// colon outside brackets, so it is no other sector.
    pub fn of_client(client_id: &str) -> Self {
        Self(format!("client:{client_id}"))
    }

    /// The host name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// For whom an identifier is derived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The clients of one sector.
    Sector(SectorIdentifier),
    /// All clients.
    Everyone,
}

/// The key from which all subject identifiers are derived. Whoever loses it gives every person a new identity.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PairwiseSecret([u8; 32]);

impl PairwiseSecret {
    /// Takes 32 random bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for sealing.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// The identifier of a person at one upstream for an audience: a keyed derivation, so neither the upstream's
    /// value nor a link between two sectors can be found from it.
    ///
    /// # Panics
    /// Never: HMAC takes a key of any length.
    pub fn derive(
        &self,
        audience: &Audience,
        upstream_issuer: &str,
        upstream_subject: &str,
    ) -> SubjectIdentifier {
        // No sector is empty, so "everyone" is told apart from every sector.
        let sector = match audience {
            Audience::Sector(sector) => sector.as_str(),
            Audience::Everyone => "",
        };
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        for (index, part) in [sector, upstream_issuer, upstream_subject]
            .iter()
            .enumerate()
        {
            if index > 0 {
                mac.update(&[0]);
            }
            mac.update(part.as_bytes());
        }
        SubjectIdentifier(URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for PairwiseSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairwiseSecret[redacted]")
    }
}

/// `sub`: a person, as one audience knows them. 43 characters of base64url.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SubjectIdentifier(String);

impl SubjectIdentifier {
    /// An identifier as somebody names it, to be compared with one that was derived.
    pub fn presented(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The value of `sub`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sector(name: &str) -> Audience {
        Audience::Sector(SectorIdentifier::parse(name).unwrap())
    }

    #[test]
    fn the_same_person_is_the_same_in_one_sector_and_another_elsewhere() {
        let secret = PairwiseSecret::new([7; 32]);
        let derive =
            |audience: &Audience, sub| secret.derive(audience, "https://sgid.example/v2", sub);
        let one = derive(&sector("a.example"), "u=1");
        assert_eq!(one, derive(&sector("A.example"), "u=1"));
        assert_ne!(one, derive(&sector("b.example"), "u=1"));
        assert_ne!(one, derive(&sector("a.example"), "u=2"));
        assert_ne!(one, derive(&Audience::Everyone, "u=1"));
        assert_ne!(
            one,
            secret.derive(&sector("a.example"), "https://other.example/v2", "u=1")
        );
        let other_secret = PairwiseSecret::new([8; 32]);
        assert_ne!(
            one,
            other_secret.derive(&sector("a.example"), "https://sgid.example/v2", "u=1")
        );
    }

    #[test]
    fn the_derivation_never_changes() {
        let secret = PairwiseSecret::new([7; 32]);
        let subject = secret.derive(&sector("a.example"), "https://sgid.example/v2", "u=1");
        // python3: hmac.new(b"\x07"*32, b"a.example\0https://sgid.example/v2\0u=1", "sha256")
        assert_eq!(
            subject.as_str(),
            "CEQ7OGaCtQmER-vi6gFhNoiop_W9NrsX6Lvdg46wG2U"
        );
    }
}
