//! Keys that a client publishes at an address of its own, and what may be called for them. Security requirement OU-1;
//! OpenID Connect Core section 10.1.1.

use std::time::Duration;

use serde_json::Value;

use crate::support::app::App;
use crate::support::bridge::{Engine, Plan, TestBridge};
use crate::support::client_key::{ClientKey, assertion_claims, jwks};
use crate::support::receiver::{MAY_CALL_LOOPBACK, Receiver, Reply};
use crate::support::visitor::{Answer, Visitor};

const BANK: App = App {
    id: "bank",
    redirect_uri: "https://bank.example.sg/callback",
    method: "private_key_jwt",
};

const A_MINUTE: Duration = Duration::from_mins(1);

async fn bridge(jwks_uri: &str, settings: &str) -> TestBridge {
    let clients = format!(
        "[[clients]]\nclient_id = \"bank\"\nredirect_uris = [\"{}\"]\n\
         token_endpoint_auth_method = \"private_key_jwt\"\njwks_uri = \"{jwks_uri}\"\n",
        BANK.redirect_uri
    );
    let plan = Plan::on(Engine::Sqlite).clients(&clients);
    plan.settings(settings).start().await
}

/// A server that publishes these keys at `/jwks`.
async fn publishing(keys: &[Value]) -> Receiver {
    let receiver = Receiver::start().await;
    receiver.answer("/jwks", Reply::Json(jwks(keys)));
    receiver
}

/// What becomes of an assertion that this key has signed, and of the code beside it.
async fn prove(bridge: &TestBridge, key: &ClientKey) -> Answer {
    let code = BANK.code(bridge, "openid").await;
    let assertion = key.sign("ES256", &assertion_claims(bridge, BANK.id));
    let mut form = BANK.form(&code);
    form.extend([
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", &assertion),
    ]);
    Visitor::new().post(&bridge.url("/token"), &form).await
}

fn assert_unproven(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 401, "{what}: {}", answer.body);
    assert_eq!(answer.json()["error"], "invalid_client", "{what}");
}

/// Nobody was proven, and nobody is to blame but the address.
fn assert_unavailable(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 503, "{what}: {}", answer.body);
    assert_eq!(answer.json()["error"], "temporarily_unavailable", "{what}");
    assert!(answer.body.contains("jwks_uri"), "{what}: {}", answer.body);
    assert!(answer.header("retry-after").is_some(), "{what}");
}

#[tokio::test]
async fn published_keys_are_asked_for_once_and_used_for_a_while() {
    let key = ClientKey::ec("k");
    let receiver = publishing(&[key.public()]).await;
    let bridge = bridge(&receiver.url("/jwks"), MAY_CALL_LOOPBACK).await;
    assert_eq!(receiver.count(), 0, "nothing is called before it is needed");
    for _ in 0..3 {
        let answer = prove(&bridge, &key).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let asked = receiver.asked("/jwks");
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].line, "GET /jwks");
    for name in ["cookie", "authorization", "referer"] {
        assert!(!asked[0].headers.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn a_new_key_is_looked_for_at_most_once_a_minute() {
    let (old, new, stranger) = (ClientKey::ec("1"), ClientKey::ec("2"), ClientKey::ec("3"));
    let receiver = publishing(&[old.public()]).await;
    let bridge = bridge(&receiver.url("/jwks"), MAY_CALL_LOOPBACK).await;
    assert_eq!(prove(&bridge, &old).await.status, 200);
    receiver.answer("/jwks", Reply::Json(jwks(&[new.public()])));
    assert_unproven(&prove(&bridge, &new).await, "asked a moment ago");
    assert_eq!(receiver.count(), 1);

    bridge.advance(A_MINUTE);
    assert_eq!(prove(&bridge, &new).await.status, 200);
    assert_unproven(&prove(&bridge, &old).await, "no longer published");
    for _ in 0..3 {
        assert_unproven(&prove(&bridge, &stranger).await, "never published");
    }
    assert_eq!(receiver.count(), 2);
    bridge.advance(A_MINUTE);
    for _ in 0..3 {
        assert_unproven(&prove(&bridge, &stranger).await, "never published");
    }
    assert_eq!(receiver.count(), 3);
}

#[tokio::test]
async fn a_key_that_was_taken_away_is_not_believed_for_long() {
    let (stolen, new) = (ClientKey::ec("1"), ClientKey::ec("2"));
    let receiver = publishing(&[stolen.public()]).await;
    let bridge = bridge(&receiver.url("/jwks"), MAY_CALL_LOOPBACK).await;
    assert_eq!(prove(&bridge, &stolen).await.status, 200);
    receiver.answer("/jwks", Reply::Json(jwks(&[new.public()])));
    bridge.advance(10 * A_MINUTE);
    assert_unproven(&prove(&bridge, &stolen).await, "taken away");
}

#[tokio::test]
async fn a_broken_answer_does_not_erase_good_keys() {
    let key = ClientKey::ec("k");
    let receiver = publishing(&[key.public()]).await;
    let bridge = bridge(&receiver.url("/jwks"), MAY_CALL_LOOPBACK).await;
    assert_eq!(prove(&bridge, &key).await.status, 200);
    for broken in [
        Reply::Status(500),
        Reply::Json(Value::from("x")),
        Reply::Json(jwks(&[key.public(), key.public()])),
    ] {
        receiver.answer("/jwks", broken);
        bridge.advance(10 * A_MINUTE);
        assert_eq!(prove(&bridge, &key).await.status, 200);
    }
    assert_eq!(receiver.count(), 4);
    // A key that was withdrawn must not live on because its address is silent.
    bridge.advance(24 * 60 * A_MINUTE);
    assert_unavailable(&prove(&bridge, &key).await, "a day later");
}

#[tokio::test]
async fn who_could_not_be_reached_is_asked_again_after_a_minute() {
    let key = ClientKey::ec("k");
    let receiver = Receiver::start().await;
    let bridge = bridge(&receiver.url("/jwks"), MAY_CALL_LOOPBACK).await;
    for _ in 0..2 {
        assert_unavailable(&prove(&bridge, &key).await, "404");
    }
    assert_eq!(receiver.count(), 1);
    receiver.answer("/jwks", Reply::Json(jwks(&[key.public()])));
    bridge.advance(A_MINUTE);
    assert_eq!(prove(&bridge, &key).await.status, 200);
}

#[tokio::test]
async fn this_machine_is_not_called_unless_the_operator_allows_it() {
    let key = ClientKey::ec("k");
    let receiver = publishing(&[key.public()]).await;
    let elsewhere = "[outgoing]\nallow = [\"127.0.0.2/32\", \"10.0.0.0/8\"]\n";
    for url in [receiver.url("/jwks"), receiver.named_url("/jwks")] {
        for settings in ["", elsewhere] {
            let bridge = bridge(&url, settings).await;
            assert_unavailable(&prove(&bridge, &key).await, &url);
            assert_eq!(receiver.count(), 0, "{url} was called");
        }
        let bridge = bridge(&url, MAY_CALL_LOOPBACK).await;
        assert_eq!(prove(&bridge, &key).await.status, 200, "{url}");
        assert_eq!(receiver.asked("/jwks").len(), 1);
        receiver.forget();
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let key = ClientKey::ec("k");
    let receiver = publishing(&[key.public()]).await;
    receiver.answer("/moved", Reply::Redirect(receiver.url("/jwks")));
    let bridge = bridge(&receiver.url("/moved"), MAY_CALL_LOOPBACK).await;
    assert_unavailable(&prove(&bridge, &key).await, "redirected");
    assert_eq!(receiver.asked("/moved").len(), 1);
    assert_eq!(receiver.asked("/jwks").len(), 0);
}

#[tokio::test]
async fn an_answer_has_at_most_64_kib() {
    let key = ClientKey::ec("k");
    let keys = jwks(&[key.public()]);
    for (bytes, is_fine) in [(60 * 1024, true), (64 * 1024, false)] {
        let receiver = Receiver::start().await;
        receiver.answer("/jwks", Reply::Padded(bytes, keys.clone()));
        let bridge = bridge(&receiver.url("/jwks"), MAY_CALL_LOOPBACK).await;
        let answer = prove(&bridge, &key).await;
        assert_eq!(answer.status == 200, is_fine, "{bytes}: {}", answer.body);
    }
}

#[tokio::test]
async fn whoever_does_not_answer_is_given_up_and_holds_up_nobody_else() {
    let key = ClientKey::ec("k");
    let receiver = Receiver::start().await;
    receiver.answer("/jwks", Reply::Silence);
    let bridge = bridge(&receiver.url("/jwks"), MAY_CALL_LOOPBACK).await;
    let waiting = prove(&bridge, &key);
    let meanwhile = async {
        receiver.hears("/jwks", 1).await;
        let discovery = bridge.url("/.well-known/openid-configuration");
        Visitor::new().get(&discovery).await.status
    };
    let (refused, meanwhile) = futures_util::future::join(waiting, meanwhile).await;
    assert_unavailable(&refused, "silence");
    assert_eq!(meanwhile, 200);
}

#[tokio::test]
async fn a_published_private_key_is_no_key() {
    let key = ClientKey::ec("k");
    let receiver = publishing(&[key.private()]).await;
    let bridge = bridge(&receiver.url("/jwks"), MAY_CALL_LOOPBACK).await;
    let refused = prove(&bridge, &key).await;
    assert_unavailable(&refused, "private");
}
