//! `client`: relying parties that are kept in the database, under a running bridge.

use serde_json::Value;

use super::within_seconds;
use crate::support::app::OTHER;
use crate::support::bridge::Engine;
use crate::support::deployment::Deployment;
use crate::support::party::{Party, userinfo};
use crate::support::visitor::Visitor;

const REDIRECT_URI: &str = "https://kiosk.example.sg/callback";

fn kiosk(secret: &str) -> Party {
    Party {
        id: "kiosk".to_owned(),
        secret: Some(secret.to_owned()),
        redirect_uri: REDIRECT_URI.to_owned(),
    }
}

/// The secret that was shown, this once.
fn shown_secret(output: &str) -> String {
    let line = output
        .lines()
        .find(|line| line.starts_with("client_secret "));
    let secret = line.unwrap_or_else(|| panic!("no secret in {output}"));
    secret.split_whitespace().nth(1).unwrap().to_owned()
}

/// The status of an authorization request: 303 where it is admitted.
async fn asks(party: &Party, bridge: &str, scope: &str) -> u16 {
    let url = party.authorization_url(bridge, scope);
    Visitor::new().get(&url).await.status
}

#[tokio::test]
async fn a_client_lives_in_the_database_on_sqlite() {
    a_client_lives_in_the_database(Engine::Sqlite).await;
}

#[tokio::test]
async fn a_client_lives_in_the_database_on_postgres() {
    a_client_lives_in_the_database(Engine::Postgres).await;
}

async fn a_client_lives_in_the_database(engine: Engine) {
    let deployment = Deployment::on(engine).await;
    let served = deployment.serve().await;
    let bridge = served.url.as_str();
    assert_eq!(
        asks(&kiosk(""), bridge, "openid").await,
        400,
        "nobody knows it yet"
    );

    let said = deployment
        .must(&[
            "client",
            "add",
            "kiosk",
            "--client-name",
            "Kiosk",
            "--redirect-uri",
            REDIRECT_URI,
        ])
        .await;
    let secret = shown_secret(&said);
    assert!(secret.len() >= 43, "{said}");
    let party = kiosk(&secret);
    within_seconds("a new client", || async {
        asks(&party, bridge, "openid").await == 303
    })
    .await;
    let first = party.log_in(bridge, "openid profile").await;

    it_is_described(&deployment, &secret).await;

    // What is named changes, and nothing else.
    let purpose = "Eligibility check";
    deployment
        .must(&[
            "client",
            "update",
            "kiosk",
            "--scope",
            "openid myinfo.nric_number",
            "--nric-purpose",
            purpose,
        ])
        .await;
    let shown = deployment.must(&["client", "show", "kiosk"]).await;
    assert!(
        shown.contains(REDIRECT_URI) && shown.contains(purpose),
        "{shown}"
    );
    within_seconds("another scope", || async {
        let login = party
            .log_in(bridge, "openid profile myinfo.nric_number")
            .await;
        login.claims["myinfo.nric_number"] == "S0000001I" && login.claims.get("name").is_none()
    })
    .await;

    deployment
        .must(&["client", "update", "kiosk", "--enabled", "false"])
        .await;
    within_seconds("a disabled client", || async {
        asks(&party, bridge, "openid").await == 400
    })
    .await;
    assert_eq!(
        userinfo(bridge, &first.access_token).await.status,
        401,
        "disabled everywhere"
    );
    deployment
        .must(&["client", "update", "kiosk", "--enabled", "true"])
        .await;
    within_seconds("an enabled client", || async {
        asks(&party, bridge, "openid").await == 303
    })
    .await;
    let again = party.log_in(bridge, "openid").await;
    assert_eq!(again.sub(), first.sub());

    let removed = deployment.must(&["client", "remove", "kiosk"]).await;
    assert!(removed.contains("kiosk"));
    within_seconds("a removed client", || async {
        asks(&party, bridge, "openid").await == 400
    })
    .await;
    let answer = userinfo(bridge, &again.access_token).await;
    assert_eq!(answer.status, 401, "removed everywhere");
    assert!(!deployment.must(&["client", "list"]).await.contains("kiosk"));
    let log = served.stop().await;
    assert!(!log.contains(&secret));
}

/// In the list and by itself, for people and for scripts, without its secret.
async fn it_is_described(deployment: &Deployment, secret: &str) {
    let listed = deployment.must(&["client", "list"]).await;
    assert!(
        listed.contains("kiosk") && listed.contains("portal"),
        "{listed}"
    );
    let shown = deployment.must(&["client", "show", "kiosk"]).await;
    assert!(shown.contains(REDIRECT_URI), "{shown}");
    for (arguments, id) in [
        (&["client", "list", "--json"][..], "kiosk"),
        (&["client", "show", "kiosk", "--json"], "kiosk"),
        (&["client", "show", "portal", "--json"], "portal"),
    ] {
        let text = deployment.must(arguments).await;
        let json: Value = serde_json::from_str(&text).unwrap();
        assert!(
            json.to_string()
                .contains(&format!("\"client_id\":\"{id}\"")),
            "{text}"
        );
        assert!(
            !text.contains(secret) && !text.contains("secret\":"),
            "a secret is shown once: {text}"
        );
    }
}

#[tokio::test]
async fn both_secrets_work_during_the_overlap() {
    let deployment = Deployment::on(Engine::Sqlite).await;
    let served = deployment.serve().await;
    let bridge = served.url.as_str();
    let said = deployment
        .must(&["client", "add", "kiosk", "--redirect-uri", REDIRECT_URI])
        .await;
    let old = kiosk(&shown_secret(&said));
    within_seconds("a new client", || async {
        asks(&old, bridge, "openid").await == 303
    })
    .await;
    let waiting = old.code(bridge, "openid").await;

    let said = deployment.must(&["client", "rotate-secret", "kiosk"]).await;
    assert!(said.contains("works until"), "{said}");
    let new = kiosk(&shown_secret(&said));
    assert_ne!(old.secret, new.secret);
    Party::accept(&old.redeem(bridge, &waiting).await);
    within_seconds("the new secret", || async {
        let code = new.code(bridge, "openid").await;
        new.redeem(bridge, &code).await.status == 200
    })
    .await;
    old.log_in(bridge, "openid").await;

    // In an emergency the former ones end at once.
    let said = deployment
        .must(&[
            "client",
            "rotate-secret",
            "kiosk",
            "--overlap",
            "0s",
            "--json",
        ])
        .await;
    let json: Value = serde_json::from_str(&said).unwrap();
    let newest = kiosk(json["client_secret"].as_str().unwrap());
    within_seconds("only the newest secret", || async {
        let code = newest.code(bridge, "openid").await;
        old.redeem(bridge, &code).await.status == 401
            && new.redeem(bridge, &code).await.status == 401
            && newest.redeem(bridge, &code).await.status == 200
    })
    .await;
    served.stop().await;
}

#[tokio::test]
async fn a_registration_that_cannot_work_is_refused_with_the_reason() {
    let deployment = Deployment::on(Engine::Sqlite).await;
    deployment.must(&["migrate"]).await;
    let kiosk = ["client", "add", "kiosk", "--redirect-uri", REDIRECT_URI];
    let with = |more: &[&'static str]| [&kiosk[..], more].concat();
    for (arguments, code, words) in [
        (
            with(&["--scope", "openid myinfo.nric_number"]),
            2,
            "nric_purpose",
        ),
        (with(&["--scope", "openid nonsense"]), 2, "nonsense"),
        (
            with(&["--redirect-uri", "http://kiosk.example.sg/callback"]),
            2,
            "redirect_uri",
        ),
        (
            with(&["--redirect-uri", "https://other.example.sg/callback"]),
            2,
            "sector_identifier",
        ),
        (
            with(&["--token-endpoint-auth-method", "magic"]),
            2,
            "client_secret_basic",
        ),
        (with(&["--upstream", "elsewhere"]), 2, "upstream"),
        (vec!["client", "add", "kiosk"], 2, "redirect_uri"),
        (
            vec!["client", "add", "portal", "--redirect-uri", REDIRECT_URI],
            1,
            "already",
        ),
        (vec!["client", "show", "nobody"], 1, "client list"),
        (vec!["client", "remove", "nobody"], 1, "client list"),
        (
            vec!["client", "update", "portal", "--enabled", "false"],
            1,
            "SIGHUP",
        ),
        (vec!["client", "remove", "portal"], 1, "configuration"),
        (
            vec!["client", "rotate-secret", "portal"],
            1,
            "configuration",
        ),
    ] {
        let ran = deployment.run(&arguments).await;
        assert_eq!(ran.code, code, "{arguments:?}: {}", ran.all);
        assert!(ran.stderr.contains(words), "{arguments:?}: {}", ran.all);
    }
    deployment.must(&kiosk).await;
    let ran = deployment.run(&kiosk).await;
    assert_eq!(ran.code, 1, "{}", ran.all);
    assert!(ran.stderr.contains("already"), "{}", ran.all);

    let public = [
        "client",
        "add",
        "app",
        "--redirect-uri",
        OTHER.redirect_uri,
        "--token-endpoint-auth-method",
        "none",
    ];
    let said = deployment.must(&public).await;
    assert!(
        !said.contains("client_secret"),
        "a public client has no secret: {said}"
    );
    let ran = deployment.run(&["client", "rotate-secret", "app"]).await;
    assert_eq!(ran.code, 1, "{}", ran.all);
}
