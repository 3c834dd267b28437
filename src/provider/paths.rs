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
    /// RFC 7662.
    Introspect,
    /// RFC 7009.
    Revoke,
    /// RFC 9126.
    PushedRequests,
    /// OpenID Connect RP-Initiated Logout 1.0.
    Logout,
    /// Where our own page asks to end a session.
    ConfirmLogout,
    /// RFC 7591.
    Register,
    /// RFC 7592: one client's registration.
    Registration,
    /// The look of our pages.
    Stylesheet,
    /// What posts an answer by itself.
    FormPostScript,
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
            Self::Introspect => "/introspect",
            Self::Revoke => "/revoke",
            Self::PushedRequests => "/par",
            Self::Logout => "/logout",
            Self::ConfirmLogout => "/logout/confirm",
            Self::Register => "/register",
            Self::Registration => "/register/{client_id}",
            Self::Stylesheet => "/assets/style.css",
            Self::FormPostScript => "/assets/form-post.js",
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
