//! Where each endpoint stands below the issuer: the route table and discovery both read it here.

use crate::oidc::issuer::Issuer;

/// An endpoint of the bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// OpenID Connect Discovery section 4.
    Discovery,
    /// OpenID Connect Core section 10.1.
    Jwks,
    /// RFC 6749 section 3.1.
    Authorize,
    /// Where sgID sends people back: the redirect URI to register there.
    Callback,
    /// The same for one upstream of several issuers.
    NamedCallback,
    /// RFC 6749 section 3.2.
    Token,
    /// OpenID Connect Core section 5.3.
    Userinfo,
    /// The look of our pages.
    Stylesheet,
}

impl Path {
    /// The path below the issuer's own.
    pub const fn below_issuer(self) -> &'static str {
        match self {
            Self::Discovery => "/.well-known/openid-configuration",
            Self::Jwks => "/jwks",
            Self::Authorize => "/authorize",
            Self::Callback => "/callback",
            Self::NamedCallback => "/callback/{upstream}",
            Self::Token => "/token",
            Self::Userinfo => "/userinfo",
            Self::Stylesheet => "/assets/style.css",
        }
    }

    /// The URL, as relying parties see it.
    pub fn url(self, issuer: &Issuer) -> String {
        issuer.endpoint(self.below_issuer())
    }

    /// The path on this server.
    pub fn on(self, issuer: &Issuer) -> String {
        format!("{}{}", issuer.path(), self.below_issuer())
    }
}
