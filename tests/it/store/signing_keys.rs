//! Signing keys: one to a slot, however many instances make one at once.

use std::sync::Arc;
use std::time::Duration;

use sgid_bridge::keyring::{DueKey, KeyRecord, Keyring, Schedule, Slot};
use sgid_bridge::oidc::algorithm::SigningAlgorithm;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::on_both_engines;
use super::place::Place;
use super::values::{A_MINUTE, NOW, is_same};

async fn a_signing_key_comes_back_unchanged_and_signs(place: &Place) {
    let store = place.store().await;
    assert!(store.signing_keys().await.unwrap().is_empty());
    let kept = key(1);
    assert!(store.put_signing_key(&kept).await.unwrap());

    let found = place.store().await.signing_keys().await.unwrap();
    let [found] = <[KeyRecord; 1]>::try_from(found).unwrap();
    assert_same(&found, &kept);
    let schedule = Schedule {
        algorithms: vec![SigningAlgorithm::Es256],
        rotation_period: Duration::from_hours(24),
        token_ttl: A_MINUTE,
        recognised_ttl: A_MINUTE,
    };
    let ring = Keyring::assemble(&[found], schedule, None).unwrap();
    let signer = ring.signer(SigningAlgorithm::Es256, NOW).unwrap();
    signer.sign("JWT", b"{}").unwrap();
}

async fn of_20_instances_that_fill_a_slot_at_once_one_wins(place: &Place) {
    let start = Arc::new(Barrier::new(20));
    let mut attempts = JoinSet::new();
    let stores = [place.store().await, place.store().await];
    for attempt in 0..20 {
        let store = stores[attempt % 2].clone();
        let start = Arc::clone(&start);
        attempts.spawn(async move {
            let made = key(1);
            start.wait().await;
            let entered = store.put_signing_key(&made).await.unwrap();
            (made, entered)
        });
    }
    let attempts = attempts.join_all().await;
    let winners: Vec<_> = attempts.iter().filter(|(_, entered)| *entered).collect();
    let [(winner, _)] = winners[..] else {
        panic!("{} won", winners.len());
    };
    let found = stores[0].signing_keys().await.unwrap();
    assert_eq!(found.len(), 1);
    assert_same(&found[0], winner);
}

async fn every_slot_is_listed(place: &Place) {
    let store = place.store().await;
    let kept = [key(1), key(2), key(10)];
    for key in &kept {
        assert!(store.put_signing_key(key).await.unwrap());
    }
    let mut found = store.signing_keys().await.unwrap();
    found.sort_by_key(|key| key.slot);
    assert_eq!(found.len(), kept.len());
    for (found, kept) in found.iter().zip(&kept) {
        assert_same(found, kept);
    }
}

async fn a_key_can_be_told_to_sign_earlier(place: &Place) {
    let store = place.store().await;
    let (kept, other) = (key(1), key(2));
    store.put_signing_key(&kept).await.unwrap();
    store.put_signing_key(&other).await.unwrap();
    let earlier = NOW.before(A_MINUTE);
    store
        .reschedule_signing_key(kept.slot, earlier)
        .await
        .unwrap();

    let found = store.signing_keys().await.unwrap();
    let rescheduled = KeyRecord {
        signs_at: earlier,
        ..kept
    };
    assert_same(&found[0], &rescheduled);
    assert_same(&found[1], &other);
}

async fn a_key_is_withdrawn_once_and_keeps_its_place(place: &Place) {
    let store = place.store().await;
    let (kept, other) = (key(1), key(2));
    store.put_signing_key(&kept).await.unwrap();
    store.put_signing_key(&other).await.unwrap();
    let later = NOW.after(A_MINUTE);
    assert!(store.revoke_signing_key(kept.slot, NOW).await.unwrap());
    assert!(!store.revoke_signing_key(kept.slot, later).await.unwrap());
    assert!(!store.revoke_signing_key(slot(3), NOW).await.unwrap());

    let found = store.signing_keys().await.unwrap();
    let revoked = KeyRecord {
        revoked_at: Some(NOW),
        ..kept.clone()
    };
    assert_same(&found[0], &revoked);
    assert_same(&found[1], &other);
    assert!(!store.put_signing_key(&kept).await.unwrap());
}

async fn a_forgotten_key_is_gone_and_no_other(place: &Place) {
    let store = place.store().await;
    let (kept, other) = (key(1), key(2));
    store.put_signing_key(&kept).await.unwrap();
    store.put_signing_key(&other).await.unwrap();
    for _ in 0..2 {
        store.forget_signing_key(kept.slot).await.unwrap();
    }
    let found = store.signing_keys().await.unwrap();
    assert_eq!(found.len(), 1);
    assert_same(&found[0], &other);
}

/// A fresh key that signs from `NOW` on.
pub(super) fn key(number: u32) -> KeyRecord {
    let due = DueKey {
        slot: slot(number),
        signs_at: NOW,
    };
    due.generate(NOW).unwrap()
}

fn slot(number: u32) -> Slot {
    Slot {
        algorithm: SigningAlgorithm::Es256,
        number,
    }
}

#[track_caller]
pub(super) fn assert_same(one: &KeyRecord, other: &KeyRecord) {
    assert_eq!(one.slot, other.slot);
    assert_eq!(one.signs_at, other.signs_at);
    assert_eq!(one.revoked_at, other.revoked_at);
    assert!(is_same(&one.material, &other.material));
}

on_both_engines! {
    a_signing_key_comes_back_unchanged_and_signs,
    of_20_instances_that_fill_a_slot_at_once_one_wins,
    every_slot_is_listed,
    a_key_can_be_told_to_sign_earlier,
    a_key_is_withdrawn_once_and_keeps_its_place,
    a_forgotten_key_is_gone_and_no_other,
}
