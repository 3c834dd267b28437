//! What docs/conformance promises to whoever runs the OpenID Foundation's conformance suite: its files fit the bridge,
//! the pages and each other. Conformance UC-2 to UC-5, CL-3, CL-4, GA-3, GA-4.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::Value;
use sgid_bridge::simulator::generate_client_key;

use crate::support::app::{VERIFIER, challenge, payload, userinfo};
use crate::support::bridge::{Engine, Plan, TestBridge};
use crate::support::deployment::{PATIENCE, Ran, start_in};
use crate::support::process::{
    Process, free_port, in_repository, require_program, temporary_folder,
};
use crate::support::visitor::{Answer, Returned, Visitor};

const PLANS: [&str; 5] = [
    "config",
    "basic",
    "formpost-basic",
    "rp-initiated-logout",
    "backchannel-rp-initiated-logout",
];

/// The claims of `profile`, but for `updated_at`, which is a number.
const TEXTS_OF_PROFILE: &str = "name given_name family_name middle_name nickname preferred_username \
    profile picture website gender birthdate zoneinfo locale";
const STATE: &str = "a-state-._~";
/// All that the suite asks for at once.
const SCOPE: &str = "openid profile email address phone offline_access";

fn read(name: &str) -> String {
    std::fs::read_to_string(in_repository(&format!("docs/conformance/{name}"))).unwrap()
}

fn configuration() -> toml::Table {
    read("sgid-bridge.toml").parse().unwrap()
}

fn plan(name: &str) -> Value {
    serde_json::from_str(&read(&format!("{name}.json"))).unwrap()
}

/// Some sections of the configuration, as they are written there.
fn sections(names: &[&str]) -> String {
    let mut all = configuration();
    all.retain(|name, _| names.contains(&name));
    assert_eq!(all.len(), names.len(), "{names:?}");
    toml::to_string(&all).unwrap()
}

async fn start(engine: Engine) -> TestBridge {
    start_with(engine, &["session", "limits", "claims"]).await
}

async fn start_with(engine: Engine, settings: &[&str]) -> TestBridge {
    let bridge = Plan::on(engine)
        .settings(&sections(settings))
        .clients(&sections(&["clients"]))
        .start()
        .await;
    bridge.sgid.persona("conformance");
    bridge
}

/// A client as the suite has it: from its own configuration, without PKCE and without nonce.
struct SuiteClient {
    id: String,
    secret: String,
    redirect_uri: String,
    posts_its_secret: bool,
}

impl SuiteClient {
    /// The client that a plan has at this member.
    fn of(plan: &Value, member: &str) -> Self {
        let text = |name: &str| plan[member][name].as_str().unwrap().to_owned();
        Self {
            id: text("client_id"),
            secret: text("client_secret"),
            redirect_uri: below_the_suite(plan, "callback"),
            posts_its_secret: member == "client_secret_post",
        }
    }

    fn authorization_url(&self, bridge: &TestBridge, changes: &[(&str, &str)]) -> String {
        let mut parameters = vec![
            ("client_id", self.id.as_str()),
            ("redirect_uri", &self.redirect_uri),
            ("scope", "openid"),
            ("state", STATE),
            ("response_type", "code"),
        ];
        for change in changes {
            parameters.retain(|(name, _)| *name != change.0);
            parameters.push(*change);
        }
        let url = url::Url::parse_with_params(&bridge.url("/authorize"), parameters);
        url.unwrap().into()
    }

    async fn redeem(&self, bridge: &TestBridge, returned: &Returned) -> Value {
        assert_eq!(returned.get("state"), Some(STATE));
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", returned.code()),
            ("redirect_uri", &self.redirect_uri),
        ];
        let basic = STANDARD.encode(format!("{}:{}", self.id, self.secret));
        let basic = format!("Basic {basic}");
        let mut headers = Vec::new();
        if self.posts_its_secret {
            form.extend([
                ("client_id", self.id.as_str()),
                ("client_secret", &self.secret),
            ]);
        } else {
            headers.push(("authorization", basic.as_str()));
        }
        let answer = Visitor::new()
            .send(Method::POST, &bridge.url("/token"), &headers, Some(&form))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }
}

/// An address of the suite, where it runs with its own defaults.
fn below_the_suite(plan: &Value, path: &str) -> String {
    let alias = plan["alias"].as_str().unwrap();
    format!("https://localhost.emobix.co.uk:8443/test/a/{alias}/{path}")
}

fn assert_texts(of: &Value, names: &str) {
    for name in names.split(' ') {
        let text = of[name].as_str().unwrap_or_else(|| panic!("{name}: {of}"));
        assert!(!text.trim().is_empty() && text != "NA", "{name}: {text:?}");
    }
}

on_both_engines!(
    the_person_of_the_conformance_profile_has_every_standard_claim,
    |engine| {
        let bridge = start(engine).await;
        let client = SuiteClient::of(&plan("basic"), "client");
        let url = client.authorization_url(&bridge, &[("scope", SCOPE)]);
        let returned = Visitor::new().walk(&url).await.returned();
        let tokens = client.redeem(&bridge, &returned).await;
        assert_texts(&tokens, "refresh_token access_token");
        let access_token = tokens["access_token"].as_str().unwrap();
        let answer = userinfo(&bridge.base, access_token).await;
        assert_eq!(answer.status, 200, "{}", answer.body);

        let claims = answer.json();
        assert_texts(&claims, TEXTS_OF_PROFILE);
        assert_texts(&claims, "email phone_number");
        assert_texts(&claims["address"], "formatted country postal_code");
        assert!(claims["updated_at"].as_i64().is_some_and(|it| it > 0));
        for name in ["email_verified", "phone_number_verified"] {
            assert!(claims[name].is_boolean(), "{name}: {claims}");
        }
        for name in ["profile", "picture", "website"] {
            url::Url::parse(claims[name].as_str().unwrap()).unwrap();
        }

        let id_token = payload(tokens["id_token"].as_str().unwrap());
        let by_userinfo_alone = claims.as_object().unwrap().keys();
        for name in by_userinfo_alone.filter(|name| *name != "sub") {
            assert_eq!(id_token.get(name), None, "{name} in the ID token");
        }
        assert_eq!(id_token["sub"], claims["sub"]);
        assert_eq!(id_token.get("nonce"), None);
    }
);

#[tokio::test]
async fn what_was_not_asked_for_does_not_come_to_the_suite() {
    let bridge = start(Engine::Sqlite).await;
    let client = SuiteClient::of(&plan("basic"), "client");
    let url = client.authorization_url(&bridge, &[("scope", "openid email")]);
    let returned = Visitor::new().walk(&url).await.returned();
    let tokens = client.redeem(&bridge, &returned).await;
    assert_eq!(tokens.get("refresh_token"), None);
    let claims = userinfo(&bridge.base, tokens["access_token"].as_str().unwrap()).await;
    let names: Vec<String> = claims.json().as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["email", "email_verified", "sub"]);
}

#[tokio::test]
async fn every_client_of_the_suite_may_have_its_answers_posted() {
    let bridge = start(Engine::Sqlite).await;
    let plan = plan("formpost-basic");
    for member in ["client", "client2", "client_secret_post"] {
        let client = SuiteClient::of(&plan, member);
        let mut visitor = Visitor::new();
        for (prompt, expected) in [("none", "login_required"), ("consent", "code")] {
            let changes = [("response_mode", "form_post"), ("prompt", prompt)];
            let url = client.authorization_url(&bridge, &changes);
            let page = visitor.walk(&url).await.page();
            assert_eq!(page.status, 200, "{}", page.body);
            let form = page.form();
            assert_eq!(form.action, client.redirect_uri);
            let returned = Returned::of_form(form);
            if expected == "code" {
                client.redeem(&bridge, &returned).await;
            } else {
                assert_eq!(returned.error(), expected);
            }
        }
    }
}

/// Every text that the suite's browser waits for, in any of the plans.
fn awaited(value: &Value, texts: &mut BTreeSet<String>) {
    match value {
        Value::Array(list) => {
            if list.len() > 4 && list[0] == "wait" && list[1] == "xpath" {
                texts.insert(list[4].as_str().unwrap().to_owned());
            }
            for item in list {
                awaited(item, texts);
            }
        }
        Value::Object(members) => {
            for member in members.values() {
                awaited(member, texts);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn the_pages_say_what_the_browser_of_the_suite_waits_for() {
    let bridge = start(Engine::Sqlite).await;
    let client = SuiteClient::of(&plan("rp-initiated-logout"), "client");
    let mut visitor = Visitor::new();
    let url = client.authorization_url(&bridge, &[]);
    let returned = visitor.walk(&url).await.returned();
    let tokens = client.redeem(&bridge, &returned).await;
    let hint = tokens["id_token"].as_str().unwrap();
    let logout = |parameters: &[(&str, &str)]| -> String {
        url::Url::parse_with_params(&bridge.url("/logout"), parameters)
            .unwrap()
            .into()
    };
    let elsewhere = format!("{}/elsewhere", client.redirect_uri);

    let mut pages: Vec<Answer> = Vec::new();
    for url in [
        client.authorization_url(&bridge, &[("redirect_uri", &elsewhere)]),
        client.authorization_url(&bridge, &[("prompt", "login")]),
        logout(&[
            ("id_token_hint", hint),
            ("post_logout_redirect_uri", &elsewhere),
        ]),
        logout(&[("id_token_hint", "e30.e30.")]),
        logout(&[("state", STATE)]),
    ] {
        pages.push(visitor.get(&url).await);
    }
    let asked = pages.last().unwrap();
    let signed_out = visitor.press(asked, &bridge.base).await;
    pages.push(signed_out);

    let mut texts = BTreeSet::new();
    for name in PLANS {
        awaited(&plan(name), &mut texts);
    }
    assert_eq!(texts.len(), pages.len(), "{texts:?}");
    for text in texts {
        let shown = pages.iter().filter(|page| page.body.contains(&text));
        assert_eq!(shown.count(), 1, "{text}");
    }
}

#[test]
fn the_plans_name_the_clients_of_the_configuration() {
    let configuration = configuration();
    let issuer = configuration["issuer"].as_str().unwrap();
    let clients = configuration["clients"].as_array().unwrap();
    for name in PLANS {
        let plan = plan(name);
        let discovery = format!("{issuer}/.well-known/openid-configuration");
        assert_eq!(plan["server"]["discoveryUrl"], *discovery, "{name}");
        for member in ["client", "client2", "client_secret_post"] {
            let expected = SuiteClient::of(&plan, member);
            let is_it = |it: &&toml::Value| it["client_id"].as_str() == Some(&*expected.id);
            let client = clients.iter().find(is_it).unwrap();
            let text = |setting: &str| client[setting].as_str().unwrap();
            assert_eq!(text("client_secret"), expected.secret, "{name} {member}");
            let method = if expected.posts_its_secret {
                "client_secret_post"
            } else {
                "client_secret_basic"
            };
            assert_eq!(text("token_endpoint_auth_method"), method);
            for (setting, path) in [
                ("redirect_uris", "callback"),
                ("post_logout_redirect_uris", "post_logout_redirect"),
            ] {
                let listed = client[setting].as_array().unwrap();
                let [uri] = listed.as_slice() else {
                    panic!("{setting} of {member}: {listed:?}");
                };
                assert_eq!(uri.as_str(), Some(&*below_the_suite(&plan, path)));
            }
            // Any other plan takes a call at that address for a fault.
            let is_told = name.starts_with("backchannel") && member == "client";
            let told_at = client.get("backchannel_logout_uri");
            let expected = is_told.then(|| below_the_suite(&plan, "backchannel_logout"));
            assert_eq!(told_at.and_then(toml::Value::as_str), expected.as_deref());
        }
        for visit in plan["browser"].as_array().into_iter().flatten() {
            let address = visit["match"].as_str().unwrap();
            assert!(address.starts_with(issuer), "{name}: {address}");
        }
    }
}

async fn discovery(bridge: &TestBridge) -> Value {
    let url = bridge.url("/.well-known/openid-configuration");
    Visitor::new().get(&url).await.json()
}

#[tokio::test]
async fn discovery_offers_what_the_plans_ask_for() {
    let bridge = start(Engine::Sqlite).await;
    let offered = discovery(&bridge).await;
    let lists = |name: &str, value: &str| {
        let listed = offered[name].as_array().unwrap();
        assert!(listed.contains(&value.into()), "{name} lacks {value}");
    };
    for claim in TEXTS_OF_PROFILE.split(' ') {
        lists("claims_supported", claim);
    }
    for scope in SCOPE.split(' ') {
        lists("scopes_supported", scope);
    }
    let methods = "token_endpoint_auth_methods_supported";
    for (name, value) in [
        ("grant_types_supported", "refresh_token"),
        ("response_modes_supported", "form_post"),
        ("id_token_signing_alg_values_supported", "RS256"),
        (methods, "client_secret_basic"),
        (methods, "client_secret_post"),
    ] {
        lists(name, value);
    }
    assert_eq!(offered["end_session_endpoint"], *bridge.url("/logout"));

    let logout = [
        "backchannel_logout_supported",
        "backchannel_logout_session_supported",
    ];
    for name in logout {
        assert_eq!(offered[name], true, "{name}");
    }
    let without = start_with(Engine::Sqlite, &["limits", "claims"]).await;
    let without = discovery(&without).await;
    for name in logout.into_iter().chain(["end_session_endpoint"]) {
        assert_eq!(without.get(name), None, "{name} without sessions");
    }
}

#[tokio::test]
async fn the_suite_skips_what_the_expected_skips_name() {
    let bridge = start(Engine::Sqlite).await;
    let offered = discovery(&bridge).await;
    let algorithms = &offered["request_object_signing_alg_values_supported"];
    let algorithms = algorithms.as_array().unwrap();
    assert!(algorithms.contains(&"RS256".into()) && !algorithms.contains(&"none".into()));

    let skips: Value = serde_json::from_str(&read("expected-skips.json")).unwrap();
    assert_eq!(skips.as_array().unwrap().len(), 2);
    let [unsigned, precedence] = [0, 1].map(|index| skips[index]["test-name"].as_str().unwrap());
    assert!(unsigned.starts_with("oidcc-unsigned-request-object-"));
    assert!(precedence.starts_with("oidcc-ensure-request-object-"));
}

#[tokio::test]
async fn the_configuration_is_accepted_as_it_stands() {
    let folder = temporary_folder("conformance");
    let keys = folder.path().join("keys");
    std::fs::create_dir(&keys).unwrap();
    let openssl = require_program("openssl", "apt-get install openssl");
    let arguments = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost,DNS:localhost.emobix.co.uk \
        -addext basicConstraints=critical,CA:FALSE -keyout localhost.key -out localhost.pem";
    let mut made = Process::start("openssl", openssl, |command| {
        let arguments = arguments.split_whitespace();
        command.current_dir(&keys).args(arguments);
    });
    assert!(made.wait(PATIENCE).await.success(), "{}", made.output());
    std::fs::write(keys.join("sgid-private-key.pem"), generate_client_key().0).unwrap();
    let master_key = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eH-8";
    std::fs::write(keys.join("master.key"), master_key).unwrap();
    let file = folder.path().join("sgid-bridge.toml");
    std::fs::write(file, read("sgid-bridge.toml")).unwrap();

    let checked = Ran::of(start_in(folder.path(), &["check", "--offline"], |_| {})).await;
    assert_eq!(checked.code, 0, "{}", checked.all);
    let exempted = checked.stdout.matches("neither PKCE nor nonce is required");
    assert_eq!(exempted.count(), 4, "{}", checked.all);

    let listen = format!("127.0.0.1:{}", free_port());
    let arguments = ["simulator", "--profile", "conformance", "--listen", &listen];
    let mut simulator = start_in(folder.path(), &arguments, |_| {});
    simulator
        .wait_for_line("for the conformance suite", PATIENCE)
        .await;
    let configuration = configuration();
    let callback = format!("{}/callback", configuration["issuer"].as_str().unwrap());
    let client_id = &configuration["upstreams"]["sgid"]["client_id"];
    let parameters = [
        ("client_id", client_id.as_str().unwrap()),
        ("redirect_uri", callback.as_str()),
        ("response_type", "code"),
        ("scope", "openid conformance.nickname"),
        ("code_challenge", &challenge(VERIFIER)),
        ("code_challenge_method", "S256"),
        ("state", STATE),
        ("nonce", "a-nonce"),
    ];
    let url =
        url::Url::parse_with_params(&format!("http://{listen}/v2/oauth/authorize"), parameters);
    let answer = Visitor::new().get(url.unwrap().as_str()).await;
    let back = answer.location();
    assert!(back.starts_with(&callback), "{back}");
    assert!(!Returned::parse(back).code().is_empty());
    let status = simulator.stop(Signal::SIGTERM, PATIENCE).await;
    assert!(status.success(), "{status}: {}", simulator.output());
}
