//! The algorithms that we offer, for signatures and for encryption: allow-lists. RFC 7518; RFC 8037 section 3.1.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A JWS algorithm that we sign with, and that clients may sign with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum SigningAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256, the default of OpenID Connect.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// `EdDSA` with Ed25519.
    EdDsa,
}

impl SigningAlgorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Rs256, Self::Ps256, Self::Es256, Self::EdDsa];

    /// The value of `alg`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Reads a value of `alg`; anything outside the allow-list is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == text)
    }
}

impl TryFrom<String> for SigningAlgorithm {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or(
            "the algorithm must be RS256, PS256, ES256 or EdDSA; HS256 and other symmetric ones cannot be used, since secrets are kept as hashes: choose one of these in the relying party too",
        )
    }
}

impl From<SigningAlgorithm> for &'static str {
    fn from(algorithm: SigningAlgorithm) -> Self {
        algorithm.as_str()
    }
}

impl fmt::Display for SigningAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! allow_list {
    ($(#[$doc:meta])* $name:ident { $($(#[$entry:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$entry])* #[serde(rename = $text)] $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The value in a JOSE header.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

allow_list! {
    /// How a content encryption key reaches a client: the JWE `alg` of what we encrypt to it. RFC 7518 section 4.1.
    KeyManagementAlgorithm {
        /// RSAES OAEP with SHA-256 and MGF1 with SHA-256.
        RsaOaep256 = "RSA-OAEP-256",
        /// Ephemeral-static Diffie-Hellman; what is agreed is the content encryption key.
        EcdhEs = "ECDH-ES",
        /// The same, wrapping a key with 128-bit AES.
        EcdhEsA128Kw = "ECDH-ES+A128KW",
        /// The same, wrapping a key with 256-bit AES.
        EcdhEsA256Kw = "ECDH-ES+A256KW",
    }
}

allow_list! {
    /// How content is encrypted: the JWE `enc`. RFC 7518 section 5.1.
    ContentEncryption {
        /// AES-128-CBC with HMAC-SHA-256, the default of OpenID Connect.
        A128CbcHs256 = "A128CBC-HS256",
        /// AES-256-CBC with HMAC-SHA-512.
        A256CbcHs512 = "A256CBC-HS512",
        /// AES-128-GCM.
        A128Gcm = "A128GCM",
        /// AES-256-GCM.
        A256Gcm = "A256GCM",
    }
}

/// How something is encrypted to a client. OpenID Connect Registration section 2, `*_encrypted_response_alg` and `_enc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encryption {
    /// How the key travels.
    pub alg: KeyManagementAlgorithm,
    /// How the content is encrypted.
    pub enc: ContentEncryption,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_expects_hs256_reads_what_to_choose_instead() {
        let refused = serde_json::from_str::<SigningAlgorithm>(r#""HS256""#).unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("choose one of these in the relying party")
        );
        for algorithm in SigningAlgorithm::ALL {
            let text = serde_json::to_string(&algorithm).unwrap();
            assert_eq!(
                serde_json::from_str::<SigningAlgorithm>(&text).unwrap(),
                algorithm
            );
        }
    }
}
