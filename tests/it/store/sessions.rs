//! Sessions: opened by one browser's cookie, within two limits, and what ends with them.

use sgid_bridge::secret::{AuthorizationCode, Bearer};
use sgid_bridge::store::{Origin, Spending};

use super::on_both_engines;
use super::place::Place;
use super::values::{A_MINUTE, A_SECOND, NOW, PLANTED, access, fresh, grant_in, is_same, session};

async fn a_session_opens_for_its_cookie_until_it_expires(place: &Place) {
    let store = place.store().await;
    let cookie = fresh();
    let (kept, _) = session();
    let (idle, end) = (NOW.after(A_SECOND), NOW.after(A_MINUTE));
    store
        .put_session(&cookie, &kept, (idle, end))
        .await
        .unwrap();
    let (found, ends_at) = store.find_session(&cookie, NOW).await.unwrap().unwrap();
    assert!(is_same(&found, &kept));
    assert_eq!(ends_at, end);
    assert!(store.find_session(&fresh(), NOW).await.unwrap().is_none());
    assert!(store.find_session(&cookie, idle).await.unwrap().is_none());

    assert!(store.prolong_session(&cookie, end, NOW).await.unwrap());
    assert!(store.find_session(&cookie, idle).await.unwrap().is_some());
    assert!(store.prolong_session(&cookie, idle, NOW).await.unwrap());
    let last_moment = end.before(A_SECOND);
    assert!(
        store
            .find_session(&cookie, last_moment)
            .await
            .unwrap()
            .is_some(),
        "never shortened"
    );
    assert_eq!(store.sweep(end).await.unwrap(), 1);
}

async fn a_session_never_begins_beyond_its_longest_life(place: &Place) {
    let store = place.store().await;
    let cookie = fresh();
    let (kept, _) = session();
    let (idle, end) = (NOW.after(A_MINUTE), NOW.after(A_SECOND));
    store
        .put_session(&cookie, &kept, (idle, end))
        .await
        .unwrap();
    assert!(store.find_session(&cookie, end).await.unwrap().is_none());
}

async fn a_session_ends_once(place: &Place) {
    let store = place.store().await;
    let cookie = fresh();
    let end = NOW.after(A_MINUTE);
    store
        .put_session(&cookie, &session().0, (end, end))
        .await
        .unwrap();
    assert!(store.remove_session(&cookie).await.unwrap());
    assert!(!store.remove_session(&cookie).await.unwrap());
    assert!(!store.prolong_session(&cookie, end, NOW).await.unwrap());
    assert!(store.find_session(&cookie, NOW).await.unwrap().is_none());
}

async fn what_a_client_holds_of_a_session_ends_with_it(place: &Place) {
    let store = place.store().await;
    let ((_, ours), (_, others)) = (session(), session());
    let mut tokens = Vec::new();
    for membership in [&ours, &others] {
        let code: Bearer<AuthorizationCode> = fresh();
        let grant = grant_in(Some(membership.clone()));
        store
            .put_code(&code, &grant, NOW.after(A_MINUTE))
            .await
            .unwrap();
        let row = store.find_code(&code, NOW).await.unwrap().unwrap().row;
        let token = fresh();
        let origin = Origin {
            code: &row,
            session: Some(membership.tag),
        };
        let spending = store.spend_code(origin, &token, &access()).await.unwrap();
        assert_eq!(spending, Spending::Spent);
        let waiting: Bearer<AuthorizationCode> = fresh();
        store
            .put_code(&waiting, &grant, NOW.after(A_MINUTE))
            .await
            .unwrap();
        tokens.push((token, waiting));
    }
    store.revoke_session(ours.tag).await.unwrap();
    for ((token, waiting), lives) in tokens.iter().zip([false, true]) {
        let opened = store.find_access_token(token, NOW).await.unwrap();
        assert_eq!(opened.is_some(), lives);
        let redeemable = store.find_code(waiting, NOW).await.unwrap();
        assert_eq!(
            redeemable.is_some(),
            lives,
            "a code that waits is worth no less"
        );
    }
}

async fn the_table_tells_nothing(place: &Place) {
    let store = place.store().await;
    let (kept, membership) = session();
    let end = NOW.after(A_MINUTE);
    store
        .put_session(&fresh(), &kept, (end, end))
        .await
        .unwrap();
    let letters = place.intruder().await.letters("session").await;
    assert_eq!(letters.len(), 1);
    let letter = String::from_utf8_lossy(&letters[0]).into_owned();
    for planted in PLANTED.iter().copied().chain([membership.sid.as_str()]) {
        assert!(!letter.contains(planted), "{planted}");
    }
}

on_both_engines! {
    a_session_opens_for_its_cookie_until_it_expires,
    a_session_never_begins_beyond_its_longest_life,
    a_session_ends_once,
    what_a_client_holds_of_a_session_ends_with_it,
    the_table_tells_nothing,
}
