//! Pushed authorization requests: found by their handle, used up once.

use sgid_bridge::oidc::client::ClientId;
use sgid_bridge::oidc::parameters::Parameters;
use sgid_bridge::store::PushedAuthorizationRequest;
use tokio::task::JoinSet;

use super::on_both_engines;
use super::place::Place;
use super::values::{A_MINUTE, A_SECOND, NOW, fresh};

fn request() -> PushedAuthorizationRequest {
    PushedAuthorizationRequest {
        client_id: ClientId::parse("portal").unwrap(),
        parameters: Parameters::parse(b"scope=openid&state=x").unwrap(),
        usable_until: NOW.after(A_SECOND),
    }
}

async fn a_request_may_be_used_for_a_while_and_its_row_outlives_that(place: &Place) {
    let store = place.store().await;
    let handle = fresh();
    let expires_at = NOW.after(A_MINUTE);
    store
        .put_pushed_request(&handle, &request(), expires_at)
        .await
        .unwrap();
    // A visit that was not finished leaves it.
    for _ in 0..2 {
        let (found, _) = store
            .find_pushed_request(&handle, NOW)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.parameters, request().parameters);
    }
    let (_, row) = store
        .find_pushed_request(&handle, NOW)
        .await
        .unwrap()
        .unwrap();
    let late = NOW.after(A_SECOND);
    assert!(
        store
            .find_pushed_request(&handle, late)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        store
            .find_pushed_request(&fresh(), NOW)
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(store.sweep(late).await.unwrap(), 0);
    assert!(
        store.spend_pushed_request(&row).await.unwrap(),
        "a login that it began may end"
    );
}

async fn of_many_logins_one_uses_a_request_up(place: &Place) {
    let store = place.store().await;
    let handle = fresh();
    store
        .put_pushed_request(&handle, &request(), NOW.after(A_MINUTE))
        .await
        .unwrap();
    let (_, row) = store
        .find_pushed_request(&handle, NOW)
        .await
        .unwrap()
        .unwrap();
    let mut attempts = JoinSet::new();
    for _ in 0..20 {
        let store = store.clone();
        attempts.spawn(async move { store.spend_pushed_request(&row).await.unwrap() });
    }
    let spent = attempts.join_all().await.into_iter().filter(|it| *it);
    assert_eq!(spent.count(), 1);
    assert!(
        store
            .find_pushed_request(&handle, NOW)
            .await
            .unwrap()
            .is_none()
    );
}

async fn requests_count_as_waiting(place: &Place) {
    let store = place.store().await;
    store
        .put_pushed_request(&fresh(), &request(), NOW.after(A_MINUTE))
        .await
        .unwrap();
    assert_eq!(store.count_logins().await.unwrap(), 1);
}

on_both_engines! {
    a_request_may_be_used_for_a_while_and_its_row_outlives_that,
    of_many_logins_one_uses_a_request_up,
    requests_count_as_waiting,
}
