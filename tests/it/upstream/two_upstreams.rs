//! Several sgID clients behind one bridge. UP-10.

use std::collections::BTreeSet;
use std::path::Path;

use sgid_bridge::bridge::Prepared;
use sgid_bridge::config::Config;
use sgid_bridge::login::UpstreamAttempt;
use sgid_bridge::secret::randomness;
use sgid_bridge::simulator::generate_client_key;
use url::Url;

use super::judge::SCOPE;
use crate::support::app::{OTHER, PORTAL, STATE};
use crate::support::bridge::{Engine, Plan, START};
use crate::support::visitor::{Returned, Visitor};

const CLIENTS: &str = r#"
[[clients]]
client_id = "portal"
client_secret = "a-client-secret-of-the-tests-0123456789"
redirect_uris = ["https://portal.example.sg/callback"]
scope = "openid profile email myinfo.vehicles"
upstream = "sgid"

[[clients]]
client_id = "other"
client_secret = "a-client-secret-of-the-tests-0123456789"
token_endpoint_auth_method = "client_secret_post"
redirect_uris = ["https://other.example.sg/callback"]
scope = "openid profile email myinfo.vehicles"
upstream = "agency"
"#;

#[tokio::test]
async fn each_relying_party_is_served_by_its_own_client_at_sgid() {
    let bridge = Plan::on(Engine::Sqlite)
        .clients(CLIENTS)
        .second_upstream("agency", "AGENCY", &generate_client_key())
        .start()
        .await;
    for (app, client_id) in [(PORTAL, "TESTS"), (OTHER, "AGENCY"), (PORTAL, "TESTS")] {
        let tokens = app.log_in(&bridge, SCOPE).await;
        assert_eq!(tokens.claims["name"], "SAMPLE TAN MEI LING");
        assert_eq!(
            tokens.claims["myinfo.vehicles"][0]["vehicle_number"],
            "SXX0001A"
        );
        let asked = bridge.sgid.requests().last_authorization;
        let named: Vec<_> = asked
            .iter()
            .filter(|(name, _)| name == "client_id")
            .collect();
        assert_eq!(named, [&("client_id".to_owned(), client_id.to_owned())]);
    }
}

#[tokio::test]
async fn an_answer_at_the_callback_of_another_upstream_counts_for_nobody() {
    let bridge = Plan::on(Engine::Sqlite)
        .clients(CLIENTS)
        .second_upstream("agency", "AGENCY", &generate_client_key())
        .start()
        .await;
    for (app, own, foreign) in [
        (OTHER, "/callback/agency", "/callback"),
        (PORTAL, "/callback", "/callback/agency"),
        (PORTAL, "/callback", "/callback/nobody"),
    ] {
        let mut visitor = Visitor::new();
        let authorize = app.authorization_url(&bridge, SCOPE);
        let sgid = visitor.get(&authorize).await.location().to_owned();
        let callback = visitor.get(&sgid).await.location().to_owned();
        let (address, query) = callback.split_once('?').unwrap();
        assert_eq!(address, bridge.url(own));
        let answer = visitor
            .get(&format!("{}?{query}", bridge.url(foreign)))
            .await;
        let returned = Returned::parse(answer.location());
        assert_eq!(returned.error(), "server_error");
        assert_eq!(returned.get("state"), Some(STATE));
        assert_eq!(bridge.sgid.requests().token, 0, "the code was sent to sgID");
    }
}

/// Without `iss`, which sgID does not send, nothing but its own callback address tells whose answer it is: a code of
/// one issuer would be sent to the token endpoint of another (RFC 9700 section 4.4).
#[test]
fn upstreams_of_different_issuers_share_no_callback() {
    let (private_key, _) = generate_client_key();
    let upstream = |name: &str| {
        format!(
            "[upstreams.{name}]\nissuer = \"https://{name}.example.sg/v2\"\nclient_id = \"TESTS\"\n\
             client_secret = \"an-upstream-secret-of-the-tests\"\nprivate_keys = ['''{private_key}''']\n"
        )
    };
    let text = format!(
        "issuer = \"https://login.example.sg\"\n\
         [keys]\nmaster_key = \"AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eH-8\"\n{}{}",
        upstream("one"),
        upstream("two")
    );
    let _ = rustls::crypto::ring::default_provider().install_default();
    // To refuse such a configuration keeps the rule, too.
    let Ok(config) = Config::from_toml(&text, Path::new(".")) else {
        return;
    };
    let Ok(prepared) = Prepared::new(&config) else {
        return;
    };
    let attempt = UpstreamAttempt::generate(&mut randomness());
    let callbacks: BTreeSet<String> = prepared
        .upstreams
        .values()
        .map(|sgid| {
            let url = sgid
                .authorization_url("state", &attempt, &BTreeSet::new(), START)
                .unwrap();
            let url = Url::parse(&url).unwrap();
            let callback = url.query_pairs().find(|(name, _)| name == "redirect_uri");
            callback.unwrap().1.into_owned()
        })
        .collect();
    assert_eq!(callbacks.len(), 2, "both come back to {callbacks:?}");
}
