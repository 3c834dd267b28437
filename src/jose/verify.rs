//! Signatures by keys of others. RFC 7515 section 5.2; RFC 8725 section 3.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::jwk::Jwk;
use josekit::jws::{self, JwsVerifier};
use serde_json::{Map, Value};

use crate::oidc::algorithm::SigningAlgorithm;
use crate::oidc::json;
use crate::oidc::jwk_set::{JwkSet, PublicJwk};

/// The most bytes that a token may have.
const MAX_BYTES: usize = 16 * 1024;
/// How many keys without a name are tried.
const MAX_TRIES: usize = 4;

/// Members of a header by which a token would name or bring its own key, or change how it is read. RFC 8725
/// section 3.10; RFC 7515 section 4.1.11; RFC 7797.
const FORBIDDEN: [&str; 6] = ["crit", "jwk", "jku", "x5u", "x5c", "b64"];

/// A token whose signature was verified.
#[derive(Debug)]
pub struct Verified {
    /// The JOSE header.
    pub header: Map<String, Value>,
    /// The claims.
    pub claims: Map<String, Value>,
}

/// Why a token is not what its key's owner has signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotVerified {
    /// Not a compact JWS of an object, or too large.
    #[error("it is not a compact JWS of JSON claims with at most {MAX_BYTES} bytes")]
    Form,
    /// A header with something that we do not accept.
    #[error("its header has a member that is not accepted")]
    Header,
    /// An algorithm that was not agreed.
    #[error("it is signed with another algorithm than agreed")]
    Algorithm,
    /// No key of that name and kind.
    #[error("none of the known keys has its kid and fits its algorithm")]
    UnknownKey,
    /// The signature is wrong.
    #[error("its signature is wrong")]
    Signature,
}

/// Verifies a compact JWS by one of these keys, with one of these algorithms.
///
/// # Errors
/// [`NotVerified`]; [`NotVerified::UnknownKey`] where a newer set of keys might help.
pub fn verify(
    token: &str,
    keys: &JwkSet,
    algorithms: &[SigningAlgorithm],
) -> Result<Verified, NotVerified> {
    let header = header(token)?;
    if FORBIDDEN.iter().any(|name| header.contains_key(*name)) {
        return Err(NotVerified::Header);
    }
    let algorithm = header.get("alg").and_then(Value::as_str);
    let algorithm = algorithm
        .and_then(named)
        .filter(|algorithm| algorithms.contains(algorithm))
        .ok_or(NotVerified::Algorithm)?;
    let kid = match header.get("kid") {
        None => None,
        Some(Value::String(kid)) => Some(kid.clone()),
        Some(_) => return Err(NotVerified::Header),
    };
    let mut candidates = keys
        .for_signature(algorithm, kid.as_deref())
        .take(MAX_TRIES)
        .peekable();
    if candidates.peek().is_none() {
        return Err(NotVerified::UnknownKey);
    }
    let payload = candidates
        .find_map(|key| open(token, key, algorithm))
        .ok_or(NotVerified::Signature)?;
    let claims = json::parse_object(&payload).map_err(|_| NotVerified::Form)?;
    Ok(Verified { header, claims })
}

/// RFC 9864 gives `EdDSA` with Ed25519 a name of its own, and some clients write that.
fn named(algorithm: &str) -> Option<SigningAlgorithm> {
    match algorithm {
        "Ed25519" => Some(SigningAlgorithm::EdDsa),
        other => SigningAlgorithm::parse(other),
    }
}

/// The claims of a token that nobody has verified: for finding out whose keys to ask, and for nothing else.
pub fn claims_unverified(token: &str) -> Option<Map<String, Value>> {
    header(token).ok()?;
    let payload = token.split('.').nth(1)?;
    json::parse_object(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

fn header(token: &str) -> Result<Map<String, Value>, NotVerified> {
    let parts: Vec<&str> = token.splitn(4, '.').collect();
    let (true, [header, _, _]) = (token.len() <= MAX_BYTES, parts.as_slice()) else {
        return Err(NotVerified::Form);
    };
    let header = URL_SAFE_NO_PAD.decode(header);
    let header = header.map_err(|_| NotVerified::Form)?;
    json::parse_object(&header).map_err(|_| NotVerified::Form)
}

fn open(token: &str, key: &PublicJwk, algorithm: SigningAlgorithm) -> Option<Vec<u8>> {
    // Only the members that make the key: what else a client wrote beside them is not the library's to interpret.
    let jwk = Jwk::from_map(key.required().clone()).ok()?;
    let verifier: Box<dyn JwsVerifier> = match algorithm {
        SigningAlgorithm::Rs256 => Box::new(jws::RS256.verifier_from_jwk(&jwk).ok()?),
        SigningAlgorithm::Ps256 => Box::new(jws::PS256.verifier_from_jwk(&jwk).ok()?),
        SigningAlgorithm::Es256 => Box::new(jws::ES256.verifier_from_jwk(&jwk).ok()?),
        SigningAlgorithm::EdDsa => Box::new(jws::EdDSA.verifier_from_jwk(&jwk).ok()?),
    };
    // The header is ours to read: the library would hold `alg` against the one name that it knows.
    let (message, signature) = token.rsplit_once('.')?;
    let (_, payload) = message.split_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    verifier.verify(message.as_bytes(), &signature).ok()?;
    URL_SAFE_NO_PAD.decode(payload).ok()
}

#[cfg(test)]
mod tests {
    use josekit::jwk::KeyPair;
    use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
    use josekit::jwk::alg::ed::{EdCurve, EdKeyPair};
    use josekit::jwk::alg::rsa::RsaKeyPair;
    use josekit::jws::{JwsHeader, JwsSigner};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const ES256: [SigningAlgorithm; 1] = [SigningAlgorithm::Es256];

    fn sign(header: &[(&str, Value)], claims: &[u8], signer: &dyn JwsSigner) -> String {
        let mut jws_header = JwsHeader::new();
        for (name, value) in header {
            jws_header.set_claim(name, Some(value.clone())).unwrap();
        }
        jws::serialize_compact(claims, &jws_header, signer).unwrap()
    }

    fn set(key: &Jwk, kid: &str) -> JwkSet {
        let mut key = json!(key.as_ref());
        key["kid"] = kid.into();
        JwkSet::parse(&json!({ "keys": [key] })).unwrap()
    }

    #[test]
    fn every_algorithm_of_ours_verifies() {
        let rsa = RsaKeyPair::generate(2048).unwrap();
        let ec = EcKeyPair::generate(EcCurve::P256).unwrap();
        let edwards = EdKeyPair::generate(EdCurve::Ed25519).unwrap();
        let (rsa_jwk, ec_jwk, edwards_jwk) = (
            rsa.to_jwk_private_key(),
            ec.to_jwk_private_key(),
            edwards.to_jwk_private_key(),
        );
        let signers: [(SigningAlgorithm, Box<dyn JwsSigner>, Jwk); 4] = [
            (
                SigningAlgorithm::Rs256,
                Box::new(jws::RS256.signer_from_jwk(&rsa_jwk).unwrap()),
                rsa.to_jwk_public_key(),
            ),
            (
                SigningAlgorithm::Ps256,
                Box::new(jws::PS256.signer_from_jwk(&rsa_jwk).unwrap()),
                rsa.to_jwk_public_key(),
            ),
            (
                SigningAlgorithm::Es256,
                Box::new(jws::ES256.signer_from_jwk(&ec_jwk).unwrap()),
                ec.to_jwk_public_key(),
            ),
            (
                SigningAlgorithm::EdDsa,
                Box::new(jws::EdDSA.signer_from_jwk(&edwards_jwk).unwrap()),
                edwards.to_jwk_public_key(),
            ),
        ];
        for (algorithm, signer, public) in &signers {
            let token = sign(&[], br#"{"a":1}"#, &**signer);
            let keys = set(public, "k");
            assert_eq!(verify(&token, &keys, &[*algorithm]).unwrap().claims["a"], 1);
            let others: Vec<_> = SigningAlgorithm::ALL
                .into_iter()
                .filter(|it| it != algorithm)
                .collect();
            assert_eq!(
                verify(&token, &keys, &others).unwrap_err(),
                NotVerified::Algorithm
            );
        }
    }

    #[test]
    fn a_token_does_not_choose_its_key_or_how_it_is_read() {
        let ec = EcKeyPair::generate(EcCurve::P256).unwrap();
        let signer = jws::ES256
            .signer_from_jwk(&ec.to_jwk_private_key())
            .unwrap();
        let keys = set(&ec.to_jwk_public_key(), "k");
        for (name, value) in [
            ("x5u", json!("https://evil.example")),
            ("jku", json!("https://evil.example")),
            ("x5c", json!(["AAAA"])),
            ("jwk", json!({"kty": "oct", "k": "AAAA"})),
            ("crit", json!(["exp"])),
        ] {
            let token = sign(&[(name, value)], b"{}", &signer);
            assert_eq!(
                verify(&token, &keys, &ES256).unwrap_err(),
                NotVerified::Header,
                "{name}"
            );
        }
        let named = sign(&[("kid", json!("other"))], b"{}", &signer);
        assert_eq!(
            verify(&named, &keys, &ES256).unwrap_err(),
            NotVerified::UnknownKey
        );
        let list = sign(&[], b"[]", &signer);
        assert_eq!(verify(&list, &keys, &ES256).unwrap_err(), NotVerified::Form);
        let twice = sign(&[], br#"{"a":1,"a":2}"#, &signer);
        assert_eq!(
            verify(&twice, &keys, &ES256).unwrap_err(),
            NotVerified::Form
        );
        let stranger = EcKeyPair::generate(EcCurve::P256).unwrap();
        let forged = jws::ES256
            .signer_from_jwk(&stranger.to_jwk_private_key())
            .unwrap();
        let forged = sign(&[("kid", json!("k"))], b"{}", &forged);
        assert_eq!(
            verify(&forged, &keys, &ES256).unwrap_err(),
            NotVerified::Signature
        );
        let unsigned = format!("{}.e30.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#));
        assert_eq!(
            verify(&unsigned, &keys, &ES256).unwrap_err(),
            NotVerified::Algorithm
        );
    }

    proptest! {
        #[test]
        fn no_input_panics(token in "[A-Za-z0-9_.-]{0,200}") {
            let _ = verify(&token, &JwkSet::default(), &SigningAlgorithm::ALL);
            let _ = claims_unverified(&token);
        }
    }
}
