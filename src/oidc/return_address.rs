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
    /// In the fragment of the redirect URI, which only its page reads.
    Fragment,
    /// In a form that a page of ours posts. OAuth 2.0 Form Post Response Mode.
    FormPost,
}

impl ResponseMode {
    /// The modes that work.
    pub const ALL: [Self; 3] = [Self::Query, Self::Fragment, Self::FormPost];

    /// The value of `response_mode`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Fragment => "fragment",
            Self::FormPost => "form_post",
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

    /// Who answers.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The relying party's `state`, verbatim.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// What hands over an authorization code.
    pub fn with_code(&self, code: &str) -> AuthorizationResponse {
        self.with(&[("code", code)])
    }

    /// What hands over a refusal.
    pub fn with_error(&self, error: &OAuthError) -> AuthorizationResponse {
        self.with(&[
            ("error", error.code.as_str()),
            ("error_description", error.description.as_str()),
        ])
    }

    fn with(&self, parameters: &[(&'static str, &str)]) -> AuthorizationResponse {
        let state = self.state.as_deref().map(|state| ("state", state));
        let issuer = ("iss", self.issuer.as_str());
        let parameters = parameters.iter().copied().chain(state).chain([issuer]);
        let uri = self.redirect_uri.as_str();
        match self.response_mode {
            ResponseMode::Query => AuthorizationResponse::Redirect(with_query(uri, parameters)),
            // A redirect URI has no fragment of its own, and one has no room for a second.
            ResponseMode::Fragment => {
                AuthorizationResponse::Redirect(appended(format!("{uri}#"), parameters))
            }
            ResponseMode::FormPost => AuthorizationResponse::FormPost(Form {
                action: uri.to_owned(),
                fields: parameters
                    .map(|(name, value)| (name, value.to_owned()))
                    .collect(),
            }),
        }
    }
}

/// How an authorization response leaves us. RFC 6749 section 4.1.2; OAuth 2.0 Form Post Response Mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthorizationResponse {
    /// By a redirect to this URL.
    Redirect(String),
    /// By a form that the browser posts.
    FormPost(Form),
}

/// A form that a browser posts to a relying party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// Where to.
    pub action: String,
    /// Names and values.
    pub fields: Vec<(&'static str, String)>,
}

/// A URL with more parameters in its query. What it has already is kept, byte for byte (RFC 6749 section 3.1.2).
pub fn with_query<'a>(
    url: &str,
    parameters: impl IntoIterator<Item = (&'static str, &'a str)>,
) -> String {
    let mut parameters = parameters.into_iter().peekable();
    if parameters.peek().is_none() {
        return url.to_owned();
    }
    let separator = match (url.contains('?'), url.ends_with(['?', '&'])) {
        (false, _) => "?",
        (true, true) => "",
        (true, false) => "&",
    };
    appended(format!("{url}{separator}"), parameters)
}

fn appended<'a>(
    mut url: String,
    parameters: impl IntoIterator<Item = (&'static str, &'a str)>,
) -> String {
    for (index, (name, value)) in parameters.into_iter().enumerate() {
        let separator = if index == 0 { "" } else { "&" };
        let value = utf8_percent_encode(value, UNRESERVED);
        write!(url, "{separator}{name}={value}").expect("writing to a string does not fail");
    }
    url
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

    fn answer(mode: ResponseMode, uri: &str, state: Option<&str>) -> AuthorizationResponse {
        let return_to = ReturnAddress::new(
            RedirectUri::register(uri, ApplicationType::Web).unwrap(),
            mode,
            state.map(str::to_owned),
            Issuer::parse("https://login.example.sg").unwrap(),
        );
        return_to.with_code("c")
    }

    fn redirect(mode: ResponseMode, uri: &str, state: Option<&str>) -> String {
        match answer(mode, uri, state) {
            AuthorizationResponse::Redirect(url) => url,
            AuthorizationResponse::FormPost(form) => panic!("{form:?}"),
        }
    }

    #[test]
    fn the_registered_query_is_kept() {
        for (uri, url) in [
            (
                "https://a.example/cb?x=%2f",
                "https://a.example/cb?x=%2f&code=c&",
            ),
            ("https://a.example/cb?", "https://a.example/cb?code=c&"),
        ] {
            let url = format!("{url}iss=https%3A%2F%2Flogin.example.sg");
            assert_eq!(redirect(ResponseMode::Query, uri, None), url);
        }
    }

    #[test]
    fn a_fragment_stands_behind_the_registered_query() {
        assert_eq!(
            redirect(
                ResponseMode::Fragment,
                "https://a.example/cb?x=1",
                Some("s")
            ),
            "https://a.example/cb?x=1#code=c&state=s&iss=https%3A%2F%2Flogin.example.sg"
        );
    }

    #[test]
    fn a_form_has_nothing_in_the_url() {
        let form = Form {
            action: "https://a.example/cb?x=1".to_owned(),
            fields: vec![
                ("code", "c".to_owned()),
                ("state", "<\"&>".to_owned()),
                ("iss", "https://login.example.sg".to_owned()),
            ],
        };
        assert_eq!(
            answer(
                ResponseMode::FormPost,
                "https://a.example/cb?x=1",
                Some("<\"&>")
            ),
            AuthorizationResponse::FormPost(form)
        );
    }

    #[test]
    fn an_absent_state_stays_absent() {
        assert!(!redirect(ResponseMode::Query, "https://a.example/cb", None).contains("state"));
    }

    #[test]
    fn nothing_to_add_changes_nothing() {
        assert_eq!(with_query("https://a.example/?", []), "https://a.example/?");
    }

    proptest! {
        #[test]
        fn state_comes_back_exactly(state in "\\PC{1,100}|[ -~]{1,1024}") {
            let url = redirect(ResponseMode::Query, "https://a.example/cb?k=v", Some(&state));
            let url = Url::parse(&url).unwrap();
            let returned: Vec<_> = url.query_pairs().filter(|(name, _)| name == "state").collect();
            prop_assert_eq!(returned.len(), 1);
            prop_assert_eq!(&*returned[0].1, state.as_str());
        }
    }
}
