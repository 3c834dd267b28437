//! Our cookies: one for each login, which binds it to the browser that began it, so that several can wait side by
//! side; and one for the session of the browser. RFC 6265; the prefix is that of draft-ietf-httpbis-rfc6265bis.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::cookie::{Cookie, SameSite};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::oidc::issuer::Issuer;
use crate::secret::{Bearer, LoginCookie, LoginState, SessionCookie};

/// How many logins may wait in one browser.
const MAX_WAITING: usize = 6;
const PREFIX: &str = "__Host-";
const STEM: &str = "sgid-bridge-login-";
const SESSION: &str = "sgid-bridge-session";

/// The cookie for a new login.
pub(super) fn set(
    issuer: &Issuer,
    state: &Bearer<LoginState>,
    value: &Bearer<LoginCookie>,
    life: Duration,
) -> Cookie<'static> {
    let life = CookieDuration::try_from(life).unwrap_or(CookieDuration::ZERO);
    build(issuer, name(issuer, state), value.expose(), life)
}

/// The same cookie, taken away.
pub(super) fn remove(issuer: &Issuer, state: &Bearer<LoginState>) -> Cookie<'static> {
    build(
        issuer,
        name(issuer, state),
        String::new(),
        CookieDuration::ZERO,
    )
}

/// The value that this browser holds for a login.
pub(super) fn find(
    issuer: &Issuer,
    request: &HttpRequest,
    state: &Bearer<LoginState>,
) -> Option<Bearer<LoginCookie>> {
    Bearer::parse(request.cookie(&name(issuer, state))?.value())
}

/// Cookies to take away so that a new login finds room. Browsers send older cookies first (RFC 6265 section 5.4).
pub(super) fn surplus(issuer: &Issuer, request: &HttpRequest) -> Vec<Cookie<'static>> {
    let Ok(cookies) = request.cookies() else {
        return Vec::new();
    };
    let stem = stem(issuer);
    let waiting: Vec<String> = cookies
        .iter()
        .map(|cookie| cookie.name().to_owned())
        .filter(|name| name.starts_with(&stem))
        .collect();
    let too_many = (waiting.len() + 1).saturating_sub(MAX_WAITING);
    waiting
        .into_iter()
        .take(too_many)
        .map(|name| build(issuer, name, String::new(), CookieDuration::ZERO))
        .collect()
}

/// The session cookie that this browser holds.
pub(super) fn session(issuer: &Issuer, request: &HttpRequest) -> Option<Bearer<SessionCookie>> {
    Bearer::parse(request.cookie(&session_name(issuer))?.value())
}

/// The cookie for a new session.
pub(super) fn set_session(
    issuer: &Issuer,
    value: &Bearer<SessionCookie>,
    life: Duration,
) -> Cookie<'static> {
    let life = CookieDuration::try_from(life).unwrap_or(CookieDuration::ZERO);
    build(issuer, session_name(issuer), value.expose(), life)
}

/// The same cookie, taken away.
pub(super) fn remove_session(issuer: &Issuer) -> Cookie<'static> {
    build(
        issuer,
        session_name(issuer),
        String::new(),
        CookieDuration::ZERO,
    )
}

fn session_name(issuer: &Issuer) -> String {
    format!("{}{SESSION}", prefix(issuer))
}

fn build(issuer: &Issuer, name: String, value: String, life: CookieDuration) -> Cookie<'static> {
    Cookie::build(name, value)
        .path("/")
        .http_only(true)
        .secure(issuer.is_https())
        // Strict would be withheld on the way back from sgID, which is another site.
        .same_site(SameSite::Lax)
        .max_age(life)
        .finish()
}

fn stem(issuer: &Issuer) -> String {
    format!("{}{STEM}", prefix(issuer))
}

/// Browsers refuse the prefix without Secure, and Secure without TLS; only loopback issuers are without.
fn prefix(issuer: &Issuer) -> &'static str {
    if issuer.is_https() { PREFIX } else { "" }
}

/// Tells logins apart without naming them: a short hash of the state, which is in the URL anyway.
fn name(issuer: &Issuer, state: &Bearer<LoginState>) -> String {
    let hash = Sha256::digest(state.expose().as_bytes());
    format!("{}{}", stem(issuer), URL_SAFE_NO_PAD.encode(&hash[..9]))
}
