//! Bearer values and sealing: what we hold for somebody is found and opened by the value they hold.
//! Never knows: what it protects.
//! Standards: RFC 5869 (HKDF-SHA-256); NIST SP 800-38D (AES-256-GCM with a random 96-bit nonce).

use std::fmt;
use std::marker::PhantomData;

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use rand::CryptoRng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The randomness of the operating system, reseeded per thread.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that takes up a random number generator"
)]
pub fn randomness() -> impl CryptoRng {
    rand::rng()
}

/// Which handle a [`Bearer`] is. Each kind has a prefix of its own, so that no kind passes as another.
pub trait BearerKind {
    /// What the value begins with; unique among kinds.
    const PREFIX: &'static str;
}

macro_rules! bearer_kinds {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub enum $name {}
        impl BearerKind for $name {
            const PREFIX: &'static str = $prefix;
        }
    )*};
}

bearer_kinds! {
    /// The `state` that we send to sgID; with [`LoginCookie`] it opens a waiting login.
    LoginState = "ls_";
    /// The cookie value that binds a login to the browser that began it.
    LoginCookie = "lc_";
    /// An authorization code of ours. RFC 6749 section 1.3.1.
    AuthorizationCode = "ac_";
    /// An access token of ours. RFC 6749 section 1.4.
    AccessToken = "at_";
    /// A client secret that we generated. RFC 6749 section 2.3.1.
    ClientSecret = "cs_";
    /// The cookie value that opens the session of one browser.
    SessionCookie = "sc_";
    /// What a pushed authorization request is found by; the end of its `request_uri`. RFC 9126 section 2.2.
    PushedRequest = "pr_";
    /// The part of a refresh token that stays the same while the token is rotated. RFC 6749 section 1.5.
    RefreshFamily = "rt_";
    /// The part of a refresh token that is another one each time.
    RefreshTurn = "rn_";
    /// What a client changes its own registration with. RFC 7592 section 3.
    RegistrationToken = "ra_";
    /// What somebody must hold to register a client. RFC 7591 section 1.2.
    InitialAccessToken = "ia_";
}

const BEARER_BYTES: usize = 32;
const BEARER_CHARACTERS: usize = 43;

/// A secret of 256 random bits that somebody outside holds: whoever bears it may use it.
///
/// It has no `PartialEq`, no `Display` and a `Debug` that tells only its kind.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Bearer<K> {
    bytes: [u8; BEARER_BYTES],
    #[zeroize(skip)]
    kind: PhantomData<K>,
}

impl<K: BearerKind> Bearer<K> {
    /// A fresh value.
    pub fn generate(randomness: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; BEARER_BYTES];
        randomness.fill_bytes(&mut bytes);
        Self {
            bytes,
            kind: PhantomData,
        }
    }

    /// Reads a value of this kind. Any other kind, length or spelling is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let encoded = text.strip_prefix(K::PREFIX)?;
        if encoded.len() != BEARER_CHARACTERS {
            return None;
        }
        let mut bytes = [0; BEARER_BYTES];
        let length = URL_SAFE_NO_PAD.decode_slice(encoded, &mut bytes).ok()?;
        (length == BEARER_BYTES).then_some(Self {
            bytes,
            kind: PhantomData,
        })
    }

    /// The value itself, to be handed to its owner and to nobody else.
    pub fn expose(&self) -> String {
        format!("{}{}", K::PREFIX, URL_SAFE_NO_PAD.encode(self.bytes))
    }

    /// What the database may keep to know the value again: of 256 random bits, a plain hash tells nothing.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hash = Sha256::new_with_prefix(K::PREFIX);
        hash.update(self.bytes);
        Fingerprint(hash.finalize().into())
    }

    /// A value that only the bearer can name, and that says nothing of the value itself: for a form of ours that must
    /// not be sent by somebody else's page.
    pub fn confirmation(&self) -> Fingerprint {
        let mut hash = Sha256::new_with_prefix("sgid-bridge/confirmation/");
        hash.update(K::PREFIX);
        hash.update(self.bytes);
        Fingerprint(hash.finalize().into())
    }
}

impl<K> Clone for Bearer<K> {
    fn clone(&self) -> Self {
        Self {
            bytes: self.bytes,
            kind: PhantomData,
        }
    }
}

/// A hash of a bearer value.
#[derive(Clone, Copy)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The bytes, for the store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The hash in base64url.
    pub fn to_text(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Whether the text is this hash, in constant time.
    pub fn is(&self, text: &str) -> bool {
        self.to_text().as_bytes().ct_eq(text.as_bytes()).into()
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint[redacted]")
    }
}

impl<K: BearerKind> fmt::Debug for Bearer<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[redacted]", K::PREFIX)
    }
}

/// A refresh token: what finds and opens its row, and what shows that it is the latest. RFC 6749 section 1.5.
#[derive(Debug)]
pub struct RefreshToken {
    /// The same for all tokens that follow one another.
    pub family: Bearer<RefreshFamily>,
    /// Another one each time.
    pub turn: Bearer<RefreshTurn>,
}

impl RefreshToken {
    /// The first token of a family.
    pub fn generate(randomness: &mut impl CryptoRng) -> Self {
        Self {
            family: Bearer::generate(randomness),
            turn: Bearer::generate(randomness),
        }
    }

    /// Reads a token. Any other form, length or spelling is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let (family, turn) = text.split_once('.')?;
        Some(Self {
            family: Bearer::parse(family)?,
            turn: Bearer::parse(turn)?,
        })
    }

    /// The token that takes this one's place.
    #[must_use]
    pub fn next(&self, randomness: &mut impl CryptoRng) -> Self {
        Self {
            family: self.family.clone(),
            turn: Bearer::generate(randomness),
        }
    }

    /// The token itself, to be handed to its owner and to nobody else.
    pub fn expose(&self) -> String {
        format!("{}.{}", self.family.expose(), self.turn.expose())
    }
}

/// Where a row is found: derived from a bearer value, and of no use without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RowId([u8; 32]);

impl RowId {
    /// Reads a primary key; any other length is `None`.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes of the primary key.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The two faces of a bearer value under one master key: where its row is, and what opens it.
pub struct Faces {
    /// The primary key of the row.
    pub row: RowId,
    key: Zeroizing<[u8; 32]>,
    table: &'static str,
}

impl Faces {
    /// Seals `letter` so that only these faces open it, and only at this table and row.
    pub fn seal(&self, letter: &[u8], randomness: &mut impl CryptoRng) -> Vec<u8> {
        seal(&self.key, &self.associated_data(), letter, randomness)
    }

    /// Opens what [`Faces::seal`] sealed.
    ///
    /// # Errors
    /// [`DoesNotOpen`] where the letter was altered, moved, or sealed for somebody else.
    pub fn open(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, DoesNotOpen> {
        open(&self.key, &self.associated_data(), sealed)
    }

    fn associated_data(&self) -> Vec<u8> {
        [self.table.as_bytes(), &[0], &self.row.0].concat()
    }
}

/// A sealed letter that these keys do not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sealed value does not open: it was altered, moved, or sealed under another master key")]
pub struct DoesNotOpen;

/// 32 bytes that the database does not hold. All sealing keys depend on it.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct MasterKey([u8; 32]);

/// Why a text is no master key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MasterKeyError {
    /// It is not base64url.
    #[error("it is not base64url without padding")]
    Encoding,
    /// It has another length than 32 bytes.
    #[error("it has {0} bytes instead of 32")]
    Length(usize),
    /// It has so little variety that it cannot be random.
    #[error("it is too regular to be random")]
    Trivial,
}

impl MasterKey {
    /// A fresh key.
    pub fn generate(randomness: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; 32];
        randomness.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// Reads 32 bytes in base64url, white space around it aside.
    ///
    /// # Errors
    /// [`MasterKeyError`] says what is wrong, without the text.
    pub fn parse(text: &str) -> Result<Self, MasterKeyError> {
        let text = text.trim().trim_end_matches('=');
        let bytes = Zeroizing::new(
            URL_SAFE_NO_PAD
                .decode(text)
                .map_err(|_| MasterKeyError::Encoding)?,
        );
        let key: [u8; 32] = bytes
            .as_slice()
            .try_into()
            .map_err(|_| MasterKeyError::Length(bytes.len()))?;
        let distinct = key.iter().collect::<std::collections::HashSet<_>>().len();
        // 32 random bytes with fewer than 16 distinct values come up less than once in 10^12.
        let counts_up = key
            .windows(2)
            .all(|pair| pair[1] == pair[0].wrapping_add(1));
        if distinct < 16 || counts_up {
            return Err(MasterKeyError::Trivial);
        }
        Ok(Self(key))
    }

    /// The key in base64url, for the file that `init` writes.
    pub fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.0))
    }

    fn derive(&self, input: &[&[u8]], label: &str, output: &mut [u8; 32]) {
        let mut material = Zeroizing::new(Vec::with_capacity(2 * BEARER_BYTES));
        for part in input {
            material.extend_from_slice(part);
        }
        Hkdf::<Sha256>::new(Some(&self.0), &material)
            .expand(label.as_bytes(), output)
            .expect("32 bytes are within what HKDF-SHA-256 can expand to");
    }

    fn faces(&self, table: &'static str, input: &[&[u8]]) -> Faces {
        let mut row = [0; 32];
        let mut key = Zeroizing::new([0; 32]);
        self.derive(input, &format!("sgid-bridge/{table}/row"), &mut row);
        self.derive(input, &format!("sgid-bridge/{table}/key"), &mut key);
        Faces {
            row: RowId(row),
            key,
            table,
        }
    }

    fn standing_key(&self, table: &'static str) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        self.derive(&[], &format!("sgid-bridge/{table}/standing"), &mut key);
        key
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey[redacted]")
    }
}

/// The master keys in use: the first seals, all open. More than one only while the key is being rotated.
#[derive(Clone, Debug)]
pub struct MasterKeys {
    sealing: MasterKey,
    former: Vec<MasterKey>,
}

impl MasterKeys {
    /// `sealing` seals and opens, `former` only open.
    pub fn new(sealing: MasterKey, former: Vec<MasterKey>) -> Self {
        Self { sealing, former }
    }

    /// Tells whether keys changed, under a salt that means nothing elsewhere.
    pub fn fingerprint(&self, salt: &str) -> Vec<[u8; 32]> {
        let mut fingerprints = Vec::new();
        for key in self.all() {
            let mut fingerprint = [0; 32];
            key.derive(
                &[salt.as_bytes()],
                "sgid-bridge/fingerprint",
                &mut fingerprint,
            );
            fingerprints.push(fingerprint);
        }
        fingerprints
    }

    /// The faces under which a new row is written.
    pub fn faces<K: BearerKind>(&self, table: &'static str, bearer: &Bearer<K>) -> Faces {
        self.sealing.faces(table, &[&bearer.bytes])
    }

    /// The faces of a row that only both values together open.
    pub fn joint_faces<A: BearerKind, B: BearerKind>(
        &self,
        table: &'static str,
        first: &Bearer<A>,
        second: &Bearer<B>,
    ) -> Faces {
        self.sealing.faces(table, &[&first.bytes, &second.bytes])
    }

    /// Every pair of faces under which a row may have been written, newest master key first.
    pub fn possible_faces<'a, K: BearerKind>(
        &'a self,
        table: &'static str,
        bearer: &'a Bearer<K>,
    ) -> impl Iterator<Item = Faces> + 'a {
        self.all()
            .map(move |key| key.faces(table, &[&bearer.bytes]))
    }

    /// As [`MasterKeys::possible_faces`], for a row that two values open together.
    pub fn possible_joint_faces<'a, A: BearerKind, B: BearerKind>(
        &'a self,
        table: &'static str,
        first: &'a Bearer<A>,
        second: &'a Bearer<B>,
    ) -> impl Iterator<Item = Faces> + 'a {
        self.all()
            .map(move |key| key.faces(table, &[&first.bytes, &second.bytes]))
    }

    /// Seals what nobody outside holds a key to (signing keys, the pairwise secret), bound to its table and row.
    pub fn seal_standing(
        &self,
        table: &'static str,
        row: &str,
        letter: &[u8],
        randomness: &mut impl CryptoRng,
    ) -> Vec<u8> {
        let key = self.sealing.standing_key(table);
        seal(&key, &standing_data(table, row), letter, randomness)
    }

    /// Opens what [`MasterKeys::seal_standing`] sealed under any of the keys.
    ///
    /// # Errors
    /// [`DoesNotOpen`] where no key fits.
    pub fn open_standing(
        &self,
        table: &'static str,
        row: &str,
        sealed: &[u8],
    ) -> Result<Opened, DoesNotOpen> {
        let data = standing_data(table, row);
        for (index, key) in self.all().enumerate() {
            if let Ok(letter) = open(&key.standing_key(table), &data, sealed) {
                return Ok(Opened {
                    letter,
                    by_former_key: index > 0,
                });
            }
        }
        Err(DoesNotOpen)
    }

    fn all(&self) -> impl Iterator<Item = &MasterKey> {
        std::iter::once(&self.sealing).chain(&self.former)
    }
}

/// A standing letter, opened.
pub struct Opened {
    /// What was sealed.
    pub letter: Zeroizing<Vec<u8>>,
    /// Whether it was sealed under a former master key and should be sealed anew.
    pub by_former_key: bool,
}

fn standing_data(table: &str, row: &str) -> Vec<u8> {
    [table.as_bytes(), &[0], row.as_bytes()].concat()
}

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 12;

fn seal(
    key: &[u8; 32],
    associated_data: &[u8],
    letter: &[u8],
    randomness: &mut impl CryptoRng,
) -> Vec<u8> {
    let mut nonce = [0; NONCE_BYTES];
    randomness.fill_bytes(&mut nonce);
    let mut body = Zeroizing::new(letter.to_vec());
    Aes256Gcm::new(&Key::<Aes256Gcm>::from(*key))
        .encrypt_in_place(&Nonce::from(nonce), associated_data, &mut *body)
        .expect("AES-GCM seals any letter below 64 GiB");
    [&[VERSION][..], &nonce, &body].concat()
}

fn open(
    key: &[u8; 32],
    associated_data: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, DoesNotOpen> {
    let (&version, rest) = sealed.split_first().ok_or(DoesNotOpen)?;
    let (nonce, body) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(DoesNotOpen)?;
    if version != VERSION {
        return Err(DoesNotOpen);
    }
    let mut letter = Zeroizing::new(body.to_vec());
    Aes256Gcm::new(&Key::<Aes256Gcm>::from(*key))
        .decrypt_in_place(&Nonce::from(*nonce), associated_data, &mut *letter)
        .map_err(|_| DoesNotOpen)?;
    Ok(letter)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(former: usize) -> MasterKeys {
        let mut random = randomness();
        MasterKeys::new(
            MasterKey::generate(&mut random),
            (0..former)
                .map(|_| MasterKey::generate(&mut random))
                .collect(),
        )
    }

    #[test]
    fn a_bearer_value_reads_back_and_passes_as_no_other_kind() {
        let code = Bearer::<AuthorizationCode>::generate(&mut randomness());
        let text = code.expose();
        assert_eq!(
            Bearer::<AuthorizationCode>::parse(&text).unwrap().expose(),
            text
        );
        assert!(Bearer::<AccessToken>::parse(&text).is_none());
        assert!(Bearer::<AuthorizationCode>::parse(&format!("{text}A")).is_none());
        assert!(Bearer::<AuthorizationCode>::parse(&text[..text.len() - 1]).is_none());
    }

    #[test]
    fn a_bearer_value_has_one_spelling() {
        // 43 characters carry 258 bits: the last two must be zero, or two spellings would open one row.
        let text = format!("{}{}", AuthorizationCode::PREFIX, "A".repeat(42) + "B");
        assert!(Bearer::<AuthorizationCode>::parse(&text).is_none());
    }

    #[test]
    fn debug_shows_no_secret() {
        let token = Bearer::<AccessToken>::generate(&mut randomness());
        assert_eq!(format!("{token:?}"), "at_[redacted]");
    }

    #[test]
    fn a_letter_opens_only_for_its_owner_at_its_place() {
        let mut random = randomness();
        let keys = keys(0);
        let (owner, thief) = (
            Bearer::<AccessToken>::generate(&mut random),
            Bearer::<AccessToken>::generate(&mut random),
        );
        let sealed = keys.faces("a", &owner).seal(b"letter", &mut random);
        assert_eq!(&**keys.faces("a", &owner).open(&sealed).unwrap(), b"letter");
        assert!(keys.faces("a", &thief).open(&sealed).is_err());
        assert!(keys.faces("b", &owner).open(&sealed).is_err());
        for place in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[place] ^= 1;
            assert!(keys.faces("a", &owner).open(&altered).is_err());
        }
    }

    #[test]
    fn a_former_master_key_still_opens() {
        let mut random = randomness();
        let old = keys(0);
        let sealed = old.seal_standing("t", "r", b"letter", &mut random);
        let new = MasterKeys::new(MasterKey::generate(&mut random), vec![old.sealing.clone()]);
        assert!(new.open_standing("t", "r", &sealed).unwrap().by_former_key);
        assert!(new.open_standing("t", "other", &sealed).is_err());
        assert!(keys(0).open_standing("t", "r", &sealed).is_err());
    }

    #[test]
    fn weak_master_keys_are_refused() {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let refusal = |text: &str| MasterKey::parse(text).map(|_| ()).unwrap_err();
        assert_eq!(refusal("not base64url!"), MasterKeyError::Encoding);
        assert_eq!(refusal(&encode(&[7; 31])), MasterKeyError::Length(31));
        assert_eq!(refusal(&encode(&[0; 32])), MasterKeyError::Trivial);
        let counting: Vec<u8> = (0..32).collect();
        assert_eq!(refusal(&encode(&counting)), MasterKeyError::Trivial);
    }

    proptest! {
        #[test]
        fn no_input_panics(text in ".{0,80}", bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Bearer::<AccessToken>::parse(&text);
            let _ = MasterKey::parse(&text);
            let _ = open(&[1; 32], b"", &bytes);
        }
    }
}
