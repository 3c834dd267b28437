//! The authorization request: what came in, and what it is once it has been checked.
//! RFC 6749 section 4.1.1; OpenID Connect Core section 3.1.2; RFC 7636 section 4.3.

use super::client::{Client, ClientId, CodeProtection};
use super::error::{ErrorCode, OAuthError};
use super::parameters::{BadParameter, Parameters};
use super::pkce::CodeChallenge;
use super::return_address::{MAX_OPAQUE_BYTES, ResponseMode, ReturnAddress};
use super::scope::ScopeSet;

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
}

impl AuthorizationRequest {
    pub(super) fn check(
        client: &Client,
        raw: &RawAuthorizationRequest<'_>,
        return_to: ReturnAddress,
    ) -> Result<Self, OAuthError> {
        check_response_mode(client, raw)?;
        check_response_type(raw)?;
        check_unsupported(raw)?;
        let scope = check_scope(client, raw)?;
        check_prompt(raw)?;
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
                "nonce is required from a client that uses no PKCE: send nonce, or code_challenge with code_challenge_method=S256",
            ));
        }
        Ok(Self {
            client_id: client.client_id().clone(),
            return_to,
            nonce: nonce.map(str::to_owned),
            code_challenge,
            scope,
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
}

fn check_response_mode(
    client: &Client,
    raw: &RawAuthorizationRequest<'_>,
) -> Result<(), OAuthError> {
    let Some(wanted) = raw.one("response_mode")? else {
        return Ok(());
    };
    match ResponseMode::parse(wanted) {
        Some(mode) if client.allows(mode) => Ok(()),
        Some(_) => Err(OAuthError::invalid_request(
            "response_mode is not one that this client is registered for: see response_modes in its registration",
        )),
        None => Err(OAuthError::invalid_request("response_mode must be query")),
    }
}

fn check_response_type(raw: &RawAuthorizationRequest<'_>) -> Result<(), OAuthError> {
    match raw.one("response_type")? {
        Some("code") => Ok(()),
        Some(_) => Err(OAuthError::new(
            ErrorCode::UnsupportedResponseType,
            "response_type must be code: the implicit and hybrid flows are not offered; choose the authorization code flow in the relying party",
        )),
        None => Err(OAuthError::invalid_request(
            "response_type is missing: it must be code",
        )),
    }
}

fn check_unsupported(raw: &RawAuthorizationRequest<'_>) -> Result<(), OAuthError> {
    let unsupported = [
        ("request", ErrorCode::RequestNotSupported),
        ("request_uri", ErrorCode::RequestUriNotSupported),
        ("registration", ErrorCode::RegistrationNotSupported),
    ];
    for (name, code) in unsupported {
        if raw.one(name)?.is_some() {
            let description = format!(
                "the parameter {name} is not supported: send the parameters of the request by themselves"
            );
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
    Ok(asked.intersection(client.scope()))
}

/// Every sign-in is fresh, so only `none`, which forbids one, needs an answer of its own.
fn check_prompt(raw: &RawAuthorizationRequest<'_>) -> Result<(), OAuthError> {
    let prompt = raw.one("prompt")?.unwrap_or_default();
    let values: Vec<&str> = prompt
        .split(' ')
        .filter(|value| !value.is_empty())
        .collect();
    if values == ["none"] {
        return Err(OAuthError::new(
            ErrorCode::LoginRequired,
            "prompt=none cannot be answered: every sign-in needs the person",
        ));
    }
    if values.contains(&"none") {
        return Err(OAuthError::invalid_request(
            "prompt=none must not be combined with other values",
        ));
    }
    if let Some(age) = raw.one("max_age")? {
        age.parse::<u32>().map_err(|_| {
            OAuthError::invalid_request("max_age must be a whole number of seconds")
        })?;
    }
    for without_effect in [
        "display",
        "ui_locales",
        "claims_locales",
        "login_hint",
        "acr_values",
        "id_token_hint",
        "claims",
    ] {
        raw.one(without_effect)?;
    }
    Ok(())
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
