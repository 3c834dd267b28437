//! What is asked of sgID and released to whom. Security requirements AZ-9, AZ-14, PL-5.

use sgid_bridge::config::Config;

use crate::support::app::{App, OTHER, PORTAL, SPA};
use crate::support::bridge::{CLIENTS, Engine, Plan, TestBridge};

/// The fields that the last login asked sgID for.
pub(super) fn asked(bridge: &TestBridge) -> Vec<String> {
    let sent = bridge.sgid.requests().last_authorization;
    let (_, scope) = sent.into_iter().find(|(name, _)| name == "scope").unwrap();
    scope.split(' ').map(str::to_owned).collect()
}

/// The claims beside the protocol's own.
pub(super) fn released(claims: &serde_json::Value) -> Vec<String> {
    let own = [
        "iss",
        "sub",
        "aud",
        "exp",
        "iat",
        "auth_time",
        "acr",
        "nonce",
        "at_hash",
    ];
    let names = claims.as_object().unwrap().keys().cloned();
    let mut names: Vec<_> = names.filter(|name| !own.contains(&name.as_str())).collect();
    names.sort();
    names
}

#[tokio::test]
async fn sgid_is_asked_for_the_fields_that_are_needed_and_for_no_other() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    for (scope, fields, claims) in [
        ("openid", &["openid"][..], &[][..]),
        (
            "openid email",
            &["openid", "myinfo.email"],
            &["email", "email_verified"],
        ),
        (
            "openid profile",
            &[
                "openid",
                "myinfo.date_of_birth",
                "myinfo.name",
                "myinfo.sex",
            ],
            &["birthdate", "gender", "name"],
        ),
        (
            "openid address phone",
            &[
                "openid",
                "myinfo.mobile_number_with_country_code",
                "myinfo.registered_address",
            ],
            &["address", "phone_number", "phone_number_verified"],
        ),
        (
            "openid myinfo.race",
            &["openid", "myinfo.race"],
            &["myinfo.race"],
        ),
    ] {
        let tokens = PORTAL.log_in(&bridge, scope).await;
        assert_eq!(asked(&bridge), fields, "{scope}");
        assert_eq!(released(&tokens.claims), claims, "{scope}");
        let userinfo = tokens.userinfo(&bridge).await.json();
        assert_eq!(released(&userinfo), claims, "{scope}");
        assert_eq!(tokens.response["scope"], scope);
    }
}

on_both_engines!(
    a_scope_that_is_not_allowed_is_neither_asked_for_nor_released,
    |engine| {
        let bridge = Plan::on(engine).start().await;
        for app in [OTHER, SPA] {
            let wide = "openid profile email phone address myinfo.nric_number myinfo.race nonsense";
            let tokens = app.log_in(&bridge, wide).await;
            assert_eq!(
                asked(&bridge),
                [
                    "openid",
                    "myinfo.date_of_birth",
                    "myinfo.name",
                    "myinfo.sex"
                ]
            );
            assert_eq!(released(&tokens.claims), ["birthdate", "gender", "name"]);
            assert_eq!(
                released(&tokens.userinfo(&bridge).await.json()),
                ["birthdate", "gender", "name"]
            );
            assert_eq!(tokens.response["scope"], "openid profile");
        }
    }
);

#[tokio::test]
async fn an_nric_number_reaches_only_the_client_that_may_have_it_and_asks_for_it() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let number = "S0000001I";
    let tokens = PORTAL.log_in(&bridge, "openid myinfo.nric_number").await;
    assert_eq!(tokens.claims["myinfo.nric_number"], number);
    for (app, scope) in [
        (PORTAL, "openid profile"),
        (OTHER, "openid myinfo.nric_number"),
    ] {
        let tokens = app.log_in(&bridge, scope).await;
        assert!(!asked(&bridge).contains(&"myinfo.nric_number".to_owned()));
        assert!(!tokens.claims.to_string().contains(number));
        assert!(!tokens.userinfo(&bridge).await.body.contains(number));
    }
}

#[tokio::test]
async fn a_client_without_a_purpose_cannot_be_given_nric_numbers() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    for scope in [
        "myinfo.nric_number",
        "myinfo.children_birth_records",
        "myinfo.sponsored_children_records",
    ] {
        let clients = CLIENTS
            .replacen("nric_purpose = \"tests\"", "", 1)
            .replacen("myinfo.nric_number", scope, 1);
        let config = Config::from_toml(&bridge.text_with(&clients), "/".as_ref()).unwrap();
        let error = bridge.bridge.reload(&config).unwrap_err().to_string();
        assert!(
            error.contains("nric_purpose") && error.contains(scope),
            "{error}"
        );
    }
    // All or nothing: whoever was served before is served still.
    PORTAL.log_in(&bridge, "openid").await;
}

#[tokio::test]
async fn a_field_that_sgid_adds_unasked_is_dropped_unread() {
    use sgid_bridge::simulator::Misbehaviour;
    let bridge = Plan::on(Engine::Sqlite).start().await;
    for extra in Misbehaviour::ALL
        .iter()
        .filter(|it| it.name().contains("extra"))
    {
        bridge.sgid.behave(*extra);
        let tokens = PORTAL.log_in(&bridge, "openid email").await;
        assert_eq!(
            released(&tokens.claims),
            ["email", "email_verified"],
            "{}",
            extra.name()
        );
    }
}

#[tokio::test]
async fn what_the_person_does_not_have_is_no_claim() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    bridge.sgid.persona("nothing");
    let tokens = PORTAL
        .log_in(
            &bridge,
            "openid profile email phone address myinfo.nric_number",
        )
        .await;
    assert_eq!(released(&tokens.claims), Vec::<String>::new());
    assert_eq!(
        released(&tokens.userinfo(&bridge).await.json()),
        Vec::<String>::new()
    );
}

const CUSTOM: &str = r#"
[claims.custom]
employer = { scope = "employment", from = "myinfo.name_of_employer" }
"#;

#[tokio::test]
async fn a_custom_claim_comes_with_its_scope_and_only_to_whom_it_is_allowed() {
    let clients = CLIENTS.replacen("openid profile email", "openid profile email employment", 1);
    let bridge = Plan::on(Engine::Sqlite)
        .settings(CUSTOM)
        .clients(&clients)
        .start()
        .await;
    let tokens = PORTAL.log_in(&bridge, "openid employment").await;
    assert_eq!(asked(&bridge), ["openid", "myinfo.name_of_employer"]);
    assert_eq!(released(&tokens.claims), ["employer"]);
    assert_eq!(tokens.claims["employer"], "EXAMPLE LIBRARY PTE LTD");
    for (app, scope) in [(OTHER, "openid employment"), (PORTAL, "openid")] {
        let app: App = app;
        assert_eq!(
            released(&app.log_in(&bridge, scope).await.claims),
            Vec::<String>::new()
        );
    }
}
