//! How clients prove themselves at the token endpoint. Security requirements TK-7 to TK-9; RFC 6749 section 2.3.1.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use sgid_bridge::clock::Timestamp;
use sgid_bridge::oidc::client::{ClientId, ClientSecretHash};
use sgid_bridge::store::{ClientRecord, SecretRecord};

use crate::support::app::{App, OTHER, PORTAL, SPA};
use crate::support::bridge::{CLIENT_SECRET, CLIENTS, Engine, Plan, START, TestBridge};
use crate::support::visitor::{Answer, Visitor};

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

/// A token request with these headers, and these parameters beside the grant's own.
async fn ask(
    bridge: &TestBridge,
    code: &str,
    headers: &[(&str, &str)],
    beside: &[(&str, &str)],
) -> Answer {
    let mut form = PORTAL.form(code);
    form.extend_from_slice(beside);
    Visitor::new()
        .send(Method::POST, &bridge.url("/token"), headers, Some(&form))
        .await
}

fn assert_invalid_client(answer: &Answer, challenged: bool, what: &str) {
    assert_eq!(answer.status, 401, "{what}: {}", answer.body);
    assert_eq!(answer.json()["error"], "invalid_client", "{what}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
    let challenge = answer.header("www-authenticate");
    assert_eq!(
        challenge.is_some_and(|it| it.starts_with("Basic realm=")),
        challenged,
        "{what}"
    );
    assert_eq!(challenge.is_some(), challenged, "{what}");
}

#[tokio::test]
async fn a_client_is_proven_by_its_registered_method_only() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let code = PORTAL.code(&bridge, "openid").await;
    for id in ["portal", "other", "spa", "nobody"] {
        let header = basic(id, CLIENT_SECRET);
        if id != "portal" {
            let answer = ask(&bridge, &code, &[("authorization", &header)], &[]).await;
            assert_invalid_client(&answer, true, &format!("{id} by Basic"));
        }
        if id != "other" {
            let form = [("client_id", id), ("client_secret", CLIENT_SECRET)];
            let answer = ask(&bridge, &code, &[], &form).await;
            assert_invalid_client(&answer, false, &format!("{id} in the form"));
        }
        if id != "spa" {
            let answer = ask(&bridge, &code, &[], &[("client_id", id)]).await;
            assert_invalid_client(&answer, false, &format!("{id} without a secret"));
        }
    }
    let header = basic("portal", CLIENT_SECRET);
    let answer = ask(
        &bridge,
        &code,
        &[("authorization", &header)],
        &[("client_id", "portal")],
    )
    .await;
    assert_eq!(
        answer.status, 200,
        "none of all that spent the code: {}",
        answer.body
    );
}

#[tokio::test]
async fn a_wrong_secret_proves_nothing() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let code = PORTAL.code(&bridge, "openid").await;
    let longer = format!("{CLIENT_SECRET}a");
    let upper = CLIENT_SECRET.to_uppercase();
    for wrong in ["", "wrong", &CLIENT_SECRET[1..], &longer, &upper] {
        let header = basic("portal", wrong);
        let answer = ask(&bridge, &code, &[("authorization", &header)], &[]).await;
        assert_invalid_client(&answer, true, wrong);
    }
    for malformed in [
        "Basic",
        "Basic ",
        "Basic !!!",
        "Bearer abc",
        "Basic cG9ydGFs",
        "",
        "basic\tx",
    ] {
        let answer = ask(&bridge, &code, &[("authorization", malformed)], &[]).await;
        assert_invalid_client(&answer, true, malformed);
    }
    assert_eq!(PORTAL.redeem(&bridge, &code).await.status, 200);
}

#[tokio::test]
async fn two_methods_at_once_are_refused_even_where_both_are_right() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let code = PORTAL.code(&bridge, "openid").await;
    let header = basic("portal", CLIENT_SECRET);
    let header = [("authorization", header.as_str())];
    for beside in [
        &[("client_secret", CLIENT_SECRET)][..],
        &[("client_id", "portal"), ("client_secret", CLIENT_SECRET)],
        &[("client_id", "portal"), ("client_secret", "")],
        &[("client_id", "other")],
    ] {
        let answer = ask(&bridge, &code, &header, beside).await;
        if beside
            .iter()
            .any(|&(name, value)| name == "client_secret" && value.is_empty())
        {
            assert_eq!(
                answer.status, 200,
                "an empty value is an absent one: {}",
                answer.body
            );
            continue;
        }
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (400, &"invalid_request".into()),
            "{beside:?}"
        );
    }
    let twice = [header[0], header[0]];
    let answer = ask(&bridge, &code, &twice, &[]).await;
    assert_eq!(answer.status, 400, "the header twice");
    let answer = ask(&bridge, &code, &[], &[]).await;
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (401, &"invalid_client".into()),
        "no client at all"
    );
}

#[tokio::test]
async fn identifier_and_secret_are_form_decoded_in_the_basic_header() {
    const ODD: &str = r#"
[[clients]]
client_id = "odd client:1%"
client_secret = "a secret+of:odd%characters&=/0123456789"
redirect_uris = ["https://odd.example.sg/callback"]
"#;
    let odd = App {
        id: "odd client:1%",
        redirect_uri: "https://odd.example.sg/callback",
        method: "client_secret_basic",
    };
    let bridge = Plan::on(Engine::Sqlite).clients(ODD).start().await;
    for header in [
        basic(
            "odd+client%3A1%25",
            "a+secret%2Bof%3Aodd%25characters%26%3D%2F0123456789",
        ),
        basic(
            "odd%20client%3a1%25",
            "a%20secret%2bof:odd%25characters&=/0123456789",
        ),
    ] {
        let code = odd.code(&bridge, "openid").await;
        let url = bridge.url("/token");
        let form = odd.form(&code);
        let headers = [("authorization", header.as_str())];
        let answer = Visitor::new()
            .send(Method::POST, &url, &headers, Some(&form))
            .await;
        assert_eq!(answer.status, 200, "{header}: {}", answer.body);
    }
}

#[tokio::test]
async fn an_unknown_client_and_a_wrong_secret_look_the_same() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let code = PORTAL.code(&bridge, "openid").await;
    let shape = |answer: &Answer| {
        let mut headers: Vec<_> = answer
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        headers.retain(|(name, _)| name != "date");
        headers.sort_by_key(|(name, _)| name.to_string());
        (answer.status, headers, answer.body.clone())
    };
    let (unknown, wrong) = (basic("nobody", "wrong"), basic("portal", "wrong"));
    let unknown = ask(&bridge, &code, &[("authorization", &unknown)], &[]).await;
    let wrong = ask(&bridge, &code, &[("authorization", &wrong)], &[]).await;
    assert_eq!(shape(&unknown), shape(&wrong));
    let unknown = ask(
        &bridge,
        &code,
        &[],
        &[("client_id", "nobody"), ("client_secret", "wrong")],
    )
    .await;
    let wrong = ask(
        &bridge,
        &code,
        &[],
        &[("client_id", "other"), ("client_secret", "wrong")],
    )
    .await;
    assert_eq!(shape(&unknown), shape(&wrong));
}

#[tokio::test]
async fn a_disabled_client_proves_nothing() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    for (app, challenged) in [(PORTAL, true), (OTHER, false), (SPA, false)] {
        bridge.change_clients(CLIENTS);
        let code = app.code(&bridge, "openid").await;
        let id = format!("client_id = \"{}\"", app.id);
        bridge.change_clients(&CLIENTS.replacen(&id, &format!("{id}\nenabled = false"), 1));
        assert_invalid_client(&app.redeem(&bridge, &code).await, challenged, app.id);
    }
}

#[tokio::test]
async fn failures_are_throttled_by_address_without_locking_the_client_out_elsewhere() {
    let bridge = Plan::on(Engine::Sqlite)
        .settings("[limits]\nfailures_per_minute = 5\n")
        .server_settings("trusted_proxies = [\"127.0.0.0/8\"]")
        .start()
        .await;
    let (wrong, right) = (basic("portal", "wrong"), basic("portal", CLIENT_SECRET));
    let unknown_code = format!("ac_{}", "A".repeat(43));
    let guess = |from: &'static str, header: String| {
        let (bridge, unknown_code) = (&bridge, &unknown_code);
        async move {
            let headers = [
                ("authorization", header.as_str()),
                ("x-forwarded-for", from),
            ];
            ask(bridge, unknown_code, &headers, &[]).await
        }
    };
    for attempt in 0..5 {
        assert_invalid_client(
            &guess("203.0.113.9", wrong.clone()).await,
            true,
            &attempt.to_string(),
        );
    }
    let throttled = guess("203.0.113.9", wrong.clone()).await;
    assert_eq!(throttled.status, 429, "{}", throttled.body);
    let wait: u64 = throttled.header("retry-after").unwrap().parse().unwrap();
    assert!(wait > 0);
    assert!(throttled.json()["error"].is_string());
    // The client itself, from where it lives, goes on.
    let answer = guess("198.51.100.7", right).await;
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (400, &"invalid_grant".into())
    );
    assert_invalid_client(
        &guess("198.51.100.7", wrong).await,
        true,
        "another address has its own count",
    );
}

on_both_engines!(
    secrets_of_a_client_of_the_database_overlap_while_they_change,
    |engine| {
        let bridge = Plan::on(engine).start().await;
        let metadata = serde_json::json!({
            "client_id": "stored", "redirect_uris": ["https://stored.example.sg/callback"],
        });
        let secret = |text: &str, expires_at: Option<Timestamp>| SecretRecord {
            hash: ClientSecretHash::of(text),
            expires_at,
        };
        let ahead = START.after(std::time::Duration::from_mins(1));
        let record = ClientRecord {
            metadata: serde_json::from_value(metadata).unwrap(),
            secrets: vec![
                secret("new", None),
                secret("old", Some(ahead)),
                secret("older", Some(START)),
            ],
            registration: None,
            changed_at: START,
        };
        assert!(bridge.bridge.store.add_client(&record).await.unwrap());
        assert_eq!(
            record.metadata.client_id,
            ClientId::parse("stored").unwrap()
        );
        let stored = App {
            id: "stored",
            redirect_uri: "https://stored.example.sg/callback",
            method: "client_secret_basic",
        };
        for (text, status) in [("new", 200), ("old", 200), ("older", 401), ("", 401)] {
            let code = stored.code(&bridge, "openid").await;
            let header = basic("stored", text);
            let headers = [("authorization", header.as_str())];
            let url = bridge.url("/token");
            let answer = Visitor::new()
                .send(Method::POST, &url, &headers, Some(&stored.form(&code)))
                .await;
            assert_eq!(answer.status, status, "{text}: {}", answer.body);
        }
    }
);

/// Half of all secrets in base64 hold a plus sign, and many relying parties do not encode them.
#[tokio::test]
async fn a_secret_with_signs_works_by_basic_as_it_stands_and_encoded() {
    for secret in [
        "a+secret/of+base64+0123456789+abcdef==",
        "a%2Bsecret%20that%20looks%20encoded-0123456789",
        "a secret of 100% and %zz and + 0123456789",
    ] {
        let odd = format!(
            "[[clients]]\nclient_id = \"portal\"\nclient_secret = \"{secret}\"\n\
             redirect_uris = [\"{}\"]\n",
            PORTAL.redirect_uri
        );
        let bridge = Plan::on(Engine::Sqlite).clients(&odd).start().await;
        let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        for sent in [secret, &encoded] {
            let code = PORTAL.code(&bridge, "openid").await;
            let header = basic("portal", sent);
            let answer = ask(&bridge, &code, &[("authorization", &header)], &[]).await;
            assert_eq!(answer.status, 200, "{sent}: {}", answer.body);
        }
        let code = PORTAL.code(&bridge, "openid").await;
        for wrong in [
            secret.replace('+', "-"),
            format!("{secret}+"),
            encoded.replace("%2B", "%2D"),
            secret.to_uppercase(),
        ] {
            if wrong == secret || wrong == encoded {
                continue;
            }
            let header = basic("portal", &wrong);
            let answer = ask(&bridge, &code, &[("authorization", &header)], &[]).await;
            assert_invalid_client(&answer, true, &wrong);
        }
    }
}

#[tokio::test]
async fn the_right_secret_by_the_wrong_method_says_which_setting_to_change() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let code = PORTAL.code(&bridge, "openid").await;
    let describe = async |id: &str, secret: &str, method: &str| {
        let header = basic(id, secret);
        let answer = if method == "client_secret_basic" {
            ask(&bridge, &code, &[("authorization", &header)], &[]).await
        } else {
            let form = [("client_id", id), ("client_secret", secret)];
            ask(&bridge, &code, &[], &form).await
        };
        assert_invalid_client(&answer, method == "client_secret_basic", id);
        let description = answer.json()["error_description"].to_string();
        description.contains(&format!("token_endpoint_auth_method = {method}"))
    };
    let methods = ["client_secret_post", "client_secret_basic"];
    for (id, method) in ["portal", "other"].into_iter().zip(methods) {
        assert!(describe(id, CLIENT_SECRET, method).await, "{id}");
        assert!(!describe(id, "wrong", method).await, "{id}, a wrong secret");
        for registered in methods.into_iter().filter(|it| *it != method) {
            assert!(!describe(id, "wrong", registered).await, "{id}");
        }
    }
    for method in methods {
        for id in ["spa", "nobody"] {
            assert!(
                !describe(id, CLIENT_SECRET, method).await,
                "{id} has no secret"
            );
        }
    }
    let id = "client_id = \"portal\"";
    bridge.change_clients(&CLIENTS.replacen(id, &format!("{id}\nenabled = false"), 1));
    assert!(
        !describe("portal", CLIENT_SECRET, methods[0]).await,
        "disabled"
    );
}
