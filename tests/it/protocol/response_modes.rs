//! How an answer travels to the relying party: in the query, in the fragment, or in a form. Security requirements AZ-2,
//! AZ-8, HT-1, HT-2; conformance AR-3, FP-1 to FP-3; OAuth 2.0 Form Post Response Mode.

use std::collections::BTreeMap;

use sgid_bridge::simulator::Misbehaviour;

use super::prompt::SILENT;
use crate::support::app::{App, NONCE, OTHER, PORTAL, STATE};
use crate::support::bridge::{CLIENTS, Engine, Plan, SESSIONS, TestBridge};
use crate::support::visitor::{Answer, Returned, Visitor};

const FORM_POST: (&str, Option<&str>) = ("response_mode", Some("form_post"));
const FRAGMENT: (&str, Option<&str>) = ("response_mode", Some("fragment"));

/// Everything that may have to be escaped somewhere.
const ODD: &str = "\"><script>alert(1)</script>'&amp;&#34;&lt;<!-- -->\\`{}%22%3C+=#?/ é漢😀";

/// A redirect URI with a query of its own.
const WITH_QUERY: App = App {
    redirect_uri: "https://portal.example.sg/callback?tenant=a%2Fb&x='",
    ..PORTAL
};

/// The clients of the tests, with these response modes for `portal`.
fn clients(modes: &str) -> String {
    let uris = format!(
        "[\"{}\", \"{}\"]",
        PORTAL.redirect_uri, WITH_QUERY.redirect_uri
    );
    CLIENTS
        .replacen(
            "\"portal\"",
            &format!("\"portal\"\nresponse_modes = [{modes}]"),
            1,
        )
        .replacen(&format!("[\"{}\"]", PORTAL.redirect_uri), &uris, 1)
}

fn plan(engine: Engine) -> Plan {
    Plan::on(engine).clients(&clients("\"query\", \"fragment\", \"form_post\""))
}

/// What a page posts to the relying party.
fn posted(page: &Answer, app: App) -> Returned {
    assert_eq!(page.status, 200, "{}", page.body);
    assert_eq!(page.header("location"), None);
    assert!(page.body.contains(" method=\"post\""), "{}", page.body);
    let form = page.form();
    assert_eq!(form.action, app.redirect_uri, "nothing in the URL");
    Returned::of_form(form)
}

/// The directives of the content security policy.
fn policy(page: &Answer) -> BTreeMap<String, String> {
    let directives = page.header("content-security-policy").unwrap().split(';');
    let directives = directives.filter_map(|it| it.trim().split_once(' '));
    directives
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

on_both_engines!(a_code_is_posted_and_stands_in_no_url, |engine| {
    let bridge = plan(engine).start().await;
    for app in [PORTAL, WITH_QUERY] {
        let url = app.changed_url(&bridge, "openid", &[FORM_POST]);
        let returned = posted(&Visitor::new().walk(&url).await.page(), app);
        assert_eq!(returned.names(), ["code", "iss", "state"]);
        assert_eq!(returned.get("state"), Some(STATE));
        assert_eq!(returned.get("iss"), Some(bridge.issuer.as_str()));
        app.tokens(&bridge, returned.code()).await;
    }
});

#[tokio::test]
async fn errors_are_posted_too() {
    let plan = plan(Engine::Sqlite).settings(SESSIONS);
    let bridge = plan.start().await;
    for (name, value, error) in [
        ("response_type", None, "invalid_request"),
        ("response_type", Some("token"), "unsupported_response_type"),
        ("scope", None, "invalid_scope"),
        ("prompt", Some("none"), "login_required"),
        ("prompt", Some("none login"), "invalid_request"),
        ("max_age", Some("-1"), "invalid_request"),
        ("claims", Some("[]"), "invalid_request"),
        ("code_challenge", None, "invalid_request"),
        (
            "request",
            Some("eyJhbGciOiJub25lIn0.e30."),
            "request_not_supported",
        ),
        (
            "request_uri",
            Some("https://a.example/"),
            "request_uri_not_supported",
        ),
        ("registration", Some("{}"), "registration_not_supported"),
    ] {
        let url = PORTAL.changed_url(&bridge, "openid", &[FORM_POST, (name, value)]);
        let returned = posted(&Visitor::new().get(&url).await, PORTAL);
        assert_eq!(returned.error(), error, "{name}={value:?}");
        assert_eq!(returned.get("state"), Some(STATE), "{name}");
        assert_eq!(
            returned.names(),
            ["error", "error_description", "iss", "state"]
        );
    }
    bridge.sgid.behave(Misbehaviour::CallbackErrorAccessDenied);
    let url = PORTAL.changed_url(&bridge, "openid", &[FORM_POST]);
    let returned = posted(&Visitor::new().walk(&url).await.page(), PORTAL);
    assert_eq!(returned.error(), "access_denied");
}

on_both_engines!(a_silent_answer_is_posted_too, |engine| {
    let bridge = plan(engine).settings(SESSIONS).start().await;
    let mut visitor = Visitor::new();
    PORTAL.log_in_with(&bridge, "openid", &mut visitor).await;
    let url = PORTAL.changed_url(&bridge, "openid", &[FORM_POST, SILENT]);
    let returned = posted(&visitor.get(&url).await, PORTAL);
    PORTAL.tokens(&bridge, returned.code()).await;
    assert_eq!(bridge.sgid.requests().authorize, 1);
});

#[tokio::test]
async fn what_is_posted_is_escaped_and_arrives_as_it_was_sent() {
    let bridge = plan(Engine::Sqlite).start().await;
    let printable: String = (' '..='~').collect();
    for state in [ODD, printable.as_str()] {
        let odd = ("state", Some(state));
        let url = WITH_QUERY.changed_url(&bridge, "openid", &[FORM_POST, odd]);
        let login = Visitor::new().walk(&url).await.page();
        let url = WITH_QUERY.changed_url(&bridge, "openid", &[FORM_POST, odd, SILENT]);
        let error = Visitor::new().get(&url).await;
        for page in [login, error] {
            assert_eq!(posted(&page, WITH_QUERY).get("state"), Some(state));
            assert_eq!(page.body.matches("<script").count(), 1, "{}", page.body);
            assert!(!page.body.contains("alert(1)<"), "{}", page.body);
            let fields = page.form().fields.len();
            assert_eq!(page.body.matches("<input ").count(), fields);
        }
    }
}

#[tokio::test]
async fn the_page_that_posts_is_private_and_needs_no_inline_script() {
    let bridge = plan(Engine::Sqlite).issuer_path("/sgid").start().await;
    let url = PORTAL.changed_url(&bridge, "openid", &[FORM_POST]);
    let page = Visitor::new().walk(&url).await.page();
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-store"),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
    ] {
        assert_eq!(page.header(name), Some(value), "{name}");
    }
    let policy = policy(&page);
    for (name, value) in [
        ("default-src", "'none'"),
        ("script-src", "'self'"),
        ("style-src", "'self'"),
        ("base-uri", "'none'"),
        ("frame-ancestors", "'none'"),
    ] {
        assert_eq!(policy.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(
        !policy.contains_key("form-action"),
        "browsers would hold it against the redirects that follow"
    );
    let (_, script) = page.body.split_once("<script src=\"").unwrap();
    let (address, rest) = script.split_once('"').unwrap();
    assert!(rest.starts_with("></script>"), "{rest}");
    let address = url::Url::parse(&bridge.base)
        .unwrap()
        .join(address)
        .unwrap();
    let script = Visitor::new().get(address.as_str()).await;
    assert_eq!(script.status, 200);
    let kind = script.header("content-type").unwrap();
    assert!(kind.starts_with("text/javascript"), "{kind}");
    assert_eq!(script.header("x-content-type-options"), Some("nosniff"));
    assert!(page.body.contains(" id=\"answer\" method=\"post\""));
    assert!(script.body.contains("getElementById(\"answer\").submit()"));
}

on_both_engines!(in_the_fragment_nothing_reaches_the_server, |engine| {
    let bridge = plan(engine).start().await;
    for app in [PORTAL, WITH_QUERY] {
        let odd = ("state", Some(ODD));
        let url = app.changed_url(&bridge, "openid", &[FRAGMENT, odd]);
        let returned = Visitor::new().walk(&url).await.returned();
        let before = format!("{}#", app.redirect_uri);
        assert!(returned.url.starts_with(&before), "{}", returned.url);
        let returned = Returned::parse_fragment(&returned.url);
        assert_eq!(returned.names(), ["code", "iss", "state"]);
        assert_eq!(returned.get("state"), Some(ODD));
        app.tokens(&bridge, returned.code()).await;

        let url = app.changed_url(&bridge, "openid", &[FRAGMENT, odd, SILENT]);
        let answer = Visitor::new().get(&url).await;
        assert!(answer.location().starts_with(&before));
        let returned = Returned::parse_fragment(answer.location());
        assert_eq!(returned.error(), "login_required");
        assert_eq!(returned.get("state"), Some(ODD));
        assert_eq!(
            returned.names(),
            ["error", "error_description", "iss", "state"]
        );
    }
});

/// The refusal of a response mode, which travels in the query for want of another way.
async fn refused(bridge: &TestBridge, app: App, mode: Option<&str>) {
    let url = app.changed_url(bridge, "openid", &[("response_mode", mode)]);
    let answer = Visitor::new().get(&url).await;
    let returned = Returned::parse(answer.location());
    assert_eq!(returned.error(), "invalid_request", "{mode:?}");
    assert_eq!(
        returned.names(),
        ["error", "error_description", "iss", "state"]
    );
    assert_eq!(bridge.sgid.requests().authorize, 0, "{mode:?}");
}

#[tokio::test]
async fn a_response_mode_must_be_registered() {
    let bridge = plan(Engine::Sqlite).start().await;
    for mode in ["fragment", "form_post"] {
        refused(&bridge, OTHER, Some(mode)).await;
    }
    for mode in [
        "web_message",
        "query.jwt",
        "form_post.jwt",
        "FORM_POST",
        "fragment ",
    ] {
        refused(&bridge, PORTAL, Some(mode)).await;
    }
    let url = PORTAL.changed_url(&bridge, "openid", &[("response_mode", Some("query"))]);
    let returned = Visitor::new().walk(&url).await.returned();
    PORTAL.tokens(&bridge, returned.code()).await;
}

#[tokio::test]
async fn the_default_mode_must_be_registered_too() {
    let plan = Plan::on(Engine::Sqlite).clients(&clients("\"form_post\""));
    let bridge = plan.start().await;
    for mode in [None, Some("query"), Some("fragment")] {
        refused(&bridge, PORTAL, mode).await;
    }
    let url = PORTAL.changed_url(&bridge, "openid", &[FORM_POST]);
    let returned = posted(&Visitor::new().walk(&url).await.page(), PORTAL);
    let answer = PORTAL.redeem(&bridge, returned.code()).await.json();
    PORTAL
        .verify(&bridge, answer["id_token"].as_str().unwrap(), Some(NONCE))
        .await;
}

#[tokio::test]
async fn a_mode_that_was_withdrawn_during_the_login_is_replaced_by_no_other() {
    let bridge = plan(Engine::Sqlite).start().await;
    for (asked, left) in [
        (FORM_POST, "\"fragment\""),
        (FORM_POST, "\"query\""),
        (FRAGMENT, "\"form_post\""),
        (FRAGMENT, "\"query\""),
        (("response_mode", None), "\"form_post\""),
    ] {
        bridge.change_clients(&clients("\"query\", \"fragment\", \"form_post\""));
        let mut visitor = Visitor::new();
        let url = PORTAL.changed_url(&bridge, "openid", &[asked]);
        let callback = visitor.up_to_callback(&url).await;
        bridge.change_clients(&clients(left));
        let answer = visitor.get(&callback).await;
        let location = answer.header("location").unwrap_or_default();
        assert!(
            !location.contains("code=") && !answer.body.contains("name=\"code\""),
            "{asked:?} instead of {left}: {location}"
        );
    }
}
