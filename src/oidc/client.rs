//! A relying party as we know it, and the three questions it answers: who asks, where to, and may they.
//! RFC 6749 sections 2 and 3.1; OpenID Connect Registration section 2.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::algorithm::SigningAlgorithm;
use super::authorization::{AuthorizationRequest, RawAuthorizationRequest};
use super::claims::ClaimsIn;
use super::error::OAuthError;
use super::issuer::Issuer;
use super::redirect_uri::{ApplicationType, RedirectUri};
use super::return_address::{MAX_OPAQUE_BYTES, ResponseMode, ReturnAddress};
use super::scope::ScopeSet;
use super::subject::Audience;

/// A client identifier: 1 to 128 printable ASCII characters. RFC 6749 section 2.2.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClientId(String);

impl ClientId {
    /// Reads an identifier; an empty, longer or non-printable text is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let printable = |c: u8| (0x20..=0x7e).contains(&c);
        ((1..=128).contains(&text.len()) && text.bytes().all(printable))
            .then(|| Self(text.to_owned()))
    }

    /// The identifier.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ClientId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a client_id has 1 to 128 printable ASCII characters")
    }
}

impl From<ClientId> for String {
    fn from(id: ClientId) -> Self {
        id.0
    }
}

/// SHA-256 of a client secret. Secrets have 256 random bits, so there is nothing to guess and no need to be slow.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientSecretHash(#[serde(with = "hexadecimal")] [u8; 32]);

impl ClientSecretHash {
    /// The hash of a secret.
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
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
    /// None: a public client, which PKCE protects.
    None,
}

impl AuthenticationMethod {
    /// The methods that work.
    pub const ALL: [Self; 3] = [Self::ClientSecretBasic, Self::ClientSecretPost, Self::None];

    /// The value of `token_endpoint_auth_method`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::None => "none",
        }
    }
}

/// What a request to the token endpoint brought to prove who sends it.
pub struct ClientCredentials {
    /// How it was brought.
    pub method: AuthenticationMethod,
    /// Who it claims to be.
    pub client_id: String,
    /// Hash of the secret that it brought; absent for the method `none`.
    pub secret: Option<ClientSecretHash>,
}

impl ClientCredentials {
    /// Stands in for an unknown client, so that an unknown identifier costs the same comparison as a wrong secret.
    pub fn compare_with_nothing(&self) -> InvalidClient {
        let nothing = ClientSecretHash([0; 32]);
        let _ = self
            .secret
            .as_ref()
            .map(|secret| nothing.is_hash_of(secret));
        InvalidClient
    }
}

/// The client proved nothing. RFC 6749 section 5.2, `invalid_client`; deliberately without a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("client authentication failed")]
pub struct InvalidClient;

/// A client that proved who it is. Only [`Client::authenticate`] makes one.
#[derive(Clone, Debug)]
pub struct AuthenticatedClient<'a>(&'a Client);

impl std::ops::Deref for AuthenticatedClient<'_> {
    type Target = Client;

    fn deref(&self) -> &Client {
        self.0
    }
}

/// What protects a client's codes against injection. RFC 9700 section 4.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeProtection {
    /// A code challenge is required.
    Pkce,
    /// A confidential client without PKCE, which must send `nonce`.
    Nonce,
    /// A confidential client that need send neither.
    Neither,
}

/// A registered relying party. Only `ClientMetadata::admit` makes one, so whatever it holds is consistent.
#[derive(Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "the names of RFC 7591")]
pub struct Client {
    pub(super) client_id: ClientId,
    pub(super) client_name: Option<String>,
    pub(super) method: AuthenticationMethod,
    pub(super) secrets: Vec<ClientSecretHash>,
    pub(super) redirect_uris: Vec<RedirectUri>,
    pub(super) application_type: ApplicationType,
    pub(super) scope: ScopeSet,
    pub(super) upstream: String,
    pub(super) audience: Audience,
    pub(super) id_token_signed_response_alg: SigningAlgorithm,
    pub(super) claims_in: ClaimsIn,
    pub(super) response_modes: Vec<ResponseMode>,
    pub(super) code_protection: CodeProtection,
    pub(super) nric_purpose: Option<String>,
    pub(super) web_origins: Vec<String>,
    pub(super) enabled: bool,
}

/// Why there is no way back to the relying party: the person must be shown a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoReturnAddress {
    /// `redirect_uri` is missing.
    #[error("the redirect URI is missing")]
    RedirectUriMissing,
    /// `redirect_uri` is none of the registered ones.
    #[error("the redirect URI is not registered for this client")]
    RedirectUriNotRegistered,
    /// `state` is too long to be sent back.
    #[error("state is longer than {MAX_OPAQUE_BYTES} bytes")]
    StateTooLong,
}

impl Client {
    /// `client_id`.
    pub fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// `client_name`, for people.
    pub fn client_name(&self) -> Option<&str> {
        self.client_name.as_deref()
    }

    /// The one registered authentication method.
    pub fn method(&self) -> AuthenticationMethod {
        self.method
    }

    /// Its redirect URIs.
    pub fn redirect_uris(&self) -> &[RedirectUri] {
        &self.redirect_uris
    }

    /// What it may ever ask for.
    pub fn scope(&self) -> &ScopeSet {
        &self.scope
    }

    /// The name of the upstream at which its people sign in.
    pub fn upstream(&self) -> &str {
        &self.upstream
    }

    /// For whom its subject identifiers are derived.
    pub fn audience(&self) -> &Audience {
        &self.audience
    }

    /// The algorithm of its ID tokens.
    pub fn id_token_signed_response_alg(&self) -> SigningAlgorithm {
        self.id_token_signed_response_alg
    }

    /// Where claims asked for by scope are delivered.
    pub fn claims_in(&self) -> ClaimsIn {
        self.claims_in
    }

    /// What protects its codes.
    pub fn code_protection(&self) -> CodeProtection {
        self.code_protection
    }

    /// Why it may receive NRIC or FIN numbers, where it may.
    pub fn nric_purpose(&self) -> Option<&str> {
        self.nric_purpose.as_deref()
    }

    /// Origins whose pages may read our answers. RFC 6454 serialisation.
    pub fn web_origins(&self) -> &[String] {
        &self.web_origins
    }

    /// Whether it is served at all.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// The way back to the relying party, if `redirect_uri` is registered.
    ///
    /// A `response_mode` that the client is not registered for is answered in the default mode: the refusal itself
    /// comes from [`Client::admit`].
    ///
    /// # Errors
    /// [`NoReturnAddress`]: nothing may be sent anywhere.
    pub fn return_address(
        &self,
        redirect_uri: Option<&str>,
        response_mode: Option<&str>,
        state: Option<&str>,
        issuer: &Issuer,
    ) -> Result<ReturnAddress, NoReturnAddress> {
        let presented = redirect_uri.ok_or(NoReturnAddress::RedirectUriMissing)?;
        let redirect_uri = self
            .redirect_uris
            .iter()
            .find_map(|registered| registered.admits(presented, self.application_type))
            .ok_or(NoReturnAddress::RedirectUriNotRegistered)?;
        if state.is_some_and(|state| state.len() > MAX_OPAQUE_BYTES) {
            return Err(NoReturnAddress::StateTooLong);
        }
        let response_mode = response_mode
            .and_then(ResponseMode::parse)
            .filter(|mode| self.response_modes.contains(mode))
            .unwrap_or(ResponseMode::Query);
        Ok(ReturnAddress::new(
            redirect_uri,
            response_mode,
            state.map(str::to_owned),
            issuer.clone(),
        ))
    }

    /// Whether a URI that was presented once is still registered.
    pub fn has_redirect_uri(&self, uri: &str) -> bool {
        let admitted = |own: &RedirectUri| own.admits(uri, self.application_type).is_some();
        self.redirect_uris.iter().any(admitted)
    }

    /// Checks an authorization request against this registration and the standards.
    ///
    /// # Errors
    /// The refusal to send to the relying party.
    pub fn admit(
        &self,
        raw: &RawAuthorizationRequest<'_>,
        return_to: ReturnAddress,
    ) -> Result<AuthorizationRequest, OAuthError> {
        AuthorizationRequest::check(self, raw, return_to)
    }

    /// Whether the client allows this response mode.
    pub(super) fn allows(&self, mode: ResponseMode) -> bool {
        self.response_modes.contains(&mode)
    }

    /// Whether the credentials prove that this client sends them.
    ///
    /// # Errors
    /// [`InvalidClient`] for another method than the registered one, a wrong secret, or a disabled client.
    pub fn authenticate(
        &self,
        credentials: &ClientCredentials,
    ) -> Result<AuthenticatedClient<'_>, InvalidClient> {
        let secret_fits = match &credentials.secret {
            Some(presented) => self
                .secrets
                .iter()
                .fold(Choice::from(0), |fits, secret| {
                    fits | secret.is_hash_of(presented)
                })
                .into(),
            None => self.method == AuthenticationMethod::None,
        };
        let proven = self.enabled && credentials.method == self.method && secret_fits;
        proven
            .then_some(AuthenticatedClient(self))
            .ok_or(InvalidClient)
    }
}
