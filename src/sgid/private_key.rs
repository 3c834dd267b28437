//! The RSA keys that open the payload, in every form in which people have them.
//!
//! The `rsa` crate parses and converts; private operations are the constant-time ones of the JOSE library.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use josekit::JoseError;
use josekit::jwe::alg::rsaes::RsaesJweDecrypter;
use josekit::jwe::{RSA_OAEP, RSA_OAEP_256};
use rsa::RsaPrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use rsa::traits::PublicKeyParts;
use serde_json::Map;
use zeroize::Zeroizing;

use super::SgidConfigError;
use crate::config::PrivateKeyText;
use crate::keyring::thumbprint;

const MIN_BITS: usize = 2_048;

/// Why a text is no private key for sgID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrivateKeyError {
    /// No PEM armour.
    #[error(
        "this is no PEM: it must begin with -----BEGIN PRIVATE KEY----- or -----BEGIN RSA PRIVATE KEY-----"
    )]
    NotPem,
    /// A PEM of another kind.
    #[error(
        "this is a PEM of the kind \"{0}\", and an unencrypted RSA private key is needed (PRIVATE KEY or RSA PRIVATE KEY)"
    )]
    OtherKind(String),
    /// The content is damaged, or no RSA key.
    #[error("this says \"{0}\", but holds no readable RSA private key: was it cut or altered?")]
    Damaged(String),
    /// Too short.
    #[error("this RSA key has {0} bits, and sgID's have at least {MIN_BITS}")]
    TooShort(usize),
    /// The cryptographic library does not take it.
    #[error("the cryptographic library does not take this key")]
    Refused,
}

/// One key, with everything that was worth computing once.
pub(super) struct PrivateKey {
    pub(super) kid: String,
    pub(super) oaep: RsaesJweDecrypter,
    pub(super) oaep_256: RsaesJweDecrypter,
}

/// All keys; several while sgID's key changes.
pub(super) struct PrivateKeys(Vec<PrivateKey>);

impl PrivateKeys {
    pub(super) fn parse(texts: &[PrivateKeyText]) -> Result<Self, SgidConfigError> {
        texts
            .iter()
            .map(|text| {
                PrivateKey::parse(text.pem.expose()).map_err(|error| SgidConfigError::PrivateKey {
                    origin: text.origin.clone(),
                    error,
                })
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Those to try: the one that is named, if it is named and known, else all.
    pub(super) fn candidates(&self, kid: Option<&str>) -> impl Iterator<Item = &PrivateKey> {
        let named = kid.filter(|kid| self.0.iter().any(|key| key.kid == *kid));
        self.0
            .iter()
            .filter(move |key| named.is_none_or(|kid| key.kid == kid))
    }
}

impl PrivateKey {
    fn parse(text: &str) -> Result<Self, PrivateKeyError> {
        let armoured = Armoured::find(text)?;
        let damaged = || PrivateKeyError::Damaged(armoured.kind.clone());
        let key = match armoured.kind.as_str() {
            "PRIVATE KEY" => RsaPrivateKey::from_pkcs8_der(&armoured.der).map_err(|_| damaged()),
            "RSA PRIVATE KEY" => {
                RsaPrivateKey::from_pkcs1_der(&armoured.der).map_err(|_| damaged())
            }
            other => Err(PrivateKeyError::OtherKind(other.to_owned())),
        }?;
        let bits = key.n().bits();
        if bits < MIN_BITS {
            return Err(PrivateKeyError::TooShort(bits));
        }
        let pkcs8 = key.to_pkcs8_der().map_err(|_| PrivateKeyError::Refused)?;
        let refused = |_: JoseError| PrivateKeyError::Refused;
        let encode = |number: &rsa::BigUint| URL_SAFE_NO_PAD.encode(number.to_bytes_be());
        let public = Map::from_iter([
            ("kty".to_owned(), "RSA".into()),
            ("n".to_owned(), encode(key.n()).into()),
            ("e".to_owned(), encode(key.e()).into()),
        ]);
        Ok(Self {
            kid: thumbprint(&public).as_str().to_owned(),
            oaep: RSA_OAEP
                .decrypter_from_der(pkcs8.as_bytes())
                .map_err(refused)?,
            oaep_256: RSA_OAEP_256
                .decrypter_from_der(pkcs8.as_bytes())
                .map_err(refused)?,
        })
    }
}

/// The content of a PEM that may have lost its line breaks, or have them as the two characters `\n`.
struct Armoured {
    kind: String,
    der: Zeroizing<Vec<u8>>,
}

impl Armoured {
    fn find(text: &str) -> Result<Self, PrivateKeyError> {
        let text = Zeroizing::new(text.replace("\\r", "").replace("\\n", "\n"));
        let (_, after_begin) = text
            .split_once("-----BEGIN ")
            .ok_or(PrivateKeyError::NotPem)?;
        let (kind, after_kind) = after_begin
            .split_once("-----")
            .ok_or(PrivateKeyError::NotPem)?;
        let is_plausible =
            kind.len() <= 40 && kind.bytes().all(|c| c.is_ascii_uppercase() || c == b' ');
        if !is_plausible {
            return Err(PrivateKeyError::NotPem);
        }
        let (body, _) = after_kind
            .split_once("-----END ")
            .ok_or_else(|| PrivateKeyError::Damaged(kind.to_owned()))?;
        let body: Zeroizing<String> =
            Zeroizing::new(body.chars().filter(|c| !c.is_whitespace()).collect());
        if !kind.ends_with("PRIVATE KEY") || kind.starts_with("ENCRYPTED") {
            return Err(PrivateKeyError::OtherKind(kind.to_owned()));
        }
        let der = STANDARD
            .decode(&*body)
            .map_err(|_| PrivateKeyError::Damaged(kind.to_owned()))?;
        Ok(Self {
            kind: kind.to_owned(),
            der: Zeroizing::new(der),
        })
    }
}

#[cfg(test)]
mod tests {
    use josekit::jwk::KeyPair;
    use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
    use josekit::jwk::alg::rsa::RsaKeyPair;
    use proptest::prelude::*;

    use super::*;

    fn refusal(text: &str) -> PrivateKeyError {
        PrivateKey::parse(text).map(|_| ()).unwrap_err()
    }

    #[test]
    fn every_form_in_which_people_have_the_key_is_the_same_key() {
        let pair = RsaKeyPair::generate(2_048).unwrap();
        let pkcs8 = String::from_utf8(pair.to_pem_private_key()).unwrap();
        let pkcs1 = String::from_utf8(pair.to_traditional_pem_private_key()).unwrap();
        let kid = PrivateKey::parse(&pkcs8).unwrap().kid;
        for form in [
            pkcs1.clone(),
            pkcs8.replace('\n', "\\n"),
            pkcs8.replace('\n', "\r\n"),
            pkcs8.replace('\n', ""),
            pkcs8.replace('\n', " "),
            pkcs1.replace('\n', "\\n"),
            format!("\n\n  {pkcs8}\n\n"),
            pkcs8.replace('\n', "\n  "),
        ] {
            assert_eq!(PrivateKey::parse(&form).unwrap().kid, kid, "{form}");
        }
    }

    #[test]
    fn what_is_no_such_key_is_called_by_its_name() {
        let text = |pem: Vec<u8>| String::from_utf8(pem).unwrap();
        let pair = RsaKeyPair::generate(2_048).unwrap();
        assert_eq!(refusal("hello"), PrivateKeyError::NotPem);
        assert_eq!(
            refusal(&text(pair.to_pem_public_key())),
            PrivateKeyError::OtherKind("PUBLIC KEY".to_owned())
        );
        let elliptic = EcKeyPair::generate(EcCurve::P256).unwrap();
        assert_eq!(
            refusal(&text(elliptic.to_pem_private_key())),
            PrivateKeyError::Damaged("PRIVATE KEY".to_owned())
        );
        let short = RsaKeyPair::generate(1_024).unwrap();
        assert_eq!(
            refusal(&text(short.to_pem_private_key())),
            PrivateKeyError::TooShort(1_024)
        );
        let cut = &text(pair.to_pem_private_key())[..800];
        assert_eq!(
            refusal(cut),
            PrivateKeyError::Damaged("PRIVATE KEY".to_owned())
        );
    }

    proptest! {
        #[test]
        fn no_input_panics(text in "(-----BEGIN [A-Z ]{0,20}-----)?.{0,80}(-----END )?") {
            let _ = PrivateKey::parse(&text);
        }
    }
}
