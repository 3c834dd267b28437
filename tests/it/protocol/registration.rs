//! Clients that programs register. Security requirement OP-2; RFC 7591; OpenID Connect Registration 1.0.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::bridge::{Engine, Plan, START, TestBridge};
use crate::support::client_key::{ClientKey, jwks};
use crate::support::party::{Party, userinfo};
use crate::support::receiver::{MAY_CALL_LOOPBACK, Receiver, Reply};
use crate::support::registrar::{INITIAL_ACCESS_TOKEN, REGISTRATION, Registration, register, send};
use crate::support::tables::Tables;
use crate::support::visitor::{Answer, Visitor};

pub(super) const CALLBACK: &str = "https://shop.example.sg/callback";

pub(super) fn minimal() -> Value {
    json!({ "redirect_uris": [CALLBACK] })
}

pub(super) async fn bridge(engine: Engine) -> TestBridge {
    Plan::on(engine).settings(REGISTRATION).start().await
}

pub(super) async fn clients_of_the_database(bridge: &TestBridge) -> usize {
    bridge.bridge.store.list_clients().await.unwrap().len()
}

pub(super) fn assert_refused(answer: &Answer, status: u16, error: &str, what: &str) {
    assert_eq!(answer.status, status, "{what}: {}", answer.body);
    assert_eq!(answer.json()["error"], error, "{what}: {}", answer.body);
    let description = answer.json()["error_description"].to_string();
    assert!(description.len() > 20, "{what}: {description}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
}

#[tokio::test]
async fn without_an_initial_access_token_there_is_no_registration() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let metadata = minimal();
    assert_eq!(register(&bridge.base, &metadata).await.status, 404);
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let url = bridge.url("/register/portal");
        let answer = send(method, &url, Some(INITIAL_ACCESS_TOKEN), Some(&metadata)).await;
        assert_eq!(answer.status, 404);
    }
    let url = bridge.url("/.well-known/openid-configuration");
    let discovered = Visitor::new().get(&url).await.json();
    assert!(discovered.get("registration_endpoint").is_none());
}

#[tokio::test]
async fn only_the_initial_access_token_registers() {
    let bridge = bridge(Engine::Sqlite).await;
    let url = bridge.url("/register");
    let discovered = bridge.url("/.well-known/openid-configuration");
    let discovered = Visitor::new().get(&discovered).await.json();
    assert_eq!(discovered["registration_endpoint"], url.as_str());
    let longer = format!("{INITIAL_ACCESS_TOKEN}a");
    let metadata = minimal();
    for wrong in [
        None,
        Some(""),
        Some("wrong"),
        Some(&longer),
        Some(&longer[1..]),
    ] {
        let answer = send(Method::POST, &url, wrong, Some(&metadata)).await;
        assert_refused(&answer, 401, "invalid_token", &format!("{wrong:?}"));
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Bearer "), "{challenge}");
    }
    let in_query = format!("{url}?access_token={INITIAL_ACCESS_TOKEN}");
    let mut in_body = metadata.clone();
    in_body["access_token"] = INITIAL_ACCESS_TOKEN.into();
    for (url, body) in [(&in_query, &metadata), (&url, &in_body)] {
        let answer = send(Method::POST, url, None, Some(body)).await;
        assert_refused(&answer, 401, "invalid_token", url);
    }
    assert_eq!(clients_of_the_database(&bridge).await, 0);
    let read = send(Method::GET, &url, Some(INITIAL_ACCESS_TOKEN), None).await;
    assert_eq!((read.status, read.header("allow")), (405, Some("POST")));
}

#[tokio::test]
async fn whoever_guesses_initial_access_tokens_is_slowed_down() {
    let settings = format!("{REGISTRATION}[limits]\nfailures_per_minute = 5\n");
    let bridge = Plan::on(Engine::Sqlite)
        .settings(&settings)
        .server_settings("trusted_proxies = [\"127.0.0.0/8\"]")
        .start()
        .await;
    let guess = async |from: &str, token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [
            ("content-type", "application/json"),
            ("authorization", &bearer),
            ("x-forwarded-for", from),
        ];
        let (url, body) = (bridge.url("/register"), minimal().to_string());
        let mut visitor = Visitor::new();
        visitor.send_body(Method::POST, &url, &headers, &body).await
    };
    for _ in 0..5 {
        assert_eq!(guess("203.0.113.9", "wrong").await.status, 401);
    }
    let barred = guess("203.0.113.9", "wrong").await;
    assert_eq!(barred.status, 429, "{}", barred.body);
    assert!(barred.header("retry-after").is_some());
    let elsewhere = guess("198.51.100.7", INITIAL_ACCESS_TOKEN).await;
    assert_eq!(elsewhere.status, 201, "{}", elsewhere.body);
}

on_both_engines!(a_registered_client_logs_people_in, |engine| {
    let bridge = bridge(engine).await;
    let replica = bridge.replica().await;
    let registered = Registration::of(&bridge.base, &minimal()).await;
    let members = &registered.members;
    assert_eq!(members["client_secret_expires_at"], 0);
    assert_eq!(members["client_id_issued_at"], START.seconds());
    assert_eq!(members["redirect_uris"], json!([CALLBACK]));
    assert_eq!(members["token_endpoint_auth_method"], "client_secret_basic");
    assert_eq!(members["id_token_signed_response_alg"], "RS256");
    assert_eq!(members["grant_types"], json!(["authorization_code"]));
    assert_eq!(members["response_types"], json!(["code"]));
    let id = registered.text("client_id");
    assert_eq!(registered.uri(), bridge.url(&format!("/register/{id}")));
    for name in ["client_secret", "registration_access_token"] {
        assert!(
            registered.text(name).len() >= 43,
            "{name} has 256 random bits"
        );
    }
    let party = registered.party();
    let login = party.log_in(&bridge.base, "openid profile").await;
    assert_eq!(login.claims["aud"], id);
    assert!(login.claims["name"].is_string());
    let code = party.code(&bridge.base, "openid").await;
    assert_eq!(party.redeem(&replica.base, &code).await.status, 200);
    let another = Registration::of(&replica.base, &minimal()).await;
    assert_ne!(another.text("client_id"), id);
    assert_ne!(
        another.text("client_secret"),
        registered.text("client_secret")
    );
});

#[tokio::test]
async fn a_client_without_a_secret_is_given_none() {
    let bridge = bridge(Engine::Sqlite).await;
    let mut public = minimal();
    public["token_endpoint_auth_method"] = "none".into();
    let mut with_key = minimal();
    with_key["token_endpoint_auth_method"] = "private_key_jwt".into();
    with_key["jwks"] = jwks(&[ClientKey::ec("k").public()]);
    for metadata in [&public, &with_key] {
        let registered = Registration::of(&bridge.base, metadata).await;
        for name in ["client_secret", "client_secret_expires_at"] {
            assert!(registered.members.get(name).is_none(), "{name}");
        }
    }
    let public = Registration::of(&bridge.base, &public).await.party();
    public.log_in(&bridge.base, "openid").await;
}

#[tokio::test]
async fn what_means_nothing_here_is_ignored_and_the_rest_is_kept() {
    let bridge = bridge(Engine::Sqlite).await;
    let known = json!({
        "redirect_uris": [CALLBACK],
        "post_logout_redirect_uris": ["https://shop.example.sg/bye"],
        "backchannel_logout_uri": "https://shop.example.sg/logout",
        "client_name": "Shop", "scope": "openid email", "subject_type": "public",
        "token_endpoint_auth_method": "client_secret_post",
        "id_token_signed_response_alg": "ES256", "application_type": "web",
        "web_origins": ["https://shop.example.sg"],
    });
    let mut metadata = known.clone();
    let unknown = json!({
        "logo_uri": "https://shop.example.sg/logo.png", "contacts": ["a@example.sg"],
        "client_id": "portal", "client_secret": "mine-0123456789-0123456789-0123456789",
        "registration_access_token": "mine", "software_statement": "a.b.c",
        "initiate_login_uri": "https://shop.example.sg/in", "x": null, "client_name#de": "Laden",
    });
    for (name, value) in unknown.as_object().unwrap() {
        metadata[name] = value.clone();
    }
    let registered = Registration::of(&bridge.base, &metadata).await.members;
    for (name, value) in known.as_object().unwrap() {
        assert_eq!(registered[name], *value, "{name}");
    }
    for (name, value) in unknown.as_object().unwrap() {
        assert_ne!(registered.get(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn a_client_with_a_purpose_is_given_nric_numbers() {
    let bridge = bridge(Engine::Sqlite).await;
    let scope = "openid myinfo.nric_number";
    let metadata = json!({ "redirect_uris": [CALLBACK], "scope": scope, "nric_purpose": "tests" });
    let party = Registration::of(&bridge.base, &metadata).await.party();
    let login = party.log_in(&bridge.base, scope).await;
    assert_eq!(login.claims["myinfo.nric_number"], "S0000001I");
}

on_both_engines!(neither_secret_nor_token_is_kept, |engine| {
    let bridge = bridge(engine).await;
    let registered = Registration::of(&bridge.base, &minimal()).await;
    let kept = Tables::open(&bridge.database_url).await.everything().await;
    for secret in [
        registered.text("client_secret"),
        registered.token(),
        INITIAL_ACCESS_TOKEN,
    ] {
        let holds = |bytes: &[u8]| {
            bytes
                .windows(secret.len())
                .any(|it| it == secret.as_bytes())
        };
        let found = kept.iter().find(|(_, bytes)| holds(bytes));
        assert!(found.is_none(), "{:?}", found.map(|(place, _)| place));
    }
});

const SECTOR: [&str; 2] = [
    "https://a.example.sg/callback",
    "https://b.example.sg/callback",
];

fn of_a_sector(redirect_uris: &[&str], uri: &str) -> Value {
    json!({ "redirect_uris": redirect_uris, "sector_identifier_uri": uri })
}

#[tokio::test]
async fn a_sector_vouches_for_every_redirect_uri_of_its_clients() {
    let receiver = Receiver::start().await;
    receiver.answer("/sector", Reply::Json(json!(SECTOR)));
    let settings = format!("{REGISTRATION}{MAY_CALL_LOOPBACK}");
    let bridge = Plan::on(Engine::Sqlite).settings(&settings).start().await;
    let url = receiver.url("/sector");
    let whole = Registration::of(&bridge.base, &of_a_sector(&SECTOR, &url)).await;
    let part = Registration::of(&bridge.base, &of_a_sector(&SECTOR[1..], &url)).await;
    let (whole, part) = (whole.party(), part.party());
    let subject = async |party: &Party| {
        let login = party.log_in(&bridge.base, "openid").await;
        let userinfo = userinfo(&bridge.base, &login.access_token).await;
        assert_eq!(userinfo.json()["sub"], login.sub());
        login.sub()
    };
    assert_eq!(subject(&whole).await, subject(&part).await, "one sector");

    for (reply, redirect_uris) in [
        (Reply::Json(json!(SECTOR)), &[SECTOR[0], CALLBACK][..]),
        (Reply::Json(json!(SECTOR[..1])), &SECTOR[..]),
        (Reply::Json(json!([])), &SECTOR[..1]),
        (Reply::Json(json!({ "a": SECTOR })), &SECTOR[..1]),
        (Reply::Json(json!(SECTOR[0])), &SECTOR[..1]),
        (Reply::Padded(64 * 1024, json!(SECTOR)), &SECTOR[..1]),
        (Reply::Status(404), &SECTOR[..1]),
        (Reply::Redirect(receiver.url("/elsewhere")), &SECTOR[..1]),
    ] {
        receiver.answer("/sector", reply.clone());
        let answer = register(&bridge.base, &of_a_sector(redirect_uris, &url)).await;
        assert_refused(
            &answer,
            400,
            "invalid_client_metadata",
            &format!("{reply:?}"),
        );
        assert!(
            answer.body.contains("sector_identifier_uri"),
            "{}",
            answer.body
        );
    }
    assert!(receiver.asked("/elsewhere").is_empty());
    assert_eq!(clients_of_the_database(&bridge).await, 2);
}

#[tokio::test]
async fn a_sector_on_this_machine_is_not_asked_unless_the_operator_allows_it() {
    let receiver = Receiver::start().await;
    receiver.answer("/sector", Reply::Json(json!(SECTOR)));
    let bridge = bridge(Engine::Sqlite).await;
    for url in [receiver.url("/sector"), receiver.named_url("/sector")] {
        let answer = register(&bridge.base, &of_a_sector(&SECTOR, &url)).await;
        assert_refused(&answer, 400, "invalid_client_metadata", &url);
    }
    let listed = jwks(&[]);
    receiver.answer("/jwks", Reply::Json(listed));
    let mut with_keys = minimal();
    with_keys["jwks_uri"] = receiver.url("/jwks").into();
    with_keys["logo_uri"] = receiver.url("/logo").into();
    Registration::of(&bridge.base, &with_keys).await;
    assert_eq!(receiver.count(), 0, "nothing is called");
}
