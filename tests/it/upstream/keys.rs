//! sgID's keys and ours at sgID, while they change. UP-7; fact sheet section 2.2.

use std::time::Duration;

use sgid_bridge::simulator::{Misbehaviour as M, generate_client_key};

use super::judge::{ALL_CLAIMS, SCOPE, UNTRUSTED, judge};
use crate::support::app::PORTAL;
use crate::support::bridge::{Engine, Plan, TestBridge};
use crate::support::process::temporary_folder;
use crate::support::visitor::Visitor;

const AN_HOUR_AND_A_BIT: Duration = Duration::from_mins(61);
const COOLDOWN: Duration = Duration::from_mins(1);

/// `None` where the login brought a code.
async fn error(bridge: &TestBridge) -> Option<String> {
    let url = PORTAL.authorization_url(bridge, SCOPE);
    let returned = Visitor::new().walk(&url).await.returned();
    returned.get("error").map(str::to_owned)
}

#[tokio::test]
async fn a_rotation_at_sgid_is_followed_with_one_question_and_then_a_minute_of_quiet() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    assert_eq!(error(&bridge).await, None);
    assert_eq!(bridge.sgid.requests().jwks, 1);
    bridge.advance(COOLDOWN);
    bridge.sgid.rotate_signing_key();
    for _ in 0..3 {
        assert_eq!(error(&bridge).await, None);
        assert_eq!(bridge.sgid.requests().jwks, 2);
    }

    // Once more within the minute: nobody is believed, and nobody is asked.
    bridge.sgid.rotate_signing_key();
    for _ in 0..3 {
        assert_eq!(error(&bridge).await.as_deref(), Some("server_error"));
        assert_eq!(bridge.sgid.requests().jwks, 2);
    }
    bridge.advance(Duration::from_secs(59));
    assert_eq!(error(&bridge).await.as_deref(), Some("server_error"));
    assert_eq!(bridge.sgid.requests().jwks, 2);
    bridge.advance(Duration::from_secs(1));
    assert_eq!(error(&bridge).await, None);
    assert_eq!(bridge.sgid.requests().jwks, 3);
}

#[tokio::test]
async fn unknown_keys_make_nobody_ask_more_than_once_a_minute() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    assert_eq!(error(&bridge).await, None);
    for minute in 0..3 {
        bridge.advance(COOLDOWN);
        for misbehaviour in [
            M::IdTokenUnknownKid,
            M::IdTokenWrongSignature,
            M::IdTokenUnknownKid,
        ] {
            bridge.sgid.behave(misbehaviour);
            assert_eq!(error(&bridge).await.as_deref(), Some("server_error"));
            assert_eq!(bridge.sgid.requests().jwks, 2 + minute);
        }
    }
}

#[tokio::test]
async fn known_keys_are_asked_for_again_after_an_hour() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    for hour in 1..4 {
        assert_eq!(error(&bridge).await, None);
        assert_eq!(error(&bridge).await, None);
        assert_eq!(bridge.sgid.requests().jwks, hour);
        bridge.advance(AN_HOUR_AND_A_BIT);
    }
}

#[tokio::test]
async fn a_broken_answer_does_not_erase_a_good_set() {
    let bridge = Plan::on(Engine::Sqlite)
        .upstream_settings("timeout = \"1s\"")
        .start()
        .await;
    assert_eq!(judge(&bridge, M::None, ALL_CLAIMS).await, Ok(()));
    // All but the one that also signs with another key.
    for &broken in M::ALL
        .iter()
        .filter(|one| one.group() == "Keys" && **one != M::JwksWeakKey)
    {
        bridge.advance(AN_HOUR_AND_A_BIT);
        let before = bridge.sgid.requests().jwks;
        // Twice: a set that could not be refreshed is no reason to ask in every login.
        for _ in 0..2 {
            assert_eq!(
                judge(&bridge, broken, ALL_CLAIMS).await,
                Ok(()),
                "{broken:?}"
            );
        }
        // `send` may try once more where no connection came about.
        let asked = bridge.sgid.requests().jwks - before;
        assert!((1..=2).contains(&asked), "{broken:?}: asked {asked} times");
    }
    assert_eq!(judge(&bridge, M::JwksWeakKey, UNTRUSTED).await, Ok(()));
    assert_eq!(judge(&bridge, M::None, ALL_CLAIMS).await, Ok(()));
}

#[tokio::test]
async fn both_private_keys_open_while_ours_at_sgid_changes() {
    let folder = temporary_folder("keys");
    let (next_key, next_public_key) = generate_client_key();
    let file = folder.path().join("next.pem");
    std::fs::write(&file, next_key).unwrap();
    let settings = format!("private_key_files = ['{}']", file.display());
    // The portal gives out the new key before or after we have taken it up.
    for plan in [
        Plan::on(Engine::Sqlite).upstream_settings(&settings),
        Plan::on(Engine::Sqlite)
            .upstream_settings(&settings)
            .key_at_sgid(&next_public_key),
    ] {
        let bridge = plan.start().await;
        for form in [M::None, M::BlockKeyRsaOaepSha1, M::BlockKeyCbc] {
            assert_eq!(judge(&bridge, form, ALL_CLAIMS).await, Ok(()), "{form:?}");
        }
        assert_eq!(
            judge(&bridge, M::BlockKeyForOtherRsaKey, UNTRUSTED).await,
            Ok(())
        );
    }
}
