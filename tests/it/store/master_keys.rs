//! The master key: without it nothing opens, and it can be changed while everything goes on. Security requirement KY-4.

use sgid_bridge::keyring::KeyRecord;
use sgid_bridge::secret::{MasterKey, randomness};
use sgid_bridge::store::{Store, StoreError};
use tokio::task::JoinSet;

use super::on_both_engines;
use super::place::Place;
use super::signing_keys::{assert_same, key};
use super::values::{A_MINUTE, NOW, access, fresh, grant, login, origin};

async fn what_a_former_master_key_sealed_still_opens(place: &Place) {
    let before = place.store().await;
    let (state, cookie, code, token) = (fresh(), fresh(), fresh(), fresh());
    let expires_at = NOW.after(A_MINUTE);
    before
        .put_login(&state, &cookie, &login(), expires_at)
        .await
        .unwrap();
    before.put_code(&code, &grant(), expires_at).await.unwrap();
    let row = before.find_code(&code, NOW).await.unwrap().unwrap().row;
    before
        .spend_code(origin(&row), &token, &access())
        .await
        .unwrap();

    let after = place
        .store_with(new_key(), vec![new_key(), place.master_key.clone()])
        .await;
    assert!(after.find_code(&code, NOW).await.unwrap().is_some());
    assert!(
        after
            .find_access_token(&token, NOW)
            .await
            .unwrap()
            .is_some()
    );
    let login = after.take_login(&state, &cookie, NOW).await.unwrap();
    assert!(login.is_some());
    after.revoke_code(&row).await.unwrap();
    assert!(
        before
            .find_access_token(&token, NOW)
            .await
            .unwrap()
            .is_none()
    );
}

async fn standing_secrets_are_sealed_anew_so_that_the_former_key_can_go(place: &Place) {
    let before = place.store().await;
    let secret = pairwise(&before).await;
    let kept = key(1);
    before.put_signing_key(&kept).await.unwrap();
    before.revoke_signing_key(kept.slot, NOW).await.unwrap();

    let new = new_key();
    let new_alone = place.store_with(new.clone(), Vec::new()).await;
    assert_does_not_open(new_alone.pairwise_secret().await);
    assert_does_not_open(new_alone.signing_keys().await);

    let rotating = place.store_with(new, vec![place.master_key.clone()]).await;
    // Only reading them seals no signing key anew: two instances amid a rotation would undo each other's work.
    rotating.signing_keys().await.unwrap();
    before.signing_keys().await.unwrap();
    assert_does_not_open(new_alone.signing_keys().await);
    assert_eq!(rotating.count_letters_under_former_keys().await.unwrap(), 2);
    assert_eq!(rotating.reseal_standing_letters().await.unwrap(), 2);
    assert_eq!(rotating.count_letters_under_former_keys().await.unwrap(), 0);
    assert_eq!(pairwise(&rotating).await, secret);
    let revoked = KeyRecord {
        revoked_at: Some(NOW),
        ..kept
    };
    assert_same(&rotating.signing_keys().await.unwrap()[0], &revoked);

    assert_eq!(pairwise(&new_alone).await, secret);
    assert_same(&new_alone.signing_keys().await.unwrap()[0], &revoked);
    assert_does_not_open(before.pairwise_secret().await);
    assert_does_not_open(before.signing_keys().await);
    assert_does_not_open(before.reseal_standing_letters().await);
    // There is nothing left to do, and doing it again does nothing.
    let mut intruder = place.intruder().await;
    let letter = intruder.letter("signing_key").await;
    assert_eq!(new_alone.reseal_standing_letters().await.unwrap(), 0);
    assert_eq!(intruder.letter("signing_key").await, letter);
}

async fn under_a_wrong_master_key_nothing_is_found_and_nothing_is_spoilt(place: &Place) {
    let right = place.store().await;
    let secret = pairwise(&right).await;
    right.put_signing_key(&key(1)).await.unwrap();
    let (state, cookie, code, token) = (fresh(), fresh(), fresh(), fresh());
    let expires_at = NOW.after(A_MINUTE);
    right
        .put_login(&state, &cookie, &login(), expires_at)
        .await
        .unwrap();
    right.put_code(&code, &grant(), expires_at).await.unwrap();
    let row = right.find_code(&code, NOW).await.unwrap().unwrap().row;
    right
        .spend_code(origin(&row), &token, &access())
        .await
        .unwrap();

    let wrong = place.store_with(new_key(), vec![new_key()]).await;
    assert_does_not_open(wrong.pairwise_secret().await);
    assert_does_not_open(wrong.signing_keys().await);
    assert!(wrong.find_code(&code, NOW).await.unwrap().is_none());
    assert!(
        wrong
            .find_access_token(&token, NOW)
            .await
            .unwrap()
            .is_none()
    );
    let login = wrong.take_login(&state, &cookie, NOW).await.unwrap();
    assert!(login.is_none());

    assert_eq!(pairwise(&right).await, secret);
    assert_eq!(right.signing_keys().await.unwrap().len(), 1);
    assert!(right.find_code(&code, NOW).await.unwrap().is_some());
    assert!(
        right
            .find_access_token(&token, NOW)
            .await
            .unwrap()
            .is_some()
    );
    let login = right.take_login(&state, &cookie, NOW).await.unwrap();
    assert!(login.is_some());
}

async fn looking_for_the_pairwise_secret_makes_none(place: &Place) {
    let store = place.store().await;
    for _ in 0..2 {
        let found = store.find_pairwise_secret().await.unwrap();
        assert!(found.is_none());
    }
    let made = pairwise(&store).await;
    let found = store.find_pairwise_secret().await.unwrap().unwrap();
    assert_eq!(*found.expose(), made);
    let wrong = place.store_with(new_key(), Vec::new()).await;
    assert_does_not_open(wrong.find_pairwise_secret().await);
}

async fn ten_instances_that_need_the_pairwise_secret_at_once_agree(place: &Place) {
    let mut askers = JoinSet::new();
    for _ in 0..10 {
        let store = place.store().await;
        askers.spawn(async move { pairwise(&store).await });
    }
    let secrets = askers.join_all().await;
    assert!(secrets.iter().all(|secret| *secret == secrets[0]));
    assert_eq!(pairwise(&place.store().await).await, secrets[0]);
    assert_ne!(secrets[0], [0; 32]);
}

async fn pairwise(store: &Store) -> [u8; 32] {
    *store.pairwise_secret().await.unwrap().expose()
}

fn new_key() -> MasterKey {
    MasterKey::generate(&mut randomness())
}

#[track_caller]
fn assert_does_not_open<T>(outcome: Result<T, StoreError>) {
    let error = outcome.err().expect("it does not open");
    assert!(matches!(error, StoreError::DoesNotOpen(_)), "{error:?}");
}

on_both_engines! {
    what_a_former_master_key_sealed_still_opens,
    standing_secrets_are_sealed_anew_so_that_the_former_key_can_go,
    under_a_wrong_master_key_nothing_is_found_and_nothing_is_spoilt,
    looking_for_the_pairwise_secret_makes_none,
    ten_instances_that_need_the_pairwise_secret_at_once_agree,
}
