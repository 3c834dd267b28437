//! `keys`: signing keys under a running bridge.

use serde_json::Value;

use super::within_seconds;
use crate::support::app::PORTAL;
use crate::support::bridge::Engine;
use crate::support::deployment::{Deployment, Served};
use crate::support::party::{Login, Party, published};

async fn listed(deployment: &Deployment) -> Vec<Value> {
    let text = deployment.must(&["keys", "list", "--json"]).await;
    serde_json::from_str(&text).unwrap()
}

async fn log_in(served: &Served) -> Login {
    let login = Party::from(PORTAL).log_in(&served.url, "openid").await;
    let published = published(&served.url).await;
    assert!(
        published.contains(&login.kid),
        "signed with a key that is not published"
    );
    login
}

#[tokio::test]
async fn keys_are_rotated_and_revoked_under_a_running_bridge_on_sqlite() {
    keys_are_rotated_and_revoked_under_a_running_bridge(Engine::Sqlite).await;
}

#[tokio::test]
async fn keys_are_rotated_and_revoked_under_a_running_bridge_on_postgres() {
    keys_are_rotated_and_revoked_under_a_running_bridge(Engine::Postgres).await;
}

async fn keys_are_rotated_and_revoked_under_a_running_bridge(engine: Engine) {
    let deployment = Deployment::on(engine).await;
    let served = deployment.serve().await;
    let first = log_in(&served).await;
    let before = published(&served.url).await;
    let keys = listed(&deployment).await;
    for algorithm in ["RS256", "ES256", "PS256", "EdDSA"] {
        let signing = |key: &&Value| key["alg"] == algorithm && key["state"] == "signing";
        assert_eq!(keys.iter().filter(signing).count(), 1, "{keys:?}");
    }
    let text = deployment.must(&["keys", "list"]).await;
    assert!(
        text.contains(&first.kid) && text.contains("signing"),
        "{text}"
    );
    assert!(!text.contains("PRIVATE"), "{text}");

    // Earlier than planned: the next key's turn comes, and until then the present one signs.
    let said = deployment
        .must(&["keys", "rotate", "--algorithm", "RS256"])
        .await;
    assert!(said.contains("RS256") && !said.contains("ES256"), "{said}");
    assert_eq!(log_in(&served).await.kid, first.kid);

    // At once: another key signs, and the former one stays published.
    deployment.must(&["keys", "rotate", "--now"]).await;
    within_seconds("another key signs", || async {
        log_in(&served).await.kid != first.kid
    })
    .await;
    let after = published(&served.url).await;
    assert!(
        before.iter().all(|kid| after.contains(kid)),
        "none is taken away by a rotation"
    );
    assert!(after.len() > before.len());
    let second = log_in(&served).await;

    // Compromised and retired: gone.
    deployment.must(&["keys", "revoke", &first.kid]).await;
    within_seconds("a revoked key is gone", || async {
        !published(&served.url).await.contains(&first.kid)
    })
    .await;
    assert_eq!(log_in(&served).await.kid, second.kid);

    // Compromised and signing: its successor signs.
    deployment.must(&["keys", "revoke", &second.kid]).await;
    within_seconds("a revoked key is gone", || async {
        !published(&served.url).await.contains(&second.kid)
    })
    .await;
    let third = log_in(&served).await;
    assert!(third.kid != first.kid && third.kid != second.kid);
    let keys = listed(&deployment).await;
    let revoked = |key: &&Value| !key["revoked_at"].is_null();
    let mut gone: Vec<&str> = keys
        .iter()
        .filter(revoked)
        .map(|key| key["kid"].as_str().unwrap())
        .collect();
    gone.sort_unstable();
    let mut expected = [first.kid.as_str(), second.kid.as_str()];
    expected.sort_unstable();
    assert_eq!(gone, expected);
    assert_eq!(third.sub(), first.sub());

    // A restart finds the same.
    let keys = published(&served.url).await;
    served.stop().await;
    let served = deployment.start_serving(deployment.port()).ready().await;
    assert_eq!(published(&served.url).await, keys);
    assert_eq!(log_in(&served).await.kid, third.kid);
    served.stop().await;
}

#[tokio::test]
async fn logins_go_on_while_keys_are_rotated() {
    let deployment = Deployment::on(Engine::Sqlite).await;
    let served = deployment.serve().await;
    for _ in 0..3 {
        let rotation = deployment.run(&["keys", "rotate", "--now", "--algorithm", "RS256"]);
        let logins = async {
            for _ in 0..10 {
                log_in(&served).await;
            }
        };
        let (rotated, ()) = tokio::join!(rotation, logins);
        assert_eq!(rotated.code, 0, "{}", rotated.all);
    }
    served.stop().await;
}

#[tokio::test]
async fn what_cannot_be_done_with_keys_is_said() {
    let deployment = Deployment::on(Engine::Sqlite).await;
    deployment.must(&["migrate"]).await;
    assert!(
        deployment
            .must(&["keys", "list"])
            .await
            .contains("No keys yet")
    );
    for (arguments, code, words) in [
        (&["keys", "revoke", "no-such-kid"][..], 1, "keys list"),
        (&["keys", "rotate", "--algorithm", "HS256"], 2, "RS256"),
    ] {
        let ran = deployment.run(arguments).await;
        assert_eq!(ran.code, code, "{}", ran.all);
        assert!(ran.stderr.contains(words), "{}", ran.all);
    }
}
