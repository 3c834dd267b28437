//! The error codes of the standards and what may be said beside them: the one list.

use std::borrow::Cow;
use std::fmt;

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// A registered error code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }

        impl ErrorCode {
            /// The code as it is sent.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }
        }
    };
}

error_codes! {
    /// RFC 6749 sections 4.1.2.1 and 5.2.
    InvalidRequest = "invalid_request",
    /// RFC 6749 section 4.1.2.1.
    AccessDenied = "access_denied",
    /// RFC 6749 section 4.1.2.1.
    UnsupportedResponseType = "unsupported_response_type",
    /// RFC 6749 sections 4.1.2.1 and 5.2.
    InvalidScope = "invalid_scope",
    /// RFC 6749 section 4.1.2.1.
    ServerError = "server_error",
    /// RFC 6749 section 4.1.2.1.
    TemporarilyUnavailable = "temporarily_unavailable",
    /// OpenID Connect Core section 3.1.2.6.
    LoginRequired = "login_required",
    /// OpenID Connect Core section 3.1.2.6.
    InteractionRequired = "interaction_required",
    /// OpenID Connect Core section 3.1.2.6.
    ConsentRequired = "consent_required",
    /// OpenID Connect Core Error Code `unmet_authentication_requirements` 1.0.
    UnmetAuthenticationRequirements = "unmet_authentication_requirements",
    /// RFC 9101 section 7.
    InvalidRequestObject = "invalid_request_object",
    /// RFC 9101 section 7.
    InvalidRequestUri = "invalid_request_uri",
    /// OpenID Connect Core section 3.1.2.6.
    RequestNotSupported = "request_not_supported",
    /// OpenID Connect Core section 3.1.2.6.
    RequestUriNotSupported = "request_uri_not_supported",
    /// OpenID Connect Core section 3.1.2.6.
    RegistrationNotSupported = "registration_not_supported",
    /// RFC 6749 section 5.2.
    InvalidClient = "invalid_client",
    /// RFC 6749 section 5.2.
    InvalidGrant = "invalid_grant",
    /// RFC 6749 section 5.2.
    UnauthorizedClient = "unauthorized_client",
    /// RFC 6749 section 5.2.
    UnsupportedGrantType = "unsupported_grant_type",
    /// RFC 6750 section 3.1.
    InvalidToken = "invalid_token",
    /// RFC 7591 section 3.2.2.
    InvalidRedirectUri = "invalid_redirect_uri",
    /// RFC 7591 section 3.2.2.
    InvalidClientMetadata = "invalid_client_metadata",
}

/// Text for `error_description`: printable ASCII without quotation mark and backslash. RFC 6749 section 4.1.2.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorDescription(Cow<'static, str>);

impl ErrorDescription {
    /// Takes the text; any character that the standard does not allow becomes a space.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        let text = text.into();
        if text.chars().all(is_allowed) {
            return Self(text);
        }
        let cleaned: String = text
            .chars()
            .map(|c| if is_allowed(c) { c } else { ' ' })
            .collect();
        Self(Cow::Owned(cleaned))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ErrorDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const fn is_allowed(c: char) -> bool {
    matches!(c, ' '..='~') && c != '"' && c != '\\'
}

/// A refusal that a relying party can read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {description}", code.as_str())]
pub struct OAuthError {
    /// What kind of refusal.
    pub code: ErrorCode,
    /// Which parameter, and what was expected of it; never what came in.
    pub description: ErrorDescription,
}

impl OAuthError {
    /// A refusal with its explanation.
    pub fn new(code: ErrorCode, description: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            description: ErrorDescription::new(description),
        }
    }

    /// `invalid_request` with its explanation.
    pub fn invalid_request(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidRequest, description)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_keeps_to_the_characters_of_rfc_6749() {
        let description = ErrorDescription::new("say \"a\\b\"\r\nSet-Cookie: é");
        assert!(description.as_str().chars().all(is_allowed));
        assert_eq!(ErrorDescription::new("plain").as_str(), "plain");
    }
}
