//! Our signing keys follow one another without a gap. Security requirements KY-2, KY-3; OpenID Connect Core 10.1.1.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::support::app::{NONCE, PORTAL, Tokens, header};
use crate::support::bridge::{Plan, TestBridge};
use crate::support::visitor::Visitor;

const DAY: Duration = Duration::from_hours(24);

/// Names of the published keys of one algorithm.
async fn published(base: &str, algorithm: &str) -> BTreeSet<String> {
    let jwks: Value = Visitor::new().get(&format!("{base}/jwks")).await.json();
    let keys = jwks["keys"].as_array().unwrap().iter();
    keys.filter(|key| key["alg"] == algorithm)
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

fn signer(tokens: &Tokens) -> String {
    header(&tokens.id_token)["kid"].as_str().unwrap().to_owned()
}

/// Moves on as the background work does: in steps, with a look at the keys after each.
async fn live_for(bridge: &TestBridge, span: Duration) {
    bridge.advance(span);
    bridge.bridge.rotate().await.unwrap();
    bridge.bridge.sweep().await.unwrap();
}

on_both_engines!(
    a_key_is_published_long_before_it_signs_and_until_its_last_token_has_expired,
    |engine| {
        let bridge = Plan::on(engine)
            .algorithms(r#"["ES256"]"#)
            .clients(&es256())
            .start()
            .await;
        let before = published(&bridge.base, "ES256").await;
        let first = PORTAL.log_in(&bridge, "openid").await;
        assert!(before.contains(&signer(&first)));
        assert_eq!(before.len(), 2, "the next key is known from the beginning");

        live_for(&bridge, Duration::from_secs(30 * 24 * 3_600 - 1)).await;
        let last = PORTAL.log_in(&bridge, "openid").await;
        assert_eq!(signer(&last), signer(&first));
        live_for(&bridge, Duration::from_secs(1)).await;
        let next = PORTAL.log_in(&bridge, "openid").await;
        assert_ne!(signer(&next), signer(&first));
        assert!(
            before.contains(&signer(&next)),
            "relying parties knew it for thirty days"
        );

        live_for(&bridge, Duration::from_secs(500)).await;
        PORTAL.verify(&bridge, &last.id_token, Some(NONCE)).await;
        live_for(&bridge, Duration::from_secs(100)).await;
        let after = published(&bridge.base, "ES256").await;
        assert!(
            !after.contains(&signer(&first)),
            "its last token has expired"
        );
        assert!(after.contains(&signer(&next)) && after.len() == 2);
    }
);

fn es256() -> String {
    let algorithm = "client_id = \"portal\"\nid_token_signed_response_alg = \"ES256\"";
    let clients = crate::support::bridge::CLIENTS.replacen("client_id = \"portal\"", algorithm, 1);
    let others = clients.find("[[clients]]\nclient_id = \"other\"").unwrap();
    clients[..others].to_owned()
}

on_both_engines!(many_rotations_leave_few_keys_and_no_gap, |engine| {
    let bridge = Plan::on(engine)
        .algorithms(r#"["ES256"]"#)
        .clients(&es256())
        .start()
        .await;
    let mut signers = BTreeSet::new();
    for _ in 0..8 {
        let known = published(&bridge.base, "ES256").await;
        live_for(&bridge, 15 * DAY).await;
        let tokens = PORTAL.log_in(&bridge, "openid").await;
        assert!(known.contains(&signer(&tokens)), "it was published before");
        signers.insert(signer(&tokens));
        assert!(published(&bridge.base, "ES256").await.len() <= 3);
    }
    assert_eq!(signers.len(), 5, "one each thirty days");
    assert!(
        bridge.bridge.store.signing_keys().await.unwrap().len() <= 3,
        "old ones are forgotten"
    );
});

on_both_engines!(
    replicas_that_rotate_at_once_agree_on_the_new_key,
    |engine| {
        let bridge = Plan::on(engine)
            .algorithms(r#"["ES256"]"#)
            .clients(&es256())
            .start()
            .await;
        let replica = bridge.replica().await;
        for _ in 0..4 {
            bridge.advance(30 * DAY);
            let (ours, theirs) = tokio::join!(bridge.bridge.rotate(), replica.bridge.rotate());
            ours.unwrap();
            theirs.unwrap();
            // Whoever looked first may have missed the other's entry; the next look agrees.
            bridge.bridge.rotate().await.unwrap();
            replica.bridge.rotate().await.unwrap();
            let ours = published(&bridge.base, "ES256").await;
            assert_eq!(ours, published(&replica.base, "ES256").await);
            let slots: Vec<_> = bridge
                .bridge
                .keyring()
                .keys()
                .iter()
                .map(|key| key.slot().to_string())
                .collect();
            let distinct: BTreeSet<_> = slots.iter().collect();
            assert_eq!(slots.len(), distinct.len());
            let tokens = PORTAL.log_in(&bridge, "openid").await;
            assert!(ours.contains(&signer(&tokens)));
        }
    }
);

on_both_engines!(
    a_bridge_that_slept_through_a_rotation_signs_with_the_key_that_was_announced,
    |engine| {
        let bridge = Plan::on(engine)
            .algorithms(r#"["ES256"]"#)
            .clients(&es256())
            .start()
            .await;
        let known = published(&bridge.base, "ES256").await;
        bridge.advance(45 * DAY);
        let tokens = PORTAL.log_in(&bridge, "openid").await;
        assert!(known.contains(&signer(&tokens)));
        PORTAL.verify(&bridge, &tokens.id_token, Some(NONCE)).await;
    }
);
