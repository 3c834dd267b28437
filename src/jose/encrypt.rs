//! Content that only a client opens. RFC 7516 section 5.1; RFC 7518 sections 4.3, 4.6 and 5.

use josekit::JoseError;
use josekit::jwe::{
    self, ECDH_ES, ECDH_ES_A128KW, ECDH_ES_A256KW, JweEncrypter, JweHeader, RSA_OAEP_256,
};
use josekit::jwk::Jwk;

use crate::oidc::algorithm::{Encryption, KeyManagementAlgorithm};
use crate::oidc::jwk_set::JwkSet;

/// Why content cannot be encrypted.
#[derive(Debug, thiserror::Error)]
pub enum EncryptionError {
    /// The client has published no key for this.
    #[error("the client's keys hold none for {0}: publish one with \"use\": \"enc\"")]
    NoKey(&'static str),
    /// The cryptographic library refused.
    #[error("the cryptographic library failed")]
    Cryptography(#[from] JoseError),
}

/// What is encrypted: its `cty`. RFC 7516 section 4.1.12.
const NESTED_JWT: &str = "JWT";

/// A compact JWE of a signed JWT, or of plain JSON, for the key of a client that is for this algorithm.
///
/// # Errors
/// [`EncryptionError`].
pub fn encrypt(
    content: &[u8],
    is_jwt: bool,
    encryption: Encryption,
    keys: &JwkSet,
) -> Result<String, EncryptionError> {
    let key = keys.for_encryption(encryption.alg);
    let key = key.ok_or(EncryptionError::NoKey(encryption.alg.as_str()))?;
    let jwk = Jwk::from_map(key.required().clone())?;
    let encrypter: Box<dyn JweEncrypter> = match encryption.alg {
        KeyManagementAlgorithm::RsaOaep256 => Box::new(RSA_OAEP_256.encrypter_from_jwk(&jwk)?),
        KeyManagementAlgorithm::EcdhEs => Box::new(ECDH_ES.encrypter_from_jwk(&jwk)?),
        KeyManagementAlgorithm::EcdhEsA128Kw => Box::new(ECDH_ES_A128KW.encrypter_from_jwk(&jwk)?),
        KeyManagementAlgorithm::EcdhEsA256Kw => Box::new(ECDH_ES_A256KW.encrypter_from_jwk(&jwk)?),
    };
    let mut header = JweHeader::new();
    header.set_content_encryption(encryption.enc.as_str());
    if is_jwt {
        header.set_content_type(NESTED_JWT);
    }
    if let Some(kid) = key.kid() {
        header.set_key_id(kid);
    }
    Ok(jwe::serialize_compact(content, &header, &*encrypter)?)
}

#[cfg(test)]
mod tests {
    use josekit::jwe::JweDecrypter;
    use josekit::jwk::KeyPair;
    use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
    use josekit::jwk::alg::rsa::RsaKeyPair;
    use serde_json::json;

    use super::*;
    use crate::oidc::algorithm::ContentEncryption;

    #[test]
    fn every_pair_of_algorithms_opens_again() {
        let rsa = RsaKeyPair::generate(2048).unwrap();
        let ec = EcKeyPair::generate(EcCurve::P256).unwrap();
        for &alg in KeyManagementAlgorithm::ALL {
            let (public, private) = match alg {
                KeyManagementAlgorithm::RsaOaep256 => {
                    (rsa.to_jwk_public_key(), rsa.to_jwk_private_key())
                }
                _ => (ec.to_jwk_public_key(), ec.to_jwk_private_key()),
            };
            let keys = json!({ "keys": [public.as_ref()] });
            let keys = JwkSet::parse(&keys).unwrap();
            let decrypter: Box<dyn JweDecrypter> = match alg {
                KeyManagementAlgorithm::RsaOaep256 => {
                    Box::new(RSA_OAEP_256.decrypter_from_jwk(&private).unwrap())
                }
                KeyManagementAlgorithm::EcdhEs => {
                    Box::new(ECDH_ES.decrypter_from_jwk(&private).unwrap())
                }
                KeyManagementAlgorithm::EcdhEsA128Kw => {
                    Box::new(ECDH_ES_A128KW.decrypter_from_jwk(&private).unwrap())
                }
                KeyManagementAlgorithm::EcdhEsA256Kw => {
                    Box::new(ECDH_ES_A256KW.decrypter_from_jwk(&private).unwrap())
                }
            };
            for &enc in ContentEncryption::ALL {
                let sealed = encrypt(b"a.b.c", true, Encryption { alg, enc }, &keys).unwrap();
                let (opened, header) = jwe::deserialize_compact(&sealed, &*decrypter).unwrap();
                assert_eq!(opened, b"a.b.c");
                assert_eq!(header.content_encryption(), Some(enc.as_str()));
                assert_eq!(header.algorithm(), Some(alg.as_str()));
                assert_eq!(header.content_type(), Some("JWT"));
            }
        }
    }

    #[test]
    fn without_a_key_for_it_nothing_is_encrypted() {
        let keys = JwkSet::default();
        let encryption = Encryption {
            alg: KeyManagementAlgorithm::EcdhEs,
            enc: ContentEncryption::A128Gcm,
        };
        assert!(matches!(
            encrypt(b"{}", false, encryption, &keys),
            Err(EncryptionError::NoKey("ECDH-ES"))
        ));
    }
}
