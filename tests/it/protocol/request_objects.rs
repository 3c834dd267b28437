//! Request objects by value: a request that its client has signed. Security requirement AZ-11; conformance AR-10; RFC 9101;
//! OpenID Connect Core section 6.1.

use josekit::jws::{HS256, JwsHeader, serialize_compact};
use serde_json::{Value, json};

use super::scopes::asked;
use crate::support::app::{NONCE, OTHER, PORTAL, STATE, authorize_url, payload};
use crate::support::bridge::{CLIENT_SECRET, CLIENTS, Engine, Plan, TestBridge};
use crate::support::client_key::{ClientKey, jwks_line, unsigned, with};
use crate::support::visitor::{Answer, Returned, Visitor};

/// A way back beside the object, for errors of the object itself.
const BESIDE: [(&str, &str); 2] = [("redirect_uri", PORTAL.redirect_uri), ("state", "outside")];

/// A bridge at which `portal` signs its requests.
struct Signing {
    bridge: TestBridge,
    key: ClientKey,
    algorithm: &'static str,
}

fn key_for(algorithm: &str) -> ClientKey {
    match algorithm {
        "ES256" => ClientKey::ec("k"),
        "EdDSA" => ClientKey::ed("k"),
        _ => ClientKey::rsa("k"),
    }
}

fn clients(algorithm: &str, keys: &[Value]) -> String {
    let lines = format!(
        "\"portal\"\nrequest_object_signing_alg = \"{algorithm}\"\n\
         response_modes = [\"query\", \"form_post\"]\n{}",
        jwks_line(keys)
    );
    CLIENTS.replacen("\"portal\"\n", &lines, 1)
}

impl Signing {
    async fn with(engine: Engine, algorithm: &'static str) -> Self {
        let key = key_for(algorithm);
        let clients = clients(algorithm, &[key.public()]);
        Self {
            bridge: Plan::on(engine).clients(&clients).start().await,
            key,
            algorithm,
        }
    }

    /// The claims of a proper request object, with some changed.
    fn claims(&self, changes: &[(&str, Value)]) -> Value {
        let now = self.bridge.clock.now().seconds();
        let mut claims = json!({
            "iss": "portal", "aud": self.bridge.issuer, "iat": now, "exp": now + 60,
        });
        for (name, value) in PORTAL.request("openid") {
            claims[name] = value.into();
        }
        with(&claims, changes)
    }

    fn object(&self, changes: &[(&str, Value)]) -> String {
        self.key.sign(self.algorithm, &self.claims(changes))
    }

    /// The address that carries an object, and these parameters beside it.
    fn url(&self, object: &str, beside: &[(&str, &str)]) -> String {
        let named = [("client_id", "portal"), ("request", object)];
        let parameters: Vec<_> = named
            .iter()
            .chain(beside)
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        authorize_url(&self.bridge, &parameters)
    }

    async fn login(&self, object: &str) -> Returned {
        Visitor::new().walk(&self.url(object, &[])).await.returned()
    }

    /// The object is refused: to the relying party where the way back stands beside it, else on a page.
    async fn assert_refused(&self, object: &str, what: &str) {
        let before = self.bridge.sgid.requests();
        let answer = Visitor::new().get(&self.url(object, &BESIDE)).await;
        let returned = Returned::parse(answer.location());
        assert_eq!(returned.error(), "invalid_request_object", "{what}");
        assert_eq!(returned.get("state"), Some("outside"), "{what}");
        assert_eq!(
            returned.names(),
            ["error", "error_description", "iss", "state"],
            "{what}"
        );
        let page = Visitor::new().get(&self.url(object, &[])).await;
        assert_page(&page, what);
        assert_eq!(self.bridge.sgid.requests(), before, "{what}");
    }
}

fn assert_page(page: &Answer, what: &str) {
    assert_eq!(
        (page.status, page.header("location")),
        (400, None),
        "{what}: {}",
        page.body
    );
}

#[tokio::test]
async fn a_request_signed_with_the_registered_algorithm_is_served() {
    for algorithm in ["RS256", "PS256", "ES256", "EdDSA"] {
        let it = Signing::with(Engine::Sqlite, algorithm).await;
        let returned = it.login(&it.object(&[])).await;
        assert_eq!(returned.get("state"), Some(STATE), "{algorithm}");
        let tokens = PORTAL.tokens(&it.bridge, returned.code()).await;
        assert_eq!(tokens.claims["nonce"], NONCE);
    }
}

on_both_engines!(the_object_is_the_whole_request, |engine| {
    let it = Signing::with(engine, "ES256").await;
    let claims = json!({"id_token": {"email": null}}).to_string();
    let beside = [
        ("response_type", "token"),
        ("redirect_uri", "https://evil.example/"),
        ("scope", "openid profile email"),
        ("state", "outside"),
        ("nonce", "outside"),
        ("prompt", "none"),
        ("max_age", "0"),
        ("claims", &claims),
        ("response_mode", "form_post"),
        ("code_challenge", "outside"),
        ("code_challenge_method", "plain"),
    ];
    let url = it.url(&it.object(&[]), &beside);
    let returned = Visitor::new().walk(&url).await.returned();
    assert_eq!(returned.get("state"), Some(STATE));
    assert_eq!(asked(&it.bridge), ["openid"]);
    let tokens = PORTAL.tokens(&it.bridge, returned.code()).await;
    assert_eq!(tokens.response["scope"], "openid");

    // What is missing inside is missing.
    let bare = it.object(&[("state", Value::Null), ("nonce", Value::Null)]);
    let returned = Visitor::new()
        .walk(&it.url(&bare, &beside))
        .await
        .returned();
    assert_eq!(returned.names(), ["code", "iss"]);
    let answer = PORTAL.redeem(&it.bridge, returned.code()).await.json();
    let id_token = answer["id_token"].as_str().unwrap();
    assert_eq!(payload(id_token).get("nonce"), None);
    let no_challenge = it.object(&[("code_challenge", Value::Null)]);
    let returned = it.login(&no_challenge).await;
    assert_eq!(returned.error(), "invalid_request");
});

#[tokio::test]
async fn another_algorithm_or_another_key_proves_nothing() {
    let it = Signing::with(Engine::Sqlite, "RS256").await;
    let (second, stranger) = (ClientKey::ec("second"), ClientKey::rsa("k"));
    let keys = [it.key.public(), second.public()];
    it.bridge.change_clients(&clients("RS256", &keys));
    let claims = it.claims(&[]);
    let genuine = it.object(&[]);
    let parts: Vec<&str> = genuine.split('.').collect();
    let evil = it.claims(&[("redirect_uri", json!("https://evil.example/"))]);
    let evil = unsigned(&evil);
    let evil = evil.split('.').nth(1).unwrap();
    let embedded = json!({"kid": "k", "jwk": stranger.public()});
    for (what, object) in [
        ("PS256 by the same key", it.key.sign("PS256", &claims)),
        (
            "ES256 by another key of theirs",
            second.sign("ES256", &claims),
        ),
        (
            "HS256 by the public key",
            it.key.forge_by_public_key(&claims),
        ),
        ("HS256 by the client secret", by_client_secret(&claims)),
        ("alg none", unsigned(&claims)),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("altered", format!("{}.{evil}.{}", parts[0], parts[2])),
        ("a stranger's key", stranger.sign("RS256", &claims)),
        (
            "a key that it brings",
            stranger.sign_as("RS256", &embedded, &claims),
        ),
        (
            "an unknown key",
            it.key.sign_as("RS256", &json!({"kid": "x"}), &claims),
        ),
        ("encrypted", "e30.a.b.c.d".to_owned()),
        ("not a token", "nonsense".to_owned()),
        (
            "our own ID token",
            PORTAL.log_in(&it.bridge, "openid").await.id_token,
        ),
    ] {
        it.assert_refused(&object, what).await;
    }
    let unnamed = it.key.sign_as("RS256", &json!({}), &claims);
    it.login(&unnamed).await.code();
    it.login(&genuine).await.code();
    it.bridge
        .change_clients(&clients("RS256", &[stranger.public()]));
    it.assert_refused(&genuine, "a key that was replaced").await;
}

fn by_client_secret(claims: &Value) -> String {
    let signer = HS256.signer_from_bytes(CLIENT_SECRET.as_bytes()).unwrap();
    serialize_compact(claims.to_string().as_bytes(), &JwsHeader::new(), &signer).unwrap()
}

#[tokio::test]
async fn an_object_that_is_not_for_us_or_not_for_now_is_refused() {
    let it = Signing::with(Engine::Sqlite, "ES256").await;
    let now = it.bridge.clock.now().seconds();
    let nested = it.object(&[]);
    for (name, value) in [
        ("client_id", json!("other")),
        ("client_id", Value::Null),
        ("iss", json!("other")),
        ("sub", json!("portal")),
        ("aud", json!("https://other.example.sg")),
        ("aud", json!(format!("{}/authorize", it.bridge.issuer))),
        ("aud", json!([])),
        ("exp", json!(now - 60)),
        ("exp", json!("tomorrow")),
        ("nbf", json!(now + 60)),
        ("iat", json!(now + 60)),
        ("request", json!(nested)),
        ("request_uri", json!("https://portal.example.sg/request")),
    ] {
        let object = it.object(&[(name, value.clone())]);
        it.assert_refused(&object, &format!("{name}: {value}"))
            .await;
    }
    for kind in ["logout+jwt", "at+jwt", "dpop+jwt"] {
        let object = it
            .key
            .sign_as("ES256", &json!({"typ": kind}), &it.claims(&[]));
        it.assert_refused(&object, kind).await;
    }
    let twice = it
        .claims(&[])
        .to_string()
        .replacen('{', "{\"state\":\"twice\",", 1);
    let object = it.key.sign_text("ES256", &json!({}), &twice);
    it.assert_refused(&object, "a member that occurs twice")
        .await;

    for (name, value) in [
        ("iss", Value::Null),
        ("aud", json!(["https://other.example.sg", it.bridge.issuer])),
        ("exp", Value::Null),
        ("nbf", json!(now)),
        ("jti", json!("one")),
    ] {
        let object = it.object(&[(name, value.clone())]);
        it.login(&object).await.code();
    }
    let typed = json!({"typ": "oauth-authz-req+jwt"});
    let object = it.key.sign_as("ES256", &typed, &it.claims(&[]));
    it.login(&object).await.code();
}

#[tokio::test]
async fn the_object_of_one_client_is_none_of_another_with_the_same_key() {
    let it = Signing::with(Engine::Sqlite, "ES256").await;
    let twin = format!(
        "client_id = \"other\"\nrequest_object_signing_alg = \"ES256\"\n{}",
        jwks_line(&[it.key.public()])
    );
    let clients = clients("ES256", &[it.key.public()]);
    let clients = clients.replacen("client_id = \"other\"\n", &twin, 1);
    it.bridge.change_clients(&clients);
    let object = it.object(&[]);
    let url = OTHER.changed_url(&it.bridge, "openid", &[("request", Some(&object))]);
    let returned = Visitor::new().walk(&url).await.returned();
    assert!(
        returned.url.starts_with(OTHER.redirect_uri),
        "{}",
        returned.url
    );
    assert_eq!(returned.error(), "invalid_request_object");
}

#[tokio::test]
async fn a_client_that_registered_no_algorithm_may_send_no_object() {
    let it = Signing::with(Engine::Sqlite, "ES256").await;
    let claims = json!({"client_id": "other", "redirect_uri": OTHER.redirect_uri});
    for object in [it.key.sign("ES256", &claims), unsigned(&claims)] {
        let url = OTHER.changed_url(&it.bridge, "openid", &[("request", Some(&object))]);
        let answer = Visitor::new().get(&url).await;
        let returned = Returned::parse(answer.location());
        assert_eq!(returned.error(), "request_not_supported");
        assert_eq!(returned.get("state"), Some(STATE));
    }
    // And one that did need not.
    PORTAL.log_in(&it.bridge, "openid").await;
}

#[tokio::test]
async fn until_client_and_redirect_uri_are_good_every_failure_is_a_page() {
    let it = Signing::with(Engine::Sqlite, "ES256").await;
    for changed in [json!("https://evil.example/"), Value::Null] {
        let object = it.object(&[("redirect_uri", changed.clone())]);
        let page = Visitor::new().get(&it.url(&object, &BESIDE)).await;
        assert_page(&page, &changed.to_string());
    }
    let evil = [("redirect_uri", "https://evil.example/")];
    let page = Visitor::new().get(&it.url("nonsense", &evil)).await;
    assert_page(&page, "a bad object beside a bad redirect URI");
    let nameless = format!("{}?request={}", it.bridge.url("/authorize"), it.object(&[]));
    assert_page(&Visitor::new().get(&nameless).await, "no client_id");
}

#[tokio::test]
async fn a_response_mode_inside_counts_for_answers_and_errors() {
    let it = Signing::with(Engine::Sqlite, "ES256").await;
    for (name, value, error) in [
        ("prompt", json!("none"), Some("login_required")),
        ("scope", json!("profile"), Some("invalid_scope")),
        (
            "response_type",
            json!("token"),
            Some("unsupported_response_type"),
        ),
        (
            "registration",
            json!({}),
            Some("registration_not_supported"),
        ),
        ("max_age", json!(-1), Some("invalid_request")),
        ("max_age", json!(10_000), None),
    ] {
        let object = it.object(&[("response_mode", json!("form_post")), (name, value)]);
        let page = Visitor::new().walk(&it.url(&object, &[])).await.page();
        let form = page.form();
        assert_eq!(form.action, PORTAL.redirect_uri);
        let returned = Returned::of_form(form);
        assert_eq!(returned.get("error"), error, "{name}");
        assert_eq!(returned.get("code").is_some(), error.is_none(), "{name}");
        assert_eq!(returned.get("state"), Some(STATE), "{name}");
    }
}

#[tokio::test]
async fn claims_inside_are_json_as_it_is() {
    let it = Signing::with(Engine::Sqlite, "ES256").await;
    let claims = json!({"userinfo": {"name": {"essential": true}}});
    let returned = it.login(&it.object(&[("claims", claims)])).await;
    let tokens = PORTAL.tokens(&it.bridge, returned.code()).await;
    assert_eq!(tokens.claims.get("name"), None);
    let userinfo = tokens.userinfo(&it.bridge).await.json();
    assert_eq!(userinfo["name"], "SAMPLE TAN MEI LING");
}

#[tokio::test]
async fn an_object_and_a_reference_together_are_refused() {
    let it = Signing::with(Engine::Sqlite, "ES256").await;
    let before = it.bridge.sgid.requests();
    let fetched = format!(
        "{}/oauth/userinfo",
        it.bridge.config.upstreams["sgid"].issuer
    );
    let beside = [BESIDE[0], BESIDE[1], ("request_uri", &fetched)];
    let url = it.url(&it.object(&[]), &beside);
    let answer = Visitor::new().get(&url).await;
    let returned = Returned::parse(answer.location());
    let error = returned.get("error").unwrap_or_default();
    assert!(
        ["invalid_request", "request_uri_not_supported"].contains(&error),
        "{}",
        returned.url
    );
    assert_eq!(it.bridge.sgid.requests(), before);
}

#[tokio::test]
async fn a_pushed_object_is_checked_like_one_that_a_browser_brings() {
    let it = Signing::with(Engine::Sqlite, "ES256").await;
    let url = it.bridge.url("/par");
    let hidden = it.object(&[("response_mode", json!("form_post"))]);
    let kept = PORTAL.call(&url, vec![("request", &hidden)]).await;
    assert_eq!(kept.status, 201, "{}", kept.body);
    let uri = kept.json()["request_uri"].as_str().unwrap().to_owned();
    let named = [("client_id", "portal"), ("request_uri", &*uri)];
    let named = named.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let page = Visitor::new()
        .walk(&authorize_url(&it.bridge, &named))
        .await
        .page();
    PORTAL
        .tokens(&it.bridge, Returned::of_form(page.form()).code())
        .await;

    let now = it.bridge.clock.now().seconds();
    let stranger = ClientKey::ec("k");
    let refused = "invalid_request_object";
    for (app, object, error) in [
        (PORTAL, unsigned(&it.claims(&[])), refused),
        (PORTAL, stranger.sign("ES256", &it.claims(&[])), refused),
        (PORTAL, it.object(&[("exp", json!(now - 60))]), refused),
        (PORTAL, it.object(&[("client_id", json!("other"))]), refused),
        (PORTAL, it.object(&[("request_uri", json!(uri))]), refused),
        (PORTAL, it.object(&[("scope", json!("a"))]), "invalid_scope"),
        (OTHER, it.object(&[]), "request_not_supported"),
    ] {
        let mut form = vec![("request", &*object)];
        let request = app.request("openid");
        let beside = request.iter().map(|(name, value)| (&**name, &**value));
        form.extend(beside.filter(|(name, _)| *name != "client_id"));
        let answer = app.call(&url, form).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert_eq!(answer.json()["error"], error, "{}", answer.body);
    }
}
