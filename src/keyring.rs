//! Our signing keys as dated values: who signs now, who is published, who is gone.
//! Never knows: HTTP, claims, where keys are kept.
//! Standards: RFC 7517; RFC 7638; OpenID Connect Core 1.0 section 10.1.1.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::JoseError;
use josekit::jwk::KeyPair;
use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
use josekit::jwk::alg::ed::{EdCurve, EdKeyPair};
use josekit::jwk::alg::rsa::RsaKeyPair;
use josekit::jws::{self, JwsHeader, JwsSigner};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::clock::Timestamp;
use crate::oidc::algorithm::SigningAlgorithm;

const RSA_BITS: u32 = 2_048;

/// Where a key stands in the sequence of its algorithm. Its text, such as `RS256/3`, is the primary key of its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// The algorithm.
    pub algorithm: SigningAlgorithm,
    /// Counts from 1.
    pub number: u32,
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.algorithm, self.number)
    }
}

impl FromStr for Slot {
    type Err = KeyringError;

    fn from_str(text: &str) -> Result<Self, KeyringError> {
        text.split_once('/')
            .and_then(|(algorithm, number)| {
                Some(Self {
                    algorithm: SigningAlgorithm::parse(algorithm)?,
                    number: number.parse().ok()?,
                })
            })
            .ok_or(KeyringError::Unreadable)
    }
}

/// A key as it is kept: everything but the letter's seal.
#[derive(Clone, Debug)]
pub struct KeyRecord {
    /// Where it stands.
    pub slot: Slot,
    /// From when it signs.
    pub signs_at: Timestamp,
    /// When it was withdrawn, if it was.
    pub revoked_at: Option<Timestamp>,
    /// What is sealed.
    pub material: KeyMaterial,
}

/// The secret part of a key.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct KeyMaterial {
    #[zeroize(skip)]
    published_at: Timestamp,
    pkcs8: String,
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyMaterial[redacted]")
    }
}

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// What was kept is no key.
    #[error("a stored signing key cannot be read")]
    Unreadable,
    /// The cryptographic library refused.
    #[error("the cryptographic library failed")]
    Cryptography(#[from] JoseError),
    /// No key of that algorithm signs now.
    #[error("there is no signing key for {0}: name it in signing_algorithms in [keys]")]
    NoSigner(SigningAlgorithm),
}

/// A key ID: the thumbprint of the public key. RFC 7638.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kid(String);

impl Kid {
    /// The value of `kid`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A key that is to be made because the time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueKey {
    /// Where it will stand.
    pub slot: Slot,
    /// From when it will sign.
    pub signs_at: Timestamp,
}

impl DueKey {
    /// Generates the key. Takes a good part of a second for RSA.
    ///
    /// # Errors
    /// [`KeyringError::Cryptography`].
    pub fn generate(self, now: Timestamp) -> Result<KeyRecord, KeyringError> {
        let pkcs8 = Zeroizing::new(match self.slot.algorithm {
            SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 => {
                RsaKeyPair::generate(RSA_BITS)?.to_der_private_key()
            }
            SigningAlgorithm::Es256 => EcKeyPair::generate(EcCurve::P256)?.to_der_private_key(),
            SigningAlgorithm::EdDsa => EdKeyPair::generate(EdCurve::Ed25519)?.to_der_private_key(),
        });
        Ok(KeyRecord {
            slot: self.slot,
            signs_at: self.signs_at,
            revoked_at: None,
            material: KeyMaterial {
                published_at: now,
                pkcs8: URL_SAFE_NO_PAD.encode(&*pkcs8),
            },
        })
    }
}

/// One key, ready to sign.
#[derive(Clone)]
pub struct SigningKey {
    slot: Slot,
    kid: Kid,
    published_at: Timestamp,
    signs_at: Timestamp,
    revoked_at: Option<Timestamp>,
    public: Map<String, Value>,
    signer: Arc<dyn JwsSigner>,
}

impl SigningKey {
    fn from_record(record: &KeyRecord) -> Result<Self, KeyringError> {
        let pkcs8 = Zeroizing::new(
            URL_SAFE_NO_PAD
                .decode(&record.material.pkcs8)
                .map_err(|_| KeyringError::Unreadable)?,
        );
        let (signer, pair): (Box<dyn JwsSigner>, Box<dyn KeyPair>) = match record.slot.algorithm {
            SigningAlgorithm::Rs256 => (
                Box::new(jws::RS256.signer_from_der(&*pkcs8)?),
                Box::new(RsaKeyPair::from_der(&*pkcs8)?),
            ),
            SigningAlgorithm::Ps256 => {
                let pair = RsaKeyPair::from_der(&*pkcs8)?;
                let signer = jws::PS256.signer_from_jwk(&pair.to_jwk_private_key())?;
                (Box::new(signer), Box::new(pair))
            }
            SigningAlgorithm::Es256 => (
                Box::new(jws::ES256.signer_from_der(&*pkcs8)?),
                Box::new(EcKeyPair::from_der(&*pkcs8, Some(EcCurve::P256))?),
            ),
            SigningAlgorithm::EdDsa => (
                Box::new(jws::EdDSA.signer_from_der(&*pkcs8)?),
                Box::new(EdKeyPair::from_der(&*pkcs8)?),
            ),
        };
        let jwk = pair.to_jwk_public_key();
        let required: &[&str] = match record.slot.algorithm {
            SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 => &["e", "kty", "n"],
            SigningAlgorithm::Es256 => &["crv", "kty", "x", "y"],
            SigningAlgorithm::EdDsa => &["crv", "kty", "x"],
        };
        // Copying named members keeps every private one out, whatever the library hands over.
        let mut public = Map::new();
        for &name in required {
            let value = jwk.parameter(name).ok_or(KeyringError::Unreadable)?;
            public.insert(name.to_owned(), value.clone());
        }
        let kid = thumbprint(&public);
        public.insert("kid".to_owned(), kid.as_str().into());
        public.insert("use".to_owned(), "sig".into());
        public.insert("alg".to_owned(), record.slot.algorithm.as_str().into());
        Ok(Self {
            slot: record.slot,
            kid,
            published_at: record.material.published_at,
            signs_at: record.signs_at,
            revoked_at: record.revoked_at,
            public,
            signer: Arc::from(signer),
        })
    }

    /// Its slot.
    pub fn slot(&self) -> Slot {
        self.slot
    }

    /// Its key ID.
    pub fn kid(&self) -> &Kid {
        &self.kid
    }

    /// Since when relying parties can know it.
    pub fn published_at(&self) -> Timestamp {
        self.published_at
    }

    /// From when it signs.
    pub fn signs_at(&self) -> Timestamp {
        self.signs_at
    }

    /// When it was withdrawn, if it was.
    pub fn revoked_at(&self) -> Option<Timestamp> {
        self.revoked_at
    }

    /// A compact JWS with this `typ` over the claims. RFC 7515 section 3.1.
    ///
    /// # Errors
    /// [`KeyringError::Cryptography`].
    pub fn sign(&self, typ: &str, claims: &[u8]) -> Result<String, KeyringError> {
        let mut header = JwsHeader::new();
        header.set_token_type(typ);
        header.set_key_id(self.kid.as_str());
        Ok(jws::serialize_compact(claims, &header, &*self.signer)?)
    }
}

/// The thumbprint of a public key. RFC 7638 section 3: the required members in alphabetical order; `serde_json` keeps maps sorted.
pub fn thumbprint(required: &Map<String, Value>) -> Kid {
    let sorted: BTreeMap<_, _> = required.iter().collect();
    let canonical = json!(sorted).to_string();
    Kid(URL_SAFE_NO_PAD.encode(Sha256::digest(canonical.as_bytes())))
}

/// How keys follow one another.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The algorithms that have one live key each.
    pub algorithms: Vec<SigningAlgorithm>,
    /// How long a key signs, and how long it is published before.
    pub rotation_period: Duration,
    /// How long the longest-lived token that a key signed must be verifiable.
    pub token_ttl: Duration,
    /// How much longer a token is recognised that is brought back to us, though nobody should accept it any more.
    pub recognised_ttl: Duration,
}

/// What a key may do at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// Published so that relying parties know it before it signs.
    Upcoming,
    /// Signs.
    Signing,
    /// Published until the last token that it signed has expired.
    Retired,
    /// Neither published nor used: withdrawn, or its time is over.
    Gone,
}

/// All keys, as of one reading of the store.
#[derive(Clone)]
pub struct Keyring {
    keys: Vec<SigningKey>,
    schedule: Schedule,
}

impl Keyring {
    /// Makes the kept keys ready. Keys that `known` already holds are not parsed again.
    ///
    /// # Errors
    /// [`KeyringError`] for a record that is no key.
    pub fn assemble(
        records: &[KeyRecord],
        schedule: Schedule,
        known: Option<&Self>,
    ) -> Result<Self, KeyringError> {
        let mut keys = records
            .iter()
            .map(|record| {
                let parsed =
                    known.and_then(|ring| ring.keys.iter().find(|key| key.slot == record.slot));
                match parsed {
                    Some(key) => Ok(SigningKey {
                        signs_at: record.signs_at,
                        revoked_at: record.revoked_at,
                        ..key.clone()
                    }),
                    None => SigningKey::from_record(record),
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        keys.sort_by_key(SigningKey::slot);
        Ok(Self { keys, schedule })
    }

    /// The key that signs with this algorithm now.
    ///
    /// # Errors
    /// [`KeyringError::NoSigner`].
    pub fn signer(
        &self,
        algorithm: SigningAlgorithm,
        now: Timestamp,
    ) -> Result<&SigningKey, KeyringError> {
        self.live(algorithm)
            .filter(|key| key.signs_at <= now)
            .max_by_key(|key| (key.signs_at, key.slot))
            .ok_or(KeyringError::NoSigner(algorithm))
    }

    /// What a key may do now.
    pub fn duty(&self, key: &SigningKey, now: Timestamp) -> Duty {
        if key.revoked_at.is_some() {
            return Duty::Gone;
        }
        if key.signs_at > now {
            return Duty::Upcoming;
        }
        match self.stopped_at(key, now) {
            None => Duty::Signing,
            Some(stopped_at) if now < stopped_at.after(self.schedule.token_ttl) => Duty::Retired,
            Some(_) => Duty::Gone,
        }
    }

    /// The JWK Set: public members of every key that is not gone. RFC 7517 section 5.
    pub fn jwks(&self, now: Timestamp) -> Value {
        let keys: Vec<_> = self
            .keys
            .iter()
            .filter(|key| self.duty(key, now) != Duty::Gone)
            .map(|key| &key.public)
            .collect();
        json!({ "keys": keys })
    }

    /// The public keys of everything that may have been signed and was not withdrawn, retired ones included that are
    /// still known: for recognising a token of our own that is brought back. RP-Initiated Logout 1.0 section 4.
    pub fn recognised(&self) -> Value {
        let keys = self.keys.iter().filter(|key| key.revoked_at.is_none());
        json!({ "keys": keys.map(|key| &key.public).collect::<Vec<_>>() })
    }

    /// The keys that should exist and do not, at most one for each algorithm; ask again once they are stored.
    pub fn due(&self, now: Timestamp) -> Vec<DueKey> {
        let due = |algorithm| {
            let signs = self.live(algorithm).any(|key| key.signs_at <= now);
            let follows = self.live(algorithm).any(|key| key.signs_at > now);
            let signs_at = match (signs, follows) {
                (true, true) => return None,
                (false, _) => now,
                (true, false) => now.after(self.schedule.rotation_period),
            };
            Some(DueKey {
                slot: self.next_slot(algorithm),
                signs_at,
            })
        };
        self.schedule
            .algorithms
            .iter()
            .copied()
            .filter_map(due)
            .collect()
    }

    /// A key that signs at once, for an emergency.
    pub fn due_now(&self, algorithm: SigningAlgorithm, now: Timestamp) -> DueKey {
        DueKey {
            slot: self.next_slot(algorithm),
            signs_at: now,
        }
    }

    /// Rows that nobody needs any more: gone, and not the last of their sequence, which keeps the numbering.
    pub fn forgettable(&self, now: Timestamp) -> Vec<Slot> {
        self.keys
            .iter()
            .filter(|key| self.duty(key, now) == Duty::Gone)
            .filter(|key| key.revoked_at.is_some() || !self.is_recognisable(key, now))
            .map(|key| key.slot)
            .filter(|slot| self.next_slot(slot.algorithm).number > slot.number + 1)
            .collect()
    }

    /// Whether tokens of this key may still be brought back.
    fn is_recognisable(&self, key: &SigningKey, now: Timestamp) -> bool {
        let span = self.schedule.token_ttl + self.schedule.recognised_ttl;
        self.stopped_at(key, now)
            .is_none_or(|stopped_at| now < stopped_at.after(span))
    }

    /// When a key stopped signing: a key stops when the next one starts, whenever that is.
    fn stopped_at(&self, key: &SigningKey, now: Timestamp) -> Option<Timestamp> {
        self.live(key.slot.algorithm)
            .filter(|other| {
                (other.signs_at, other.slot) > (key.signs_at, key.slot) && other.signs_at <= now
            })
            .map(|other| other.signs_at)
            .min()
    }

    /// All keys, by algorithm and number.
    pub fn keys(&self) -> &[SigningKey] {
        &self.keys
    }

    /// The algorithms that have one live key each.
    pub fn algorithms(&self) -> &[SigningAlgorithm] {
        &self.schedule.algorithms
    }

    fn live(&self, algorithm: SigningAlgorithm) -> impl Iterator<Item = &SigningKey> {
        self.keys
            .iter()
            .filter(move |key| key.slot.algorithm == algorithm && key.revoked_at.is_none())
    }

    fn next_slot(&self, algorithm: SigningAlgorithm) -> Slot {
        let last = self
            .keys
            .iter()
            .filter(|key| key.slot.algorithm == algorithm)
            .map(|key| key.slot.number)
            .max();
        Slot {
            algorithm,
            number: last.unwrap_or_default() + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn schedule() -> Schedule {
        Schedule {
            algorithms: vec![SigningAlgorithm::Es256],
            rotation_period: 30 * DAY,
            token_ttl: Duration::from_mins(10),
            recognised_ttl: DAY,
        }
    }

    fn kept_up(records: &mut Vec<KeyRecord>, now: Timestamp) -> Keyring {
        loop {
            let ring = Keyring::assemble(records, schedule(), None).unwrap();
            let due = ring.due(now);
            if due.is_empty() {
                return ring;
            }
            records.extend(due.into_iter().map(|key| key.generate(now).unwrap()));
        }
    }

    fn published(ring: &Keyring, now: Timestamp) -> usize {
        ring.jwks(now)["keys"].as_array().unwrap().len()
    }

    #[test]
    fn a_key_is_published_one_period_before_it_signs_and_until_its_last_token_expired() {
        let start = Timestamp::from_seconds(1_000_000);
        let mut records = Vec::new();
        let ring = kept_up(&mut records, start);
        let first = ring.signer(SigningAlgorithm::Es256, start).unwrap().slot();
        assert_eq!(published(&ring, start), 2);

        let turn = start.after(30 * DAY);
        let ring = kept_up(&mut records, turn);
        let second = ring.signer(SigningAlgorithm::Es256, turn).unwrap();
        assert_eq!(second.slot().number, first.number + 1);
        assert_eq!(second.published_at(), start);
        assert_eq!(published(&ring, turn), 3);

        let over = turn.after(Duration::from_mins(10));
        assert_eq!(published(&ring, over.before(Duration::from_secs(1))), 3);
        assert_eq!(published(&ring, over), 2);
        // What it signed may still be brought back to us, for a while.
        let recognised = |at| {
            ring.recognised()["keys"]
                .as_array()
                .map(Vec::len)
                .filter(|_| ring.forgettable(at).is_empty())
        };
        assert_eq!(recognised(over), Some(3));
        assert_eq!(ring.forgettable(over.after(DAY)), vec![first]);
    }

    #[test]
    fn after_a_long_absence_the_last_known_key_signs_until_a_new_one_was_published() {
        let start = Timestamp::from_seconds(1_000_000);
        let mut records = Vec::new();
        kept_up(&mut records, start);
        let much_later = start.after(300 * DAY);
        let ring = kept_up(&mut records, much_later);
        let signer = ring.signer(SigningAlgorithm::Es256, much_later).unwrap();
        assert_eq!(signer.slot().number, 2);
        assert_eq!(
            ring.keys().last().unwrap().signs_at(),
            much_later.after(30 * DAY)
        );
    }

    #[test]
    fn a_revoked_key_neither_signs_nor_is_published() {
        let start = Timestamp::from_seconds(1_000_000);
        let mut records = Vec::new();
        kept_up(&mut records, start);
        for record in &mut records {
            record.revoked_at = Some(start);
        }
        let ring = Keyring::assemble(&records, schedule(), None).unwrap();
        assert_eq!(published(&ring, start), 0);
        assert!(ring.signer(SigningAlgorithm::Es256, start).is_err());
        let ring = kept_up(&mut records, start);
        assert_eq!(
            ring.signer(SigningAlgorithm::Es256, start)
                .unwrap()
                .slot()
                .number,
            3
        );
    }

    #[test]
    fn every_algorithm_signs_and_publishes_no_private_member() {
        let now = Timestamp::from_seconds(1_000_000);
        for algorithm in SigningAlgorithm::ALL {
            let slot = Slot {
                algorithm,
                number: 1,
            };
            let record = DueKey {
                slot,
                signs_at: now,
            }
            .generate(now)
            .unwrap();
            let ring = Keyring::assemble(&[record], schedule(), None).unwrap();
            let key = ring.signer(algorithm, now).unwrap();
            let token = key.sign("JWT", br#"{"sub":"x"}"#).unwrap();
            let header = josekit::jwt::decode_header(&token).unwrap();
            assert_eq!(header.claim("alg"), Some(&json!(algorithm.as_str())));
            assert_eq!(header.claim("kid"), Some(&json!(key.kid().as_str())));
            let members: Vec<_> = key.public.keys().map(String::as_str).collect();
            for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
                assert!(!members.contains(&private), "{algorithm}: {private}");
            }
            assert_eq!(slot.to_string().parse::<Slot>().unwrap(), slot);
        }
    }

    #[test]
    fn the_thumbprint_of_rfc_7638_section_3_1() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let members = Map::from_iter([
            ("kty".to_owned(), json!("RSA")),
            ("n".to_owned(), json!(n)),
            ("e".to_owned(), json!("AQAB")),
        ]);
        assert_eq!(
            thumbprint(&members).as_str(),
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
        );
    }
}
