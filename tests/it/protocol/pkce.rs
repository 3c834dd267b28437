//! Proof Key for Code Exchange. Security requirements AZ-10, TK-4; RFC 7636; RFC 9700 sections 2.1.1 and 4.8.2.

use sgid_bridge::config::Config;

use crate::support::app::{App, NONCE, PORTAL, SPA, VERIFIER, challenge};
use crate::support::bridge::{CLIENTS, Engine, Plan, TestBridge};
use crate::support::visitor::{Returned, Visitor};

const EXEMPT: &str = r#"
[[clients]]
client_id = "nonce"
client_secret = "a-client-secret-of-the-tests-0123456789"
redirect_uris = ["https://nonce.example.sg/callback"]
require_pkce = false

[[clients]]
client_id = "neither"
client_secret = "a-client-secret-of-the-tests-0123456789"
redirect_uris = ["https://neither.example.sg/callback"]
require_pkce = false
require_nonce = false
"#;

/// A confidential client that may do without PKCE, but then not without `nonce`.
const WITH_NONCE: App = App {
    id: "nonce",
    redirect_uri: "https://nonce.example.sg/callback",
    method: "client_secret_basic",
};
/// A confidential client that may do without both.
const WITH_NEITHER: App = App {
    id: "neither",
    redirect_uri: "https://neither.example.sg/callback",
    method: "client_secret_basic",
};

const NO_CHALLENGE: [(&str, Option<&str>); 2] =
    [("code_challenge", None), ("code_challenge_method", None)];

async fn refused(bridge: &TestBridge, app: App, changes: &[(&str, Option<&str>)]) -> Returned {
    let url = app.changed_url(bridge, "openid", changes);
    let returned = Returned::parse(Visitor::new().get(&url).await.location());
    assert_eq!(returned.error(), "invalid_request", "{changes:?}");
    returned
}

async fn code(bridge: &TestBridge, app: App, changes: &[(&str, Option<&str>)]) -> String {
    let url = app.changed_url(bridge, "openid", changes);
    Visitor::new().walk(&url).await.returned().code().to_owned()
}

/// Redeems with this verifier, or with none; gives status and error.
async fn redeem(
    bridge: &TestBridge,
    app: App,
    code: &str,
    verifier: Option<&str>,
) -> (u16, String) {
    let mut form = app.form(code);
    form.retain(|(name, _)| *name != "code_verifier");
    form.extend(verifier.map(|verifier| ("code_verifier", verifier)));
    let answer = app.send_form(bridge, form).await;
    let error = answer.json()["error"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    (answer.status, error)
}

#[tokio::test]
async fn a_challenge_is_required_of_public_clients_and_by_default_of_confidential_ones() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    for app in [PORTAL, SPA] {
        let returned = refused(&bridge, app, &NO_CHALLENGE).await;
        assert!(
            returned
                .get("error_description")
                .unwrap()
                .contains("code_challenge")
        );
    }
}

#[tokio::test]
async fn only_s256_is_taken_and_it_must_be_named() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    for method in [None, Some("plain"), Some("s256"), Some("S512"), Some("")] {
        refused(&bridge, PORTAL, &[("code_challenge_method", method)]).await;
        let plain = [
            ("code_challenge", Some(VERIFIER)),
            ("code_challenge_method", method),
        ];
        refused(&bridge, PORTAL, &plain).await;
    }
}

#[tokio::test]
async fn a_challenge_is_43_characters_of_base64url() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let right = challenge(VERIFIER);
    for wrong in [
        right[1..].to_owned(),
        format!("{right}A"),
        format!("{right}="),
        format!("{}+", &right[..42]),
        format!("{} ", &right[..42]),
        "a".repeat(128),
    ] {
        refused(&bridge, PORTAL, &[("code_challenge", Some(&wrong))]).await;
    }
}

on_both_engines!(
    only_the_right_verifier_redeems_and_a_wrong_one_spends_nothing,
    |engine| {
        let bridge = Plan::on(engine).start().await;
        for app in [PORTAL, SPA] {
            let code = code(&bridge, app, &[]).await;
            let sent = challenge(VERIFIER);
            let other = "b".repeat(43);
            // The challenge itself would do if it had silently become `plain`.
            for wrong in [None, Some(""), Some(sent.as_str()), Some(other.as_str())] {
                let refused = redeem(&bridge, app, &code, wrong).await;
                assert_eq!(refused, (400, "invalid_grant".to_owned()), "{wrong:?}");
            }
            for malformed in [
                "short",
                &"a".repeat(129),
                &format!("{VERIFIER} "),
                &format!("{VERIFIER}é"),
            ] {
                let (status, error) = redeem(&bridge, app, &code, Some(malformed)).await;
                assert_eq!(status, 400, "{malformed}");
                assert!(
                    ["invalid_request", "invalid_grant"].contains(&error.as_str()),
                    "{error}"
                );
            }
            assert_eq!(redeem(&bridge, app, &code, Some(VERIFIER)).await.0, 200);
        }
    }
);

#[tokio::test]
async fn an_injected_code_of_another_login_does_not_fit_the_verifier() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let (mine, theirs) = ("m".repeat(43), "t".repeat(43));
    let with = |verifier: &str| [("code_challenge", challenge(verifier))];
    let [(name, value)] = with(&mine);
    let my_code = code(&bridge, PORTAL, &[(name, Some(&value))]).await;
    let [(name, value)] = with(&theirs);
    let their_code = code(&bridge, PORTAL, &[(name, Some(&value))]).await;
    let refused = (400, "invalid_grant".to_owned());
    assert_eq!(
        redeem(&bridge, PORTAL, &their_code, Some(&mine)).await,
        refused
    );
    assert_eq!(
        redeem(&bridge, PORTAL, &my_code, Some(&theirs)).await,
        refused
    );
    assert_eq!(redeem(&bridge, PORTAL, &my_code, Some(&mine)).await.0, 200);
    assert_eq!(
        redeem(&bridge, PORTAL, &their_code, Some(&theirs)).await.0,
        200
    );
}

#[tokio::test]
async fn a_client_exempt_from_pkce_must_send_a_nonce_unless_it_is_exempt_from_that_too() {
    let bridge = Plan::on(Engine::Sqlite).clients(EXEMPT).start().await;
    let nothing = [NO_CHALLENGE[0], NO_CHALLENGE[1], ("nonce", None)];
    let returned = refused(&bridge, WITH_NONCE, &nothing).await;
    assert!(returned.get("error_description").unwrap().contains("nonce"));

    let with_nonce = code(&bridge, WITH_NONCE, &NO_CHALLENGE).await;
    assert_eq!(redeem(&bridge, WITH_NONCE, &with_nonce, None).await.0, 200);
    let without = code(&bridge, WITH_NEITHER, &nothing).await;
    let answer = WITH_NEITHER
        .send_form(&bridge, without_verifier(WITH_NEITHER, &without))
        .await;
    let id_token = answer.json()["id_token"].as_str().unwrap().to_owned();
    let claims = WITH_NEITHER.verify(&bridge, &id_token, None).await;
    assert!(claims.get("nonce").is_none(), "nobody sent one");
    // A challenge protects in place of the nonce.
    let challenged = code(&bridge, WITH_NONCE, &[("nonce", None)]).await;
    assert_eq!(
        redeem(&bridge, WITH_NONCE, &challenged, Some(VERIFIER))
            .await
            .0,
        200
    );
}

fn without_verifier(app: App, code: &str) -> Vec<(&'static str, &str)> {
    let mut form = app.form(code);
    form.retain(|(name, _)| *name != "code_verifier");
    form
}

#[tokio::test]
async fn what_was_stored_decides_whether_a_verifier_is_needed() {
    let bridge = Plan::on(Engine::Sqlite).clients(EXEMPT).start().await;
    let refused = (400, "invalid_grant".to_owned());
    for app in [WITH_NONCE, WITH_NEITHER] {
        let challenged = code(&bridge, app, &[]).await;
        assert_eq!(
            redeem(&bridge, app, &challenged, None).await,
            refused,
            "PKCE was stripped"
        );
        assert_eq!(
            redeem(&bridge, app, &challenged, Some(VERIFIER)).await.0,
            200
        );
        let bare = code(&bridge, app, &NO_CHALLENGE).await;
        assert_eq!(
            redeem(&bridge, app, &bare, Some(VERIFIER)).await,
            refused,
            "nothing to answer"
        );
        assert_eq!(redeem(&bridge, app, &bare, None).await.0, 200);
        // A method without a challenge is half a request.
        self::refused(&bridge, app, &[("code_challenge", None)]).await;
    }
}

#[tokio::test]
async fn a_public_client_cannot_be_exempt() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let exempt = CLIENTS.replacen("\"none\"", "\"none\"\nrequire_pkce = false", 1);
    let config = Config::from_toml(&bridge.text_with(&exempt), "/".as_ref()).unwrap();
    let error = bridge.bridge.reload(&config).unwrap_err().to_string();
    assert!(error.contains("spa") && error.contains("PKCE"), "{error}");
    assert_eq!(SPA.log_in(&bridge, "openid").await.claims["nonce"], NONCE);
}
