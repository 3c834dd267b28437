//! Waiting logins: found by state and cookie together, and taken once.

use sgid_bridge::secret::{LoginCookie, LoginState};
use tokio::task::JoinSet;

use super::on_both_engines;
use super::place::Place;
use super::values::{A_MINUTE, A_SECOND, NOW, access_until, fresh, grant, is_same, login, origin};

async fn a_login_comes_back_unchanged_and_once(place: &Place) {
    let store = place.store().await;
    let (state, cookie) = (fresh(), fresh());
    let kept = login();
    let expires_at = NOW.after(A_MINUTE);
    store
        .put_login(&state, &cookie, &kept, expires_at)
        .await
        .unwrap();

    let taken = store.take_login(&state, &cookie, NOW).await.unwrap();
    assert!(is_same(&taken.unwrap(), &kept));
    let again = store.take_login(&state, &cookie, NOW).await.unwrap();
    assert!(again.is_none());
}

async fn another_instance_takes_the_login(place: &Place) {
    let (state, cookie) = (fresh(), fresh());
    let (one, other) = (place.store().await, place.store().await);
    let expires_at = NOW.after(A_MINUTE);
    one.put_login(&state, &cookie, &login(), expires_at)
        .await
        .unwrap();

    let taken = other.take_login(&state, &cookie, NOW).await.unwrap();
    assert!(taken.is_some());
    let again = one.take_login(&state, &cookie, NOW).await.unwrap();
    assert!(again.is_none());
}

async fn of_many_who_take_a_login_at_once_one_gets_it(place: &Place) {
    let stores = [place.store().await, place.store().await];
    let (state, cookie) = (fresh::<LoginState>(), fresh::<LoginCookie>());
    let expires_at = NOW.after(A_MINUTE);
    stores[0]
        .put_login(&state, &cookie, &login(), expires_at)
        .await
        .unwrap();

    let shared = std::sync::Arc::new((state, cookie));
    let mut takers = JoinSet::new();
    for taker in 0..40 {
        let store = stores[taker % 2].clone();
        let shared = shared.clone();
        takers.spawn(async move {
            let (state, cookie) = &*shared;
            store.take_login(state, cookie, NOW).await.unwrap()
        });
    }
    let taken = takers.join_all().await;
    assert_eq!(taken.iter().flatten().count(), 1);
}

async fn a_strange_cookie_or_state_finds_nothing_and_spoils_nothing(place: &Place) {
    let store = place.store().await;
    let (state, cookie) = (fresh(), fresh());
    let (other_state, other_cookie) = (fresh(), fresh());
    let expires_at = NOW.after(A_MINUTE);
    for (state, cookie) in [(&state, &cookie), (&other_state, &other_cookie)] {
        store
            .put_login(state, cookie, &login(), expires_at)
            .await
            .unwrap();
    }

    let never_put = (fresh(), fresh());
    for (state, cookie) in [
        (&state, &other_cookie),
        (&other_state, &cookie),
        (&state, &never_put.1),
        (&never_put.0, &cookie),
    ] {
        let found = store.take_login(state, cookie, NOW).await.unwrap();
        assert!(found.is_none());
    }
    assert_eq!(store.count_logins().await.unwrap(), 2);
    let rightful = store.take_login(&state, &cookie, NOW).await.unwrap();
    assert!(rightful.is_some());
}

async fn a_login_waits_until_it_expires(place: &Place) {
    let store = place.store().await;
    let expires_at = NOW.after(A_MINUTE);
    for (taken_at, is_there) in [
        (expires_at.before(A_SECOND), true),
        (expires_at, false),
        (expires_at.after(A_SECOND), false),
    ] {
        let (state, cookie) = (fresh(), fresh());
        store
            .put_login(&state, &cookie, &login(), expires_at)
            .await
            .unwrap();
        let taken = store.take_login(&state, &cookie, taken_at).await.unwrap();
        assert_eq!(taken.is_some(), is_there, "{taken_at:?}");
    }
}

async fn waiting_logins_are_counted(place: &Place) {
    let store = place.store().await;
    for count in 0..3 {
        assert_eq!(store.count_logins().await.unwrap(), count);
        let expires_at = NOW.after(A_MINUTE);
        store
            .put_login(&fresh(), &fresh(), &login(), expires_at)
            .await
            .unwrap();
    }
}

async fn the_sweep_deletes_what_has_expired_and_nothing_else(place: &Place) {
    let store = place.store().await;
    let (state, cookie, code, token) = (fresh(), fresh(), fresh(), fresh());
    for expires_at in [NOW, NOW.after(A_SECOND)] {
        // The values of the second round stay at hand: theirs are the rows that must stay.
        let others = (fresh(), fresh(), fresh(), fresh());
        let (state, cookie, code, token) = if expires_at == NOW {
            (&others.0, &others.1, &others.2, &others.3)
        } else {
            (&state, &cookie, &code, &token)
        };
        store
            .put_login(state, cookie, &login(), expires_at)
            .await
            .unwrap();
        store.put_code(code, &grant(), expires_at).await.unwrap();
        let earlier = NOW.before(A_MINUTE);
        let row = store.find_code(code, earlier).await.unwrap().unwrap().row;
        store
            .spend_code(origin(&row), token, &access_until(expires_at))
            .await
            .unwrap();
    }

    assert_eq!(store.sweep(NOW.before(A_SECOND)).await.unwrap(), 0);
    assert_eq!(store.sweep(NOW).await.unwrap(), 3);
    let mut intruder = place.intruder().await;
    for table in ["login", "authorization_code", "access_token"] {
        assert_eq!(intruder.letters(table).await.len(), 1, "{table}");
    }
    assert!(store.find_code(&code, NOW).await.unwrap().is_some());
    assert!(
        store
            .find_access_token(&token, NOW)
            .await
            .unwrap()
            .is_some()
    );
    let login = store.take_login(&state, &cookie, NOW).await.unwrap();
    assert!(login.is_some());
    assert_eq!(store.sweep(NOW.after(A_SECOND)).await.unwrap(), 2);
}

on_both_engines! {
    a_login_comes_back_unchanged_and_once,
    another_instance_takes_the_login,
    of_many_who_take_a_login_at_once_one_gets_it,
    a_strange_cookie_or_state_finds_nothing_and_spoils_nothing,
    a_login_waits_until_it_expires,
    waiting_logins_are_counted,
    the_sweep_deletes_what_has_expired_and_nothing_else,
}
