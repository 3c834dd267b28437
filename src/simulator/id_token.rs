//! ID tokens, right and wrong, made by hand: no library signs most of the wrong ones.

use super::{
    Misbehaviour as M,
    json::Object,
    keys::{EllipticKey, SigningKey},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;

/// What an ID token says when sgID behaves.
pub(super) struct Draft<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) client_secret: &'a str,
    pub(super) subject: &'a str,
    pub(super) nonce: Option<&'a str>,
    pub(super) access_token: &'a str,
    /// Seconds since 1970.
    pub(super) now: i64,
    pub(super) key: &'a SigningKey,
}

/// Seconds that an ID token lives: the only figure seen of the real sgID, in a test fixture.
pub(super) const LIFETIME: i64 = 300;
const HOUR: i64 = 3_600;

/// The signed token.
pub(super) fn mint(draft: &Draft<'_>, misbehaviour: M) -> String {
    let header = header(draft, misbehaviour);
    let claims = claims(draft, misbehaviour);
    let message = format!(
        "{}.{}",
        B64.encode(header.render()),
        B64.encode(claims.render())
    );
    if misbehaviour == M::IdTokenTwoParts {
        return message;
    }
    let signature = signature(draft, message.as_bytes(), misbehaviour);
    format!("{message}.{}", B64.encode(signature))
}

/// The subject as it goes out in ID token and userinfo alike.
pub(super) fn subject_sent(subject: &str, misbehaviour: M) -> Cow<'_, str> {
    match misbehaviour {
        M::IdTokenEmptySubject => Cow::Borrowed(""),
        M::IdTokenLongSubject => Cow::Owned(format!("{subject:x<256}")),
        M::IdTokenNumberSubject => Cow::Borrowed("12345"),
        _ => Cow::Borrowed(subject),
    }
}

fn header(draft: &Draft<'_>, misbehaviour: M) -> Object {
    let mut header = Object::default();
    header.add("alg", "RS256").add("kid", draft.key.kid());
    match misbehaviour {
        M::IdTokenNoKid => header.remove("kid"),
        M::IdTokenTypeJwt => header.add("typ", "JWT"),
        M::IdTokenAlgNone => header.set("alg", "none"),
        M::IdTokenAlgHs256 | M::IdTokenAlgHs256Secret => header.set("alg", "HS256"),
        M::IdTokenAlgEs256 => header.set("alg", "ES256").set("kid", EllipticKey::KID),
        M::IdTokenAlgPs256 => header.set("alg", "PS256"),
        M::IdTokenUnknownKid => header.set("kid", "nobody-knows-this-key"),
        M::IdTokenCrit => header.add("crit", ["exp"]).add("exp", draft.now + HOUR),
        M::IdTokenEmbeddedJwk => header.add("jwk", SigningKey::stranger().jwk("sig")),
        M::IdTokenRemoteKey => header.add("jku", format!("{}/.well-known/jwks.json", draft.issuer)),
        M::IdTokenDuplicateHeader => header.shadow("alg", "none"),
        M::IdTokenWrongType => header.add("typ", "logout+jwt"),
        _ => &mut header,
    };
    header
}

fn claims(draft: &Draft<'_>, misbehaviour: M) -> Object {
    let mut claims = Object::default();
    claims
        .add("iss", draft.issuer)
        .add("sub", subject_sent(draft.subject, misbehaviour));
    claims
        .add("aud", draft.client_id)
        .add("exp", draft.now + LIFETIME)
        .add("iat", draft.now);
    if let Some(nonce) = draft.nonce {
        claims.add("nonce", nonce);
    }
    spoil_parties(&mut claims, draft, misbehaviour);
    spoil_times(&mut claims, draft.now, misbehaviour);
    claims
}

/// Who made it, for whom, about whom, and in which login.
fn spoil_parties(claims: &mut Object, draft: &Draft<'_>, misbehaviour: M) {
    match misbehaviour {
        M::IdTokenAudienceArray => claims.set("aud", [draft.client_id]),
        M::IdTokenRightAzp => claims.add("azp", draft.client_id),
        M::IdTokenRightAtHash => claims.add("at_hash", at_hash(draft.access_token)),
        M::IdTokenWrongIssuer => claims.set("iss", "https://impostor.example/v2"),
        M::IdTokenNoIssuer => claims.remove("iss"),
        M::IdTokenWrongAudience => claims.set("aud", ANOTHER_CLIENT),
        M::IdTokenNoAudience => claims.remove("aud"),
        M::IdTokenTwoAudiences => claims.set("aud", [draft.client_id, ANOTHER_CLIENT]),
        M::IdTokenWrongAzp => claims.add("azp", ANOTHER_CLIENT),
        M::IdTokenWrongNonce => claims.set("nonce", "a-nonce-of-another-login"),
        M::IdTokenNoNonce => claims.remove("nonce"),
        M::IdTokenNoSubject => claims.remove("sub"),
        M::IdTokenNumberSubject => claims.set("sub", json!(12345)),
        M::IdTokenWrongAtHash => claims.add("at_hash", at_hash("another access token")),
        M::IdTokenDuplicateClaim => claims.shadow("sub", "somebody-else"),
        _ => claims,
    };
}

fn spoil_times(claims: &mut Object, now: i64, misbehaviour: M) {
    match misbehaviour {
        M::IdTokenExpired => claims
            .set("exp", now - HOUR)
            .set("iat", now - HOUR - LIFETIME),
        M::IdTokenNoExpiry => claims.remove("exp"),
        M::IdTokenNoIssuedAt => claims.remove("iat"),
        M::IdTokenTextTimes => claims
            .set("exp", (now + LIFETIME).to_string())
            .set("iat", now.to_string()),
        M::IdTokenIssuedInFuture => claims
            .set("iat", now + HOUR)
            .set("exp", now + HOUR + LIFETIME),
        M::IdTokenIssuedLongAgo => claims.set("iat", now - 7 * 24 * HOUR),
        M::IdTokenNotYetValid => claims.add("nbf", now + HOUR).set("exp", now + 2 * HOUR),
        _ => claims,
    };
}

fn signature(draft: &Draft<'_>, message: &[u8], misbehaviour: M) -> Vec<u8> {
    match misbehaviour {
        M::IdTokenAlgNone => Vec::new(),
        M::IdTokenWrongSignature | M::IdTokenEmbeddedJwk => {
            SigningKey::stranger().sign_rs256(message)
        }
        // The classic: a verifier that takes the algorithm from the header uses the public key's
        // text as the shared secret.
        M::IdTokenAlgHs256 => hs256(draft.key.public_pem().as_bytes(), message),
        M::IdTokenAlgHs256Secret => hs256(draft.client_secret.as_bytes(), message),
        M::IdTokenAlgEs256 => EllipticKey::shared().sign(message),
        M::IdTokenAlgPs256 => draft.key.sign_ps256(message),
        _ => draft.key.sign_rs256(message),
    }
}

fn hs256(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// The left half of the token's hash: `OpenID` Connect Core 1.0 section 3.1.3.6.
fn at_hash(access_token: &str) -> String {
    B64.encode(&Sha256::digest(access_token)[..16])
}

const ANOTHER_CLIENT: &str = "ANOTHER-CLIENT-OF-SGID";

#[cfg(test)]
mod tests {
    use super::{Draft, M, SigningKey, mint};
    use josekit::jws::{RS256, deserialize_compact};
    use serde_json::Value;

    #[test]
    fn a_polite_token_verifies_and_says_only_what_is_documented() {
        let key = SigningKey::generate();
        let token = mint(&draft(&key), M::None);
        let verifier = RS256
            .verifier_from_pem(key.public_pem())
            .expect("a public key");
        let (payload, header) = deserialize_compact(&token, &verifier).expect("verifies");
        assert_eq!(header.claim("kid").and_then(Value::as_str), Some(key.kid()));
        assert_eq!(
            String::from_utf8(payload).expect("JSON"),
            r#"{"iss":"https://sgid.example/v2","sub":"person","aud":"client","exp":1300,"iat":1000,"nonce":"n"}"#
        );
    }

    #[test]
    fn every_misbehaviour_of_the_id_token_shows_in_it() {
        let key = SigningKey::generate();
        let polite = mint(&draft(&key), M::None);
        for one in M::ALL.iter().filter(|one| one.group() == "ID token") {
            assert_ne!(mint(&draft(&key), *one), polite, "{}", one.name());
        }
    }

    fn draft(key: &SigningKey) -> Draft<'_> {
        Draft {
            issuer: "https://sgid.example/v2",
            client_id: "client",
            client_secret: "secret",
            subject: "person",
            nonce: Some("n"),
            access_token: "token",
            now: 1000,
            key,
        }
    }
}
