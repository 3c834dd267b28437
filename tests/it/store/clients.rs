//! Relying parties that are kept in the database.

use std::sync::Arc;

use sgid_bridge::oidc::client::{ClientId, ClientSecretHash};
use sgid_bridge::store::{ClientRecord, SecretRecord, Store};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::on_both_engines;
use super::place::Place;
use super::values::{A_MINUTE, NOW, is_same, metadata};

async fn a_client_comes_back_unchanged(place: &Place) {
    let store = place.store().await;
    let kept = ClientRecord {
        secrets: vec![
            secret("former", Some(NOW.after(A_MINUTE))),
            secret("present", None),
        ],
        ..client("an app; with 'quotes' and \"more\"")
    };
    assert!(store.add_client(&kept).await.unwrap());
    let id = &kept.metadata.client_id;
    let found = place.store().await.find_client(id).await.unwrap();
    assert_same(&found.unwrap(), &kept);
}

async fn an_unknown_client_is_not_found(place: &Place) {
    let store = place.store().await;
    store.add_client(&client("app")).await.unwrap();
    for stranger in ["ap", "app ", "APP", "a%", "app' or '1'='1"] {
        assert!(find(&store, stranger).await.is_none(), "{stranger}");
    }
}

async fn a_client_of_the_same_name_is_not_added(place: &Place) {
    let store = place.store().await;
    let first = client("app");
    assert!(store.add_client(&first).await.unwrap());
    let second = ClientRecord {
        registration: None,
        changed_at: NOW.after(A_MINUTE),
        ..first.clone()
    };
    assert!(!store.add_client(&second).await.unwrap());
    assert_same(&find(&store, "app").await.unwrap(), &first);
}

async fn of_many_who_add_a_client_at_once_one_succeeds(place: &Place) {
    let store = place.store().await;
    let start = Arc::new(Barrier::new(10));
    let mut attempts = JoinSet::new();
    for _ in 0..10 {
        let (store, start) = (store.clone(), Arc::clone(&start));
        attempts.spawn(async move {
            start.wait().await;
            store.add_client(&client("app")).await.unwrap()
        });
    }
    let added = attempts.join_all().await;
    assert_eq!(added.into_iter().filter(|added| *added).count(), 1);
}

async fn a_client_is_replaced_whole_and_no_other(place: &Place) {
    let store = place.store().await;
    let other = client("other");
    store.add_client(&other).await.unwrap();
    let found = client("app");
    let mut changed = found.clone();
    assert!(!store.replace_client(&found, &changed).await.unwrap());
    store.add_client(&found).await.unwrap();

    changed.metadata.enabled = false;
    changed.metadata.client_name = None;
    changed.secrets = vec![secret("fresh", None)];
    changed.changed_at = NOW.after(A_MINUTE);
    assert!(store.replace_client(&found, &changed).await.unwrap());
    // Whoever had found it as it was before comes too late, within the same second too.
    assert!(!store.replace_client(&found, &found).await.unwrap());
    assert_same(&find(&store, "app").await.unwrap(), &changed);
    assert_same(&find(&store, "other").await.unwrap(), &other);
}

async fn clients_are_listed_by_name(place: &Place) {
    let store = place.store().await;
    assert!(store.list_clients().await.unwrap().is_empty());
    for name in ["b", "a", "c"] {
        store.add_client(&client(name)).await.unwrap();
    }
    let listed = store.list_clients().await.unwrap();
    assert_eq!(listed.len(), 3);
    for (found, name) in listed.iter().zip(["a", "b", "c"]) {
        assert_same(found, &client(name));
    }
}

async fn a_removed_client_is_gone_and_no_other(place: &Place) {
    let store = place.store().await;
    store.add_client(&client("app")).await.unwrap();
    store.add_client(&client("other")).await.unwrap();
    let id = ClientId::parse("app").unwrap();
    assert!(store.remove_client(&id).await.unwrap());
    assert!(!store.remove_client(&id).await.unwrap());
    assert!(find(&store, "app").await.is_none());
    assert!(find(&store, "other").await.is_some());
}

fn client(name: &str) -> ClientRecord {
    ClientRecord {
        metadata: metadata(name),
        secrets: Vec::new(),
        registration: None,
        changed_at: NOW,
    }
}

fn secret(text: &str, expires_at: Option<sgid_bridge::clock::Timestamp>) -> SecretRecord {
    SecretRecord {
        hash: ClientSecretHash::of(text),
        expires_at,
    }
}

async fn find(store: &Store, name: &str) -> Option<ClientRecord> {
    let id = ClientId::parse(name).unwrap();
    store.find_client(&id).await.unwrap()
}

#[track_caller]
fn assert_same(one: &ClientRecord, other: &ClientRecord) {
    assert!(is_same(&one.metadata, &other.metadata));
    assert!(is_same(&one.secrets, &other.secrets));
    assert_eq!(one.changed_at, other.changed_at);
}

on_both_engines! {
    a_client_comes_back_unchanged,
    an_unknown_client_is_not_found,
    a_client_of_the_same_name_is_not_added,
    of_many_who_add_a_client_at_once_one_succeeds,
    a_client_is_replaced_whole_and_no_other,
    clients_are_listed_by_name,
    a_removed_client_is_gone_and_no_other,
}
