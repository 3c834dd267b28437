//! `id_token_hint`: whom a relying party expects. Security requirement AZ-12; conformance SE-2, CL-5; OpenID Connect
//! Core section 3.1.2.1.

use josekit::jws::{HS256, JwsHeader, serialize_compact};
use serde_json::{Value, json};

use super::prompt::{SILENT, SignedIn, seconds};
use crate::support::app::{App, PORTAL, STATE, header, payload};
use crate::support::bridge::{CLIENT_SECRET, CLIENTS, Engine, Plan, SESSIONS, START};
use crate::support::client_key::{ClientKey, unsigned, with};
use crate::support::visitor::Visitor;

on_both_engines!(a_genuine_hint_counts_even_when_it_has_expired, |engine| {
    let mut it = SignedIn::on(engine).await;
    let hint = it.first.id_token.clone();
    let hinted = [SILENT, ("id_token_hint", Some(&*hint))];
    assert_eq!(
        it.silently(&hinted).await.claims["sub"],
        it.first.claims["sub"]
    );
    it.wait(11 * 60);
    assert!(seconds(&it.first, "exp") < it.bridge.clock.now().seconds());
    it.silently(&hinted).await;
    it.silently(&hinted[1..]).await;
});

on_both_engines!(
    a_hint_that_is_not_ours_leads_to_no_silent_answer,
    |engine| {
        let clients = CLIENTS.replacen(
            "client_id = \"portal\"",
            "client_id = \"portal\"\nuserinfo_signed_response_alg = \"RS256\"",
            1,
        );
        let mut it = SignedIn::with(Plan::on(engine).settings(SESSIONS).clients(&clients)).await;
        let genuine = it.first.id_token.clone();
        let (head, claims) = (header(&genuine), payload(&genuine));
        let parts: Vec<&str> = genuine.split('.').collect();
        let longer = with(&claims, &[("exp", json!(i64::from(u32::MAX)))]);
        let altered = unsigned(&longer);
        let altered = altered.split('.').nth(1).unwrap();
        let theirs = payload(&it.hint_for_another_person().await.id_token);
        let signed_userinfo = it.first.userinfo(&it.bridge).await.body;
        assert_eq!(payload(&signed_userinfo)["aud"], "portal");
        for (what, hint) in [
            (
                "HS256 by the client secret",
                by_client_secret(&head, &claims),
            ),
            ("alg none", unsigned(&claims)),
            ("no signature", format!("{}.{}.", parts[0], parts[1])),
            ("altered", format!("{}.{altered}.{}", parts[0], parts[2])),
            (
                "a stranger's key",
                ClientKey::rsa("k").sign_as("RS256", &head, &claims),
            ),
            ("signed userinfo", signed_userinfo),
            ("another person, forged", unsigned(&theirs)),
        ] {
            let hinted = [SILENT, ("id_token_hint", Some(&*hint))];
            assert_eq!(
                it.error("openid", &hinted).await,
                "login_required",
                "{what}"
            );
            it.upstream(&hinted[1..]).await;
        }
    }
);

fn by_client_secret(head: &Value, claims: &Value) -> String {
    let mut forged = JwsHeader::new();
    for name in ["kid", "typ"] {
        forged.set_claim(name, Some(head[name].clone())).unwrap();
    }
    let signer = HS256.signer_from_bytes(CLIENT_SECRET.as_bytes()).unwrap();
    serialize_compact(claims.to_string().as_bytes(), &forged, &signer).unwrap()
}

const TWINS: &str = r#"
[[clients]]
client_id = "twin-a"
client_secret = "a-client-secret-of-the-tests-0123456789"
redirect_uris = ["https://twins.example.sg/a"]

[[clients]]
client_id = "twin-b"
client_secret = "a-client-secret-of-the-tests-0123456789"
redirect_uris = ["https://twins.example.sg/b"]
"#;

#[tokio::test]
async fn a_hint_that_another_client_received_counts_for_nothing() {
    let plan = Plan::on(Engine::Sqlite).settings(SESSIONS).clients(TWINS);
    let bridge = plan.start().await;
    let twin = |id, redirect_uri| App {
        id,
        redirect_uri,
        method: "client_secret_basic",
    };
    let (a, b) = (
        twin("twin-a", "https://twins.example.sg/a"),
        twin("twin-b", "https://twins.example.sg/b"),
    );
    let mut visitor = Visitor::new();
    let of_a = a.log_in_with(&bridge, "openid", &mut visitor).await;
    let of_b = b.log_in_with(&bridge, "openid", &mut visitor).await;
    assert_eq!(of_a.claims["sub"], of_b.claims["sub"], "one sector");
    for (hint, error) in [(&of_a, None), (&of_b, Some("login_required"))] {
        let hint = Some(&*hint.id_token);
        let url = a.changed_url(&bridge, "openid", &[SILENT, ("id_token_hint", hint)]);
        let returned = visitor.walk(&url).await.returned();
        assert_eq!(returned.get("error"), error);
    }
}

on_both_engines!(a_hint_is_answered_for_its_person_only, |engine| {
    let mut it = SignedIn::on(engine).await;
    let theirs = it.hint_for_another_person().await;
    let hint = ("id_token_hint", Some(&*theirs.id_token));
    for persona in ["citizen", "officer"] {
        it.bridge.sgid.persona(persona);
        let upstream = it.upstream(&[hint]).await;
        let returned = it.visitor.walk(&upstream).await.returned();
        assert_eq!(returned.error(), "login_required", "{persona}");
        assert_eq!(returned.get("state"), Some(STATE));
    }
    it.silently(&[SILENT]).await;
    it.bridge.sgid.persona("foreigner");
    let upstream = it.upstream(&[hint]).await;
    let returned = it.visitor.walk(&upstream).await.returned();
    let tokens = PORTAL.tokens(&it.bridge, returned.code()).await;
    assert_eq!(tokens.claims["sub"], theirs.claims["sub"]);
});

#[tokio::test]
async fn a_hint_and_a_claim_that_name_two_people_are_answered_for_neither() {
    let mut it = SignedIn::on(Engine::Sqlite).await;
    let theirs = it.hint_for_another_person().await.id_token;
    let claims = json!({"id_token": {"sub": {"value": it.first.claims["sub"]}}}).to_string();
    for persona in ["citizen", "foreigner"] {
        it.bridge.sgid.persona(persona);
        let url = PORTAL.changed_url(
            &it.bridge,
            "openid",
            &[("id_token_hint", Some(&theirs)), ("claims", Some(&claims))],
        );
        let returned = it.visitor.walk(&url).await.returned();
        assert_eq!(returned.get("code"), None, "{persona}");
        returned.error();
    }
}

#[tokio::test]
async fn a_hint_signed_by_a_key_that_was_withdrawn_counts_for_nothing() {
    let mut it = SignedIn::on(Engine::Sqlite).await;
    let hint = it.first.id_token.clone();
    let hinted = [SILENT, ("id_token_hint", Some(&*hint))];
    it.silently(&hinted).await;
    let bridge = &it.bridge.bridge;
    for key in bridge.keyring().keys() {
        let withdrawn = bridge.store.revoke_signing_key(key.slot(), START).await;
        assert!(withdrawn.unwrap());
    }
    bridge.rotate().await.unwrap();
    assert_eq!(it.error("openid", &hinted).await, "login_required");
    it.silently(&[SILENT]).await;
}
