//! Client assertions: how a client proves itself with a key of its own. RFC 7523 section 3; OpenID Connect Core
//! section 9; FAPI 2.0 Security Profile section 5.3.2.1.

use serde_json::{Map, Value};

use super::client::ClientId;
use super::issuer::Issuer;

/// The value of `client_assertion_type`. RFC 7523 section 2.2.
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How far ahead `exp` may be, in seconds: so long must an identifier be remembered.
pub const MAX_LIFE_SECONDS: i64 = 300;
/// How far the client's clock may be from ours, in seconds.
const LEEWAY_SECONDS: i64 = 30;
/// How far the clocks of two instances may be apart, in seconds: each is within 30 of the database's.
const MAX_SKEW_SECONDS: i64 = 60;
const MAX_JTI_BYTES: usize = 255;

/// What an assertion claims, once its signature by one of the client's keys was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAssertion {
    client_id: ClientId,
    jti: String,
    expires_at: i64,
}

/// Why an assertion proves nothing. Only for a client whose signature was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// `iss` or `sub`.
    #[error("iss and sub must both be the client_id")]
    Client,
    /// `aud`.
    #[error("aud must be the issuer identifier of the bridge, as a single string")]
    Audience,
    /// `exp`.
    #[error("exp must be in the future, at most {MAX_LIFE_SECONDS} seconds ahead")]
    Expiry,
    /// `iat` or `nbf`.
    #[error("iat and nbf must not be in the future")]
    NotYet,
    /// `jti`.
    #[error("jti must be a text of 1 to {MAX_JTI_BYTES} bytes, another one each time")]
    Identifier,
    /// `jti` once more.
    #[error("its jti was used before: each assertion is accepted once")]
    Used,
}

impl ClientAssertion {
    /// Checks the claims of a verified assertion. `now` in seconds since 1970.
    ///
    /// `aud` is the issuer and nothing else: an assertion that a hostile server asked for cannot be used here.
    ///
    /// # Errors
    /// [`AssertionError`].
    pub fn check(
        claims: &Map<String, Value>,
        issuer: &Issuer,
        now: i64,
    ) -> Result<Self, AssertionError> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let client_id = text("iss")
            .filter(|iss| text("sub") == Some(iss))
            .and_then(ClientId::parse)
            .ok_or(AssertionError::Client)?;
        if text("aud") != Some(issuer.as_str()) {
            return Err(AssertionError::Audience);
        }
        let expires_at = claims.get("exp").and_then(seconds);
        let expires_at = expires_at
            .filter(|&at| {
                at > now - LEEWAY_SECONDS && at <= now + MAX_LIFE_SECONDS + LEEWAY_SECONDS
            })
            .ok_or(AssertionError::Expiry)?;
        for name in ["iat", "nbf"] {
            let is_due = |value| seconds(value).is_some_and(|at| at <= now + LEEWAY_SECONDS);
            if claims.get(name).is_some_and(|value| !is_due(value)) {
                return Err(AssertionError::NotYet);
            }
        }
        let jti = text("jti").filter(|jti| (1..=MAX_JTI_BYTES).contains(&jti.len()));
        Ok(Self {
            client_id,
            jti: jti.ok_or(AssertionError::Identifier)?.to_owned(),
            // One instance's clock may be ahead of another's: what it forgets, the other must not accept.
            expires_at: expires_at + LEEWAY_SECONDS + MAX_SKEW_SECONDS,
        })
    }

    /// Whom it speaks for.
    pub fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// What must not be accepted twice.
    pub fn jti(&self) -> &str {
        &self.jti
    }

    /// Until when it could be presented again, in seconds since 1970.
    pub fn expires_at(&self) -> i64 {
        self.expires_at
    }
}

/// Whether the header may be that of an assertion: no token of another kind passes as one. RFC 8725 section 3.11.
pub fn may_be_one(header: &Map<String, Value>) -> bool {
    header.get("typ").is_none_or(|typ| {
        let typ = typ.as_str().unwrap_or_default().to_ascii_lowercase();
        let typ = typ.trim_start_matches("application/");
        ["jwt", "client-authentication+jwt"].contains(&typ)
    })
}

/// A `NumericDate`, fractions cut off. RFC 7519 section 2.
pub fn seconds(value: &Value) -> Option<i64> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the range was checked, and fractions are to go"
    )]
    let whole = |number: f64| (number.abs() < 1e15).then_some(number as i64);
    value.as_i64().or_else(|| value.as_f64().and_then(whole))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_000_000;

    fn check(change: &[(&str, Value)]) -> Result<ClientAssertion, AssertionError> {
        let mut claims = json!({
            "iss": "portal", "sub": "portal", "aud": "https://login.example.sg",
            "exp": NOW + 60, "iat": NOW, "jti": "one",
        });
        for (name, value) in change {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(*name);
            } else {
                claims[*name] = value.clone();
            }
        }
        let issuer = Issuer::parse("https://login.example.sg").unwrap();
        ClientAssertion::check(claims.as_object().unwrap(), &issuer, NOW)
    }

    #[test]
    fn every_claim_counts() {
        assert!(check(&[]).is_ok());
        assert!(check(&[("iat", Value::Null)]).is_ok());
        for (name, value, error) in [
            ("iss", json!("other"), AssertionError::Client),
            ("sub", Value::Null, AssertionError::Client),
            (
                "aud",
                json!(["https://login.example.sg"]),
                AssertionError::Audience,
            ),
            (
                "aud",
                json!("https://login.example.sg/token"),
                AssertionError::Audience,
            ),
            ("exp", json!(NOW - 31), AssertionError::Expiry),
            ("exp", json!(NOW + 331), AssertionError::Expiry),
            ("exp", json!("soon"), AssertionError::Expiry),
            ("exp", Value::Null, AssertionError::Expiry),
            ("nbf", json!(NOW + 31), AssertionError::NotYet),
            ("iat", json!("now"), AssertionError::NotYet),
            ("jti", json!(""), AssertionError::Identifier),
            ("jti", Value::Null, AssertionError::Identifier),
            ("jti", json!("x".repeat(256)), AssertionError::Identifier),
        ] {
            assert_eq!(
                check(&[(name, value.clone())]),
                Err(error),
                "{name}: {value}"
            );
        }
    }

    #[test]
    fn an_identifier_is_remembered_for_as_long_as_the_assertion_passes() {
        let assertion = check(&[("exp", json!(NOW + 60))]).unwrap();
        assert_eq!(assertion.expires_at(), NOW + 150);
    }

    #[test]
    fn fractions_of_a_second_are_cut_off() {
        assert_eq!(seconds(&json!(5.9)), Some(5));
        assert_eq!(seconds(&json!(1e300)), None);
    }
}
