//! `init`, `check`, `migrate`, and what is said about oneself.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use crate::support::bridge::Engine;
use crate::support::deployment::{Deployment, Ran, SECRETS, start_in};
use crate::support::process::{free_port, in_repository, temporary_folder};

async fn run_in(folder: &Path, arguments: &[&str]) -> Ran {
    Ran::of(start_in(folder, arguments, |_| {})).await
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn init_writes_a_configuration_and_a_master_key_for_the_owner_alone() {
    let folder = temporary_folder("init");
    let ran = run_in(folder.path(), &["init"]).await;
    assert_eq!(ran.code, 0, "{}", ran.all);
    let (file, key) = (
        folder.path().join("sgid-bridge.toml"),
        folder.path().join("keys/master.key"),
    );
    assert_eq!((mode(&file), mode(&key)), (0o600, 0o600));
    assert_eq!(mode(key.parent().unwrap()), 0o700);
    let (text, secret) = (
        std::fs::read_to_string(&file).unwrap(),
        std::fs::read_to_string(&key).unwrap(),
    );
    assert_eq!(
        text,
        std::fs::read_to_string(in_repository("examples/sgid-bridge.toml")).unwrap()
    );
    assert!(secret.trim().len() == 43 && !ran.all.contains(secret.trim()));

    let again = run_in(folder.path(), &["init"]).await;
    assert_eq!(again.code, 1, "{}", again.all);
    assert!(
        again.stderr.contains("nothing is overwritten"),
        "{}",
        again.all
    );
    std::fs::remove_file(&file).unwrap();
    let again = run_in(folder.path(), &["init"]).await;
    assert_eq!(again.code, 1, "a master key is never overwritten");
    assert!(!file.exists());
    assert_eq!(std::fs::read_to_string(&key).unwrap(), secret);

    let other = temporary_folder("init");
    let named = other.path().join("conf/bridge.toml");
    let ran = run_in(
        folder.path(),
        &["--config", named.to_str().unwrap(), "init"],
    )
    .await;
    assert_eq!(ran.code, 0, "{}", ran.all);
    let key = other.path().join("conf/keys/master.key");
    assert_eq!((mode(&named), mode(&key)), (0o600, 0o600));
    assert_ne!(
        std::fs::read_to_string(key).unwrap(),
        secret,
        "every key is another one"
    );
}

#[tokio::test]
async fn a_fresh_configuration_lacks_exactly_what_only_the_operator_has() {
    let folder = temporary_folder("init");
    run_in(folder.path(), &["init"]).await;
    let ran = run_in(folder.path(), &["check", "--offline"]).await;
    assert_eq!(ran.code, 2, "{}", ran.all);
    let text = std::fs::read_to_string(folder.path().join("sgid-bridge.toml")).unwrap();
    let line = |setting: &str| {
        let found = text.lines().position(|line| line.starts_with(setting));
        format!("sgid-bridge.toml:{}", found.unwrap() + 1)
    };
    let bad: Vec<&str> = ran
        .stdout
        .lines()
        .filter(|line| line.starts_with("BAD"))
        .collect();
    let [secret, key] = bad.as_slice() else {
        panic!("two things are missing: {}", ran.all);
    };
    assert!(
        secret.contains(&line("client_secret_file")) && secret.contains("keys/sgid-client-secret"),
        "{secret}"
    );
    assert!(
        key.contains(&line("private_key_files")) && key.contains("keys/sgid-private-key.pem"),
        "{key}"
    );

    // With these two files it is content.
    let made = Deployment::without_sgid(Engine::Sqlite).await;
    for file in ["keys/sgid-client-secret", "keys/sgid-private-key.pem"] {
        std::fs::copy(made.path(file), folder.path().join(file)).unwrap();
    }
    let ran = run_in(folder.path(), &["check", "--offline"]).await;
    assert_eq!(ran.code, 0, "{}", ran.all);
    assert!(
        ran.stdout.contains("http://localhost:8080/callback"),
        "{}",
        ran.all
    );
}

#[tokio::test]
async fn every_setting_of_the_example_that_is_commented_out_is_a_setting() {
    let folder = temporary_folder("example");
    let made = Deployment::without_sgid(Engine::Sqlite).await;
    std::fs::create_dir(folder.path().join("keys")).unwrap();
    let key = folder.path().join("key.pem");
    std::fs::copy(made.path("keys/sgid-private-key.pem"), &key).unwrap();
    for (from, to) in [
        ("master.key", "master.key"),
        ("master.key", "pairwise-secret"),
        ("sgid-client-secret", "sgid-client-secret"),
        ("sgid-private-key.pem", "sgid-private-key.pem"),
    ] {
        std::fs::copy(
            made.path(&format!("keys/{from}")),
            folder.path().join("keys").join(to),
        )
        .unwrap();
    }
    let secret = folder.path().join("keys/staff-portal-secret");
    std::fs::write(secret, SECRETS[0]).unwrap();
    let text = std::fs::read_to_string(in_repository("examples/sgid-bridge.toml")).unwrap();
    let mut all = String::new();
    for line in text.lines() {
        let setting = line.strip_prefix("# ").filter(|inner| {
            let name: &str = inner.split(" = ").next().unwrap();
            let is_name = name
                .trim_matches('"')
                .chars()
                .all(|it| it.is_ascii_lowercase() || "_.".contains(it));
            (inner.contains(" = ") && is_name) || (inner.starts_with('[') && inner.ends_with(']'))
        });
        let line = setting.unwrap_or(line);
        // Not offered by this version, or files that are not there.
        let absent = ["extra_ca_file", "ca_certificate_file", "tls_", "allow = "]
            .iter()
            .any(|it| line.starts_with(it));
        if !absent {
            all.push_str(line);
            all.push('\n');
        }
    }
    assert!(
        all.contains("\n[[clients]]\n") && all.contains("\n[claims.custom]\n"),
        "{all}"
    );
    std::fs::write(folder.path().join("sgid-bridge.toml"), &all).unwrap();
    let ran = run_in(folder.path(), &["check", "--offline"]).await;
    assert!(!ran.all.contains("unknown setting"), "{}", ran.all);
    assert_eq!(ran.code, 0, "{}\n{all}", ran.all);
}

#[tokio::test]
async fn check_is_content_with_what_works() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let deployment = Deployment::on(engine).await;
        let unmigrated = deployment.run(&["check"]).await;
        // A SQLite file that is not there yet is no fault; a database that is empty is.
        let is_fault = i32::from(engine == Engine::Postgres);
        assert_eq!(unmigrated.code, is_fault, "{}", unmigrated.all);
        assert!(
            unmigrated.stdout.contains("sgid-bridge migrate"),
            "{}",
            unmigrated.all
        );

        deployment.must(&["migrate"]).await;
        let good = deployment.run(&["check"]).await;
        assert_eq!(good.code, 0, "{}", good.all);
        assert!(!good.stdout.contains("BAD"), "{}", good.all);
        let callback = format!("{}/callback", deployment.issuer);
        assert!(good.stdout.contains(&callback), "{}", good.all);
        assert!(
            good.stdout.contains("portal") && good.stdout.contains("tests"),
            "clients with an NRIC and why: {}",
            good.all
        );

        let json: Value =
            serde_json::from_str(&deployment.must(&["check", "--json"]).await).unwrap();
        let findings = json.as_array().unwrap();
        assert!(
            findings
                .iter()
                .all(|it| (it["verdict"] == "good" || it["verdict"] == "note")
                    && it["what"].is_string()),
            "{json}"
        );
        for secret in SECRETS {
            assert!(!good.all.contains(secret));
        }
    }
}

#[tokio::test]
async fn check_names_what_is_wrong_where_and_how_to_mend_it() {
    let deployment = Deployment::on(Engine::Sqlite).await;
    deployment.must(&["migrate"]).await;
    let good = deployment.text();
    // What is written instead of what, the exit status, and words of the complaint; the line is that of the change.
    let cases = [
        ("listen =", "listn =", 2, "did you mean `listen`"),
        (
            "issuer = \"http://127.0.0.1",
            "issuer = \"http://login.example.sg",
            2,
            "https",
        ),
        ("keys/sgid-client-secret", "keys/gone", 2, "keys/gone"),
        (
            "scope = \"openid profile\"",
            "scope = \"openid profile myinfo.nric_number\"",
            2,
            "nric_purpose",
        ),
        (
            "redirect_uris = [\"https://other.example.sg/callback\"]",
            "redirect_uris = [\"http://other.example.sg/callback\"]",
            2,
            "redirect_uri",
        ),
        ("\"RS256\", \"ES256\"", "\"RS257\", \"ES256\"", 2, "RS256"),
        (
            "client_id = \"other\"",
            "client_id = \"portal\"",
            2,
            "twice",
        ),
    ];
    for (from, to, code, words) in cases {
        assert!(good.contains(from), "{from}");
        let bad = good.replacen(from, to, 1);
        std::fs::write(deployment.path("sgid-bridge.toml"), &bad).unwrap();
        let ran = deployment.run(&["check", "--offline"]).await;
        assert_eq!(ran.code, code, "{to}: {}", ran.all);
        assert!(ran.stdout.contains(words), "{to}: {}", ran.all);
        let changed = bad
            .lines()
            .zip(good.lines())
            .position(|(bad, good)| bad != good)
            .unwrap()
            + 1;
        // A client is named by where it begins.
        let near = (changed.saturating_sub(6)..=changed)
            .any(|line| ran.stdout.contains(&format!("sgid-bridge.toml:{line}:")));
        assert!(near, "{to}, line {changed}: {}", ran.all);
        // `serve` says the same.
        let served = deployment.run(&["serve"]).await;
        assert_eq!(served.code, 2, "{to}: {}", served.all);
        assert!(served.stderr.contains(words), "{to}: {}", served.all);
        let json = deployment.run(&["check", "--offline", "--json"]).await;
        assert_eq!(json.code, code);
        let findings: Value = serde_json::from_str(&json.stdout).unwrap();
        assert!(
            findings
                .as_array()
                .unwrap()
                .iter()
                .any(|it| it["verdict"] == "misconfigured"),
            "{findings}"
        );
    }
    std::fs::write(deployment.path("sgid-bridge.toml"), &good).unwrap();
    deployment.must(&["check"]).await;
}

#[tokio::test]
async fn check_says_what_does_not_answer() {
    let mut deployment = Deployment::on(Engine::Sqlite).await;
    deployment.must(&["migrate"]).await;
    let port = free_port();
    deployment.upstream = format!("issuer = \"http://127.0.0.1:{port}/v2\"");
    deployment.write();
    let ran = deployment.run(&["check"]).await;
    assert_eq!(ran.code, 1, "{}", ran.all);
    assert!(ran.stdout.contains("BAD   [upstreams.sgid]"), "{}", ran.all);
    deployment.must(&["check", "--offline"]).await;

    let mut deployment = Deployment::on(Engine::Postgres).await;
    deployment.database_url =
        format!("postgres://bridge:a-password-of-tests@127.0.0.1:{port}/bridge");
    deployment.write();
    let ran = deployment.run(&["check"]).await;
    assert_eq!(ran.code, 1, "{}", ran.all);
    assert!(
        ran.stdout.contains("BAD") && ran.stdout.contains("database"),
        "{}",
        ran.all
    );
    assert!(!ran.all.contains("a-password-of-tests"));
    for command in ["migrate", "serve"] {
        let ran = deployment.run(&[command]).await;
        assert_eq!(ran.code, 1, "{}", ran.all);
        assert!(
            ran.stderr.contains("database") && !ran.all.contains("a-password-of-tests"),
            "{}",
            ran.all
        );
    }
}

#[tokio::test]
async fn migrate_may_be_run_again() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let deployment = Deployment::on(engine).await;
        for _ in 0..2 {
            let said = deployment.must(&["migrate"]).await;
            assert!(said.contains("at this version"), "{said}");
        }
    }
}

#[tokio::test]
async fn every_command_explains_itself_and_takes_no_secret() {
    let folder = temporary_folder("help");
    let commands: &[&[&str]] = &[
        &[],
        &["demo"],
        &["init"],
        &["check"],
        &["migrate"],
        &["serve"],
        &["simulator"],
        &["client"],
        &["client", "add"],
        &["client", "list"],
        &["client", "show"],
        &["client", "update"],
        &["client", "rotate-secret"],
        &["client", "remove"],
        &["keys"],
        &["keys", "list"],
        &["keys", "rotate"],
        &["keys", "revoke"],
    ];
    for command in commands {
        let arguments: Vec<&str> = command.iter().copied().chain(["--help"]).collect();
        let ran = run_in(folder.path(), &arguments).await;
        assert_eq!(ran.code, 0, "{command:?}: {}", ran.all);
        assert!(
            ran.stdout.contains("Usage: sgid-bridge") && ran.stdout.contains("--config"),
            "{}",
            ran.stdout
        );
        for option in ran
            .stdout
            .split_whitespace()
            .filter(|word| word.starts_with("--"))
        {
            let takes_secret = ["secret", "password", "master", "private", "token="];
            let is_secret = takes_secret.iter().any(|it| option.contains(it));
            assert!(
                !is_secret,
                "{command:?} takes {option}: arguments are for all to see"
            );
        }
        let described = ran
            .stdout
            .lines()
            .filter(|line| line.starts_with("  ") && line.trim().starts_with("--"));
        for line in described {
            assert!(
                line.trim().contains("  ") || ran.stdout.contains(&format!("{line}\n          ")),
                "an option without words: {line}"
            );
        }
    }
    for (arguments, words) in [
        (&["frobnicate"][..], "unrecognized subcommand"),
        (&["serve", "--port", "1"][..], "unexpected argument"),
        (&["client", "add"][..], "required"),
    ] {
        let ran = run_in(folder.path(), arguments).await;
        assert_eq!(ran.code, 2, "{}", ran.all);
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    }
    let version = run_in(folder.path(), &["--version"]).await;
    assert!(version.code == 0 && version.stdout.contains(env!("CARGO_PKG_VERSION")));
    assert!(
        std::fs::read_dir(folder.path()).unwrap().next().is_none(),
        "nothing is created unasked"
    );
}
