//! The parameter `claims`: single claims, for the ID token and for userinfo apart. Security requirements AZ-9, AZ-14;
//! conformance AR-9, UC-1, UC-5; OpenID Connect Core section 5.5.

use serde_json::{Value, json};

use super::prompt::SILENT;
use super::scopes::{asked, released};
use crate::support::app::{App, OTHER, PORTAL, SPA, STATE, Tokens};
use crate::support::bridge::{CLIENTS, Engine, Plan, SESSIONS, TestBridge};
use crate::support::visitor::{Returned, Visitor};

fn request_url(bridge: &TestBridge, app: App, scope: &str, claims: &Value) -> String {
    let claims = claims.to_string();
    app.changed_url(bridge, scope, &[("claims", Some(&claims))])
}

/// A whole login that asks for claims by name.
async fn asking(bridge: &TestBridge, app: App, scope: &str, claims: &Value) -> Tokens {
    let url = request_url(bridge, app, scope, claims);
    let returned = Visitor::new().walk(&url).await.returned();
    app.tokens(bridge, returned.code()).await
}

/// Names of the claims in the ID token and at userinfo.
async fn both_places(bridge: &TestBridge, tokens: &Tokens) -> [Vec<String>; 2] {
    let userinfo = tokens.userinfo(bridge).await.json();
    assert_eq!(userinfo["sub"], tokens.claims["sub"]);
    [released(&tokens.claims), released(&userinfo)]
}

/// What goes straight back to the relying party.
async fn refused(bridge: &TestBridge, claims: &str) -> Returned {
    let url = PORTAL.changed_url(bridge, "openid", &[("claims", Some(claims))]);
    let before = bridge.sgid.requests().authorize;
    let answer = Visitor::new().get(&url).await;
    let returned = Returned::parse(answer.location());
    assert_eq!(returned.get("state"), Some(STATE), "{claims}");
    assert_eq!(bridge.sgid.requests().authorize, before, "{claims}");
    returned
}

on_both_engines!(
    a_claim_goes_where_it_was_asked_for_and_no_other_comes,
    |engine| {
        let bridge = Plan::on(engine).start().await;
        for (scope, claims, fields, id_token, userinfo) in [
            (
                "openid",
                json!({"userinfo": {"name": {"essential": true}}}),
                &["openid", "myinfo.name"][..],
                &[][..],
                &["name"][..],
            ),
            (
                "openid",
                json!({"id_token": {"name": null}}),
                &["openid", "myinfo.name"],
                &["name"],
                &[],
            ),
            (
                "openid",
                json!({"id_token": {"email": null}, "userinfo": {"phone_number": null}}),
                &[
                    "openid",
                    "myinfo.email",
                    "myinfo.mobile_number_with_country_code",
                ],
                &["email", "email_verified"],
                &["phone_number", "phone_number_verified"],
            ),
            (
                "openid",
                json!({"userinfo": {"email_verified": null}}),
                &["openid", "myinfo.email"],
                &[],
                &["email_verified"],
            ),
            (
                "openid email",
                json!({"id_token": {"name": null}}),
                &["openid", "myinfo.email", "myinfo.name"],
                &["email", "email_verified", "name"],
                &["email", "email_verified"],
            ),
            (
                "openid",
                json!({"userinfo": {"myinfo.race": null}}),
                &["openid", "myinfo.race"],
                &[],
                &["myinfo.race"],
            ),
            ("openid", json!({"userinfo": null}), &["openid"], &[], &[]),
            ("openid", json!({"id_token": {}}), &["openid"], &[], &[]),
            ("openid", json!({}), &["openid"], &[], &[]),
        ] {
            let tokens = asking(&bridge, PORTAL, scope, &claims).await;
            assert_eq!(asked(&bridge), fields, "{claims}");
            let places = both_places(&bridge, &tokens).await;
            assert_eq!(places, [id_token, userinfo], "{claims}");
        }
    }
);

#[tokio::test]
async fn a_claim_by_name_follows_the_request_and_one_by_scope_the_registration() {
    for (registered, claims, places) in [
        (
            "userinfo",
            json!({"id_token": {"name": null}}),
            [&["name"][..], &["email", "email_verified"]],
        ),
        (
            "id_token",
            json!({"userinfo": {"name": null}}),
            [&["email", "email_verified"], &["name"]],
        ),
    ] {
        let line = format!("\"portal\"\nclaims_in = [\"{registered}\"]");
        let clients = CLIENTS.replacen("\"portal\"", &line, 1);
        let bridge = Plan::on(Engine::Sqlite).clients(&clients).start().await;
        let tokens = asking(&bridge, PORTAL, "openid email", &claims).await;
        assert_eq!(both_places(&bridge, &tokens).await, places, "{registered}");
    }
}

#[tokio::test]
async fn wishes_about_values_and_claims_that_nobody_has_are_no_errors() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let claims = json!({"userinfo": {
        "name": {"essential": true, "value": "SOMEBODY ELSE"},
        "gender": {"values": ["other"]},
        "birthdate": {"essential": false, "purpose": "an extension"},
        "address": {},
        "nickname": {"essential": true},
        "name#ja-Kana-JP": null,
        "not.A.field": null,
        "constructor": null,
    }, "verified_claims": {}});
    let tokens = asking(&bridge, PORTAL, "openid", &claims).await;
    let userinfo = tokens.userinfo(&bridge).await.json();
    assert_eq!(
        released(&userinfo),
        ["address", "birthdate", "gender", "name"]
    );
    assert_eq!(userinfo["name"], "SAMPLE TAN MEI LING");

    bridge.sgid.persona("nothing");
    let tokens = asking(&bridge, PORTAL, "openid", &claims).await;
    assert_eq!(both_places(&bridge, &tokens).await, [[""; 0]; 2]);
}

#[tokio::test]
async fn what_a_token_says_by_itself_is_not_changed_by_asking_for_it() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let plain = PORTAL.log_in(&bridge, "openid").await;
    let wish = json!({"value": "chosen by the request"});
    let names = [
        "iss",
        "aud",
        "exp",
        "iat",
        "auth_time",
        "nonce",
        "at_hash",
        "sid",
        "azp",
        "scope",
        "client_id",
    ];
    let names: serde_json::Map<_, _> = names
        .map(|name| (name.to_owned(), wish.clone()))
        .into_iter()
        .collect();
    let claims = json!({"id_token": names, "userinfo": names});
    let tokens = asking(&bridge, PORTAL, "openid", &claims).await;
    let (mut before, mut after) = (plain.claims, tokens.claims.clone());
    for claims in [&mut before, &mut after] {
        claims.as_object_mut().unwrap().remove("at_hash");
    }
    assert_eq!(before, after);
    let userinfo = tokens.userinfo(&bridge).await.json();
    assert_eq!(userinfo, json!({"sub": tokens.claims["sub"]}));
}

const NRIC: &str = "S0000001I";

on_both_engines!(
    a_claim_that_is_not_allowed_is_neither_asked_for_nor_released,
    |engine| {
        let bridge = Plan::on(engine).settings(SESSIONS).start().await;
        let claims = json!({
            "id_token": {"email": null, "myinfo.nric_number": {"essential": true}},
            "userinfo": {
                "email_verified": null, "myinfo.nric_number": null, "myinfo.race": null,
                "phone_number": {"essential": true}, "name": null,
            },
        });
        for app in [OTHER, SPA] {
            let tokens = asking(&bridge, app, "openid", &claims).await;
            assert_eq!(asked(&bridge), ["openid", "myinfo.name"], "{}", app.id);
            let userinfo = tokens.userinfo(&bridge).await;
            assert_eq!(released(&userinfo.json()), ["name"]);
            assert_eq!(released(&tokens.claims), ["sid"]);
            assert!(!userinfo.body.contains(NRIC));
        }
        // A session answers as if nothing of it had been asked for.
        let forbidden = json!({"userinfo": {"email": null, "myinfo.nric_number": null}});
        let mut visitor = Visitor::new();
        OTHER.log_in_with(&bridge, "openid", &mut visitor).await;
        let changes = [SILENT, ("claims", Some(&*forbidden.to_string()))];
        let url = OTHER.changed_url(&bridge, "openid", &changes);
        let returned = visitor.walk(&url).await.returned();
        let tokens = OTHER.tokens(&bridge, returned.code()).await;
        let userinfo = tokens.userinfo(&bridge).await.json();
        assert_eq!(userinfo, json!({"sub": tokens.claims["sub"]}));
    }
);

#[tokio::test]
async fn an_nric_number_comes_by_name_to_whom_it_is_allowed() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let claims = json!({"id_token": {"myinfo.nric_number": null}});
    let tokens = asking(&bridge, PORTAL, "openid", &claims).await;
    assert_eq!(tokens.claims["myinfo.nric_number"], NRIC);
    let userinfo = tokens.userinfo(&bridge).await;
    assert!(!userinfo.body.contains(NRIC), "{}", userinfo.body);
}

#[tokio::test]
async fn two_scopes_with_a_claim_of_one_name_open_no_field_for_each_other() {
    let custom = "[claims.custom]\n\
        email = { scope = \"work_email\", from = \"ogpofficerinfo.work_email\" }\n";
    let clients = CLIENTS.replacen("\"openid profile\"", "\"openid work_email\"", 1);
    let plan = Plan::on(Engine::Sqlite).settings(custom);
    let bridge = plan.clients(&clients).start().await;
    bridge.sgid.persona("officer");
    let by_scope = OTHER.log_in(&bridge, "openid work_email").await;
    assert_eq!(by_scope.claims["email"], "priya_nair@agency.example");
    let claims = json!({"id_token": {"email": null}});
    let by_name = asking(&bridge, OTHER, "openid", &claims).await;
    assert_eq!(asked(&bridge), ["openid", "ogpofficerinfo.work_email"]);
    assert_eq!(by_name.claims["email"], "priya_nair@agency.example");
}

#[tokio::test]
async fn what_was_withdrawn_meanwhile_is_not_released() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let without_email = CLIENTS.replacen("profile email", "profile", 1);
    let claims = json!({"id_token": {"email": null}, "userinfo": {"email": null, "name": null}});
    let url = request_url(&bridge, PORTAL, "openid", &claims);

    let mut visitor = Visitor::new();
    let callback = visitor.up_to_callback(&url).await;
    bridge.change_clients(&without_email);
    let during_login = visitor.walk(&callback).await.returned();
    bridge.change_clients(CLIENTS);
    let before_token = Visitor::new().walk(&url).await.returned();
    let before_userinfo = asking(&bridge, PORTAL, "openid", &claims).await;
    assert!(before_userinfo.claims["email"].is_string());

    bridge.change_clients(&without_email);
    for returned in [during_login, before_token] {
        let tokens = PORTAL.tokens(&bridge, returned.code()).await;
        let places = both_places(&bridge, &tokens).await;
        assert_eq!(places, [&[][..], &["name"]]);
    }
    let userinfo = before_userinfo.userinfo(&bridge).await.json();
    assert_eq!(released(&userinfo), ["name"]);
}

#[tokio::test]
async fn an_essential_acr_that_is_not_ours_is_refused_and_a_voluntary_one_ignored() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let ours = PORTAL.log_in(&bridge, "openid").await.claims["acr"].clone();
    for wish in [
        json!({"essential": true, "value": "urn:example:loa:3"}),
        json!({"essential": true, "values": ["1", "2"]}),
        json!({"essential": true, "values": []}),
    ] {
        let claims = json!({"id_token": {"acr": wish}}).to_string();
        let returned = refused(&bridge, &claims).await;
        assert_eq!(
            returned.error(),
            "unmet_authentication_requirements",
            "{wish}"
        );
    }
    for wish in [
        Value::Null,
        json!({"essential": true}),
        json!({"essential": true, "value": ours}),
        json!({"essential": true, "values": ["1", ours]}),
        json!({"value": "urn:example:loa:3"}),
        json!({"essential": false, "values": ["1", "2"]}),
    ] {
        let claims = json!({"id_token": {"acr": wish}});
        let tokens = asking(&bridge, PORTAL, "openid", &claims).await;
        assert_eq!(tokens.claims["acr"], ours, "{wish}");
    }
}

on_both_engines!(
    a_subject_that_is_asked_for_is_the_one_who_signs_in,
    |engine| {
        let bridge = Plan::on(engine).settings(SESSIONS).start().await;
        let mut visitor = Visitor::new();
        let theirs = PORTAL.log_in_with(&bridge, "openid", &mut visitor).await;
        let claims = json!({"id_token": {"sub": {"value": theirs.claims["sub"]}}});
        let url = request_url(&bridge, PORTAL, "openid", &claims);
        for (persona, error) in [("foreigner", Some("login_required")), ("citizen", None)] {
            bridge.sgid.persona(persona);
            let returned = Visitor::new().walk(&url).await.returned();
            assert_eq!(returned.get("error"), error, "{persona}");
            assert_eq!(returned.get("code").is_none(), error.is_some());
            assert_eq!(returned.get("state"), Some(STATE));
        }
        // The session that fits answers; another one does not.
        let visits = bridge.sgid.requests().authorize;
        visitor.walk(&url).await.returned().code();
        assert_eq!(bridge.sgid.requests().authorize, visits);
        bridge.sgid.persona("foreigner");
        let mut another = Visitor::new();
        PORTAL.log_in_with(&bridge, "openid", &mut another).await;
        bridge.sgid.persona("citizen");
        let returned = another.walk(&url).await.returned();
        assert_eq!(bridge.sgid.requests().authorize, visits + 2);
        let tokens = PORTAL.tokens(&bridge, returned.code()).await;
        assert_eq!(tokens.claims["sub"], theirs.claims["sub"]);
    }
);

#[tokio::test]
async fn a_malformed_parameter_is_refused() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let many: serde_json::Map<_, _> = (0..129).map(|n| (format!("c{n}"), Value::Null)).collect();
    let deep = format!(
        "{{\"userinfo\":{{\"name\":{{\"value\":{}1{}}}}}}}",
        "[".repeat(40),
        "]".repeat(40)
    );
    for claims in [
        "name",
        "{",
        "[]",
        "null",
        "\"userinfo\"",
        r#"{"userinfo":["name"]}"#,
        r#"{"userinfo":"name"}"#,
        r#"{"id_token":{"name":true}}"#,
        r#"{"id_token":{"name":{"essential":"true"}}}"#,
        r#"{"id_token":{"name":{"essential":1}}}"#,
        r#"{"id_token":{"name":{"values":"x"}}}"#,
        r#"{"id_token":{"name":null,"name":{"essential":true}}}"#,
        r#"{"id_token":{},"id_token":{"name":null}}"#,
        r#"{"id_token":{"sub":{"value":1}}}"#,
        r#"{"id_token":{"sub":{"value":"a"}},"userinfo":{"sub":{"value":"b"}}}"#,
        r#"{"userinfo":{"name":null}} x"#,
        &json!({ "userinfo": many }).to_string(),
        &format!("{{\"userinfo\":{{\"{}\":null}}}}", "n".repeat(8_192)),
        &deep,
    ] {
        let returned = refused(&bridge, claims).await;
        assert_eq!(returned.error(), "invalid_request", "{claims}");
        assert_eq!(
            returned.names(),
            ["error", "error_description", "iss", "state"]
        );
    }
}
