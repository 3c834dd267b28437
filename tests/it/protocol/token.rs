//! The token endpoint: what redeems a code and what does not. Security requirements TK-1, TK-3 to TK-6, TK-10.

use std::time::Duration;

use reqwest::Method;

use crate::support::app::{NONCE, OTHER, PORTAL, SPA, Tokens, header};
use crate::support::bridge::{CLIENT_SECRET, Engine, Plan, START};
use crate::support::visitor::{Answer, Visitor};

fn assert_refused(answer: &Answer, error: &str, what: &str) {
    assert_eq!(answer.status, 400, "{what}: {}", answer.body);
    let body = answer.json();
    assert_eq!(body["error"], error, "{what}: {body}");
    let names: Vec<_> = body.as_object().unwrap().keys().collect();
    assert_eq!(names, ["error", "error_description"], "{what}");
    assert_eq!(
        answer.header("content-type"),
        Some("application/json"),
        "{what}"
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
    let description = body["error_description"].as_str().unwrap();
    let allowed = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
    assert!(description.chars().all(allowed), "{what}: {description}");
}

on_both_engines!(each_mismatch_alone_is_fatal_and_spends_nothing, |engine| {
    let bridge = Plan::on(engine).start().await;
    let code = PORTAL.code(&bridge, "openid").await;

    assert_refused(
        &OTHER.redeem(&bridge, &code).await,
        "invalid_grant",
        "another client",
    );
    assert_refused(
        &SPA.redeem(&bridge, &code).await,
        "invalid_grant",
        "a public client",
    );
    for (name, value) in [
        ("redirect_uri", None),
        ("redirect_uri", Some("https://portal.example.sg/callback/")),
        ("redirect_uri", Some("https://other.example.sg/callback")),
        ("redirect_uri", Some("https://portal.example.sg/callback?")),
        ("code_verifier", None),
        (
            "code_verifier",
            Some("another-code-verifier-that-is-long-enough-0123456789"),
        ),
    ] {
        let mut form = PORTAL.form(&code);
        form.retain(|(own, _)| *own != name);
        form.extend(value.map(|value| (name, value)));
        let answer = PORTAL.send_form(&bridge, form).await;
        assert_refused(&answer, "invalid_grant", &format!("{name} {value:?}"));
    }
    let answer = PORTAL.redeem(&bridge, &code).await;
    assert_eq!(
        answer.status, 200,
        "the code is as good as before: {}",
        answer.body
    );
});

#[tokio::test]
async fn a_request_that_is_not_well_formed_spends_nothing() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let code = PORTAL.code(&bridge, "openid").await;
    for (name, value, error) in [
        ("grant_type", None, "invalid_request"),
        ("grant_type", Some("password"), "unsupported_grant_type"),
        (
            "grant_type",
            Some("client_credentials"),
            "unsupported_grant_type",
        ),
        ("grant_type", Some("password"), "unsupported_grant_type"),
        (
            "grant_type",
            Some("AUTHORIZATION_CODE"),
            "unsupported_grant_type",
        ),
        ("code", None, "invalid_request"),
        ("code", Some(""), "invalid_request"),
        ("code", Some("x"), "invalid_grant"),
    ] {
        let mut form = PORTAL.form(&code);
        form.retain(|(own, _)| *own != name);
        form.extend(value.map(|value| (name, value)));
        let answer = PORTAL.send_form(&bridge, form).await;
        assert_refused(&answer, error, &format!("{name} {value:?}"));
    }
    for (name, value) in PORTAL.form(&code) {
        let mut form = PORTAL.form(&code);
        form.push((name, value));
        assert_refused(
            &PORTAL.send_form(&bridge, form).await,
            "invalid_request",
            &format!("{name} twice"),
        );
    }
    for name in ["client_id", "client_secret"] {
        let mut form = OTHER.form(&code);
        form.push((
            name,
            if name == "client_id" {
                "other"
            } else {
                CLIENT_SECRET
            },
        ));
        assert_refused(
            &OTHER.send_form(&bridge, form).await,
            "invalid_request",
            &format!("{name} twice"),
        );
    }
    assert_eq!(PORTAL.redeem(&bridge, &code).await.status, 200);
}

#[tokio::test]
async fn a_code_has_one_exact_spelling_and_no_other_handle_passes_as_one() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let mut visitor = Visitor::new();
    let url = PORTAL.authorization_url(&bridge, "openid");
    let callback = visitor.up_to_callback(&url).await;
    let cookie = visitor.cookies.values().next().unwrap().clone();
    let state = url::Url::parse(&callback).unwrap();
    let state = state
        .query_pairs()
        .find(|(name, _)| name == "state")
        .unwrap()
        .1
        .into_owned();
    let returned = visitor.walk(&callback).await.returned();
    let code = returned.code().to_owned();
    // 256 random bits.
    assert!(
        code.len() >= 43
            && code
                .bytes()
                .all(|c| c.is_ascii_alphanumeric() || b"-_".contains(&c))
    );
    let tokens = PORTAL.log_in(&bridge, "openid").await;
    let body = &code[3..];
    for wrong in [
        &code[1..],
        &code[..code.len() - 1],
        body,
        &format!("{code}A"),
        &format!("{code}="),
        &format!(" {code}"),
        &code.to_uppercase(),
        &format!("at_{body}"),
        &state,
        &cookie,
        &tokens.access_token,
        &tokens.id_token,
        &"a".repeat(5_000),
        "ac_\u{0}",
    ] {
        assert_refused(&PORTAL.redeem(&bridge, wrong).await, "invalid_grant", wrong);
    }
    assert_eq!(PORTAL.redeem(&bridge, &code).await.status, 200);
}

on_both_engines!(a_code_lives_for_a_minute, |engine| {
    let bridge = Plan::on(engine).start().await;
    let (early, late) = (
        PORTAL.code(&bridge, "openid").await,
        PORTAL.code(&bridge, "openid").await,
    );
    bridge.advance(Duration::from_secs(59));
    assert_eq!(PORTAL.redeem(&bridge, &early).await.status, 200);
    bridge.advance(Duration::from_secs(1));
    assert_refused(
        &PORTAL.redeem(&bridge, &late).await,
        "invalid_grant",
        "after 60 s",
    );
    bridge.bridge.sweep().await.unwrap();
    assert_refused(
        &PORTAL.redeem(&bridge, &late).await,
        "invalid_grant",
        "swept",
    );
});

#[tokio::test]
async fn the_endpoint_takes_posted_forms_and_nothing_else() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let code = SPA.code(&bridge, "openid").await;
    let mut form = SPA.form(&code);
    form.push(("client_id", "spa"));
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&form)
        .finish();
    let in_query = bridge.url(&format!("/token?{query}"));
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
        let answer = Visitor::new()
            .send(method.clone(), &in_query, &[], None)
            .await;
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some("POST")),
            "{method}"
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{method}");
        assert_eq!(answer.json()["error"], "invalid_request", "{method}");
    }
    let answer = Visitor::new().post(&in_query, &[]).await;
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (401, &"invalid_client".into()),
        "parameters in the query are not read: {}",
        answer.body
    );
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = bridge.url("/token");
    for content_type in [
        None,
        Some("application/json"),
        Some("text/plain"),
        Some("multipart/form-data; boundary=x"),
    ] {
        let mut request = http.post(&url).body(query.clone());
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 415, "{content_type:?}");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert!(response.text().await.unwrap().contains("\"error\""));
    }
    let with_charset = "Application/X-WWW-Form-URLEncoded; charset=UTF-8";
    let request = http
        .post(&url)
        .header("content-type", with_charset)
        .body(query);
    assert_eq!(request.send().await.unwrap().status(), 200);
}

on_both_engines!(an_id_token_says_who_for_whom_and_when, |engine| {
    let bridge = Plan::on(engine).start().await;
    let code = PORTAL.code(&bridge, "openid email").await;
    bridge.advance(Duration::from_secs(7));
    let answer = PORTAL.redeem(&bridge, &code).await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let response = answer.json();
    let mut names: Vec<_> = response
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "access_token",
            "expires_in",
            "id_token",
            "scope",
            "token_type"
        ]
    );
    assert_eq!(
        (&response["token_type"], &response["expires_in"]),
        (&"Bearer".into(), &600.into())
    );

    let id_token = response["id_token"].as_str().unwrap();
    let claims = PORTAL.verify(&bridge, id_token, Some(NONCE)).await;
    let mut names: Vec<_> = claims
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    let expected = [
        "acr",
        "at_hash",
        "aud",
        "auth_time",
        "email",
        "email_verified",
        "exp",
        "iat",
        "iss",
        "nonce",
        "sub",
    ];
    assert_eq!(names, expected);
    assert_eq!(claims["iss"], bridge.issuer.as_str());
    assert_eq!(claims["aud"], "portal", "one audience, as a string");
    let began = START.seconds();
    assert_eq!(
        claims["auth_time"], began,
        "when sgID's answer was verified"
    );
    assert_eq!(
        (&claims["iat"], &claims["exp"]),
        (&(began + 7).into(), &(began + 607).into())
    );
    let sub = claims["sub"].as_str().unwrap();
    assert!(
        (1..=255).contains(&sub.len()) && sub.bytes().all(|c| c.is_ascii_graphic()),
        "{sub}"
    );
    let header = header(id_token);
    assert_eq!(
        (&header["alg"], &header["typ"]),
        (&"RS256".into(), &"JWT".into())
    );
    assert!(header["kid"].is_string());
    assert_at_hash(
        &claims["at_hash"],
        response["access_token"].as_str().unwrap(),
    );
});

fn assert_at_hash(at_hash: &serde_json::Value, access_token: &str) {
    use base64::Engine as _;
    use sha2::Digest as _;
    let half = &sha2::Sha256::digest(access_token)[..16];
    assert_eq!(
        *at_hash,
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(half)
    );
}

#[tokio::test]
async fn no_two_logins_share_a_code_or_a_token() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let (one, two): (Tokens, Tokens) = (
        PORTAL.log_in(&bridge, "openid").await,
        PORTAL.log_in(&bridge, "openid").await,
    );
    assert_ne!(one.access_token, two.access_token);
    assert_ne!(one.id_token, two.id_token);
    assert_eq!(one.claims["sub"], two.claims["sub"]);
}
