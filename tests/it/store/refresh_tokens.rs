//! Refresh tokens: one of a family is the latest, and all end together with what they gave.

use sgid_bridge::secret::{AuthorizationCode, Bearer, RefreshToken, RowId, randomness};
use sgid_bridge::store::{FoundRefreshToken, Rotation, Spending, Store};
use tokio::task::JoinSet;

use super::on_both_engines;
use super::place::Place;
use super::values::{A_MINUTE, NOW, access, fresh, grant, is_same, origin, refreshable};

async fn put(store: &Store) -> (RowId, RefreshToken) {
    let code: Bearer<AuthorizationCode> = fresh();
    let expires_at = NOW.after(A_MINUTE);
    store.put_code(&code, &grant(), expires_at).await.unwrap();
    let row = store.find_code(&code, NOW).await.unwrap().unwrap().row;
    let token = RefreshToken::generate(&mut randomness());
    store
        .put_refresh_token(&row, &token, &refreshable(), expires_at)
        .await
        .unwrap();
    (row, token)
}

async fn find(store: &Store, token: &RefreshToken) -> Option<FoundRefreshToken> {
    store.find_refresh_token(token, NOW).await.unwrap()
}

async fn a_grant_comes_back_until_its_tokens_expire(place: &Place) {
    let store = place.store().await;
    let (row, token) = put(&store).await;
    let found = find(&store, &token).await.unwrap();
    assert!(found.is_latest);
    assert_eq!((found.code, found.expires_at), (row, NOW.after(A_MINUTE)));
    assert!(
        is_same(&found.grant, &refreshable()) || found.grant.subject() == refreshable().subject()
    );
    let late = NOW.after(A_MINUTE);
    assert!(
        store
            .find_refresh_token(&token, late)
            .await
            .unwrap()
            .is_none()
    );
    let stranger = RefreshToken::generate(&mut randomness());
    assert!(find(&store, &stranger).await.is_none());
    assert_eq!(
        store.sweep(late).await.unwrap(),
        2,
        "the code and the token"
    );
}

async fn of_many_rotations_at_once_one_succeeds(place: &Place) {
    let stores = [place.store().await, place.store().await];
    let (_, token) = put(&stores[0]).await;
    let token = std::sync::Arc::new(token);
    let mut attempts = JoinSet::new();
    for number in 0..40 {
        let (store, token) = (stores[number % 2].clone(), token.clone());
        attempts.spawn(async move {
            let found = find(&store, &token).await.unwrap();
            let next = token.next(&mut randomness());
            let rotation = store
                .rotate_refresh_token(&found, &token.turn, &next.turn)
                .await;
            (next, rotation.unwrap())
        });
    }
    let mut winners = Vec::new();
    for (next, rotation) in attempts.join_all().await {
        if rotation == Rotation::Rotated {
            winners.push(next);
        } else {
            assert!(!find(&stores[0], &next).await.unwrap().is_latest);
        }
    }
    assert_eq!(winners.len(), 1);
    assert!(find(&stores[1], &winners[0]).await.unwrap().is_latest);
    assert!(
        !find(&stores[1], &token).await.unwrap().is_latest,
        "an older one shows itself"
    );
}

async fn revoking_a_code_ends_all_that_came_from_it(place: &Place) {
    let store = place.store().await;
    let (row, token) = put(&store).await;
    let (first, refreshed, other) = (fresh(), fresh(), fresh());
    let spending = store.spend_code(origin(&row), &first, &access()).await;
    assert_eq!(spending.unwrap(), Spending::Spent);
    store
        .put_access_token(&row, &refreshed, &access())
        .await
        .unwrap();
    let (another, _) = put(&store).await;
    store
        .put_access_token(&another, &other, &access())
        .await
        .unwrap();

    store.revoke_code(&row).await.unwrap();
    assert!(find(&store, &token).await.is_none());
    for (token, opens) in [(&first, false), (&refreshed, false), (&other, true)] {
        let found = store.find_access_token(token, NOW).await.unwrap();
        assert_eq!(found.is_some(), opens);
    }
    let found = store.find_refresh_token(&token, NOW).await.unwrap();
    assert!(found.is_none(), "and no rotation brings it back");
}

async fn what_a_failed_attempt_left_gives_way(place: &Place) {
    let store = place.store().await;
    let (row, token) = put(&store).await;
    let second = RefreshToken::generate(&mut randomness());
    let expires_at = NOW.after(A_MINUTE);
    store
        .put_refresh_token(&row, &second, &refreshable(), expires_at)
        .await
        .unwrap();
    assert!(find(&store, &second).await.is_some());
    assert!(
        find(&store, &token).await.is_none(),
        "one family for each code"
    );
}

async fn one_access_token_is_revoked_alone(place: &Place) {
    let store = place.store().await;
    let (row, _) = put(&store).await;
    let (one, other) = (fresh(), fresh());
    store.put_access_token(&row, &one, &access()).await.unwrap();
    store
        .put_access_token(&row, &other, &access())
        .await
        .unwrap();
    store.revoke_access_token(&one).await.unwrap();
    assert!(store.find_access_token(&one, NOW).await.unwrap().is_none());
    assert!(
        store
            .find_access_token(&other, NOW)
            .await
            .unwrap()
            .is_some()
    );
}

on_both_engines! {
    a_grant_comes_back_until_its_tokens_expire,
    of_many_rotations_at_once_one_succeeds,
    revoking_a_code_ends_all_that_came_from_it,
    what_a_failed_attempt_left_gives_way,
    one_access_token_is_revoked_alone,
}
