//! One code yields tokens at most once. Security requirements TK-2, TK-3; RFC 6749 section 4.1.2.

use std::time::Duration;

use futures_util::future::join_all;

use crate::support::app::{App, OTHER, PORTAL, SPA, VERIFIER};
use crate::support::bridge::{Plan, TestBridge};
use crate::support::visitor::{Answer, Visitor};

async fn userinfo(bridge: &TestBridge, access_token: &str) -> Answer {
    let bearer = format!("Bearer {access_token}");
    let headers = [("authorization", bearer.as_str())];
    Visitor::new()
        .send(
            reqwest::Method::GET,
            &bridge.url("/userinfo"),
            &headers,
            None,
        )
        .await
}

fn access_token(answer: &Answer) -> String {
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

fn assert_invalid_grant(answer: &Answer, what: &str) {
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (400, &"invalid_grant".into()),
        "{what}: {}",
        answer.body
    );
    assert!(answer.json().get("access_token").is_none(), "{what}");
}

on_both_engines!(
    a_code_is_redeemed_once_and_its_replay_ends_what_it_granted,
    |engine| {
        let bridge = Plan::on(engine).start().await;
        for (app, wait) in [(PORTAL, 0), (OTHER, 30), (SPA, 0)] {
            let code = app.code(&bridge, "openid").await;
            let first = app.redeem(&bridge, &code).await;
            let token = access_token(&first);
            assert_eq!(userinfo(&bridge, &token).await.status, 200);
            bridge.advance(Duration::from_secs(wait));
            assert_invalid_grant(&app.redeem(&bridge, &code).await, app.id);
            assert_eq!(userinfo(&bridge, &token).await.status, 401, "{}", app.id);
            assert_invalid_grant(&app.redeem(&bridge, &code).await, "and it stays spent");
        }
    }
);

on_both_engines!(only_an_otherwise_valid_replay_revokes, |engine| {
    let bridge = Plan::on(engine).start().await;
    let code = PORTAL.code(&bridge, "openid").await;
    let token = access_token(&PORTAL.redeem(&bridge, &code).await);

    // Whoever merely saw the code in a log can end nothing.
    assert_invalid_grant(&OTHER.redeem(&bridge, &code).await, "another client");
    assert_invalid_grant(&SPA.redeem(&bridge, &code).await, "a public client");
    let impostor = App {
        method: "client_secret_post",
        ..PORTAL
    };
    assert_eq!(impostor.redeem(&bridge, &code).await.status, 401);
    for name in ["code_verifier", "redirect_uri"] {
        let mut form = PORTAL.form(&code);
        form.retain(|(own, _)| *own != name);
        assert_invalid_grant(&PORTAL.send_form(&bridge, form).await, name);
    }
    assert_eq!(
        userinfo(&bridge, &token).await.status,
        200,
        "nothing was revoked by all that"
    );

    assert_invalid_grant(&PORTAL.redeem(&bridge, &code).await, "the real replay");
    assert_eq!(userinfo(&bridge, &token).await.status, 401);
});

on_both_engines!(of_200_simultaneous_redemptions_one_succeeds, |engine| {
    let bridge = Plan::on(engine).start().await;
    let code = PORTAL.code(&bridge, "openid").await;
    let answers = join_all((0..200).map(|_| PORTAL.redeem(&bridge, &code))).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!(won.len(), 1);
    for answer in lost {
        assert_invalid_grant(answer, "lost the race");
    }
    let token = access_token(won[0]);
    assert_eq!(
        userinfo(&bridge, &token).await.status,
        401,
        "199 replays ended what it granted"
    );
});

on_both_engines!(two_replicas_do_not_both_redeem_a_code, |engine| {
    let bridge = Plan::on(engine).start().await;
    let replica = bridge.replica().await;
    for _ in 0..5 {
        let code = SPA.code(&bridge, "openid").await;
        let attempts = (0..8).map(|number| {
            let base = if number % 2 == 0 {
                &bridge.base
            } else {
                &replica.base
            };
            let mut form = SPA.form(&code);
            form.push(("client_id", "spa"));
            async move { Visitor::new().post(&format!("{base}/token"), &form).await }
        });
        let answers = join_all(attempts).await;
        assert_eq!(
            answers.iter().filter(|answer| answer.status == 200).count(),
            1
        );
        assert!(
            answers
                .iter()
                .all(|answer| [200, 400].contains(&answer.status))
        );
    }
    assert!(replica.bridge.store.ping().await.is_ok());
});

on_both_engines!(
    a_spent_code_stays_spent_through_sweeps_for_as_long_as_it_could_live,
    |engine| {
        let bridge = Plan::on(engine).start().await;
        let code = PORTAL.code(&bridge, "openid").await;
        let token = access_token(&PORTAL.redeem(&bridge, &code).await);
        for _ in 0..12 {
            bridge.advance(Duration::from_secs(5));
            bridge.bridge.sweep().await.unwrap();
            let mut form = PORTAL.form(&code);
            form.retain(|(name, _)| *name != "code_verifier");
            assert_invalid_grant(&PORTAL.send_form(&bridge, form).await, VERIFIER);
        }
        assert_eq!(userinfo(&bridge, &token).await.status, 200);
        assert_invalid_grant(&PORTAL.redeem(&bridge, &code).await, "long after");
    }
);
