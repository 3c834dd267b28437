//! Registrations are read again at every step. Security requirements CB-7, OP-3.

use std::time::{Duration, Instant};

use sgid_bridge::store::ClientRecord;

use crate::support::app::{App, NONCE, PORTAL, STATE, payload};
use crate::support::bridge::{CLIENTS, Engine, Plan, START, TestBridge};
use crate::support::visitor::{Answer, Visitor};

/// A login that has come as far as the callback.
async fn waiting(bridge: &TestBridge) -> (Visitor, String) {
    let mut visitor = Visitor::new();
    let url = PORTAL.authorization_url(bridge, "openid profile email");
    let callback = visitor.up_to_callback(&url).await;
    (visitor, callback)
}

#[tokio::test]
async fn a_client_that_is_gone_or_disabled_or_lost_its_redirect_uri_meanwhile_gets_nothing() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let without_portal = &CLIENTS[CLIENTS.rfind("[[clients]]\nclient_id = \"other\"").unwrap()..];
    for changed in [
        without_portal.to_owned(),
        CLIENTS.replacen(
            "client_id = \"portal\"",
            "client_id = \"portal\"\nenabled = false",
            1,
        ),
        CLIENTS.replacen(
            "https://portal.example.sg/callback",
            "https://portal.example.sg/new",
            1,
        ),
    ] {
        bridge.change_clients(CLIENTS);
        let (mut visitor, callback) = waiting(&bridge).await;
        bridge.change_clients(&changed);
        let page = visitor.get(&callback).await;
        assert_eq!(
            (page.status, page.header("location")),
            (400, None),
            "{}",
            page.body
        );
        assert_eq!(bridge.sgid.requests().token, 0);
    }
}

#[tokio::test]
async fn a_scope_that_was_withdrawn_during_the_login_is_not_released() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let (mut visitor, callback) = waiting(&bridge).await;
    bridge.change_clients(&CLIENTS.replacen("openid profile email", "openid email", 1));
    let returned = visitor.walk(&callback).await.returned();
    let tokens = PORTAL.redeem(&bridge, returned.code()).await.json();
    assert_eq!(tokens["scope"], "openid email");
    let claims = PORTAL
        .verify(&bridge, tokens["id_token"].as_str().unwrap(), Some(NONCE))
        .await;
    assert!(
        claims.get("email").is_some() && claims.get("name").is_none(),
        "{claims}"
    );
    assert_eq!(returned.get("state"), Some(STATE));
}

async fn redeemed_after(bridge: &TestBridge, clients: &str) -> Answer {
    bridge.change_clients(CLIENTS);
    let code = PORTAL.code(bridge, "openid profile email").await;
    bridge.change_clients(clients);
    PORTAL.redeem(bridge, &code).await
}

#[tokio::test]
async fn what_was_withdrawn_between_code_and_token_is_not_released() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let without_profile = CLIENTS.replacen("openid profile email", "openid email", 1);
    let answer = redeemed_after(&bridge, &without_profile).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let response = answer.json();
    assert_eq!(response["scope"], "openid email");
    let claims = payload(response["id_token"].as_str().unwrap());
    assert!(
        claims.get("email").is_some() && claims.get("name").is_none(),
        "{claims}"
    );
}

#[tokio::test]
async fn a_redirect_uri_that_was_withdrawn_between_code_and_token_redeems_nothing() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let moved = CLIENTS.replacen(
        "https://portal.example.sg/callback",
        "https://portal.example.sg/new",
        1,
    );
    let answer = redeemed_after(&bridge, &moved).await;
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (400, &"invalid_grant".into())
    );
}

#[tokio::test]
async fn a_withdrawn_scope_is_no_longer_given() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let tokens = PORTAL.log_in(&bridge, "openid profile email").await;
    bridge.change_clients(&CLIENTS.replacen("openid profile email", "openid email", 1));
    let userinfo = tokens.userinfo(&bridge).await.json();
    assert!(
        userinfo.get("email").is_some() && userinfo.get("name").is_none(),
        "{userinfo}"
    );
}

const STORED: App = App {
    id: "stored",
    redirect_uri: "https://stored.example.sg/callback",
    method: "none",
};

on_both_engines!(
    a_client_of_the_database_that_is_disabled_half_way_gets_nothing,
    |engine| {
        let bridge = Plan::on(engine).start().await;
        let metadata = serde_json::json!({
            "client_id": STORED.id,
            "redirect_uris": [STORED.redirect_uri],
            "token_endpoint_auth_method": "none",
        });
        let record = ClientRecord {
            metadata: serde_json::from_value(metadata).unwrap(),
            secrets: Vec::new(),
            registration: None,
            changed_at: START,
        };
        assert!(bridge.bridge.store.add_client(&record).await.unwrap());
        let url = STORED.authorization_url(&bridge, "openid");
        let mut waiting = Visitor::new();
        let callback = waiting.up_to_callback(&url).await;
        let code = STORED.code(&bridge, "openid").await;
        let tokens = STORED.log_in(&bridge, "openid").await;
        let redeemed = bridge.sgid.requests().token;

        let mut disabled = record.clone();
        disabled.metadata.enabled = false;
        let replaced = bridge.bridge.store.replace_client(&record, &disabled).await;
        assert!(replaced.unwrap());
        // An instance may remember a client for a second.
        let deadline = Instant::now() + Duration::from_secs(10);
        while Visitor::new().get(&url).await.status == 303 {
            assert!(Instant::now() < deadline, "the change never arrives");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let page = waiting.get(&callback).await;
        assert_eq!(
            (page.status, page.header("location")),
            (400, None),
            "{}",
            page.body
        );
        assert_eq!(bridge.sgid.requests().token, redeemed);
        assert_eq!(STORED.redeem(&bridge, &code).await.status, 401);
        assert_eq!(tokens.userinfo(&bridge).await.status, 401);
    }
);
