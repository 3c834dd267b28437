//! The way back to a relying party: nothing else can send a browser there, with a code or with an error.
//! RFC 6749 section 4.1.2; RFC 9207.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::error::OAuthError;
use super::issuer::Issuer;
use super::redirect_uri::RedirectUri;

/// How long `state` and `nonce` may be, in bytes.
pub const MAX_OPAQUE_BYTES: usize = 4_096;

/// How the parameters of the response travel. OAuth 2.0 Multiple Response Type Encoding Practices section 2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// In the query of the redirect URI.
    Query,
}

impl ResponseMode {
    /// The modes that work.
    pub const ALL: [Self; 1] = [Self::Query];

    /// The value of `response_mode`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
        }
    }

    /// Reads a value of `response_mode`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text)
    }
}

/// A place at a relying party that has been checked against its registration, and how to answer there.
///
/// Only `Client::return_address` makes one.
#[derive(Clone, Debug)]
pub struct ReturnAddress {
    redirect_uri: RedirectUri,
    response_mode: ResponseMode,
    state: Option<String>,
    issuer: Issuer,
}

impl ReturnAddress {
    pub(super) fn new(
        redirect_uri: RedirectUri,
        response_mode: ResponseMode,
        state: Option<String>,
        issuer: Issuer,
    ) -> Self {
        Self {
            redirect_uri,
            response_mode,
            state,
            issuer,
        }
    }

    /// The redirect URI as it was presented.
    pub fn redirect_uri(&self) -> &RedirectUri {
        &self.redirect_uri
    }

    /// How the response travels.
    pub fn response_mode(&self) -> ResponseMode {
        self.response_mode
    }

    /// The relying party's `state`, verbatim.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// The URL that hands over an authorization code.
    pub fn with_code(&self, code: &str) -> String {
        self.with(&[("code", code)])
    }

    /// The URL that hands over a refusal.
    pub fn with_error(&self, error: &OAuthError) -> String {
        self.with(&[
            ("error", error.code.as_str()),
            ("error_description", error.description.as_str()),
        ])
    }

    fn with(&self, parameters: &[(&str, &str)]) -> String {
        let state = self.state.as_deref().map(|state| ("state", state));
        let issuer = ("iss", self.issuer.as_str());
        let mut url = self.redirect_uri.as_str().to_owned();
        for (name, value) in parameters.iter().copied().chain(state).chain([issuer]) {
            // The registered URI's own query is kept, byte for byte (RFC 6749 section 3.1.2).
            let separator = match (url.contains('?'), url.ends_with(['?', '&'])) {
                (false, _) => "?",
                (true, true) => "",
                (true, false) => "&",
            };
            let value = utf8_percent_encode(value, UNRESERVED);
            write!(url, "{separator}{name}={value}").expect("writing to a string does not fail");
        }
        url
    }
}

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::*;
    use crate::oidc::redirect_uri::ApplicationType;

    fn address(uri: &str, state: Option<&str>) -> ReturnAddress {
        ReturnAddress::new(
            RedirectUri::register(uri, ApplicationType::Web).unwrap(),
            ResponseMode::Query,
            state.map(str::to_owned),
            Issuer::parse("https://login.example.sg").unwrap(),
        )
    }

    #[test]
    fn the_registered_query_is_kept() {
        assert_eq!(
            address("https://a.example/cb?x=%2f", None).with_code("c"),
            "https://a.example/cb?x=%2f&code=c&iss=https%3A%2F%2Flogin.example.sg"
        );
        assert_eq!(
            address("https://a.example/cb?", None).with_code("c"),
            "https://a.example/cb?code=c&iss=https%3A%2F%2Flogin.example.sg"
        );
    }

    #[test]
    fn an_absent_state_stays_absent() {
        let refusal = OAuthError::invalid_request("scope is missing");
        let url = address("https://a.example/cb", None).with_error(&refusal);
        assert!(!url.contains("state"));
        assert!(url.contains("error=invalid_request&error_description=scope%20is%20missing"));
    }

    proptest! {
        #[test]
        fn state_comes_back_exactly(state in "\\PC{1,100}|[ -~]{1,1024}") {
            let url = Url::parse(&address("https://a.example/cb?k=v", Some(&state)).with_code("c")).unwrap();
            let returned: Vec<_> = url.query_pairs().filter(|(name, _)| name == "state").collect();
            prop_assert_eq!(returned.len(), 1);
            prop_assert_eq!(&*returned[0].1, state.as_str());
        }
    }
}
