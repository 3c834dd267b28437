//! What needs neither browser nor server.

use serde_json::{Value, json};

use super::provider::{key, published, sign};
use crate::playground::{
    id_token::{Expected, Inspection, half_hash},
    login::challenge,
    person::{self, Shown},
    provider::basic,
    words,
};

#[test]
fn an_unsigned_token_or_one_signed_with_a_public_key_as_secret_is_refused() {
    let key = key("RS256");
    let keys = published(&key);
    let expected = Expected {
        issuer: "i",
        client_id: "c",
        nonce: "n",
        access_token: "a",
        now: 1000,
    };
    let good = sign(
        &json!({ "iss": "i", "aud": ["c"], "nonce": "n", "sub": "s", "exp": 1600, "iat": 1000 }),
        "RS256",
        &key,
    );
    assert_eq!(
        Inspection::of(&good, &keys, &expected).first_failure(),
        None
    );
    let payload = good.split('.').nth(1).unwrap_or_default();
    for header in ["eyJhbGciOiJub25lIn0", "eyJhbGciOiJIUzI1NiJ9"] {
        let forged = Inspection::of(&format!("{header}.{payload}."), &keys, &expected);
        assert_eq!(
            forged.first_failure().map(|(what, _)| what),
            Some("Signature")
        );
    }
    for nonsense in ["", "...", "a.b.c", &"é".repeat(9)] {
        assert!(
            Inspection::of(nonsense, &keys, &expected)
                .first_failure()
                .is_some()
        );
    }
}

#[test]
fn several_audiences_need_to_say_which_one_it_is_for() {
    let key = key("ES256");
    let expected = Expected {
        issuer: "i",
        client_id: "c",
        nonce: "n",
        access_token: "a",
        now: 1000,
    };
    let mut claims = json!({ "iss": "i", "aud": ["c", "d"], "nonce": "n", "sub": "s", "exp": 1600, "iat": 1000 });
    let verdict = |claims: &Value| {
        let token = sign(claims, "ES256", &key);
        Inspection::of(&token, &published(&key), &expected)
            .first_failure()
            .is_none()
    };
    assert!(!verdict(&claims));
    claims["azp"] = json!("c");
    assert!(verdict(&claims));
    claims["azp"] = json!("d");
    assert!(!verdict(&claims));
}

#[test]
fn the_standards_own_examples_come_out_right() {
    // RFC 7636 appendix B; OpenID Connect Core appendix A.3; RFC 6749 section 2.3.1 with awkward characters.
    assert_eq!(
        challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
        "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    );
    assert_eq!(
        half_hash(Some("RS256"), "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"),
        "77QmUPtjPfzWtF2AnpK9RQ"
    );
    assert_eq!(basic("a:b", "c d"), "Basic YSUzQWI6Yytk");
}

#[test]
fn claims_are_laid_out_for_people() {
    let claims = json!({
        "iss": "hidden", "sub": "hidden", "zeta": 1, "name": "A", "email_verified": false, "myinfo.vehicles": [],
        "address": { "street_address": "1 ROAD", "country": "SINGAPORE", "postal_code": "000001" },
        "myinfo.children_birth_records": [{ "name": "B" }, { "life_status": "ALIVE" }],
    });
    let facts = person::facts(claims.as_object().expect("an object"));
    let found = |claim: &str| {
        facts
            .iter()
            .find(|fact| fact.claim == claim)
            .expect("it is there")
    };
    let lines = |lines: &[&str]| Shown::Lines(lines.iter().map(|&line| line.to_owned()).collect());
    assert_eq!(facts[0].label, "Name");
    assert_eq!(facts.len(), 6);
    assert_eq!(found("email_verified").shown, lines(&["no"]));
    assert_eq!(found("myinfo.vehicles").shown, lines(&["none"]));
    assert_eq!(
        found("address").shown,
        lines(&["1 ROAD", "SINGAPORE 000001"])
    );
    let records = found("myinfo.children_birth_records");
    assert_eq!(records.label, "Children birth records");
    let Shown::Table { columns, rows } = &records.shown else {
        unreachable!("objects make a table")
    };
    assert_eq!(columns, &["Name", "Life status"]);
    assert_eq!(rows, &[["B", ""], ["", "ALIVE"]]);
}

#[test]
fn every_known_scope_and_error_has_its_own_words() {
    let unknown = (words::scope("x.y"), words::error("x"));
    for scope in [
        "openid",
        "profile",
        "myinfo.nationality",
        "pocdex.public_officer_details",
    ] {
        assert_ne!(words::scope(scope), unknown.0);
    }
    assert_ne!(words::error("invalid_grant"), unknown.1);
}
