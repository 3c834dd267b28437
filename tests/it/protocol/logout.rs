//! Who is signed out at once and sent where. Security requirement LO-2; conformance RL-2 to RL-5; OpenID Connect
//! RP-Initiated Logout 1.0.

use std::time::Duration;

use serde_json::json;

use crate::support::app::{OTHER, PORTAL, header, payload};
use crate::support::bridge::{CLIENT_SECRET, Engine, Plan};
use crate::support::client_key::{ClientKey, sign_by_secret, unsigned};
use crate::support::signing_out::{
    SESSIONS, SIGNED_OUT, assert_says_signed_out, assert_signed_in, assert_signed_out, bridge,
    clients, logout_url, sign_in,
};
use crate::support::visitor::Visitor;

const WITH_QUERY: &str = "https://portal.example.sg/bye?a=%2F&b";

on_both_engines!(a_genuine_hint_signs_out_and_leads_back_at_once, |engine| {
    let bridge = bridge(engine).await;
    let replica = bridge.replica().await;
    let odd: String = (' '..='~').chain(['é', '漢']).collect();
    for (uri, separator) in [(SIGNED_OUT, '?'), (WITH_QUERY, '&')] {
        for (state, base) in [(None, &bridge.base), (Some(&odd[..]), &replica.base)] {
            for by_post in [false, true] {
                let mut visitor = Visitor::new();
                let portal = sign_in(&bridge, PORTAL, &mut visitor).await;
                let other = sign_in(&bridge, OTHER, &mut visitor).await;
                let mut parameters = vec![
                    ("id_token_hint", &portal.id_token[..]),
                    ("post_logout_redirect_uri", uri),
                ];
                parameters.extend(state.map(|state| ("state", state)));
                let answer = if by_post {
                    visitor.post(&format!("{base}/logout"), &parameters).await
                } else {
                    visitor.get(&logout_url(base, &parameters)).await
                };
                assert_eq!(answer.status, 303, "{}", answer.body);
                let rest = answer.location().strip_prefix(uri).unwrap();
                match state {
                    None => assert_eq!(rest, "", "nothing is added"),
                    Some(state) => {
                        let query = rest.strip_prefix(separator).unwrap();
                        let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).collect();
                        assert_eq!(pairs, [("state".into(), state.into())]);
                    }
                }
                assert_signed_out(&bridge, &mut visitor, &[&portal, &other]).await;
                assert!(visitor.cookies.is_empty(), "{:?}", visitor.cookies);
            }
        }
    }
});

#[tokio::test]
async fn a_hint_without_an_address_ends_on_a_page_of_ours() {
    let bridge = bridge(Engine::Sqlite).await;
    let mut visitor = Visitor::new();
    let tokens = sign_in(&bridge, PORTAL, &mut visitor).await;
    let url = logout_url(&bridge.base, &[("id_token_hint", &tokens.id_token)]);
    assert_says_signed_out(&visitor.get(&url).await);
    assert_signed_out(&bridge, &mut visitor, &[&tokens]).await;
}

#[tokio::test]
async fn an_expired_hint_counts_and_one_is_good_after_the_session_too() {
    let bridge = bridge(Engine::Sqlite).await;
    let mut visitor = Visitor::new();
    let tokens = sign_in(&bridge, PORTAL, &mut visitor).await;
    bridge.advance(Duration::from_hours(2));
    assert!(tokens.claims["exp"].as_i64().unwrap() < bridge.clock.now().seconds());
    let parameters = [
        ("id_token_hint", &tokens.id_token[..]),
        ("client_id", "portal"),
        ("post_logout_redirect_uri", SIGNED_OUT),
    ];
    let url = logout_url(&bridge.base, &parameters);
    assert_eq!(visitor.get(&url).await.location(), SIGNED_OUT);
    assert_signed_out(&bridge, &mut visitor, &[]).await;
    for visitor in [&mut visitor, &mut Visitor::new()] {
        let again = visitor.get(&url).await;
        assert_eq!(again.location(), SIGNED_OUT, "nothing is left to end");
    }
}

#[tokio::test]
async fn what_is_no_genuine_hint_ends_nothing_and_leads_nowhere() {
    let signed = "client_id = \"portal\"\nuserinfo_signed_response_alg = \"RS256\"";
    let clients = clients().replacen("client_id = \"portal\"", signed, 1);
    let plan = Plan::on(Engine::Sqlite)
        .clients(&clients)
        .settings(SESSIONS);
    let bridge = plan.start().await;
    let elsewhere = Plan::on(Engine::Sqlite).start().await;
    let mut visitor = Visitor::new();
    let tokens = sign_in(&bridge, PORTAL, &mut visitor).await;
    let foreign = PORTAL.log_in(&elsewhere, "openid").await;
    let userinfo = tokens.userinfo(&bridge).await.body;
    let claims = payload(&tokens.id_token);
    let [head, _, signature] = tokens.id_token.split('.').collect::<Vec<_>>()[..] else {
        panic!("{}", tokens.id_token);
    };
    let key = ClientKey::rsa("k");
    let kid = json!({ "kid": header(&tokens.id_token)["kid"], "typ": "JWT" });
    let another = unsigned(&json!({ "sub": "x" }));
    let another = another.split('.').nth(1).unwrap();
    for (what, hint) in [
        ("unsigned", unsigned(&claims)),
        (
            "without a signature",
            format!("{head}.{}.", tokens.id_token.split('.').nth(1).unwrap()),
        ),
        ("other claims", format!("{head}.{another}.{signature}")),
        ("another key", key.sign_as("RS256", &kid, &claims)),
        (
            "the client's secret",
            sign_by_secret(CLIENT_SECRET, &claims),
        ),
        ("another issuer", foreign.id_token),
        ("userinfo", userinfo),
        ("an access token", tokens.access_token.clone()),
        ("nonsense", "x".to_owned()),
    ] {
        let parameters = [
            ("id_token_hint", &hint[..]),
            ("client_id", "portal"),
            ("post_logout_redirect_uri", SIGNED_OUT),
            ("state", "s"),
        ];
        for parameters in [&parameters[..1], &parameters] {
            let page = visitor.get(&logout_url(&bridge.base, parameters)).await;
            assert_eq!(
                (page.status, page.header("location")),
                (400, None),
                "{what}"
            );
            assert!(page.body.contains("invalid") || page.body.contains("sign out"));
            assert_signed_in(&bridge, &mut visitor, what).await;
        }
    }
    let other = sign_in(&bridge, OTHER, &mut visitor).await;
    let url = logout_url(
        &bridge.base,
        &[("id_token_hint", &other.id_token), ("client_id", "portal")],
    );
    assert_eq!(visitor.get(&url).await.status, 400, "another client's");
    assert_signed_in(&bridge, &mut visitor, "another client's").await;
    assert_eq!(tokens.userinfo(&bridge).await.status, 200);
}

#[tokio::test]
async fn nobody_is_sent_to_an_address_that_is_not_registered() {
    let bridge = bridge(Engine::Sqlite).await;
    let mut visitor = Visitor::new();
    let tokens = sign_in(&bridge, PORTAL, &mut visitor).await;
    for uri in [
        "https://evil.example/",
        "https://portal.example.sg/signed-out?foo=bar",
        "https://portal.example.sg/signed-out/",
        "https://portal.example.sg/signed-out#x",
        "https://PORTAL.example.sg/signed-out",
        "https://portal.example.sg:443/signed-out",
        "https://portal.example.sg/bye?a=/&b",
        "https://other.example.sg/signed-out",
        PORTAL.redirect_uri,
        "javascript:alert(1)",
        "x",
    ] {
        for proof in [
            ("id_token_hint", &tokens.id_token[..]),
            ("client_id", "portal"),
        ] {
            let parameters = [proof, ("post_logout_redirect_uri", uri)];
            let page = visitor.get(&logout_url(&bridge.base, &parameters)).await;
            assert_eq!((page.status, page.header("location")), (400, None), "{uri}");
            assert!(page.body.contains("not registered"), "{}", page.body);
            assert!(!page.body.contains("id=\"continue\""), "{}", page.body);
        }
    }
}

#[tokio::test]
async fn without_a_session_only_a_genuine_hint_leads_back() {
    let bridge = bridge(Engine::Sqlite).await;
    let way_back = ("post_logout_redirect_uri", SIGNED_OUT);
    for parameters in [
        &[][..],
        &[way_back],
        &[("client_id", "portal"), way_back],
        &[("client_id", "portal"), way_back, ("state", "s")],
    ] {
        let page = Visitor::new()
            .get(&logout_url(&bridge.base, parameters))
            .await;
        assert_says_signed_out(&page);
    }
}
