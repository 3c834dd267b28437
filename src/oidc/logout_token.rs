//! The claims set of a logout token. OpenID Connect Back-Channel Logout 1.0 section 2.4.

use serde::{Serialize, Serializer};
use serde_json::json;

use super::client::ClientId;
use super::issuer::Issuer;
use super::subject::SubjectIdentifier;

/// The value of `typ` in its header.
pub const TYPE: &str = "logout+jwt";
/// How long it may be accepted, in seconds.
pub const LIFE_SECONDS: i64 = 120;

/// What a logout token says, before it is signed. It never has a `nonce`, so that it passes as no ID token.
#[derive(Serialize)]
pub struct LogoutTokenClaims<'a> {
    /// `iss`.
    pub iss: &'a Issuer,
    /// `aud`: one audience, as a string.
    pub aud: &'a ClientId,
    /// `iat`, in seconds since 1970.
    pub iat: i64,
    /// `exp`, in seconds since 1970.
    pub exp: i64,
    /// `jti`: another one for each token.
    pub jti: &'a str,
    /// `sub`: the person, as this client knows them.
    pub sub: &'a SubjectIdentifier,
    /// `sid`: the session, as this client's ID tokens name it.
    pub sid: &'a str,
    /// `events`.
    pub events: LogoutEvent,
}

/// That the token is about a logout, and no other security event.
pub struct LogoutEvent;

impl Serialize for LogoutEvent {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        json!({ "http://schemas.openid.net/event/backchannel-logout": {} }).serialize(to)
    }
}
