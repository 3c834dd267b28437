//! The audit records that the visits must have left. DA-5.

use serde_json::Value;

use super::records::audit;
use super::visits::Visits;

/// The relying parties of the configuration.
const CLIENTS: [&str; 4] = ["portal", "spa", "bank", "sealed"];

/// Who did what, for each that DA-5 names.
pub(super) fn check_audit(log: &str, visits: &Visits) {
    let records = audit(log);
    let find = |event: &str, outcome: Option<&str>| -> Vec<&Value> {
        let found: Vec<&Value> = records
            .iter()
            .filter(|it| {
                it["event"] == event && outcome.is_none_or(|outcome| it["outcome"] == outcome)
            })
            .collect();
        assert!(!found.is_empty(), "no record of {event} {outcome:?}");
        found
    };
    let requests: Vec<Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|record| record["message"] == "request")
        .map(|record| record["request.id"].clone())
        .collect();
    for (event, outcome, names_person) in [
        ("login", "granted", true),
        ("login", "failed", false),
        ("token", "issued", true),
        ("token", "replayed", true),
        ("refresh", "issued", true),
        ("refresh", "reused", true),
    ] {
        for record in find(event, Some(outcome)) {
            let client = record["client.id"].as_str().unwrap();
            let is_registered = visits.registered.iter().any(|id| id == client);
            assert!(CLIENTS.contains(&client) || is_registered, "{record}");
            assert!(
                requests.contains(&record["request.id"]),
                "no such request: {record}"
            );
            let subject = record["subject"].as_str();
            assert_eq!(
                subject.is_some_and(|it| !it.is_empty()),
                names_person,
                "{record}"
            );
        }
    }
    // The person is named as the client knows them, and only so.
    for subject in &visits.subjects {
        for event in ["login", "token"] {
            let named = find(event, None);
            assert!(
                named.iter().any(|it| it["subject"] == **subject),
                "{event} of {subject}"
            );
        }
    }
    for event in ["client.added", "client.updated", "client.secret_rotated"] {
        assert!(
            find(event, None)
                .iter()
                .any(|it| it["client.id"] == "by-command"),
            "{event}"
        );
    }
    let removed = find("client.removed", None);
    assert!(removed.iter().any(|it| it["client.id"] == "short-lived"));
    assert!(find("key.created", None)[0]["key.algorithm"].is_string());
    check_later(&find, &requests, visits);
    find("key.rotated", None);
    assert!(find("key.revoked", None)[0]["key.kid"].is_string());
}

/// The same for sessions, what is given back, what relying parties are told, and registration.
fn check_later<'a>(
    find: &impl Fn(&str, Option<&str>) -> Vec<&'a Value>,
    requests: &[Value],
    visits: &Visits,
) {
    let by = |way: &str| {
        let logins = find("login", Some("granted"));
        let is_found = logins.iter().any(|it| it["by"] == way);
        assert!(is_found, "nobody was found by {way}");
    };
    by("sgID");
    by("session");
    for record in find("revocation", None) {
        let client = record["client.id"].as_str().unwrap();
        assert!(CLIENTS.contains(&client), "{record}");
        assert!(requests.contains(&record["request.id"]), "{record}");
    }
    for client in ["portal", "bank"] {
        let refused = find("client_authentication", Some("refused"));
        let is_theirs = |it: &&&Value| it["client.id"] == client;
        let record = refused.iter().find(is_theirs).unwrap();
        assert!(requests.contains(&record["request.id"]), "{record}");
    }
    for record in find("session.ended", None) {
        assert!(record["clients"].as_u64().unwrap() > 0, "{record}");
    }
    for (outcome, client) in [
        ("delivered", "portal"),
        ("failed", "portal"),
        ("failed", "sealed"),
    ] {
        let told = find("logout_token", Some(outcome));
        let is_told = told.iter().any(|it| it["client.id"] == client);
        assert!(is_told, "{client}: {outcome}");
    }
    let registered = find("client.registered", None);
    for id in &visits.registered {
        let record = registered.iter().find(|it| it["client.id"] == **id);
        let record = record.unwrap_or_else(|| panic!("no record of {id}"));
        assert!(requests.contains(&record["request.id"]), "{record}");
    }
    for event in ["client.updated", "client.removed"] {
        let records = find(event, None);
        let is_ours = |it: &&&Value| it["client.id"] == *visits.registered[0];
        let record = records.iter().find(is_ours).unwrap();
        assert!(requests.contains(&record["request.id"]), "{record}");
    }
}
