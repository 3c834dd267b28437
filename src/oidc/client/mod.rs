//! A relying party as we know it, and the three questions it answers: who asks, where to, and may they.
//! RFC 6749 sections 2 and 3.1; OpenID Connect Registration section 2.

mod authentication;

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::oidc::algorithm::{Encryption, SigningAlgorithm};
use crate::oidc::authorization::{AuthorizationRequest, RawAuthorizationRequest};
use crate::oidc::claims::ClaimsIn;
use crate::oidc::error::OAuthError;
use crate::oidc::issuer::Issuer;
use crate::oidc::jwk_set::JwkSet;
use crate::oidc::redirect_uri::{ApplicationType, RedirectUri};
use crate::oidc::return_address::{MAX_OPAQUE_BYTES, ResponseMode, ReturnAddress};
use crate::oidc::scope::ScopeSet;
use crate::oidc::subject::Audience;

pub use authentication::{
    AuthenticatedClient, AuthenticationMethod, ClientCredentials, ClientSecretHash, InvalidClient,
    Proof,
};

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

/// Where the public keys of a client are.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientKeys {
    /// It has registered none.
    None,
    /// In its registration, `jwks`.
    Inline(JwkSet),
    /// At an address of its own, `jwks_uri`.
    At(Url),
}

/// What a client may exchange for tokens. RFC 7591 section 2, `grant_types`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// A code; every client may.
    AuthorizationCode,
    /// A refresh token, where the scope `offline_access` was granted.
    RefreshToken,
}

impl GrantType {
    /// The types that work.
    pub const ALL: [Self; 2] = [Self::AuthorizationCode, Self::RefreshToken];

    /// The value of `grant_type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
        }
    }
}

/// How userinfo and ID tokens are protected beyond TLS. OpenID Connect Registration section 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponseProtection {
    /// `userinfo_signed_response_alg`.
    pub userinfo_signature: Option<SigningAlgorithm>,
    /// `userinfo_encrypted_response_alg` and `_enc`.
    pub userinfo_encryption: Option<Encryption>,
    /// `id_token_encrypted_response_alg` and `_enc`.
    pub id_token_encryption: Option<Encryption>,
}

/// A registered relying party. Only `ClientMetadata::admit` makes one, so whatever it holds is consistent.
#[derive(Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "the names of RFC 7591")]
pub struct Client {
    pub(super) client_id: ClientId,
    pub(super) client_name: Option<String>,
    pub(super) method: AuthenticationMethod,
    pub(super) secrets: Vec<ClientSecretHash>,
    pub(super) keys: ClientKeys,
    pub(super) token_endpoint_auth_signing_alg: Option<SigningAlgorithm>,
    pub(super) redirect_uris: Vec<RedirectUri>,
    pub(super) post_logout_redirect_uris: Vec<RedirectUri>,
    pub(super) backchannel_logout_uri: Option<Url>,
    pub(super) application_type: ApplicationType,
    pub(super) scope: ScopeSet,
    pub(super) upstream: String,
    pub(super) audience: Audience,
    pub(super) id_token_signed_response_alg: SigningAlgorithm,
    pub(super) response_protection: ResponseProtection,
    pub(super) claims_in: ClaimsIn,
    pub(super) response_modes: Vec<ResponseMode>,
    pub(super) grant_types: Vec<GrantType>,
    pub(super) code_protection: CodeProtection,
    pub(super) request_object_signing_alg: Option<SigningAlgorithm>,
    pub(super) requires_pushed_requests: bool,
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

    /// Where its public keys are.
    pub fn keys(&self) -> &ClientKeys {
        &self.keys
    }

    /// The algorithm of its client assertions; any that fits its keys where absent.
    pub fn token_endpoint_auth_signing_alg(&self) -> Option<SigningAlgorithm> {
        self.token_endpoint_auth_signing_alg
    }

    /// The algorithm of its request objects; it may send none where absent.
    pub fn request_object_signing_alg(&self) -> Option<SigningAlgorithm> {
        self.request_object_signing_alg
    }

    /// Whether every authorization request must have been pushed. RFC 9126 section 6.
    pub fn requires_pushed_requests(&self) -> bool {
        self.requires_pushed_requests
    }

    /// Whether it may exchange a grant of this type for tokens.
    pub fn may_use(&self, grant_type: GrantType) -> bool {
        self.grant_types.contains(&grant_type)
    }

    /// How userinfo and ID tokens are protected beyond TLS.
    pub fn response_protection(&self) -> ResponseProtection {
        self.response_protection
    }

    /// Where a logout token is delivered when a session ends. OpenID Connect Back-Channel Logout section 2.2.
    pub fn backchannel_logout_uri(&self) -> Option<&Url> {
        self.backchannel_logout_uri.as_ref()
    }

    /// The registered URI that equals `presented` byte for byte, to send a person to who has signed out.
    /// OpenID Connect RP-Initiated Logout section 3.
    pub fn post_logout_redirect_uri(&self, presented: &str) -> Option<RedirectUri> {
        self.post_logout_redirect_uris
            .iter()
            .find(|registered| registered.as_str() == presented)
            .cloned()
    }

    /// Where it runs.
    pub fn application_type(&self) -> ApplicationType {
        self.application_type
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
    pub fn allows(&self, mode: ResponseMode) -> bool {
        self.response_modes.contains(&mode)
    }
}
