//! The way back from sgID, and the browser that it belongs to. Security requirements CB-1, CB-2, CB-4, CB-6.

use std::collections::BTreeMap;

use reqwest::Method;
use sgid_bridge::simulator::Misbehaviour;

use crate::support::app::{OTHER, PORTAL, STATE};
use crate::support::bridge::{Engine, Plan, TestBridge};
use crate::support::visitor::{Answer, Returned, Visitor, Walk};

/// A page that explains and offers a way on; sgID was not asked, nobody was sent to a relying party.
fn assert_refused(bridge: &TestBridge, answer: &Answer, what: &str) {
    assert!(
        (400..500).contains(&answer.status),
        "{what}: {}",
        answer.status
    );
    assert_eq!(answer.header("location"), None, "{what}");
    assert_eq!(answer.header("set-cookie"), None, "{what}");
    assert_eq!(bridge.sgid.requests().token, 0, "{what}");
    assert!(
        answer.body.contains("Go back to the app"),
        "{what}: {}",
        answer.body
    );
}

on_both_engines!(
    a_callback_in_another_browser_is_refused_and_spoils_nothing,
    |engine| {
        let bridge = Plan::on(engine).start().await;
        let mut rightful = Visitor::new();
        let callback = rightful
            .up_to_callback(&PORTAL.authorization_url(&bridge, "openid"))
            .await;

        assert_refused(&bridge, &Visitor::new().get(&callback).await, "no cookie");

        let mut other = Visitor::new();
        let others = other
            .up_to_callback(&PORTAL.authorization_url(&bridge, "openid"))
            .await;
        assert_refused(
            &bridge,
            &other.get(&callback).await,
            "the cookie of another login",
        );

        // Even under the right name.
        let name = rightful.cookies.keys().next().unwrap().clone();
        let value = other.cookies.values().next().unwrap().clone();
        other.cookies.insert(name.clone(), value);
        assert_refused(
            &bridge,
            &other.get(&callback).await,
            "another login's cookie under our name",
        );
        other.cookies.insert(name, "lc_nonsense".to_owned());
        assert_refused(
            &bridge,
            &other.get(&callback).await,
            "a cookie that is none",
        );

        let returned = rightful.walk(&callback).await.returned();
        assert_eq!(PORTAL.redeem(&bridge, returned.code()).await.status, 200);
        let returned = other.walk(&others).await.returned();
        assert_eq!(PORTAL.redeem(&bridge, returned.code()).await.status, 200);
    }
);

#[tokio::test]
async fn the_browser_is_checked_before_code_and_error_are_looked_at() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let mut rightful = Visitor::new();
    let callback = rightful
        .up_to_callback(&PORTAL.authorization_url(&bridge, "openid"))
        .await;
    let state = Returned::parse(&callback).get("state").unwrap().to_owned();
    for query in [
        "code=x",
        "error=access_denied",
        "error=temporarily_unavailable",
        "",
        "code=x&error=y",
    ] {
        let url = bridge.url(&format!("/callback?state={state}&{query}"));
        assert_refused(&bridge, &Visitor::new().get(&url).await, query);
    }
    rightful.walk(&callback).await.returned().code();
}

#[tokio::test]
async fn a_state_that_we_never_sent_is_refused() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let mut visitor = Visitor::new();
    let callback = visitor
        .up_to_callback(&PORTAL.authorization_url(&bridge, "openid"))
        .await;
    let state = Returned::parse(&callback).get("state").unwrap().to_owned();
    let cookie = visitor.cookies.values().next().unwrap().clone();
    let altered = format!(
        "{}{}",
        &state[..state.len() - 1],
        if state.ends_with('A') { "E" } else { "A" }
    );
    for wrong in [
        "",
        "x",
        STATE,
        &altered,
        &state[1..],
        &cookie,
        &format!("{state}A"),
    ] {
        let url = bridge.url(&format!("/callback?code=x&state={wrong}"));
        assert_refused(&bridge, &visitor.get(&url).await, wrong);
    }
    assert_refused(
        &bridge,
        &visitor.get(&bridge.url("/callback?code=x")).await,
        "no state",
    );
    assert_refused(
        &bridge,
        &visitor.get(&bridge.url("/callback")).await,
        "nothing",
    );
    visitor.walk(&callback).await.returned().code();
}

#[tokio::test]
async fn repeated_and_contradictory_parameters_are_refused_and_spoil_nothing() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let mut visitor = Visitor::new();
    let callback = visitor
        .up_to_callback(&PORTAL.authorization_url(&bridge, "openid"))
        .await;
    let state = Returned::parse(&callback).get("state").unwrap().to_owned();
    for query in [
        format!("state={state}"),
        format!("state={state}&code="),
        format!("state={state}&code=x&error=access_denied"),
        format!("state={state}&code=x&code=x"),
        format!("state={state}&code=x&code=y"),
        format!("state={state}&error=x&error=x"),
        format!("state={state}&state={state}&code=x"),
        format!("state={state}&state=x&code=x"),
        format!("state={state}&code=x&iss=a&iss=a"),
        format!("state={state}&code=%ff"),
    ] {
        let answer = visitor
            .get(&bridge.url(&format!("/callback?{query}")))
            .await;
        assert_refused(&bridge, &answer, &query);
    }
    visitor.walk(&callback).await.returned().code();
}

#[tokio::test]
async fn a_callback_is_a_get() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let mut visitor = Visitor::new();
    let callback = visitor
        .up_to_callback(&PORTAL.authorization_url(&bridge, "openid"))
        .await;
    let query = url::Url::parse(&callback).unwrap();
    let form: BTreeMap<String, String> = query.query_pairs().into_owned().collect();
    let form: Vec<_> = form
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    for url in [&callback, &bridge.url("/callback")] {
        let answer = visitor.post(url, &form).await;
        assert_eq!(answer.status, 405);
        assert_refused(&bridge, &answer, "POST");
    }
    for method in [Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let answer = visitor.send(method.clone(), &callback, &[], None).await;
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(bridge.sgid.requests().token, 0);
    }
    visitor.walk(&callback).await.returned().code();
}

#[tokio::test]
async fn an_answer_of_another_issuer_is_never_redeemed() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    bridge.sgid.behave(Misbehaviour::CallbackWrongIss);
    let returned = Visitor::new()
        .walk(&PORTAL.authorization_url(&bridge, "openid"))
        .await
        .returned();
    assert_eq!(returned.error(), "server_error");
    assert_eq!(bridge.sgid.requests().token, 0);
    bridge.sgid.behave(Misbehaviour::CallbackRightIss);
    PORTAL.log_in(&bridge, "openid").await;
}

on_both_engines!(a_callback_is_used_once, |engine| {
    let bridge = Plan::on(engine).start().await;
    let mut visitor = Visitor::new();
    let callback = visitor
        .up_to_callback(&PORTAL.authorization_url(&bridge, "openid"))
        .await;
    let cookies = visitor.cookies.clone();
    let returned = visitor.walk(&callback).await.returned();
    assert_eq!(visitor.cookies.len(), 0, "the cookie is removed when done");
    assert_eq!(visitor.get(&callback).await.status, 400);
    visitor.cookies = cookies;
    let again = visitor.get(&callback).await;
    assert_eq!((again.status, again.header("location")), (400, None));
    assert_eq!(bridge.sgid.requests().token, 1);
    assert_eq!(PORTAL.redeem(&bridge, returned.code()).await.status, 200);
});

on_both_engines!(
    a_callback_sent_many_times_at_once_to_two_replicas_is_used_once,
    |engine| {
        let bridge = Plan::on(engine).start().await;
        let replica = bridge.replica().await;
        let mut visitor = Visitor::new();
        let callback = visitor
            .up_to_callback(&PORTAL.authorization_url(&bridge, "openid"))
            .await;
        let at_replica = callback.replacen(&bridge.base, &replica.base, 1);
        assert_ne!(callback, at_replica);
        let attempts = (0..24).map(|number| {
            let url = if number % 2 == 0 {
                callback.clone()
            } else {
                at_replica.clone()
            };
            let mut attempt = Visitor::new();
            attempt.cookies.clone_from(&visitor.cookies);
            async move { attempt.get(&url).await }
        });
        let answers = futures_util::future::join_all(attempts).await;
        let (used, refused): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|it| it.status == 303);
        assert_eq!(used.len(), 1);
        assert!(refused.iter().all(|it| it.status == 400));
        assert_eq!(bridge.sgid.requests().token, 1);
        let returned = Returned::parse(used[0].location());
        assert_eq!(PORTAL.redeem(&bridge, returned.code()).await.status, 200);
    }
);

on_both_engines!(any_replica_finishes_what_another_began, |engine| {
    let bridge = Plan::on(engine).start().await;
    let replica = bridge.replica().await;
    let mut visitor = Visitor::new();
    let url = PORTAL
        .authorization_url(&bridge, "openid")
        .replacen(&bridge.base, &replica.base, 1);
    let callback = visitor.up_to_callback(&url).await;
    let returned = visitor.walk(&callback).await.returned();
    assert_eq!(PORTAL.redeem(&bridge, returned.code()).await.status, 200);
    assert!(replica.bridge.store.ping().await.is_ok());
});

#[tokio::test]
async fn an_error_of_sgid_reaches_the_relying_party_as_a_registered_code_without_sgids_words() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    for (misbehaviour, error) in [
        (Misbehaviour::CallbackErrorAccessDenied, "access_denied"),
        (
            Misbehaviour::CallbackErrorTemporarilyUnavailable,
            "temporarily_unavailable",
        ),
        (Misbehaviour::CallbackErrorInvalidScope, "server_error"),
        (Misbehaviour::CallbackErrorServerError, "server_error"),
        (Misbehaviour::CallbackErrorUnknown, "server_error"),
    ] {
        bridge.sgid.behave(misbehaviour);
        let mut visitor = Visitor::new();
        let callback = visitor
            .up_to_callback(&OTHER.authorization_url(&bridge, "openid"))
            .await;
        let Walk::RelyingParty(returned) = visitor.walk(&callback).await else {
            panic!("{}: a page", misbehaviour.name());
        };
        assert_eq!(returned.error(), error, "{}", misbehaviour.name());
        assert_eq!(
            returned.names(),
            ["error", "error_description", "iss", "state"]
        );
        assert_eq!(returned.get("state"), Some(STATE));
        assert!(returned.url.starts_with(OTHER.redirect_uri));
        let theirs = Returned::parse(&callback);
        if let Some(description) = theirs.get("error_description") {
            assert!(!returned.url.contains(description));
            assert_ne!(returned.get("error_description"), Some(description));
        }
        assert_eq!(visitor.cookies.len(), 0, "{}", misbehaviour.name());
    }
    assert_eq!(bridge.sgid.requests().token, 0);
}
