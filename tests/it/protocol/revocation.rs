//! Tokens that a client gives back. Security requirement TK-17; RFC 7009.

use reqwest::Method;
use serde_json::Value;

use crate::support::app::{App, OTHER, PORTAL, SPA, userinfo};
use crate::support::bridge::{CLIENTS, Engine, Plan, TestBridge};
use crate::support::visitor::{Answer, Visitor};

const SCOPE: &str = "openid offline_access";

async fn bridge(engine: Engine) -> TestBridge {
    let refresh = "grant_types = [\"authorization_code\", \"refresh_token\"]\nscope = \"";
    let clients = CLIENTS.replace("scope = \"openid", &format!("{refresh}{SCOPE}"));
    Plan::on(engine).clients(&clients).start().await
}

async fn revoke(base: &str, app: App, form: &[(&str, &str)]) -> Answer {
    app.call(&format!("{base}/revoke"), form.to_vec()).await
}

async fn revoked(base: &str, app: App, token: &str) {
    let answer = revoke(base, app, &[("token", token)]).await;
    assert_eq!((answer.status, &answer.body[..]), (200, ""), "{token}");
}

async fn refreshed(base: &str, app: App, token: &str) -> Answer {
    let form = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
    app.call(&format!("{base}/token"), form).await
}

/// The tokens of one login.
struct Held {
    access_token: String,
    refresh_token: String,
}

impl Held {
    async fn by_login(bridge: &TestBridge, app: App) -> Self {
        Self::of(&app.log_in(bridge, SCOPE).await.response)
    }

    fn of(response: &Value) -> Self {
        let text = |name: &str| response[name].as_str().unwrap().to_owned();
        Self {
            access_token: text("access_token"),
            refresh_token: text("refresh_token"),
        }
    }
}

on_both_engines!(
    an_access_token_that_was_given_back_opens_nothing_anywhere,
    |engine| {
        let bridge = bridge(engine).await;
        let replica = bridge.replica().await;
        for app in [PORTAL, OTHER, SPA] {
            for hint in [
                None,
                Some("access_token"),
                Some("refresh_token"),
                Some("nonsense"),
            ] {
                let held = Held::by_login(&bridge, app).await;
                assert_eq!(
                    userinfo(&replica.base, &held.access_token).await.status,
                    200
                );
                let mut form = vec![("token", &held.access_token[..])];
                form.extend(hint.map(|hint| ("token_type_hint", hint)));
                assert_eq!(revoke(&bridge.base, app, &form).await.status, 200);
                for base in [&bridge.base, &replica.base] {
                    assert_eq!(userinfo(base, &held.access_token).await.status, 401);
                }
                revoked(&bridge.base, app, &held.access_token).await;
            }
        }
    }
);

on_both_engines!(
    with_a_refresh_token_all_goes_that_came_of_its_login,
    |engine| {
        let bridge = bridge(engine).await;
        let replica = bridge.replica().await;
        for app in [PORTAL, SPA] {
            for gives_back_the_used_one in [false, true] {
                let first = Held::by_login(&bridge, app).await;
                let next = refreshed(&bridge.base, app, &first.refresh_token).await;
                let next = Held::of(&next.json());
                let given_back = if gives_back_the_used_one {
                    &first
                } else {
                    &next
                };
                revoked(&replica.base, app, &given_back.refresh_token).await;
                for held in [&first, &next] {
                    assert_eq!(userinfo(&bridge.base, &held.access_token).await.status, 401);
                    let answer = refreshed(&bridge.base, app, &held.refresh_token).await;
                    assert_eq!(
                        (answer.status, &answer.json()["error"]),
                        (400, &"invalid_grant".into())
                    );
                }
            }
        }
    }
);

on_both_engines!(nobody_ends_a_token_of_another, |engine| {
    let bridge = bridge(engine).await;
    let held = Held::by_login(&bridge, PORTAL).await;
    for token in [&held.access_token, &held.refresh_token] {
        for thief in [OTHER, SPA] {
            revoked(&bridge.base, thief, token).await;
        }
        for method in ["client_secret_post", "none"] {
            let impostor = App { method, ..PORTAL };
            let answer = revoke(&bridge.base, impostor, &[("token", token)]).await;
            assert_eq!(
                (answer.status, &answer.json()["error"]),
                (401, &"invalid_client".into())
            );
        }
    }
    assert_eq!(userinfo(&bridge.base, &held.access_token).await.status, 200);
    let answer = refreshed(&bridge.base, PORTAL, &held.refresh_token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
});

#[tokio::test]
async fn what_is_no_token_is_given_back_all_the_same() {
    let bridge = bridge(Engine::Sqlite).await;
    let code = PORTAL.code(&bridge, "openid").await;
    let unknown = format!("at_{}", "A".repeat(43));
    for token in ["x", &unknown, &code, "rt_.rn_"] {
        revoked(&bridge.base, PORTAL, token).await;
    }
    assert_eq!(
        PORTAL.redeem(&bridge, &code).await.status,
        200,
        "a code is no token"
    );
    for form in [&[][..], &[("token", "")], &[("token", "x"), ("token", "y")]] {
        let answer = revoke(&bridge.base, PORTAL, form).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (400, &"invalid_request".into()),
            "{form:?}"
        );
    }
}

#[tokio::test]
async fn a_page_of_a_registered_origin_may_give_a_token_back() {
    let bridge = bridge(Engine::Sqlite).await;
    let url = bridge.url("/revoke");
    for (origin, allowed) in [
        ("https://spa.example.sg", true),
        ("https://evil.example", false),
        ("https://portal.example.sg", false),
        ("null", false),
    ] {
        let preflight = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
        ];
        let mut visitor = Visitor::new();
        let before = visitor.send(Method::OPTIONS, &url, &preflight, None).await;
        let held = Held::by_login(&bridge, SPA).await;
        let form = [("token", &held.access_token[..]), ("client_id", "spa")];
        let headers = [("origin", origin)];
        let answer = visitor
            .send(Method::POST, &url, &headers, Some(&form))
            .await;
        for one in [&before, &answer] {
            let told = one.header("access-control-allow-origin");
            assert_eq!(told, allowed.then_some(origin), "{origin}");
            assert_eq!(one.header("access-control-allow-credentials"), None);
        }
        assert_eq!(before.status == 204, allowed, "{origin}: {}", before.status);
    }
    let headers = [("origin", "https://spa.example.sg")];
    for path in ["/introspect", "/par"] {
        let answer = Visitor::new()
            .send(Method::POST, &bridge.url(path), &headers, Some(&[]))
            .await;
        let told = answer.header("access-control-allow-origin");
        assert_eq!(told, None, "{path} is for servers");
    }
}
