//! Registrations that their clients read, change and remove. Security requirements OP-2, OP-3; RFC 7592.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use sgid_bridge::oidc::client::{ClientId, ClientSecretHash};
use sgid_bridge::store::{ClientRecord, SecretRecord};

use crate::support::bridge::{Engine, Plan, START, TestBridge};
use crate::support::party::{Party, userinfo};
use crate::support::registrar::{INITIAL_ACCESS_TOKEN, REGISTRATION, Registration, send};
use crate::support::visitor::{Answer, Visitor};

const CALLBACK: &str = "https://shop.example.sg/callback";
const MOVED: &str = "https://shop.example.sg/moved";

fn metadata() -> Value {
    json!({ "redirect_uris": [CALLBACK], "client_name": "Shop", "scope": "openid email" })
}

async fn bridge(engine: Engine) -> TestBridge {
    Plan::on(engine).settings(REGISTRATION).start().await
}

async fn registered(bridge: &TestBridge) -> Registration {
    Registration::of(&bridge.base, &metadata()).await
}

fn assert_refused(answer: &Answer, status: u16, error: &str, what: &str) {
    assert_eq!(answer.status, status, "{what}: {}", answer.body);
    assert_eq!(answer.json()["error"], error, "{what}: {}", answer.body);
}

/// An instance may remember a client for a second.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_so().await {
        assert!(Instant::now() < deadline, "{what} never arrives");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn is_known(bridge: &TestBridge, party: &Party) -> bool {
    let url = party.authorization_url(&bridge.base, "openid");
    Visitor::new().get(&url).await.status == 303
}

on_both_engines!(
    a_registration_is_read_with_its_token_and_without_its_secret,
    |engine| {
        let bridge = bridge(engine).await;
        let registered = registered(&bridge).await;
        let answer = registered
            .manage(Method::GET, registered.token(), None)
            .await;
        let read = Registration::read(&answer, 200).members;
        let mut expected = registered.members.clone();
        for name in ["client_secret", "client_secret_expires_at"] {
            assert!(read.get(name).is_none(), "{name} is shown once");
            expected.as_object_mut().unwrap().remove(name);
        }
        assert_eq!(read, expected);
    }
);

#[tokio::test]
async fn nothing_but_its_own_token_opens_a_registration() {
    let bridge = bridge(Engine::Sqlite).await;
    let (own, other) = (registered(&bridge).await, registered(&bridge).await);
    let token = own.token();
    let mut body = metadata();
    body["client_id"] = own.text("client_id").into();
    let nowhere = bridge.url("/register/nobody");
    let unknown = send(Method::GET, &nowhere, Some(token), None).await;
    assert_refused(&unknown, 401, "invalid_token", "an unknown client");
    for wrong in [
        "",
        "wrong",
        INITIAL_ACCESS_TOKEN,
        own.text("client_secret"),
        other.token(),
        &token[..token.len() - 1],
        &token.to_uppercase(),
    ] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let answer = own.manage(method.clone(), wrong, Some(&body)).await;
            assert_refused(&answer, 401, "invalid_token", wrong);
            assert_eq!(answer.body, unknown.body, "as if there were no such client");
        }
    }
    let post = own.manage(Method::POST, token, Some(&body)).await;
    assert_eq!(post.status, 405);
    let answer = send(
        Method::POST,
        &bridge.url("/register"),
        Some(token),
        Some(&body),
    )
    .await;
    assert_refused(&answer, 401, "invalid_token", "it registers no other");
    own.party().log_in(&bridge.base, "openid").await;
}

#[tokio::test]
async fn what_the_operator_wrote_is_out_of_reach() {
    let bridge = bridge(Engine::Sqlite).await;
    let token = "a-secret-of-somebody-0123456789-0123456789";
    let by_hand = json!({ "client_id": "by-hand", "redirect_uris": [CALLBACK] });
    let record = ClientRecord {
        metadata: serde_json::from_value(by_hand).unwrap(),
        secrets: vec![SecretRecord {
            hash: ClientSecretHash::of(token),
            expires_at: None,
        }],
        registration: None,
        changed_at: START,
    };
    assert!(bridge.bridge.store.add_client(&record).await.unwrap());
    for id in ["portal", "by-hand"] {
        let url = bridge.url(&format!("/register/{id}"));
        let mut body = metadata();
        body["client_id"] = id.into();
        for token in [token, INITIAL_ACCESS_TOKEN, ""] {
            for method in [Method::GET, Method::PUT, Method::DELETE] {
                let answer = send(method, &url, Some(token), Some(&body)).await;
                assert_refused(&answer, 401, "invalid_token", id);
            }
        }
    }
}

on_both_engines!(an_update_replaces_the_registration, |engine| {
    let bridge = bridge(engine).await;
    let registered = registered(&bridge).await;
    let party = registered.party();
    party.log_in(&bridge.base, "openid email").await;
    let changed = json!({ "redirect_uris": [MOVED], "scope": "openid" });
    let answer = registered.update(&changed).await;
    let updated = Registration::read(&answer, 200);
    assert_eq!(updated.members["redirect_uris"], json!([MOVED]));
    assert_eq!(updated.members["scope"], "openid");
    assert!(
        updated.members.get("client_name").is_none(),
        "left out is gone"
    );
    assert!(updated.members.get("client_secret").is_none(), "shown once");
    for name in [
        "client_id",
        "registration_access_token",
        "client_id_issued_at",
    ] {
        assert_eq!(updated.members[name], registered.members[name], "{name}");
    }
    let moved = Party {
        redirect_uri: MOVED.to_owned(),
        ..party.clone()
    };
    until("the change", async || is_known(&bridge, &moved).await).await;
    let login = moved.log_in(&bridge.base, "openid email").await;
    assert!(login.claims.get("email").is_none());
    assert!(!is_known(&bridge, &party).await, "the former redirect URI");
});

#[tokio::test]
async fn an_update_names_its_client_and_knows_its_secret() {
    let bridge = bridge(Engine::Sqlite).await;
    let (own, other) = (registered(&bridge).await, registered(&bridge).await);
    let named = |id: Value, secret: Value| {
        let mut body = metadata();
        body["redirect_uris"] = json!([MOVED]);
        body["client_id"] = id;
        body["client_secret"] = secret;
        body
    };
    let id = || json!(own.text("client_id"));
    for (body, what) in [
        (named(Value::Null, Value::Null), "nobody"),
        (
            named(json!(other.text("client_id")), Value::Null),
            "another client",
        ),
        (named(json!("portal"), Value::Null), "the operator's client"),
        (named(json!([id()]), Value::Null), "a list"),
        (named(id(), json!("wrong")), "a wrong secret"),
        (
            named(id(), json!(other.text("client_secret"))),
            "another's secret",
        ),
        (named(id(), json!("")), "an empty secret"),
    ] {
        let answer = own.manage(Method::PUT, own.token(), Some(&body)).await;
        assert_refused(&answer, 400, "invalid_client_metadata", what);
    }
    let form = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("authorization", &format!("Bearer {}", own.token())),
    ];
    let mut visitor = Visitor::new();
    let answer = visitor.send_body(Method::PUT, own.uri(), &form, "client_id=x");
    assert!([400, 415].contains(&answer.await.status));
    let read = own.manage(Method::GET, own.token(), None).await.json();
    assert_eq!(
        read["redirect_uris"],
        json!([CALLBACK]),
        "nothing was changed"
    );
    let right = named(id(), json!(own.text("client_secret")));
    let answer = own.manage(Method::PUT, own.token(), Some(&right)).await;
    assert_eq!(
        Registration::read(&answer, 200).members["redirect_uris"],
        json!([MOVED])
    );
}

#[tokio::test]
async fn an_update_that_could_not_be_registered_changes_nothing() {
    let bridge = bridge(Engine::Sqlite).await;
    let registered = registered(&bridge).await;
    for (name, value, error) in [
        (
            "redirect_uris",
            json!(["http://shop.example.sg/"]),
            "invalid_redirect_uri",
        ),
        ("redirect_uris", json!([]), "invalid_redirect_uri"),
        (
            "scope",
            json!("openid myinfo.nric_number"),
            "invalid_client_metadata",
        ),
        (
            "id_token_signed_response_alg",
            json!("HS256"),
            "invalid_client_metadata",
        ),
        (
            "token_endpoint_auth_method",
            json!("private_key_jwt"),
            "invalid_client_metadata",
        ),
    ] {
        let mut body = metadata();
        body[name] = value;
        assert_refused(&registered.update(&body).await, 400, error, name);
    }
    let read = registered
        .manage(Method::GET, registered.token(), None)
        .await;
    assert_eq!(read.json()["scope"], "openid email");
    registered
        .party()
        .log_in(&bridge.base, "openid email")
        .await;
}

#[tokio::test]
async fn a_client_that_gave_up_its_secret_is_given_a_new_one() {
    let bridge = bridge(Engine::Sqlite).await;
    let registered = registered(&bridge).await;
    let with_secret = registered.party();
    let public = Party {
        secret: None,
        ..with_secret.clone()
    };
    let mut body = metadata();
    body["token_endpoint_auth_method"] = "none".into();
    let answer = Registration::read(&registered.update(&body).await, 200);
    assert!(answer.members.get("client_secret").is_none());
    until("the change", async || {
        let code = public.code(&bridge.base, "openid").await;
        public.redeem(&bridge.base, &code).await.status == 200
    })
    .await;
    let code = public.code(&bridge.base, "openid").await;
    assert_eq!(with_secret.redeem(&bridge.base, &code).await.status, 401);

    let back = Registration::read(&registered.update(&metadata()).await, 200);
    let fresh = back.party();
    assert_ne!(fresh.secret, with_secret.secret);
    until("the change", async || {
        let code = fresh.code(&bridge.base, "openid").await;
        fresh.redeem(&bridge.base, &code).await.status == 200
    })
    .await;
    let code = fresh.code(&bridge.base, "openid").await;
    assert_eq!(with_secret.redeem(&bridge.base, &code).await.status, 401);
}

on_both_engines!(a_removed_client_keeps_nothing_of_what_it_held, |engine| {
    let bridge = bridge(engine).await;
    let mut refreshing = metadata();
    refreshing["scope"] = "openid email offline_access".into();
    refreshing["grant_types"] = json!(["authorization_code", "refresh_token"]);
    let registered = Registration::of(&bridge.base, &refreshing).await;
    let party = registered.party();
    let login = party.log_in(&bridge.base, "openid email").await;
    let code = party.code(&bridge.base, "openid").await;
    let mut waiting = Visitor::new();
    let url = party.authorization_url(&bridge.base, "openid");
    let callback = waiting.up_to_callback(&url).await;
    assert_eq!(
        userinfo(&bridge.base, &login.access_token).await.status,
        200
    );

    let answer = registered
        .manage(Method::DELETE, registered.token(), None)
        .await;
    assert_eq!((answer.status, &answer.body[..]), (204, ""));
    until("the removal", async || !is_known(&bridge, &party).await).await;
    assert_eq!(
        userinfo(&bridge.base, &login.access_token).await.status,
        401
    );
    assert_eq!(party.redeem(&bridge.base, &code).await.status, 401);
    let page = waiting.get(&callback).await;
    assert_eq!((page.status, page.header("location")), (400, None));
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let answer = registered
            .manage(method, registered.token(), Some(&refreshing))
            .await;
        assert_refused(&answer, 401, "invalid_token", "removed");
    }
});

#[tokio::test]
async fn an_update_takes_nothing_that_is_the_operators_to_give() {
    let bridge = bridge(Engine::Sqlite).await;
    let registered = registered(&bridge).await;
    for (name, value) in [
        ("scope", json!("openid email profile")),
        ("scope", json!("openid email myinfo.nric_number")),
        ("nric_purpose", json!("mine")),
        ("subject_type", json!("public")),
        ("enabled", json!(false)),
        ("upstream", json!("sgid")),
        ("sector_identifier", json!("portal.example.sg")),
    ] {
        let mut body = metadata();
        body[name] = value;
        let answer = registered.update(&body).await;
        assert_refused(&answer, 400, "invalid_client_metadata", name);
        assert!(answer.body.contains("operator"), "{}", answer.body);
    }
    let narrower = json!({ "redirect_uris": [CALLBACK], "scope": "openid" });
    Registration::read(&registered.update(&narrower).await, 200);
    let answer = registered.update(&metadata()).await;
    assert_refused(&answer, 400, "invalid_client_metadata", "and not back");
}

#[tokio::test]
async fn a_client_that_the_operator_switched_off_does_not_switch_itself_on() {
    let bridge = bridge(Engine::Sqlite).await;
    let registered = registered(&bridge).await;
    let store = &bridge.bridge.store;
    let id = ClientId::parse(registered.text("client_id")).unwrap();
    let found = store.find_client(&id).await.unwrap().unwrap();
    let mut disabled = found.clone();
    disabled.metadata.enabled = false;
    assert!(store.replace_client(&found, &disabled).await.unwrap());

    let mut enabled = metadata();
    enabled["enabled"] = true.into();
    for body in [metadata(), enabled] {
        registered.update(&body).await;
        let kept = store.find_client(&id).await.unwrap().unwrap();
        assert!(!kept.metadata.enabled, "{body}");
    }
}
