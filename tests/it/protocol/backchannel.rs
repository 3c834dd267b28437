//! Apps are told of a session's end. Security requirement LO-3; conformance BL-1 to BL-3; OpenID Connect Back-Channel
//! Logout 1.0.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join;
use serde_json::{Value, json};
use sgid_bridge::bridge::Bridge;

use crate::support::app::{App, OTHER, PORTAL, SPA, Tokens, payload};
use crate::support::bridge::{CLIENTS, Engine, Plan, TestBridge};
use crate::support::client_key::{ClientKey, jwks_line, signed_by};
use crate::support::receiver::{MAY_CALL_LOOPBACK, Receiver, Reply};
use crate::support::visitor::Visitor;

const SESSIONS: &str = "[session]\nenabled = true\nidle = \"8h\"\n";

/// `portal` and `other` are told at paths of their names; `other` wants another algorithm. More lines for `portal`.
fn clients(receiver: &Receiver, lines: &str) -> String {
    let told = |id: &str, lines: &str| {
        let url = receiver.url(&format!("/{id}"));
        format!("client_id = \"{id}\"\nbackchannel_logout_uri = \"{url}\"\n{lines}")
    };
    let es256 = "id_token_signed_response_alg = \"ES256\"";
    CLIENTS
        .replacen("client_id = \"portal\"", &told("portal", lines), 1)
        .replacen("client_id = \"other\"", &told("other", es256), 1)
}

async fn bridge(engine: Engine, receiver: &Receiver) -> TestBridge {
    bridge_with(engine, &clients(receiver, ""), MAY_CALL_LOOPBACK).await
}

async fn bridge_with(engine: Engine, clients: &str, settings: &str) -> TestBridge {
    let settings = format!("{SESSIONS}{settings}");
    let plan = Plan::on(engine).clients(clients).settings(&settings);
    plan.start().await
}

async fn sign_in(bridge: &TestBridge, app: App, visitor: &mut Visitor) -> Tokens {
    app.log_in_with(bridge, "openid", visitor).await
}

async fn sign_out(bridge: &TestBridge, tokens: &Tokens, visitor: &mut Visitor) {
    let url = bridge.url(&format!("/logout?id_token_hint={}", tokens.id_token));
    let page = visitor.get(&url).await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert_eq!(tokens.userinfo(bridge).await.status, 401);
}

async fn deliver(bridge: &Bridge) {
    bridge.deliver_logout_tokens().await.unwrap();
}

/// Somebody signs in to the portal and out again.
async fn in_and_out(bridge: &TestBridge) -> Tokens {
    let mut visitor = Visitor::new();
    let tokens = sign_in(bridge, PORTAL, &mut visitor).await;
    sign_out(bridge, &tokens, &mut visitor).await;
    tokens
}

/// The logout tokens that arrived at a path.
fn tokens_at(receiver: &Receiver, path: &str) -> Vec<String> {
    let asked = receiver.asked(path);
    let token = |form: Vec<(String, String)>| {
        let [(name, token)] = &form[..] else {
            panic!("{form:?}");
        };
        assert_eq!(name, "logout_token");
        token.clone()
    };
    asked.into_iter().map(|it| token(it.form)).collect()
}

on_both_engines!(
    each_app_of_a_session_is_told_by_a_token_of_its_own,
    |engine| {
        let receiver = Receiver::start().await;
        receiver.answer("/portal", Reply::Status(200));
        receiver.answer("/other", Reply::Status(204));
        let bridge = bridge(engine, &receiver).await;
        let mut visitor = Visitor::new();
        let portal = sign_in(&bridge, PORTAL, &mut visitor).await;
        let other = sign_in(&bridge, OTHER, &mut visitor).await;
        sign_in(&bridge, SPA, &mut visitor).await;
        bridge.advance(Duration::from_mins(30));
        sign_out(&bridge, &portal, &mut visitor).await;
        assert_eq!(receiver.count(), 0, "signing out waits for nobody");

        deliver(&bridge.bridge).await;
        let mut jtis = BTreeSet::new();
        for (app, path, algorithm, login) in [
            (PORTAL, "/portal", "RS256", &portal),
            (OTHER, "/other", "ES256", &other),
        ] {
            let asked = &receiver.asked(path)[..];
            let [request] = asked else {
                panic!("{path} heard {} times", asked.len());
            };
            assert_eq!(request.line, format!("POST {path}"));
            let media_type = &request.headers["content-type"];
            assert_eq!(media_type, "application/x-www-form-urlencoded");
            for name in ["cookie", "authorization", "referer"] {
                assert!(!request.headers.contains_key(name), "{name}");
            }
            let token = tokens_at(&receiver, path).remove(0);
            let (header, mut claims) = signed_by(&bridge, &token).await;
            assert_eq!(header["typ"], "logout+jwt");
            assert_eq!(header["alg"], algorithm);
            let members = claims.as_object_mut().unwrap();
            let now = bridge.clock.now().seconds();
            let exp = members.remove("exp").unwrap().as_i64().unwrap();
            assert!((now + 1..=now + 120).contains(&exp), "two minutes at most");
            let jti = members.remove("jti").unwrap();
            assert!(jtis.insert(jti.as_str().unwrap().to_owned()));
            let events = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
            let expected = json!({
                "iss": bridge.issuer, "aud": app.id, "iat": now, "sub": login.claims["sub"],
                "sid": login.claims["sid"], "events": events,
            });
            assert_eq!(claims, expected);
        }
        for name in ["sid", "sub"] {
            assert!(portal.claims[name].is_string(), "{name}");
            assert_ne!(
                portal.claims[name], other.claims[name],
                "{name} joins no two clients"
            );
        }
        for _ in 0..20 {
            bridge.advance(Duration::from_mins(5));
            deliver(&bridge.bridge).await;
        }
        assert_eq!(receiver.count(), 2, "200 and 204 are success");
    }
);

#[tokio::test]
async fn a_client_knows_each_session_by_one_name() {
    let receiver = Receiver::start().await;
    let bridge = bridge(Engine::Sqlite, &receiver).await;
    let mut visitor = Visitor::new();
    let first = sign_in(&bridge, PORTAL, &mut visitor).await;
    let again = sign_in(&bridge, PORTAL, &mut visitor).await;
    assert_eq!(first.claims["sid"], again.claims["sid"]);
    let change = [("prompt", Some("login"))];
    let url = PORTAL.changed_url(&bridge, "openid", &change);
    let page = visitor.get(&url).await;
    let at_sgid = visitor.press(&page, &bridge.base).await;
    let anew = visitor.walk(at_sgid.location()).await.returned();
    let anew = PORTAL.redeem(&bridge, anew.code()).await.json();
    let anew = payload(anew["id_token"].as_str().unwrap());
    assert_eq!(anew["sid"], first.claims["sid"], "the same person goes on");
    let elsewhere = sign_in(&bridge, PORTAL, &mut Visitor::new()).await;
    assert_ne!(elsewhere.claims["sid"], first.claims["sid"]);
    sign_out(&bridge, &again, &mut visitor).await;
    let next = sign_in(&bridge, PORTAL, &mut visitor).await;
    assert_ne!(next.claims["sid"], first.claims["sid"]);
}

/// At which seconds after the sign-out the portal was told, within two hours.
async fn told_at(bridge: &TestBridge, receiver: &Receiver) -> Vec<u64> {
    in_and_out(bridge).await;
    let mut told_at = Vec::new();
    for step in 0..720 {
        let before = receiver.asked("/portal").len();
        deliver(&bridge.bridge).await;
        let times = receiver.asked("/portal").len() - before;
        assert!(times <= 1, "once a round");
        told_at.extend((times == 1).then_some(step * 10));
        bridge.advance(Duration::from_secs(10));
    }
    told_at
}

#[tokio::test]
async fn a_refusal_is_final_and_a_failure_is_tried_again_for_an_hour_at_growing_distance() {
    let receiver = Receiver::start().await;
    let bridge = bridge(Engine::Sqlite, &receiver).await;
    for (reply, is_final) in [
        (Reply::Status(200), true),
        (Reply::Status(204), true),
        (Reply::Status(400), true),
        (Reply::Status(404), false),
        (Reply::Status(500), false),
        (Reply::Redirect(receiver.url("/elsewhere")), false),
    ] {
        receiver.forget();
        receiver.answer("/portal", reply.clone());
        let told_at = told_at(&bridge, &receiver).await;
        assert_eq!(told_at[0], 0, "{reply:?}");
        if is_final {
            assert_eq!(told_at.len(), 1, "{reply:?}: {told_at:?}");
            continue;
        }
        assert!((4..=12).contains(&told_at.len()), "{reply:?}: {told_at:?}");
        let distances: Vec<u64> = told_at.windows(2).map(|it| it[1] - it[0]).collect();
        assert!(distances.is_sorted(), "{distances:?}");
        let last = *told_at.last().unwrap();
        assert!((1800..3600).contains(&last), "{told_at:?}");
        let tokens = tokens_at(&receiver, "/portal");
        let jtis: BTreeSet<_> = tokens
            .iter()
            .map(|it| payload(it)["jti"].to_string())
            .collect();
        assert_eq!(jtis.len(), tokens.len(), "a fresh token each time");
    }
    assert!(
        receiver.asked("/elsewhere").is_empty(),
        "no redirect is followed"
    );
    bridge.bridge.sweep().await.unwrap();
    assert_eq!(bridge.bridge.store.count_logout_notices().await.unwrap(), 0);
}

#[tokio::test]
async fn whoever_comes_back_is_told_what_they_missed() {
    let receiver = Receiver::start().await;
    receiver.answer("/portal", Reply::Status(503));
    let bridge = bridge(Engine::Sqlite, &receiver).await;
    let tokens = in_and_out(&bridge).await;
    deliver(&bridge.bridge).await;
    receiver.answer("/portal", Reply::Status(200));
    for _ in 0..10 {
        bridge.advance(Duration::from_mins(5));
        deliver(&bridge.bridge).await;
    }
    let told = tokens_at(&receiver, "/portal");
    assert_eq!(told.len(), 2);
    let claims = payload(&told[1]);
    assert_eq!(claims["sid"], tokens.claims["sid"]);
    let iat = claims["iat"].as_i64().unwrap();
    assert!(
        iat > payload(&told[0])["exp"].as_i64().unwrap(),
        "as fresh as it goes"
    );
}

on_both_engines!(what_one_instance_noted_another_delivers, |engine| {
    let receiver = Receiver::start().await;
    receiver.answer("/portal", Reply::Status(200));
    let bridge = bridge(engine, &receiver).await;
    let tokens = in_and_out(&bridge).await;
    let replica = bridge.replica().await;
    deliver(&replica.bridge).await;
    let told = tokens_at(&receiver, "/portal");
    assert_eq!(told.len(), 1);
    let (_, claims) = signed_by(&bridge, &told[0]).await;
    assert_eq!(claims["sid"], tokens.claims["sid"]);
    deliver(&bridge.bridge).await;
    assert_eq!(receiver.count(), 1);
});

on_both_engines!(of_two_instances_one_delivers, |engine| {
    let receiver = Receiver::start().await;
    let bridge = bridge(engine, &receiver).await;
    let replica = bridge.replica().await;
    for status in [500, 500, 200] {
        receiver.answer("/portal", Reply::Status(status));
        for _ in 0..2 {
            in_and_out(&bridge).await;
        }
        receiver.forget();
        join(deliver(&bridge.bridge), deliver(&replica.bridge)).await;
        let told = tokens_at(&receiver, "/portal");
        let sids: BTreeSet<_> = told
            .iter()
            .map(|it| payload(it)["sid"].to_string())
            .collect();
        assert_eq!(sids.len(), told.len(), "each session once a round");
        assert!(told.len() >= 2);
    }
});

#[tokio::test]
async fn whoever_does_not_answer_is_tried_again_and_keeps_nobody_from_being_told() {
    let receiver = Receiver::start().await;
    receiver.answer("/portal", Reply::Silence);
    receiver.answer("/other", Reply::Status(200));
    let bridge = bridge(Engine::Sqlite, &receiver).await;
    let mut visitor = Visitor::new();
    let tokens = sign_in(&bridge, PORTAL, &mut visitor).await;
    sign_in(&bridge, OTHER, &mut visitor).await;
    sign_out(&bridge, &tokens, &mut visitor).await;
    let delivering = tokio::spawn({
        let bridge = bridge.bridge.clone();
        async move { deliver(&bridge).await }
    });
    receiver.hears("/portal", 1).await;
    receiver.hears("/other", 1).await;
    sign_in(&bridge, PORTAL, &mut visitor).await;
    delivering.await.unwrap();
    receiver.answer("/portal", Reply::Status(200));
    bridge.advance(Duration::from_mins(1));
    deliver(&bridge.bridge).await;
    assert_eq!(receiver.asked("/portal").len(), 2);
    assert_eq!(receiver.asked("/other").len(), 1);
}

#[tokio::test]
async fn whoever_does_not_answer_has_eight_tokens_under_way_at_most_however_many_rounds_there_are()
{
    let receiver = Receiver::start().await;
    receiver.answer("/portal", Reply::Silence);
    let bridge = bridge(Engine::Sqlite, &receiver).await;
    let mut rounds = Vec::new();
    for under_way in [5, 8] {
        for _ in 0..5 {
            in_and_out(&bridge).await;
        }
        let bridge = bridge.bridge.clone();
        rounds.push(tokio::spawn(async move { deliver(&bridge).await }));
        receiver.hears("/portal", under_way).await;
    }
    for round in rounds {
        round.await.unwrap();
    }
    assert_eq!(receiver.asked("/portal").len(), 8);
    receiver.answer("/portal", Reply::Status(200));
    bridge.advance(Duration::from_secs(10));
    deliver(&bridge.bridge).await;
    deliver(&bridge.bridge).await;
    assert!(receiver.asked("/portal").len() > 8, "the others follow");
}

#[tokio::test]
async fn only_who_logged_in_with_the_session_and_is_still_registered_is_told() {
    let receiver = Receiver::start().await;
    receiver.answer("/portal", Reply::Status(200));
    receiver.answer("/other", Reply::Status(200));
    let bridge = bridge(Engine::Sqlite, &receiver).await;
    sign_in(&bridge, OTHER, &mut Visitor::new()).await;
    in_and_out(&bridge).await;
    deliver(&bridge.bridge).await;
    assert_eq!(receiver.asked("/portal").len(), 1);
    assert_eq!(receiver.asked("/other").len(), 0, "another browser");

    let all = clients(&receiver, "");
    let disabled = clients(&receiver, "enabled = false");
    for changed in [CLIENTS, &disabled] {
        bridge.change_clients(&all);
        receiver.forget();
        in_and_out(&bridge).await;
        bridge.change_clients(changed);
        deliver(&bridge.bridge).await;
        assert_eq!(receiver.count(), 0, "registered no longer");
        let waiting = bridge.bridge.store.count_logout_notices().await.unwrap();
        assert_eq!(waiting, 0, "and nothing waits for it");
    }
}

#[tokio::test]
async fn an_address_that_the_operator_does_not_allow_is_never_called() {
    let receiver = Receiver::start().await;
    receiver.answer("/portal", Reply::Status(200));
    let clients = clients(&receiver, "");
    let bridge = bridge_with(Engine::Sqlite, &clients, "").await;
    in_and_out(&bridge).await;
    for _ in 0..20 {
        deliver(&bridge.bridge).await;
        bridge.advance(Duration::from_mins(5));
    }
    assert_eq!(receiver.count(), 0);
}

#[tokio::test]
async fn a_session_that_another_person_replaces_ends_as_by_signing_out() {
    let receiver = Receiver::start().await;
    receiver.answer("/portal", Reply::Status(200));
    let bridge = bridge(Engine::Sqlite, &receiver).await;
    let mut visitor = Visitor::new();
    let first = sign_in(&bridge, PORTAL, &mut visitor).await;
    bridge.sgid.persona("foreigner");
    let scope = "openid profile";
    let second = PORTAL.log_in_with(&bridge, scope, &mut visitor).await;
    assert_ne!(first.claims["sub"], second.claims["sub"]);
    assert_eq!(first.userinfo(&bridge).await.status, 401);
    assert_eq!(second.userinfo(&bridge).await.status, 200);
    deliver(&bridge.bridge).await;
    let told = tokens_at(&receiver, "/portal");
    assert_eq!(told.len(), 1);
    for name in ["sub", "sid"] {
        assert_eq!(payload(&told[0])[name], first.claims[name], "{name}");
    }
}

/// Back-Channel Logout section 2.6: an app that gets its ID tokens encrypted should refuse a logout token that is not.
#[tokio::test]
async fn a_client_whose_id_tokens_are_encrypted_gets_its_logout_tokens_encrypted() {
    let key = ClientKey::rsa("k");
    let receiver = Receiver::start().await;
    receiver.answer("/portal", Reply::Status(200));
    let keys = jwks_line(&[key.public()]);
    let lines = format!("id_token_encrypted_response_alg = \"RSA-OAEP-256\"\n{keys}");
    let clients = clients(&receiver, &lines);
    let bridge = bridge_with(Engine::Sqlite, &clients, MAY_CALL_LOOPBACK).await;
    let mut visitor = Visitor::new();
    let url = PORTAL.authorization_url(&bridge, "openid");
    let returned = visitor.walk(&url).await.returned();
    let answer = PORTAL.redeem(&bridge, returned.code()).await.json();
    let (_, id_token) = key.open(answer["id_token"].as_str().unwrap());
    let hint = bridge.url(&format!("/logout?id_token_hint={id_token}"));
    assert_eq!(visitor.get(&hint).await.status, 200);
    deliver(&bridge.bridge).await;
    let told = tokens_at(&receiver, "/portal").remove(0);
    assert_eq!(told.split('.').count(), 5, "a JWE");
    let (_, inner) = key.open(&told);
    let (header, claims): (Value, Value) = signed_by(&bridge, &inner).await;
    assert_eq!(header["typ"], "logout+jwt");
    assert_eq!(claims["sid"], payload(&id_token)["sid"]);
}

#[tokio::test]
async fn a_logout_token_passes_as_no_id_token() {
    let receiver = Receiver::start().await;
    receiver.answer("/portal", Reply::Status(200));
    let bridge = bridge(Engine::Sqlite, &receiver).await;
    in_and_out(&bridge).await;
    deliver(&bridge.bridge).await;
    let token = tokens_at(&receiver, "/portal").remove(0);
    let mut visitor = Visitor::new();
    let tokens = sign_in(&bridge, PORTAL, &mut visitor).await;
    let url = bridge.url(&format!("/logout?id_token_hint={token}"));
    assert_eq!(visitor.get(&url).await.status, 400);
    assert_eq!(tokens.userinfo(&bridge).await.status, 200);
}
