//! Whom we are still to tell of a session's end: kept over restarts, told by one instance at a time, given up at last.

use sgid_bridge::login::Ended;
use sgid_bridge::oidc::client::ClientId;
use sgid_bridge::oidc::subject::SubjectIdentifier;
use sgid_bridge::secret::{MasterKey, randomness};
use sgid_bridge::store::Store;
use tokio::task::JoinSet;

use super::on_both_engines;
use super::place::Place;
use super::values::{A_MINUTE, A_SECOND, NOW};

fn ended(client: &str) -> Ended {
    Ended {
        client_id: ClientId::parse(client).unwrap(),
        subject: SubjectIdentifier::presented("planted-subject"),
        sid: "planted-sid".to_owned(),
    }
}

async fn put(store: &Store, client: &str) {
    let until = NOW.after(A_MINUTE);
    store
        .put_logout_notice(&ended(client), NOW, until)
        .await
        .unwrap();
}

async fn a_notice_is_due_at_once_and_again_when_it_was_put_off(place: &Place) {
    let store = place.store().await;
    put(&store, "portal").await;
    assert_eq!(store.count_logout_notices().await.unwrap(), 1);
    let due = store.due_logout_notices(NOW, 9).await.unwrap();
    assert_eq!((due.len(), due[0].attempts), (1, 0));
    assert_eq!(due[0].ended.client_id.as_str(), "portal");
    assert_eq!(due[0].ended.sid, "planted-sid");

    let later = NOW.after(A_SECOND);
    assert!(store.claim_logout_notice(&due[0], later).await.unwrap());
    assert!(store.due_logout_notices(NOW, 9).await.unwrap().is_empty());
    let again = store.due_logout_notices(later, 9).await.unwrap();
    assert_eq!(again[0].attempts, 1);
    store.remove_logout_notice(&again[0]).await.unwrap();
    assert_eq!(store.count_logout_notices().await.unwrap(), 0);
}

async fn a_notice_that_cannot_be_read_stands_before_nobody(place: &Place) {
    let stranger = MasterKey::generate(&mut randomness());
    let other = place.store_with(stranger, Vec::new()).await;
    put(&other, "other").await;
    let store = place.store().await;
    assert!(store.due_logout_notices(NOW, 1).await.unwrap().is_empty());
    put(&store, "portal").await;
    let due = store.due_logout_notices(NOW, 1).await.unwrap();
    assert_eq!(due[0].ended.client_id.as_str(), "portal");
    let later = NOW.after(A_SECOND);
    store.put_off_logout_notice(&due[0], later).await.unwrap();
    assert!(store.due_logout_notices(NOW, 9).await.unwrap().is_empty());
    let again = store.due_logout_notices(later, 9).await.unwrap();
    assert_eq!((again.len(), again[0].attempts), (1, 0));
}

async fn of_many_instances_one_takes_a_notice_in_hand(place: &Place) {
    let stores = [place.store().await, place.store().await];
    put(&stores[0], "portal").await;
    let notice = stores[1]
        .due_logout_notices(NOW, 1)
        .await
        .unwrap()
        .remove(0);
    let mut attempts = JoinSet::new();
    for number in 0..20 {
        let (store, notice) = (stores[number % 2].clone(), notice.clone());
        let later = NOW.after(A_MINUTE);
        attempts.spawn(async move { store.claim_logout_notice(&notice, later).await.unwrap() });
    }
    let claimed = attempts.join_all().await.into_iter().filter(|it| *it);
    assert_eq!(claimed.count(), 1);
}

async fn a_notice_is_given_up_and_swept(place: &Place) {
    let store = place.store().await;
    put(&store, "portal").await;
    let end = NOW.after(A_MINUTE);
    assert!(store.due_logout_notices(end, 9).await.unwrap().is_empty());
    assert_eq!(store.sweep(end).await.unwrap(), 1);
}

async fn the_table_tells_nothing_of_whom(place: &Place) {
    let store = place.store().await;
    put(&store, "planted-client").await;
    let letters = place.intruder().await.letters("logout_notice").await;
    assert_eq!(letters.len(), 1);
    let letter = String::from_utf8_lossy(&letters[0]).into_owned();
    for planted in ["planted-client", "planted-subject", "planted-sid"] {
        assert!(!letter.contains(planted), "{planted}");
    }
}

on_both_engines! {
    a_notice_is_due_at_once_and_again_when_it_was_put_off,
    a_notice_that_cannot_be_read_stands_before_nobody,
    of_many_instances_one_takes_a_notice_in_hand,
    a_notice_is_given_up_and_swept,
    the_table_tells_nothing_of_whom,
}
