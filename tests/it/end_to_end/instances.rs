//! Several instances on one Postgres: whatever one of them begins, any of them ends.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::app::PORTAL;
use crate::support::bridge::Engine;
use crate::support::deployment::{Deployment, PATIENCE, Ran, Served};
use crate::support::party::{Party, published, userinfo};
use crate::support::process::free_port;
use crate::support::visitor::{Returned, Visitor};

/// Two instances, started at the same moment, once both can serve.
async fn two(deployment: &Deployment, arguments: &[&str]) -> [Served; 2] {
    let ports = [deployment.port(), free_port()];
    let [first, second] = ports.map(|port| deployment.start_serving_with(port, arguments));
    let (first, second) = tokio::join!(first.ready(), second.ready());
    [first, second]
}

#[tokio::test]
async fn started_at_once_on_an_empty_database_they_agree_on_the_keys() {
    let deployment = Deployment::on(Engine::Postgres).await;
    deployment.must(&["migrate"]).await;
    assert!(
        deployment
            .must(&["keys", "list"])
            .await
            .contains("No keys yet")
    );
    let instances = two(&deployment, &["serve"]).await;
    they_are_one(&deployment, &instances).await;
    for instance in instances {
        instance.stop().await;
    }
}

#[tokio::test]
async fn started_at_once_on_a_database_that_is_not_migrated_they_migrate_it_once() {
    let deployment = Deployment::on(Engine::Postgres).await;
    let instances = two(&deployment, &["serve", "--migrate"]).await;
    they_are_one(&deployment, &instances).await;
    for instance in instances {
        instance.stop().await;
    }
}

#[tokio::test]
async fn five_migrations_at_once_do_it_once_on_both_engines() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let deployment = Deployment::on(engine).await;
        let migrations = [(); 5].map(|()| deployment.start(&["migrate"], &[]));
        for migration in migrations {
            let ran = Ran::of(migration).await;
            assert_eq!(ran.code, 0, "{engine:?}: {}", ran.all);
        }
        let served = deployment.start_serving(deployment.port()).ready().await;
        Party::from(PORTAL).log_in(&served.url, "openid").await;
        served.stop().await;
    }
}

/// One set of keys, one pairwise secret.
async fn they_are_one(deployment: &Deployment, [first, second]: &[Served; 2]) {
    let keys = published(&first.url).await;
    assert_eq!(keys, published(&second.url).await);
    let listed: serde_json::Value =
        serde_json::from_str(&deployment.must(&["keys", "list", "--json"]).await).unwrap();
    for algorithm in ["RS256", "ES256", "PS256", "EdDSA"] {
        let signing = listed.as_array().unwrap().iter();
        let signing = signing.filter(|key| key["alg"] == algorithm && key["state"] == "signing");
        assert_eq!(signing.count(), 1, "{algorithm}: {listed}");
    }
    let portal = Party::from(PORTAL);
    let here = portal.log_in(&first.url, "openid").await;
    let code = code_through(&portal, second, second).await;
    let there = Party::accept(&portal.redeem(&second.url, &code).await);
    assert_eq!((here.sub(), here.kid), (there.sub(), there.kid.clone()));
    assert!(keys.contains(&there.kid));
}

/// A login that begins at one instance and comes back to another, as behind a load balancer.
async fn code_through(portal: &Party, begin: &Served, end: &Served) -> String {
    let mut person = Visitor::new();
    let url = portal.authorization_url(&begin.url, "openid profile");
    let away = person.get(&url).await.location().to_owned();
    let back = person.get(&away).await.location().to_owned();
    let (_, callback) = back.split_once("/callback").unwrap();
    let answer = person.get(&end.at(&format!("/callback{callback}"))).await;
    Returned::parse(answer.location()).code().to_owned()
}

#[tokio::test]
async fn what_one_begins_another_ends() {
    let deployment = Deployment::on(Engine::Postgres).await;
    deployment.must(&["migrate"]).await;
    let [first, second] = two(&deployment, &["serve"]).await;
    let portal = Party::from(PORTAL);
    for (begin, end) in [(&first, &second), (&second, &first)] {
        let code = code_through(&portal, begin, end).await;
        let login = Party::accept(&portal.redeem(&begin.url, &code).await);
        let answer = userinfo(&end.url, &login.access_token).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.json()["name"], "SAMPLE TAN MEI LING");
        let replayed = portal.redeem(&end.url, &code).await;
        assert_eq!(replayed.json()["error"], "invalid_grant");
        let answer = userinfo(&begin.url, &login.access_token).await;
        assert_eq!(answer.status, 401, "a replayed code ends what it granted");
    }
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn a_code_redeemed_at_both_at_once_yields_tokens_once() {
    let deployment = Deployment::on(Engine::Postgres).await;
    deployment.must(&["migrate"]).await;
    let [first, second] = two(&deployment, &["serve"]).await;
    let portal = Party::from(PORTAL);
    for round in 0..20 {
        let code = code_through(&portal, &first, &second).await;
        let (here, there, here_too, there_too) = tokio::join!(
            portal.redeem(&first.url, &code),
            portal.redeem(&second.url, &code),
            portal.redeem(&first.url, &code),
            portal.redeem(&second.url, &code),
        );
        let mut winners = Vec::new();
        for answer in [here, there, here_too, there_too] {
            match answer.status {
                200 => winners.push(answer),
                400 => assert_eq!(answer.json()["error"], "invalid_grant"),
                other => panic!("round {round}: {other} {}", answer.body),
            }
        }
        assert_eq!(winners.len(), 1, "round {round}");
        let token = Party::accept(&winners[0]).access_token;
        let answer = userinfo(&second.url, &token).await;
        assert_eq!(
            answer.status, 401,
            "round {round}: a stolen code ends what it granted"
        );
    }
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn one_dies_and_the_other_goes_on() {
    let deployment = Deployment::on(Engine::Postgres).await;
    deployment.must(&["migrate"]).await;
    let [mut first, second] = two(&deployment, &["serve"]).await;
    let portal = Party::from(PORTAL);

    let mut person = Visitor::new();
    let url = portal.authorization_url(&first.url, "openid profile");
    let away = person.get(&url).await.location().to_owned();
    let code = portal.code(&first.url, "openid").await;
    first.process.stop(Signal::SIGKILL, PATIENCE).await;

    let back = person.get(&away).await.location().to_owned();
    let (_, callback) = back.split_once("/callback").unwrap();
    let answer = person
        .get(&second.at(&format!("/callback{callback}")))
        .await;
    let other = Returned::parse(answer.location()).code().to_owned();
    for code in [code, other] {
        let login = Party::accept(&portal.redeem(&second.url, &code).await);
        assert_eq!(userinfo(&second.url, &login.access_token).await.status, 200);
    }
    second.stop().await;
}

#[tokio::test]
async fn a_change_by_command_reaches_both_within_seconds() {
    let deployment = Deployment::on(Engine::Postgres).await;
    deployment.must(&["migrate"]).await;
    let instances = two(&deployment, &["serve"]).await;
    let before = published(&instances[0].url).await;
    let portal = Party::from(PORTAL);
    let compromised = portal.log_in(&instances[0].url, "openid").await.kid;
    deployment.must(&["keys", "revoke", &compromised]).await;
    let end = Instant::now() + Duration::from_secs(10);
    for instance in &instances {
        while published(&instance.url).await.contains(&compromised) {
            assert!(Instant::now() < end, "{} still publishes it", instance.url);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    let after = published(&instances[0].url).await;
    assert_eq!(after, published(&instances[1].url).await);
    assert_ne!(before, after);
    for (begin, end) in [(0, 1), (1, 0)] {
        let code = code_through(&portal, &instances[begin], &instances[end]).await;
        let login = Party::accept(&portal.redeem(&instances[end].url, &code).await);
        assert!(login.kid != compromised && after.contains(&login.kid));
    }
    for instance in instances {
        instance.stop().await;
    }
}
