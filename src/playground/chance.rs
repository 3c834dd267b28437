//! The only clock and the only randomness of the playground; all else is handed their values.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// 256 bits that nobody can guess, as 43 characters. Also a legal PKCE verifier, RFC 7636 section 4.1.
pub(super) fn unguessable() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// Seconds since 1970; 0 on a clock that is set before it, where every login is then expired.
#[expect(
    clippy::disallowed_methods,
    reason = "the playground stands for somebody else's app, which does not have the bridge's clock"
)]
pub(super) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
