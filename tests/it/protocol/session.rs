//! The single sign-on session of a browser: how long it answers, for whom, and when it ends. Security requirements AZ-13,
//! CB-7, CB-8; conformance SE-1 to SE-4, SE-9, SE-10.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use sgid_bridge::simulator::{Misbehaviour, generate_client_key};

use super::prompt::SILENT;
use crate::support::app::{App, OTHER, PORTAL, SPA, Tokens, authorize_url, userinfo};
use crate::support::bridge::{CLIENTS, Engine, Plan, SESSIONS, TestBridge};
use crate::support::visitor::{Returned, Visitor};

/// The cookie on a loopback `http` issuer.
pub(super) const COOKIE: &str = "sgid-bridge-session";

pub(super) async fn with_sessions(engine: Engine) -> TestBridge {
    Plan::on(engine).settings(SESSIONS).start().await
}

/// What this browser brings an app that must not show anything.
pub(super) async fn silently(bridge: &TestBridge, app: App, visitor: &mut Visitor) -> Returned {
    let answer = visitor
        .get(&app.changed_url(bridge, "openid", &[SILENT]))
        .await;
    Returned::parse(answer.location())
}

/// Whether whoever holds this cookie is answered at `portal` without signing in.
pub(super) async fn opens(bridge: &TestBridge, cookie: &str) -> bool {
    let mut visitor = holding(cookie);
    let returned = silently(bridge, PORTAL, &mut visitor).await;
    let error = returned.get("error");
    assert!([None, Some("login_required")].contains(&error), "{error:?}");
    error.is_none()
}

pub(super) fn holding(cookie: &str) -> Visitor {
    let mut visitor = Visitor::new();
    visitor.cookies.insert(COOKIE.to_owned(), cookie.to_owned());
    visitor
}

pub(super) async fn log_in(bridge: &TestBridge, app: App, visitor: &mut Visitor) -> Tokens {
    app.log_in_with(bridge, "openid", visitor).await
}

/// A whole sign-in although the session could answer.
pub(super) async fn sign_in_again(bridge: &TestBridge, app: App, visitor: &mut Visitor) -> Tokens {
    let url = app.changed_url(bridge, "openid", &[("prompt", Some("consent"))]);
    let returned = visitor.walk(&url).await.returned();
    app.tokens(bridge, returned.code()).await
}

#[tokio::test]
async fn sessions_are_off_until_somebody_switches_them_on() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let mut visitor = Visitor::new();
    let tokens = log_in(&bridge, PORTAL, &mut visitor).await;
    assert_eq!(tokens.claims.get("sid"), None);
    assert!(visitor.cookies.is_empty(), "{:?}", visitor.cookies);
    let returned = silently(&bridge, PORTAL, &mut visitor).await;
    assert_eq!(returned.error(), "login_required");
    log_in(&bridge, PORTAL, &mut visitor).await;
    assert_eq!(bridge.sgid.requests().authorize, 2);
}

on_both_engines!(
    a_session_ends_when_it_is_idle_and_at_its_longest_life,
    |engine| {
        let limits = "[session]\nenabled = true\nidle = \"5m\"\nabsolute = \"12m\"\n";
        let bridge = Plan::on(engine).settings(limits).start().await;
        let (mut busy, mut idle) = (Visitor::new(), Visitor::new());
        for visitor in [&mut busy, &mut idle] {
            log_in(&bridge, PORTAL, visitor).await;
        }
        let wait = async |seconds| {
            bridge.advance(Duration::from_secs(seconds));
            bridge.bridge.sweep().await.unwrap();
        };
        wait(299).await;
        silently(&bridge, PORTAL, &mut busy).await.code();
        wait(1).await;
        let ended = silently(&bridge, PORTAL, &mut idle).await;
        assert_eq!(ended.error(), "login_required", "unused for five minutes");
        for seconds in [298, 121] {
            wait(seconds).await;
            silently(&bridge, PORTAL, &mut busy).await.code();
        }
        wait(1).await;
        let ended = silently(&bridge, PORTAL, &mut busy).await;
        assert_eq!(ended.error(), "login_required", "twelve minutes old");
        log_in(&bridge, PORTAL, &mut busy).await;
        silently(&bridge, PORTAL, &mut busy).await.code();
    }
);

on_both_engines!(
    another_person_ends_the_session_of_the_one_before,
    |engine| {
        let told = "\"portal\"\nbackchannel_logout_uri = \"https://portal.example.sg/logout\"";
        let clients = CLIENTS.replacen("\"portal\"", told, 1);
        let plan = Plan::on(engine).settings(SESSIONS).clients(&clients);
        let bridge = plan.start().await;
        let mut visitor = Visitor::new();
        let first = log_in(&bridge, PORTAL, &mut visitor).await;
        let elsewhere = log_in(&bridge, OTHER, &mut visitor).await;
        let handle = visitor.cookies[COOKIE].clone();
        let waiting = silently(&bridge, PORTAL, &mut visitor).await;

        bridge.sgid.persona("foreigner");
        let second = sign_in_again(&bridge, PORTAL, &mut visitor).await;
        assert_ne!(second.claims["sub"], first.claims["sub"]);
        assert_ne!(second.claims["sid"], first.claims["sid"]);
        assert!(!opens(&bridge, &handle).await);
        let notices = bridge.bridge.store.count_logout_notices().await;
        assert_eq!(notices.unwrap(), 1, "portal is to be told");
        for ended in [&first, &elsewhere] {
            assert_eq!(ended.userinfo(&bridge).await.status, 401);
        }
        let late = PORTAL.redeem(&bridge, waiting.code()).await;
        assert_eq!(late.json()["error"], "invalid_grant");

        let again = silently(&bridge, PORTAL, &mut visitor).await;
        let again = PORTAL.tokens(&bridge, again.code()).await;
        assert_eq!(again.claims["sub"], second.claims["sub"]);
        let other = silently(&bridge, OTHER, &mut visitor).await;
        assert_eq!(other.error(), "consent_required", "they never went there");
    }
);

on_both_engines!(a_login_for_one_app_answers_no_other, |engine| {
    let bridge = with_sessions(engine).await;
    let mut visitor = Visitor::new();
    let portal = log_in(&bridge, PORTAL, &mut visitor).await;
    for app in [OTHER, SPA] {
        let returned = silently(&bridge, app, &mut visitor).await;
        assert_eq!(returned.error(), "consent_required");
        let before = bridge.sgid.requests().authorize;
        let tokens = log_in(&bridge, app, &mut visitor).await;
        assert_eq!(bridge.sgid.requests().authorize, before + 1);
        let again = silently(&bridge, app, &mut visitor).await;
        let again = app.tokens(&bridge, again.code()).await;
        assert_eq!(again.claims["sub"], tokens.claims["sub"]);
        for claim in ["sub", "sid"] {
            assert_ne!(
                tokens.claims[claim], portal.claims[claim],
                "no two apps can join their users by {claim}"
            );
        }
    }
    silently(&bridge, PORTAL, &mut visitor).await.code();
});

on_both_engines!(data_is_never_given_without_sgid, |engine| {
    let bridge = with_sessions(engine).await;
    let mut visitor = Visitor::new();
    for visits in 1..=2 {
        let tokens = PORTAL
            .log_in_with(&bridge, "openid profile", &mut visitor)
            .await;
        assert_eq!(tokens.claims["name"], "SAMPLE TAN MEI LING");
        assert_eq!(bridge.sgid.requests().authorize, visits);
    }
    let returned = silently(&bridge, PORTAL, &mut visitor).await;
    let tokens = PORTAL.tokens(&bridge, returned.code()).await;
    assert_eq!(tokens.response["scope"], "openid");
    assert_eq!(tokens.claims.get("name"), None);
    let userinfo = tokens.userinfo(&bridge).await.json();
    assert_eq!(userinfo.as_object().unwrap().len(), 1, "{userinfo}");
});

const OFFLINE: &str = "scope = \"openid offline_access profile\"";

#[tokio::test]
async fn no_more_is_granted_silently_than_was_granted_before() {
    let clients = CLIENTS
        .replacen("scope = \"openid profile\"", OFFLINE, 1)
        .replacen(
            "client_id = \"other\"",
            "client_id = \"other\"\ngrant_types = [\"authorization_code\", \"refresh_token\"]",
            1,
        );
    let plan = Plan::on(Engine::Sqlite).settings(SESSIONS);
    let bridge = plan.clients(&clients).start().await;
    let offline = |changes: &[_]| OTHER.changed_url(&bridge, "openid offline_access", changes);
    let mut visitor = Visitor::new();
    log_in(&bridge, OTHER, &mut visitor).await;
    let returned = visitor.walk(&offline(&[SILENT])).await.returned();
    assert_eq!(returned.error(), "consent_required");
    let returned = visitor.walk(&offline(&[])).await.returned();
    let granted = OTHER.tokens(&bridge, returned.code()).await;
    assert!(granted.response["refresh_token"].is_string());
    let returned = visitor.walk(&offline(&[SILENT])).await.returned();
    let granted = OTHER.tokens(&bridge, returned.code()).await;
    assert_eq!(granted.response["scope"], "openid offline_access");

    // What the registration has lost is not given any more.
    bridge.change_clients(CLIENTS);
    let returned = visitor.walk(&offline(&[SILENT])).await.returned();
    let granted = OTHER.tokens(&bridge, returned.code()).await;
    assert_eq!(granted.response["scope"], "openid");
    assert_eq!(granted.response.get("refresh_token"), None);
}

#[tokio::test]
async fn a_session_loosens_no_check_of_the_request() {
    let bridge = with_sessions(Engine::Sqlite).await;
    let mut visitor = Visitor::new();
    log_in(&bridge, PORTAL, &mut visitor).await;
    for (name, value, error) in [
        ("code_challenge", None, "invalid_request"),
        ("code_challenge_method", Some("plain"), "invalid_request"),
        ("scope", Some("profile"), "invalid_scope"),
        (
            "response_type",
            Some("id_token"),
            "unsupported_response_type",
        ),
        ("response_mode", Some("fragment"), "invalid_request"),
    ] {
        let url = PORTAL.changed_url(&bridge, "openid", &[(name, value), SILENT]);
        let answer = visitor.get(&url).await;
        assert_eq!(Returned::parse(answer.location()).error(), error, "{name}");
    }
    let disabled = CLIENTS.replacen("\"portal\"", "\"portal\"\nenabled = false", 1);
    let moved = CLIENTS.replacen("portal.example.sg/callback", "portal.example.sg/new", 1);
    for clients in [disabled, moved] {
        bridge.change_clients(&clients);
        let url = PORTAL.changed_url(&bridge, "openid", &[SILENT]);
        let page = visitor.get(&url).await;
        assert_eq!((page.status, page.header("location")), (400, None));
    }
    bridge.change_clients(CLIENTS);
    silently(&bridge, PORTAL, &mut visitor).await.code();
}

#[tokio::test]
async fn an_app_that_moved_to_another_upstream_is_not_answered_by_the_former() {
    let clients = |upstream| {
        let line = format!("client_id = \"portal\"\nupstream = \"{upstream}\"");
        let text = CLIENTS.replacen("client_id = \"portal\"", &line, 1);
        text[..text.find("[[clients]]\nclient_id = \"other\"").unwrap()].to_owned()
    };
    let bridge = Plan::on(Engine::Sqlite)
        .settings(SESSIONS)
        .clients(&clients("sgid"))
        .second_upstream("agency", "AGENCY", &generate_client_key())
        .start()
        .await;
    let mut visitor = Visitor::new();
    log_in(&bridge, PORTAL, &mut visitor).await;
    bridge.change_clients(&clients("agency"));
    let returned = silently(&bridge, PORTAL, &mut visitor).await;
    assert_eq!(returned.error(), "login_required");
    log_in(&bridge, PORTAL, &mut visitor).await;
    silently(&bridge, PORTAL, &mut visitor).await.code();
}

on_both_engines!(every_replica_knows_the_session_and_its_end, |engine| {
    let bridge = with_sessions(engine).await;
    let replica = bridge.replica().await;
    let at_replica = |changes: &[_]| {
        let url = PORTAL.changed_url(&bridge, "openid", changes);
        url.replacen(&bridge.base, &replica.base, 1)
    };
    let mut visitor = Visitor::new();
    let first = log_in(&bridge, PORTAL, &mut visitor).await;
    let returned = visitor.walk(&at_replica(&[SILENT])).await.returned();
    let silent = PORTAL.tokens(&bridge, returned.code()).await;
    assert_eq!(silent.claims["sid"], first.claims["sid"]);

    let former = visitor.cookies[COOKIE].clone();
    bridge.sgid.persona("foreigner");
    sign_in_again(&bridge, PORTAL, &mut visitor).await;
    let answer = holding(&former).get(&at_replica(&[SILENT])).await;
    assert_eq!(Returned::parse(answer.location()).error(), "login_required");
    let ended = userinfo(&replica.base, &first.access_token).await;
    assert_eq!(ended.status, 401);
});

on_both_engines!(
    a_login_that_fails_neither_begins_nor_ends_a_session,
    |engine| {
        let bridge = with_sessions(engine).await;
        let (mut visitor, mut fresh) = (Visitor::new(), Visitor::new());
        log_in(&bridge, PORTAL, &mut visitor).await;
        let handle = visitor.cookies[COOKIE].clone();
        let url = PORTAL.changed_url(&bridge, "openid", &[("prompt", Some("consent"))]);

        bridge.sgid.behave(Misbehaviour::CallbackErrorAccessDenied);
        for browser in [&mut visitor, &mut fresh] {
            let returned = browser.walk(&url).await.returned();
            assert_eq!(returned.error(), "access_denied");
        }
        bridge.sgid.behave(Misbehaviour::None);
        let callback = fresh.up_to_callback(&url).await;
        let mut stranger = Visitor::new();
        let page = stranger.send(Method::GET, &callback, &[], None).await;
        assert_eq!(page.status, 400);

        assert!(stranger.cookies.is_empty());
        assert!(!fresh.cookies.contains_key(COOKIE));
        assert_eq!(visitor.cookies[COOKIE], handle);
        let returned = silently(&bridge, PORTAL, &mut visitor).await;
        let tokens = PORTAL.tokens(&bridge, returned.code()).await;
        assert_ne!(tokens.claims["sid"], Value::Null);
    }
);

#[tokio::test]
async fn a_login_that_fails_at_its_last_step_leaves_the_session_as_it_was() {
    let bridge = with_sessions(Engine::Sqlite).await;
    let request = PORTAL.request("openid");
    let form = request.iter().map(|(name, value)| (&**name, &**value));
    let form = form.filter(|(name, _)| *name != "client_id").collect();
    let pushed = PORTAL.call(&bridge.url("/par"), form).await.json();
    let uri = pushed["request_uri"].as_str().unwrap();
    let named = [("client_id", "portal"), ("request_uri", uri)];
    let named = named.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let url = authorize_url(&bridge, &named);

    // The person opened it twice, and a pushed request works once.
    let mut visitor = Visitor::new();
    let first = visitor.up_to_callback(&url).await;
    let second = visitor.up_to_callback(&url).await;
    visitor.walk(&first).await.returned().code();
    let returned = visitor.walk(&second).await.returned();
    assert_eq!(returned.error(), "invalid_request_uri");
    silently(&bridge, PORTAL, &mut visitor).await.code();
}

#[tokio::test]
async fn sign_ins_at_two_upstreams_stand_side_by_side() {
    let clients = CLIENTS
        .replacen("\"portal\"", "\"portal\"\nupstream = \"sgid\"", 1)
        .replacen("\"other\"", "\"other\"\nupstream = \"agency\"", 1)
        .replacen("\"spa\"", "\"spa\"\nupstream = \"agency\"", 1);
    let bridge = Plan::on(Engine::Sqlite)
        .settings(SESSIONS)
        .clients(&clients)
        .second_upstream("agency", "AGENCY", &generate_client_key())
        .start()
        .await;
    let mut visitor = Visitor::new();
    let earlier = log_in(&bridge, PORTAL, &mut visitor).await;
    bridge.advance(Duration::from_secs(10));
    let later = log_in(&bridge, OTHER, &mut visitor).await;
    for (app, tokens, error) in [
        (PORTAL, &earlier, Some("login_required")),
        (OTHER, &later, None),
    ] {
        let returned = silently(&bridge, app, &mut visitor).await;
        let again = app.tokens(&bridge, returned.code()).await;
        for claim in ["sub", "sid", "auth_time"] {
            assert_eq!(again.claims[claim], tokens.claims[claim], "{claim}");
        }
        let fresh = app.changed_url(&bridge, "openid", &[SILENT, ("max_age", Some("5"))]);
        let answer = visitor.get(&fresh).await;
        assert_eq!(Returned::parse(answer.location()).get("error"), error);
    }

    bridge.sgid.persona("foreigner");
    sign_in_again(&bridge, OTHER, &mut visitor).await;
    let returned = silently(&bridge, PORTAL, &mut visitor).await;
    assert_eq!(returned.error(), "login_required");
    for ended in [&earlier, &later] {
        assert_eq!(ended.userinfo(&bridge).await.status, 401);
    }
}
