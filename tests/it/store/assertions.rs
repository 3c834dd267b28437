//! A client assertion is accepted once, on whichever instance, whatever its master key.

use serde_json::json;
use sgid_bridge::oidc::assertion::ClientAssertion;
use sgid_bridge::oidc::issuer::Issuer;
use sgid_bridge::secret::{MasterKey, randomness};
use tokio::task::JoinSet;

use super::on_both_engines;
use super::place::Place;
use super::values::NOW;

fn assertion(client: &str, jti: &str) -> ClientAssertion {
    let claims = json!({
        "iss": client, "sub": client, "aud": "https://login.example.sg",
        "exp": NOW.seconds() + 60, "jti": jti,
    });
    let issuer = Issuer::parse("https://login.example.sg").unwrap();
    ClientAssertion::check(claims.as_object().unwrap(), &issuer, NOW.seconds()).unwrap()
}

async fn of_many_presentations_at_once_one_is_accepted(place: &Place) {
    let other_key = MasterKey::generate(&mut randomness());
    let stores = [
        place.store().await,
        place
            .store_with(other_key, vec![place.master_key.clone()])
            .await,
    ];
    let mut attempts = JoinSet::new();
    for number in 0..40 {
        let store = stores[number % 2].clone();
        attempts.spawn(async move { store.use_assertion(&assertion("portal", "one")).await });
    }
    let outcomes = attempts.join_all().await;
    let accepted = outcomes.into_iter().map(Result::unwrap).filter(|it| *it);
    assert_eq!(accepted.count(), 1);
}

async fn identifiers_are_each_clients_own(place: &Place) {
    let store = place.store().await;
    for (client, jti) in [("portal", "one"), ("other", "one"), ("portal", "two")] {
        assert!(store.use_assertion(&assertion(client, jti)).await.unwrap());
    }
}

async fn an_identifier_is_forgotten_once_its_assertion_has_expired(place: &Place) {
    let store = place.store().await;
    let one = assertion("portal", "one");
    assert!(store.use_assertion(&one).await.unwrap());
    let expiry = sgid_bridge::clock::Timestamp::from_seconds(one.expires_at());
    store
        .sweep(expiry.before(std::time::Duration::from_secs(1)))
        .await
        .unwrap();
    assert!(!store.use_assertion(&one).await.unwrap());
    assert_eq!(store.sweep(expiry).await.unwrap(), 1);
}

on_both_engines! {
    of_many_presentations_at_once_one_is_accepted,
    identifiers_are_each_clients_own,
    an_identifier_is_forgotten_once_its_assertion_has_expired,
}
