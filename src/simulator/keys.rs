//! The keys of the simulated sgID, and those of the impostors that it can play.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use josekit::{
    jwk::{
        KeyPair as _, P_256,
        alg::{ec::EcKeyPair, rsa::RsaKeyPair},
    },
    jws::{ES256, JwsSigner, PS256, RS256},
};
use openssl::{hash::MessageDigest, pkey::PKey, sign::Signer};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::sync::LazyLock;

/// A fresh 2048 bit key pair of the kind that sgID generates for its clients:
/// the private half as PKCS#8 PEM, the public half as SPKI PEM.
pub fn generate_client_key() -> (String, String) {
    let pair = rsa_pair(2048);
    (
        text(pair.to_pem_private_key()),
        text(pair.to_pem_public_key()),
    )
}

/// The public half, as SPKI PEM, of a private RSA key in PEM.
pub fn public_key_of(private_key_pem: &str) -> Option<String> {
    let pair = RsaKeyPair::from_pem(private_key_pem).ok()?;
    Some(text(pair.to_pem_public_key()))
}

/// An RSA key that signs ID tokens.
#[derive(Debug)]
pub(super) struct SigningKey {
    pair: RsaKeyPair,
    kid: String,
}

impl SigningKey {
    pub(super) fn generate() -> Self {
        Self::of_bits(2048)
    }

    /// The key of somebody who is not sgID; one for the whole process.
    pub(super) fn stranger() -> &'static Self {
        static STRANGER: LazyLock<SigningKey> = LazyLock::new(SigningKey::generate);
        &STRANGER
    }

    /// A key of 1024 bits, which no client should accept.
    pub(super) fn weak() -> &'static Self {
        static WEAK: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::of_bits(1024));
        &WEAK
    }

    fn of_bits(bits: u32) -> Self {
        let pair = rsa_pair(bits);
        let kid = thumbprint(&pair);
        Self { pair, kid }
    }

    /// RFC 7638 thumbprint, as `MockPass` names its key.
    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    pub(super) fn public_pem(&self) -> String {
        text(self.pair.to_pem_public_key())
    }

    /// The public JWK; `usage` is what it claims to be for.
    pub(super) fn jwk(&self, usage: &str) -> Value {
        let jwk = self.pair.to_jwk_public_key();
        json!({
            "kty": "RSA", "use": usage, "kid": self.kid,
            "n": jwk.parameter("n"), "e": jwk.parameter("e"),
        })
    }

    pub(super) fn sign_rs256(&self, message: &[u8]) -> Vec<u8> {
        if self.pair.key_len() * 8 < 2048 {
            return sign_weakly(&self.pair, message);
        }
        let signer = RS256
            .signer_from_pem(self.pair.to_pem_private_key())
            .expect("a generated RSA key of 2048 bits is fit for RS256");
        sign(&*signer, message)
    }

    pub(super) fn sign_ps256(&self, message: &[u8]) -> Vec<u8> {
        // josekit takes an `RSASSA-PSS` key here and none for plain RSA, unless it comes as a JWK.
        let signer = PS256
            .signer_from_jwk(&self.pair.to_jwk_key_pair())
            .expect("a generated RSA key of 2048 bits is fit for PS256");
        sign(&*signer, message)
    }
}

/// The P-256 key with which ES256 tokens are signed that should have been RS256.
pub(super) struct EllipticKey(EcKeyPair);

impl EllipticKey {
    /// One for the whole process.
    pub(super) fn shared() -> &'static Self {
        static SHARED: LazyLock<EllipticKey> = LazyLock::new(|| {
            EllipticKey(EcKeyPair::generate(P_256).expect("OpenSSL can generate a P-256 key"))
        });
        &SHARED
    }

    pub(super) const KID: &str = "simulated-es256";

    pub(super) fn jwk(&self) -> Value {
        let jwk = self.0.to_jwk_public_key();
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": Self::KID,
            "x": jwk.parameter("x"), "y": jwk.parameter("y"),
        })
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signer = ES256
            .signer_from_pem(self.0.to_pem_private_key())
            .expect("a generated P-256 key is fit for ES256");
        sign(&*signer, message)
    }
}

/// The JOSE library refuses keys this weak, so OpenSSL itself signs.
fn sign_weakly(pair: &RsaKeyPair, message: &[u8]) -> Vec<u8> {
    let key = PKey::private_key_from_pem(&pair.to_pem_private_key())
        .expect("a generated key in PEM is a key");
    Signer::new(MessageDigest::sha256(), &key)
        .and_then(|mut signer| signer.sign_oneshot_to_vec(message))
        .expect("OpenSSL signs with RSA keys of 1024 bits")
}

fn sign(signer: &dyn JwsSigner, message: &[u8]) -> Vec<u8> {
    signer
        .sign(message)
        .expect("signing with a generated key works")
}

fn thumbprint(pair: &RsaKeyPair) -> String {
    let jwk = pair.to_jwk_public_key();
    let part = |name| {
        jwk.parameter(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let canonical = format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, part("e"), part("n"));
    B64.encode(Sha256::digest(canonical))
}

fn rsa_pair(bits: u32) -> RsaKeyPair {
    RsaKeyPair::generate(bits).expect("OpenSSL can generate an RSA key")
}

fn text(pem: Vec<u8>) -> String {
    String::from_utf8(pem).expect("PEM is ASCII")
}

#[cfg(test)]
mod tests {
    use super::{SigningKey, generate_client_key};
    use josekit::jws::RS256;

    #[test]
    fn a_signature_verifies_under_the_published_key() {
        let key = SigningKey::generate();
        let verifier = RS256
            .verifier_from_pem(key.public_pem())
            .expect("a public key");
        verifier
            .verify(b"message", &key.sign_rs256(b"message"))
            .expect("verifies");
        assert_eq!(key.sign_ps256(b"message").len(), 256);
        assert_eq!(SigningKey::weak().sign_rs256(b"message").len(), 128);
    }

    #[test]
    fn a_client_key_comes_as_pkcs8_and_spki() {
        let (private, public) = generate_client_key();
        assert!(private.starts_with("-----BEGIN PRIVATE KEY-----"));
        assert!(public.starts_with("-----BEGIN PUBLIC KEY-----"));
    }
}
