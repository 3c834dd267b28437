//! What an authorization request must be, and where each refusal goes. Security requirements AZ-1 to AZ-12.

use reqwest::Method;

use crate::support::app::{NONCE, PORTAL, SPA, STATE, authorize_url};
use crate::support::bridge::{CLIENTS, Engine, Plan, TestBridge};
use crate::support::visitor::{Answer, Returned, Visitor};

/// A page of ours that led nowhere: no redirect, no cookie, no word to sgID.
fn assert_dead_end(bridge: &TestBridge, answer: &Answer, what: &str) {
    assert!(
        (400..500).contains(&answer.status),
        "{what}: {}",
        answer.status
    );
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=utf-8"),
        "{what}"
    );
    assert_eq!(answer.header("location"), None, "{what}");
    assert_eq!(answer.header("set-cookie"), None, "{what}");
    assert_eq!(bridge.sgid.requests().authorize, 0, "{what}");
}

/// A refusal that went straight back to the relying party.
async fn refused(url: &str) -> Returned {
    let answer = Visitor::new().get(url).await;
    assert_eq!(answer.status, 303, "{url}: {}", answer.body);
    assert_eq!(answer.header("set-cookie"), None, "{url}");
    Returned::parse(answer.location())
}

#[tokio::test]
async fn until_client_and_redirect_uri_are_good_every_failure_is_a_page() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let evil = "https://evil.example/callback";
    let changes: [&[(&str, Option<&str>)]; 10] = [
        &[("client_id", None)],
        &[("client_id", Some(""))],
        &[("client_id", Some("nobody"))],
        &[("client_id", Some("Portal"))],
        &[("client_id", Some("<script>alert(1)</script>"))],
        &[("redirect_uri", None)],
        &[("redirect_uri", Some(""))],
        &[("redirect_uri", Some(evil))],
        &[("redirect_uri", Some("https://other.example.sg/callback"))],
        // The first fault decides, whatever else is wrong.
        &[
            ("redirect_uri", Some(evil)),
            ("prompt", Some("none")),
            ("response_mode", Some("x")),
        ],
    ];
    for change in changes {
        let url = PORTAL.changed_url(&bridge, "openid", change);
        let answer = Visitor::new().get(&url).await;
        assert_dead_end(&bridge, &answer, &format!("{change:?}"));
        assert!(!answer.body.contains("<script"), "{}", answer.body);
    }
    for name in ["client_id", "redirect_uri", "response_mode"] {
        let mut parameters = PORTAL.request("openid");
        let value = if name == "client_id" {
            PORTAL.id
        } else {
            PORTAL.redirect_uri
        };
        parameters.push((name.to_owned(), value.to_owned()));
        parameters.push((name.to_owned(), value.to_owned()));
        let answer = Visitor::new()
            .get(&authorize_url(&bridge, &parameters))
            .await;
        assert_dead_end(&bridge, &answer, &format!("{name} twice"));
    }
}

#[tokio::test]
async fn a_refusal_returns_its_code_with_state_and_issuer_and_nothing_else() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let somewhere = bridge.sgid.requests();
    let fetched = format!("{}/oauth/userinfo", bridge.config.upstreams["sgid"].issuer);
    for (name, value, error) in [
        ("response_type", None, "invalid_request"),
        ("response_type", Some("token"), "unsupported_response_type"),
        (
            "response_type",
            Some("code id_token"),
            "unsupported_response_type",
        ),
        (
            "response_type",
            Some("id_token"),
            "unsupported_response_type",
        ),
        ("response_type", Some("CODE"), "unsupported_response_type"),
        ("response_mode", Some("fragment"), "invalid_request"),
        ("response_mode", Some("x"), "invalid_request"),
        ("scope", None, "invalid_scope"),
        ("scope", Some("profile"), "invalid_scope"),
        ("scope", Some("OPENID"), "invalid_scope"),
        ("scope", Some("openid \"x\""), "invalid_scope"),
        ("prompt", Some("none"), "login_required"),
        ("prompt", Some("none login"), "invalid_request"),
        ("max_age", Some("-1"), "invalid_request"),
        ("max_age", Some("soon"), "invalid_request"),
        (
            "request",
            Some("eyJhbGciOiJub25lIn0.e30."),
            "request_not_supported",
        ),
        ("request_uri", Some(&fetched), "request_uri_not_supported"),
        (
            "request_uri",
            Some("urn:ietf:params:oauth:request_uri:x"),
            "invalid_request_uri",
        ),
        ("registration", Some("{}"), "registration_not_supported"),
        ("code_challenge", None, "invalid_request"),
    ] {
        let url = PORTAL.changed_url(&bridge, "openid", &[(name, value)]);
        let returned = refused(&url).await;
        let what = format!("{name}={value:?}: {}", returned.url);
        assert!(
            returned
                .url
                .starts_with(&format!("{}?", PORTAL.redirect_uri)),
            "{what}"
        );
        assert_eq!(returned.error(), error, "{what}");
        assert_eq!(returned.get("state"), Some(STATE), "{what}");
        assert_eq!(returned.get("iss"), Some(bridge.issuer.as_str()), "{what}");
        assert_eq!(
            returned.names(),
            ["error", "error_description", "iss", "state"],
            "{what}"
        );
        let description = returned.get("error_description").unwrap();
        let allowed = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
        assert!(
            !description.is_empty() && description.chars().all(allowed),
            "{what}"
        );
    }
    assert_eq!(
        bridge.sgid.requests(),
        somewhere,
        "nothing was fetched, nobody was sent upstream"
    );
}

#[tokio::test]
async fn a_parameter_that_occurs_twice_is_refused() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    for name in [
        "response_type",
        "scope",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
        "prompt",
        "max_age",
        "display",
        "ui_locales",
        "claims_locales",
        "login_hint",
        "acr_values",
        "id_token_hint",
        "claims",
    ] {
        let mut parameters = PORTAL.request("openid");
        parameters.retain(|(own, _)| own != name);
        for _ in 0..2 {
            parameters.push((name.to_owned(), "1".to_owned()));
        }
        let returned = refused(&authorize_url(&bridge, &parameters)).await;
        assert_eq!(returned.error(), "invalid_request", "{name}");
        let state = (name != "state").then_some(STATE);
        assert_eq!(returned.get("state"), state, "{name}");
        assert_eq!(returned.get("iss"), Some(bridge.issuer.as_str()), "{name}");
    }
}

#[tokio::test]
async fn an_absent_state_stays_absent() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    for state in [None, Some("")] {
        let url = PORTAL.changed_url(&bridge, "openid", &[("state", state), ("scope", None)]);
        assert_eq!(
            refused(&url).await.names(),
            ["error", "error_description", "iss"]
        );
        let url = PORTAL.changed_url(&bridge, "openid", &[("state", state)]);
        let returned = Visitor::new().walk(&url).await.returned();
        assert_eq!(returned.names(), ["code", "iss"]);
    }
}

#[tokio::test]
async fn on_post_only_the_body_counts() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let form = PORTAL.request("openid");
    let form: Vec<_> = form
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let misleading = PORTAL.changed_url(
        &bridge,
        "openid",
        &[("client_id", Some("nobody")), ("state", Some("theirs"))],
    );
    let mut visitor = Visitor::new();
    let begun = visitor.post(&misleading, &form).await;
    assert_eq!(
        begun.status, 303,
        "a browser must not repeat the POST at sgID"
    );
    let returned = visitor.walk(begun.location()).await.returned();
    assert_eq!(returned.get("state"), Some(STATE));
    assert_eq!(returned.names(), ["code", "iss", "state"]);

    let proper = PORTAL.authorization_url(&bridge, "openid");
    let answer = Visitor::new().post(&proper, &[]).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (400, None),
        "the query does not count on POST"
    );
    for content_type in [
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=x",
    ] {
        let headers = [("content-type", content_type)];
        let answer = Visitor::new()
            .send(Method::POST, &proper, &headers, None)
            .await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (415, None),
            "{content_type}"
        );
    }
}

#[tokio::test]
async fn what_is_unknown_or_cannot_be_honoured_is_ignored() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let changes = [
        ("extra", Some("foobar")),
        ("foo[]", Some("<>")),
        ("", Some("nameless")),
        ("display", Some("popup")),
        ("ui_locales", Some("se")),
        ("claims_locales", Some("se")),
        ("login_hint", Some("bob@example.com")),
        ("acr_values", Some("1 2")),
        ("max_age", Some("3600")),
        ("prompt", Some("consent create")),
        ("id_token_hint", Some("nonsense")),
        ("resource", Some("https://api.example.sg")),
    ];
    let url = PORTAL.changed_url(&bridge, "openid nonsense", &changes);
    let returned = Visitor::new().walk(&url).await.returned();
    assert_eq!(returned.names(), ["code", "iss", "state"]);
}

on_both_engines!(
    state_and_nonce_of_1024_odd_characters_come_back_exactly,
    |engine| {
        let bridge = Plan::on(engine).start().await;
        let odd: Vec<char> = " !\"#$%&'()*+,/:;<=>?@[\\]^`{|}~-._\n\r\t\u{0}\u{7f}é漢😀aZ09"
            .chars()
            .collect();
        let state: String = odd.iter().cycle().take(1024).collect();
        let nonce: String = odd.iter().rev().cycle().take(1024).collect();
        let url = SPA.changed_url(
            &bridge,
            "openid",
            &[("state", Some(&state)), ("nonce", Some(&nonce))],
        );
        let returned = Visitor::new().walk(&url).await.returned();
        assert_eq!(returned.get("state"), Some(state.as_str()));
        let id_token = SPA.redeem(&bridge, returned.code()).await.json()["id_token"].clone();
        SPA.verify(&bridge, id_token.as_str().unwrap(), Some(&nonce))
            .await;

        let url = SPA.changed_url(
            &bridge,
            "openid",
            &[("state", Some(&state)), ("scope", None)],
        );
        assert_eq!(refused(&url).await.get("state"), Some(state.as_str()));
    }
);

#[tokio::test]
async fn a_disabled_client_is_as_unknown_as_one_that_never_was() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let disabled = CLIENTS.replacen(
        "client_id = \"portal\"",
        "client_id = \"portal\"\nenabled = false",
        1,
    );
    bridge.change_clients(&disabled);
    let disabled = Visitor::new()
        .get(&PORTAL.authorization_url(&bridge, "openid"))
        .await;
    assert_dead_end(&bridge, &disabled, "disabled");
    let unknown = PORTAL.changed_url(&bridge, "openid", &[("client_id", Some("nobody"))]);
    let unknown = Visitor::new().get(&unknown).await;
    let without_reference = |page: &str| page.split("eference").next().unwrap().to_owned();
    assert_eq!(
        without_reference(&disabled.body),
        without_reference(&unknown.body)
    );
}

#[tokio::test]
async fn what_goes_to_sgid_is_fresh_for_each_login_and_no_value_of_the_relying_party() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        Visitor::new()
            .walk(&PORTAL.authorization_url(&bridge, "openid"))
            .await
            .returned();
        let sent = bridge.sgid.requests().last_authorization;
        let names: Vec<&str> = sent.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "response_type",
                "client_id",
                "redirect_uri",
                "scope",
                "state",
                "nonce",
                "code_challenge",
                "code_challenge_method",
            ]
        );
        assert_eq!(sent[2].1, bridge.url("/callback"));
        assert_eq!(sent[7].1, "S256");
        seen.extend(sent[4..7].iter().map(|(_, value)| value.clone()));
    }
    let own = PORTAL.request("openid");
    for value in &seen {
        assert!(value.len() >= 43, "at least 128 random bits: {value}");
        assert_eq!(seen.iter().filter(|other| *other == value).count(), 1);
        assert!(own.iter().all(|(_, theirs)| theirs != value));
        assert!(!value.contains(STATE) && !value.contains(NONCE));
    }
}
