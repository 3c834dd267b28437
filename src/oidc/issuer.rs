//! Issuer identifiers. OpenID Connect Discovery 1.0 section 3; RFC 8414 section 2.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// An issuer identifier: `https` (or `http` on loopback), without query, fragment, user or trailing slash.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Issuer {
    text: String,
    url: Url,
}

/// Why a text is no issuer identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssuerError {
    /// Not an absolute URL.
    #[error("it is not an absolute URL such as https://login.example.sg")]
    NotAUrl,
    /// Neither `https` nor loopback `http`.
    #[error("it must use https; plain http is accepted on 127.0.0.1, [::1] and localhost only")]
    NotHttps,
    /// A part that an issuer must not have.
    #[error("it must have no query, no fragment, no user name and no trailing slash")]
    ForbiddenPart,
    /// The URL has another canonical spelling: comparing strings would fail.
    #[error(
        "it must be written in its canonical form (lower-case host, no default port, no dot segments)"
    )]
    NotCanonical,
}

impl Issuer {
    /// Reads an issuer identifier.
    ///
    /// # Errors
    /// [`IssuerError`].
    pub fn parse(text: &str) -> Result<Self, IssuerError> {
        let url = Url::parse(text).map_err(|_| IssuerError::NotAUrl)?;
        if !is_secure_or_loopback(&url) {
            return Err(IssuerError::NotHttps);
        }
        let forbidden = url.query().is_some()
            || url.fragment().is_some()
            || !url.username().is_empty()
            || url.password().is_some()
            || text.ends_with('/');
        if forbidden {
            return Err(IssuerError::ForbiddenPart);
        }
        if url.as_str().trim_end_matches('/') != text {
            return Err(IssuerError::NotCanonical);
        }
        Ok(Self {
            text: text.to_owned(),
            url,
        })
    }

    /// The identifier, exactly as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path below the host, empty or beginning with a slash and not ending with one.
    pub fn path(&self) -> &str {
        self.url.path().trim_end_matches('/')
    }

    /// Whether relying parties and browsers reach it over TLS.
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The URL of an endpoint, `path` beginning with a slash.
    pub fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.text)
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for Issuer {
    type Error = IssuerError;

    fn try_from(text: String) -> Result<Self, IssuerError> {
        Self::parse(&text)
    }
}

impl From<Issuer> for String {
    fn from(issuer: Issuer) -> Self {
        issuer.text
    }
}

/// Whether a URL is `https`, or `http` to this very machine.
pub fn is_secure_or_loopback(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.host().is_some(),
        "http" => is_loopback(url),
        _ => false,
    }
}

/// Whether a URL's host is this machine: `127.0.0.1`, `[::1]` or `localhost`.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_https_or_loopback() {
        for good in [
            "https://login.example.sg",
            "https://example.sg/sgid",
            "http://127.0.0.1:8080",
            "http://localhost:1/path",
            "http://[::1]:8080",
        ] {
            assert_eq!(Issuer::parse(good).unwrap().as_str(), good);
        }
        for (bad, error) in [
            ("login.example.sg", IssuerError::NotAUrl),
            ("http://login.example.sg", IssuerError::NotHttps),
            ("http://localhost.example.sg", IssuerError::NotHttps),
            ("https://example.sg/", IssuerError::ForbiddenPart),
            ("https://example.sg?x", IssuerError::ForbiddenPart),
            ("https://example.sg#", IssuerError::ForbiddenPart),
            ("https://me@example.sg", IssuerError::ForbiddenPart),
            ("https://Example.sg", IssuerError::NotCanonical),
            ("https://example.sg:443", IssuerError::NotCanonical),
            ("https://example.sg/a/../b", IssuerError::NotCanonical),
        ] {
            assert_eq!(Issuer::parse(bad), Err(error), "{bad}");
        }
    }

    #[test]
    fn endpoints_stand_below_the_path() {
        let issuer = Issuer::parse("https://example.sg/sgid").unwrap();
        assert_eq!(issuer.endpoint("/token"), "https://example.sg/sgid/token");
        assert_eq!(issuer.path(), "/sgid");
        assert_eq!(Issuer::parse("https://example.sg").unwrap().path(), "");
    }
}
