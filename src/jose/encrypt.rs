//! Content that only a client opens. RFC 7516 section 5.1; RFC 7518 sections 4.3, 4.6 and 5.

use std::sync::Arc;

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

/// What is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A signed JWT, which the header says by `cty`. RFC 7519 section 5.2.
    Jwt,
    /// Plain JSON.
    Json,
}

/// A client's key that content can be encrypted to, found and ready: what may fail has failed before anything is spent.
#[derive(Clone)]
pub struct Recipient {
    encryption: Encryption,
    kid: Option<String>,
    encrypter: Arc<dyn JweEncrypter + Send + Sync>,
}

impl Recipient {
    /// The key of a client that is for this algorithm.
    ///
    /// # Errors
    /// [`EncryptionError`] where there is none, or it is no key after all.
    pub fn choose(encryption: Encryption, keys: &JwkSet) -> Result<Self, EncryptionError> {
        let key = keys.for_encryption(encryption.alg);
        let key = key.ok_or(EncryptionError::NoKey(encryption.alg.as_str()))?;
        let jwk = Jwk::from_map(key.required().clone())?;
        let encrypter: Arc<dyn JweEncrypter + Send + Sync> = match encryption.alg {
            KeyManagementAlgorithm::RsaOaep256 => Arc::new(RSA_OAEP_256.encrypter_from_jwk(&jwk)?),
            KeyManagementAlgorithm::EcdhEs => Arc::new(ECDH_ES.encrypter_from_jwk(&jwk)?),
            KeyManagementAlgorithm::EcdhEsA128Kw => {
                Arc::new(ECDH_ES_A128KW.encrypter_from_jwk(&jwk)?)
            }
            KeyManagementAlgorithm::EcdhEsA256Kw => {
                Arc::new(ECDH_ES_A256KW.encrypter_from_jwk(&jwk)?)
            }
        };
        Ok(Self {
            encryption,
            kid: key.kid().map(str::to_owned),
            encrypter,
        })
    }

    /// A compact JWE that only the client opens.
    ///
    /// # Errors
    /// [`EncryptionError::Cryptography`].
    pub fn encrypt(&self, content: &[u8], kind: Content) -> Result<String, EncryptionError> {
        let mut header = JweHeader::new();
        header.set_content_encryption(self.encryption.enc.as_str());
        if kind == Content::Jwt {
            header.set_content_type("JWT");
        }
        if let Some(kid) = &self.kid {
            header.set_key_id(kid);
        }
        Ok(jwe::serialize_compact(content, &header, &*self.encrypter)?)
    }
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
                let recipient = Recipient::choose(Encryption { alg, enc }, &keys).unwrap();
                let sealed = recipient.encrypt(b"a.b.c", Content::Jwt).unwrap();
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
        let chosen = Recipient::choose(encryption, &keys);
        assert!(matches!(chosen, Err(EncryptionError::NoKey("ECDH-ES"))));
    }

    #[test]
    fn a_point_off_the_curve_is_no_key() {
        let x = "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4";
        let keys = json!({ "keys": [{"kty": "EC", "crv": "P-256", "x": x, "y": x}] });
        let keys = JwkSet::parse(&keys).unwrap();
        let encryption = Encryption {
            alg: KeyManagementAlgorithm::EcdhEsA128Kw,
            enc: ContentEncryption::A128Gcm,
        };
        assert!(Recipient::choose(encryption, &keys).is_err());
    }
}
