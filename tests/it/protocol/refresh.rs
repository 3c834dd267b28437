//! Tokens anew, without the person. Security requirement TK-15; conformance TE-4, TE-5; RFC 6749 section 6; RFC 9700
//! section 4.14.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;

use crate::support::app::{App, OTHER, PORTAL, SPA, payload, userinfo};
use crate::support::bridge::{CLIENTS, Engine, Plan, TestBridge};
use crate::support::visitor::{Answer, Visitor};

const OFFLINE: &str = "openid offline_access profile";

/// The usual clients, registered for refresh tokens.
fn clients() -> String {
    let refresh = "grant_types = [\"authorization_code\", \"refresh_token\"]\nscope = \"";
    CLIENTS
        .replace("scope = \"", refresh)
        .replace("openid profile", OFFLINE)
}

async fn bridge(engine: Engine) -> TestBridge {
    Plan::on(engine).clients(&clients()).start().await
}

/// A token response.
struct Held {
    response: Value,
}

impl Held {
    fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let response = answer.json();
        assert_eq!(response["token_type"], "Bearer");
        assert_eq!(response["expires_in"], 600);
        Self { response }
    }

    async fn by_login(bridge: &TestBridge, app: App, scope: &str) -> Self {
        let code = app.code(bridge, scope).await;
        Self::of(&app.redeem(bridge, &code).await)
    }

    fn text(&self, name: &str) -> &str {
        let value = self.response[name].as_str();
        value.unwrap_or_else(|| panic!("no {name} in {}", self.response))
    }

    fn refresh_token(&self) -> &str {
        self.text("refresh_token")
    }

    fn claims(&self) -> Value {
        payload(self.text("id_token"))
    }

    async fn userinfo(&self, base: &str) -> Answer {
        userinfo(base, self.text("access_token")).await
    }
}

async fn present(base: &str, app: App, token: &str) -> Answer {
    present_for(base, app, token, None).await
}

async fn present_for(base: &str, app: App, token: &str, scope: Option<&str>) -> Answer {
    let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
    form.extend(scope.map(|scope| ("scope", scope)));
    app.call(&format!("{base}/token"), form).await
}

fn assert_refused(answer: &Answer, error: &str, what: &str) {
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (400, &error.into()),
        "{what}: {}",
        answer.body
    );
    assert!(answer.json().get("access_token").is_none(), "{what}");
}

#[tokio::test]
async fn a_refresh_token_is_given_only_where_it_is_registered_and_asked_for() {
    let bridge = bridge(Engine::Sqlite).await;
    let held = Held::by_login(&bridge, PORTAL, "openid profile").await;
    assert!(
        held.response.get("refresh_token").is_none(),
        "not asked for"
    );
    let held = Held::by_login(&bridge, PORTAL, OFFLINE).await;
    assert_eq!(held.text("scope"), OFFLINE);
    let kept = held.refresh_token().to_owned();

    let without_grant_type = CLIENTS.replace("openid profile", OFFLINE);
    for changed in [CLIENTS, &without_grant_type] {
        bridge.change_clients(changed);
        let held = Held::by_login(&bridge, PORTAL, OFFLINE).await;
        assert!(held.response.get("refresh_token").is_none());
        let answer = present(&bridge.base, PORTAL, &kept).await;
        assert_refused(&answer, "unauthorized_client", "not registered for it");
    }
    bridge.change_clients(&clients());
    assert_eq!(present(&bridge.base, PORTAL, &kept).await.status, 200);
}

on_both_engines!(
    each_refresh_token_works_once_and_brings_the_next,
    |engine| {
        let bridge = bridge(engine).await;
        let replica = bridge.replica().await;
        for app in [PORTAL, OTHER, SPA] {
            let mut held = Held::by_login(&bridge, app, OFFLINE).await;
            for base in [&bridge.base, &replica.base, &replica.base] {
                bridge.advance(Duration::from_mins(11));
                bridge.bridge.sweep().await.unwrap();
                assert_eq!(held.userinfo(base).await.status, 401, "expired");
                let next = Held::of(&present(base, app, held.refresh_token()).await);
                assert_ne!(next.refresh_token(), held.refresh_token());
                assert_eq!(next.text("scope"), OFFLINE);
                let userinfo = next.userinfo(base).await.json();
                assert_eq!(userinfo["sub"], next.claims()["sub"]);
                held = next;
            }
        }
    }
);

on_both_engines!(
    a_used_refresh_token_ends_all_that_came_of_its_login,
    |engine| {
        let bridge = bridge(engine).await;
        let replica = bridge.replica().await;
        for (again, at) in [(0, &bridge.base), (0, &replica.base), (1, &replica.base)] {
            let mut held = vec![Held::by_login(&bridge, PORTAL, OFFLINE).await];
            for _ in 0..2 {
                let latest = held.last().unwrap().refresh_token();
                let next = Held::of(&present(&bridge.base, PORTAL, latest).await);
                held.push(next);
            }
            for one in &held {
                assert_eq!(one.userinfo(at).await.status, 200);
            }
            let reused = present(at, PORTAL, held[again].refresh_token()).await;
            assert_refused(&reused, "invalid_grant", "reused");
            for one in &held {
                let answer = present(&bridge.base, PORTAL, one.refresh_token()).await;
                assert_refused(&answer, "invalid_grant", "the family has ended");
                assert_eq!(one.userinfo(&bridge.base).await.status, 401);
            }
        }
        let untouched = Held::by_login(&bridge, PORTAL, OFFLINE).await;
        let answer = present(&bridge.base, PORTAL, untouched.refresh_token()).await;
        assert_eq!(answer.status, 200, "another login is another family");
    }
);

on_both_engines!(of_many_refreshes_at_once_at_most_one_succeeds, |engine| {
    let bridge = bridge(engine).await;
    let replica = bridge.replica().await;
    for _ in 0..3 {
        let held = Held::by_login(&bridge, PORTAL, OFFLINE).await;
        let attempts = (0..8).map(|number| {
            let base = [&bridge.base, &replica.base][number % 2];
            present(base, PORTAL, held.refresh_token())
        });
        let answers = join_all(attempts).await;
        let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|it| it.status == 200);
        assert!(won.len() <= 1, "{} succeeded", won.len());
        for answer in lost {
            assert_refused(answer, "invalid_grant", "lost the race");
        }
        assert_eq!(held.userinfo(&bridge.base).await.status, 401);
        for answer in won {
            let won = Held::of(answer);
            assert_eq!(won.userinfo(&bridge.base).await.status, 401);
            let next = present(&bridge.base, PORTAL, won.refresh_token()).await;
            assert_refused(&next, "invalid_grant", "a race is a reuse");
        }
    }
});

on_both_engines!(only_its_own_client_uses_or_ends_a_refresh_token, |engine| {
    let bridge = bridge(engine).await;
    let held = Held::by_login(&bridge, PORTAL, OFFLINE).await;
    let used = held.refresh_token().to_owned();
    let latest = Held::of(&present(&bridge.base, PORTAL, &used).await);
    for token in [&used, latest.refresh_token()] {
        for thief in [OTHER, SPA] {
            let answer = present(&bridge.base, thief, token).await;
            assert_refused(&answer, "invalid_grant", thief.id);
        }
        for method in ["client_secret_post", "none"] {
            let impostor = App { method, ..PORTAL };
            assert_eq!(present(&bridge.base, impostor, token).await.status, 401);
        }
    }
    assert_eq!(latest.userinfo(&bridge.base).await.status, 200);
    let answer = present(&bridge.base, PORTAL, latest.refresh_token()).await;
    assert_eq!(answer.status, 200, "none of all that ended it");
});

#[tokio::test]
async fn a_narrower_scope_gives_less_this_time() {
    let bridge = bridge(Engine::Sqlite).await;
    let scope = "openid email offline_access profile";
    let held = Held::by_login(&bridge, PORTAL, scope).await;
    assert!(held.claims().get("email").is_some());
    let narrow = Some("openid email");
    let answer = present_for(&bridge.base, PORTAL, held.refresh_token(), narrow).await;
    let narrowed = Held::of(&answer);
    assert_eq!(narrowed.text("scope"), "openid email");
    for claims in [
        narrowed.claims(),
        narrowed.userinfo(&bridge.base).await.json(),
    ] {
        assert!(claims.get("email").is_some(), "{claims}");
        assert!(claims.get("name").is_none(), "{claims}");
        assert!(claims.get("birthdate").is_none(), "{claims}");
    }
    let whole = present(&bridge.base, PORTAL, narrowed.refresh_token()).await;
    let whole = Held::of(&whole);
    assert_eq!(whole.text("scope"), scope, "the grant is as wide as before");
    assert!(whole.claims().get("name").is_some());
}

#[tokio::test]
async fn a_wider_scope_is_refused_and_costs_nothing() {
    let bridge = bridge(Engine::Sqlite).await;
    let held = Held::by_login(&bridge, PORTAL, OFFLINE).await;
    for wide in [
        "openid profile email",
        "openid myinfo.nric_number",
        "openid nonsense",
        "profile",
        "openid \"x\"",
    ] {
        let answer = present_for(&bridge.base, PORTAL, held.refresh_token(), Some(wide)).await;
        assert_refused(&answer, "invalid_scope", wide);
    }
    Held::of(&present(&bridge.base, PORTAL, held.refresh_token()).await);
}

#[tokio::test]
async fn a_refreshed_id_token_speaks_of_the_same_sign_in() {
    let bridge = bridge(Engine::Sqlite).await;
    for app in [PORTAL, SPA] {
        let held = Held::by_login(&bridge, app, OFFLINE).await;
        bridge.advance(Duration::from_mins(5));
        let next = Held::of(&present(&bridge.base, app, held.refresh_token()).await);
        app.verify(&bridge, next.text("id_token"), None).await;
        let (before, after) = (held.claims(), next.claims());
        for name in ["iss", "sub", "aud", "auth_time", "acr"] {
            assert_eq!(before[name], after[name], "{name}");
        }
        let seconds = |claims: &Value, name: &str| claims[name].as_i64().unwrap();
        for name in ["iat", "exp"] {
            assert_eq!(
                seconds(&after, name) - seconds(&before, name),
                300,
                "{name}"
            );
        }
        assert!(before.get("nonce").is_some() && after.get("nonce").is_none());
    }
}

on_both_engines!(
    a_refresh_brings_what_the_login_brought_and_never_more,
    |engine| {
        let bridge = bridge(engine).await;
        let held = Held::by_login(&bridge, PORTAL, OFFLINE).await;
        let asked = r#"{"userinfo":{"email":null}}"#;
        let change = [("claims", Some(asked))];
        let url = PORTAL.changed_url(&bridge, "openid offline_access", &change);
        let returned = Visitor::new().walk(&url).await.returned();
        let by_name = Held::of(&PORTAL.redeem(&bridge, returned.code()).await);

        let requests = bridge.sgid.requests();
        bridge.sgid.persona("foreigner");
        let next = Held::of(&present(&bridge.base, PORTAL, held.refresh_token()).await);
        let name = &held.claims()["name"];
        assert!(name.is_string());
        let userinfo = next.userinfo(&bridge.base).await.json();
        assert_eq!((&next.claims()["name"], &userinfo["name"]), (name, name));
        for claim in ["email", "phone_number", "address", "myinfo.nric_number"] {
            assert!(next.claims().get(claim).is_none(), "{claim}");
            assert!(userinfo.get(claim).is_none(), "{claim}");
        }
        let next = Held::of(&present(&bridge.base, PORTAL, by_name.refresh_token()).await);
        assert!(next.claims().get("email").is_none(), "{}", next.claims());
        let userinfo = next.userinfo(&bridge.base).await.json();
        assert!(userinfo.get("email").is_some(), "{userinfo}");
        let after = bridge.sgid.requests();
        assert_eq!(
            (after.authorize, after.token, after.userinfo),
            (requests.authorize, requests.token, requests.userinfo),
            "sgID is not asked again"
        );
    }
);

#[tokio::test]
async fn what_the_client_lost_a_refresh_does_not_give() {
    let bridge = bridge(Engine::Sqlite).await;
    let scope = "openid email offline_access profile";
    let held = Held::by_login(&bridge, PORTAL, scope).await;
    let id = "client_id = \"portal\"";
    bridge.change_clients(&clients().replacen(id, &format!("{id}\nenabled = false"), 1));
    let answer = present(&bridge.base, PORTAL, held.refresh_token()).await;
    assert_eq!(answer.status, 401, "disabled");

    bridge.change_clients(&clients().replacen(OFFLINE, "openid offline_access", 1));
    let next = Held::of(&present(&bridge.base, PORTAL, held.refresh_token()).await);
    assert_eq!(next.text("scope"), "openid email offline_access");
    for claims in [next.claims(), next.userinfo(&bridge.base).await.json()] {
        assert!(claims.get("email").is_some() && claims.get("name").is_none());
    }
}

on_both_engines!(the_last_refresh_token_expires_with_the_first, |engine| {
    let bridge = Plan::on(engine)
        .clients(&clients())
        .settings("[lifetimes]\nrefresh_token = \"1h\"\n")
        .start()
        .await;
    let mut held = Held::by_login(&bridge, PORTAL, OFFLINE).await;
    for minutes in [30, 29] {
        bridge.advance(Duration::from_mins(minutes));
        bridge.bridge.sweep().await.unwrap();
        held = Held::of(&present(&bridge.base, PORTAL, held.refresh_token()).await);
    }
    bridge.advance(Duration::from_mins(1));
    let answer = present(&bridge.base, PORTAL, held.refresh_token()).await;
    assert_refused(&answer, "invalid_grant", "after an hour");
});

on_both_engines!(a_replayed_code_ends_the_refresh_tokens_too, |engine| {
    let bridge = bridge(engine).await;
    let code = PORTAL.code(&bridge, OFFLINE).await;
    let held = Held::of(&PORTAL.redeem(&bridge, &code).await);
    let next = Held::of(&present(&bridge.base, PORTAL, held.refresh_token()).await);
    assert_refused(
        &PORTAL.redeem(&bridge, &code).await,
        "invalid_grant",
        "replay",
    );
    let answer = present(&bridge.base, PORTAL, next.refresh_token()).await;
    assert_refused(&answer, "invalid_grant", "ended with its code");
    assert_eq!(next.userinfo(&bridge.base).await.status, 401);
});

#[tokio::test]
async fn a_refresh_token_is_no_other_handle_and_no_other_is_one() {
    let bridge = bridge(Engine::Sqlite).await;
    let code = PORTAL.code(&bridge, OFFLINE).await;
    let held = Held::by_login(&bridge, PORTAL, OFFLINE).await;
    let token = held.refresh_token().to_owned();
    let (family, turn) = token.split_once('.').unwrap();
    assert_eq!(
        (family.len(), turn.len()),
        (46, 46),
        "twice 256 random bits"
    );
    for wrong in [
        code.clone(),
        held.text("access_token").to_owned(),
        held.text("id_token").to_owned(),
        family.to_owned(),
        format!("{turn}.{family}"),
        format!("{family}."),
        format!("{token}A"),
        format!("{family}.{}", turn.replacen("rn_", "at_", 1)),
        "x".to_owned(),
    ] {
        let answer = present(&bridge.base, PORTAL, &wrong).await;
        assert_refused(&answer, "invalid_grant", &wrong);
    }
    for presented in [&token[..], family, turn] {
        assert_eq!(userinfo(&bridge.base, presented).await.status, 401);
        let answer = PORTAL.redeem(&bridge, presented).await;
        assert_refused(&answer, "invalid_grant", presented);
    }
    let form = vec![("grant_type", "refresh_token")];
    let missing = PORTAL.send_form(&bridge, form.clone()).await;
    assert_refused(&missing, "invalid_request", "missing");
    let twice = [
        form,
        vec![("refresh_token", &token), ("refresh_token", &token)],
    ]
    .concat();
    let twice = PORTAL.send_form(&bridge, twice).await;
    assert_refused(&twice, "invalid_request", "twice");
    assert_eq!(PORTAL.redeem(&bridge, &code).await.status, 200);
    Held::of(&present(&bridge.base, PORTAL, &token).await);
}
