//! What ends with a session, and what does not. Conformance RL-2, RL-5, SE-10; OpenID Connect RP-Initiated Logout 1.0
//! section 2; OpenID Connect Core section 11.

use std::time::{Duration, Instant};

use sqlx::{Connection as _, PgConnection};

use super::session::COOKIE;
use crate::support::app::{OTHER, PORTAL};
use crate::support::bridge::{Engine, Plan};
use crate::support::signing_out::{
    SESSIONS, SIGNED_OUT, assert_says_signed_out, assert_signed_in, assert_signed_out, bridge,
    clients, logout_url, sign_in, silent,
};
use crate::support::tables::Tables;
use crate::support::visitor::{Returned, Visitor};

on_both_engines!(the_session_of_another_person_is_asked_first, |engine| {
    let bridge = bridge(engine).await;
    let tokens = sign_in(&bridge, PORTAL, &mut Visitor::new()).await;
    bridge.sgid.persona("foreigner");
    let mut visitor = Visitor::new();
    let theirs = sign_in(&bridge, PORTAL, &mut visitor).await;
    assert_ne!(theirs.claims["sub"], tokens.claims["sub"]);
    let parameters = [
        ("id_token_hint", &tokens.id_token[..]),
        ("post_logout_redirect_uri", SIGNED_OUT),
        ("state", "s"),
    ];
    let page = visitor.get(&logout_url(&bridge.base, &parameters)).await;
    assert_eq!((page.status, page.header("location")), (200, None));
    assert_signed_in(&bridge, &mut visitor, "asked first").await;
    let answer = visitor.press(&page, &bridge.base).await;
    assert_eq!(answer.location(), format!("{SIGNED_OUT}?state=s"));
    assert_signed_out(&bridge, &mut visitor, &[&theirs]).await;
    assert_eq!(tokens.userinfo(&bridge).await.status, 200, "not theirs");
});

#[tokio::test]
async fn a_hint_of_an_earlier_session_or_of_another_app_is_asked_about_first() {
    let bridge = bridge(Engine::Sqlite).await;
    let mut visitor = Visitor::new();
    let earlier = sign_in(&bridge, PORTAL, &mut visitor).await;
    let url = logout_url(&bridge.base, &[("id_token_hint", &earlier.id_token)]);
    assert_says_signed_out(&visitor.get(&url).await);
    let elsewhere = sign_in(&bridge, OTHER, &mut Visitor::new()).await;
    let tokens = sign_in(&bridge, PORTAL, &mut visitor).await;
    assert_eq!(tokens.claims["sub"], earlier.claims["sub"]);
    for hint in [&earlier.id_token, &elsewhere.id_token] {
        let url = logout_url(&bridge.base, &[("id_token_hint", hint)]);
        let page = visitor.get(&url).await;
        assert!(page.form().get("confirmation").is_some(), "{}", page.body);
        assert_signed_in(&bridge, &mut visitor, "asked first").await;
        assert_eq!(tokens.userinfo(&bridge).await.status, 200);
    }
}

on_both_engines!(
    codes_that_wait_end_with_the_session_and_those_of_others_do_not,
    |engine| {
        let bridge = bridge(engine).await;
        let (mut visitor, mut elsewhere) = (Visitor::new(), Visitor::new());
        let tokens = sign_in(&bridge, PORTAL, &mut visitor).await;
        let kept = sign_in(&bridge, PORTAL, &mut elsewhere).await;
        let waiting = silent(&bridge, PORTAL, &mut visitor).await;
        let first_login = OTHER.authorization_url(&bridge, "openid");
        let other = visitor.walk(&first_login).await.returned();
        let undisturbed = silent(&bridge, PORTAL, &mut elsewhere).await;

        let url = logout_url(&bridge.base, &[("id_token_hint", &tokens.id_token)]);
        assert_says_signed_out(&visitor.get(&url).await);
        for (app, returned) in [(PORTAL, waiting), (OTHER, other)] {
            let answer = app.redeem(&bridge, returned.code()).await;
            assert_eq!(answer.json()["error"], "invalid_grant", "{}", app.id);
        }
        assert_eq!(kept.userinfo(&bridge).await.status, 200);
        let answer = PORTAL.redeem(&bridge, undisturbed.code()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_signed_in(&bridge, &mut elsewhere, "another browser").await;
    }
);

#[tokio::test]
async fn a_login_during_which_the_session_ends_belongs_to_none() {
    let bridge = bridge(Engine::Postgres).await;
    let mut visitor = Visitor::new();
    sign_in(&bridge, PORTAL, &mut visitor).await;
    let former = visitor.cookies[COOKIE].clone();
    let again = PORTAL.changed_url(&bridge, "openid", &[("prompt", Some("consent"))]);
    let callback = visitor.up_to_callback(&again).await;

    let mut database = PgConnection::connect(&bridge.database_url).await.unwrap();
    for statement in [
        "create temporary table former as select id from session",
        "begin",
        "lock table authorization_code in share mode",
    ] {
        sqlx::query(statement).execute(&mut database).await.unwrap();
    }
    // It has read the session, and stands where its code is to be kept.
    let ending = async {
        until_somebody_waits(&mut database).await;
        for statement in [
            "delete from session where id in (select id from former)",
            "commit",
        ] {
            sqlx::query(statement).execute(&mut database).await.unwrap();
        }
    };
    let (answer, ()) = tokio::join!(visitor.get(&callback), ending);

    let returned = Returned::parse(answer.location());
    let tokens = PORTAL.tokens(&bridge, returned.code()).await;
    assert!(tokens.claims.get("sid").is_none(), "{}", tokens.claims);
    assert_eq!(tokens.userinfo(&bridge).await.status, 200);
    assert_eq!(visitor.cookies[COOKIE], former);
    let mut tables = Tables::open(&bridge.database_url).await;
    assert_eq!(tables.count("session").await, 0, "nothing goes on");
}

async fn until_somebody_waits(database: &mut PgConnection) {
    let waiting = "select exists (select from pg_stat_activity \
                   where datname = current_database() and wait_event_type = 'Lock')";
    let end = Instant::now() + Duration::from_secs(30);
    while !sqlx::query_scalar::<_, bool>(waiting)
        .fetch_one(&mut *database)
        .await
        .unwrap()
    {
        assert!(Instant::now() < end, "the login does not wait");
    }
}

#[tokio::test]
async fn without_sessions_there_is_nothing_to_sign_out_of() {
    let bridge = Plan::on(Engine::Sqlite).clients(&clients()).start().await;
    let tokens = PORTAL.log_in(&bridge, "openid").await;
    let parameters = [
        ("id_token_hint", &tokens.id_token[..]),
        ("post_logout_redirect_uri", SIGNED_OUT),
    ];
    let url = logout_url(&bridge.base, &parameters);
    assert_eq!(Visitor::new().get(&url).await.status, 404);
    for path in ["/logout", "/logout/confirm"] {
        let answer = Visitor::new().post(&bridge.url(path), &parameters).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (404, None),
            "{path}"
        );
    }
}

/// OpenID Connect Core section 11: that is what `offline_access` is for.
#[tokio::test]
async fn a_refresh_token_for_offline_access_outlives_the_session() {
    let scope = "openid offline_access";
    let id = "client_id = \"portal\"";
    let refreshing = format!("{id}\ngrant_types = [\"authorization_code\", \"refresh_token\"]");
    let clients = clients().replacen("scope = \"openid", &format!("scope = \"{scope}"), 1);
    let clients = clients.replacen(id, &refreshing, 1);
    let plan = Plan::on(Engine::Sqlite)
        .clients(&clients)
        .settings(SESSIONS);
    let bridge = plan.start().await;
    let mut visitor = Visitor::new();
    let tokens = PORTAL.log_in_with(&bridge, scope, &mut visitor).await;
    let url = logout_url(&bridge.base, &[("id_token_hint", &tokens.id_token)]);
    assert_says_signed_out(&visitor.get(&url).await);
    assert_signed_out(&bridge, &mut visitor, &[&tokens]).await;
    let token = tokens.response["refresh_token"].as_str().unwrap();
    let form = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
    let answer = PORTAL.send_form(&bridge, form).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_signed_out(&bridge, &mut visitor, &[]).await;
}
