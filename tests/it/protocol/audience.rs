//! What each registration makes of the same person: where claims go, under which name, signed how.
//! Security requirements TK-10, TK-11; conformance CL-4.

use crate::support::app::{App, NONCE, Tokens, header};
use crate::support::bridge::{Engine, Plan, TestBridge};

const VARIETY: &str = r#"
[[clients]]
client_id = "in-id-token"
client_secret = "a-client-secret-of-the-tests-0123456789"
redirect_uris = ["https://a.example.sg/callback"]
claims_in = ["id_token"]
id_token_signed_response_alg = "ES256"

[[clients]]
client_id = "in-userinfo"
client_secret = "a-client-secret-of-the-tests-0123456789"
redirect_uris = ["https://b.example.sg/callback"]
claims_in = ["userinfo"]
id_token_signed_response_alg = "PS256"

[[clients]]
client_id = "same-sector"
client_secret = "a-client-secret-of-the-tests-0123456789"
redirect_uris = ["https://c.example.sg/callback", "https://d.example.sg/callback"]
sector_identifier = "a.example.sg"
id_token_signed_response_alg = "EdDSA"

[[clients]]
client_id = "public-1"
client_secret = "a-client-secret-of-the-tests-0123456789"
redirect_uris = ["https://a.example.sg/public"]
subject_type = "public"

[[clients]]
client_id = "public-2"
client_secret = "a-client-secret-of-the-tests-0123456789"
redirect_uris = ["https://e.example.sg/callback"]
subject_type = "public"
"#;

const fn app(id: &'static str, redirect_uri: &'static str) -> App {
    App {
        id,
        redirect_uri,
        method: "client_secret_basic",
    }
}

const IN_ID_TOKEN: App = app("in-id-token", "https://a.example.sg/callback");
const IN_USERINFO: App = app("in-userinfo", "https://b.example.sg/callback");
const SAME_SECTOR: App = app("same-sector", "https://d.example.sg/callback");
const PUBLIC_1: App = app("public-1", "https://a.example.sg/public");
const PUBLIC_2: App = app("public-2", "https://e.example.sg/callback");

async fn bridge(engine: Engine) -> TestBridge {
    let all = r#"["RS256", "ES256", "PS256", "EdDSA"]"#;
    Plan::on(engine)
        .clients(VARIETY)
        .algorithms(all)
        .start()
        .await
}

#[tokio::test]
async fn claims_are_delivered_where_the_registration_says() {
    let bridge = bridge(Engine::Sqlite).await;
    let tokens = IN_ID_TOKEN.log_in(&bridge, "openid profile").await;
    assert_eq!(tokens.claims["name"], "SAMPLE TAN MEI LING");
    let userinfo = tokens.userinfo(&bridge).await.json();
    assert_eq!(
        userinfo.as_object().unwrap().len(),
        1,
        "sub alone: {userinfo}"
    );
    assert_eq!(userinfo["sub"], tokens.claims["sub"]);

    let tokens = IN_USERINFO.log_in(&bridge, "openid profile").await;
    assert!(tokens.claims.get("name").is_none() && tokens.claims.get("birthdate").is_none());
    let userinfo = tokens.userinfo(&bridge).await.json();
    assert_eq!(userinfo["name"], "SAMPLE TAN MEI LING");
    assert_eq!(userinfo["sub"], tokens.claims["sub"]);
}

on_both_engines!(
    each_client_gets_its_own_algorithm_and_the_judge_accepts_it,
    |engine| {
        let bridge = bridge(engine).await;
        for (app, algorithm) in [
            (IN_ID_TOKEN, "ES256"),
            (IN_USERINFO, "PS256"),
            (SAME_SECTOR, "EdDSA"),
            (PUBLIC_1, "RS256"),
        ] {
            let tokens: Tokens = app.log_in(&bridge, "openid").await;
            assert_eq!(header(&tokens.id_token)["alg"], algorithm);
            app.verify(&bridge, &tokens.id_token, Some(NONCE)).await;
            let at_hash = tokens.claims["at_hash"].as_str().unwrap();
            assert_eq!(
                at_hash.len(),
                if algorithm == "EdDSA" { 43 } else { 22 },
                "{algorithm}"
            );
        }
    }
);

#[tokio::test]
async fn a_subject_is_shared_within_a_sector_or_in_public_and_nowhere_else() {
    let bridge = bridge(Engine::Sqlite).await;
    let mut subjects = Vec::new();
    for app in [IN_ID_TOKEN, SAME_SECTOR, IN_USERINFO, PUBLIC_1, PUBLIC_2] {
        let claims = app.log_in(&bridge, "openid").await.claims;
        subjects.push(claims["sub"].as_str().unwrap().to_owned());
    }
    let [a, same_sector, b, public_1, public_2] = subjects.as_slice() else {
        unreachable!()
    };
    assert_eq!(a, same_sector);
    assert_eq!(public_1, public_2);
    assert!(a != b && a != public_1 && b != public_1);
    bridge.sgid.persona("foreigner");
    for (app, sub) in [(IN_ID_TOKEN, a), (PUBLIC_1, public_1)] {
        assert_ne!(
            app.log_in(&bridge, "openid").await.claims["sub"],
            sub.as_str(),
            "another person"
        );
    }
}

#[tokio::test]
async fn a_token_of_one_client_is_none_of_another() {
    let bridge = bridge(Engine::Sqlite).await;
    let tokens = IN_ID_TOKEN.log_in(&bridge, "openid").await;
    assert_eq!(tokens.claims["aud"], "in-id-token");
    let code = IN_ID_TOKEN.code(&bridge, "openid").await;
    let stolen = App {
        redirect_uri: IN_ID_TOKEN.redirect_uri,
        ..SAME_SECTOR
    };
    let answer = stolen.redeem(&bridge, &code).await;
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (400, &"invalid_grant".into()),
        "sector or not"
    );
}
