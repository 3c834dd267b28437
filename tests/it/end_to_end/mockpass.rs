//! Whole logins in front of MockPass from npm.

use std::collections::BTreeSet;

use reqwest::Method;

use super::{assert_claims, expected_claims, with_mockpass};
use crate::support::app::{OTHER, PORTAL, SPA};
use crate::support::bridge::Engine;
use crate::support::deployment::SECRETS;
use crate::support::party::{Party, userinfo};
use crate::support::visitor::{Visitor, Walk};

const ALL: &str = "openid profile email address myinfo.nric_number myinfo.nationality";

/// Citizens and residents, with and without e-mail, telephone and a country in the address.
const PEOPLE: [&str; 8] = [
    "S9812379B",
    "S9912370B",
    "S9912374E",
    "S6005053H",
    "S9912375C",
    "G1612350T",
    "F1612351W",
    "S9912372I",
];

#[tokio::test]
async fn people_log_in_with_their_data_on_sqlite() {
    people_log_in_with_their_data(Engine::Sqlite).await;
}

#[tokio::test]
async fn people_log_in_with_their_data_on_postgres() {
    people_log_in_with_their_data(Engine::Postgres).await;
}

async fn people_log_in_with_their_data(engine: Engine) {
    let (deployment, mockpass) = with_mockpass(engine, PEOPLE[0]).await;
    let served = deployment.serve().await;
    let portal = Party::from(PORTAL);
    let mut subjects = BTreeSet::new();
    for nric in PEOPLE {
        let expected = expected_claims(nric, ALL);
        assert!(expected.len() >= 5, "{nric} has too little data for a test");
        let login = log_in_as(&portal, &served.url, nric, ALL).await;
        assert_claims(&login.claims, &expected);
        let answer = userinfo(&served.url, &login.access_token).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_claims(&answer.json(), &expected);
        assert_eq!(answer.json()["sub"], login.claims["sub"]);
        // MockPass's own identifier and the NRIC stay behind.
        assert!(!login.sub().contains(nric) && !login.sub().starts_with("u="));
        subjects.insert(login.sub());
        let again = log_in_as(&portal, &served.url, nric, "openid").await;
        assert_eq!(again.sub(), login.sub(), "the same person is the same");
    }
    assert_eq!(subjects.len(), PEOPLE.len());
    assert!(mockpass.output().contains("myinfo.nationality"));
    let log = served.stop().await;
    for nric in PEOPLE {
        let name = &expected_claims(nric, "profile")["name"];
        assert!(
            !log.contains(nric) && !log.contains(name.as_str().unwrap()),
            "{log}"
        );
    }
    for secret in SECRETS {
        assert!(!log.contains(secret));
    }
}

#[tokio::test]
async fn a_client_gets_what_it_asked_for_and_may_have() {
    let nric = PEOPLE[0];
    let (deployment, mockpass) = with_mockpass(Engine::Sqlite, nric).await;
    let served = deployment.serve().await;
    // MockPass sends the NRIC to everybody.
    for (app, asked, given) in [
        (PORTAL, "openid", "openid"),
        (PORTAL, "openid address", "openid address"),
        (
            OTHER,
            "openid profile address myinfo.nric_number",
            "openid profile",
        ),
    ] {
        let mut party = Party::from(app);
        let post = app.id == OTHER.id;
        let login = if post {
            party.secret = None;
            let code = party.code(&served.url, asked).await;
            let form = [
                ("grant_type", "authorization_code"),
                ("code", &code),
                ("redirect_uri", app.redirect_uri),
                ("code_verifier", crate::support::app::VERIFIER),
                ("client_id", app.id),
                ("client_secret", crate::support::bridge::CLIENT_SECRET),
            ];
            Party::accept(&Visitor::new().post(&served.at("/token"), &form).await)
        } else {
            party.log_in(&served.url, asked).await
        };
        assert_claims(&login.claims, &expected_claims(nric, given));
        let answer = userinfo(&served.url, &login.access_token).await.json();
        assert_claims(&answer, &expected_claims(nric, given));
    }
    let mut spa = Party::from(SPA);
    spa.secret = None;
    let login = spa.log_in(&served.url, "openid profile").await;
    assert_claims(&login.claims, &expected_claims(nric, "profile"));
    // What a client may not have was never asked for.
    assert!(
        !mockpass
            .output()
            .contains("Requested scope openid myinfo.nric_number")
    );
    served.stop().await;
}

/// Chooses a person on MockPass's login page.
async fn log_in_as(
    party: &Party,
    bridge: &str,
    nric: &str,
    scope: &str,
) -> crate::support::party::Login {
    let mut person = Visitor::new();
    let away = person.get(&party.authorization_url(bridge, scope)).await;
    let page = person
        .send(
            Method::GET,
            away.location(),
            &[("x-show-login-page", "true")],
            None,
        )
        .await;
    let option = format!("<option value=\"{nric} [MyInfo]\" data-asserturl=\"");
    let (_, after) = page.body.split_once(&option).unwrap();
    let back = after.split('"').next().unwrap();
    let back = back
        .replace("&#x3D;", "=")
        .replace("&#x2F;", "/")
        .replace("&amp;", "&");
    let Walk::RelyingParty(returned) = person.walk(&back).await else {
        panic!("{back} leads nowhere");
    };
    Party::accept(&party.redeem(bridge, returned.code()).await)
}
