//! Opening sgID's userinfo: a block key sealed to our RSA key, and one JWE for each field. RFC 7516; RFC 7518.
//!
//! The JOSE library is not relied upon to enforce any of this: form, header members, algorithms, and the lengths of
//! initialisation vector and tag are checked before it sees a value.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use josekit::JoseError;
use josekit::jwe::enc::aescbc_hmac::AescbcHmacJweEncryption;
use josekit::jwe::enc::aesgcm::AesgcmJweEncryption;
use josekit::jwe::{
    A128GCMKW, A128KW, A256GCMKW, A256KW, Dir, JweContentEncryption, JweDecrypter, JweHeader,
};
use serde_json::{Map, Value};
use sha2::{Sha256, Sha512};
use zeroize::Zeroizing;

use super::private_key::PrivateKeys;
use super::{Distrust, Sgid, SgidError, Step};
use crate::login::UpstreamSubject;
use crate::oidc::json;

const MAX_FIELDS: usize = 64;
const MAX_JWE_BYTES: usize = 128 * 1024;
/// What a key of 2048 to 4096 bits encrypts to.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=512;

type Fields = BTreeMap<String, String>;

impl Sgid {
    /// Checks whom userinfo speaks of, then opens the wanted fields. Others are dropped unread.
    pub(super) async fn open(
        &self,
        userinfo: Zeroizing<Vec<u8>>,
        subject: &UpstreamSubject,
        wanted: BTreeSet<&str>,
    ) -> Result<Fields, SgidError> {
        let distrust = |reason| SgidError::Untrusted {
            step: Step::Payload,
            reason,
        };
        let Some(sealed) = Sealed::parse(&userinfo, subject, &wanted).map_err(distrust)? else {
            return Ok(Fields::new());
        };
        let Ok(_permit) = self.decryptions.acquire().await else {
            return Err(distrust(Distrust::Decryption));
        };
        let keys = Arc::clone(&self.private_keys);
        tokio::task::spawn_blocking(move || sealed.open(&keys))
            .await
            .map_err(|_| distrust(Distrust::Decryption))?
            .map_err(distrust)
    }
}

/// A userinfo answer about the right person, with what is to be opened.
struct Sealed {
    block_key: String,
    fields: BTreeMap<String, String>,
}

impl Sealed {
    /// `None` where there is nothing to open: sgID leaves `key` and `data` out for `openid` alone.
    fn parse(
        userinfo: &[u8],
        subject: &UpstreamSubject,
        wanted: &BTreeSet<&str>,
    ) -> Result<Option<Self>, Distrust> {
        let mut members = json::parse_object(userinfo).map_err(|_| Distrust::NotJson)?;
        if !members
            .get("sub")
            .and_then(Value::as_str)
            .is_some_and(|sub| subject.is(sub))
        {
            return Err(Distrust::Subject);
        }
        let mut take = |name| members.remove(name).filter(|value| !value.is_null());
        let (key, data) = (take("key"), take("data"));
        let Some(data) = data else {
            return Ok(None);
        };
        let Value::Object(data) = data else {
            return Err(Distrust::Member);
        };
        if data.len() > MAX_FIELDS {
            return Err(Distrust::TooManyFields);
        }
        let mut fields = BTreeMap::new();
        for (name, value) in data {
            match value {
                _ if !wanted.contains(name.as_str()) => {}
                Value::Null => {}
                Value::String(text) if text.is_empty() => {}
                Value::String(jwe) => {
                    fields.insert(name, jwe);
                }
                _ => return Err(Distrust::Member),
            }
        }
        match (key, fields.is_empty()) {
            (_, true) => Ok(None),
            (Some(Value::String(block_key)), false) => Ok(Some(Self { block_key, fields })),
            // Fields without a key to open them are no data that may be passed over.
            (_, false) => Err(Distrust::Member),
        }
    }

    /// All or nothing: one field that does not open fails the login.
    fn open(&self, keys: &PrivateKeys) -> Result<Fields, Distrust> {
        let block_key = open_block_key(&self.block_key, keys)?;
        self.fields
            .iter()
            .map(|(name, jwe)| Ok((name.clone(), open_field(jwe, &block_key)?)))
            .collect()
    }
}

/// The content encryptions that we accept. RFC 7518 section 5.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ContentEncryption {
    A128Gcm,
    A256Gcm,
    A128CbcHs256,
    A256CbcHs512,
}

impl ContentEncryption {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "A128GCM" => Some(Self::A128Gcm),
            "A256GCM" => Some(Self::A256Gcm),
            "A128CBC-HS256" => Some(Self::A128CbcHs256),
            "A256CBC-HS512" => Some(Self::A256CbcHs512),
            _ => None,
        }
    }

    fn library(self) -> &'static dyn JweContentEncryption {
        match self {
            Self::A128Gcm => &AesgcmJweEncryption::A128gcm,
            Self::A256Gcm => &AesgcmJweEncryption::A256gcm,
            Self::A128CbcHs256 => &AescbcHmacJweEncryption::A128cbcHs256,
            Self::A256CbcHs512 => &AescbcHmacJweEncryption::A256cbcHs512,
        }
    }

    /// Bytes of key, initialisation vector and tag.
    const fn lengths(self) -> (usize, usize, usize) {
        match self {
            Self::A128Gcm => (16, 12, 16),
            Self::A256Gcm => (32, 12, 16),
            Self::A128CbcHs256 => (32, 16, 16),
            Self::A256CbcHs512 => (64, 16, 32),
        }
    }
}

/// A compact JWE whose form is right and whose algorithms are allowed.
struct CheckedJwe<'a> {
    encoded_header: &'a str,
    header: JweHeader,
    algorithm: String,
    kid: Option<String>,
    encryption: ContentEncryption,
    encrypted_key: Vec<u8>,
    iv: Vec<u8>,
    ciphertext: Vec<u8>,
    tag: Vec<u8>,
}

impl<'a> CheckedJwe<'a> {
    fn parse(text: &'a str) -> Result<Self, Distrust> {
        let parts: Vec<&str> = text.splitn(6, '.').collect();
        let [encoded_header, encrypted_key, iv, ciphertext, tag] = parts.as_slice() else {
            return Err(Distrust::Compact);
        };
        if text.len() > MAX_JWE_BYTES {
            return Err(Distrust::TooLarge);
        }
        let members =
            json::parse_object(&decoded(encoded_header)?).map_err(|_| Distrust::NotJson)?;
        check_header_members(&members)?;
        let member = |name| members.get(name).and_then(Value::as_str).map(str::to_owned);
        let algorithm = member("alg").ok_or(Distrust::Algorithm)?;
        let encryption = member("enc")
            .and_then(|name| ContentEncryption::parse(&name))
            .ok_or(Distrust::Algorithm)?;
        check_key_wrapping(&members, algorithm.ends_with("GCMKW"))?;
        let jwe = Self {
            encoded_header,
            kid: member("kid"),
            header: JweHeader::from_map(members).map_err(|_| Distrust::Header)?,
            encryption,
            encrypted_key: decoded(encrypted_key)?,
            iv: decoded(iv)?,
            ciphertext: decoded(ciphertext)?,
            tag: decoded(tag)?,
            algorithm,
        };
        jwe.check_lengths()?;
        Ok(jwe)
    }

    /// The library checks none of these, and one of its key unwrappings cannot bear a short key.
    fn check_lengths(&self) -> Result<(), Distrust> {
        let (key, iv, tag) = self.encryption.lengths();
        let wrapped = match self.algorithm.as_str() {
            "dir" => 0..=0,
            "A128KW" | "A256KW" => key + 8..=key + 8,
            "A128GCMKW" | "A256GCMKW" => key..=key,
            "RSA-OAEP" | "RSA-OAEP-256" => RSA_BYTES,
            _ => return Err(Distrust::Algorithm),
        };
        let fits = wrapped.contains(&self.encrypted_key.len())
            && self.iv.len() == iv
            && self.tag.len() == tag;
        fits.then_some(()).ok_or(Distrust::Compact)
    }

    /// Unwraps the content key, verifies the tag, and only then decrypts. The library would decrypt CBC before it
    /// looks at the tag (RFC 7518 section 5.2.2.2), so its convenience is not taken.
    fn decrypt(&self, decrypter: &dyn JweDecrypter) -> Result<Zeroizing<Vec<u8>>, Distrust> {
        let failed = |_: JoseError| Distrust::Decryption;
        let wrapped = (!self.encrypted_key.is_empty()).then_some(self.encrypted_key.as_slice());
        let library = self.encryption.library();
        let key = decrypter
            .decrypt(wrapped, library, &self.header)
            .map_err(failed)?;
        let key = Zeroizing::new(key.into_owned());
        let (key_bytes, _, _) = self.encryption.lengths();
        if key.len() != key_bytes {
            return Err(Distrust::Decryption);
        }
        self.verify_cbc_tag(&key)?;
        let (iv, tag) = (Some(self.iv.as_slice()), Some(self.tag.as_slice()));
        let associated_data = self.encoded_header.as_bytes();
        let plaintext = library.decrypt(&key, iv, &self.ciphertext, associated_data, tag);
        plaintext.map(Zeroizing::new).map_err(failed)
    }

    /// HMAC over header, vector and ciphertext, compared in constant time. GCM has its tag in the cipher itself.
    fn verify_cbc_tag(&self, key: &[u8]) -> Result<(), Distrust> {
        let bits = (8 * self.encoded_header.len() as u64).to_be_bytes();
        let parts = [
            self.encoded_header.as_bytes(),
            &self.iv,
            &self.ciphertext,
            &bits,
        ];
        let (mac_key, _) = key.split_at(key.len() / 2);
        let is_genuine = match self.encryption {
            ContentEncryption::A128Gcm | ContentEncryption::A256Gcm => true,
            ContentEncryption::A128CbcHs256 => {
                hmac_fits::<Hmac<Sha256>>(mac_key, &parts, &self.tag)
            }
            ContentEncryption::A256CbcHs512 => {
                hmac_fits::<Hmac<Sha512>>(mac_key, &parts, &self.tag)
            }
        };
        is_genuine.then_some(()).ok_or(Distrust::Decryption)
    }
}

fn hmac_fits<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]], left_half: &[u8]) -> bool {
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else {
        return false;
    };
    for part in parts {
        mac.update(part);
    }
    mac.verify_truncated_left(left_half).is_ok()
}

fn decoded(part: &str) -> Result<Vec<u8>, Distrust> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Distrust::Compact)
}

/// Everything else, `zip` and `crit` above all, changes what the library would do.
fn check_header_members(header: &Map<String, Value>) -> Result<(), Distrust> {
    const ALLOWED: [&str; 7] = ["alg", "enc", "kid", "iv", "tag", "typ", "cty"];
    header
        .iter()
        .all(|(name, value)| ALLOWED.contains(&name.as_str()) && value.is_string())
        .then_some(())
        .ok_or(Distrust::Header)
}

/// `iv` and `tag` in the header belong to AES-GCM key wrapping, with full lengths. RFC 7518 section 4.7.1.
fn check_key_wrapping(header: &Map<String, Value>, wraps_with_gcm: bool) -> Result<(), Distrust> {
    let length = |name| match header.get(name).and_then(Value::as_str) {
        Some(text) => decoded(text).map(|bytes| Some(bytes.len())),
        None => Ok(None),
    };
    let expected = if wraps_with_gcm {
        (Some(12), Some(16))
    } else {
        (None, None)
    };
    if (length("iv")?, length("tag")?) == expected {
        Ok(())
    } else {
        Err(Distrust::Header)
    }
}

/// The key of all fields of one answer.
struct BlockKey(Zeroizing<Vec<u8>>);

fn open_block_key(text: &str, keys: &PrivateKeys) -> Result<BlockKey, Distrust> {
    let jwe = CheckedJwe::parse(text)?;
    let with_sha_256 = match jwe.algorithm.as_str() {
        "RSA-OAEP-256" => true,
        "RSA-OAEP" => false,
        _ => return Err(Distrust::Algorithm),
    };
    let mut refusal = Distrust::Decryption;
    for key in keys.candidates(jwe.kid.as_deref()) {
        let decrypter = if with_sha_256 {
            &key.oaep_256
        } else {
            &key.oaep
        };
        match jwe.decrypt(decrypter) {
            Ok(plaintext) => return BlockKey::parse(&plaintext),
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}

impl BlockKey {
    /// A JWK of type `oct`. Its `alg` names a content encryption in some answers and a key wrapping in others, so it
    /// is not looked at; nor is `kid`. A key in Python's quotes once existed.
    fn parse(plaintext: &[u8]) -> Result<Self, Distrust> {
        let jwk = json::parse_object(plaintext).or_else(|_| {
            let requoted: Zeroizing<Vec<u8>> = Zeroizing::new(
                plaintext
                    .iter()
                    .map(|&byte| if byte == b'\'' { b'"' } else { byte })
                    .collect(),
            );
            json::parse_object(&requoted)
        });
        let jwk = jwk.map_err(|_| Distrust::BlockKey)?;
        let member = |name| jwk.get(name).and_then(Value::as_str);
        if member("kty") != Some("oct") {
            return Err(Distrust::BlockKey);
        }
        let key = member("k")
            .and_then(|k| URL_SAFE_NO_PAD.decode(k).ok())
            .map(Zeroizing::new)
            .filter(|key| matches!(key.len(), 16 | 32));
        key.map(Self).ok_or(Distrust::BlockKey)
    }

    fn decrypter(&self, jwe: &CheckedJwe<'_>) -> Result<Box<dyn JweDecrypter>, Distrust> {
        let key = self.0.as_slice();
        let refused = |_| Distrust::BlockKey;
        let (key_bytes, _, _) = jwe.encryption.lengths();
        match (jwe.algorithm.as_str(), key.len()) {
            ("dir", length) if length == key_bytes => {
                Ok(Box::new(Dir.decrypter_from_bytes(key).map_err(refused)?))
            }
            ("A128GCMKW", 16) => Ok(Box::new(
                A128GCMKW.decrypter_from_bytes(key).map_err(refused)?,
            )),
            ("A256GCMKW", 32) => Ok(Box::new(
                A256GCMKW.decrypter_from_bytes(key).map_err(refused)?,
            )),
            ("A128KW", 16) => Ok(Box::new(A128KW.decrypter_from_bytes(key).map_err(refused)?)),
            ("A256KW", 32) => Ok(Box::new(A256KW.decrypter_from_bytes(key).map_err(refused)?)),
            ("dir" | "A128GCMKW" | "A256GCMKW" | "A128KW" | "A256KW", _) => Err(Distrust::BlockKey),
            _ => Err(Distrust::Algorithm),
        }
    }
}

fn open_field(text: &str, block_key: &BlockKey) -> Result<String, Distrust> {
    let jwe = CheckedJwe::parse(text)?;
    let plaintext = jwe.decrypt(&*block_key.decrypter(&jwe)?)?;
    String::from_utf8(plaintext.to_vec()).map_err(|_| Distrust::NotText)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIR_128: &str = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..R5uPo6x05v7g6PAv.JKnnKXnarqwK4vJqlQVPPAI.vl3QgHQBPoZuVpZ0-zetvg";
    const WRAPPED_128: &str = "eyJhbGciOiJBMTI4R0NNS1ciLCJlbmMiOiJBMTI4R0NNIiwiaXYiOiIxMzBDNTNmV0RRbjRBUXVPIiwidGFnIjoiNG1QU3BYRU5xaDJ5UEpBaUUybnNmdyJ9.ORB69ZV8j1IkM5JC6bw_0w.HgzFXvA3d-1EYRYv.GPYlpYOMYv6hFcN34n21gv8.O7MdsBZSiiKlPb10gC6uwg";
    const DIR_256: &str = "eyJlbmMiOiJBMjU2R0NNIiwiYWxnIjoiZGlyIiwia2lkIjoiZXhhbXBsZS1ibG9jay1rZXkifQ..49eGWBa2PEZig15n.GhQq23wjHIpWUsosZnILVyNanz7r4GoqgNKy9DuSsnpjKiOK1hjQTw.3OPhkh9YuNBglG1eK5e9fg";

    fn counting_key(bytes: u8) -> BlockKey {
        let k = URL_SAFE_NO_PAD.encode((0..bytes).collect::<Vec<u8>>());
        BlockKey::parse(format!(r#"{{"kty":"oct","alg":"A128GCM","k":"{k}"}}"#).as_bytes()).unwrap()
    }

    #[test]
    fn known_fields_open() {
        assert_eq!(
            open_field(DIR_128, &counting_key(16)).unwrap(),
            "SAMPLE PERSON ONE"
        );
        assert_eq!(
            open_field(WRAPPED_128, &counting_key(16)).unwrap(),
            "SAMPLE PERSON ONE"
        );
        assert_eq!(
            open_field(DIR_256, &counting_key(32)).unwrap(),
            "1 EXAMPLE STREET\n#01-01\nSINGAPORE 000001"
        );
    }

    #[test]
    fn a_field_does_not_open_with_a_key_of_another_length() {
        assert_eq!(
            open_field(DIR_256, &counting_key(16)),
            Err(Distrust::BlockKey)
        );
        assert_eq!(
            open_field(WRAPPED_128, &counting_key(32)),
            Err(Distrust::BlockKey)
        );
    }

    #[test]
    fn a_cbc_tag_is_verified_before_anything_is_decrypted() {
        let key = counting_key(32);
        let mut header = JweHeader::new();
        header.set_content_encryption("A128CBC-HS256");
        let encrypter = Dir.encrypter_from_bytes(&*key.0).unwrap();
        let jwe = josekit::jwe::serialize_compact(b"SAMPLE", &header, &encrypter).unwrap();
        assert_eq!(open_field(&jwe, &key).unwrap(), "SAMPLE");
        let parts: Vec<Vec<u8>> = jwe
            .split('.')
            .map(|part| URL_SAFE_NO_PAD.decode(part).unwrap())
            .collect();
        // The last block decides about padding, the tag about everything: whichever is spoilt, the answer is one.
        for (part, byte) in [(2, 0), (3, 15), (4, 0), (4, 15)] {
            let mut spoilt = parts.clone();
            spoilt[part][byte] ^= 1;
            let spoilt: Vec<String> = spoilt
                .iter()
                .map(|part| URL_SAFE_NO_PAD.encode(part))
                .collect();
            assert_eq!(
                open_field(&spoilt.join("."), &key),
                Err(Distrust::Decryption)
            );
        }
        let checked = CheckedJwe::parse(&jwe).unwrap();
        assert_eq!(checked.verify_cbc_tag(&key.0), Ok(()));
        assert_eq!(checked.verify_cbc_tag(&[0; 32]), Err(Distrust::Decryption));
    }

    #[test]
    fn a_wrapped_key_of_another_length_never_reaches_the_library() {
        let (iv, tag) = (
            URL_SAFE_NO_PAD.encode([0; 12]),
            URL_SAFE_NO_PAD.encode([0; 16]),
        );
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"A128KW","enc":"A128GCM"}"#);
        for bytes in 0..40 {
            let wrapped = URL_SAFE_NO_PAD.encode(vec![0; bytes]);
            let jwe = format!("{header}.{wrapped}.{iv}.AAAA.{tag}");
            let expected = if bytes == 24 {
                Distrust::Decryption
            } else {
                Distrust::Compact
            };
            assert_eq!(
                open_field(&jwe, &counting_key(16)),
                Err(expected),
                "{bytes}"
            );
        }
    }

    #[test]
    fn an_altered_field_does_not_open() {
        let mut altered = DIR_128.to_owned();
        let place = altered.rfind(".vl3").unwrap() - 2;
        altered.replace_range(place..=place, "Q");
        assert_eq!(
            open_field(&altered, &counting_key(16)),
            Err(Distrust::Decryption)
        );
    }

    #[test]
    fn short_tags_and_vectors_are_refused_before_the_library_sees_them() {
        let (rest, tag) = DIR_128.rsplit_once('.').unwrap();
        let short_tag = format!("{rest}.{}", &tag[..6]);
        assert_eq!(
            open_field(&short_tag, &counting_key(16)),
            Err(Distrust::Compact)
        );
        let short_iv = DIR_128.replace("R5uPo6x05v7g6PAv", "R5uPo6w");
        assert_eq!(
            open_field(&short_iv, &counting_key(16)),
            Err(Distrust::Compact)
        );
        let no_tag = format!("{rest}.");
        assert_eq!(
            open_field(&no_tag, &counting_key(16)),
            Err(Distrust::Compact)
        );
    }

    #[test]
    fn header_members_and_algorithms_outside_the_allow_list_are_refused() {
        let (_, body) = DIR_128.split_once('.').unwrap();
        let with_header = |header: &str| {
            let text = format!("{}.{body}", URL_SAFE_NO_PAD.encode(header));
            open_field(&text, &counting_key(16)).unwrap_err()
        };
        assert_eq!(
            with_header(r#"{"alg":"dir","enc":"A128GCM","zip":"DEF"}"#),
            Distrust::Header
        );
        assert_eq!(
            with_header(r#"{"alg":"dir","enc":"A128GCM","crit":["x"]}"#),
            Distrust::Header
        );
        assert_eq!(
            with_header(r#"{"alg":"dir","enc":"A128GCM","kid":1}"#),
            Distrust::Header
        );
        assert_eq!(
            with_header(r#"{"alg":"dir","alg":"dir","enc":"A128GCM"}"#),
            Distrust::NotJson
        );
        assert_eq!(
            with_header(r#"{"alg":"ECDH-ES","enc":"A128GCM"}"#),
            Distrust::Algorithm
        );
        assert_eq!(
            with_header(r#"{"alg":"PBES2-HS256+A128KW","enc":"A128GCM"}"#),
            Distrust::Algorithm
        );
        assert_eq!(
            with_header(r#"{"alg":"RSA1_5","enc":"A128GCM"}"#),
            Distrust::Algorithm
        );
        assert_eq!(
            with_header(r#"{"alg":"dir","enc":"A192GCM"}"#),
            Distrust::Algorithm
        );
        assert_eq!(
            with_header(r#"{"alg":"A128GCMKW","enc":"A128GCM","iv":"AAAA","tag":"AAAA"}"#),
            Distrust::Header
        );
        assert_eq!(
            with_header(r#"{"alg":"A128GCMKW","enc":"A128GCM"}"#),
            Distrust::Header
        );
    }

    #[test]
    fn a_block_key_in_pythons_quotes_is_read() {
        let key = BlockKey::parse(b"{'kty': 'oct', 'k': 'AAECAwQFBgcICQoLDA0ODw'}").unwrap();
        assert_eq!(open_field(DIR_128, &key).unwrap(), "SAMPLE PERSON ONE");
    }

    #[test]
    fn what_is_no_block_key_is_refused() {
        for bad in [
            "[]",
            r#"{"kty":"RSA","k":"AAECAwQFBgcICQoLDA0ODw"}"#,
            r#"{"kty":"oct"}"#,
            r#"{"kty":"oct","k":"AAEC"}"#,
            r#"{"kty":"oct","k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"}"#,
            "not json",
        ] {
            assert!(BlockKey::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_wanted_fields_of_the_right_person_are_taken_up() {
        let subject = UpstreamSubject::new("u=1".to_owned());
        let wanted = BTreeSet::from(["myinfo.name"]);
        let parse = |text: &str| Sealed::parse(text.as_bytes(), &subject, &wanted);
        let sealed =
            parse(r#"{"sub":"u=1","key":"k","data":{"myinfo.name":"a","myinfo.nric_number":"b"}}"#)
                .unwrap()
                .unwrap();
        assert_eq!(sealed.fields.keys().collect::<Vec<_>>(), ["myinfo.name"]);
        assert!(parse(r#"{"sub":"u=1"}"#).unwrap().is_none());
        assert!(
            parse(r#"{"sub":"u=1","data":{"myinfo.race":"x"}}"#)
                .unwrap()
                .is_none()
        );
        assert!(matches!(
            parse(r#"{"sub":"u=1","data":{"myinfo.name":"x"}}"#),
            Err(Distrust::Member)
        ));
        assert!(
            parse(r#"{"sub":"u=1","key":null,"data":null}"#)
                .unwrap()
                .is_none()
        );
        assert!(matches!(
            parse(r#"{"sub":"u=2","key":"k","data":{}}"#),
            Err(Distrust::Subject)
        ));
        assert!(matches!(
            parse(r#"{"key":"k","data":{}}"#),
            Err(Distrust::Subject)
        ));
        assert!(matches!(
            parse(r#"{"sub":"u=1","key":"k","data":{"myinfo.name":1}}"#),
            Err(Distrust::Member)
        ));
        assert!(matches!(
            parse(r#"{"sub":"u=1","sub":"u=1"}"#),
            Err(Distrust::NotJson)
        ));
    }

    proptest! {
        #[test]
        fn no_input_panics(text in ".{0,120}", header in "\\{\"alg\":\"(dir|A128KW|A128GCMKW|x)\",\"enc\":\"(A128GCM|A128CBC-HS256)\"\\}", rest in "(\\.[A-Za-z0-9_-]{0,24}){4}") {
            let key = counting_key(16);
            let _ = open_field(&text, &key);
            let _ = open_field(&format!("{}{rest}", URL_SAFE_NO_PAD.encode(header)), &key);
            let _ = BlockKey::parse(text.as_bytes());
        }
    }
}
