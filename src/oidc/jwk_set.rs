//! Public keys of clients, as JWK Sets that strangers write. RFC 7517 section 5; RFC 7518 section 6; RFC 8037 section 2.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::algorithm::{KeyManagementAlgorithm, SigningAlgorithm};

const MAX_KEYS: usize = 32;
/// RSA moduli of 2048 to 8192 bits: a larger one would make verifying dear.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1_024;
const MAX_EXPONENT_BYTES: usize = 4;
/// Members that only a private or symmetric key has. RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1.
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The kinds of key that we can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// `RSA`.
    Rsa,
    /// `EC` on the curve `P-256`.
    P256,
    /// `OKP` on the curve `Ed25519`.
    Ed25519,
}

/// One public key.
#[derive(Clone, Debug, PartialEq)]
pub struct PublicJwk {
    key_type: KeyType,
    kid: Option<String>,
    key_use: Option<String>,
    alg: Option<String>,
    required: Map<String, Value>,
}

/// Why a document is no JWK Set that we accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwkSetError {
    /// It has another shape.
    #[error("it is not a JWK Set: an object with a list of at most {MAX_KEYS} keys in `keys`")]
    Form,
    /// It holds a private or symmetric key: whoever wrote it should replace that key.
    #[error(
        "it holds a private or symmetric key: publish public members only, and replace that key"
    )]
    Private,
    /// A key has a member that cannot be read, or is too weak.
    #[error("a key in it is unreadable, or is an RSA key of fewer than 2048 bits")]
    Key,
    /// Two keys have one name.
    #[error("two of its keys have the same kid")]
    RepeatedKid,
}

/// The public keys of a client. Keys of kinds that we cannot use are left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JwkSet(Vec<PublicJwk>);

impl JwkSet {
    /// Reads a JWK Set.
    ///
    /// # Errors
    /// [`JwkSetError`].
    pub fn parse(document: &Value) -> Result<Self, JwkSetError> {
        let keys = document.get("keys").and_then(Value::as_array);
        let keys = keys
            .filter(|keys| keys.len() <= MAX_KEYS)
            .ok_or(JwkSetError::Form)?;
        let mut set = Vec::with_capacity(keys.len());
        for key in keys {
            let members = key.as_object().ok_or(JwkSetError::Form)?;
            if PRIVATE_MEMBERS
                .iter()
                .any(|name| members.contains_key(*name))
            {
                return Err(JwkSetError::Private);
            }
            set.extend(PublicJwk::parse(members)?);
        }
        let mut kids: Vec<_> = set.iter().filter_map(|key| key.kid.as_deref()).collect();
        kids.sort_unstable();
        if kids.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(JwkSetError::RepeatedKid);
        }
        Ok(Self(set))
    }

    /// Keys that may have made a signature with this algorithm: the one with this `kid`, or, without a `kid`, each
    /// that fits.
    pub fn for_signature<'a>(
        &'a self,
        algorithm: SigningAlgorithm,
        kid: Option<&'a str>,
    ) -> impl Iterator<Item = &'a PublicJwk> {
        let key_type = KeyType::of_signature(algorithm);
        self.0.iter().filter(move |key| {
            key.key_type == key_type
                && key.is_for("sig", algorithm.as_str())
                && (kid.is_none() || key.kid.as_deref() == kid)
        })
    }

    /// The key to encrypt to. RFC 7517 section 4.2: one that says `enc`, else one that says nothing.
    pub fn for_encryption(&self, algorithm: KeyManagementAlgorithm) -> Option<&PublicJwk> {
        let key_type = KeyType::of_encryption(algorithm);
        let fits =
            |key: &&PublicJwk| key.key_type == key_type && key.is_for("enc", algorithm.as_str());
        let fitting = || self.0.iter().filter(fits);
        fitting()
            .find(|key| key.key_use.is_some())
            .or_else(|| fitting().next())
    }
}

impl KeyType {
    const fn of_signature(algorithm: SigningAlgorithm) -> Self {
        match algorithm {
            SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 => Self::Rsa,
            SigningAlgorithm::Es256 => Self::P256,
            SigningAlgorithm::EdDsa => Self::Ed25519,
        }
    }

    const fn of_encryption(algorithm: KeyManagementAlgorithm) -> Self {
        match algorithm {
            KeyManagementAlgorithm::RsaOaep256 => Self::Rsa,
            KeyManagementAlgorithm::EcdhEs
            | KeyManagementAlgorithm::EcdhEsA128Kw
            | KeyManagementAlgorithm::EcdhEsA256Kw => Self::P256,
        }
    }
}

impl PublicJwk {
    /// Nothing for a kind of key that we cannot use.
    fn parse(members: &Map<String, Value>) -> Result<Option<Self>, JwkSetError> {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let key_type = match (text("kty"), text("crv")) {
            (Some("RSA"), _) => KeyType::Rsa,
            (Some("EC"), Some("P-256")) => KeyType::P256,
            (Some("OKP"), Some("Ed25519")) => KeyType::Ed25519,
            (Some(_), _) => return Ok(None),
            (None, _) => return Err(JwkSetError::Key),
        };
        let bytes = |name: &str| {
            text(name)
                .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
                .ok_or(JwkSetError::Key)
        };
        let (is_sound, required): (bool, &[&str]) = match key_type {
            KeyType::Rsa => {
                let (modulus, exponent) = (bytes("n")?, bytes("e")?);
                let is_odd = exponent.last().is_some_and(|last| last % 2 == 1);
                let sound = MODULUS_BYTES.contains(&modulus.len())
                    && modulus.first().is_some_and(|&first| first >= 0x80)
                    && exponent.len() <= MAX_EXPONENT_BYTES
                    && is_odd
                    && exponent != [1];
                (sound, &["e", "kty", "n"])
            }
            KeyType::P256 => (
                bytes("x")?.len() == 32 && bytes("y")?.len() == 32,
                &["crv", "kty", "x", "y"],
            ),
            KeyType::Ed25519 => (bytes("x")?.len() == 32, &["crv", "kty", "x"]),
        };
        if !is_sound {
            return Err(JwkSetError::Key);
        }
        let required = required
            .iter()
            .filter_map(|&name| Some((name.to_owned(), members.get(name)?.clone())))
            .collect();
        Ok(Some(Self {
            key_type,
            kid: text("kid").map(str::to_owned),
            key_use: text("use").map(str::to_owned),
            alg: text("alg").map(str::to_owned),
            required,
        }))
    }

    fn is_for(&self, key_use: &str, alg: &str) -> bool {
        self.key_use.as_deref().is_none_or(|own| own == key_use)
            && self.alg.as_deref().is_none_or(|own| {
                // RFC 9864 gives this one a name of its own.
                own == alg || (own, alg) == ("Ed25519", "EdDSA")
            })
    }

    /// `kid`.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The members that make the key, and no other.
    pub fn required(&self) -> &Map<String, Value> {
        &self.required
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn p256() -> Value {
        // RFC 7517 appendix A.1, without its use.
        json!({"kty":"EC","crv":"P-256","kid":"1",
            "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"})
    }

    fn with(mut key: Value, name: &str, value: &str) -> Value {
        key[name] = value.into();
        key
    }

    #[test]
    fn a_private_or_symmetric_key_is_refused() {
        for name in ["d", "k", "p"] {
            let set = json!({ "keys": [with(p256(), name, "AAAA")] });
            assert_eq!(JwkSet::parse(&set), Err(JwkSetError::Private), "{name}");
        }
    }

    #[test]
    fn a_weak_or_unreadable_key_is_refused() {
        let short = URL_SAFE_NO_PAD.encode([0xff; 128]);
        for key in [
            json!({"kty":"RSA","n":short,"e":"AQAB"}),
            json!({"kty":"RSA","n":URL_SAFE_NO_PAD.encode([0xff; 256]),"e":"AQ"}),
            with(p256(), "x", "AAAA"),
            with(p256(), "x", "*"),
            json!({}),
        ] {
            let set = json!({ "keys": [key] });
            assert_eq!(JwkSet::parse(&set), Err(JwkSetError::Key), "{set}");
        }
    }

    #[test]
    fn names_are_unique_and_unknown_kinds_are_left_out() {
        let twice = json!({ "keys": [p256(), p256()] });
        assert_eq!(JwkSet::parse(&twice), Err(JwkSetError::RepeatedKid));
        let unknown = json!({ "keys": [{"kty":"LATTICE"}] });
        assert_eq!(JwkSet::parse(&unknown), Ok(JwkSet::default()));
        assert_eq!(JwkSet::parse(&json!([])), Err(JwkSetError::Form));
    }

    #[test]
    fn a_key_serves_what_it_says() {
        let set = |key| JwkSet::parse(&json!({ "keys": [key] })).unwrap();
        let signs = |set: &JwkSet| set.for_signature(SigningAlgorithm::Es256, None).count() == 1;
        let encrypts = |set: &JwkSet| set.for_encryption(KeyManagementAlgorithm::EcdhEs).is_some();
        let any = set(p256());
        assert!(signs(&any) && encrypts(&any));
        let signing = set(with(p256(), "use", "sig"));
        assert!(signs(&signing) && !encrypts(&signing));
        let encrypting = set(with(p256(), "use", "enc"));
        assert!(!signs(&encrypting) && encrypts(&encrypting));
        let other = any.for_signature(SigningAlgorithm::Es256, Some("2"));
        assert_eq!(other.count(), 0);
    }

    proptest! {
        #[test]
        fn no_input_panics(text in r#"\{"keys":\[\{("(kty|n|e|x|y|crv)":"(RSA|EC|P-256|[A-Za-z_]{0,50})",?){0,5}\}\]\}"#) {
            if let Ok(document) = serde_json::from_str(&text) {
                let _ = JwkSet::parse(&document);
            }
        }
    }
}
