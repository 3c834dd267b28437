//! Redirect URIs: what may be registered, and when a presented one is the registered one.
//! OpenID Connect Core section 3.1.2.1; RFC 8252 sections 7 and 8.3; RFC 9700 section 4.1.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

use super::issuer::is_loopback;

const MAX_BYTES: usize = 2_000;
const RESPONSE_PARAMETERS: [&str; 6] = [
    "code",
    "state",
    "iss",
    "error",
    "error_description",
    "error_uri",
];

/// Where a client runs. OpenID Connect Registration section 2, `application_type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApplicationType {
    /// On a server or in a browser.
    #[default]
    Web,
    /// On the person's device: loopback ports vary, and private-use schemes are allowed.
    Native,
}

/// A registered redirect URI, or one that was found equal to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RedirectUri(String);

/// Why a URI may not be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectUriError {
    /// Not an absolute URI of at most 2000 printable ASCII characters.
    #[error("it is not an absolute URI of at most {MAX_BYTES} printable ASCII characters")]
    NotAUri,
    /// The host has another canonical spelling.
    #[error(
        "its host must be written in its canonical form: in lower case, without a default port"
    )]
    NotCanonical,
    /// Fragment, user name or wildcard.
    #[error("it must have no fragment, no user name and no wildcard")]
    ForbiddenPart,
    /// A query parameter that the response itself uses.
    #[error(
        "its query must not use a parameter name of the response (code, state, iss, error ...)"
    )]
    ResponseParameter,
    /// A scheme that this type of application may not use.
    #[error(
        "its scheme must be https, or http on 127.0.0.1, [::1] or localhost; a native application may also use a private-use scheme with a full stop, such as sg.example.app"
    )]
    Scheme,
}

impl RedirectUri {
    /// Checks a URI for registration.
    ///
    /// # Errors
    /// [`RedirectUriError`].
    pub fn register(text: &str, application: ApplicationType) -> Result<Self, RedirectUriError> {
        if text.len() > MAX_BYTES || !text.bytes().all(|c| c.is_ascii_graphic()) {
            return Err(RedirectUriError::NotAUri);
        }
        let url = Url::parse(text).map_err(|_| RedirectUriError::NotAUri)?;
        let authority = text.split_once("://").map_or("", |(_, rest)| {
            rest.split(['/', '?']).next().unwrap_or_default()
        });
        let is_canonical = !url.has_host()
            || url
                .as_str()
                .starts_with(&format!("{}://{authority}", url.scheme()));
        if !is_canonical {
            return Err(RedirectUriError::NotCanonical);
        }
        let forbidden = text.contains(['#', '*', '\\'])
            || authority.contains('@')
            || !url.username().is_empty()
            || url.password().is_some();
        if forbidden {
            return Err(RedirectUriError::ForbiddenPart);
        }
        if url
            .query_pairs()
            .any(|(name, _)| RESPONSE_PARAMETERS.contains(&&*name))
        {
            return Err(RedirectUriError::ResponseParameter);
        }
        let scheme_is_allowed = match url.scheme() {
            "https" => text.starts_with("https://") && url.has_host(),
            "http" => text.starts_with("http://") && is_loopback(&url),
            other => application == ApplicationType::Native && other.contains('.'),
        };
        if !scheme_is_allowed {
            return Err(RedirectUriError::Scheme);
        }
        Ok(Self(text.to_owned()))
    }

    /// The URI to answer at where `presented` is this one, byte for byte.
    ///
    /// For native applications a loopback `http` URI may differ in its port (RFC 8252 section 7.3), and is then
    /// answered at the presented port.
    pub fn admits(&self, presented: &str, application: ApplicationType) -> Option<Self> {
        if self.0 == presented {
            return Some(self.clone());
        }
        if application == ApplicationType::Web {
            return None;
        }
        let (own, theirs) = (Loopback::parse(&self.0)?, Loopback::parse(presented)?);
        (own == theirs).then(|| Self(presented.to_owned()))
    }

    /// The URI as it was registered or presented.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether whatever runs on the person's device may receive what is sent there: on loopback, or with a private-use
    /// scheme.
    pub fn is_on_the_device(&self) -> bool {
        self.sector_host().is_none()
    }

    /// Its host, for the sector identifier. None where the host is nobody's: on loopback, or with a private-use scheme.
    pub fn sector_host(&self) -> Option<String> {
        let url = Url::parse(&self.0).ok()?;
        let host = url.host_str().filter(|_| !is_loopback(&url));
        host.map(str::to_owned)
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A literal loopback `http` URI without its port: what must be equal when the port may differ.
#[derive(PartialEq, Eq)]
struct Loopback<'a> {
    host: &'static str,
    after_port: &'a str,
}

impl<'a> Loopback<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        ["127.0.0.1", "[::1]"].into_iter().find_map(|host| {
            let rest = text.strip_prefix("http://")?.strip_prefix(host)?;
            let after_port = match rest.strip_prefix(':') {
                Some(port_and_rest) => {
                    let digits = port_and_rest.bytes().take_while(u8::is_ascii_digit).count();
                    let (port, after) = port_and_rest.split_at(digits);
                    port.parse::<u16>().ok().filter(|&port| port > 0)?;
                    after
                }
                None => rest,
            };
            let ends_there = after_port.is_empty() || after_port.starts_with(['/', '?']);
            ends_there.then_some(Self { host, after_port })
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use ApplicationType::{Native, Web};

    #[test]
    fn what_may_be_registered() {
        for (uri, application) in [
            ("https://app.example.sg/callback", Web),
            ("https://app.example.sg/callback?tenant=1", Web),
            ("http://localhost:3000/callback", Web),
            ("http://127.0.0.1/callback", Native),
            ("sg.example.app:/callback", Native),
        ] {
            assert!(RedirectUri::register(uri, application).is_ok(), "{uri}");
        }
        for (uri, error) in [
            ("/callback", RedirectUriError::NotAUri),
            ("https://app.example.sg/é", RedirectUriError::NotAUri),
            ("https://app.example.sg/#", RedirectUriError::ForbiddenPart),
            ("https://*.example.sg/", RedirectUriError::ForbiddenPart),
            ("https://a@example.sg/", RedirectUriError::ForbiddenPart),
            ("https://@example.sg/", RedirectUriError::NotCanonical),
            ("https://EXAMPLE.sg/", RedirectUriError::NotCanonical),
            ("http://0x7f.1/", RedirectUriError::NotCanonical),
            (
                "https://app.example.sg/?state=1",
                RedirectUriError::ResponseParameter,
            ),
            ("http://app.example.sg/", RedirectUriError::Scheme),
            ("javascript:alert(1)", RedirectUriError::Scheme),
            ("sg.example.app:/callback", RedirectUriError::Scheme),
        ] {
            assert_eq!(RedirectUri::register(uri, Web), Err(error), "{uri}");
        }
        assert!(RedirectUri::register("app:/callback", Native).is_err());
    }

    #[test]
    fn a_presented_uri_is_equal_byte_for_byte() {
        let registered = RedirectUri::register("https://app.example.sg/callback", Web).unwrap();
        assert!(
            registered
                .admits("https://app.example.sg/callback", Web)
                .is_some()
        );
        for near_miss in [
            "https://app.example.sg/callback/",
            "https://app.example.sg/callback?",
            "https://APP.example.sg/callback",
            "https://app.example.sg:443/callback",
            "https://app.example.sg/%63allback",
            "https://app.example.sg.evil.example/callback",
        ] {
            assert!(registered.admits(near_miss, Web).is_none(), "{near_miss}");
            assert!(
                registered.admits(near_miss, Native).is_none(),
                "{near_miss}"
            );
        }
    }

    #[test]
    fn only_the_loopback_port_of_a_native_application_may_differ() {
        let registered = RedirectUri::register("http://127.0.0.1/callback", Native).unwrap();
        assert!(
            registered
                .admits("http://127.0.0.1:49152/callback", Native)
                .is_some()
        );
        assert!(
            registered
                .admits("http://127.0.0.1:49152/callback", Web)
                .is_none()
        );
        for near_miss in [
            "http://127.0.0.1:49152/other",
            "http://127.0.0.1:49152/callback?a=b",
            "http://127.0.0.1:0/callback",
            "http://127.0.0.1:99999/callback",
            "http://127.0.0.1:80@evil.example/callback",
            "http://127.0.0.1.evil.example/callback",
            "http://localhost:49152/callback",
            "http://[::1]:49152/callback",
            "https://127.0.0.1:49152/callback",
        ] {
            assert!(
                registered.admits(near_miss, Native).is_none(),
                "{near_miss}"
            );
        }
        let localhost = RedirectUri::register("http://localhost/callback", Native).unwrap();
        assert!(
            localhost
                .admits("http://localhost:1/callback", Native)
                .is_none()
        );
    }

    proptest! {
        #[test]
        fn no_input_panics(text in ".{0,200}") {
            let registered = RedirectUri("http://[::1]/callback".to_owned());
            let _ = RedirectUri::register(&text, Native);
            let _ = registered.admits(&text, Native);
            let _ = Loopback::parse(&format!("http://[::1]{text}"));
        }
    }
}
