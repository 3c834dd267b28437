//! The authorization request: what came in, and what it is once it has been checked.
//! RFC 6749 section 4.1.1; OpenID Connect Core sections 3.1.2 and 5.5; RFC 7636 section 4.3.

use std::collections::BTreeSet;
use std::time::Duration;

use super::claims_request::{ClaimsParameter, ClaimsRequest};
use super::client::{Client, ClientId, CodeProtection, GrantType};
use super::error::{ErrorCode, OAuthError};
use super::id_token::authentication_context;
use super::issuer::Issuer;
use super::parameters::{BadParameter, Parameters};
use super::pkce::CodeChallenge;
use super::prompt::{self, Prompt};
use super::return_address::{MAX_OPAQUE_BYTES, ResponseMode, ReturnAddress};
use super::scope::ScopeSet;
use super::subject::SubjectIdentifier;

/// An authorization request as it came: nothing about it has been believed.
pub struct RawAuthorizationRequest<'a>(&'a Parameters);

impl<'a> RawAuthorizationRequest<'a> {
    /// Takes the parameters of a query or a form.
    pub fn new(parameters: &'a Parameters) -> Self {
        Self(parameters)
    }

    /// `client_id`.
    ///
    /// # Errors
    /// [`BadParameter`].
    pub fn client_id(&self) -> Result<Option<&'a str>, BadParameter> {
        self.0.one("client_id")
    }

    /// `redirect_uri`.
    ///
    /// # Errors
    /// [`BadParameter`].
    pub fn redirect_uri(&self) -> Result<Option<&'a str>, BadParameter> {
        self.0.one("redirect_uri")
    }

    /// `request_uri`.
    ///
    /// # Errors
    /// [`BadParameter`].
    pub fn request_uri(&self) -> Result<Option<&'a str>, BadParameter> {
        self.0.one("request_uri")
    }

    /// `response_mode`.
    ///
    /// # Errors
    /// [`BadParameter`].
    pub fn response_mode(&self) -> Result<Option<&'a str>, BadParameter> {
        self.0.one("response_mode")
    }

    /// `state`.
    ///
    /// # Errors
    /// [`BadParameter`].
    pub fn state(&self) -> Result<Option<&'a str>, BadParameter> {
        self.0.one("state")
    }

    fn one(&self, name: &'static str) -> Result<Option<&'a str>, OAuthError> {
        self.0.one(name).map_err(OAuthError::from)
    }
}

impl From<BadParameter> for OAuthError {
    fn from(repeated: BadParameter) -> Self {
        Self::invalid_request(repeated.to_string())
    }
}

/// An authorization request that its client may make. Only [`Client::admit`] makes one.
#[derive(Debug)]
pub struct AuthorizationRequest {
    client_id: ClientId,
    return_to: ReturnAddress,
    nonce: Option<String>,
    code_challenge: Option<CodeChallenge>,
    scope: ScopeSet,
    claims: ClaimsRequest,
    prompt: Prompt,
    max_age: Option<Duration>,
    subject: Option<SubjectIdentifier>,
    id_token_hint: Option<String>,
}

impl AuthorizationRequest {
    pub(super) fn check(
        client: &Client,
        raw: &RawAuthorizationRequest<'_>,
        return_to: ReturnAddress,
    ) -> Result<Self, OAuthError> {
        // The type first: who asks for another flow is not helped by a response mode.
        check_response_type(raw)?;
        check_response_mode(client, raw)?;
        check_unsupported(raw)?;
        let scope = check_scope(client, raw)?;
        let prompt = Prompt::parse(raw.one("prompt")?.unwrap_or_default())?;
        let max_age = prompt::max_age(raw.one("max_age")?)?;
        let claims = check_claims(raw, return_to.issuer())?;
        for without_effect in [
            "display",
            "ui_locales",
            "claims_locales",
            "login_hint",
            "acr_values",
        ] {
            raw.one(without_effect)?;
        }
        let nonce = raw.one("nonce")?;
        if nonce.is_some_and(|nonce| nonce.len() > MAX_OPAQUE_BYTES) {
            let limit = format!("nonce must have at most {MAX_OPAQUE_BYTES} bytes");
            return Err(OAuthError::invalid_request(limit));
        }
        let code_challenge = check_code_challenge(client, raw)?;
        if client.code_protection() == CodeProtection::Nonce
            && code_challenge.is_none()
            && nonce.is_none()
        {
            return Err(OAuthError::invalid_request(
                "nonce is required from a client that uses no PKCE: send nonce, or code_challenge with code_challenge_method=S256, or set require_nonce = false for this client",
            ));
        }
        Ok(Self {
            client_id: client.client_id().clone(),
            return_to,
            nonce: nonce.map(str::to_owned),
            code_challenge,
            scope,
            claims: claims.request,
            prompt,
            max_age,
            subject: claims.subject,
            id_token_hint: raw.one("id_token_hint")?.map(str::to_owned),
        })
    }

    /// Who asks.
    pub fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// Where the answer goes.
    pub fn return_to(&self) -> &ReturnAddress {
        &self.return_to
    }

    /// `nonce`, verbatim.
    pub fn nonce(&self) -> Option<&str> {
        self.nonce.as_deref()
    }

    /// The challenge that the token request must answer.
    pub fn code_challenge(&self) -> Option<&CodeChallenge> {
        self.code_challenge.as_ref()
    }

    /// What was asked for and is allowed; contains `openid`.
    pub fn scope(&self) -> &ScopeSet {
        &self.scope
    }

    /// The claims that were asked for by name.
    pub fn claims(&self) -> &ClaimsRequest {
        &self.claims
    }

    /// The same request without claims by name that are unknown, or not for this client.
    #[must_use]
    pub fn limited_to(mut self, claims: &BTreeSet<String>) -> Self {
        self.claims = self.claims.limited_to(claims);
        self
    }

    /// How much of the person it insists on.
    pub fn prompt(&self) -> Prompt {
        match self.max_age {
            // OpenID Connect Core section 3.1.2.1: an age of nothing is a new sign-in.
            Some(Duration::ZERO) if self.prompt != Prompt::None => Prompt::Login,
            _ => self.prompt,
        }
    }

    /// How long ago the person may have signed in at most.
    pub fn max_age(&self) -> Option<Duration> {
        self.max_age
    }

    /// Whom the answer must be about, where `claims` names a `sub`.
    pub fn subject(&self) -> Option<&SubjectIdentifier> {
        self.subject.as_ref()
    }

    /// `id_token_hint`, unverified.
    pub fn id_token_hint(&self) -> Option<&str> {
        self.id_token_hint.as_deref()
    }
}

fn check_response_mode(
    client: &Client,
    raw: &RawAuthorizationRequest<'_>,
) -> Result<(), OAuthError> {
    let wanted = raw.one("response_mode")?.map(ResponseMode::parse);
    match wanted.unwrap_or(Some(ResponseMode::Query)) {
        Some(mode) if client.allows(mode) => Ok(()),
        Some(_) => Err(OAuthError::invalid_request(
            "response_mode, which is query where it is missing, is not one that this client is registered for: add it to response_modes of this client, or choose another one in the relying party",
        )),
        None => Err(OAuthError::invalid_request(
            "response_mode must be query, fragment or form_post",
        )),
    }
}

fn check_response_type(raw: &RawAuthorizationRequest<'_>) -> Result<(), OAuthError> {
    match raw.one("response_type")? {
        Some("code") => Ok(()),
        Some(_) => Err(OAuthError::new(
            ErrorCode::UnsupportedResponseType,
            "response_type must be code: the implicit and hybrid flows (response_type=id_token, token and their combinations) are not offered; choose the authorization code flow in the relying party",
        )),
        None => Err(OAuthError::invalid_request(
            "response_type is missing: it must be code",
        )),
    }
}

fn check_unsupported(raw: &RawAuthorizationRequest<'_>) -> Result<(), OAuthError> {
    let unsupported = [
        (
            "request",
            ErrorCode::RequestNotSupported,
            "request objects are not registered for this client: send the parameters by themselves, or set request_object_signing_alg for this client",
        ),
        (
            "request_uri",
            ErrorCode::RequestUriNotSupported,
            "request_uri must be one that the pushed authorization request endpoint gave out: nothing is fetched from elsewhere",
        ),
        (
            "registration",
            ErrorCode::RegistrationNotSupported,
            "the parameter registration is not supported: clients are registered beforehand",
        ),
    ];
    for (name, code, description) in unsupported {
        if raw.one(name)?.is_some() {
            return Err(OAuthError::new(code, description));
        }
    }
    Ok(())
}

fn check_scope(client: &Client, raw: &RawAuthorizationRequest<'_>) -> Result<ScopeSet, OAuthError> {
    let asked = raw.one("scope")?.ok_or_else(|| {
        OAuthError::new(
            ErrorCode::InvalidScope,
            "scope is missing: it must contain openid",
        )
    })?;
    let asked = ScopeSet::parse(asked)
        .map_err(|error| OAuthError::new(ErrorCode::InvalidScope, error.to_string()))?;
    if !asked.contains("openid") {
        return Err(OAuthError::new(
            ErrorCode::InvalidScope,
            "scope must contain openid",
        ));
    }
    let allowed = asked.intersection(client.scope());
    if client.may_use(GrantType::RefreshToken) {
        return Ok(allowed);
    }
    // Nothing comes of it, so nothing is said to have been granted.
    Ok(allowed.without("offline_access"))
}

fn check_claims(
    raw: &RawAuthorizationRequest<'_>,
    issuer: &Issuer,
) -> Result<ClaimsParameter, OAuthError> {
    let parameter = raw.one("claims")?;
    let read = |text| ClaimsParameter::parse(text, &authentication_context(issuer));
    Ok(parameter.map(read).transpose()?.unwrap_or_default())
}

fn check_code_challenge(
    client: &Client,
    raw: &RawAuthorizationRequest<'_>,
) -> Result<Option<CodeChallenge>, OAuthError> {
    let method = raw.one("code_challenge_method")?;
    let Some(challenge) = raw.one("code_challenge")? else {
        if client.code_protection() == CodeProtection::Pkce {
            return Err(OAuthError::invalid_request(
                "code_challenge is missing: switch PKCE with S256 on in the relying party, or set require_pkce = false for this client (confidential clients only)",
            ));
        }
        return match method {
            Some(_) => Err(OAuthError::invalid_request(
                "code_challenge_method was sent without code_challenge",
            )),
            None => Ok(None),
        };
    };
    if method != Some("S256") {
        return Err(OAuthError::invalid_request(
            "code_challenge_method must be S256: plain is not accepted, and plain is what a missing method means",
        ));
    }
    CodeChallenge::parse(challenge).map(Some).ok_or_else(|| {
        OAuthError::invalid_request(
            "code_challenge must be 43 characters of base64url without padding",
        )
    })
}
