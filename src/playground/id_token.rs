//! The checks on an ID token, all of them done and shown, even after one has failed.
//! Standards: OpenID Connect Core 1.0 sections 3.1.3.6 and 3.1.3.7; RFC 7515.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use josekit::{
    jwk::Jwk,
    jws::{self, ES256, EdDSA, JwsVerifier, PS256, RS256},
};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256, Sha512};

/// What the token must say, and the time at which it is read (seconds since 1970).
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) access_token: &'a str,
    pub(super) now: u64,
}

/// An ID token taken apart.
pub(super) struct Inspection {
    raw: String,
    header: Value,
    pub(super) claims: Map<String, Value>,
    pub(super) checks: Vec<Check>,
}

/// One question put to a token.
pub(super) struct Check {
    pub(super) what: &'static str,
    /// What was found, when the answer is yes; what is wrong, when it is no.
    pub(super) finding: Result<String, String>,
}

impl Inspection {
    /// Asks every question.
    pub(super) fn of(raw: &str, keys: &str, expected: &Expected<'_>) -> Self {
        let mut parts = raw.split('.');
        let header = parts.next().and_then(json).unwrap_or(Value::Null);
        let claims = match parts.next().and_then(json) {
            Some(Value::Object(claims)) => claims,
            Some(_) | None => Map::new(),
        };
        let checks = vec![
            Check {
                what: "Signature",
                finding: signature(raw, &header, keys),
            },
            Check {
                what: "Issuer (iss)",
                finding: issuer(&claims, expected),
            },
            Check {
                what: "Audience (aud)",
                finding: audience(&claims, expected),
            },
            Check {
                what: "Expiry (exp)",
                finding: expiry(&claims, expected),
            },
            Check {
                what: "Issued at (iat)",
                finding: issued_at(&claims, expected),
            },
            Check {
                what: "Nonce",
                finding: nonce(&claims, expected),
            },
            Check {
                what: "Access token (at_hash)",
                finding: at_hash(&header, &claims, expected),
            },
            Check {
                what: "Subject (sub)",
                finding: subject(&claims),
            },
        ];
        Self {
            raw: raw.to_owned(),
            header,
            claims,
            checks,
        }
    }

    /// The first no, if there is one. Nothing in the token counts before this is `None`.
    pub(super) fn first_failure(&self) -> Option<(&'static str, &str)> {
        let failed = self.checks.iter().find(|check| check.finding.is_err())?;
        Some((failed.what, failed.finding.as_ref().err()?))
    }

    /// The header, indented.
    pub(super) fn header_json(&self) -> String {
        format!("{:#}", self.header)
    }

    /// The claims, indented.
    pub(super) fn claims_json(&self) -> String {
        format!("{:#}", Value::Object(self.claims.clone()))
    }

    /// The three parts between the dots, for colouring.
    pub(super) fn parts(&self) -> Vec<&str> {
        self.raw.split('.').collect()
    }
}

type Finding = Result<String, String>;

fn signature(raw: &str, header: &Value, keys: &str) -> Finding {
    let algorithm = text(header, "alg").ok_or("the token has no readable header")?;
    let kid = text(header, "kid");
    let keys: Value = serde_json::from_str(keys).map_err(|_| "the published keys are not JSON")?;
    let keys = keys.get("keys").and_then(Value::as_array);
    // A key of a kind that we cannot read must not spoil those that we can. RFC 7517 section 5.
    let made_it = keys
        .ok_or("the published keys are not a JWK set")?
        .iter()
        .filter_map(|key| Jwk::from_map(key.as_object()?.clone()).ok())
        .filter(|key| kid.is_none() || key.key_id() == kid)
        .filter_map(|key| verifier(algorithm, &key))
        .any(|verifier| jws::deserialize_compact(raw, &*verifier).is_ok());
    match (made_it, kid) {
        (true, Some(kid)) => Ok(format!("{algorithm}, by the published key {kid}")),
        (true, None) => Ok(format!("{algorithm}, by a published key")),
        (false, _) => Err("no published key made this signature".to_owned()),
    }
}

/// The list is ours, not the token's: neither `none` nor an HMAC is ever an option. RFC 8725 section 3.1.
fn verifier(algorithm: &str, key: &Jwk) -> Option<Box<dyn JwsVerifier>> {
    match algorithm {
        "RS256" => Some(Box::new(RS256.verifier_from_jwk(key).ok()?)),
        "PS256" => Some(Box::new(PS256.verifier_from_jwk(key).ok()?)),
        "ES256" => Some(Box::new(ES256.verifier_from_jwk(key).ok()?)),
        "EdDSA" => Some(Box::new(EdDSA.verifier_from_jwk(key).ok()?)),
        _ => None,
    }
}

fn issuer(claims: &Map<String, Value>, expected: &Expected<'_>) -> Finding {
    match claims.get("iss").and_then(Value::as_str) {
        Some(issuer) if issuer == expected.issuer => Ok("the provider that we asked".to_owned()),
        Some(_) => Err("it was issued by somebody else".to_owned()),
        None => Err("it does not say who issued it".to_owned()),
    }
}

fn audience(claims: &Map<String, Value>, expected: &Expected<'_>) -> Finding {
    let ours = |value: &Value| value.as_str() == Some(expected.client_id);
    let azp = claims.get("azp");
    if azp.is_some_and(|azp| !ours(azp)) {
        return Err("it was made for another app (azp)".to_owned());
    }
    match claims.get("aud") {
        Some(Value::Array(audiences)) if audiences.iter().any(ours) => match (audiences.len(), azp)
        {
            (1, _) => Ok("this app".to_owned()),
            (_, Some(_)) => Ok("this app among others, made for this one".to_owned()),
            (_, None) => Err("it has several audiences, but no azp".to_owned()),
        },
        Some(audience) if ours(audience) => Ok("this app".to_owned()),
        Some(_) => Err("it was made for another app".to_owned()),
        None => Err("it does not say whom it was made for".to_owned()),
    }
}

fn expiry(claims: &Map<String, Value>, expected: &Expected<'_>) -> Finding {
    match claims.get("exp").and_then(Value::as_u64) {
        Some(exp) if exp + LEEWAY > expected.now => Ok(format!(
            "good for {} more seconds",
            exp.saturating_sub(expected.now)
        )),
        Some(_) => Err("it has expired".to_owned()),
        None => Err("it does not say when it expires".to_owned()),
    }
}

fn issued_at(claims: &Map<String, Value>, expected: &Expected<'_>) -> Finding {
    match claims.get("iat").and_then(Value::as_u64) {
        Some(iat) if iat <= expected.now + LEEWAY => {
            Ok(format!("{} seconds ago", expected.now.saturating_sub(iat)))
        }
        Some(_) => Err("it was issued in the future: the clocks differ".to_owned()),
        None => Err("it does not say when it was issued".to_owned()),
    }
}

fn nonce(claims: &Map<String, Value>, expected: &Expected<'_>) -> Finding {
    match claims.get("nonce").and_then(Value::as_str) {
        Some(nonce) if nonce == expected.nonce => Ok("the one of step 1".to_owned()),
        Some(_) => Err("it belongs to another login".to_owned()),
        None => Err("it is missing, though we sent one".to_owned()),
    }
}

fn at_hash(header: &Value, claims: &Map<String, Value>, expected: &Expected<'_>) -> Finding {
    let Some(claimed) = claims.get("at_hash") else {
        return Ok("absent, which the code flow allows".to_owned());
    };
    if claimed.as_str() == Some(&half_hash(text(header, "alg"), expected.access_token)) {
        Ok("the hash of the access token beside it".to_owned())
    } else {
        Err("it came with another access token".to_owned())
    }
}

fn subject(claims: &Map<String, Value>) -> Finding {
    match claims.get("sub").and_then(Value::as_str) {
        Some(sub) if (1..=255).contains(&sub.len()) && sub.is_ascii() => Ok(format!(
            "{} characters, the longest allowed is 255",
            sub.len()
        )),
        Some(_) => Err("it is empty, too long, or not ASCII".to_owned()),
        None => Err("it does not say who logged in".to_owned()),
    }
}

/// The left half of the hash that belongs to the signature's algorithm. OpenID Connect Core section 3.1.3.6.
pub(super) fn half_hash(algorithm: Option<&str>, access_token: &str) -> String {
    if algorithm == Some("EdDSA") {
        URL_SAFE_NO_PAD.encode(&Sha512::digest(access_token)[..32])
    } else {
        URL_SAFE_NO_PAD.encode(&Sha256::digest(access_token)[..16])
    }
}

fn json(part: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn text<'a>(header: &'a Value, member: &str) -> Option<&'a str> {
    header.get(member).and_then(Value::as_str)
}

/// Clocks of two machines differ a little. In seconds.
const LEEWAY: u64 = 30;
