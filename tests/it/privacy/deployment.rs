//! The program itself, as an operator starts it, with a simulated sgID behind it and values planted everywhere.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nix::sys::signal::Signal;
use sgid_bridge::clock::Clock;
use sgid_bridge::simulator::{self, Control, SimulatedClient, generate_client_key};
use tempfile::TempDir;

use super::clients::Clients;
use super::scanner::Scanner;
use crate::support::bridge::{CLIENT_SECRET, Engine, UPSTREAM_SECRET};
use crate::support::postgres::{self, Database};
use crate::support::process::{Process, free_port, temporary_folder};
use crate::support::receiver::MAY_CALL_LOOPBACK;
use crate::support::registrar::{INITIAL_ACCESS_TOKEN, REGISTRATION};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sgid-bridge");
const MASTER_KEY: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eH-8";
const PAIRWISE_SECRET: &str = "8A7Qw1p3mXoS4rY2dZk9uVbNcEfHgTjL5aIeOiUyRtM";
const START: Duration = Duration::from_mins(1);
/// Everything that the pages of a person could bring.
pub(super) const SCOPE: &str = "openid profile email phone address myinfo.nric_number myinfo.passport_number \
    myinfo.race myinfo.nationality myinfo.occupation myinfo.name_of_employer myinfo.vehicles \
    myinfo.children_birth_records pocdex.public_officer_details";

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Json,
}

/// A running program.
pub(super) struct Deployment {
    /// As relying parties see it.
    pub(super) issuer: String,
    /// The management listener.
    pub(super) management: String,
    /// For looking into the tables.
    pub(super) database_url: String,
    /// The folder of the database, where it is a file.
    pub(super) database_folder: Option<PathBuf>,
    /// The hand on the simulated sgID.
    pub(super) sgid: Control,
    /// Where sgID is.
    pub(super) sgid_issuer: String,
    /// What was configured, secrets included.
    pub(super) config: String,
    /// The relying parties, as far as they run anything.
    pub(super) clients: Clients,
    private_key: String,
    format: Format,
    process: Process,
    simulator: simulator::Running,
    folder: TempDir,
    _database: Option<Database>,
}

impl Deployment {
    /// Starts `serve --migrate`, as talkative as it can be made.
    pub(super) async fn start(engine: Engine, format: Format) -> Self {
        let folder = temporary_folder("privacy");
        let (database, database_url, database_folder) = match engine {
            Engine::Sqlite => {
                let kept = folder.path().join("kept");
                std::fs::create_dir(&kept).unwrap();
                (
                    None,
                    format!("sqlite://{}", kept.join("bridge.db").display()),
                    Some(kept),
                )
            }
            Engine::Postgres => {
                let database = postgres::database().await;
                let url = database.url.clone();
                (Some(database), url, None)
            }
        };
        let (listen, management) = (free_port(), free_port());
        let issuer = format!("http://127.0.0.1:{listen}");
        let (private_key, public_key) = generate_client_key();
        let simulator = start_simulator(&issuer, public_key).await;
        let sgid_issuer = simulator.issuer().to_owned();
        let clients = Clients::start().await;
        let config = format!(
            "issuer = \"{issuer}\"\n\
             [server]\nlisten = \"127.0.0.1:{listen}\"\nmanagement_listen = \"127.0.0.1:{management}\"\n\
             [database]\nurl = \"{database_url}\"\n\
             [keys]\nmaster_key = \"{MASTER_KEY}\"\npairwise_secret = \"{PAIRWISE_SECRET}\"\n\
             [limits]\nlogins_per_minute = 100000\nfailures_per_minute = 100000\nrequests_per_minute = 1000000\n\
             [upstreams.sgid]\nissuer = \"{sgid_issuer}\"\nclient_id = \"TESTS\"\ntimeout = \"1s\"\n\
             client_secret = \"{UPSTREAM_SECRET}\"\nprivate_keys = ['''{private_key}''']\n\
             [session]\nenabled = true\n{REGISTRATION}{MAY_CALL_LOOPBACK}{}",
            clients.tables(),
        );
        let file = folder.path().join("sgid-bridge.toml");
        std::fs::write(&file, &config).unwrap();
        let arguments = ["serve", "--migrate"];
        let process = start_program(&file, format, &arguments);
        process.wait_for_line("serving", START).await;
        Self {
            management: format!("http://127.0.0.1:{management}"),
            sgid: simulator.control(),
            issuer,
            database_url,
            database_folder,
            sgid_issuer,
            config,
            clients,
            private_key,
            format,
            process,
            simulator,
            folder,
            _database: database,
        }
    }

    /// The URL of a path below the issuer.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }

    /// Runs another command of the program: what it wrote to each stream.
    pub(super) async fn command(&self, arguments: &[&str]) -> (String, String) {
        let file = self.folder.path().join("sgid-bridge.toml");
        let mut process = start_program(&file, self.format, arguments);
        let status = process.wait(START).await;
        assert!(status.success(), "{arguments:?}: {}", process.output());
        (process.stdout(), process.stderr())
    }

    /// What configuration keeps secret.
    pub(super) fn plant_secrets(&self, scanner: &mut Scanner) {
        scanner.plant("a client's secret", CLIENT_SECRET.as_bytes());
        scanner.plant("our secret at sgID", UPSTREAM_SECRET.as_bytes());
        scanner.plant("the initial access token", INITIAL_ACCESS_TOKEN.as_bytes());
        for (what, text) in [
            ("the master key", MASTER_KEY),
            ("the pairwise secret", PAIRWISE_SECRET),
        ] {
            scanner.plant(what, text.as_bytes());
            scanner.plant(what, &URL_SAFE_NO_PAD.decode(text).unwrap());
        }
        for line in self
            .private_key
            .lines()
            .filter(|line| line.len() > 20 && !line.starts_with('-'))
        {
            scanner.plant("our private key at sgID", line.as_bytes());
        }
        // PKCS #8 names its algorithm: rsaEncryption, id-ecPublicKey.
        scanner.plant(
            "a private key",
            &[
                0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1,
            ],
        );
        scanner.plant(
            "a private key",
            &[
                0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
            ],
        );
    }

    /// Stops the program and hands over its log.
    pub(super) async fn stop(self) -> String {
        let Self {
            mut process,
            simulator,
            ..
        } = self;
        let status = process.stop(Signal::SIGTERM, START).await;
        assert!(status.success(), "{}", process.output());
        assert_eq!(
            process.stdout(),
            "",
            "`serve` says what it has to say in its log"
        );
        simulator.stop().await;
        process.stderr()
    }
}

fn start_program(config: &std::path::Path, format: Format, arguments: &[&str]) -> Process {
    let format = match format {
        Format::Text => "text",
        Format::Json => "json",
    };
    Process::start("sgid-bridge", PROGRAM, |command| {
        command
            .args(arguments)
            .arg("--config")
            .arg(config)
            .args(["--log-format", format])
            .env("RUST_LOG", "trace")
            .env_remove("RUST_BACKTRACE");
    })
}

async fn start_simulator(issuer: &str, public_key_pem: String) -> simulator::Running {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let clock = Clock::system();
    let client = SimulatedClient {
        client_id: "TESTS".to_owned(),
        client_secret: UPSTREAM_SECRET.to_owned(),
        redirect_uris: vec![format!("{issuer}/callback")],
        public_key_pem,
        scopes: None,
    };
    let settings = simulator::Settings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        clients: vec![client],
        now: Arc::new(move || clock.now().seconds()),
    };
    simulator::start(settings).await.unwrap()
}
