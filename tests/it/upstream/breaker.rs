//! sgID away: people hear it at once, everybody else notices nothing, and recovery needs no hand. UP-9, UP-11.

use std::time::Duration;

use sgid_bridge::simulator::Misbehaviour;

use super::judge::SCOPE;
use crate::support::app::{PORTAL, STATE};
use crate::support::bridge::{Engine, Plan, TestBridge};
use crate::support::visitor::{Returned, Visitor};

/// As many failures in a row as it takes.
const FAILURES: usize = 5;
const PAUSE: Duration = Duration::from_secs(15);
const LIMIT: Duration = Duration::from_secs(10);

/// Goes to sgID and comes back as far as the callback, which is not yet visited.
async fn callback(bridge: &TestBridge, visitor: &mut Visitor) -> String {
    let authorize = PORTAL.authorization_url(bridge, SCOPE);
    let sgid = visitor.get(&authorize).await.location().to_owned();
    visitor.get(&sgid).await.location().to_owned()
}

async fn end(bridge: &TestBridge) -> Returned {
    let url = PORTAL.authorization_url(bridge, SCOPE);
    Visitor::new().walk(&url).await.returned()
}

async fn log_in(bridge: &TestBridge) {
    assert_ne!(
        PORTAL.log_in(bridge, SCOPE).await.claims["name"],
        serde_json::Value::Null
    );
}

#[tokio::test]
async fn a_refused_connection_is_told_as_unavailable() {
    let mut bridge = Plan::on(Engine::Sqlite).start().await;
    let mut visitor = Visitor::new();
    let callback = callback(&bridge, &mut visitor).await;
    bridge.stop_sgid().await;
    let answer = visitor.get(&callback).await;
    let returned = Returned::parse(answer.location());
    assert_eq!(returned.error(), "temporarily_unavailable");
    assert_eq!(returned.get("state"), Some(STATE));
    assert_eq!(returned.get("iss"), Some(bridge.issuer.as_str()));
}

#[tokio::test]
async fn nobody_is_sent_to_an_sgid_that_is_away_and_recovery_needs_no_hand() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    bridge.sgid.behave(Misbehaviour::TokenStatus500);
    for _ in 0..FAILURES {
        assert_eq!(end(&bridge).await.error(), "temporarily_unavailable");
    }
    let before = bridge.sgid.requests();
    let at_once = end(&bridge).await;
    assert_eq!(at_once.error(), "temporarily_unavailable");
    assert_eq!(at_once.get("state"), Some(STATE));
    assert_eq!(at_once.get("iss"), Some(bridge.issuer.as_str()));
    assert_eq!(bridge.sgid.requests(), before, "somebody was sent there");

    // The first one after the pause is a trial. It fails, and the pause begins anew.
    bridge.advance(PAUSE);
    assert_eq!(end(&bridge).await.error(), "temporarily_unavailable");
    assert_eq!(bridge.sgid.requests().token, before.token + 1);
    end(&bridge).await;
    assert_eq!(bridge.sgid.requests().token, before.token + 1);

    bridge.sgid.behave(Misbehaviour::None);
    bridge.advance(PAUSE);
    log_in(&bridge).await;
    log_in(&bridge).await;
}

#[tokio::test]
async fn what_cannot_be_trusted_does_not_keep_people_away() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    bridge.sgid.behave(Misbehaviour::IdTokenWrongNonce);
    for _ in 0..2 * FAILURES {
        assert_eq!(end(&bridge).await.error(), "server_error");
    }
    bridge.sgid.behave(Misbehaviour::None);
    log_in(&bridge).await;
}

#[tokio::test]
async fn single_failures_among_successes_do_not_keep_people_away() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    for _ in 0..2 {
        bridge.sgid.behave(Misbehaviour::UserinfoStatus429);
        for _ in 1..FAILURES {
            assert_eq!(end(&bridge).await.error(), "temporarily_unavailable");
        }
        bridge.sgid.behave(Misbehaviour::None);
        log_in(&bridge).await;
    }
}

#[tokio::test]
async fn waiting_for_sgid_starves_nobody() {
    let mut bridge = Plan::on(Engine::Sqlite)
        .upstream_settings("timeout = \"60s\"")
        .start()
        .await;
    let tokens = PORTAL.log_in(&bridge, SCOPE).await;
    bridge.sgid.behave(Misbehaviour::TokenSlow);
    let mut waiting = Vec::new();
    for _ in 0..40 {
        let mut visitor = Visitor::new();
        let callback = callback(&bridge, &mut visitor).await;
        waiting.push(tokio::spawn(async move { visitor.get(&callback).await }));
    }
    // All of them stand at sgID's token endpoint.
    let arrived = async {
        while bridge.sgid.requests().token < 41 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, arrived)
        .await
        .expect("forty logins wait at the token endpoint");

    let others = async {
        for path in ["/.well-known/openid-configuration", "/jwks"] {
            assert_eq!(
                Visitor::new().get(&bridge.url(path)).await.status,
                200,
                "{path}"
            );
        }
        assert_eq!(tokens.userinfo(&bridge).await.status, 200);
        assert_eq!(PORTAL.redeem(&bridge, "no-code-of-ours").await.status, 400);
        assert_eq!(
            Visitor::new()
                .get(&bridge.management_url("/health/ready"))
                .await
                .status,
            200
        );
        // New people are still sent to sgID.
        let url = PORTAL.authorization_url(&bridge, SCOPE);
        assert_eq!(Visitor::new().get(&url).await.status, 303);
    };
    tokio::time::timeout(LIMIT, others)
        .await
        .expect("others are answered meanwhile");
    assert!(
        waiting.iter().all(|login| !login.is_finished()),
        "a login waited for nothing"
    );

    // sgID goes down: all of them end, and none of them in success.
    bridge.stop_sgid().await;
    for login in waiting {
        let answer = login.await.unwrap();
        let returned = Returned::parse(answer.location());
        assert_eq!(returned.error(), "temporarily_unavailable");
    }
}
