//! A whole login, and what it gives to whom.

use serde_json::json;

use crate::support::app::{NONCE, OTHER, PORTAL, SPA, header};
use crate::support::bridge::Plan;

on_both_engines!(a_login_gives_plain_claims_in_both_places, |engine| {
    let bridge = Plan::on(engine).start().await;
    let tokens = PORTAL
        .log_in(&bridge, "openid profile email phone address")
        .await;
    assert_eq!(header(&tokens.id_token)["alg"], "RS256");
    assert_eq!(tokens.claims["nonce"], NONCE);
    assert_eq!(tokens.claims["birthdate"], "1990-02-03");
    assert_eq!(tokens.claims["email_verified"], false);
    assert_eq!(tokens.claims["address"]["country"], "SINGAPORE");
    assert_eq!(tokens.response["token_type"], "Bearer");
    let userinfo = tokens.userinfo(&bridge).await.json();
    for claim in [
        "sub",
        "name",
        "birthdate",
        "gender",
        "email",
        "phone_number",
        "address",
    ] {
        assert_eq!(userinfo[claim], tokens.claims[claim], "{claim}");
        assert_ne!(userinfo[claim], json!(null), "{claim}");
    }
});

on_both_engines!(a_person_is_another_one_in_every_sector, |engine| {
    let bridge = Plan::on(engine).start().await;
    let first = PORTAL.log_in(&bridge, "openid").await.claims["sub"].clone();
    let again = PORTAL.log_in(&bridge, "openid").await.claims["sub"].clone();
    let other = OTHER.log_in(&bridge, "openid").await.claims["sub"].clone();
    let spa = SPA.log_in(&bridge, "openid").await.claims["sub"].clone();
    assert_eq!(first, again);
    assert!(first != other && first != spa && other != spa);
});
