//! The search itself, on the program as operators run it. DA-1, DA-4, DA-5, DA-6, HT-2.

use std::path::Path;

use serde_json::Value;
use sgid_bridge::config::Config;

use super::deployment::{Deployment, Format};
use super::records::{faults_of_json, faults_of_text};
use super::scanner::{Scanner, bearers_of_anybody, identity_numbers, secrets_of_anybody};
use super::trail::check_audit;
use super::visits::{APPS, FORGED, NONCE, STATE, Visits};
use crate::support::app::PORTAL;
use crate::support::bridge::Engine;
use crate::support::tables::Tables;
use crate::support::visitor::Visitor;

/// What the visits bring with them, beside personal data.
const PLANTED: [&str; 15] = [
    "a client's secret",
    "a code of sgID",
    "a code that a page posts",
    "a code verifier",
    "a confirmation",
    "a cookie",
    "a logout hint",
    "a logout token",
    "a refresh token",
    "a registration access token",
    "an access token of ours",
    "an ID token of ours",
    "encrypted userinfo",
    "the name of a session",
    "what a client has signed",
];

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
    visits.come_back(&deployment).await;
    visits.forge_later(&deployment).await;
    let commands = run_commands(&deployment, &mut visits.everywhere).await;
    // Some wait at sgID, and a code waits to be redeemed, while the tables are searched.
    visits.log_in(&deployment, PORTAL, "officer").await;
    visits.code(&deployment, PORTAL, "citizen").await;
    visits.leave_something_in_every_table(&deployment).await;

    let mut leaks = Vec::new();
    leaks.extend(search_tables(&deployment, &visits).await);
    leaks.extend(search_management(&deployment, &visits).await);
    leaks.extend(search_urls(&deployment, &visits));
    for refusal in &visits.refusals {
        leaks.extend(leaks_outside_the_log(&visits, "a refusal", refusal));
        if refusal.contains("<script") {
            leaks.push(format!("reflected: {refusal}"));
        }
    }
    for page in &visits.pages {
        leaks.extend(leaks_outside_the_log(&visits, "a page", page));
        // The page that posts an answer has a script of its own, by address.
        if page.contains("<script>") {
            leaks.push(format!("reflected: {page}"));
        }
    }
    assert!(visits.pages.len() > 10);
    assert!(visits.refusals.len() > 100 && visits.everywhere.len() > 200);
    visits.plant_logout_tokens(&deployment);
    for what in PLANTED {
        assert!(visits.everywhere.has(what), "no {what} was planted");
    }
    assert!(visits.but_in_urls.has("a pushed request") && visits.but_in_the_log.len() > 10);
    let log = format!("{}{commands}", deployment.stop().await);
    assert!(log.contains("serving"), "the log has lost its beginning");
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

fn leaks_outside_the_log(visits: &Visits, place: &str, text: &str) -> Vec<String> {
    let mut leaks = leaks_in_text(visits, place, text);
    leaks.extend(visits.but_in_the_log.leaks(place, text.as_bytes()));
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
        "session",
        "pushed_request",
        "refresh_token",
        "used_assertion",
        "logout_notice",
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
        leaks.extend(visits.but_in_the_log.leaks(&place, &content));
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
        leaks.extend(leaks_outside_the_log(visits, path, &answer.body));
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
            for value in [STATE, "portal", FORGED] {
                if url.contains(value) {
                    leaks.push(format!("sgID hears {value:?}: {url}"));
                }
            }
        } else {
            assert!(is_of_a_relying_party(url), "{url}");
            for ours in ["SIMULATED", FORGED] {
                if url.contains(ours) {
                    leaks.push(format!("a relying party hears {ours:?}: {url}"));
                }
            }
            let bearers = bearers_of_anybody(url).into_iter();
            leaks.extend(
                bearers
                    .filter(|bearer| !bearer.starts_with("ac_"))
                    .map(|bearer| format!("a relying party hears {bearer}: {url}")),
            );
        }
        leaks.extend(visits.but_in_the_log.leaks("a URL", url.as_bytes()));
        leaks.extend(visits.everywhere.leaks("a URL", url.as_bytes()));
    }
    leaks
}

fn is_of_a_relying_party(url: &str) -> bool {
    let is_at = |party: &str| {
        ["callback?", "callback#", "signed-out?"]
            .iter()
            .any(|path| url.starts_with(&format!("https://{party}.example.sg/{path}")))
    };
    ["portal", "spa", "bank", "sealed", "shop"]
        .into_iter()
        .any(is_at)
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
        ("initial_access_token = \"", "initial_access_tokens = \""),
        ("initial_access_token = \"", "initial_access_token = 5 #\""),
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
