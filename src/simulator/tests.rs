//! The userinfo payload as an unsuspecting client opens it: with josekit, which checks little.

use super::{
    Misbehaviour as M, generate_client_key,
    payload::{Ingredients, userinfo},
    persona,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use josekit::jwe::{A128GCMKW, Dir, JweDecrypter, RSA_OAEP, RSA_OAEP_256, deserialize_compact};
use serde_json::Value;
use std::sync::LazyLock;

static KEYS: LazyLock<(String, String)> = LazyLock::new(generate_client_key);

fn answer(scopes: &[&str], misbehaviour: M) -> Value {
    let scopes: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    let ingredients = Ingredients {
        subject: "subject",
        scopes: &scopes,
        persona: persona::find("citizen").expect("a citizen"),
        client_key_pem: &KEYS.1,
    };
    serde_json::from_str(&userinfo(&ingredients, misbehaviour)).expect("JSON")
}

/// The value of one field, by the most trusting reading; `None` if it does not open even so.
fn open(answer: &Value, scope: &str) -> Option<Vec<u8>> {
    let key = answer["key"].as_str()?;
    let header = part(key, 0)?;
    let decrypter = match serde_json::from_slice::<Value>(&header).ok()?["alg"].as_str()? {
        "RSA-OAEP-256" => RSA_OAEP_256.decrypter_from_pem(&KEYS.0),
        "RSA-OAEP" => RSA_OAEP.decrypter_from_pem(&KEYS.0),
        _ => return None,
    };
    let (jwk, _) = deserialize_compact(key, &decrypter.ok()?).ok()?;
    let jwk = String::from_utf8(jwk).ok()?.replace('\'', "\"");
    let jwk: Value = serde_json::from_str(&jwk).ok()?;
    let block_key = B64.decode(jwk["k"].as_str()?).ok()?;
    let field = answer["data"][scope].as_str()?;
    let header: Value = serde_json::from_slice(&part(field, 0)?).ok()?;
    let decrypter: Box<dyn JweDecrypter> = match header["alg"].as_str()? {
        "dir" => Box::new(Dir.decrypter_from_bytes(&block_key).ok()?),
        "A128GCMKW" => Box::new(A128GCMKW.decrypter_from_bytes(block_key.get(..16)?).ok()?),
        _ => return None,
    };
    deserialize_compact(field, &*decrypter)
        .ok()
        .map(|(plaintext, _)| plaintext)
}

fn part(compact: &str, index: usize) -> Option<Vec<u8>> {
    B64.decode(compact.split('.').nth(index)?).ok()
}

#[test]
fn the_identifier_alone_comes_without_key_and_data() {
    assert_eq!(
        answer(&["openid"], M::None).to_string(),
        r#"{"sub":"subject"}"#
    );
}

#[test]
fn fields_open_in_every_legal_form() {
    for misbehaviour in [
        M::None,
        M::BlockKeyRsaOaepSha1,
        M::BlockKeyPythonQuoted,
        M::BlockKey256Dir,
        M::BlockKeyDir128,
        M::BlockKeyCbc,
        M::UserinfoExtraFields,
    ] {
        let answer = answer(&["openid", "myinfo.name", "made.up"], misbehaviour);
        let name = open(&answer, "myinfo.name");
        assert_eq!(
            name.as_deref(),
            Some(&b"SAMPLE TAN MEI LING"[..]),
            "{misbehaviour:?}"
        );
        assert_eq!(open(&answer, "made.up").as_deref(), Some(&b"NA"[..]));
        let nric = open(&answer, "myinfo.nric_number");
        assert_eq!(nric.is_some(), misbehaviour == M::UserinfoExtraFields);
    }
}

/// These are no test of a client unless everything but the one thing is right.
#[test]
fn a_careless_client_falls_for_these() {
    for misbehaviour in [
        M::FieldShortIv,
        M::FieldTruncatedTag,
        M::FieldWithZip,
        M::BlockKeyNotOct,
        M::BlockKeyWrongLength,
        M::BlockKeyWithZip,
        M::FieldSwapped,
        M::UserinfoWrongSubject,
    ] {
        let answer = answer(
            &["openid", "myinfo.name", "myinfo.date_of_birth"],
            misbehaviour,
        );
        let expected: &[u8] = match misbehaviour {
            M::FieldSwapped => b"SAMPLE TAN MEI LING",
            _ => b"1990-02-03",
        };
        assert_eq!(
            open(&answer, "myinfo.date_of_birth").as_deref(),
            Some(expected),
            "{misbehaviour:?}"
        );
    }
}

#[test]
fn these_do_not_open_for_anybody() {
    for misbehaviour in [
        M::BlockKeyForOtherRsaKey,
        M::FieldAltered,
        M::FieldWrongKey,
        M::FieldFourParts,
        M::FieldAlgPbes2,
        M::FieldAlgEcdhEs,
    ] {
        let answer = answer(&["openid", "myinfo.name"], misbehaviour);
        assert_eq!(open(&answer, "myinfo.name"), None, "{misbehaviour:?}");
    }
}

#[test]
fn every_misbehaviour_of_the_payload_gives_an_answer() {
    for misbehaviour in M::ALL {
        let answer = answer(&["openid", "myinfo.email"], *misbehaviour);
        assert!(answer.is_object(), "{misbehaviour:?}");
    }
}
