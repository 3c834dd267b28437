//! Registrations that cannot work. Security requirement OP-2; RFC 7591 section 3.2.2.

use reqwest::Method;
use serde_json::{Value, json};

use super::registration::{CALLBACK, assert_refused, bridge, clients_of_the_database, minimal};
use crate::support::bridge::Engine;
use crate::support::client_key::{ClientKey, jwks};
use crate::support::registrar::{INITIAL_ACCESS_TOKEN, register};
use crate::support::visitor::Visitor;

#[tokio::test]
async fn a_redirect_uri_that_an_operator_could_not_register_is_refused() {
    let bridge = bridge(Engine::Sqlite).await;
    let redirect = "invalid_redirect_uri";
    for uris in [
        json!([]),
        json!(["http://shop.example.sg/callback"]),
        json!(["https://shop.example.sg/callback#x"]),
        json!(["https://*.example.sg/callback"]),
        json!(["https://user@shop.example.sg/callback"]),
        json!(["https://shop.example.sg/callback?code=x"]),
        json!(["sg.example.app:/callback"]),
        json!(["javascript:alert(1)"]),
        json!([CALLBACK, "x"]),
    ] {
        let answer = register(&bridge.base, &json!({ "redirect_uris": uris })).await;
        assert_refused(&answer, 400, redirect, &uris.to_string());
    }
    let nowhere = register(&bridge.base, &json!({})).await;
    assert_refused(&nowhere, 400, redirect, "no redirect URI");
    assert_eq!(clients_of_the_database(&bridge).await, 0);
}

#[tokio::test]
async fn a_flow_or_a_scope_that_an_operator_could_not_register_is_refused() {
    assert_each_refused(&[
        (json!({ "redirect_uris": "x" }), ""),
        (json!({ "redirect_uris": [1] }), ""),
        (
            json!({ "redirect_uris": [CALLBACK, "https://b.example.sg/"] }),
            "sector_identifier",
        ),
        (json!({ "sector_identifier": "a b" }), "sector_identifier"),
        (
            json!({ "sector_identifier_uri": "http://shop.example.sg/" }),
            "sector_identifier_uri",
        ),
        (json!({ "response_types": ["id_token"] }), "response_types"),
        (
            json!({ "response_types": ["code", "token"] }),
            "response_types",
        ),
        (json!({ "response_types": [] }), "response_types"),
        (json!({ "grant_types": ["implicit"] }), "grant_types"),
        (json!({ "grant_types": ["refresh_token"] }), "grant_types"),
        (
            json!({ "grant_types": ["authorization_code", "refresh_token"] }),
            "offline_access",
        ),
        (json!({ "scope": "profile" }), "openid"),
        (json!({ "scope": "openid nonsense" }), "scope"),
        (
            json!({ "scope": "openid myinfo.nric_number" }),
            "nric_purpose",
        ),
        (
            json!({ "scope": "openid myinfo.nric_number", "nric_purpose": " " }),
            "nric_purpose",
        ),
        (
            json!({ "backchannel_logout_uri": "http://shop.example.sg/" }),
            "backchannel_logout_uri",
        ),
        (json!({ "response_modes": [] }), "response_modes"),
        (
            json!({ "response_modes": ["web_message"] }),
            "response_modes",
        ),
        (json!({ "subject_type": "secret" }), "subject_type"),
        (json!({ "application_type": "toaster" }), "application_type"),
        (
            json!({ "web_origins": ["https://shop.example.sg/x"] }),
            "web_origins",
        ),
        (
            json!({ "token_endpoint_auth_method": "none", "require_pkce": false }),
            "PKCE",
        ),
        (json!({ "upstream": "elsewhere" }), "upstream"),
        (json!({ "default_max_age": 60 }), "default_max_age"),
        (json!({ "enabled": "yes" }), ""),
    ])
    .await;
}

#[tokio::test]
async fn keys_and_algorithms_that_an_operator_could_not_register_are_refused() {
    let key = ClientKey::ec("k");
    let symmetric = json!({ "keys": [{ "kty": "oct", "k": "AAAA" }] });
    assert_each_refused(&[
        (
            json!({ "token_endpoint_auth_method": "client_secret_jwt" }),
            "private_key_jwt",
        ),
        (
            json!({ "token_endpoint_auth_method": "private_key_jwt" }),
            "jwks",
        ),
        (json!({ "jwks": jwks(&[key.private()]) }), "private"),
        (json!({ "jwks": symmetric }), "symmetric"),
        (
            json!({ "jwks": jwks(&[key.public(), key.public()]) }),
            "kid",
        ),
        (
            json!({ "jwks": jwks(&[]), "jwks_uri": "https://shop.example.sg/jwks" }),
            "jwks_uri",
        ),
        (
            json!({ "jwks_uri": "http://shop.example.sg/jwks" }),
            "jwks_uri",
        ),
        (
            json!({ "request_object_signing_alg": "ES256" }),
            "request_object_signing_alg",
        ),
        (
            json!({ "request_object_signing_alg": "none" }),
            "request_object_signing_alg",
        ),
        (
            json!({ "id_token_signed_response_alg": "HS256" }),
            "id_token_signed_response_alg",
        ),
        (
            json!({ "id_token_signed_response_alg": "none" }),
            "id_token_signed_response_alg",
        ),
        (
            json!({ "id_token_signed_response_alg": "EdDSA" }),
            "signing_algorithms",
        ),
        (
            json!({ "userinfo_signed_response_alg": "HS256" }),
            "userinfo_signed_response_alg",
        ),
        (
            json!({ "userinfo_encrypted_response_alg": "RSA1_5" }),
            "userinfo_encrypted_response_alg",
        ),
        (
            json!({ "id_token_encrypted_response_alg": "ECDH-ES" }),
            "id_token_encrypted_response_alg",
        ),
        (
            json!({ "id_token_encrypted_response_enc": "A128GCM" }),
            "id_token_encrypted_response_enc",
        ),
        (json!({ "id_token_signed_response_alg": "HS256" }), "HS256"),
    ])
    .await;
}

/// Each of these changes alone is refused, and the answer names what to mend.
async fn assert_each_refused(changes: &[(Value, &str)]) {
    let bridge = bridge(Engine::Sqlite).await;
    for (changes, named) in changes {
        let mut metadata = minimal();
        for (name, value) in changes.as_object().unwrap() {
            metadata[name] = value.clone();
        }
        let answer = register(&bridge.base, &metadata).await;
        let what = changes.to_string();
        assert_refused(&answer, 400, "invalid_client_metadata", &what);
        let description = answer.json()["error_description"].to_string();
        assert!(description.contains(named), "{changes}: {description}");
    }
    assert_eq!(clients_of_the_database(&bridge).await, 0);
}

#[tokio::test]
async fn a_registration_is_json_of_at_most_64_kib() {
    let bridge = bridge(Engine::Sqlite).await;
    let url = bridge.url("/register");
    let bearer = format!("Bearer {INITIAL_ACCESS_TOKEN}");
    let post = async |media_type: &str, body: &str| {
        let headers = [("content-type", media_type), ("authorization", &bearer)];
        let mut visitor = Visitor::new();
        visitor.send_body(Method::POST, &url, &headers, body).await
    };
    let good = minimal().to_string();
    for (media_type, body) in [
        ("application/x-www-form-urlencoded", "redirect_uris=x"),
        ("text/plain", &good),
        ("application/json", ""),
        ("application/json", "{"),
        ("application/json", "[]"),
        ("application/json", "\"x\""),
        (
            "application/json",
            r#"{"redirect_uris":[],"redirect_uris":[]}"#,
        ),
    ] {
        let answer = post(media_type, body).await;
        assert!(
            [400, 415].contains(&answer.status),
            "{body}: {}",
            answer.status
        );
        assert!(answer.json()["error"].is_string());
    }
    let large = json!({ "redirect_uris": [CALLBACK], "x": "x".repeat(64 * 1024) });
    assert_eq!(
        post("application/json", &large.to_string()).await.status,
        413
    );
    assert_eq!(clients_of_the_database(&bridge).await, 0);
    let answer = post("application/json; charset=utf-8", &good).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
}
