//! Userinfo and ID tokens that are signed or encrypted for one client. OpenID Connect Core sections 5.3.2 and 10.2;
//! RFC 7516; RFC 7519 section 5.2.

use std::time::Duration;

use serde_json::Value;

use crate::support::app::{NONCE, OTHER, PORTAL, header};
use crate::support::bridge::{CLIENTS, Engine, Plan, TestBridge};
use crate::support::client_key::{ClientKey, jwks, jwks_line, signed_by};
use crate::support::receiver::{MAY_CALL_LOOPBACK, Receiver, Reply};
use crate::support::visitor::Answer;
use sgid_bridge::config::Config;

const ID: &str = "client_id = \"portal\"";

fn clients(lines: &str) -> String {
    CLIENTS.replacen(ID, &format!("{ID}\n{lines}"), 1)
}

async fn bridge(lines: &str) -> TestBridge {
    Plan::on(Engine::Sqlite)
        .clients(&clients(lines))
        .start()
        .await
}

/// A bridge that fetches the portal's keys from this server, whose codes live long enough to ask it twice.
async fn fetching(receiver: &Receiver, lines: &str) -> TestBridge {
    let lines = format!("jwks_uri = \"{}\"\n{lines}", receiver.url("/jwks"));
    let settings = format!("{MAY_CALL_LOOPBACK}[lifetimes]\nauthorization_code = \"5m\"\n");
    let plan = Plan::on(Engine::Sqlite).clients(&clients(&lines));
    plan.settings(&settings).start().await
}

fn text(answer: &Answer, name: &str) -> String {
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()[name].as_str().unwrap().to_owned()
}

/// Userinfo as a JWT, with the subject of the ID token that came with it.
async fn userinfo_jwt(bridge: &TestBridge) -> (String, Value) {
    let tokens = PORTAL.log_in(bridge, "openid profile").await;
    let answer = tokens.userinfo(bridge).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("content-type"), Some("application/jwt"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    (answer.body, tokens.claims["sub"].clone())
}

#[tokio::test]
async fn userinfo_is_signed_for_its_client_where_that_is_registered() {
    for algorithm in ["RS256", "ES256"] {
        let line = format!("userinfo_signed_response_alg = \"{algorithm}\"");
        let bridge = bridge(&line).await;
        let (token, sub) = userinfo_jwt(&bridge).await;
        let (header, claims) = signed_by(&bridge, &token).await;
        assert_eq!(header["alg"], algorithm);
        assert_eq!(claims["iss"], bridge.issuer.as_str());
        assert_eq!(claims["aud"], PORTAL.id);
        assert_eq!(claims["sub"], sub);
        assert!(claims["name"].is_string(), "{claims}");
        for name in ["exp", "nonce", "auth_time", "events"] {
            assert!(
                claims.get(name).is_none(),
                "it passes as no other token: {name}"
            );
        }
        let plain = OTHER.log_in(&bridge, "openid profile").await;
        let plain = plain.userinfo(&bridge).await;
        assert_eq!(plain.header("content-type"), Some("application/json"));
        for name in ["iss", "aud"] {
            assert!(plain.json().get(name).is_none(), "{name}");
        }
    }
}

#[tokio::test]
async fn userinfo_is_encrypted_to_its_client_where_that_is_registered() {
    let (ec, rsa) = (ClientKey::ec("ec"), ClientKey::rsa("rsa"));
    let keys = jwks_line(&[ec.public_for("enc"), rsa.public_for("enc")]);
    for (key, alg, enc) in [
        (&rsa, "RSA-OAEP-256", None),
        (&rsa, "RSA-OAEP-256", Some("A256GCM")),
        (&ec, "ECDH-ES", Some("A128GCM")),
        (&ec, "ECDH-ES+A256KW", Some("A256CBC-HS512")),
    ] {
        let mut lines = format!("{keys}userinfo_encrypted_response_alg = \"{alg}\"\n");
        lines.extend(enc.map(|enc| format!("userinfo_encrypted_response_enc = \"{enc}\"\n")));
        let plain = bridge(&lines).await;
        let (token, sub) = userinfo_jwt(&plain).await;
        let (outer, content) = key.open(&token);
        assert_eq!(header(&token)["alg"], alg);
        assert_eq!(header(&token)["kid"], key.public()["kid"]);
        assert_eq!(header(&token)["enc"], enc.unwrap_or("A128CBC-HS256"));
        assert_eq!(outer.content_type(), None);
        let claims: Value = serde_json::from_str(&content).unwrap();
        assert_eq!(claims["sub"], sub);
        assert!(claims["name"].is_string(), "{claims}");

        lines.push_str("userinfo_signed_response_alg = \"ES256\"\n");
        let nested = bridge(&lines).await;
        let (token, sub) = userinfo_jwt(&nested).await;
        let (outer, content) = key.open(&token);
        assert_eq!(outer.content_type(), Some("JWT"));
        let (_, claims) = signed_by(&nested, &content).await;
        assert_eq!((&claims["sub"], &claims["aud"]), (&sub, &PORTAL.id.into()));
    }
}

#[tokio::test]
async fn an_id_token_is_signed_and_then_encrypted_each_time() {
    let key = ClientKey::rsa("k");
    let lines = format!(
        "{}id_token_encrypted_response_alg = \"RSA-OAEP-256\"\n\
         grant_types = [\"authorization_code\", \"refresh_token\"]\n",
        jwks_line(&[key.public()])
    );
    let clients = clients(&lines).replacen("openid profile", "openid offline_access profile", 1);
    let bridge = Plan::on(Engine::Sqlite).clients(&clients).start().await;
    let code = PORTAL.code(&bridge, "openid offline_access profile").await;
    let answer = PORTAL.redeem(&bridge, &code).await;
    let (outer, inner) = key.open(&text(&answer, "id_token"));
    assert_eq!(outer.content_type(), Some("JWT"));
    assert_eq!(outer.content_encryption(), Some("A128CBC-HS256"));
    let first = PORTAL.verify(&bridge, &inner, Some(NONCE)).await;
    assert!(first["name"].is_string());
    assert_eq!(header(&inner)["typ"], "JWT");

    let token = text(&answer, "refresh_token");
    let form = vec![
        ("grant_type", "refresh_token"),
        ("refresh_token", &token[..]),
    ];
    let answer = PORTAL.send_form(&bridge, form).await;
    let (_, inner) = key.open(&text(&answer, "id_token"));
    let next = PORTAL.verify(&bridge, &inner, None).await;
    assert_eq!(next["sub"], first["sub"]);
}

#[tokio::test]
async fn keys_that_are_not_to_be_had_cost_no_code() {
    let key = ClientKey::rsa("k");
    let receiver = Receiver::start().await;
    let line = "id_token_encrypted_response_alg = \"RSA-OAEP-256\"\n";
    let bridge = fetching(&receiver, line).await;
    let code = PORTAL.code(&bridge, "openid").await;
    let refused = PORTAL.redeem(&bridge, &code).await;
    assert_eq!(
        (refused.status, &refused.json()["error"]),
        (503, &"temporarily_unavailable".into())
    );
    let description = refused.json()["error_description"].to_string();
    assert!(description.contains("jwks_uri"), "{description}");

    receiver.answer("/jwks", Reply::Json(jwks(&[key.public()])));
    bridge.advance(Duration::from_mins(1));
    let answer = PORTAL.redeem(&bridge, &code).await;
    let (_, inner) = key.open(&text(&answer, "id_token"));
    PORTAL.verify(&bridge, &inner, Some(NONCE)).await;
}

#[tokio::test]
async fn a_key_set_without_a_key_for_encryption_costs_no_code_and_says_so() {
    let key = ClientKey::rsa("k");
    let receiver = Receiver::start().await;
    let wrong_kind = ClientKey::ec("ec").public();
    let keys = jwks(&[key.public_for("sig"), wrong_kind]);
    receiver.answer("/jwks", Reply::Json(keys));
    let line = "id_token_encrypted_response_alg = \"RSA-OAEP-256\"\n";
    let bridge = fetching(&receiver, line).await;
    let code = PORTAL.code(&bridge, "openid").await;
    let refused = PORTAL.redeem(&bridge, &code).await;
    assert_ne!(refused.status, 200);
    let description = refused.json()["error_description"].to_string();
    assert!(description.contains("RSA-OAEP-256"), "{description}");

    receiver.answer("/jwks", Reply::Json(jwks(&[key.public_for("enc")])));
    bridge.advance(Duration::from_mins(1));
    let answer = PORTAL.redeem(&bridge, &code).await;
    let (_, inner) = key.open(&text(&answer, "id_token"));
    PORTAL.verify(&bridge, &inner, Some(NONCE)).await;
}

#[tokio::test]
async fn userinfo_without_a_key_to_encrypt_it_to_says_which_is_missing_and_shows_nothing() {
    let key = ClientKey::rsa("k");
    let receiver = Receiver::start().await;
    receiver.answer("/jwks", Reply::Json(jwks(&[key.public_for("sig")])));
    let line = "userinfo_encrypted_response_alg = \"RSA-OAEP-256\"\n";
    let bridge = fetching(&receiver, line).await;
    let tokens = PORTAL.log_in(&bridge, "openid profile").await;
    let refused = tokens.userinfo(&bridge).await;
    assert!(refused.status >= 400, "{}", refused.body);
    assert!(
        !refused
            .body
            .contains(tokens.claims["name"].as_str().unwrap())
    );
    let description = refused.json()["error_description"].to_string();
    assert!(description.contains("RSA-OAEP-256"), "{description}");
}

#[tokio::test]
async fn a_new_key_at_the_clients_address_is_taken_up() {
    let (old, new) = (ClientKey::rsa("1"), ClientKey::rsa("2"));
    let receiver = Receiver::start().await;
    receiver.answer("/jwks", Reply::Json(jwks(&[old.public()])));
    let line = "userinfo_encrypted_response_alg = \"RSA-OAEP-256\"\n";
    let bridge = fetching(&receiver, line).await;
    let (first, _) = userinfo_jwt(&bridge).await;
    assert_eq!(header(&first)["kid"], "1");
    receiver.answer("/jwks", Reply::Json(jwks(&[new.public()])));
    bridge.advance(Duration::from_mins(10));
    let (second, sub) = userinfo_jwt(&bridge).await;
    let claims: Value = serde_json::from_str(&new.open(&second).1).unwrap();
    assert_eq!(claims["sub"], sub);
    assert_eq!(receiver.count(), 2);
}

#[tokio::test]
async fn what_could_not_be_protected_is_refused_at_registration() {
    let bridge = bridge("").await;
    let key = jwks_line(&[ClientKey::ec("k").public()]);
    for (lines, setting) in [
        (
            "userinfo_signed_response_alg = \"EdDSA\"",
            "userinfo_signed_response_alg",
        ),
        (
            "userinfo_signed_response_alg = \"HS256\"",
            "userinfo_signed_response_alg",
        ),
        (
            "userinfo_encrypted_response_alg = \"RSA1_5\"",
            "userinfo_encrypted_response_alg",
        ),
        (
            "userinfo_encrypted_response_alg = \"ECDH-ES\"",
            "userinfo_encrypted_response_alg",
        ),
        (
            "id_token_encrypted_response_alg = \"ECDH-ES\"",
            "id_token_encrypted_response_alg",
        ),
        (
            &format!("{key}id_token_encrypted_response_enc = \"A128GCM\""),
            "id_token_encrypted_response_enc",
        ),
    ] {
        let text = bridge.text_with(&clients(lines));
        let refused = match Config::from_toml(&text, "/".as_ref()) {
            Err(error) => error.to_string(),
            Ok(config) => bridge.bridge.reload(&config).unwrap_err().to_string(),
        };
        assert!(refused.contains(setting), "{lines}: {refused}");
    }
}
