//! Nobody is signed out by somebody else's page. Security requirement LO-1; conformance RL-1, RL-3, RL-4; OpenID Connect
//! RP-Initiated Logout 1.0 section 6.

use crate::support::app::PORTAL;
use crate::support::bridge::{Engine, Plan};
use crate::support::signing_out::{
    SESSIONS, SIGNED_OUT, assert_says_signed_out, assert_signed_in, assert_signed_out, bridge,
    clients, logout_url, sign_in,
};
use crate::support::visitor::{Returned, Visitor};

on_both_engines!(
    without_a_hint_nothing_ends_before_the_person_confirms,
    |engine| {
        let bridge = bridge(engine).await;
        let odd: String = (' '..='~').collect();
        let named = ("client_id", "portal");
        let way_back = ("post_logout_redirect_uri", SIGNED_OUT);
        let cases: [(&[(&str, &str)], bool); 7] = [
            (&[], false),
            (&[("state", &odd)], false),
            (&[("logout_hint", "mei"), ("ui_locales", "en")], false),
            (&[named], false),
            (&[way_back, ("state", &odd)], false),
            (&[("client_id", "nobody"), way_back], false),
            (&[named, way_back, ("state", &odd)], true),
        ];
        for (parameters, is_led_back) in cases {
            let mut visitor = Visitor::new();
            let tokens = sign_in(&bridge, PORTAL, &mut visitor).await;
            let url = logout_url(&bridge.base, parameters);
            let page = visitor.get(&url).await;
            assert_eq!((page.status, page.header("location")), (200, None));
            assert_eq!(page.header("set-cookie"), None);
            assert_signed_in(&bridge, &mut visitor, &url).await;
            assert_eq!(tokens.userinfo(&bridge).await.status, 200);

            let answer = visitor.press(&page, &bridge.base).await;
            if is_led_back {
                let returned = Returned::parse(answer.location());
                assert!(returned.url.starts_with(SIGNED_OUT));
                assert_eq!(returned.names(), ["state"]);
                assert_eq!(returned.get("state"), Some(&odd[..]));
            } else {
                assert_says_signed_out(&answer);
                assert!(!answer.body.contains(SIGNED_OUT), "{url}: {}", answer.body);
            }
            assert_signed_out(&bridge, &mut visitor, &[&tokens]).await;
        }
    }
);

#[tokio::test]
async fn a_confirmation_that_does_not_come_from_our_page_ends_nothing() {
    let bridge = bridge(Engine::Sqlite).await;
    let (mut visitor, mut attacker) = (Visitor::new(), Visitor::new());
    let tokens = sign_in(&bridge, PORTAL, &mut visitor).await;
    sign_in(&bridge, PORTAL, &mut attacker).await;
    let url = logout_url(&bridge.base, &[]);
    let theirs = attacker.get(&url).await.form();
    let theirs = theirs.get("confirmation").unwrap();
    let own = visitor.get(&url).await.form();
    let own = own.get("confirmation").unwrap();
    assert_ne!(own, theirs);
    let confirm = bridge.url("/logout/confirm");
    let cookie = &visitor.cookies["sgid-bridge-session"];
    assert!(!own.contains(&cookie[3..]) && !cookie.contains(own));
    let cookie = cookie.clone();
    let way_back = [
        ("client_id", "portal"),
        ("post_logout_redirect_uri", SIGNED_OUT),
    ];
    for forged in [
        &[][..],
        &[("confirmation", "")],
        &[("confirmation", "x")],
        &[("confirmation", theirs)],
        &[("confirmation", &cookie)],
        &[("confirmation", own), ("confirmation", own)],
    ] {
        let form = [forged, &way_back].concat();
        let answer = visitor.post(&confirm, &form).await;
        assert_eq!((answer.status, answer.header("location")), (400, None));
        assert_signed_in(&bridge, &mut visitor, &format!("{forged:?}")).await;
    }
    assert_eq!(visitor.get(&confirm).await.status, 405);
    assert_eq!(tokens.userinfo(&bridge).await.status, 200);
    assert_signed_in(&bridge, &mut visitor, "after all that").await;
}

/// Browsers withhold the cookie from another site's form, and yet obey what the answer says of cookies.
#[tokio::test]
async fn a_form_that_another_site_posts_takes_no_cookie_away() {
    let bridge = bridge(Engine::Sqlite).await;
    let mut visitor = Visitor::new();
    sign_in(&bridge, PORTAL, &mut visitor).await;
    for path in ["/logout", "/logout/confirm"] {
        for form in [&[][..], &[("from_here", "1")], &[("confirmation", "x")]] {
            let answer = Visitor::new().post(&bridge.url(path), form).await;
            let told = answer.header("set-cookie");
            assert_eq!(
                (told, answer.header("location")),
                (None, None),
                "{path} {form:?}"
            );
        }
    }
    assert_signed_in(&bridge, &mut visitor, "the session is untouched").await;
}

#[tokio::test]
async fn a_form_that_another_site_posts_is_posted_once_more_from_our_page() {
    let bridge = bridge(Engine::Sqlite).await;
    let mut visitor = Visitor::new();
    let tokens = sign_in(&bridge, PORTAL, &mut visitor).await;
    let state = r#""<>%{}&amp;'"#;
    let form = [
        ("id_token_hint", &tokens.id_token[..]),
        ("post_logout_redirect_uri", SIGNED_OUT),
        ("state", state),
        ("unknown", "dropped"),
    ];
    let url = bridge.url("/logout");
    let page = Visitor::new().post(&url, &form).await;
    assert_eq!((page.status, page.header("location")), (200, None));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
    for (name, value) in &form[..3] {
        assert_eq!(page.form().get(name), Some(*value));
    }
    assert_eq!(page.form().get("unknown"), None);
    assert_eq!(page.form().action, "/logout", "nothing is in the URL");
    assert_signed_in(&bridge, &mut visitor, "nothing has ended yet").await;

    let stranger = Visitor::new().press(&page, &bridge.base).await;
    assert!(
        stranger.location().starts_with(SIGNED_OUT),
        "not in circles"
    );
    let answer = visitor.press(&page, &bridge.base).await;
    let returned = Returned::parse(answer.location());
    assert_eq!(returned.get("state"), Some(state));
    assert_signed_out(&bridge, &mut visitor, &[&tokens]).await;
}

#[tokio::test]
async fn the_page_that_asks_cannot_be_framed_or_scripted_and_repeats_nothing() {
    let named = "client_id = \"portal\"\nclient_name = \"<b>Portal</b>\"";
    let clients = clients().replacen("client_id = \"portal\"", named, 1);
    let plan = Plan::on(Engine::Sqlite)
        .clients(&clients)
        .settings(SESSIONS);
    let bridge = plan.start().await;
    let mut visitor = Visitor::new();
    sign_in(&bridge, PORTAL, &mut visitor).await;
    let evil = "\"><script>alert(1)</script>";
    let parameters = [
        ("client_id", "portal"),
        ("state", evil),
        ("logout_hint", evil),
    ];
    let page = visitor.get(&logout_url(&bridge.base, &parameters)).await;
    assert!(page.body.contains("sign out"), "{}", page.body);
    assert!(!page.body.contains("<script>") && !page.body.contains("<b>"));
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    for name in [
        "state",
        "id_token_hint",
        "client_id",
        "post_logout_redirect_uri",
    ] {
        let twice = logout_url(&bridge.base, &[(name, "x"), (name, "x")]);
        assert_eq!(visitor.get(&twice).await.status, 400, "{name}");
    }
}
