//! What we say about ourselves. Security requirement KY-1; conformance DI-1 to DI-11; RFC 8414; RFC 9207.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;

use crate::support::app::PORTAL;
use crate::support::bridge::{CLIENTS, Engine, HTTPS_ORIGIN, Plan, TestBridge};
use crate::support::registrar::REGISTRATION;
use crate::support::visitor::Visitor;

const OPENID: &str = "/.well-known/openid-configuration";

async fn document(url: &str) -> Value {
    let answer = Visitor::new().get(url).await;
    assert_eq!(answer.status, 200, "{url}: {}", answer.body);
    assert_eq!(
        answer.header("content-type"),
        Some("application/json"),
        "{url}"
    );
    answer.json()
}

#[tokio::test]
async fn the_document_states_what_works() {
    let bridge = Plan::on(Engine::Sqlite).https_issuer().start().await;
    let discovered = document(&bridge.url(OPENID)).await;
    let sorted: std::collections::BTreeMap<String, Value> =
        serde_json::from_value(discovered).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&sorted).unwrap());
}

#[tokio::test]
async fn both_well_known_addresses_give_the_same_document_below_the_issuer() {
    for (path, metadata) in [
        ("", "/.well-known/oauth-authorization-server"),
        ("/sgid", "/.well-known/oauth-authorization-server/sgid"),
        ("/a/b", "/.well-known/oauth-authorization-server/a/b"),
    ] {
        let bridge = Plan::on(Engine::Sqlite).issuer_path(path).start().await;
        let origin = bridge.base.strip_suffix(path).unwrap();
        let openid = document(&bridge.url(OPENID)).await;
        assert_eq!(openid, document(&format!("{origin}{metadata}")).await);
        assert_eq!(openid["issuer"], bridge.issuer.as_str());
        for (name, value) in openid.as_object().unwrap() {
            if name.ends_with("_endpoint") || name == "jwks_uri" {
                let url = value.as_str().unwrap();
                assert!(
                    url.starts_with(&format!("{}/", bridge.issuer)),
                    "{name}: {url}"
                );
                assert_ne!(Visitor::new().get(url).await.status, 404, "{name}: {url}");
            }
        }
        if !path.is_empty() {
            let nowhere = Visitor::new().get(&format!("{origin}{OPENID}")).await;
            assert_eq!(nowhere.status, 404, "another issuer's document is not here");
        }
        PORTAL.log_in(&bridge, "openid").await;
    }
}

#[tokio::test]
async fn nothing_that_a_request_says_changes_a_url() {
    let bridge = Plan::on(Engine::Sqlite)
        .server_settings("trusted_proxies = [\"127.0.0.1/32\"]")
        .start()
        .await;
    let plain = document(&bridge.url(OPENID)).await;
    for headers in [
        &[("host", "evil.example")][..],
        &[
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-port", "444"),
        ],
        &[
            ("forwarded", "host=evil.example;proto=https"),
            ("x-forwarded-prefix", "/evil"),
        ],
        &[
            ("x-original-url", "/evil"),
            ("x-rewrite-url", "/evil"),
            ("origin", "https://evil.example"),
        ],
    ] {
        let answer = Visitor::new()
            .send(Method::GET, &bridge.url(OPENID), headers, None)
            .await;
        assert_eq!(answer.json(), plain, "{headers:?}");
        let login = PORTAL.authorization_url(&bridge, "openid");
        let begun = Visitor::new()
            .send(Method::GET, &login, headers, None)
            .await;
        assert!(
            !begun.location().contains("evil"),
            "{headers:?}: {}",
            begun.location()
        );
        let page = Visitor::new()
            .send(Method::GET, &bridge.url("/nowhere"), headers, None)
            .await;
        assert!(!page.body.contains("evil"), "{headers:?}");
        let refused = PORTAL.changed_url(&bridge, "openid", &[("scope", None)]);
        let refused = Visitor::new()
            .send(Method::GET, &refused, headers, None)
            .await;
        assert!(!refused.location().contains("evil"), "{headers:?}");
    }
}

#[tokio::test]
async fn every_promise_of_the_document_is_kept() {
    let bridge = Plan::on(Engine::Sqlite).https_issuer().start().await;
    let discovered = document(&bridge.url(OPENID)).await;
    assert_eq!(discovered["issuer"], HTTPS_ORIGIN);
    let words = |name: &str| -> BTreeSet<String> {
        serde_json::from_value(discovered[name].clone()).unwrap()
    };
    let set =
        |words: &[&str]| -> BTreeSet<String> { words.iter().map(|&it| it.to_owned()).collect() };
    assert_eq!(words("response_types_supported"), set(&["code"]));
    assert_eq!(words("code_challenge_methods_supported"), set(&["S256"]));
    assert_eq!(
        words("grant_types_supported"),
        set(&["authorization_code", "refresh_token"])
    );
    assert!(words("id_token_signing_alg_values_supported").contains("RS256"));
    assert!(words("scopes_supported").contains("openid"));
    assert!(
        words("token_endpoint_auth_methods_supported")
            .is_superset(&set(&["client_secret_basic", "client_secret_post"]))
    );
    assert_eq!(
        discovered["authorization_response_iss_parameter_supported"],
        true
    );
    assert_eq!(
        discovered["request_uri_parameter_supported"], false,
        "its default is true"
    );
    for (name, value) in discovered.as_object().unwrap() {
        let is_empty =
            value.is_null() || value == "" || value.as_array().is_some_and(Vec::is_empty);
        assert!(!is_empty, "{name} is empty: leave it out");
    }
    // What a login brings was announced.
    let claims = words("claims_supported");
    let scope = "openid profile email phone address myinfo.nric_number myinfo.race";
    let url = PORTAL.authorization_url(&bridge, scope);
    let mut visitor = Visitor::new();
    let callback = visitor
        .up_to_callback(&url)
        .await
        .replacen(HTTPS_ORIGIN, &bridge.base, 1);
    let returned = visitor.walk(&callback).await.returned();
    let tokens = PORTAL.redeem(&bridge, returned.code()).await.json();
    for name in crate::support::app::payload(tokens["id_token"].as_str().unwrap())
        .as_object()
        .unwrap()
        .keys()
    {
        assert!(claims.contains(name), "{name} is not in claims_supported");
    }
    assert!(words("scopes_supported").is_superset(&scope.split(' ').map(str::to_owned).collect()));
}

/// The published keys.
async fn keys(bridge: &TestBridge) -> Vec<Value> {
    document(&bridge.url("/jwks")).await["keys"]
        .as_array()
        .unwrap()
        .clone()
}

#[tokio::test]
async fn the_key_set_has_public_members_only_and_distinct_names() {
    let all = r#"["RS256", "ES256", "PS256", "EdDSA"]"#;
    let bridge = Plan::on(Engine::Sqlite).algorithms(all).start().await;
    let keys = keys(&bridge).await;
    let mut kids = BTreeSet::new();
    let mut algorithms = BTreeSet::new();
    for key in &keys {
        let mut members: Vec<_> = key
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        members.sort_unstable();
        let expected: &[&str] = match key["kty"].as_str().unwrap() {
            "RSA" => &["alg", "e", "kid", "kty", "n", "use"],
            "EC" => &["alg", "crv", "kid", "kty", "use", "x", "y"],
            "OKP" => &["alg", "crv", "kid", "kty", "use", "x"],
            other => panic!("{other}"),
        };
        assert_eq!(members, expected);
        assert_eq!(key["use"], "sig");
        for member in ["n", "e", "x", "y", "kid"] {
            let value = key[member].as_str().unwrap_or_default();
            let base64url = |c: u8| c.is_ascii_alphanumeric() || b"-_".contains(&c);
            assert!(value.bytes().all(base64url), "{member}: {value}");
        }
        assert!(
            kids.insert(key["kid"].as_str().unwrap().to_owned()),
            "{key}"
        );
        algorithms.insert(key["alg"].as_str().unwrap().to_owned());
    }
    assert_eq!(algorithms.len(), 4);
    let discovered = document(&bridge.url(OPENID)).await;
    let announced: BTreeSet<String> =
        serde_json::from_value(discovered["id_token_signing_alg_values_supported"].clone())
            .unwrap();
    assert_eq!(announced, algorithms);
}

#[tokio::test]
async fn documents_may_be_cached_and_read_by_any_page() {
    let bridge = Plan::on(Engine::Sqlite).clients(CLIENTS).start().await;
    for path in [OPENID, "/.well-known/oauth-authorization-server", "/jwks"] {
        let headers = [("origin", "https://anyone.example")];
        let answer = Visitor::new()
            .send(Method::GET, &bridge.url(path), &headers, None)
            .await;
        assert_eq!(
            answer.header("access-control-allow-origin"),
            Some("*"),
            "{path}"
        );
        assert_eq!(
            answer.header("access-control-allow-credentials"),
            None,
            "{path}"
        );
        assert_eq!(
            answer.header("cache-control"),
            Some("public, max-age=300"),
            "{path}"
        );
        let head = Visitor::new()
            .send(Method::HEAD, &bridge.url(path), &[], None)
            .await;
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
    }
}

/// The members that the standards have registered: RFC 8414, OpenID Connect Discovery, RP-Initiated and Back-Channel
/// Logout, RFC 9126, RFC 9207, RFC 9101, and Initiating User Registration 1.0 for the last.
const REGISTERED: [&str; 52] = [
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
    "jwks_uri",
    "registration_endpoint",
    "introspection_endpoint",
    "revocation_endpoint",
    "end_session_endpoint",
    "pushed_authorization_request_endpoint",
    "scopes_supported",
    "claims_supported",
    "claim_types_supported",
    "claims_parameter_supported",
    "claims_locales_supported",
    "ui_locales_supported",
    "display_values_supported",
    "response_types_supported",
    "response_modes_supported",
    "grant_types_supported",
    "acr_values_supported",
    "subject_types_supported",
    "id_token_signing_alg_values_supported",
    "id_token_encryption_alg_values_supported",
    "id_token_encryption_enc_values_supported",
    "userinfo_signing_alg_values_supported",
    "userinfo_encryption_alg_values_supported",
    "userinfo_encryption_enc_values_supported",
    "request_object_signing_alg_values_supported",
    "request_object_encryption_alg_values_supported",
    "request_object_encryption_enc_values_supported",
    "token_endpoint_auth_methods_supported",
    "token_endpoint_auth_signing_alg_values_supported",
    "introspection_endpoint_auth_methods_supported",
    "introspection_endpoint_auth_signing_alg_values_supported",
    "revocation_endpoint_auth_methods_supported",
    "revocation_endpoint_auth_signing_alg_values_supported",
    "request_parameter_supported",
    "request_uri_parameter_supported",
    "require_request_uri_registration",
    "require_signed_request_object",
    "require_pushed_authorization_requests",
    "code_challenge_methods_supported",
    "authorization_response_iss_parameter_supported",
    "backchannel_logout_supported",
    "backchannel_logout_session_supported",
    "service_documentation",
    "op_policy_uri",
    "op_tos_uri",
    "signed_metadata",
    "frontchannel_logout_supported",
    "prompt_values_supported",
];

const SESSIONS: &str = "[session]\nenabled = true\n";
const LOGOUT: [&str; 3] = [
    "end_session_endpoint",
    "backchannel_logout_supported",
    "backchannel_logout_session_supported",
];

#[tokio::test]
async fn the_document_follows_the_configuration_and_names_nothing_unregistered() {
    for has_sessions in [false, true] {
        for has_registration in [false, true] {
            let mut settings = String::new();
            if has_sessions {
                settings.push_str(SESSIONS);
            }
            if has_registration {
                settings.push_str(REGISTRATION);
            }
            let plan = Plan::on(Engine::Sqlite).settings(&settings);
            let bridge = plan.https_issuer().start().await;
            let discovered = document(&bridge.url(OPENID)).await;
            for name in discovered.as_object().unwrap().keys() {
                assert!(REGISTERED.contains(&name.as_str()), "{name}");
            }
            for name in LOGOUT {
                let member = discovered.get(name);
                assert_eq!(member.is_some(), has_sessions, "{name}");
                assert!(member.is_none_or(|it| it == true || it.is_string()));
            }
            let claims = discovered["claims_supported"].as_array().unwrap();
            assert_eq!(claims.contains(&"sid".into()), has_sessions);
            let member = discovered.get("registration_endpoint");
            assert_eq!(member.is_some(), has_registration);

            let mut named = 0;
            for (name, value) in discovered.as_object().unwrap() {
                if !name.ends_with("_endpoint") && name != "jwks_uri" {
                    continue;
                }
                named += 1;
                let path = value.as_str().unwrap().strip_prefix(HTTPS_ORIGIN).unwrap();
                for method in [Method::GET, Method::POST] {
                    let url = bridge.url(path);
                    let answer = Visitor::new().send(method, &url, &[], None).await;
                    assert_ne!(answer.status, 404, "{name}");
                }
            }
            assert_eq!(
                named,
                7 + usize::from(has_sessions) + usize::from(has_registration)
            );
            for (path, is_named) in [("/logout", has_sessions), ("/register", has_registration)] {
                let form = [("x", "y")];
                let answer = Visitor::new().post(&bridge.url(path), &form).await;
                assert_eq!(answer.status != 404, is_named, "{path}");
            }
        }
    }
}
