//! Bringing a database to this version: by any instance, by many at once, beside a newer neighbour.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use sgid_bridge::store::Unmigrated;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::on_both_engines;
use super::place::Place;
use super::values::{A_MINUTE, NOW, fresh, grant};

async fn an_unmigrated_database_is_reported(place: &Place) {
    let store = place.unmigrated_store().await;
    store.ping().await.unwrap();
    let Err(Unmigrated(missing)) = store.check_migrated().await.unwrap() else {
        panic!("an empty database passes as migrated");
    };
    assert_eq!(missing, migrations().len());
    store.migrate().await.unwrap();
    assert_eq!(store.check_migrated().await.unwrap(), Ok(()));
}

async fn migrating_again_keeps_what_is_there(place: &Place) {
    let store = place.store().await;
    let code = fresh();
    let expires_at = NOW.after(A_MINUTE);
    store.put_code(&code, &grant(), expires_at).await.unwrap();
    store.migrate().await.unwrap();
    assert!(store.find_code(&code, NOW).await.unwrap().is_some());
}

async fn many_instances_that_migrate_at_once_all_succeed(place: &Place) {
    let mut instances = JoinSet::new();
    let start = Arc::new(Barrier::new(10));
    let url = place.url();
    for _ in 0..10 {
        let (url, master_keys) = (url.clone(), place.master_keys());
        let start = Arc::clone(&start);
        instances.spawn(async move {
            let store = super::place::connect(&url, master_keys).await;
            start.wait().await;
            let migrated = store.migrate().await;
            (migrated, store.check_migrated().await.unwrap())
        });
    }
    for (migrated, checked) in instances.join_all().await {
        migrated.unwrap();
        assert_eq!(checked, Ok(()));
    }
}

async fn a_newer_neighbours_migration_is_tolerated(place: &Place) {
    let store = place.store().await;
    let mut intruder = place.intruder().await;
    let newer = "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
                 values (29991231000000, 'of a newer version', true, $1, 0)";
    assert_eq!(intruder.execute(newer, &[b"unknown"]).await, 1);

    assert_eq!(store.check_migrated().await.unwrap(), Ok(()));
    store.migrate().await.unwrap();
    assert_eq!(place.store().await.sweep(NOW).await.unwrap(), 0);
}

async fn a_migration_that_was_changed_after_it_ran_is_refused(place: &Place) {
    let store = place.store().await;
    let mut intruder = place.intruder().await;
    let other = "update _sqlx_migrations set checksum = $1";
    assert!(intruder.execute(other, &[b"another"]).await > 0);
    store.migrate().await.unwrap_err();
}

async fn the_servers_clock_is_that_of_the_database(place: &Place) {
    let told = place.store().await.server_time().await.unwrap();
    // There is no server whose clock could differ.
    if place.sqlite_file().is_some() {
        assert_eq!(told, None);
        return;
    }
    let told = told.unwrap();
    let ours = sgid_bridge::clock::Clock::system().now();
    assert!(told.since(ours) < A_MINUTE && ours.since(told) < A_MINUTE);
}

async fn a_closed_store_answers_with_an_error(place: &Place) {
    let store = place.store().await;
    let twin = store.clone();
    store.close().await;
    store.ping().await.unwrap_err();
    twin.sweep(NOW).await.unwrap_err();
}

#[tokio::test]
async fn a_sqlite_database_is_its_owners_only() {
    let place = Place::on_sqlite();
    let store = place.store().await;
    store
        .put_code(&fresh(), &grant(), NOW.after(A_MINUTE))
        .await
        .unwrap();
    let file = place.sqlite_file().unwrap();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(file.parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", entry.path().display());
        names.push(entry.file_name());
    }
    names.sort();
    assert_eq!(names, ["bridge.db", "bridge.db-shm", "bridge.db-wal"]);
}

fn migrations() -> Vec<PathBuf> {
    let folder = crate::support::process::in_repository("migrations");
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

on_both_engines! {
    an_unmigrated_database_is_reported,
    migrating_again_keeps_what_is_there,
    many_instances_that_migrate_at_once_all_succeed,
    a_newer_neighbours_migration_is_tolerated,
    a_migration_that_was_changed_after_it_ran_is_refused,
    the_servers_clock_is_that_of_the_database,
    a_closed_store_answers_with_an_error,
}
