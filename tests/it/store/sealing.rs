//! A row opens only where it was sealed and as it was sealed. Security requirement DA-2.

use sgid_bridge::clock::Timestamp;
use sgid_bridge::secret::{AccessToken, AuthorizationCode, Bearer};
use sgid_bridge::store::{Store, StoreError};

use super::on_both_engines;
use super::place::{Intruder, Place};
use super::signing_keys::key;
use super::values::{NOW, access, fresh, grant, login, origin};

const EXPIRES_AT: Timestamp = Timestamp::from_seconds(NOW.seconds() + 60);

async fn letters_that_changed_places_do_not_open(place: &Place) {
    let store = place.store().await;
    let mut intruder = place.intruder().await;

    let logins = [(fresh(), fresh()), (fresh(), fresh())];
    for (state, cookie) in &logins {
        store
            .put_login(state, cookie, &login(), EXPIRES_AT)
            .await
            .unwrap();
    }
    let [one, other] = spent_codes(&store).await;
    for number in 1..=2 {
        store.put_signing_key(&key(number)).await.unwrap();
    }
    for table in ["login", "authorization_code", "access_token", "signing_key"] {
        intruder.swap(table).await;
    }

    for (state, cookie) in &logins {
        assert_does_not_open(store.take_login(state, cookie, NOW).await);
    }
    for (code, token) in [one, other] {
        assert_does_not_open(store.find_code(&code, NOW).await);
        assert_does_not_open(store.find_access_token(&token, NOW).await);
    }
    assert_does_not_open(store.signing_keys().await);
}

async fn a_letter_in_the_row_of_another_table_does_not_open(place: &Place) {
    let store = place.store().await;
    let mut intruder = place.intruder().await;
    let (code, token) = spent_code(&store).await;
    let of_code = intruder.letter("authorization_code").await;
    let of_token = intruder.letter("access_token").await;
    intruder.exchange("access_token", &of_token, &of_code).await;
    intruder
        .exchange("authorization_code", &of_code, &of_token)
        .await;
    assert_does_not_open(store.find_code(&code, NOW).await);
    assert_does_not_open(store.find_access_token(&token, NOW).await);

    store.put_signing_key(&key(1)).await.unwrap();
    store.pairwise_secret().await.unwrap();
    let of_key = intruder.letter("signing_key").await;
    let of_secret = intruder.letter("deployment_secret").await;
    intruder.exchange("signing_key", &of_key, &of_secret).await;
    intruder
        .exchange("deployment_secret", &of_secret, &of_key)
        .await;
    assert_does_not_open(store.signing_keys().await);
    assert_does_not_open(store.pairwise_secret().await);
}

async fn a_row_that_was_moved_to_a_thiefs_id_does_not_open_for_the_thief(place: &Place) {
    let store = place.store().await;
    let mut intruder = place.intruder().await;
    spent_code(&store).await;
    let master_keys = place.master_keys();

    let code = fresh::<AuthorizationCode>();
    let row = master_keys.faces("authorization_code", &code).row;
    move_to(&mut intruder, "authorization_code", row.as_bytes()).await;
    assert_does_not_open(store.find_code(&code, NOW).await);

    let token = fresh::<AccessToken>();
    let row = master_keys.faces("access_token", &token).row;
    move_to(&mut intruder, "access_token", row.as_bytes()).await;
    assert_does_not_open(store.find_access_token(&token, NOW).await);

    let (state, cookie) = (fresh(), fresh());
    store
        .put_login(&fresh(), &fresh(), &login(), EXPIRES_AT)
        .await
        .unwrap();
    let row = master_keys.joint_faces("login", &state, &cookie).row;
    move_to(&mut intruder, "login", row.as_bytes()).await;
    assert_does_not_open(store.take_login(&state, &cookie, NOW).await);
}

async fn a_letter_with_any_byte_altered_does_not_open(place: &Place) {
    let store = place.store().await;
    let mut intruder = place.intruder().await;
    let (code, token) = spent_code(&store).await;
    store.put_signing_key(&key(1)).await.unwrap();
    store.pairwise_secret().await.unwrap();

    for table in [
        "authorization_code",
        "access_token",
        "signing_key",
        "deployment_secret",
    ] {
        let genuine = intruder.letter(table).await;
        for altered in alterations(&genuine) {
            intruder.exchange(table, &genuine, &altered).await;
            match table {
                "authorization_code" => assert_does_not_open(store.find_code(&code, NOW).await),
                "access_token" => assert_does_not_open(store.find_access_token(&token, NOW).await),
                "signing_key" => assert_does_not_open(store.signing_keys().await),
                _ => assert_does_not_open(store.pairwise_secret().await),
            }
            intruder.exchange(table, &altered, &genuine).await;
        }
    }
    // Back as they were, they open: it was the alteration that was noticed.
    assert!(store.find_code(&code, NOW).await.unwrap().is_some());
    assert!(
        store
            .find_access_token(&token, NOW)
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(store.signing_keys().await.unwrap().len(), 1);
    store.pairwise_secret().await.unwrap();
}

async fn an_altered_login_does_not_open_and_is_gone(place: &Place) {
    let store = place.store().await;
    let mut intruder = place.intruder().await;
    for place_of_byte in [0, 1, 20, usize::MAX] {
        let (state, cookie) = (fresh(), fresh());
        store
            .put_login(&state, &cookie, &login(), EXPIRES_AT)
            .await
            .unwrap();
        let genuine = intruder.letter("login").await;
        let mut altered = genuine.clone();
        altered[place_of_byte.min(genuine.len() - 1)] ^= 1;
        intruder.exchange("login", &genuine, &altered).await;
        assert_does_not_open(store.take_login(&state, &cookie, NOW).await);
        assert_eq!(store.count_logins().await.unwrap(), 0);
    }
}

async fn a_signing_key_that_was_moved_to_another_slot_does_not_open(place: &Place) {
    let store = place.store().await;
    store.put_signing_key(&key(1)).await.unwrap();
    let mut intruder = place.intruder().await;
    let moved = "update signing_key set slot = 'ES256/2'";
    assert_eq!(intruder.execute(moved, &[]).await, 1);
    assert_does_not_open(store.signing_keys().await);
}

/// Every byte changed, cut short, made longer: what stands for "revoked" in one table, nothing at all, aside.
fn alterations(genuine: &[u8]) -> Vec<Vec<u8>> {
    let mut alterations = vec![
        genuine[..genuine.len() - 1].to_vec(),
        genuine[..1].to_vec(),
        [genuine, &[0]].concat(),
    ];
    // Every byte of version, nonce and tag, and a good sample of what is between.
    let inner = 13..genuine.len() - 16;
    let outer = (0..inner.start).chain(inner.end..genuine.len());
    for place_of_byte in outer.chain(inner.step_by(7)) {
        let mut altered = genuine.to_vec();
        altered[place_of_byte] ^= 1;
        alterations.push(altered);
    }
    alterations
}

type SpentCode = (Bearer<AuthorizationCode>, Bearer<AccessToken>);

async fn spent_codes(store: &Store) -> [SpentCode; 2] {
    [spent_code(store).await, spent_code(store).await]
}

async fn spent_code(store: &Store) -> SpentCode {
    let (code, token) = (fresh(), fresh());
    store.put_code(&code, &grant(), EXPIRES_AT).await.unwrap();
    let row = store.find_code(&code, NOW).await.unwrap().unwrap().row;
    store
        .spend_code(origin(&row), &token, &access())
        .await
        .unwrap();
    (code, token)
}

async fn move_to(intruder: &mut Intruder, table: &str, row: &[u8]) {
    let statement = format!("update {table} set id = $1");
    assert_eq!(intruder.execute(&statement, &[row]).await, 1);
}

#[track_caller]
fn assert_does_not_open<T>(outcome: Result<T, StoreError>) {
    match outcome {
        Err(StoreError::DoesNotOpen(_)) => {}
        Err(other) => panic!("another error: {other:?}"),
        Ok(_) => panic!("it opened, or was not even looked at"),
    }
}

on_both_engines! {
    letters_that_changed_places_do_not_open,
    a_letter_in_the_row_of_another_table_does_not_open,
    a_row_that_was_moved_to_a_thiefs_id_does_not_open_for_the_thief,
    a_letter_with_any_byte_altered_does_not_open,
    an_altered_login_does_not_open_and_is_gone,
    a_signing_key_that_was_moved_to_another_slot_does_not_open,
}
