//! Claims are gone with the last token that could fetch them, and so is everything else that belonged to somebody once
//! its time is over. DA-3.

use std::time::Duration;

use crate::support::app::PORTAL;
use crate::support::bridge::{CLIENTS, Engine, Plan};
use crate::support::client_key::{ClientKey, assertion_claims, jwks_line};
use crate::support::signing_out::logout_url;
use crate::support::tables::Tables;
use crate::support::visitor::Visitor;

const TABLES: [&str; 8] = [
    "login",
    "authorization_code",
    "access_token",
    "session",
    "pushed_request",
    "refresh_token",
    "used_assertion",
    "logout_notice",
];
const SCOPE: &str = "openid profile myinfo.nric_number offline_access";
const SETTINGS: &str = "[session]\nenabled = true\n[lifetimes]\nrefresh_token = \"2h\"\n";
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The usual clients; `portal` has refresh tokens and is told of sign-outs, and `bank` proves itself with a key.
fn clients(key: &ClientKey) -> String {
    let portal = "client_id = \"portal\"\n\
         grant_types = [\"authorization_code\", \"refresh_token\"]\n\
         backchannel_logout_uri = \"https://portal.example.sg/told\"";
    let clients = CLIENTS
        .replacen("client_id = \"portal\"", portal, 1)
        .replacen("profile email", "profile email offline_access", 1);
    format!(
        "{clients}\n[[clients]]\nclient_id = \"bank\"\n\
         redirect_uris = [\"https://bank.example.sg/callback\"]\n\
         token_endpoint_auth_method = \"private_key_jwt\"\n{}",
        jwks_line(&[key.public()])
    )
}

async fn nothing_of_anybody_is_left_after_expiry(engine: Engine) {
    let key = ClientKey::ec("bank-key");
    let plan = Plan::on(engine).clients(&clients(&key)).settings(SETTINGS);
    let bridge = plan.start().await;
    // One is at sgID, one has not redeemed the code, one has tokens, one has signed out.
    let url = PORTAL.authorization_url(&bridge, SCOPE);
    assert_eq!(Visitor::new().get(&url).await.status, 303);
    PORTAL.code(&bridge, SCOPE).await;
    let tokens = PORTAL.log_in(&bridge, SCOPE).await;
    assert!(tokens.response["refresh_token"].is_string());
    let mut visitor = Visitor::new();
    let gone = PORTAL.log_in_with(&bridge, SCOPE, &mut visitor).await;
    let url = logout_url(&bridge.base, &[("id_token_hint", &gone.id_token)]);
    assert_eq!(visitor.get(&url).await.status, 200);
    // One has been announced by `portal`; `bank` has asked about a token.
    let request = PORTAL.request(SCOPE);
    let request: Vec<_> = request
        .iter()
        .map(|(name, value)| (&name[..], &value[..]))
        .collect();
    let pushed = PORTAL.call(&bridge.url("/par"), request).await;
    assert_eq!(pushed.status, 201, "{}", pushed.body);
    let assertion = key.sign("ES256", &assertion_claims(&bridge, "bank"));
    let form = [
        ("token", "x"),
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", &assertion),
    ];
    let asked = visitor.post(&bridge.url("/introspect"), &form).await;
    assert_eq!(asked.status, 200, "{}", asked.body);

    let mut tables = Tables::open(&bridge.database_url).await;
    bridge.bridge.sweep().await.unwrap();
    for table in TABLES {
        assert!(tables.count(table).await > 0, "{table}");
    }

    // Each at the end of its own time. Twice the patience with a person, and so long after a request may be used.
    let mut now = 0;
    for (at, emptied) in [
        (60, "authorization_code"),
        (150, "used_assertion"),
        (600, "access_token"),
        (900, "session"),
        (1200, "login"),
        (1290, "pushed_request"),
        (3600, "logout_notice"),
        (7200, "refresh_token"),
    ] {
        bridge.advance(Duration::from_secs(at - now));
        now = at;
        bridge.bridge.sweep().await.unwrap();
        assert_eq!(tables.count(emptied).await, 0, "{emptied}");
    }
    assert_eq!(tokens.userinfo(&bridge).await.status, 401);
    for table in TABLES {
        assert_eq!(tables.count(table).await, 0, "{table}");
    }
}

#[tokio::test]
async fn nothing_of_anybody_is_left_after_expiry_on_sqlite() {
    nothing_of_anybody_is_left_after_expiry(Engine::Sqlite).await;
}

#[tokio::test]
async fn nothing_of_anybody_is_left_after_expiry_on_postgres() {
    nothing_of_anybody_is_left_after_expiry(Engine::Postgres).await;
}
