//! `serve`: what it refuses, what it reads anew, and where its settings come from.

use nix::sys::signal::Signal;

use super::within_seconds;
use crate::support::app::PORTAL;
use crate::support::bridge::{CLIENT_SECRET, CLIENTS, Engine, UPSTREAM_SECRET};
use crate::support::deployment::{Deployment, PATIENCE, Ran, SECRETS, Served, start_in};
use crate::support::party::{Login, Party, published, userinfo};
use crate::support::process::{Process, free_port, require_program, temporary_folder};
use crate::support::visitor::{Returned, Visitor};

const OTHER_KEY: &str = "IB8eHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgE";

#[tokio::test]
async fn a_database_that_is_not_migrated_is_refused_unless_told() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let deployment = Deployment::on(engine).await;
        let ran = deployment.run(&["serve"]).await;
        assert_eq!(ran.code, 1, "{}", ran.all);
        assert!(
            ran.stderr.contains("sgid-bridge migrate") && ran.stderr.contains("--migrate"),
            "{}",
            ran.all
        );
        for command in [&["client", "list"][..], &["keys", "list"]] {
            let ran = deployment.run(command).await;
            assert_eq!(ran.code, 1, "{}", ran.all);
            assert!(ran.stderr.contains("sgid-bridge migrate"), "{}", ran.all);
        }
        let served = deployment.start_serving_with(deployment.port(), &["serve", "--migrate"]);
        let served = served.ready().await;
        Party::from(PORTAL).log_in(&served.url, "openid").await;
        served.stop().await;
    }
}

#[tokio::test]
async fn another_master_key_is_refused_and_nothing_is_harmed() {
    let mut deployment = Deployment::on(Engine::Sqlite).await;
    let served = deployment.serve().await;
    let before = Party::from(PORTAL).log_in(&served.url, "openid").await;
    served.stop().await;
    deployment.secret("keys/other.key", OTHER_KEY);
    deployment.master_key_file = "\"keys/other.key\"".to_owned();
    deployment.write();
    for command in [&["serve"][..], &["check"]] {
        let ran = deployment.run(command).await;
        assert_ne!(ran.code, 0, "{}", ran.all);
        assert!(
            ran.all.contains("another master key") && !ran.all.contains(OTHER_KEY),
            "{}",
            ran.all
        );
    }
    assert_eq!(deployment.run(&["serve"]).await.code, 2);
    deployment.master_key_file = "\"keys/master.key\"".to_owned();
    deployment.write();
    let served = deployment.start_serving(deployment.port()).ready().await;
    let after = Party::from(PORTAL).log_in(&served.url, "openid").await;
    assert_eq!((after.sub(), after.kid), (before.sub(), before.kid));
    served.stop().await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let deployment = Deployment::on(Engine::Sqlite).await;
    let served = deployment.serve().await;
    let ran = Ran::of(deployment.start_serving(deployment.port()).process).await;
    assert_eq!(ran.code, 1, "{}", ran.all);
    assert!(
        ran.stderr
            .contains(&format!("127.0.0.1:{}", deployment.port())),
        "{}",
        ran.all
    );
    Party::from(PORTAL).log_in(&served.url, "openid").await;
    served.stop().await;
}

#[tokio::test]
async fn nothing_listens_but_what_is_configured() {
    let deployment = Deployment::on(Engine::Sqlite).await;
    deployment.must(&["migrate"]).await;
    let process = deployment.start(&["serve"], &[]);
    process.wait_for_line("serving", PATIENCE).await;
    assert_eq!(listening(process.id()), [deployment.port()]);
    for path in ["/health/live", "/health/ready", "/metrics"] {
        let answer = Visitor::new()
            .get(&format!("{}{path}", deployment.issuer))
            .await;
        assert_eq!(answer.status, 404, "{path} on the public listener");
    }
    drop(process);

    let served = deployment.start_serving(deployment.port()).ready().await;
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(
            Visitor::new().get(&served.management(path)).await.status,
            200
        );
    }
    let metrics = Visitor::new().get(&served.management("/metrics")).await;
    assert_eq!(metrics.status, 200);
    assert_eq!(listening(served.process.id()).len(), 2);
    served.stop().await;
}

/// The TCP ports that a process listens on.
fn listening(id: u32) -> Vec<u16> {
    let sockets: Vec<String> = std::fs::read_dir(format!("/proc/{id}/fd"))
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .map(|link| link.to_string_lossy().into_owned())
        .collect();
    let mut ports = Vec::new();
    for table in ["tcp", "tcp6"] {
        let table = std::fs::read_to_string(format!("/proc/{id}/net/{table}")).unwrap_or_default();
        for line in table.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let is_own = sockets.contains(&format!("socket:[{}]", fields[9]));
            if is_own && fields[3] == "0A" {
                let (_, port) = fields[1].rsplit_once(':').unwrap();
                ports.push(u16::from_str_radix(port, 16).unwrap());
            }
        }
    }
    ports
}

#[tokio::test]
async fn settings_come_from_the_environment_and_secrets_from_files() {
    let deployment = Deployment::on(Engine::Postgres).await;
    let key = std::fs::read_to_string(deployment.path("keys/sgid-private-key.pem")).unwrap();
    let folder = temporary_folder("environment");
    let write = |name: &str, content: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, content).unwrap();
        file.display().to_string()
    };
    let (url, client_secret, key) = (
        write("url", &format!("{}\n", deployment.database_url)),
        write("client-secret", &format!("{CLIENT_SECRET}\n")),
        write("key.pem", &key),
    );
    let master_key = deployment.path("keys/master.key").display().to_string();
    let listen = format!("127.0.0.1:{}", deployment.port());
    let management = format!("127.0.0.1:{}", free_port());
    let clients = format!(
        "[{{ client_id = \"portal\", client_secret_file = \"{client_secret}\", redirect_uris = [\"{}\"] }}]",
        PORTAL.redirect_uri
    );
    // A folder without any file, as in a container.
    let variables = [
        ("ISSUER", deployment.issuer.as_str()),
        ("SERVER__LISTEN", &listen),
        ("SERVER__MANAGEMENT_LISTEN", &management),
        ("DATABASE__URL_FILE", &url),
        ("DATABASE__MAX_CONNECTIONS", "3"),
        ("KEYS__MASTER_KEY_FILE", &master_key),
        ("KEYS__SIGNING_ALGORITHMS", "[\"RS256\"]"),
        ("LOG__FORMAT", "json"),
        ("UPSTREAMS__SGID__ISSUER", deployment.sgid_issuer()),
        ("UPSTREAMS__SGID__CLIENT_ID", "TESTS"),
        ("UPSTREAMS__SGID__CLIENT_SECRET", UPSTREAM_SECRET),
        (
            "UPSTREAMS__SGID__PRIVATE_KEY_FILES",
            &format!("[\"{key}\"]"),
        ),
        ("CLIENTS", &clients),
    ];
    let process = start_in(folder.path(), &["serve", "--migrate"], |command| {
        for (name, value) in variables {
            command.env(format!("SGID_BRIDGE_{name}"), value);
        }
    });
    let line = process.wait_for_line("serving", PATIENCE).await;
    let event: serde_json::Value = serde_json::from_str(&line).expect("a JSON log");
    assert!(event.to_string().contains(&deployment.issuer), "{event}");
    Party::from(PORTAL)
        .log_in(&deployment.issuer, "openid profile")
        .await;
    let discovery = format!("{}/.well-known/openid-configuration", deployment.issuer);
    let offered = Visitor::new().get(&discovery).await.json();
    assert_eq!(
        offered["id_token_signing_alg_values_supported"],
        serde_json::json!(["RS256"])
    );

    // Secrets are in no argument; names of settings that are wrong are told with the variable.
    let arguments = std::fs::read(format!("/proc/{}/cmdline", process.id())).unwrap();
    let arguments = String::from_utf8_lossy(&arguments);
    assert!(SECRETS.iter().all(|secret| !arguments.contains(secret)));
    let wrong = start_in(folder.path(), &["check", "--offline"], |command| {
        command.env("SGID_BRIDGE_SERVER__LISTN", "127.0.0.1:1");
    });
    let ran = Ran::of(wrong).await;
    assert_eq!(ran.code, 2);
    assert!(ran.all.contains("SGID_BRIDGE_SERVER__LISTN"), "{}", ran.all);
}

#[tokio::test]
async fn a_hang_up_reloads_clients_and_claims_and_drops_no_login() {
    let mut deployment = Deployment::on(Engine::Sqlite).await;
    let served = deployment.serve().await;
    let portal = Party::from(PORTAL);
    let mut person = Visitor::new();
    let url = portal.authorization_url(&served.url, "openid profile");
    let away = person.get(&url).await.location().to_owned();
    let code = portal.code(&served.url, "openid").await;
    let login = portal.log_in(&served.url, "openid").await;

    // One more client, one more claim; `spa` is disabled.
    let mut clients = CLIENTS.replace(
        "client_id = \"spa\"",
        "client_id = \"spa\"\nenabled = false",
    );
    clients = clients.replacen(
        "scope = \"openid profile email",
        "scope = \"openid work profile email",
        1,
    );
    clients.push_str("[[clients]]\nclient_id = \"new\"\ntoken_endpoint_auth_method = \"none\"\nredirect_uris = [\"https://new.example.sg/callback\"]\n");
    deployment.clients = clients;
    deployment.settings = "[claims.custom]\n\"employment.employer\" = { scope = \"work\", from = \"myinfo.name_of_employer\" }\n".to_owned();
    deployment.write();
    served.process.signal(Signal::SIGHUP);
    served.process.wait_for_line("reloaded", PATIENCE).await;

    let back = person.get(&away).await.location().to_owned();
    let returned = person.get(&back).await;
    let other = Returned::parse(returned.location()).code().to_owned();
    for code in [code, other] {
        Party::accept(&portal.redeem(&served.url, &code).await);
    }
    assert_eq!(userinfo(&served.url, &login.access_token).await.status, 200);
    let new = Party {
        id: "new".to_owned(),
        secret: None,
        redirect_uri: "https://new.example.sg/callback".to_owned(),
    };
    new.log_in(&served.url, "openid").await;
    let work = portal.log_in(&served.url, "openid work").await;
    assert_eq!(
        work.claims["employment.employer"],
        "EXAMPLE LIBRARY PTE LTD"
    );
    let spa = format!("{}/authorize?client_id=spa&response_type=code", served.url);
    assert_eq!(
        Visitor::new().get(&spa).await.status,
        400,
        "a disabled client is refused"
    );

    // A mistake leaves everything as it was, and is told with its line.
    let good = deployment.text();
    std::fs::write(
        deployment.path("sgid-bridge.toml"),
        good.replace("enabled = false", "enabld = false"),
    )
    .unwrap();
    served.process.signal(Signal::SIGHUP);
    let complaint = served.process.wait_for_line("not reloaded", PATIENCE).await;
    assert!(complaint.contains("did you mean `enabled`"), "{complaint}");
    assert!(complaint.contains("sgid-bridge.toml:"), "{complaint}");
    new.log_in(&served.url, "openid").await;

    // What needs a restart says so.
    let restart = good.replace(
        "[claims.custom]",
        "[lifetimes]\nid_token = \"5m\"\n[claims.custom]",
    );
    std::fs::write(deployment.path("sgid-bridge.toml"), restart).unwrap();
    served.process.signal(Signal::SIGHUP);
    let warning = served
        .process
        .wait_for_line("need a restart", PATIENCE)
        .await;
    assert!(
        warning.contains("lifetimes") && !warning.contains("keys"),
        "{warning}"
    );
    served.stop().await;
}

#[tokio::test]
async fn a_hang_up_changes_the_log_level() {
    let mut deployment = Deployment::on(Engine::Sqlite).await;
    deployment.settings = "[log]\nlevel = \"warn\"\n".to_owned();
    deployment.write();
    let served = deployment.serve().await;
    let portal = Party::from(PORTAL);
    portal.log_in(&served.url, "openid").await;
    assert!(
        !served.process.output().contains("login begun"),
        "{}",
        served.process.output()
    );
    deployment.settings = "[log]\nlevel = \"info\"\n".to_owned();
    deployment.write();
    served.process.signal(Signal::SIGHUP);
    within_seconds("more is logged", || async {
        portal.log_in(&served.url, "openid").await;
        served.process.output().contains("login begun")
    })
    .await;
    served.stop().await;
}

#[tokio::test]
async fn the_master_key_is_rotated_under_two_running_instances() {
    let mut deployment = Deployment::on(Engine::Postgres).await;
    deployment.secret("keys/other.key", OTHER_KEY);
    deployment.must(&["migrate"]).await;
    let ports = [deployment.port(), free_port()];
    let mut instances = Vec::new();
    for port in ports {
        instances.push(deployment.start_serving(port).ready().await);
    }
    let portal = Party::from(PORTAL);
    let before = portal.log_in(&instances[0].url, "openid").await;
    let keys = published(&instances[0].url).await;
    // Known to all, then sealing, then alone.
    for list in [
        "[\"keys/master.key\", \"keys/other.key\"]",
        "[\"keys/other.key\", \"keys/master.key\"]",
        "\"keys/other.key\"",
    ] {
        list.clone_into(&mut deployment.master_key_file);
        deployment.write();
        for index in [0, 1] {
            let waiting = [
                Waiting::at(&portal, &instances[0]).await,
                Waiting::at(&portal, &instances[1]).await,
            ];
            instances.remove(index).stop().await;
            let restarted = deployment.start_serving(ports[index]).ready().await;
            instances.insert(index, restarted);
            for (waiting, end) in waiting.into_iter().zip(instances.iter().rev()) {
                for login in waiting.end_at(&portal, end).await {
                    assert_eq!(login.sub(), before.sub(), "{list}");
                }
            }
            for instance in &instances {
                assert_eq!(published(&instance.url).await, keys, "{list}");
            }
            let login = portal.log_in(&instances[0].url, "openid").await;
            assert_eq!((&login.sub(), &login.kid), (&before.sub(), &before.kid));
        }
    }
    // Under the new key alone even the first start from nothing finds all.
    for instance in instances {
        instance.stop().await;
    }
    let served = deployment.start_serving(ports[0]).ready().await;
    let after = portal.log_in(&served.url, "openid").await;
    assert_eq!((after.sub(), after.kid), (before.sub(), before.kid));
    served.stop().await;
}

/// A person who is at sgID, and a code that is not redeemed yet.
struct Waiting {
    person: Visitor,
    away: String,
    code: String,
}

impl Waiting {
    async fn at(portal: &Party, instance: &Served) -> Self {
        let mut person = Visitor::new();
        let url = portal.authorization_url(&instance.url, "openid profile");
        let away = person.get(&url).await.location().to_owned();
        let code = portal.code(&instance.url, "openid").await;
        Self { person, away, code }
    }

    /// Both logins, ended at another instance.
    async fn end_at(mut self, portal: &Party, instance: &Served) -> [Login; 2] {
        let back = self.person.get(&self.away).await.location().to_owned();
        let (_, callback) = back.split_once("/callback").unwrap();
        let url = instance.at(&format!("/callback{callback}"));
        let returned = self.person.get(&url).await;
        let code = Returned::parse(returned.location()).code().to_owned();
        [
            Party::accept(&portal.redeem(&instance.url, &self.code).await),
            Party::accept(&portal.redeem(&instance.url, &code).await),
        ]
    }
}

#[tokio::test]
async fn it_speaks_tls_by_itself() {
    let mut deployment = Deployment::on(Engine::Sqlite).await;
    let openssl = require_program("openssl", "apt-get install openssl");
    let mut made = Process::start("openssl", openssl, |command| {
        command.current_dir(deployment.path("."));
        command.args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ]);
        command.args([
            "-keyout",
            "tls.key",
            "-out",
            "tls.crt",
            "-days",
            "2",
            "-subj",
            "/CN=127.0.0.1",
        ]);
        command.args(["-addext", "subjectAltName=IP:127.0.0.1"]);
        // A server's certificate, not an authority's.
        command.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    });
    assert!(made.wait(PATIENCE).await.success(), "{}", made.output());
    deployment.issuer = deployment.issuer.replace("http://", "https://");
    deployment.server =
        "tls_certificate_file = \"tls.crt\"\ntls_private_key_file = \"tls.key\"\n".to_owned();
    deployment.write();
    let served = deployment.serve().await;

    let pem = std::fs::read(deployment.path("tls.crt")).unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(&pem).unwrap()])
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap();
    let discovery = format!("{}/.well-known/openid-configuration", deployment.issuer);
    let answer = http.get(discovery).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let document: serde_json::Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(document["issuer"], deployment.issuer.as_str());
    assert!(
        document["token_endpoint"]
            .as_str()
            .unwrap()
            .starts_with("https://")
    );

    // Begun with a cookie that only TLS carries.
    let url = Party::from(PORTAL).authorization_url(&deployment.issuer, "openid");
    let answer = http.get(url).send().await.unwrap();
    assert_eq!(answer.status(), 303);
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    assert!(
        cookie.starts_with("__Host-") && cookie.contains("Secure"),
        "the cookie's attributes"
    );
    // Plain HTTP finds nobody there.
    let plain = format!("http://127.0.0.1:{}/jwks", deployment.port());
    assert!(http.get(plain).send().await.is_err());
    served.stop().await;

    for (file, content) in [("tls.crt", "no certificate"), ("tls.key", "no key")] {
        let good = std::fs::read(deployment.path(file)).unwrap();
        std::fs::write(deployment.path(file), content).unwrap();
        let ran = deployment.run(&["serve"]).await;
        assert_ne!(ran.code, 0);
        assert!(ran.stderr.contains(file), "{}", ran.all);
        std::fs::write(deployment.path(file), good).unwrap();
    }
}
