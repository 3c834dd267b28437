//! sgID's ID token, verified in full. OpenID Connect Core section 3.1.3.7; RFC 7515; RFC 8725 section 3.
//!
//! The library checks signature, issuer, audience and expiry once more; what it does not check by default (`azp`,
//! `iat`, `nbf`, header members, repeated members, the presence of everything) is checked here first.

use std::str::FromStr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;
use openidconnect::core::{
    CoreIdToken, CoreIdTokenVerifier, CoreJsonWebKeySet, CoreJwsSigningAlgorithm,
};
use openidconnect::{ClientId, IssuerUrl, Nonce};
use serde_json::{Map, Value};

use super::exchange::Tokens;
use super::jwks::VerificationKey;
use super::{Distrust, Sgid, SgidError, Step};
use crate::clock::Timestamp;
use crate::login::{UpstreamAttempt, UpstreamSubject};
use crate::oidc::algorithm::SigningAlgorithm;
use crate::oidc::id_token::at_hash;
use crate::oidc::json;

/// How far sgID's clock may be from ours.
const LEEWAY: Duration = Duration::from_mins(1);
/// How old a token may be: it was made for the request that brought it.
const MAX_AGE: Duration = Duration::from_mins(10);
const MAX_BYTES: usize = 16 * 1024;
const MAX_SUBJECT_BYTES: usize = 255;
/// Header members that name, hold or change a key or its use: none of them is sgID's.
const REFUSED_HEADERS: [&str; 8] = ["crit", "jwk", "jku", "x5c", "x5u", "x5t", "b64", "zip"];

impl Sgid {
    pub(super) async fn verify(
        &self,
        tokens: &Tokens,
        attempt: &UpstreamAttempt,
        now: Timestamp,
    ) -> Result<UpstreamSubject, SgidError> {
        let distrust = |reason| SgidError::Untrusted {
            step: Step::IdToken,
            reason,
        };
        let token = Unverified::parse(&tokens.id_token).map_err(distrust)?;
        let known = self.jwks.keys(self.http(), now).await?;
        if !self.is_signed_by_one_of(&known, &token, now) {
            let again = self.jwks.keys_again(self.http(), now).await?;
            if !self.is_signed_by_one_of(&again, &token, now) {
                return Err(distrust(Distrust::Signature));
            }
        }
        self.check_claims(&token.claims, tokens, attempt, now)
            .map_err(distrust)
    }

    fn is_signed_by_one_of(
        &self,
        keys: &[VerificationKey],
        token: &Unverified<'_>,
        now: Timestamp,
    ) -> bool {
        keys.iter()
            .filter(|key| token.kid.is_none() || key.kid == token.kid)
            .any(|key| self.is_signed_by(key, token, now))
    }

    fn is_signed_by(&self, key: &VerificationKey, token: &Unverified<'_>, now: Timestamp) -> bool {
        let (Ok(issuer), Ok(id_token)) = (
            IssuerUrl::new(self.issuer.clone()),
            CoreIdToken::from_str(token.text),
        ) else {
            return false;
        };
        let keys = CoreJsonWebKeySet::new(vec![key.key.clone()]);
        let at = now.before(LEEWAY).seconds();
        let verifier = CoreIdTokenVerifier::new_public_client(
            ClientId::new(self.client_id.clone()),
            issuer,
            keys,
        )
        .set_allowed_algs([CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256])
        .set_other_audience_verifier_fn(|_| false)
        .set_time_fn(move || DateTime::from_timestamp(at, 0).unwrap_or_default());
        // The nonce is compared by its own type afterwards.
        let any_nonce = |_: Option<&Nonce>| Ok(());
        id_token.claims(&verifier, any_nonce).is_ok()
    }

    fn check_claims(
        &self,
        claims: &Map<String, Value>,
        tokens: &Tokens,
        attempt: &UpstreamAttempt,
        now: Timestamp,
    ) -> Result<UpstreamSubject, Distrust> {
        let text = |name| claims.get(name).and_then(Value::as_str);
        let instant = |name| {
            claims
                .get(name)
                .map(|value| value.as_i64().map(Timestamp::from_seconds))
        };
        if text("iss") != Some(self.issuer.as_str()) {
            return Err(Distrust::Issuer);
        }
        let is_for_us = match claims.get("aud") {
            Some(Value::String(audience)) => *audience == self.client_id,
            Some(Value::Array(audiences)) => {
                matches!(audiences.as_slice(), [Value::String(only)] if *only == self.client_id)
            }
            _ => false,
        };
        let authorized_party = claims.get("azp");
        if !is_for_us || authorized_party.is_some_and(|azp| *azp != self.client_id) {
            return Err(Distrust::Audience);
        }
        match instant("exp") {
            Some(Some(expires_at)) if now < expires_at.after(LEEWAY) => {}
            _ => return Err(Distrust::Expired),
        }
        match instant("iat") {
            Some(Some(at)) if at <= now.after(LEEWAY) && now.since(at) <= MAX_AGE + LEEWAY => {}
            _ => return Err(Distrust::IssuedAt),
        }
        match instant("nbf") {
            None => {}
            Some(Some(not_before)) if not_before <= now.after(LEEWAY) => {}
            Some(_) => return Err(Distrust::NotBefore),
        }
        if !text("nonce").is_some_and(|nonce| attempt.upstream_nonce.is(nonce)) {
            return Err(Distrust::Nonce);
        }
        if let Some(hash) = claims.get("at_hash")
            && *hash != at_hash(SigningAlgorithm::Rs256, &tokens.access_token)
        {
            return Err(Distrust::AccessTokenHash);
        }
        text("sub")
            .filter(|subject| (1..=MAX_SUBJECT_BYTES).contains(&subject.len()))
            .map(|subject| UpstreamSubject::new(subject.to_owned()))
            .ok_or(Distrust::Subject)
    }
}

/// A token whose form is right and whose content nobody has vouched for.
struct Unverified<'a> {
    text: &'a str,
    kid: Option<String>,
    claims: Map<String, Value>,
}

impl<'a> Unverified<'a> {
    fn parse(text: &'a str) -> Result<Self, Distrust> {
        let parts: Vec<&str> = text.split('.').collect();
        let [header, payload, signature] = parts.as_slice() else {
            return Err(Distrust::Compact);
        };
        if text.len() > MAX_BYTES || signature.is_empty() {
            return Err(Distrust::Compact);
        }
        let decode = |part: &str| {
            let bytes = URL_SAFE_NO_PAD
                .decode(part)
                .map_err(|_| Distrust::Compact)?;
            json::parse_object(&bytes).map_err(|_| Distrust::NotJson)
        };
        let header = decode(header)?;
        if header.get("alg").and_then(Value::as_str) != Some("RS256") {
            return Err(Distrust::Algorithm);
        }
        let is_foreign_type = header.get("typ").is_some_and(|typ| {
            !typ.as_str()
                .is_some_and(|typ| typ.eq_ignore_ascii_case("JWT"))
        });
        if is_foreign_type
            || REFUSED_HEADERS
                .iter()
                .any(|name| header.contains_key(*name))
        {
            return Err(Distrust::Header);
        }
        let kid = match header.get("kid") {
            None => None,
            Some(Value::String(kid)) => Some(kid.clone()),
            Some(_) => return Err(Distrust::Header),
        };
        Ok(Self {
            text,
            kid,
            claims: decode(payload)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(header: &str) -> String {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!(
            "{}.{}.{}",
            encode(header),
            encode("{}"),
            encode("signature")
        )
    }

    fn refusal(header: &str) -> Option<Distrust> {
        Unverified::parse(&token(header)).err()
    }

    #[test]
    fn headers_outside_the_allow_list_are_refused_before_any_key_is_tried() {
        assert_eq!(refusal(r#"{"alg":"RS256","kid":"1","typ":"JWT"}"#), None);
        assert_eq!(refusal(r#"{"alg":"none"}"#), Some(Distrust::Algorithm));
        assert_eq!(refusal(r#"{"alg":"HS256"}"#), Some(Distrust::Algorithm));
        assert_eq!(
            refusal(r#"{"alg":"RS256","crit":["exp"]}"#),
            Some(Distrust::Header)
        );
        assert_eq!(
            refusal(r#"{"alg":"RS256","jwk":{}}"#),
            Some(Distrust::Header)
        );
        assert_eq!(
            refusal(r#"{"alg":"RS256","typ":"logout+jwt"}"#),
            Some(Distrust::Header)
        );
        assert_eq!(
            refusal(r#"{"alg":"RS256","alg":"none"}"#),
            Some(Distrust::NotJson)
        );
        assert_eq!(
            refusal(r#"{"alg":"RS256","kid":1}"#),
            Some(Distrust::Header)
        );
    }

    proptest! {
        #[test]
        fn no_input_panics(text in ".{0,100}|[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}") {
            let _ = Unverified::parse(&text);
        }
    }
}
