//! Codes are spent at most once, whoever asks how often; tokens open until they expire or are revoked.

use std::sync::Arc;

use sgid_bridge::clock::Timestamp;
use sgid_bridge::secret::{AccessToken, AuthorizationCode, Bearer, MasterKey, RowId, randomness};
use sgid_bridge::store::{Spending, Store};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::on_both_engines;
use super::place::{MAX_CONNECTIONS, Place};
use super::values::{A_MINUTE, A_SECOND, NOW, access, fresh, grant, is_same, origin, redeemed};

async fn a_grant_comes_back_unchanged_until_its_code_expires(place: &Place) {
    let store = place.store().await;
    let code = fresh();
    let kept = grant();
    let expires_at = NOW.after(A_MINUTE);
    store.put_code(&code, &kept, expires_at).await.unwrap();

    for _ in 0..2 {
        let last_moment = expires_at.before(A_SECOND);
        let found = store.find_code(&code, last_moment).await.unwrap().unwrap();
        assert!(is_same(&found.grant, &kept));
        redeemed(found.grant);
    }
    assert!(store.find_code(&code, expires_at).await.unwrap().is_none());
    assert!(store.find_code(&fresh(), NOW).await.unwrap().is_none());
}

async fn a_code_that_was_taken_away_is_unknown(place: &Place) {
    let store = place.store().await;
    let (code, other) = (fresh(), fresh());
    let expires_at = NOW.after(A_MINUTE);
    let row = store.put_code(&code, &grant(), expires_at).await.unwrap();
    put(&store, &other).await;
    store.remove_code(&row).await.unwrap();
    assert!(store.find_code(&code, NOW).await.unwrap().is_none());
    assert!(store.find_code(&other, NOW).await.unwrap().is_some());
}

async fn a_spent_code_is_still_found(place: &Place) {
    let store = place.store().await;
    let code = fresh();
    let row = put(&store, &code).await;
    assert_eq!(spend(&store, &row, &fresh()).await, Spending::Spent);

    let found = store.find_code(&code, NOW).await.unwrap().unwrap();
    assert_eq!(found.row, row);
    let spending = spend(&store, &found.row, &fresh()).await;
    assert_eq!(spending, Spending::AlreadySpent);
}

async fn two_codes_are_spent_apart_from_each_other(place: &Place) {
    let store = place.store().await;
    let (one, other) = (fresh(), fresh());
    let rows = [put(&store, &one).await, put(&store, &other).await];
    assert_ne!(rows[0], rows[1]);
    for row in &rows {
        assert_eq!(spend(&store, row, &fresh()).await, Spending::Spent);
    }
}

async fn of_200_attempts_at_once_exactly_one_spends_a_code(place: &Place) {
    let store = place.store().await;
    let row = put(&store, &fresh()).await;
    let attempts = attempt_at_once(vec![store.clone()], row, 200).await;
    assert_winners(&store, attempts, 1).await;
}

async fn of_many_attempts_in_two_instances_exactly_one_spends_a_code(place: &Place) {
    let stores = [place.store().await, place.store().await];
    let row = put(&stores[0], &fresh()).await;
    let attempts = attempt_at_once(stores.to_vec(), row, 200).await;
    assert_winners(&stores[0], attempts, 1).await;
}

async fn attempts_that_wait_for_another_have_one_winner_if_it_fails_and_none_if_not(place: &Place) {
    let stores = [place.store().await, place.store().await];
    for (end, winners) in [("rollback", 1), ("commit", 0)] {
        let row = put(&stores[0], &fresh()).await;
        let mut other = place.intruder().await;
        other.execute("begin", &[]).await;
        let entered =
            "insert into access_token (id, code_id, expires_at, sealed) values ($1, $1, 0, $1)";
        other.execute(entered, &[row.as_bytes()]).await;

        let count = 2 * MAX_CONNECTIONS;
        let attempts = tokio::spawn(attempt_at_once(stores.to_vec(), row, count as usize));
        place.intruder().await.wait_until_blocked(count).await;
        other.execute(end, &[]).await;
        let attempts = attempts.await.unwrap();
        assert_winners(&stores[0], attempts, winners).await;
    }
}

async fn a_code_is_spent_once_while_instances_change_their_master_key(place: &Place) {
    let new = MasterKey::generate(&mut randomness());
    let stores = [
        place
            .store_with(place.master_key.clone(), vec![new.clone()])
            .await,
        place.store_with(new, vec![place.master_key.clone()]).await,
    ];
    for keeper in &stores {
        let code = fresh();
        put(keeper, &code).await;
        // Each instance finds the code for itself: the row that it would spend must be the same.
        let mut rows = Vec::new();
        for store in &stores {
            rows.push(store.find_code(&code, NOW).await.unwrap().unwrap().row);
        }
        assert_eq!(rows[0], rows[1]);
        let attempts = attempt_at_once(stores.to_vec(), rows[0], 50).await;
        assert_winners(&stores[0], attempts, 1).await;
    }
}

async fn a_token_opens_until_it_expires(place: &Place) {
    let store = place.store().await;
    let row = put(&store, &fresh()).await;
    let (token, kept) = (fresh(), access());
    let expires_at = NOW.after(A_MINUTE);
    let spending = store.spend_code(origin(&row), &token, &kept).await;
    assert_eq!(spending.unwrap(), Spending::Spent);

    let last_moment = expires_at.before(A_SECOND);
    let found = find(&store, &token, last_moment).await;
    assert!(is_same(&found.unwrap(), &kept));
    assert!(find(&store, &token, expires_at).await.is_none());
    assert!(find(&store, &fresh(), NOW).await.is_none());
}

async fn revoking_a_code_empties_its_token_and_keeps_the_code_spent(place: &Place) {
    let store = place.store().await;
    let (revoked, untouched) = (fresh(), fresh());
    let row = put(&store, &fresh()).await;
    spend(&store, &row, &revoked).await;
    let other = put(&store, &fresh()).await;
    spend(&store, &other, &untouched).await;

    // A second time, as two replays may be answered at once.
    for _ in 0..2 {
        store.revoke_code(&row).await.unwrap();
    }
    assert!(find(&store, &revoked, NOW).await.is_none());
    assert!(find(&store, &untouched, NOW).await.is_some());
    let mut intruder = place.intruder().await;
    let letters = intruder.letters("access_token").await;
    assert_eq!(letters.iter().filter(|letter| letter.is_empty()).count(), 1);
    assert_eq!(letters.len(), 2);
    let spending = spend(&store, &row, &fresh()).await;
    assert_eq!(spending, Spending::AlreadySpent);
}

async fn revoking_a_code_that_nobody_spent_changes_nothing(place: &Place) {
    let store = place.store().await;
    let row = put(&store, &fresh()).await;
    store.revoke_code(&row).await.unwrap();
    assert_eq!(spend(&store, &row, &fresh()).await, Spending::Spent);
}

async fn a_spent_code_stays_spent_when_the_sweep_has_passed(place: &Place) {
    let store = place.store().await;
    let row = put(&store, &fresh()).await;
    spend(&store, &row, &fresh()).await;
    store.revoke_code(&row).await.unwrap();
    let last_moment = NOW.after(A_MINUTE).before(A_SECOND);
    assert_eq!(store.sweep(last_moment).await.unwrap(), 0);
    let spending = spend(&store, &row, &fresh()).await;
    assert_eq!(spending, Spending::AlreadySpent);
}

async fn put(store: &Store, code: &Bearer<AuthorizationCode>) -> RowId {
    let expires_at = NOW.after(A_MINUTE);
    store.put_code(code, &grant(), expires_at).await.unwrap();
    store.find_code(code, NOW).await.unwrap().unwrap().row
}

async fn spend(store: &Store, row: &RowId, token: &Bearer<AccessToken>) -> Spending {
    let spending = store.spend_code(origin(row), token, &access()).await;
    spending.unwrap()
}

async fn find(
    store: &Store,
    token: &Bearer<AccessToken>,
    now: Timestamp,
) -> Option<sgid_bridge::login::Access> {
    store.find_access_token(token, now).await.unwrap()
}

type Attempt = (Bearer<AccessToken>, Spending);

async fn attempt_at_once(stores: Vec<Store>, row: RowId, count: usize) -> Vec<Attempt> {
    let start = Arc::new(Barrier::new(count));
    let mut attempts = JoinSet::new();
    for number in 0..count {
        let store = stores[number % stores.len()].clone();
        let start = Arc::clone(&start);
        attempts.spawn(async move {
            let token = fresh();
            start.wait().await;
            let spending = spend(&store, &row, &token).await;
            (token, spending)
        });
    }
    attempts.join_all().await
}

async fn assert_winners(store: &Store, attempts: Vec<Attempt>, expected: u32) {
    let mut winners = 0;
    for (token, spending) in attempts {
        let opens = find(store, &token, NOW).await.is_some();
        assert_eq!(opens, spending == Spending::Spent);
        winners += u32::from(opens);
    }
    assert_eq!(winners, expected);
}

on_both_engines! {
    a_grant_comes_back_unchanged_until_its_code_expires,
    a_code_that_was_taken_away_is_unknown,
    a_spent_code_is_still_found,
    two_codes_are_spent_apart_from_each_other,
    of_200_attempts_at_once_exactly_one_spends_a_code,
    of_many_attempts_in_two_instances_exactly_one_spends_a_code,
    attempts_that_wait_for_another_have_one_winner_if_it_fails_and_none_if_not,
    a_code_is_spent_once_while_instances_change_their_master_key,
    a_token_opens_until_it_expires,
    revoking_a_code_empties_its_token_and_keeps_the_code_spent,
    revoking_a_code_that_nobody_spent_changes_nothing,
    a_spent_code_stays_spent_when_the_sweep_has_passed,
}
