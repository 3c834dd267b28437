//! The cookie of a session: what browsers may do with it, and what its value opens. Security requirements CB-3, CB-8, TK-5;
//! conformance SE-9.

use std::collections::BTreeSet;

use sgid_bridge::secret::{Bearer, SessionCookie, randomness};

use super::session::{COOKIE, holding, log_in, opens, sign_in_again, silently, with_sessions};
use crate::support::app::{OTHER, PORTAL, authorize_url, userinfo};
use crate::support::bridge::{Engine, HTTPS_ORIGIN, Plan, SESSIONS};
use crate::support::visitor::{Answer, Visitor};

/// The attributes of the session cookie that is set, beside its value.
fn set_cookie(answer: &Answer, name: &str) -> (String, BTreeSet<String>) {
    let cookies = answer.headers.get_all("set-cookie").iter();
    let mut cookies = cookies.filter_map(|it| it.to_str().unwrap().strip_prefix(name));
    let cookie = cookies.next().unwrap().strip_prefix('=').unwrap();
    assert_eq!(cookies.next(), None, "once");
    let mut parts = cookie.split("; ").map(str::to_owned);
    (parts.next().unwrap(), parts.collect())
}

#[tokio::test]
async fn behind_an_https_issuer_the_cookie_is_bound_to_the_host_and_to_tls() {
    let plan = Plan::on(Engine::Sqlite).settings(SESSIONS).https_issuer();
    let bridge = plan.start().await;
    let mut visitor = Visitor::new();
    let callback = visitor
        .up_to_callback(&PORTAL.authorization_url(&bridge, "openid"))
        .await;
    let behind_tls = callback.replacen(HTTPS_ORIGIN, &bridge.base, 1);
    let (value, set) = set_cookie(
        &visitor.get(&behind_tls).await,
        "__Host-sgid-bridge-session",
    );
    let expected = [
        "HttpOnly",
        "Max-Age=28800",
        "Path=/",
        "SameSite=Lax",
        "Secure",
    ];
    assert_eq!(set, expected.map(str::to_owned).into());
    assert_eq!(
        (&value[..3], value.len()),
        ("sc_", 46),
        "opaque: nothing of the person"
    );
    let returned = silently(&bridge, PORTAL, &mut visitor).await;
    returned.code();

    // The name without the prefix, which a neighbour could set, is another cookie.
    assert!(!opens(&bridge, &value).await);
}

#[tokio::test]
async fn on_a_loopback_http_issuer_prefix_and_secure_go_and_nothing_else() {
    let bridge = with_sessions(Engine::Sqlite).await;
    let mut visitor = Visitor::new();
    let callback = visitor
        .up_to_callback(&PORTAL.authorization_url(&bridge, "openid"))
        .await;
    let (_, set) = set_cookie(&visitor.get(&callback).await, COOKIE);
    let expected = ["HttpOnly", "Max-Age=28800", "Path=/", "SameSite=Lax"];
    assert_eq!(set, expected.map(str::to_owned).into());
}

on_both_engines!(each_sign_in_makes_a_new_handle_and_ends_the_old, |engine| {
    let bridge = with_sessions(engine).await;
    let mut visitor = Visitor::new();
    let first = log_in(&bridge, PORTAL, &mut visitor).await;
    let former = visitor.cookies[COOKIE].clone();
    assert!(opens(&bridge, &former).await);
    let again = sign_in_again(&bridge, PORTAL, &mut visitor).await;
    let handle = visitor.cookies[COOKIE].clone();
    assert_ne!(former, handle);
    assert!(!opens(&bridge, &former).await);
    assert!(opens(&bridge, &handle).await);
    // It goes on for the same person: under its name, with all that it gave.
    assert_eq!(again.claims["sid"], first.claims["sid"]);
    assert_eq!(first.userinfo(&bridge).await.status, 200);
});

on_both_engines!(
    a_handle_that_the_browser_brought_is_never_adopted,
    |engine| {
        let bridge = with_sessions(engine).await;
        let planted = Bearer::<SessionCookie>::generate(&mut randomness()).expose();
        let mut visitor = holding(&planted);
        log_in(&bridge, PORTAL, &mut visitor).await;
        assert_ne!(visitor.cookies[COOKIE], planted);
        assert!(!opens(&bridge, &planted).await);

        // Nor is one that works: whoever planted theirs does not become the person who then signs in.
        let mut thief = Visitor::new();
        bridge.sgid.persona("foreigner");
        log_in(&bridge, PORTAL, &mut thief).await;
        let planted = thief.cookies[COOKIE].clone();
        visitor.cookies.insert(COOKIE.to_owned(), planted.clone());
        bridge.sgid.persona("citizen");
        sign_in_again(&bridge, PORTAL, &mut visitor).await;
        assert_ne!(visitor.cookies[COOKIE], planted);
        assert!(!opens(&bridge, &planted).await);
    }
);

on_both_engines!(a_cookie_of_a_wrong_kind_or_altered_is_ignored, |engine| {
    let bridge = with_sessions(engine).await;
    let mut visitor = Visitor::new();
    let tokens = log_in(&bridge, PORTAL, &mut visitor).await;
    let genuine = visitor.cookies[COOKIE].clone();
    let secret = &genuine[3..];
    let flipped = if secret.starts_with('A') { "B" } else { "A" };
    visitor
        .up_to_callback(&OTHER.authorization_url(&bridge, "openid"))
        .await;
    let of_a_login = visitor.cookies.values().find(|it| it.starts_with("lc_"));
    for ignored in [
        of_a_login.unwrap().clone(),
        tokens.access_token.clone(),
        format!("lc_{secret}"),
        format!("at_{secret}"),
        secret.to_owned(),
        format!("sc_{flipped}{}", &secret[1..]),
        format!("{genuine}A"),
        genuine[..45].to_owned(),
        genuine.to_uppercase(),
        "sc_".to_owned(),
        "nonsense".to_owned(),
        String::new(),
    ] {
        assert!(!opens(&bridge, &ignored).await, "{ignored}");
    }
    let mut odd = holding("nonsense");
    log_in(&bridge, PORTAL, &mut odd).await;
    silently(&bridge, PORTAL, &mut odd).await.code();
    assert!(opens(&bridge, &genuine).await);
});

#[tokio::test]
async fn the_handle_of_a_session_opens_nothing_else() {
    let bridge = with_sessions(Engine::Sqlite).await;
    let mut visitor = Visitor::new();
    log_in(&bridge, PORTAL, &mut visitor).await;
    let handle = visitor.cookies[COOKIE].clone();
    for secret in [handle.clone(), format!("at_{}", &handle[3..])] {
        assert_eq!(userinfo(&bridge.base, &secret).await.status, 401);
    }
    for code in [handle.clone(), format!("ac_{}", &handle[3..])] {
        let answer = PORTAL.redeem(&bridge, &code).await;
        assert_eq!(answer.json()["error"], "invalid_grant");
    }
    let pushed = format!("urn:ietf:params:oauth:request_uri:pr_{}", &handle[3..]);
    let named = [("client_id", "portal"), ("request_uri", &*pushed)];
    let named = named.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let page = Visitor::new().get(&authorize_url(&bridge, &named)).await;
    assert_eq!(page.status, 400);
}
