//! Clients that prove themselves with a key of their own. Security requirements TK-7, TK-14; RFC 7523;
//! FAPI 2.0 Security Profile section 5.3.2.1.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::app::{App, payload};
use crate::support::bridge::{CLIENT_SECRET, CLIENTS, Engine, Plan, TestBridge};
use crate::support::client_key::{ClientKey, assertion_claims, jwks_line, unsigned, with};
use crate::support::visitor::{Answer, Visitor};

const BANK: App = App {
    id: "bank",
    redirect_uri: "https://bank.example.sg/callback",
    method: "private_key_jwt",
};

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn bank(lines: &str) -> String {
    format!(
        "{CLIENTS}\n[[clients]]\nclient_id = \"bank\"\nredirect_uris = [\"{}\"]\n{lines}\n",
        BANK.redirect_uri
    )
}

/// A bridge that knows the public part of this key.
async fn knowing(engine: Engine, key: &ClientKey, lines: &str) -> TestBridge {
    let keys = jwks_line(&[key.public()]);
    let lines = format!("token_endpoint_auth_method = \"private_key_jwt\"\n{lines}\n{keys}");
    Plan::on(engine).clients(&bank(&lines)).start().await
}

/// A token request with this assertion, and these parameters beside it.
async fn present(base: &str, code: &str, assertion: &str, beside: &[(&str, &str)]) -> Answer {
    let mut form = BANK.form(code);
    form.extend([
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", assertion),
    ]);
    form.extend_from_slice(beside);
    Visitor::new().post(&format!("{base}/token"), &form).await
}

fn assert_unproven(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 401, "{what}: {}", answer.body);
    assert_eq!(answer.json()["error"], "invalid_client", "{what}");
    assert_eq!(answer.header("www-authenticate"), None, "{what}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
}

#[tokio::test]
async fn an_assertion_of_each_algorithm_proves_the_client() {
    let (ec, rsa) = (ClientKey::ec("ec"), ClientKey::rsa("rsa"));
    let keys = jwks_line(&[ec.public(), rsa.public()]);
    let lines = format!("token_endpoint_auth_method = \"private_key_jwt\"\n{keys}");
    let bridge = Plan::on(Engine::Sqlite)
        .clients(&bank(&lines))
        .start()
        .await;
    for (key, algorithm) in [(&ec, "ES256"), (&rsa, "RS256"), (&rsa, "PS256")] {
        for beside in [&[][..], &[("client_id", "bank")]] {
            let code = BANK.code(&bridge, "openid").await;
            let assertion = key.sign(algorithm, &assertion_claims(&bridge, "bank"));
            let answer = present(&bridge.base, &code, &assertion, beside).await;
            assert_eq!(answer.status, 200, "{algorithm}: {}", answer.body);
            let id_token = answer.json()["id_token"].as_str().unwrap().to_owned();
            assert_eq!(payload(&id_token)["aud"], "bank");
        }
        let nameless = key.sign_as(algorithm, &json!({}), &assertion_claims(&bridge, "bank"));
        let code = BANK.code(&bridge, "openid").await;
        let answer = present(&bridge.base, &code, &nameless, &[]).await;
        assert_eq!(answer.status, 200, "no kid: {}", answer.body);
    }
}

#[tokio::test]
async fn every_claim_of_an_assertion_counts() {
    let key = ClientKey::ec("k");
    let bridge = knowing(Engine::Sqlite, &key, "").await;
    let code = BANK.code(&bridge, "openid").await;
    let now = bridge.clock.now().seconds();
    for (name, value) in [
        ("iss", json!("portal")),
        ("iss", Value::Null),
        ("aud", Value::Null),
        ("aud", json!(bridge.url("/token"))),
        ("aud", json!([bridge.issuer])),
        ("aud", json!([bridge.issuer, "https://other.example.sg"])),
        ("aud", json!(format!("{}/", bridge.issuer))),
        ("exp", Value::Null),
        ("exp", json!("later")),
        ("exp", json!(now - 60)),
        ("exp", json!(now + 3600)),
        ("iat", json!(now + 60)),
        ("nbf", json!(now + 60)),
        ("jti", Value::Null),
        ("jti", json!("")),
        ("jti", json!(7)),
    ] {
        let claims = with(&assertion_claims(&bridge, "bank"), &[(name, value.clone())]);
        let answer = present(&bridge.base, &code, &key.sign("ES256", &claims), &[]).await;
        assert_unproven(&answer, &format!("{name}: {value}"));
    }
    let nobody = with(&assertion_claims(&bridge, "bank"), &[("sub", Value::Null)]);
    let answer = present(&bridge.base, &code, &key.sign("ES256", &nobody), &[]).await;
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (400, &"invalid_request".into())
    );
    let good = key.sign("ES256", &assertion_claims(&bridge, "bank"));
    let answer = present(&bridge.base, &code, &good, &[]).await;
    assert_eq!(answer.status, 200, "none of all that spent the code");
}

#[tokio::test]
async fn what_the_clients_key_did_not_sign_as_agreed_proves_nothing() {
    let (key, rsa) = (ClientKey::ec("k"), ClientKey::rsa("r"));
    let keys = jwks_line(&[key.public(), rsa.public()]);
    let lines = format!(
        "token_endpoint_auth_method = \"private_key_jwt\"\n\
         token_endpoint_auth_signing_alg = \"ES256\"\n{keys}"
    );
    let bridge = Plan::on(Engine::Sqlite)
        .clients(&bank(&lines))
        .start()
        .await;
    let code = BANK.code(&bridge, "openid").await;
    let claims = || assertion_claims(&bridge, "bank");
    let stranger = ClientKey::ec("k");
    let own = json!({ "kid": "k", "jwk": stranger.public() });
    let signed = key.sign("ES256", &claims());
    let (head, _) = signed.rsplit_once('.').unwrap();
    for (what, assertion) in [
        ("another key", stranger.sign("ES256", &claims())),
        (
            "a key of its own",
            stranger.sign_as("ES256", &own, &claims()),
        ),
        ("another algorithm", rsa.sign("RS256", &claims())),
        ("none", unsigned(&claims())),
        (
            "HS256 by the public key",
            key.forge_by_public_key(&claims()),
        ),
        (
            "an unknown kid",
            key.sign_as("ES256", &json!({ "kid": "x" }), &claims()),
        ),
        (
            "crit",
            key.sign_as("ES256", &json!({ "kid": "k", "crit": ["exp"] }), &claims()),
        ),
        (
            "the type of another token",
            key.sign_as(
                "ES256",
                &json!({ "kid": "k", "typ": "oauth-authz-req+jwt" }),
                &claims(),
            ),
        ),
        ("no signature", format!("{head}.")),
        (
            "another client",
            key.sign("ES256", &assertion_claims(&bridge, "portal")),
        ),
        (
            "nobody",
            key.sign("ES256", &assertion_claims(&bridge, "nobody")),
        ),
        (
            "a public client",
            key.sign("ES256", &assertion_claims(&bridge, "spa")),
        ),
    ] {
        let answer = present(&bridge.base, &code, &assertion, &[]).await;
        assert_unproven(&answer, what);
    }
    for malformed in ["x", "a.b.c", "e30.e30.e30"] {
        let answer = present(&bridge.base, &code, malformed, &[]).await;
        assert_eq!(answer.json()["error"], "invalid_request", "{malformed}");
    }
    let answer = present(&bridge.base, &code, &signed, &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

on_both_engines!(an_assertion_works_once_on_whichever_replica, |engine| {
    let key = ClientKey::ec("k");
    let bridge = knowing(engine, &key, "").await;
    let replica = bridge.replica().await;
    let assertion = key.sign("ES256", &assertion_claims(&bridge, "bank"));
    let code = BANK.code(&bridge, "openid").await;
    let attempts = (0..8).map(|number| {
        let base = [&bridge.base, &replica.base][number % 2];
        present(base, &code, &assertion, &[])
    });
    let mut statuses: Vec<_> = join_all(attempts)
        .await
        .iter()
        .map(|it| it.status)
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401, 401, 401, 401, 401, 401, 401]);

    // Until it expires, whatever is swept; and after that it has expired.
    for _ in 0..5 {
        bridge.advance(std::time::Duration::from_secs(30));
        bridge.bridge.sweep().await.unwrap();
        let answer = present(&replica.base, &code, &assertion, &[]).await;
        assert_unproven(&answer, "again");
    }
});

#[tokio::test]
async fn two_ways_at_once_are_refused() {
    let key = ClientKey::ec("k");
    let bridge = knowing(Engine::Sqlite, &key, "").await;
    let code = BANK.code(&bridge, "openid").await;
    let assertion = key.sign("ES256", &assertion_claims(&bridge, "bank"));
    for beside in [
        ("client_secret", CLIENT_SECRET),
        ("client_id", "portal"),
        ("client_assertion", "x"),
    ] {
        let answer = present(&bridge.base, &code, &assertion, &[beside]).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (400, &"invalid_request".into()),
            "{beside:?}"
        );
    }
    let mut form = BANK.form(&code);
    form.push(("client_assertion", &assertion));
    let url = bridge.url("/token");
    for kind in [
        None,
        Some("urn:ietf:params:oauth:client-assertion-type:saml2-bearer"),
    ] {
        let mut form = form.clone();
        form.extend(kind.map(|kind| ("client_assertion_type", kind)));
        let answer = Visitor::new().post(&url, &form).await;
        assert_eq!(answer.json()["error"], "invalid_request", "{kind:?}");
    }
    form.push(("client_assertion_type", JWT_BEARER));
    let headers = [("authorization", "Basic YmFuazp4")];
    let mut visitor = Visitor::new();
    let both = visitor.send(reqwest::Method::POST, &url, &headers, Some(&form));
    assert_eq!(both.await.json()["error"], "invalid_request");
    let answer = present(&bridge.base, &code, &assertion, &[]).await;
    assert_eq!(answer.status, 200, "nothing of all that used it up");
}

#[tokio::test]
async fn a_client_proves_itself_by_its_one_registered_method() {
    let key = ClientKey::ec("k");
    let bridge = knowing(Engine::Sqlite, &key, "").await;
    let code = BANK.code(&bridge, "openid").await;
    for method in ["client_secret_basic", "client_secret_post", "none"] {
        let other = App { method, ..BANK };
        assert_eq!(other.redeem(&bridge, &code).await.status, 401, "{method}");
    }
    let keys = jwks_line(&[key.public()]);
    let lines = format!("client_secret = \"{CLIENT_SECRET}\"\n{keys}");
    bridge.change_clients(&bank(&lines));
    let assertion = key.sign("ES256", &assertion_claims(&bridge, "bank"));
    let refused = present(&bridge.base, &code, &assertion, &[]).await;
    assert_unproven(&refused, "registered for a secret");
    let description = refused.json()["error_description"].to_string();
    assert!(
        description.contains("token_endpoint_auth_method"),
        "{description}"
    );
    let by_secret = App {
        method: "client_secret_basic",
        ..BANK
    };
    assert_eq!(by_secret.redeem(&bridge, &code).await.status, 200);
}

#[tokio::test]
async fn a_disabled_client_proves_nothing() {
    let key = ClientKey::ec("k");
    let bridge = knowing(Engine::Sqlite, &key, "").await;
    let code = BANK.code(&bridge, "openid").await;
    let keys = jwks_line(&[key.public()]);
    let lines =
        format!("token_endpoint_auth_method = \"private_key_jwt\"\nenabled = false\n{keys}");
    bridge.change_clients(&bank(&lines));
    let assertion = key.sign("ES256", &assertion_claims(&bridge, "bank"));
    assert_unproven(
        &present(&bridge.base, &code, &assertion, &[]).await,
        "disabled",
    );
}

#[tokio::test]
async fn an_assertion_and_a_request_object_do_not_stand_in_for_each_other() {
    let key = ClientKey::ec("k");
    let bridge = knowing(
        Engine::Sqlite,
        &key,
        "request_object_signing_alg = \"ES256\"",
    )
    .await;
    let mut object = json!({ "iss": "bank", "aud": bridge.issuer, "jti": "one" });
    for (name, value) in BANK.request("openid") {
        object[name] = value.into();
    }
    object["exp"] = assertion_claims(&bridge, "bank")["exp"].clone();
    let by_object = |object: &str| {
        let change = [("request", Some(object)), ("scope", None)];
        BANK.changed_url(&bridge, "openid", &change)
    };
    let mut visitor = Visitor::new();
    let signed = key.sign("ES256", &object);
    let code = visitor.walk(&by_object(&signed)).await.returned();
    let answer = present(&bridge.base, code.code(), &signed, &[("client_id", "bank")]).await;
    assert_ne!(answer.status, 200, "a request object proves nobody");

    let mut claims = assertion_claims(&bridge, "bank");
    for (name, value) in BANK.request("openid") {
        claims[name] = value.into();
    }
    let assertion = key.sign("ES256", &claims);
    let refused = visitor.walk(&by_object(&assertion)).await.returned();
    assert_eq!(refused.error(), "invalid_request_object");
    let answer = present(&bridge.base, code.code(), &assertion, &[]).await;
    assert_eq!(
        answer.status, 200,
        "as an assertion it is good: {}",
        answer.body
    );
}

#[tokio::test]
async fn an_assertion_is_good_wherever_clients_authenticate() {
    let key = ClientKey::ec("k");
    let bridge = knowing(Engine::Sqlite, &key, "").await;
    let token = vec![("token".to_owned(), "x".to_owned())];
    for (path, parameters, status) in [
        ("/introspect", token.clone(), 200),
        ("/revoke", token, 200),
        ("/par", BANK.request("openid"), 201),
    ] {
        let assertion = key.sign("ES256", &assertion_claims(&bridge, "bank"));
        let mut form: Vec<(&str, &str)> = parameters
            .iter()
            .map(|(name, value)| (&name[..], &value[..]))
            .collect();
        form.extend([
            ("client_assertion_type", JWT_BEARER),
            ("client_assertion", &assertion),
        ]);
        let url = bridge.url(path);
        let answer = Visitor::new().post(&url, &form).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        let again = Visitor::new().post(&url, &form).await;
        assert_unproven(&again, path);
    }
}
