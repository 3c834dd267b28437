//! Which redirect URI is the registered one. Security requirements AZ-3, AZ-4; RFC 8252 section 7.3.

use crate::support::app::{App, PORTAL};
use crate::support::bridge::{Engine, Plan, TestBridge};
use crate::support::visitor::{Returned, Visitor};

/// A page of ours, and no way on from there.
async fn assert_dead_end(bridge: &TestBridge, url: &str, what: &str) {
    let answer = Visitor::new().get(url).await;
    assert_eq!(answer.status, 400, "{what}");
    assert_eq!(answer.header("location"), None, "{what}");
    assert_eq!(answer.header("set-cookie"), None, "{what}");
    assert_eq!(bridge.sgid.requests().authorize, 0, "{what}");
}

#[tokio::test]
async fn the_page_names_the_redirect_uri_as_the_fault() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let url = PORTAL.changed_url(
        &bridge,
        "openid",
        &[("redirect_uri", Some("https://x.example/"))],
    );
    let page = Visitor::new().get(&url).await;
    assert!(page.body.contains("redirect URI"), "{}", page.body);
    assert!(!page.body.contains("x.example"), "{}", page.body);
}

#[tokio::test]
async fn a_redirect_uri_is_the_registered_one_byte_for_byte() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    for near_miss in [
        "https://portal.example.sg/callback/",
        "https://portal.example.sg/callbacks",
        "https://portal.example.sg/callbac",
        "https://portal.example.sg/Callback",
        "https://PORTAL.example.sg/callback",
        "HTTPS://portal.example.sg/callback",
        "http://portal.example.sg/callback",
        "https://portal.example.sg:443/callback",
        "https://portal.example.sg/%63allback",
        "https://portal.example.sg/./callback",
        "https://portal.example.sg/a/../callback",
        "https://portal.example.sg//callback",
        "https://portal.example.sg/callback?",
        "https://portal.example.sg/callback?a=b",
        "https://portal.example.sg/callback#",
        "https://portal.example.sg/callback ",
        " https://portal.example.sg/callback",
        "https://portal.example.sg/callback\n",
        "https://user@portal.example.sg/callback",
        "https://portal.example.sg@evil.example/callback",
        "https://portal.example.sg.evil.example/callback",
        "https://portal.example.sg./callback",
        "https://portal.example.sg\\@evil.example/callback",
        "//portal.example.sg/callback",
        "/callback",
    ] {
        let url = PORTAL.changed_url(&bridge, "openid", &[("redirect_uri", Some(near_miss))]);
        assert_dead_end(&bridge, &url, near_miss).await;
    }
}

const NATIVE: &str = r#"
[[clients]]
client_id = "native"
token_endpoint_auth_method = "none"
application_type = "native"
sector_identifier = "app.example.sg"
redirect_uris = ["http://127.0.0.1/callback", "http://[::1]:5000/callback", "http://localhost:5000/callback", "sg.example.app:/callback"]

[[clients]]
client_id = "web"
client_secret = "a-client-secret-of-the-tests-0123456789"
redirect_uris = ["http://127.0.0.1/callback"]

[[clients]]
client_id = "query"
client_secret = "a-client-secret-of-the-tests-0123456789"
redirect_uris = ["https://query.example.sg/callback?tenant=%2f&x"]
"#;

fn app(id: &'static str, redirect_uri: &'static str, method: &'static str) -> App {
    App {
        id,
        redirect_uri,
        method,
    }
}

#[tokio::test]
async fn only_a_native_application_chooses_its_loopback_port() {
    let bridge = Plan::on(Engine::Sqlite).clients(NATIVE).start().await;
    for accepted in [
        "http://127.0.0.1/callback",
        "http://127.0.0.1:49152/callback",
        "http://[::1]:49152/callback",
        "http://[::1]/callback",
        "http://localhost:5000/callback",
        "sg.example.app:/callback",
    ] {
        let url =
            app("native", accepted, "none").changed_url(&bridge, "openid", &[("scope", None)]);
        let returned = Returned::parse(Visitor::new().get(&url).await.location());
        assert!(
            returned
                .url
                .starts_with(&format!("{accepted}?error=invalid_scope")),
            "{}",
            returned.url
        );
    }
    for near_miss in [
        "http://127.0.0.1:49152/other",
        "http://127.0.0.1:49152/callback?a=b",
        "http://127.0.0.1:0/callback",
        "http://127.0.0.1:65536/callback",
        "http://127.0.0.1:+80/callback",
        "http://127.0.0.1:80@evil.example/callback",
        "http://127.0.0.2:80/callback",
        "http://127.1:80/callback",
        "http://localhost:5001/callback",
        "http://[0:0:0:0:0:0:0:1]:80/callback",
        "https://127.0.0.1:80/callback",
        "sg.example.app:/callback2",
    ] {
        let url = app("native", near_miss, "none").authorization_url(&bridge, "openid");
        assert_dead_end(&bridge, &url, near_miss).await;
    }
    let web = app(
        "web",
        "http://127.0.0.1:49152/callback",
        "client_secret_basic",
    );
    let url = web.authorization_url(&bridge, "openid");
    assert_dead_end(&bridge, &url, "a web application has no choice").await;
}

#[tokio::test]
async fn the_query_of_a_registered_redirect_uri_is_kept() {
    let bridge = Plan::on(Engine::Sqlite).clients(NATIVE).start().await;
    let query = app(
        "query",
        "https://query.example.sg/callback?tenant=%2f&x",
        "client_secret_basic",
    );
    let returned = Visitor::new()
        .walk(&query.authorization_url(&bridge, "openid"))
        .await
        .returned();
    assert!(
        returned
            .url
            .starts_with("https://query.example.sg/callback?tenant=%2f&x&code="),
        "{}",
        returned.url
    );
    assert_eq!(query.redeem(&bridge, returned.code()).await.status, 200);
}
