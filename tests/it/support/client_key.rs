//! A key pair of a relying party: it signs assertions and opens what is encrypted to it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::jwe::{self, ECDH_ES, ECDH_ES_A256KW, JweDecrypter, JweHeader, RSA_OAEP_256};
use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
use josekit::jwk::alg::ed::{EdCurve, EdKeyPair};
use josekit::jwk::alg::rsa::RsaKeyPair;
use josekit::jwk::{Jwk, JwkSet, KeyPair};
use josekit::jws::{self, ES256, EdDSA, HS256, JwsHeader, JwsSigner, JwsVerifier, PS256, RS256};
use serde_json::{Value, json};
use sgid_bridge::clock::Timestamp;

use super::app::header;
use super::bridge::TestBridge;
use super::visitor::Visitor;

/// A key pair with a name.
pub(crate) struct ClientKey {
    kid: String,
    private: Jwk,
    public: Jwk,
}

impl ClientKey {
    /// A key for ES256 and ECDH-ES.
    pub(crate) fn ec(kid: &str) -> Self {
        Self::of(kid, &EcKeyPair::generate(EcCurve::P256).unwrap())
    }

    /// A key for RS256, PS256 and RSA-OAEP-256.
    pub(crate) fn rsa(kid: &str) -> Self {
        Self::of(kid, &RsaKeyPair::generate(2048).unwrap())
    }

    /// A key for `EdDSA`.
    pub(crate) fn ed(kid: &str) -> Self {
        Self::of(kid, &EdKeyPair::generate(EdCurve::Ed25519).unwrap())
    }

    fn of(kid: &str, pair: &impl KeyPair) -> Self {
        Self {
            kid: kid.to_owned(),
            private: pair.to_jwk_key_pair(),
            public: pair.to_jwk_public_key(),
        }
    }

    /// The public key, with its name.
    pub(crate) fn public(&self) -> Value {
        let mut key = json!(self.public.as_ref());
        key["kid"] = self.kid.as_str().into();
        key
    }

    /// The private key, which nobody should publish.
    pub(crate) fn private(&self) -> Value {
        let mut key = json!(self.private.as_ref());
        key["kid"] = self.kid.as_str().into();
        key
    }

    /// The public key for one use.
    pub(crate) fn public_for(&self, key_use: &str) -> Value {
        let mut key = self.public();
        key["use"] = key_use.into();
        key
    }

    /// Signs claims, with the name of the key in the header.
    pub(crate) fn sign(&self, algorithm: &str, claims: &Value) -> String {
        self.sign_as(algorithm, &json!({ "kid": self.kid }), claims)
    }

    /// Signs claims under this header.
    pub(crate) fn sign_as(&self, algorithm: &str, header: &Value, claims: &Value) -> String {
        self.sign_text(algorithm, header, &claims.to_string())
    }

    /// Signs any text under this header.
    pub(crate) fn sign_text(&self, algorithm: &str, header: &Value, text: &str) -> String {
        let signer: Box<dyn JwsSigner> = match algorithm {
            "ES256" => Box::new(ES256.signer_from_jwk(&self.private).unwrap()),
            "RS256" => Box::new(RS256.signer_from_jwk(&self.private).unwrap()),
            "PS256" => Box::new(PS256.signer_from_jwk(&self.private).unwrap()),
            "EdDSA" => Box::new(EdDSA.signer_from_jwk(&self.private).unwrap()),
            other => panic!("{other}"),
        };
        serialize(&*signer, header, text)
    }

    /// Claims under the secret that somebody makes of the public key, as anybody can.
    pub(crate) fn forge_by_public_key(&self, claims: &Value) -> String {
        let secret = self.public().to_string();
        let signer = HS256.signer_from_bytes(secret.as_bytes()).unwrap();
        serialize(&signer, &json!({ "kid": self.kid }), &claims.to_string())
    }

    /// Opens a compact JWE: its header and its content.
    pub(crate) fn open(&self, token: &str) -> (JweHeader, String) {
        let header = token.split('.').next().unwrap();
        let header: Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
        let private = &self.private;
        let decrypter: Box<dyn JweDecrypter> = match header["alg"].as_str().unwrap() {
            "RSA-OAEP-256" => Box::new(RSA_OAEP_256.decrypter_from_jwk(private).unwrap()),
            "ECDH-ES" => Box::new(ECDH_ES.decrypter_from_jwk(private).unwrap()),
            "ECDH-ES+A256KW" => Box::new(ECDH_ES_A256KW.decrypter_from_jwk(private).unwrap()),
            other => panic!("{other}"),
        };
        let (content, header) = jwe::deserialize_compact(token, &*decrypter).unwrap();
        (header, String::from_utf8(content).unwrap())
    }
}

/// Claims under HS256.
pub(crate) fn sign_by_secret(secret: &str, claims: &Value) -> String {
    let signer = HS256.signer_from_bytes(secret.as_bytes()).unwrap();
    serialize(&signer, &json!({ "typ": "JWT" }), &claims.to_string())
}

/// Header and claims of a JWT, once one of the bridge's published keys has verified it.
pub(crate) async fn signed_by(bridge: &TestBridge, token: &str) -> (Value, Value) {
    let published = Visitor::new().get(&bridge.url("/jwks")).await;
    let published = JwkSet::from_bytes(published.body.as_bytes()).unwrap();
    let kid = header(token)["kid"].as_str().unwrap().to_owned();
    let keys = published.get(&kid);
    assert_eq!(keys.len(), 1, "{kid} is published once");
    let verifier: Box<dyn JwsVerifier> = match header(token)["alg"].as_str().unwrap() {
        "ES256" => Box::new(ES256.verifier_from_jwk(keys[0]).unwrap()),
        "RS256" => Box::new(RS256.verifier_from_jwk(keys[0]).unwrap()),
        other => panic!("{other}"),
    };
    let (claims, _) = jws::deserialize_compact(token, &*verifier).unwrap();
    (header(token), serde_json::from_slice(&claims).unwrap())
}

/// A JWK Set of these public keys.
pub(crate) fn jwks(keys: &[Value]) -> Value {
    json!({ "keys": keys })
}

/// The same as a line of a `[[clients]]` table.
pub(crate) fn jwks_line(keys: &[Value]) -> String {
    let keys: Vec<String> = keys.iter().map(inline_table).collect();
    format!("jwks = {{ keys = [{}] }}\n", keys.join(", "))
}

fn inline_table(key: &Value) -> String {
    let members = key.as_object().unwrap().iter();
    let members: Vec<String> = members
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    format!("{{ {} }}", members.join(", "))
}

/// An unsigned JWT. RFC 7519 section 6.
pub(crate) fn unsigned(claims: &Value) -> String {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let header = json!({ "alg": "none", "typ": "JWT" });
    format!("{}.{}.", encode(&header), encode(claims))
}

/// The claims of a proper client assertion, with another `jti` each time.
pub(crate) fn assertion_claims(bridge: &TestBridge, client_id: &str) -> Value {
    let now = bridge.clock.now();
    json!({
        "iss": client_id,
        "sub": client_id,
        "aud": bridge.issuer,
        "iat": now.seconds(),
        "exp": later(now, 60),
        "jti": uuid::Uuid::new_v4().to_string(),
    })
}

fn later(now: Timestamp, seconds: u64) -> i64 {
    now.after(Duration::from_secs(seconds)).seconds()
}

/// `claims` with some changed, or left out where the value is null.
pub(crate) fn with(claims: &Value, changes: &[(&str, Value)]) -> Value {
    let mut claims = claims.clone();
    for (name, value) in changes {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(*name);
        } else {
            claims[*name] = value.clone();
        }
    }
    claims
}

fn serialize(signer: &dyn JwsSigner, header: &Value, text: &str) -> String {
    let mut jws_header = JwsHeader::new();
    for (name, value) in header.as_object().unwrap() {
        jws_header.set_claim(name, Some(value.clone())).unwrap();
    }
    jws::serialize_compact(text.as_bytes(), &jws_header, signer).unwrap()
}
