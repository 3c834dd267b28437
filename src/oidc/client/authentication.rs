//! How a client proves who it is. RFC 6749 section 2.3; OpenID Connect Core section 9.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::Client;
use crate::oidc::assertion::{AssertionError, ClientAssertion};

/// SHA-256 of a client secret. Secrets have 256 random bits, so there is nothing to guess and no need to be slow.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientSecretHash(#[serde(with = "hexadecimal")] [u8; 32]);

impl ClientSecretHash {
    /// The hash of a secret.
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// Whether both are hashes of one secret, in constant time.
    pub fn is(&self, presented: &Self) -> bool {
        self.is_hash_of(presented).into()
    }

    fn is_hash_of(&self, presented: &Self) -> Choice {
        self.0.ct_eq(&presented.0)
    }
}

impl fmt::Debug for ClientSecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecretHash[redacted]")
    }
}

mod hexadecimal {
    use std::fmt::Write as _;

    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(hash: &[u8; 32], to: S) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(64);
        for byte in hash {
            write!(text, "{byte:02x}").map_err(S::Error::custom)?;
        }
        to.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(from)?;
        let mut hash = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(D::Error::custom("not 64 hexadecimal digits"));
        }
        for (index, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16)
                .map_err(D::Error::custom)?;
        }
        Ok(hash)
    }
}

/// How a client proves itself at the token endpoint: one registered method. OpenID Connect Core section 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthenticationMethod {
    /// HTTP Basic with the secret.
    ClientSecretBasic,
    /// The secret in the form.
    ClientSecretPost,
    /// An assertion that the client has signed with a key of its own. RFC 7523.
    PrivateKeyJwt,
    /// None: a public client, which PKCE protects.
    None,
}

impl AuthenticationMethod {
    /// The methods that work.
    pub const ALL: [Self; 4] = [
        Self::ClientSecretBasic,
        Self::ClientSecretPost,
        Self::PrivateKeyJwt,
        Self::None,
    ];

    /// Whether a client proves itself by a secret.
    pub const fn has_secret(self) -> bool {
        match self {
            Self::ClientSecretBasic | Self::ClientSecretPost => true,
            Self::PrivateKeyJwt | Self::None => false,
        }
    }

    /// The value of `token_endpoint_auth_method`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::None => "none",
        }
    }
}

/// What a request brought to prove who sends it.
pub struct ClientCredentials {
    /// Who it claims to be.
    pub client_id: String,
    /// What is to prove it.
    pub proof: Proof,
}

/// What is to prove who a client is.
pub enum Proof {
    /// A secret, by HTTP Basic: as it reads form-decoded, and as it stands where that is another text.
    Basic(ClientSecretHash, Option<ClientSecretHash>),
    /// A secret, in the form.
    Post(ClientSecretHash),
    /// An assertion; its signature by one of that client's keys was verified.
    Assertion(ClientAssertion),
    /// Nothing at all.
    Nothing,
}

impl Proof {
    /// The method that it belongs to.
    pub const fn method(&self) -> AuthenticationMethod {
        match self {
            Self::Basic(..) => AuthenticationMethod::ClientSecretBasic,
            Self::Post(_) => AuthenticationMethod::ClientSecretPost,
            Self::Assertion(_) => AuthenticationMethod::PrivateKeyJwt,
            Self::Nothing => AuthenticationMethod::None,
        }
    }

    const fn secret(&self) -> Option<&ClientSecretHash> {
        match self {
            Self::Basic(secret, _) | Self::Post(secret) => Some(secret),
            Self::Assertion(_) | Self::Nothing => None,
        }
    }
}

impl ClientCredentials {
    /// Stands in for an unknown client, so that an unknown identifier costs the same comparison as a wrong secret.
    pub fn compare_with_nothing(&self) -> InvalidClient {
        let nothing = ClientSecretHash([0; 32]);
        let _ = self.proof.secret().map(|secret| nothing.is_hash_of(secret));
        InvalidClient::Unproven
    }
}

/// The client proved nothing. RFC 6749 section 5.2, `invalid_client`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidClient {
    /// Deliberately without a reason: an unknown client and a wrong secret are the same to whoever asks.
    #[error("client authentication failed")]
    Unproven,
    /// The signature is right, so whoever holds the key may hear what else is wrong.
    #[error("the client assertion is signed by a key of this client, but {0}")]
    Assertion(#[from] AssertionError),
    /// The secret is right, so whoever holds it may hear that it came by another way than registered.
    #[error(
        "the secret is right, but it came by {sent}, and this client is registered for {registered}: set token_endpoint_auth_method = {sent} at the bridge, or choose {registered} in the relying party"
    )]
    OtherMethod {
        /// How it came.
        sent: &'static str,
        /// How it should come.
        registered: &'static str,
    },
}

/// A client that proved who it is. Only [`Client::authenticate`] makes one.
#[derive(Clone, Debug)]
pub struct AuthenticatedClient(Arc<Client>);

impl std::ops::Deref for AuthenticatedClient {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.0
    }
}

impl Client {
    /// Whether the credentials prove that this client sends them.
    ///
    /// # Errors
    /// [`InvalidClient`] for another method than the registered one, a wrong secret, or a disabled client.
    pub fn authenticate(
        self: &Arc<Self>,
        credentials: &ClientCredentials,
    ) -> Result<AuthenticatedClient, InvalidClient> {
        let proof = &credentials.proof;
        let is_a_secret = |presented: &ClientSecretHash| {
            self.secrets.iter().fold(Choice::from(0), |fits, secret| {
                fits | secret.is_hash_of(presented)
            })
        };
        let is_proven: bool = match proof {
            Proof::Basic(decoded, None) | Proof::Post(decoded) => is_a_secret(decoded).into(),
            Proof::Basic(decoded, Some(literal)) => {
                (is_a_secret(decoded) | is_a_secret(literal)).into()
            }
            Proof::Assertion(assertion) => *assertion.client_id() == self.client_id,
            Proof::Nothing => self.method == AuthenticationMethod::None,
        };
        if !self.enabled || !is_proven {
            return Err(InvalidClient::Unproven);
        }
        if proof.method() != self.method {
            return Err(InvalidClient::OtherMethod {
                sent: proof.method().as_str(),
                registered: self.method.as_str(),
            });
        }
        Ok(AuthenticatedClient(Arc::clone(self)))
    }
}
