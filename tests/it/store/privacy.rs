//! A copy of the database says nothing. Security requirements DA-1 and DA-3.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sgid_bridge::secret::{Bearer, BearerKind};
use sha2::{Digest as _, Sha256};

use super::on_both_engines;
use super::place::Place;
use super::signing_keys::key;
use super::values::{A_MINUTE, A_SECOND, NOW, PLANTED, access, fresh, grant, login, origin};
use crate::support::tables::Tables;

async fn nothing_in_the_database_is_legible(place: &Place) {
    let store = place.store().await;
    let (state, cookie, code, token) = (fresh(), fresh(), fresh(), fresh());
    let (login, grant, access) = (login(), grant(), access());
    let expires_at = NOW.after(A_MINUTE);
    store
        .put_login(&state, &cookie, &login, expires_at)
        .await
        .unwrap();
    store.put_code(&code, &grant, expires_at).await.unwrap();
    let row = store.find_code(&code, NOW).await.unwrap().unwrap().row;
    store
        .spend_code(origin(&row), &token, &access)
        .await
        .unwrap();
    let secret = store.pairwise_secret().await.unwrap();
    let key = key(1);
    store.put_signing_key(&key).await.unwrap();

    let mut planted: Vec<Vec<u8>> = PLANTED.map(|text| text.as_bytes().to_vec()).to_vec();
    for text in [
        login.attempt().upstream_nonce.expose(),
        login.attempt().code_verifier.expose(),
        grant.subject().as_str(),
        access.subject.as_str(),
    ] {
        planted.push(text.as_bytes().to_vec());
    }
    planted.extend(faces(&state));
    planted.extend(faces(&cookie));
    planted.extend(faces(&code));
    planted.extend(faces(&token));
    planted.push(secret.expose().to_vec());
    let material = serde_json::to_value(&key.material).unwrap();
    let pkcs8 = material["pkcs8"].as_str().unwrap();
    planted.push(pkcs8.as_bytes().to_vec());
    planted.push(URL_SAFE_NO_PAD.decode(pkcs8).unwrap());
    planted.push(place.master_key.expose().as_bytes().to_vec());
    planted.push(URL_SAFE_NO_PAD.decode(&*place.master_key.expose()).unwrap());

    let kept = Tables::open(&place.url()).await.everything().await;
    let files = place
        .sqlite_file()
        .map(|file| file.parent().unwrap().to_owned());
    let files = files.map(|folder| std::fs::read_dir(folder).unwrap());
    let files = files.into_iter().flatten();
    let files = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
    let kept: Vec<Vec<u8>> = kept
        .into_iter()
        .map(|(_, value)| value)
        .chain(files)
        .collect();

    // What is known to be there is found, so whatever else is there would be found too.
    let there = place.master_keys().faces("access_token", &token).row;
    assert!(holds(&kept, there.as_bytes()));
    assert!(holds(&kept, b"ES256/1"));
    for value in &planted {
        for spelling in spellings(value) {
            let legible = String::from_utf8_lossy(&spelling);
            assert!(!holds(&kept, &spelling), "in the database: {legible}");
        }
    }
}

async fn claims_are_gone_when_the_last_token_is(place: &Place) {
    let store = place.store().await;
    let (code, token) = (fresh(), fresh());
    let expires_at = NOW.after(A_MINUTE);
    store
        .put_code(&code, &grant(), NOW.after(A_SECOND))
        .await
        .unwrap();
    let row = store.find_code(&code, NOW).await.unwrap().unwrap().row;
    store
        .spend_code(origin(&row), &token, &access())
        .await
        .unwrap();
    store.sweep(expires_at).await.unwrap();
    let mut intruder = place.intruder().await;
    for table in ["authorization_code", "access_token"] {
        assert!(intruder.letters(table).await.is_empty(), "{table}");
    }
}

/// A bearer value as its holder writes it, and the bytes behind it.
fn faces<K: BearerKind>(bearer: &Bearer<K>) -> [Vec<u8>; 2] {
    let text = bearer.expose();
    let bytes = URL_SAFE_NO_PAD.decode(&text[K::PREFIX.len()..]).unwrap();
    [text.into_bytes(), bytes]
}

/// The value itself, and what anybody could make of it or find it by.
fn spellings(value: &[u8]) -> Vec<Vec<u8>> {
    let hash = Sha256::digest(value);
    let hexadecimal = |bytes: &[u8]| {
        let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        digits.concat().into_bytes()
    };
    vec![
        value.to_vec(),
        hexadecimal(value),
        STANDARD.encode(value).trim_end_matches('=').into(),
        URL_SAFE_NO_PAD.encode(value).into_bytes(),
        hash.to_vec(),
        hexadecimal(&hash),
        URL_SAFE_NO_PAD.encode(hash).into_bytes(),
    ]
}

fn holds(kept: &[Vec<u8>], value: &[u8]) -> bool {
    kept.iter()
        .any(|bytes| bytes.windows(value.len()).any(|window| window == value))
}

on_both_engines! {
    nothing_in_the_database_is_legible,
    claims_are_gone_when_the_last_token_is,
}
