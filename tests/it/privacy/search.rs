//! The search itself, on the program as operators run it. DA-1, DA-4, DA-5, DA-6, HT-2.

use std::path::Path;

use serde_json::Value;
use sgid_bridge::config::Config;

use super::deployment::{Deployment, Format};
use super::records::{audit, faults_of_json, faults_of_text};
use super::scanner::{Scanner, identity_numbers, secrets_of_anybody};
use super::visits::{APPS, FORGED, NONCE, STATE, Visits};
use crate::support::app::PORTAL;
use crate::support::bridge::Engine;
use crate::support::tables::Tables;
use crate::support::visitor::Visitor;

#[tokio::test]
async fn nothing_of_anybody_is_found_on_sqlite_with_a_json_log() {
    let log = search(Engine::Sqlite, Format::Json).await;
    assert_eq!(faults_of_json(&log), [""; 0]);
}

#[tokio::test]
async fn nothing_of_anybody_is_found_on_postgres_with_a_text_log() {
    let log = search(Engine::Postgres, Format::Text).await;
    assert_eq!(faults_of_text(&log), [""; 0]);
}

/// Everything happens, everything is searched; the log is handed over.
async fn search(engine: Engine, format: Format) -> String {
    let deployment = Deployment::start(engine, format).await;
    let mut visits = Visits::planted(&deployment).await;
    let mut spent = None;
    for persona in [
        "citizen",
        "foreigner",
        "officer",
        "non-ascii",
        "birth-month",
    ] {
        for app in APPS {
            let brought = visits.log_in(&deployment, app, persona).await;
            spent = spent.or(Some(brought));
        }
    }
    visits.be_lied_to(&deployment).await;
    visits.be_wrong(&deployment, &spent.unwrap()).await;
    visits.forge(&deployment).await;
    let commands = run_commands(&deployment, &mut visits.everywhere).await;
    // Some wait at sgID, and a code waits to be redeemed, while the tables are searched.
    visits.log_in(&deployment, PORTAL, "officer").await;
    visits.code(&deployment, PORTAL, "citizen").await;

    let mut leaks = Vec::new();
    leaks.extend(search_tables(&deployment, &visits).await);
    leaks.extend(search_management(&deployment, &visits).await);
    leaks.extend(search_urls(&deployment, &visits));
    for refusal in &visits.refusals {
        leaks.extend(leaks_in_text(&visits, "a refusal", refusal));
        if refusal.contains("<script") {
            leaks.push(format!("reflected: {refusal}"));
        }
    }
    assert!(visits.refusals.len() > 100 && visits.everywhere.len() > 200);
    let log = format!("{}{commands}", deployment.stop().await);
    for line in log.lines() {
        leaks.extend(leaks_in_text(&visits, "the log", line));
    }
    if log.contains(FORGED) {
        let line = log.lines().find(|line| line.contains(FORGED)).unwrap();
        leaks.push(format!("a stranger's words are logged: {line}"));
    }
    leaks.sort();
    leaks.dedup();
    assert!(
        leaks.is_empty(),
        "{} leaks:\n{}",
        leaks.len(),
        leaks.join("\n")
    );
    assert!(
        log.lines().count() > 500,
        "the log is not as talkative as it can be:\n{log}"
    );
    if format == Format::Json {
        check_audit(&log, &visits);
    }
    // Had it been there, it would have been found.
    for value in [STATE, NONCE] {
        assert!(!leaks_in_text(&visits, "here", &format!("a line with {value}")).is_empty());
    }
    log
}

fn leaks_in_text(visits: &Visits, place: &str, text: &str) -> Vec<String> {
    let mut leaks = visits.everywhere.leaks(place, text.as_bytes());
    leaks.extend(visits.but_in_urls.leaks(place, text.as_bytes()));
    leaks.extend(
        identity_numbers(text.as_bytes())
            .into_iter()
            .map(|found| format!("{place}: {found}")),
    );
    leaks.extend(
        secrets_of_anybody(text)
            .into_iter()
            .map(|found| format!("{place}: {found}")),
    );
    leaks
}

async fn search_tables(deployment: &Deployment, visits: &Visits) -> Vec<String> {
    let mut tables = Tables::open(&deployment.database_url).await;
    for table in [
        "login",
        "authorization_code",
        "access_token",
        "signing_key",
        "client",
    ] {
        assert!(tables.count(table).await > 0, "{table} is empty");
    }
    let mut kept = tables.everything().await;
    if let Some(folder) = &deployment.database_folder {
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            kept.push((path.display().to_string(), std::fs::read(path).unwrap()));
        }
    }
    let mut leaks = Vec::new();
    for (place, content) in kept {
        leaks.extend(visits.everywhere.leaks(&place, &content));
        leaks.extend(visits.but_in_urls.leaks(&place, &content));
        leaks.extend(
            identity_numbers(&content)
                .into_iter()
                .map(|found| format!("{place}: {found}")),
        );
    }
    leaks
}

async fn search_management(deployment: &Deployment, visits: &Visits) -> Vec<String> {
    let mut leaks = Vec::new();
    for path in ["/metrics", "/health/live", "/health/ready", "/nothing-here"] {
        let answer = Visitor::new()
            .get(&format!("{}{path}", deployment.management))
            .await;
        leaks.extend(leaks_in_text(visits, path, &answer.body));
        if answer.body.contains(FORGED) {
            leaks.push(format!("{path} says what a stranger sent"));
        }
        if path == "/metrics" {
            assert!(
                answer.body.contains("http_requests_total"),
                "{}",
                answer.body
            );
            // Bounded, whatever paths and methods were sent.
            assert!(answer.body.lines().count() < 400, "{}", answer.body);
        }
    }
    leaks
}

fn search_urls(deployment: &Deployment, visits: &Visits) -> Vec<String> {
    let mut leaks = Vec::new();
    assert!(visits.urls.len() > 200);
    for url in &visits.urls {
        if url.starts_with(&deployment.sgid_issuer) {
            // Unrelated to the relying party's values.
            for value in [STATE, "portal"] {
                if url.contains(value) {
                    leaks.push(format!("sgID hears {value:?}: {url}"));
                }
            }
        } else {
            assert!(
                url.starts_with("https://portal.example.sg/callback?")
                    || url.starts_with("https://spa.example.sg/callback?"),
                "{url}"
            );
            for ours in ["ls_", "lc_", "at_", "SIMULATED", FORGED] {
                if url.contains(ours) {
                    leaks.push(format!("a relying party hears {ours:?}: {url}"));
                }
            }
        }
        leaks.extend(visits.everywhere.leaks("a URL", url.as_bytes()));
    }
    leaks
}

/// Changes of clients and keys by command: their logs. New secrets are told on standard output, once.
async fn run_commands(deployment: &Deployment, scanner: &mut Scanner) -> String {
    let mut logs = String::new();
    let add = [
        "client",
        "add",
        "by-command",
        "--redirect-uri",
        "https://by.example.sg/callback",
        "--json",
    ];
    let rotate = ["client", "rotate-secret", "by-command", "--json"];
    for arguments in [&add[..], &rotate[..]] {
        let (told, log) = deployment.command(arguments).await;
        let told: Value = serde_json::from_str(&told).unwrap();
        // Only a hash of 256 random bits is kept.
        scanner.plant(
            "a client's secret",
            told["client_secret"].as_str().unwrap().as_bytes(),
        );
        logs += &log;
    }
    for arguments in [
        &[
            "client",
            "update",
            "by-command",
            "--client-name",
            "By Command",
        ][..],
        &["client", "show", "by-command"],
        &["client", "list"],
        &["keys", "rotate", "--now", "--algorithm", "ES256"],
    ] {
        let (told, log) = deployment.command(arguments).await;
        assert!(
            secrets_of_anybody(&told).is_empty(),
            "{arguments:?} tells {told}"
        );
        logs += &log;
    }
    let (keys, log) = deployment.command(&["keys", "list", "--json"]).await;
    logs += &log;
    let keys: Value = serde_json::from_str(&keys).unwrap();
    let kid = keys[0]["kid"].as_str().unwrap();
    logs += &deployment.command(&["keys", "revoke", kid]).await.1;
    // One stays, to be searched for in the tables.
    let add = [
        "client",
        "add",
        "short-lived",
        "--redirect-uri",
        "https://short.example.sg/callback",
        "--json",
    ];
    let (told, log) = deployment.command(&add).await;
    let told: Value = serde_json::from_str(&told).unwrap();
    scanner.plant(
        "a client's secret",
        told["client_secret"].as_str().unwrap().as_bytes(),
    );
    logs += &log;
    logs += &deployment
        .command(&["client", "remove", "short-lived"])
        .await
        .1;
    logs
}

/// Who did what, for each that DA-5 names.
fn check_audit(log: &str, visits: &Visits) {
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
    ] {
        for record in find(event, Some(outcome)) {
            let client = record["client.id"].as_str();
            assert!(
                client == Some("portal") || client == Some("spa"),
                "{record}"
            );
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
    assert_eq!(find("client.removed", None)[0]["client.id"], "short-lived");
    assert!(find("key.created", None)[0]["key.algorithm"].is_string());
    find("key.rotated", None);
    assert!(find("key.revoked", None)[0]["key.kid"].is_string());
}

#[tokio::test]
async fn a_configuration_prints_no_secret() {
    let deployment = Deployment::start(Engine::Sqlite, Format::Json).await;
    let mut scanner = Scanner::default();
    deployment.plant_secrets(&mut scanner);
    scanner.plant("a password", b"a-password-of-the-database");
    let text = deployment.config.replace(
        &deployment.database_url,
        "postgres://bridge:a-password-of-the-database@127.0.0.1/bridge",
    );
    let config = Config::from_toml(&text, Path::new(".")).unwrap();
    for printed in [format!("{config:?}"), format!("{config:#?}")] {
        assert!(printed.contains("portal.example.sg"), "{printed}");
        assert_eq!(scanner.leaks("Debug", printed.as_bytes()), [""; 0]);
        assert_eq!(secrets_of_anybody(&printed), [""; 0]);
        // Bytes one below the other, as the alternate form writes them.
        let in_one_line: String = printed.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(scanner.leaks("Debug", in_one_line.as_bytes()), [""; 0]);
    }
    assert!(!scanner.leaks("the file", text.as_bytes()).is_empty());
    // A mistake in a secret is told without the secret.
    for (what, mended) in [
        ("private_keys = ['''", "private_keys = '''"),
        ("master_key = \"", "master_key = \"!"),
        ("pairwise_secret = \"", "pairwise_secret = \"!"),
        ("client_secret = \"", "client_secrets = \""),
        ("url = \"postgres", "url = \"pgsql"),
        ("[keys]", "[keys"),
    ] {
        let broken = text.replacen(what, mended, 1);
        assert_ne!(broken, text);
        if let Err(error) = Config::from_toml(&broken, Path::new(".")) {
            assert_eq!(
                scanner.leaks("the error", error.to_string().as_bytes()),
                [""; 0]
            );
        }
    }
    deployment.stop().await;
}
