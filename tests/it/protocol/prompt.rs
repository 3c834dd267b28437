//! How much of the person a request insists on, by `prompt` and `max_age`, and what ID tokens say of the sign-in.
//! Security requirement AZ-12; conformance SE-2 to SE-8; OpenID Connect Core section 3.1.2.1.

use std::time::Duration;

use serde_json::json;

use crate::support::app::{NONCE, OTHER, PORTAL, STATE, Tokens, payload};
use crate::support::bridge::{Engine, Plan, SESSIONS, TestBridge};
use crate::support::visitor::{Answer, Returned, Visitor};

pub(super) type Changes<'a> = [(&'a str, Option<&'a str>)];

pub(super) const SILENT: (&str, Option<&str>) = ("prompt", Some("none"));

/// A browser that has signed in to `portal` once, at a bridge with sessions.
pub(super) struct SignedIn {
    pub(super) bridge: TestBridge,
    pub(super) visitor: Visitor,
    pub(super) first: Tokens,
}

impl SignedIn {
    pub(super) async fn on(engine: Engine) -> Self {
        Self::with(Plan::on(engine).settings(SESSIONS)).await
    }

    pub(super) async fn with(plan: Plan) -> Self {
        let bridge = plan.start().await;
        let mut visitor = Visitor::new();
        let first = PORTAL.log_in_with(&bridge, "openid", &mut visitor).await;
        Self {
            bridge,
            visitor,
            first,
        }
    }

    fn visits_to_sgid(&self) -> u64 {
        self.bridge.sgid.requests().authorize
    }

    pub(super) fn wait(&self, seconds: u64) {
        self.bridge.advance(Duration::from_secs(seconds));
    }

    async fn ask(&mut self, scope: &str, changes: &Changes<'_>) -> Answer {
        let url = PORTAL.changed_url(&self.bridge, scope, changes);
        self.visitor.get(&url).await
    }

    /// The answer that the session gives without sgID.
    pub(super) async fn silently(&mut self, changes: &Changes<'_>) -> Tokens {
        let before = self.visits_to_sgid();
        let answer = self.ask("openid", changes).await;
        let returned = Returned::parse(answer.location());
        assert_eq!(returned.names(), ["code", "iss", "state"], "{changes:?}");
        assert_eq!(returned.get("state"), Some(STATE));
        assert_eq!(self.visits_to_sgid(), before);
        PORTAL.tokens(&self.bridge, returned.code()).await
    }

    /// The error that goes back at once: no page, no cookie, nobody sent to sgID.
    pub(super) async fn error(&mut self, scope: &str, changes: &Changes<'_>) -> String {
        let before = self.visits_to_sgid();
        let answer = self.ask(scope, changes).await;
        let returned = Returned::parse(answer.location());
        assert!(
            returned
                .url
                .starts_with(&format!("{}?", PORTAL.redirect_uri)),
            "{changes:?}: {}",
            returned.url
        );
        assert_eq!(
            returned.names(),
            ["error", "error_description", "iss", "state"],
            "{changes:?}"
        );
        assert_eq!(returned.get("state"), Some(STATE), "{changes:?}");
        assert_eq!(answer.header("set-cookie"), None, "{changes:?}");
        assert_eq!(self.visits_to_sgid(), before, "{changes:?}");
        returned.error().to_owned()
    }

    /// The way to sgID, on which the person was sent at once.
    pub(super) async fn upstream(&mut self, changes: &Changes<'_>) -> String {
        let answer = self.ask("openid", changes).await;
        let location = answer.location();
        let sgid = &self.bridge.config.upstreams["sgid"].issuer;
        assert!(location.starts_with(sgid), "{changes:?}: {location}");
        location.to_owned()
    }

    /// Goes on from the page that asks to sign in again.
    async fn sign_in_again(&mut self, page: &Answer) -> Tokens {
        assert_eq!(page.status, 200, "{}", page.body);
        assert!(page.body.contains("sign in"), "{}", page.body);
        let before = self.visits_to_sgid();
        let back = self.visitor.press(page, &self.bridge.base).await;
        assert_eq!(self.visits_to_sgid(), before + 1);
        let returned = self.visitor.walk(back.location()).await.returned();
        PORTAL.tokens(&self.bridge, returned.code()).await
    }

    /// A genuine ID token that names somebody else to the same client.
    pub(super) async fn hint_for_another_person(&self) -> Tokens {
        self.bridge.sgid.persona("foreigner");
        let theirs = PORTAL.log_in(&self.bridge, "openid").await;
        self.bridge.sgid.persona("citizen");
        assert_ne!(theirs.claims["sub"], self.first.claims["sub"]);
        theirs
    }
}

pub(super) fn seconds(tokens: &Tokens, claim: &str) -> i64 {
    tokens.claims[claim].as_i64().unwrap()
}

on_both_engines!(one_login_is_consent_enough_for_the_same_again, |engine| {
    let mut it = SignedIn::on(engine).await;
    it.wait(60);
    for prompt in [Some("none"), None, Some("create")] {
        let changes = [("prompt", prompt), ("nonce", Some(NONCE))];
        let again = it.silently(&changes).await;
        for claim in ["sub", "auth_time", "acr", "sid", "nonce", "aud", "iss"] {
            assert_eq!(again.claims[claim], it.first.claims[claim], "{claim}");
        }
        assert_eq!(seconds(&again, "iat"), seconds(&it.first, "iat") + 60);
        assert_ne!(again.id_token, it.first.id_token);
        let userinfo = again.userinfo(&it.bridge).await.json();
        assert_eq!(userinfo, json!({ "sub": it.first.claims["sub"] }));
    }
});

on_both_engines!(
    prompt_none_is_answered_without_a_page_whatever_it_lacks,
    |engine| {
        let mut it = SignedIn::on(engine).await;
        let theirs = it.hint_for_another_person().await.id_token;
        it.wait(60);
        let another = json!({"id_token": {"sub": {"value": payload(&theirs)["sub"]}}}).to_string();
        let by_name = json!({"userinfo": {"name": null}}).to_string();
        for (scope, change, error) in [
            ("openid", ("max_age", Some("59")), "login_required"),
            ("openid", ("max_age", Some("0")), "login_required"),
            (
                "openid",
                ("id_token_hint", Some(&*theirs)),
                "login_required",
            ),
            (
                "openid",
                ("id_token_hint", Some("nonsense")),
                "login_required",
            ),
            ("openid", ("claims", Some(&*another)), "login_required"),
            ("openid profile", ("x", None), "interaction_required"),
            (
                "openid",
                ("claims", Some(&*by_name)),
                "interaction_required",
            ),
            ("openid", ("prompt", Some("none login")), "invalid_request"),
            (
                "openid",
                ("prompt", Some("consent none")),
                "invalid_request",
            ),
        ] {
            let is_prompt = change.0 == "prompt";
            let changes: &Changes<'_> = if is_prompt {
                &[change]
            } else {
                &[SILENT, change]
            };
            assert_eq!(it.error(scope, changes).await, error, "{scope} {change:?}");
        }
        // Whoever is refused loses nothing.
        it.silently(&[SILENT]).await;
    }
);

on_both_engines!(without_a_sign_in_prompt_none_is_login_required, |engine| {
    let mut it = SignedIn::on(engine).await;
    it.visitor = Visitor::new();
    let hint = it.first.id_token.clone();
    assert_eq!(it.error("openid", &[SILENT]).await, "login_required");
    let hinted = [SILENT, ("id_token_hint", Some(&*hint))];
    assert_eq!(it.error("openid", &hinted).await, "login_required");
    let data = it.error("openid profile", &[SILENT]).await;
    assert_eq!(data, "login_required", "the first thing that is missing");
    let other = OTHER.changed_url(&it.bridge, "openid", &[SILENT]);
    let refused = it.visitor.get(&other).await;
    assert_eq!(
        Returned::parse(refused.location()).error(),
        "login_required"
    );
});

#[tokio::test]
async fn prompt_none_shows_no_page_even_when_too_much_is_asked() {
    let settings = format!("{SESSIONS}[limits]\nlogins_per_minute = 3\n");
    let mut it = SignedIn::with(Plan::on(Engine::Sqlite).settings(&settings)).await;
    let mut refusals = 0;
    for _ in 0..6 {
        let answer = it.ask("openid", &[SILENT]).await;
        let returned = Returned::parse(answer.location());
        assert_eq!(returned.get("state"), Some(STATE));
        refusals += usize::from(returned.get("error") == Some("temporarily_unavailable"));
    }
    assert!(refusals > 0, "the limit was not reached");
}

on_both_engines!(
    who_must_sign_in_again_is_told_so_and_is_sent_to_sgid_anew,
    |engine| {
        let mut it = SignedIn::on(engine).await;
        let mut last = seconds(&it.first, "auth_time");
        for changes in [
            [("prompt", Some("login"))],
            [("prompt", Some("select_account"))],
            [("prompt", Some("consent login"))],
            [("max_age", Some("0"))],
        ] {
            it.wait(1);
            let before = it.visits_to_sgid();
            let page = it.ask("openid", &changes).await;
            assert_eq!(it.visits_to_sgid(), before, "{changes:?}");
            assert_eq!(page.header("cache-control"), Some("no-store"));
            assert_eq!(page.header("x-frame-options"), Some("DENY"));
            let again = it.sign_in_again(&page).await;
            assert_eq!(again.claims["sub"], it.first.claims["sub"]);
            let auth_time = seconds(&again, "auth_time");
            assert!(auth_time > last, "{changes:?}: {auth_time} after {last}");
            last = auth_time;
        }
        assert_eq!(seconds(&it.silently(&[SILENT]).await, "auth_time"), last);
    }
);

#[tokio::test]
async fn who_does_not_want_to_sign_in_again_may_go_back_to_the_app() {
    let mut it = SignedIn::on(Engine::Sqlite).await;
    let page = it.ask("openid", &[("prompt", Some("login"))]).await;
    let way_back = page.alternative();
    assert!(way_back.starts_with(PORTAL.redirect_uri), "{way_back}");
    let returned = Returned::parse(&way_back);
    assert_eq!(returned.error(), "access_denied");
    assert_eq!(returned.get("state"), Some(STATE));
    it.silently(&[SILENT]).await;
}

#[tokio::test]
async fn prompt_login_means_it_without_sessions_too() {
    let mut it = SignedIn::with(Plan::on(Engine::Sqlite)).await;
    it.wait(1);
    for changes in [[("prompt", Some("login"))], [("max_age", Some("0"))]] {
        let page = it.ask("openid", &changes).await;
        let again = it.sign_in_again(&page).await;
        assert!(seconds(&again, "auth_time") > seconds(&it.first, "auth_time"));
    }
}

#[tokio::test]
async fn consent_is_given_at_sgid_once_more() {
    let mut it = SignedIn::on(Engine::Sqlite).await;
    let upstream = it.upstream(&[("prompt", Some("consent"))]).await;
    it.visitor.walk(&upstream).await.returned().code();
}

on_both_engines!(a_sign_in_is_used_for_as_long_as_max_age_allows, |engine| {
    let mut it = SignedIn::on(engine).await;
    it.wait(2);
    for allowed in ["2", "3", "10000"] {
        let again = it.silently(&[("max_age", Some(allowed))]).await;
        assert_eq!(again.claims["auth_time"], it.first.claims["auth_time"]);
    }
    let page = it.ask("openid", &[("max_age", Some("1"))]).await;
    let again = it.sign_in_again(&page).await;
    assert_eq!(
        seconds(&again, "auth_time"),
        seconds(&it.first, "auth_time") + 2
    );
    let reused = it.silently(&[("max_age", Some("1"))]).await;
    assert_eq!(reused.claims["auth_time"], again.claims["auth_time"]);
});

#[tokio::test]
async fn max_age_shows_no_page_to_whom_has_not_signed_in() {
    let mut it = SignedIn::on(Engine::Sqlite).await;
    it.visitor = Visitor::new();
    let upstream = it.upstream(&[("max_age", Some("1"))]).await;
    it.visitor.walk(&upstream).await.returned().code();
}

#[tokio::test]
async fn an_id_token_names_the_method_of_the_sign_in_and_claims_no_level() {
    let mut it = SignedIn::on(Engine::Sqlite).await;
    let url = it.bridge.url("/.well-known/openid-configuration");
    let offered = Visitor::new().get(&url).await.json()["acr_values_supported"].clone();
    let [acr] = offered.as_array().unwrap().as_slice() else {
        panic!("{offered}");
    };
    for values in ["1 2", acr.as_str().unwrap(), "urn:example:loa:4"] {
        let again = it.silently(&[("acr_values", Some(values))]).await;
        for claims in [&it.first.claims, &again.claims] {
            assert_eq!(claims["acr"], *acr);
            assert_eq!(claims.get("amr"), None);
        }
    }
    assert_eq!(
        seconds(&it.first, "auth_time"),
        it.bridge.clock.now().seconds(),
        "when sgID's answer was verified"
    );
}
