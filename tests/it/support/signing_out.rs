//! A browser that signs in to apps and out of the bridge.

use super::app::{App, PORTAL, Tokens};
use super::bridge::{CLIENTS, Engine, Plan, TestBridge};
use super::visitor::{Answer, Returned, Visitor};

/// Where the portal wants people who have signed out.
pub(crate) const SIGNED_OUT: &str = "https://portal.example.sg/signed-out";
/// Sessions that outlast the tokens that they gave.
pub(crate) const SESSIONS: &str = "[session]\nenabled = true\nidle = \"8h\"\n";

/// The usual clients, with addresses to send people to who have signed out.
pub(crate) fn clients() -> String {
    let mut clients = CLIENTS.to_owned();
    for id in ["portal", "other"] {
        let line = format!("client_id = \"{id}\"");
        let with_uris = format!(
            "{line}\npost_logout_redirect_uris = [\"https://{id}.example.sg/signed-out\", \
             \"https://{id}.example.sg/bye?a=%2F&b\"]"
        );
        clients = clients.replacen(&line, &with_uris, 1);
    }
    clients
}

/// A bridge with these clients and sessions.
pub(crate) async fn bridge(engine: Engine) -> TestBridge {
    let plan = Plan::on(engine).clients(&clients()).settings(SESSIONS);
    plan.start().await
}

/// Signs in to an app with this browser.
pub(crate) async fn sign_in(bridge: &TestBridge, app: App, visitor: &mut Visitor) -> Tokens {
    app.log_in_with(bridge, "openid", visitor).await
}

/// A logout request at any instance.
pub(crate) fn logout_url(base: &str, parameters: &[(&str, &str)]) -> String {
    let url = url::Url::parse_with_params(&format!("{base}/logout"), parameters);
    url.unwrap().into()
}

/// What an app hears that asks without showing the person anything: a code, or why there is none.
pub(crate) async fn silent(bridge: &TestBridge, app: App, visitor: &mut Visitor) -> Returned {
    let change = [("prompt", Some("none"))];
    let url = app.changed_url(bridge, "openid", &change);
    visitor.walk(&url).await.returned()
}

/// The session of this browser goes on.
pub(crate) async fn assert_signed_in(bridge: &TestBridge, visitor: &mut Visitor, what: &str) {
    let returned = silent(bridge, PORTAL, visitor).await;
    assert!(returned.get("code").is_some(), "{what}: {}", returned.url);
}

/// The session of this browser is over, and these tokens open nothing.
pub(crate) async fn assert_signed_out(
    bridge: &TestBridge,
    visitor: &mut Visitor,
    tokens: &[&Tokens],
) {
    let returned = silent(bridge, PORTAL, visitor).await;
    assert_eq!(returned.error(), "login_required");
    for tokens in tokens {
        assert_eq!(tokens.userinfo(bridge).await.status, 401);
    }
}

/// The page that ends a sign-out without an address.
pub(crate) fn assert_says_signed_out(page: &Answer) {
    assert_eq!((page.status, page.header("location")), (200, None));
    for words in ["signed out", "sgID itself"] {
        assert!(page.body.contains(words), "{words}: {}", page.body);
    }
}
