//! What a token is good for. Security requirement TK-16; RFC 7662.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::app::{App, OTHER, PORTAL, SPA, Tokens};
use crate::support::bridge::{CLIENTS, Engine, Plan, START, TestBridge};
use crate::support::visitor::{Answer, Visitor};

const SCOPE: &str = "openid email offline_access";

fn clients() -> String {
    let refresh = "grant_types = [\"authorization_code\", \"refresh_token\"]\nscope = \"";
    CLIENTS.replace(
        "scope = \"openid",
        &format!("{refresh}openid offline_access"),
    )
}

async fn bridge(engine: Engine) -> TestBridge {
    Plan::on(engine).clients(&clients()).start().await
}

async fn introspect(base: &str, app: App, form: &[(&str, &str)]) -> Answer {
    app.call(&format!("{base}/introspect"), form.to_vec()).await
}

async fn described(base: &str, app: App, token: &str) -> Value {
    let answer = introspect(base, app, &[("token", token)]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer.json()
}

fn refresh_token(tokens: &Tokens) -> &str {
    tokens.response["refresh_token"].as_str().unwrap()
}

fn inactive() -> Value {
    json!({ "active": false })
}

on_both_engines!(
    a_token_is_described_to_its_client_without_personal_data,
    |engine| {
        let bridge = bridge(engine).await;
        let replica = bridge.replica().await;
        let tokens = PORTAL.log_in(&bridge, SCOPE).await;
        let sub = &tokens.claims["sub"];
        let of_access_token = json!({
            "active": true, "token_type": "Bearer", "client_id": "portal", "iss": bridge.issuer,
            "aud": bridge.issuer, "sub": sub, "scope": SCOPE, "iat": START.seconds(),
            "exp": START.after(Duration::from_mins(10)).seconds(),
        });
        let of_refresh_token = json!({
            "active": true, "client_id": "portal", "iss": bridge.issuer, "sub": sub,
            "scope": SCOPE, "exp": START.after(Duration::from_hours(24 * 30)).seconds(),
        });
        for base in [&bridge.base, &replica.base] {
            for hint in ["access_token", "refresh_token", "nonsense"] {
                for (token, expected) in [
                    (&tokens.access_token[..], &of_access_token),
                    (refresh_token(&tokens), &of_refresh_token),
                ] {
                    let form = [("token", token), ("token_type_hint", hint)];
                    let answer = introspect(base, PORTAL, &form).await;
                    assert_eq!(answer.json(), *expected, "a wrong hint changes nothing");
                }
            }
        }
    }
);

on_both_engines!(
    what_is_not_the_callers_or_over_is_inactive_and_nothing_else,
    |engine| {
        let bridge = bridge(engine).await;
        let tokens = PORTAL.log_in(&bridge, SCOPE).await;
        let code = PORTAL.code(&bridge, "openid").await;
        for token in [&tokens.access_token[..], refresh_token(&tokens)] {
            assert_eq!(described(&bridge.base, OTHER, token).await, inactive());
        }
        for token in [
            "x",
            &code,
            &tokens.id_token,
            &format!("{}A", tokens.access_token),
            &format!("at_{}", "A".repeat(43)),
        ] {
            let answer = described(&bridge.base, PORTAL, token).await;
            assert_eq!(answer, inactive(), "{token}");
        }
        bridge.advance(Duration::from_mins(10));
        let expired = described(&bridge.base, PORTAL, &tokens.access_token).await;
        assert_eq!(expired, inactive());
        let used = refresh_token(&tokens);
        let form = vec![("grant_type", "refresh_token"), ("refresh_token", used)];
        let next = PORTAL.send_form(&bridge, form).await.json();
        let used = described(&bridge.base, PORTAL, used).await;
        assert_eq!(used, inactive(), "its successor took its place");
        let next = ["access_token", "refresh_token"].map(|name| next[name].as_str().unwrap());
        for token in next {
            let description = described(&bridge.base, PORTAL, token).await;
            assert_eq!(
                description["active"], true,
                "asking about a used one ends nothing"
            );
        }
        let revoke = vec![("token", next[1])];
        PORTAL.call(&bridge.url("/revoke"), revoke).await;
        for token in next {
            let revoked = described(&bridge.base, PORTAL, token).await;
            assert_eq!(revoked, inactive());
        }
    }
);

#[tokio::test]
async fn a_scope_that_was_withdrawn_is_not_described() {
    let bridge = bridge(Engine::Sqlite).await;
    let tokens = PORTAL.log_in(&bridge, SCOPE).await;
    bridge.change_clients(&clients().replacen(" email", "", 1));
    for token in [&tokens.access_token[..], refresh_token(&tokens)] {
        let description = described(&bridge.base, PORTAL, token).await;
        assert_eq!(description["scope"], "openid offline_access");
    }
}

#[tokio::test]
async fn a_refresh_token_that_its_client_may_not_use_any_more_is_inactive() {
    let bridge = bridge(Engine::Sqlite).await;
    let tokens = PORTAL.log_in(&bridge, SCOPE).await;
    bridge.change_clients(CLIENTS);
    let token = refresh_token(&tokens);
    assert_eq!(described(&bridge.base, PORTAL, token).await, inactive());
}

#[tokio::test]
async fn whoever_asks_proves_who_they_are() {
    let bridge = bridge(Engine::Sqlite).await;
    let tokens = PORTAL.log_in(&bridge, "openid").await;
    let form = [("token", &tokens.access_token[..])];
    for method in ["client_secret_post", "none"] {
        let impostor = App { method, ..PORTAL };
        let answer = introspect(&bridge.base, impostor, &form).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (401, &"invalid_client".into())
        );
    }
    let own = SPA.log_in(&bridge, "openid").await;
    for token in [&own.access_token[..], &tokens.access_token] {
        let answer = introspect(&bridge.base, SPA, &[("token", token)]).await;
        assert!(
            [400, 401].contains(&answer.status),
            "a public client proves nothing"
        );
        assert!(answer.json().get("active").is_none());
    }
    let bearer = format!("Bearer {}", tokens.access_token);
    let headers = [("authorization", bearer.as_str())];
    let url = bridge.url("/introspect");
    let answer = Visitor::new()
        .send(reqwest::Method::POST, &url, &headers, Some(&form))
        .await;
    assert_eq!(answer.status, 401, "a token does not describe itself");
    for form in [&[][..], &[form[0], form[0]]] {
        let answer = introspect(&bridge.base, PORTAL, form).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (400, &"invalid_request".into())
        );
    }
    let in_url = format!("{url}?token={}", tokens.access_token);
    assert_eq!(Visitor::new().get(&in_url).await.status, 405);
}
