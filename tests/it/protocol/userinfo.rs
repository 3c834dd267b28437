//! The userinfo endpoint. Security requirement TK-13; OpenID Connect Core section 5.3; RFC 6750.

use std::time::Duration;

use reqwest::Method;

use crate::support::app::{OTHER, PORTAL, SPA, Tokens};
use crate::support::bridge::{CLIENTS, Engine, Plan, TestBridge};
use crate::support::visitor::{Answer, Visitor};

async fn ask(
    bridge: &TestBridge,
    method: Method,
    path: &str,
    authorization: Option<&str>,
) -> Answer {
    let headers: Vec<_> = authorization
        .map(|value| ("authorization", value))
        .into_iter()
        .collect();
    Visitor::new()
        .send(method, &bridge.url(path), &headers, None)
        .await
}

/// A refusal with its challenge.
fn assert_challenged(answer: &Answer, status: u16, error: &str, what: &str) {
    assert_eq!(answer.status, status, "{what}: {}", answer.body);
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(
        challenge.starts_with("Bearer realm=\"userinfo\""),
        "{what}: {challenge}"
    );
    assert!(
        challenge.contains(&format!("error=\"{error}\"")),
        "{what}: {challenge}"
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
}

#[tokio::test]
async fn a_token_is_taken_from_the_header_or_from_a_posted_form() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let tokens = PORTAL.log_in(&bridge, "openid email").await;
    let bearer = format!("Bearer {}", tokens.access_token);
    let lower = format!("bearer {}", tokens.access_token);
    let form = [("access_token", tokens.access_token.as_str())];
    let empty: &[(&str, &str)] = &[];
    let url = bridge.url("/userinfo");
    let header = [("authorization", bearer.as_str())];
    let answers = [
        ask(&bridge, Method::GET, "/userinfo", Some(&bearer)).await,
        ask(&bridge, Method::GET, "/userinfo", Some(&lower)).await,
        ask(&bridge, Method::POST, "/userinfo", Some(&bearer)).await,
        Visitor::new()
            .send(Method::POST, &url, &header, Some(empty))
            .await,
        Visitor::new().post(&url, &form).await,
    ];
    for answer in answers {
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let mut names: Vec<_> = answer.json().as_object().unwrap().keys().cloned().collect();
        names.sort_unstable();
        assert_eq!(names, ["email", "email_verified", "sub"]);
        assert_eq!(answer.json()["sub"], tokens.claims["sub"]);
    }
}

#[tokio::test]
async fn a_body_that_is_no_form_does_not_matter_beside_the_header() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let tokens = PORTAL.log_in(&bridge, "openid").await;
    let bearer = format!("Bearer {}", tokens.access_token);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let answer = Visitor::new()
        .send(Method::POST, &bridge.url("/userinfo"), &headers, None)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn a_token_is_sent_in_one_way_and_never_in_the_url() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let tokens = PORTAL.log_in(&bridge, "openid").await;
    let bearer = format!("Bearer {}", tokens.access_token);
    let in_query = format!("/userinfo?access_token={}", tokens.access_token);
    let answer = ask(&bridge, Method::GET, &in_query, None).await;
    assert_challenged(&answer, 400, "invalid_request", "in the query");
    let answer = ask(&bridge, Method::GET, &in_query, Some(&bearer)).await;
    assert_challenged(&answer, 400, "invalid_request", "in query and header");
    let url = bridge.url("/userinfo");
    let token = ("access_token", tokens.access_token.as_str());
    let header = [("authorization", bearer.as_str())];
    let answer = Visitor::new()
        .send(Method::POST, &url, &header, Some(&[token]))
        .await;
    assert_challenged(&answer, 400, "invalid_request", "in header and form");
    let answer = Visitor::new().post(&url, &[token, token]).await;
    assert_challenged(&answer, 400, "invalid_request", "twice in the form");
    assert_eq!(tokens.userinfo(&bridge).await.status, 200);
}

#[tokio::test]
async fn without_a_token_there_is_a_bare_challenge() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    for authorization in [None, Some("Basic cG9ydGFsOng="), Some("Bearer")] {
        for method in [Method::GET, Method::POST] {
            let answer = ask(&bridge, method, "/userinfo", authorization).await;
            assert_eq!(answer.status, 401, "{authorization:?}");
            assert_eq!(
                answer.header("www-authenticate"),
                Some("Bearer realm=\"userinfo\"")
            );
        }
    }
}

#[tokio::test]
async fn nothing_but_an_access_token_is_one() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let code = PORTAL.code(&bridge, "openid").await;
    let tokens = PORTAL.log_in(&bridge, "openid").await;
    let token = tokens.access_token.as_str();
    for wrong in [
        &code,
        &tokens.id_token,
        "x",
        &token[..token.len() - 1],
        &format!("{token}A"),
        &token.replacen("at_", "ac_", 1),
        &token.replacen("at_", "AT_", 1),
        &format!("at_{}", "A".repeat(43)),
    ] {
        let answer = ask(
            &bridge,
            Method::GET,
            "/userinfo",
            Some(&format!("Bearer {wrong}")),
        )
        .await;
        assert_challenged(&answer, 401, "invalid_token", wrong);
    }
}

on_both_engines!(a_token_ends_when_its_time_is_over, |engine| {
    let bridge = Plan::on(engine).start().await;
    let tokens = PORTAL.log_in(&bridge, "openid").await;
    bridge.advance(Duration::from_secs(599));
    assert_eq!(tokens.userinfo(&bridge).await.status, 200);
    bridge.advance(Duration::from_secs(1));
    assert_challenged(
        &tokens.userinfo(&bridge).await,
        401,
        "invalid_token",
        "expired",
    );
    bridge.bridge.sweep().await.unwrap();
    assert_challenged(
        &tokens.userinfo(&bridge).await,
        401,
        "invalid_token",
        "swept",
    );
});

#[tokio::test]
async fn a_token_ends_with_its_client() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let tokens = PORTAL.log_in(&bridge, "openid").await;
    let other = OTHER.log_in(&bridge, "openid").await;
    let disabled = CLIENTS.replacen(
        "client_id = \"portal\"",
        "client_id = \"portal\"\nenabled = false",
        1,
    );
    bridge.change_clients(&disabled);
    assert_challenged(
        &tokens.userinfo(&bridge).await,
        401,
        "invalid_token",
        "disabled",
    );
    assert_eq!(other.userinfo(&bridge).await.status, 200);
    let gone = &CLIENTS[CLIENTS.find("[[clients]]\nclient_id = \"other\"").unwrap()..];
    bridge.change_clients(gone);
    assert_challenged(
        &tokens.userinfo(&bridge).await,
        401,
        "invalid_token",
        "gone",
    );
}

on_both_engines!(a_token_gives_only_what_was_granted_with_it, |engine| {
    let bridge = Plan::on(engine).start().await;
    let narrow: Tokens = PORTAL.log_in(&bridge, "openid").await;
    let wide = PORTAL
        .log_in(&bridge, "openid profile email phone address")
        .await;
    let public = SPA.log_in(&bridge, "openid profile email").await;
    let count = |answer: &Answer| answer.json().as_object().unwrap().len();
    assert_eq!(count(&narrow.userinfo(&bridge).await), 1, "sub alone");
    assert!(count(&wide.userinfo(&bridge).await) > 8);
    let answer = public.userinfo(&bridge).await;
    assert!(
        answer.json().get("email").is_none() && answer.json().get("name").is_some(),
        "{}",
        answer.body
    );
});
