//! The cookie of a login. Security requirement CB-3; draft-ietf-httpbis-rfc6265bis section 4.1.3.

use std::collections::BTreeSet;

use crate::support::app::{OTHER, PORTAL, SPA};
use crate::support::bridge::{Engine, HTTPS_ORIGIN, Plan};
use crate::support::visitor::{Answer, Returned, Visitor};

/// Name, value and attributes of the one cookie that is set.
fn cookie(answer: &Answer) -> (String, String, BTreeSet<String>) {
    let all: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    assert_eq!(all.len(), 1, "{all:?}");
    let mut parts = all[0].to_str().unwrap().split("; ");
    let (name, value) = parts.next().unwrap().split_once('=').unwrap();
    (
        name.to_owned(),
        value.to_owned(),
        parts.map(str::to_owned).collect(),
    )
}

fn attributes(all: &[&str]) -> BTreeSet<String> {
    all.iter().map(|&it| it.to_owned()).collect()
}

#[tokio::test]
async fn behind_an_https_issuer_the_cookie_is_bound_to_the_host_and_to_tls() {
    let bridge = Plan::on(Engine::Sqlite).https_issuer().start().await;
    let mut visitor = Visitor::new();
    let begun = visitor
        .get(&PORTAL.authorization_url(&bridge, "openid"))
        .await;
    let (name, value, set) = cookie(&begun);
    assert!(name.starts_with("__Host-"), "{name}");
    assert_eq!(
        set,
        attributes(&[
            "HttpOnly",
            "Max-Age=1200",
            "Path=/",
            "SameSite=Lax",
            "Secure"
        ])
    );
    // Opaque: nothing of the request or of the person can be read from it.
    assert_eq!((&value[..3], value.len()), ("lc_", 46));
    assert!(
        !begun.location().contains(&value),
        "it never travels in a URL"
    );

    let callback = visitor.get(begun.location()).await.location().to_owned();
    assert!(
        callback.starts_with(&format!("{HTTPS_ORIGIN}/callback?")),
        "{callback}"
    );
    let behind_tls = callback.replacen(HTTPS_ORIGIN, &bridge.base, 1);
    let done = visitor.get(&behind_tls).await;
    let (removed, empty, gone) = cookie(&done);
    assert_eq!((removed, empty.as_str()), (name, ""));
    assert!(
        gone.contains("Max-Age=0") && gone.contains("Path=/") && gone.contains("Secure"),
        "{gone:?}"
    );
    let returned = Returned::parse(done.location());
    assert_eq!(returned.get("iss"), Some(HTTPS_ORIGIN));
    assert_eq!(PORTAL.redeem(&bridge, returned.code()).await.status, 200);
}

#[tokio::test]
async fn on_a_loopback_http_issuer_prefix_and_secure_go_and_nothing_else() {
    let bridge = Plan::on(Engine::Sqlite).issuer_path("/sgid").start().await;
    let (name, _, set) = cookie(
        &Visitor::new()
            .get(&PORTAL.authorization_url(&bridge, "openid"))
            .await,
    );
    assert!(!name.starts_with("__"), "{name}");
    assert_eq!(
        set,
        attributes(&["HttpOnly", "Max-Age=1200", "Path=/", "SameSite=Lax"])
    );
}

on_both_engines!(several_logins_in_one_browser_work_side_by_side, |engine| {
    let bridge = Plan::on(engine).start().await;
    let mut visitor = Visitor::new();
    let mut waiting = Vec::new();
    for app in [PORTAL, OTHER, PORTAL, SPA] {
        waiting.push((
            app,
            visitor
                .up_to_callback(&app.authorization_url(&bridge, "openid"))
                .await,
        ));
    }
    assert_eq!(visitor.cookies.len(), 4);
    waiting.swap(0, 2);
    for (app, callback) in waiting {
        let returned = visitor.walk(&callback).await.returned();
        assert!(returned.url.starts_with(app.redirect_uri));
        assert_eq!(app.redeem(&bridge, returned.code()).await.status, 200);
    }
    assert_eq!(visitor.cookies.len(), 0);
});

#[tokio::test]
async fn the_number_of_logins_that_wait_in_one_browser_is_bounded() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let mut visitor = Visitor::new();
    let mut last = String::new();
    for _ in 0..20 {
        last = visitor
            .up_to_callback(&PORTAL.authorization_url(&bridge, "openid"))
            .await;
    }
    assert!(visitor.cookies.len() <= 6, "{}", visitor.cookies.len());
    visitor.walk(&last).await.returned().code();
}
