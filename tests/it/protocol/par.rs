//! Authorization requests that are pushed first. Security requirement TK-18; RFC 9126.

use std::time::Duration;

use futures_util::future::join;
use serde_json::json;

use crate::support::app::{
    App, NONCE, OTHER, PORTAL, SPA, STATE, authorize_url, payload, userinfo,
};
use crate::support::bridge::{CLIENTS, Engine, Plan, TestBridge};
use crate::support::client_key::{ClientKey, assertion_claims, jwks_line, with};
use crate::support::visitor::{Answer, Returned, Visitor, Walk};

/// Pushes a request with some parameters replaced, or left out where the value is `None`.
async fn push(app: App, base: &str, changes: &[(&str, Option<&str>)]) -> Answer {
    let request = app.request("openid profile");
    let mut form: Vec<(&str, &str)> = request
        .iter()
        .map(|(name, value)| (&name[..], &value[..]))
        .filter(|(name, _)| *name != "client_id")
        .collect();
    for (name, value) in changes {
        form.retain(|(own, _)| own != name);
        form.extend(value.map(|value| (*name, value)));
    }
    app.call(&format!("{base}/par"), form).await
}

async fn pushed(app: App, base: &str) -> String {
    request_uri(&push(app, base, &[]).await)
}

fn request_uri(answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.json()["request_uri"].as_str().unwrap().to_owned()
}

/// Where a browser brings a `request_uri`.
fn visit(bridge: &TestBridge, client_id: &str, request_uri: &str) -> String {
    visit_with(bridge, client_id, request_uri, &[])
}

fn visit_with(
    bridge: &TestBridge,
    client_id: &str,
    request_uri: &str,
    beside: &[(&str, &str)],
) -> String {
    let named = [("client_id", client_id), ("request_uri", request_uri)];
    let parameters: Vec<_> = named
        .iter()
        .chain(beside)
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    authorize_url(bridge, &parameters)
}

fn assert_refused(answer: &Answer, status: u16, error: &str, what: &str) {
    assert_eq!(answer.status, status, "{what}: {}", answer.body);
    assert_eq!(answer.json()["error"], error, "{what}: {}", answer.body);
    assert!(answer.json().get("request_uri").is_none(), "{what}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
}

/// Nothing began, and nobody was sent anywhere.
async fn assert_dead(bridge: &TestBridge, client_id: &str, request_uri: &str) {
    let begun = bridge.sgid.requests().authorize;
    let page = Visitor::new()
        .get(&visit(bridge, client_id, request_uri))
        .await;
    assert_eq!((page.status, page.header("location")), (400, None));
    assert_eq!(page.header("set-cookie"), None, "no login waits");
    assert_eq!(bridge.sgid.requests().authorize, begun);
}

on_both_engines!(a_pushed_request_logs_in, |engine| {
    let bridge = Plan::on(engine).start().await;
    for app in [PORTAL, OTHER, SPA] {
        let answer = push(app, &bridge.base, &[]).await;
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let uri = request_uri(&answer);
        assert!(
            uri.starts_with("urn:ietf:params:oauth:request_uri:"),
            "{uri}"
        );
        assert_eq!(answer.json()["expires_in"], 90);
        let walk = Visitor::new().walk(&visit(&bridge, app.id, &uri)).await;
        let returned = walk.returned();
        assert_eq!(returned.names(), ["code", "iss", "state"]);
        assert_eq!(returned.get("state"), Some(STATE));
        let tokens = app.redeem(&bridge, returned.code()).await.json();
        assert_eq!(tokens["scope"], "openid profile");
        let id_token = tokens["id_token"].as_str().unwrap();
        app.verify(&bridge, id_token, Some(NONCE)).await;
    }
});

#[tokio::test]
async fn whoever_pushes_proves_who_they_are() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    for method in ["client_secret_post", "none"] {
        let impostor = App { method, ..PORTAL };
        let answer = push(impostor, &bridge.base, &[]).await;
        assert_refused(&answer, 401, "invalid_client", method);
    }
    let answer = push(PORTAL, &bridge.base, &[("client_id", Some("other"))]).await;
    assert_refused(&answer, 400, "invalid_request", "another client_id");
    let url = bridge.url("/par");
    let nobody = Visitor::new().post(&url, &[("scope", "openid")]).await;
    assert_refused(&nobody, 401, "invalid_client", "nobody");
    let read = Visitor::new().get(&url).await;
    assert_refused(&read, 405, "invalid_request", "GET");
}

#[tokio::test]
async fn what_the_authorization_endpoint_refuses_is_refused_at_once_in_json() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    for (name, value, error) in [
        ("redirect_uri", None, "invalid_request"),
        (
            "redirect_uri",
            Some("https://evil.example/"),
            "invalid_request",
        ),
        ("redirect_uri", Some(OTHER.redirect_uri), "invalid_request"),
        ("response_type", None, "invalid_request"),
        ("response_type", Some("token"), "unsupported_response_type"),
        ("response_mode", Some("form_post"), "invalid_request"),
        ("scope", Some("profile"), "invalid_scope"),
        ("prompt", Some("none login"), "invalid_request"),
        ("max_age", Some("-1"), "invalid_request"),
        ("claims", Some("{"), "invalid_request"),
        ("request", Some("a.b.c"), "request_not_supported"),
        ("registration", Some("{}"), "registration_not_supported"),
        ("code_challenge", None, "invalid_request"),
        ("code_challenge_method", Some("plain"), "invalid_request"),
        ("code_challenge_method", None, "invalid_request"),
    ] {
        let answer = push(PORTAL, &bridge.base, &[(name, value)]).await;
        assert_refused(&answer, 400, error, &format!("{name}={value:?}"));
    }
    let twice = vec![("scope", "openid"), ("scope", "openid")];
    let answer = PORTAL.call(&bridge.url("/par"), twice).await;
    assert_refused(&answer, 400, "invalid_request", "scope twice");
}

#[tokio::test]
async fn a_request_uri_is_not_pushed() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let own = pushed(PORTAL, &bridge.base).await;
    for uri in [own.as_str(), "https://portal.example.sg/request.jwt"] {
        let answer = push(PORTAL, &bridge.base, &[("request_uri", Some(uri))]).await;
        assert_refused(&answer, 400, "invalid_request", uri);
    }
}

on_both_engines!(a_request_uri_serves_the_client_that_pushed_it, |engine| {
    let bridge = Plan::on(engine).start().await;
    let uri = pushed(PORTAL, &bridge.base).await;
    for thief in [OTHER, SPA] {
        assert_dead(&bridge, thief.id, &uri).await;
        let way_back = [("redirect_uri", thief.redirect_uri)];
        let url = visit_with(&bridge, thief.id, &uri, &way_back);
        let returned = Visitor::new().walk(&url).await.returned();
        assert_eq!(returned.error(), "invalid_request_uri");
    }
    let url = visit(&bridge, PORTAL.id, &uri);
    let returned = Visitor::new().walk(&url).await.returned();
    assert!(returned.get("code").is_some(), "the rightful one goes on");
});

#[tokio::test]
async fn a_request_uri_is_a_handle_of_its_own_kind_that_nobody_guesses() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let uri = pushed(PORTAL, &bridge.base).await;
    assert_ne!(uri, pushed(PORTAL, &bridge.base).await);
    let (_, handle) = uri.rsplit_once(':').unwrap();
    let random = handle.strip_prefix("pr_").unwrap();
    assert_eq!(random.len(), 43, "256 random bits");
    let prefix = uri.strip_suffix(handle).unwrap();
    let code = PORTAL.code(&bridge, "openid").await;
    for wrong in [
        format!("{prefix}{code}"),
        format!("{prefix}{random}"),
        format!("{prefix}ac_{random}"),
        format!("{uri}A"),
        uri.replacen("pr_", "pr_A", 1)[..uri.len()].to_owned(),
        prefix.to_owned(),
    ] {
        assert_dead(&bridge, PORTAL.id, &wrong).await;
    }
    for presented in [handle.to_owned(), format!("ac_{random}")] {
        let answer = PORTAL.redeem(&bridge, &presented).await;
        assert_eq!(answer.json()["error"], "invalid_grant", "{presented}");
    }
    for presented in [handle.to_owned(), format!("at_{random}")] {
        assert_eq!(userinfo(&bridge.base, &presented).await.status, 401);
    }
}

on_both_engines!(
    a_request_uri_outlives_a_visit_that_was_not_finished,
    |engine| {
        let bridge = Plan::on(engine).start().await;
        let uri = pushed(PORTAL, &bridge.base).await;
        let url = visit(&bridge, PORTAL.id, &uri);
        for _ in 0..2 {
            Visitor::new().up_to_callback(&url).await;
        }
        Visitor::new().walk(&url).await.returned().code();
    }
);

on_both_engines!(a_request_uri_is_dead_after_success, |engine| {
    let bridge = Plan::on(engine).start().await;
    let uri = pushed(PORTAL, &bridge.base).await;
    let mut visitor = Visitor::new();
    let walk = visitor.walk(&visit(&bridge, PORTAL.id, &uri)).await;
    walk.returned().code();
    assert_dead(&bridge, PORTAL.id, &uri).await;
    let beside = [("redirect_uri", PORTAL.redirect_uri), ("state", "mine")];
    let url = visit_with(&bridge, PORTAL.id, &uri, &beside);
    let returned = visitor.walk(&url).await.returned();
    assert_eq!(returned.error(), "invalid_request_uri");
    assert_eq!(returned.get("state"), Some("mine"));
    assert_eq!(returned.get("iss"), Some(&bridge.issuer[..]));
});

on_both_engines!(
    of_two_logins_from_one_request_uri_one_gets_a_code,
    |engine| {
        let bridge = Plan::on(engine).start().await;
        let replica = bridge.replica().await;
        for _ in 0..5 {
            let url = visit(&bridge, PORTAL.id, &pushed(PORTAL, &bridge.base).await);
            let (mut one, mut two) = (Visitor::new(), Visitor::new());
            let first = one.up_to_callback(&url).await;
            let second = two.up_to_callback(&url).await;
            let second = second.replacen(&bridge.base, &replica.base, 1);
            let (first, second) = join(one.walk(&first), two.walk(&second)).await;
            let mut returned = [first.returned(), second.returned()];
            returned.sort_by_key(|it| it.get("code").is_none());
            returned[0].code();
            assert_eq!(returned[1].error(), "invalid_request_uri");
            assert_eq!(returned[1].get("state"), Some(STATE));
        }
    }
);

#[tokio::test]
async fn the_loser_of_a_request_uri_keeps_the_session_of_its_browser() {
    let bridge = Plan::on(Engine::Sqlite)
        .settings("[session]\nenabled = true\n")
        .start()
        .await;
    let answer = push(PORTAL, &bridge.base, &[("scope", Some("openid"))]).await;
    let url = visit(&bridge, PORTAL.id, &request_uri(&answer));
    let mut visitor = Visitor::new();
    let (first, second) = (
        visitor.up_to_callback(&url).await,
        visitor.up_to_callback(&url).await,
    );
    visitor.walk(&first).await.returned().code();
    let lost = visitor.walk(&second).await.returned();
    assert_eq!(lost.error(), "invalid_request_uri");
    let silent = PORTAL.changed_url(&bridge, "openid", &[("prompt", Some("none"))]);
    let returned = visitor.walk(&silent).await.returned();
    assert!(returned.get("code").is_some(), "{}", returned.url);
}

#[tokio::test]
async fn parameters_beside_a_request_uri_are_ignored() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let uri = pushed(PORTAL, &bridge.base).await;
    let beside = [
        ("scope", "openid email myinfo.nric_number"),
        ("state", "another"),
        ("nonce", "another"),
        ("redirect_uri", "https://evil.example/callback"),
        ("response_type", "token"),
        ("prompt", "none"),
        ("claims", r#"{"userinfo":{"email":null}}"#),
        ("code_challenge", "another"),
    ];
    let url = visit_with(&bridge, PORTAL.id, &uri, &beside);
    let returned = Visitor::new().walk(&url).await.returned();
    assert!(returned.url.starts_with(PORTAL.redirect_uri));
    assert_eq!(returned.get("state"), Some(STATE));
    let tokens = PORTAL.redeem(&bridge, returned.code()).await.json();
    assert_eq!(tokens["scope"], "openid profile");
    let claims = payload(tokens["id_token"].as_str().unwrap());
    assert_eq!(claims["nonce"], NONCE);
    assert!(claims.get("email").is_none(), "{claims}");
}

on_both_engines!(a_request_uri_lives_a_short_time, |engine| {
    let bridge = Plan::on(engine).start().await;
    let (used, unused) = (
        pushed(PORTAL, &bridge.base).await,
        pushed(PORTAL, &bridge.base).await,
    );
    bridge.advance(Duration::from_secs(89));
    bridge.bridge.sweep().await.unwrap();
    let mut visitor = Visitor::new();
    let url = visit(&bridge, PORTAL.id, &used);
    let begun = visitor.get(&url).await;
    bridge.advance(Duration::from_secs(1));
    assert_dead(&bridge, PORTAL.id, &unused).await;
    let beside = [("redirect_uri", PORTAL.redirect_uri)];
    let url = visit_with(&bridge, PORTAL.id, &unused, &beside);
    let returned = Visitor::new().walk(&url).await.returned();
    assert_eq!(returned.error(), "invalid_request_uri");

    // Whoever came in time may take as long as a login may.
    bridge.advance(Duration::from_secs(590));
    bridge.bridge.sweep().await.unwrap();
    visitor.walk(begun.location()).await.returned().code();
});

#[tokio::test]
async fn a_client_that_must_push_does_not_get_in_otherwise() {
    let id = "client_id = \"portal\"";
    let must = format!("{id}\nrequire_pushed_authorization_requests = true");
    let bridge = Plan::on(Engine::Sqlite)
        .clients(&CLIENTS.replacen(id, &must, 1))
        .start()
        .await;
    let url = PORTAL.authorization_url(&bridge, "openid");
    let returned = Visitor::new().walk(&url).await.returned();
    assert_eq!(returned.error(), "invalid_request");
    assert_eq!(returned.get("state"), Some(STATE));
    assert_eq!(bridge.sgid.requests().authorize, 0);
    let uri = pushed(PORTAL, &bridge.base).await;
    let walk = Visitor::new().walk(&visit(&bridge, PORTAL.id, &uri)).await;
    walk.returned().code();
    OTHER.code(&bridge, "openid").await;
}

#[tokio::test]
async fn what_the_client_lost_since_it_pushed_it_does_not_get() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let id = "client_id = \"portal\"";
    for changed in [
        CLIENTS.replacen(id, &format!("{id}\nenabled = false"), 1),
        CLIENTS.replacen(PORTAL.redirect_uri, "https://portal.example.sg/new", 1),
    ] {
        bridge.change_clients(CLIENTS);
        let uri = pushed(PORTAL, &bridge.base).await;
        bridge.change_clients(&changed);
        assert_dead(&bridge, PORTAL.id, &uri).await;
    }
    bridge.change_clients(CLIENTS);
    let uri = pushed(PORTAL, &bridge.base).await;
    bridge.change_clients(&CLIENTS.replacen("openid profile email", "openid email", 1));
    let walk = Visitor::new().walk(&visit(&bridge, PORTAL.id, &uri)).await;
    let tokens = PORTAL.redeem(&bridge, walk.returned().code()).await.json();
    assert_eq!(tokens["scope"], "openid");
}

on_both_engines!(what_one_replica_was_pushed_the_other_knows, |engine| {
    let bridge = Plan::on(engine).start().await;
    let replica = bridge.replica().await;
    let uri = pushed(PORTAL, &replica.base).await;
    let url = visit(&bridge, PORTAL.id, &uri);
    Visitor::new().walk(&url).await.returned().code();
    let elsewhere = url.replacen(&bridge.base, &replica.base, 1);
    assert_eq!(Visitor::new().get(&elsewhere).await.status, 400);
});

/// The requests of all people of a server come from its one address, but a public client is whoever names it.
#[tokio::test]
async fn one_address_pushes_without_end_only_for_a_client_that_proves_itself() {
    let plan = Plan::on(Engine::Sqlite).settings("[limits]\nlogins_per_minute = 5\n");
    let bridge = plan.start().await;
    for _ in 0..10 {
        pushed(PORTAL, &bridge.base).await;
    }
    let mut refused = 0;
    for _ in 0..10 {
        let answer = push(SPA, &bridge.base, &[]).await;
        refused += usize::from([429, 503].contains(&answer.status));
    }
    assert!(refused >= 4, "{refused}");
}

#[tokio::test]
async fn a_request_object_may_be_pushed() {
    let key = ClientKey::ec("k");
    let id = "client_id = \"portal\"";
    let keys = jwks_line(&[key.public()]);
    let with_key = format!("{id}\nrequest_object_signing_alg = \"ES256\"\n{keys}");
    let bridge = Plan::on(Engine::Sqlite)
        .clients(&CLIENTS.replacen(id, &with_key, 1))
        .start()
        .await;
    let object = |changes: &[(&str, serde_json::Value)]| {
        let mut claims = json!({ "iss": "portal", "aud": bridge.issuer });
        for (name, value) in PORTAL.request("openid email") {
            claims[name] = value.into();
        }
        key.sign("ES256", &with(&claims, changes))
    };
    let url = bridge.url("/par");
    let signed = object(&[("state", json!("inside"))]);
    let form = vec![("request", &signed[..]), ("scope", "openid profile")];
    let uri = request_uri(&PORTAL.call(&url, form).await);
    let walk = Visitor::new().walk(&visit(&bridge, PORTAL.id, &uri)).await;
    let returned: Returned = match walk {
        Walk::RelyingParty(returned) => returned,
        Walk::Page(page) => panic!("{}", page.body),
    };
    assert_eq!(returned.get("state"), Some("inside"));
    let tokens = PORTAL.redeem(&bridge, returned.code()).await.json();
    assert_eq!(tokens["scope"], "openid email");

    let wrong = object(&[("redirect_uri", json!("https://evil.example/"))]);
    let answer = PORTAL.call(&url, vec![("request", &wrong)]).await;
    assert_refused(
        &answer,
        400,
        "invalid_request",
        "an unregistered URI inside",
    );
    let assertion = key.sign("ES256", &assertion_claims(&bridge, "portal"));
    let answer = PORTAL.call(&url, vec![("request", &assertion)]).await;
    assert_refused(&answer, 400, "invalid_request_object", "a client assertion");
}
