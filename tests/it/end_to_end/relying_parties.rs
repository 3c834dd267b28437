//! Relying parties that we did not write, unchanged, in front of MockPass: openid-client from npm, Authlib from `PyPI`.

use serde_json::Value;

use super::{assert_claims, expected_claims, with_mockpass};
use crate::support::bridge::{CLIENT_SECRET, Engine};
use crate::support::relying_party::{Settings, authlib, openid_client};

const NRIC: &str = "S9812379B";
const SCOPE: &str = "openid profile address myinfo.nric_number";

/// One for each way to authenticate, and one for each way to sign; `portal` and `desk` share a sector.
const CLIENTS: &str = r#"
[[clients]]
client_id = "portal"
client_secret = "a-client-secret-of-the-tests-0123456789"
redirect_uris = ["https://portal.example.sg/callback"]
scope = "openid profile address myinfo.nric_number"
nric_purpose = "tests"

[[clients]]
client_id = "desk"
client_secret = "a-client-secret-of-the-tests-0123456789"
token_endpoint_auth_method = "client_secret_post"
redirect_uris = ["https://portal.example.sg/desk"]
scope = "openid profile address myinfo.nric_number"
nric_purpose = "tests"
id_token_signed_response_alg = "ES256"

[[clients]]
client_id = "shop"
client_secret = "a-client-secret-of-the-tests-0123456789"
redirect_uris = ["https://shop.example.sg/callback"]
scope = "openid profile"
id_token_signed_response_alg = "PS256"

[[clients]]
client_id = "app"
token_endpoint_auth_method = "none"
redirect_uris = ["https://app.example.sg/callback"]
scope = "openid profile address"
id_token_signed_response_alg = "EdDSA"
claims_in = ["userinfo"]
"#;

fn settings<'a>(issuer: &'a str, client: &'a str) -> Settings<'a> {
    let (redirect_uri, client_auth) = match client {
        "portal" => ("https://portal.example.sg/callback", "client_secret_basic"),
        "desk" => ("https://portal.example.sg/desk", "client_secret_post"),
        "shop" => ("https://shop.example.sg/callback", "client_secret_basic"),
        _ => ("https://app.example.sg/callback", "none"),
    };
    Settings {
        issuer,
        client_id: client,
        client_secret: if client_auth == "none" {
            ""
        } else {
            CLIENT_SECRET
        },
        redirect_uri,
        scope: SCOPE,
        client_auth,
        extra_authorize: "",
    }
}

fn sub(login: &Value) -> &str {
    let sub = login["id_token_claims"]["sub"].as_str().unwrap();
    assert_eq!(login["userinfo"]["sub"], sub);
    sub
}

#[tokio::test]
async fn openid_client_logs_in_on_postgres() {
    library_logs_in(Engine::Postgres, openid_client_with).await;
}

#[tokio::test]
async fn authlib_logs_in_on_postgres() {
    library_logs_in(Engine::Postgres, authlib_with).await;
}

#[tokio::test]
async fn openid_client_logs_in_on_sqlite() {
    library_logs_in(Engine::Sqlite, openid_client_with).await;
}

#[tokio::test]
async fn authlib_logs_in_on_sqlite() {
    library_logs_in(Engine::Sqlite, authlib_with).await;
}

async fn openid_client_with(issuer: String, client: &'static str) -> Value {
    openid_client(&settings(&issuer, client)).await
}

async fn authlib_with(issuer: String, client: &'static str) -> Value {
    authlib(&settings(&issuer, client)).await
}

async fn library_logs_in<F: Future<Output = Value>>(
    engine: Engine,
    log_in: fn(String, &'static str) -> F,
) {
    let (mut deployment, _mockpass) = with_mockpass(engine, NRIC).await;
    CLIENTS.clone_into(&mut deployment.clients);
    deployment.write();
    let served = deployment.serve().await;
    let log_in = |client| log_in(served.url.clone(), client);

    let portal = log_in("portal").await;
    let expected = expected_claims(NRIC, SCOPE);
    for claim in [
        "name",
        "birthdate",
        "gender",
        "address",
        "myinfo.nric_number",
    ] {
        assert!(expected.contains_key(claim), "{claim}");
    }
    assert_claims(&portal["id_token_claims"], &expected);
    assert_claims(&portal["userinfo"], &expected);
    assert_eq!(portal["userinfo"]["myinfo.nric_number"], NRIC);

    let again = log_in("portal").await;
    assert_eq!(sub(&again), sub(&portal), "the same on the next login");

    let desk = log_in("desk").await;
    assert_eq!(sub(&desk), sub(&portal), "one sector, one identifier");

    let shop = log_in("shop").await;
    assert_ne!(
        sub(&shop),
        sub(&portal),
        "another sector, another identifier"
    );
    assert_claims(&shop["userinfo"], &expected_claims(NRIC, "profile"));
    assert_claims(&shop["id_token_claims"], &expected_claims(NRIC, "profile"));

    let app = log_in("app").await;
    assert!(sub(&app) != sub(&portal) && sub(&app) != sub(&shop));
    assert_claims(&app["userinfo"], &expected_claims(NRIC, "profile address"));
    assert_claims(&app["id_token_claims"], &expected_claims(NRIC, "openid"));
    served.stop().await;
}

#[tokio::test]
async fn both_libraries_see_the_same_person() {
    let (mut deployment, _mockpass) = with_mockpass(Engine::Sqlite, NRIC).await;
    CLIENTS.clone_into(&mut deployment.clients);
    deployment.write();
    let served = deployment.serve().await;
    let portal = settings(&served.url, "portal");
    let (first, second) = tokio::join!(openid_client(&portal), authlib(&portal));
    assert_eq!(sub(&first), sub(&second));
    assert_eq!(first["userinfo"], second["userinfo"]);
    served.stop().await;
}
