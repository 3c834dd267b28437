//! A database that is away or does not answer: an error in time, and no restart to recover. Security requirement AV-4.

use std::future::Future;
use std::time::{Duration, Instant};

use sgid_bridge::secret::{MasterKey, MasterKeys, randomness};
use sgid_bridge::store::{Store, StoreError};
use tokio::task::JoinSet;

use super::on_both_engines;
use super::place::{Intruder, MAX_CONNECTIONS, Place, connect};
use super::values::{A_MINUTE, NOW, access, fresh, grant, login, origin};
use crate::support::postgres::Cluster;

/// What the bridge promises to whoever asks meanwhile.
const IN_TIME: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn while_postgres_is_away_everything_fails_in_time_and_recovers_by_itself() {
    let mut server = Cluster::start().await;
    let store = connect(&server.url(), new_master_keys()).await;
    store.migrate().await.unwrap();
    let (code, token) = (fresh(), fresh());
    let expires_at = NOW.after(A_MINUTE);
    store.put_code(&code, &grant(), expires_at).await.unwrap();
    let row = store.find_code(&code, NOW).await.unwrap().unwrap().row;
    fill_the_pool(&store).await;

    server.stop().await;
    let started = Instant::now();
    let access = access();
    let (login, grant) = (login(), grant());
    let (state, cookie, other_code) = (fresh(), fresh(), fresh());
    tokio::join!(
        fails(store.ping()),
        fails(store.server_time()),
        fails(store.check_migrated()),
        fails(store.put_login(&state, &cookie, &login, expires_at)),
        fails(store.take_login(&state, &cookie, NOW)),
        fails(store.count_logins()),
        fails(store.put_code(&other_code, &grant, expires_at)),
        fails(store.find_code(&code, NOW)),
        fails(store.spend_code(origin(&row), &token, &access)),
        fails(store.revoke_code(&row)),
        fails(store.find_access_token(&token, NOW)),
        fails(store.pairwise_secret()),
        fails(store.signing_keys()),
        fails(store.list_clients()),
        fails(store.sweep(NOW)),
    );
    // A second round, with no connection left over from better times.
    fails(store.find_code(&code, NOW)).await;
    assert!(started.elapsed() < 2 * IN_TIME);

    server.restart().await;
    let found = recovered(|| store.find_code(&code, NOW)).await;
    assert!(found.is_some());
    store
        .spend_code(origin(&row), &token, &access)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_that_nobody_noticed_costs_at_most_the_connections_of_the_pool() {
    let mut server = Cluster::start().await;
    let store = connect(&server.url(), new_master_keys()).await;
    store.migrate().await.unwrap();
    fill_the_pool(&store).await;
    server.stop().await;
    server.restart().await;
    recovered(|| store.count_logins()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_can_be_opened_before_postgres_is_there() {
    let mut server = Cluster::start().await;
    server.stop().await;
    let store = connect(&server.url(), new_master_keys()).await;
    fails(store.ping()).await;
    server.restart().await;
    recovered(|| store.ping()).await;
    store.migrate().await.unwrap();
    assert_eq!(store.check_migrated().await.unwrap(), Ok(()));
}

async fn a_database_that_does_not_answer_is_given_up_in_time(place: &Place) {
    let store = place.store().await;
    let (state, cookie, code) = (fresh(), fresh(), fresh());
    let (login, grant) = (login(), grant());
    let expires_at = NOW.after(A_MINUTE);
    let mut intruder = place.intruder().await;
    match &intruder {
        Intruder::Postgres(_) => {
            intruder.execute("begin", &[]).await;
            let lock = "lock table login, authorization_code in access exclusive mode";
            intruder.execute(lock, &[]).await;
        }
        Intruder::Sqlite(_) => {
            intruder.execute("begin exclusive", &[]).await;
        }
    }
    tokio::join!(
        fails(store.put_login(&state, &cookie, &login, expires_at)),
        fails(store.take_login(&state, &cookie, NOW)),
        fails(store.put_code(&code, &grant, expires_at)),
    );
    intruder.execute("rollback", &[]).await;

    let (state, cookie) = (fresh(), fresh());
    store
        .put_login(&state, &cookie, &login, expires_at)
        .await
        .unwrap();
    let taken = store.take_login(&state, &cookie, NOW).await.unwrap();
    assert!(taken.is_some());
}

async fn fails<T>(call: impl Future<Output = Result<T, StoreError>>) {
    let outcome = tokio::time::timeout(IN_TIME, call).await;
    match outcome.expect("an answer within ten seconds") {
        Err(StoreError::Database(_) | StoreError::TimedOut) => {}
        Err(other) => panic!("an outage was reported as {other:?}"),
        Ok(_) => panic!("it succeeded without a database"),
    }
}

/// What a call gives once it succeeds, after at most one failure for each connection that broke.
async fn recovered<T, F>(call: impl Fn() -> F) -> T
where
    F: Future<Output = Result<T, StoreError>>,
{
    for _ in 0..MAX_CONNECTIONS {
        if let Ok(outcome) = call().await {
            return outcome;
        }
    }
    call().await.expect("the store recovers by itself")
}

/// Opens every connection of the pool.
async fn fill_the_pool(store: &Store) {
    let mut calls = JoinSet::new();
    for _ in 0..4 * MAX_CONNECTIONS {
        let store = store.clone();
        calls.spawn(async move { store.sweep(NOW).await.unwrap() });
    }
    calls.join_all().await;
}

fn new_master_keys() -> MasterKeys {
    MasterKeys::new(MasterKey::generate(&mut randomness()), Vec::new())
}

on_both_engines! {
    a_database_that_does_not_answer_is_given_up_in_time,
}
