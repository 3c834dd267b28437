//! The bridge as an operator has it: a folder with a configuration and secrets, and the program started in it.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use nix::sys::signal::Signal;
use sgid_bridge::clock::Clock;
use sgid_bridge::simulator::{self, Control, SimulatedClient, generate_client_key};
use tempfile::TempDir;

use super::bridge::{CLIENT_SECRET, CLIENTS, Engine, UPSTREAM_SECRET};
use super::postgres::{self, Database};
use super::process::{Process, free_port, temporary_folder, wait_until_answers};

/// The program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_sgid-bridge");
/// How long a command may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

const MASTER_KEY: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eH-8";

/// A folder with a configuration, the secrets that it names, and a database.
pub(crate) struct Deployment {
    /// As relying parties see it.
    pub(crate) issuer: String,
    /// The database, for the configuration.
    pub(crate) database_url: String,
    /// Lines of `[upstreams.sgid]` that say where it is.
    pub(crate) upstream: String,
    /// `[[clients]]` tables.
    pub(crate) clients: String,
    /// More sections, such as `[lifetimes]`.
    pub(crate) settings: String,
    /// More lines of `[server]`.
    pub(crate) server: String,
    /// The value of `master_key_file`.
    pub(crate) master_key_file: String,
    port: u16,
    simulator: Option<simulator::Running>,
    _database: Option<Database>,
    folder: TempDir,
}

impl Deployment {
    /// A folder with everything written, and no sgID: set [`Deployment::upstream`] and [`Deployment::write`].
    pub(crate) async fn without_sgid(engine: Engine) -> Self {
        let folder = temporary_folder("deployment");
        let (database, database_url) = match engine {
            Engine::Sqlite => {
                let file = folder.path().join("bridge.db");
                (None, format!("sqlite://{}", file.display()))
            }
            Engine::Postgres => {
                let database = postgres::database().await;
                let url = database.url.clone();
                (Some(database), url)
            }
        };
        let port = free_port();
        let deployment = Self {
            issuer: format!("http://127.0.0.1:{port}"),
            database_url,
            upstream: "issuer = \"http://127.0.0.1:9/v2\"".to_owned(),
            clients: CLIENTS.to_owned(),
            settings: String::new(),
            server: String::new(),
            master_key_file: "\"keys/master.key\"".to_owned(),
            port,
            simulator: None,
            _database: database,
            folder,
        };
        deployment.secret("keys/master.key", MASTER_KEY);
        deployment.secret("keys/sgid-client-secret", UPSTREAM_SECRET);
        deployment.secret("keys/sgid-private-key.pem", &client_key().0);
        deployment.secret("keys/sgid-public-key.pem", &client_key().1);
        deployment.write();
        deployment
    }

    /// The same with a simulated sgID that answers at once as the persona `citizen`.
    pub(crate) async fn on(engine: Engine) -> Self {
        let mut deployment = Self::without_sgid(engine).await;
        deployment.simulate().await;
        deployment.write();
        deployment
    }

    async fn simulate(&mut self) {
        let clock = Clock::system();
        let client = SimulatedClient {
            client_id: "TESTS".to_owned(),
            client_secret: UPSTREAM_SECRET.to_owned(),
            redirect_uris: vec![format!("{}/callback", self.issuer)],
            public_key_pem: client_key().1.clone(),
            scopes: None,
        };
        let running = simulator::start(simulator::Settings {
            listen: ([127, 0, 0, 1], 0).into(),
            clients: vec![client],
            now: std::sync::Arc::new(move || clock.now().seconds()),
        })
        .await
        .unwrap();
        running.control().persona("citizen");
        self.upstream = format!("issuer = \"{}\"", running.issuer());
        self.simulator = Some(running);
    }

    /// The hand on the simulated sgID.
    pub(crate) fn sgid(&self) -> Control {
        self.simulator.as_ref().unwrap().control()
    }

    /// The issuer of the simulated sgID.
    pub(crate) fn sgid_issuer(&self) -> &str {
        self.simulator.as_ref().unwrap().issuer()
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The configuration, as it stands in the file.
    pub(crate) fn text(&self) -> String {
        format!(
            "issuer = \"{issuer}\"\n\
             [server]\nlisten = \"127.0.0.1:{port}\"\n{server}\n\
             [database]\nurl = \"{database}\"\n\
             [keys]\nmaster_key_file = {keys}\n\
             signing_algorithms = [\"RS256\", \"ES256\", \"PS256\", \"EdDSA\"]\n\
             [upstreams.sgid]\n{upstream}\nclient_id = \"TESTS\"\n\
             client_secret_file = \"keys/sgid-client-secret\"\n\
             private_key_files = [\"keys/sgid-private-key.pem\"]\n\
             {settings}\n{clients}\n",
            issuer = self.issuer,
            port = self.port,
            server = self.server,
            database = self.database_url,
            keys = self.master_key_file,
            upstream = self.upstream,
            settings = self.settings,
            clients = self.clients,
        )
    }

    /// Writes the configuration anew.
    pub(crate) fn write(&self) {
        std::fs::write(self.path("sgid-bridge.toml"), self.text()).unwrap();
    }

    /// Writes a file that only its owner reads.
    pub(crate) fn secret(&self, name: &str, content: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    }

    /// Starts a command in the folder, where it finds the configuration by itself.
    pub(crate) fn start(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Process {
        start_in(self.folder.path(), arguments, |command| {
            command.envs(variables.iter().copied());
        })
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.start(arguments, &[])).await
    }

    /// Runs a command that must succeed: what it wrote to standard output.
    pub(crate) async fn must(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments).await;
        assert_eq!(ran.code, 0, "{arguments:?}:\n{}", ran.all);
        ran.stdout
    }

    /// Migrates, serves at the issuer's port, and waits until it is ready.
    pub(crate) async fn serve(&self) -> Served {
        self.must(&["migrate"]).await;
        self.start_serving(self.port).ready().await
    }

    /// Starts an instance on a port, with a migrated database. It may not be ready yet.
    pub(crate) fn start_serving(&self, port: u16) -> Served {
        self.start_serving_with(port, &["serve"])
    }

    /// As [`Deployment::start_serving`], with other arguments.
    pub(crate) fn start_serving_with(&self, port: u16, arguments: &[&str]) -> Served {
        let management = free_port();
        let listen = format!("127.0.0.1:{port}");
        let variables = [
            ("SGID_BRIDGE_SERVER__LISTEN", listen.as_str()),
            (
                "SGID_BRIDGE_SERVER__MANAGEMENT_LISTEN",
                &format!("127.0.0.1:{management}"),
            ),
        ];
        Served {
            process: self.start(arguments, &variables),
            url: format!("http://{listen}"),
            port,
            management,
        }
    }

    /// The port of the issuer.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

/// A running `serve`. Dropping it kills it.
pub(crate) struct Served {
    /// The program.
    pub(crate) process: Process,
    /// Its public listener; the issuer where there is one instance.
    pub(crate) url: String,
    port: u16,
    management: u16,
}

impl Served {
    /// Waits until it can serve logins.
    pub(crate) async fn ready(mut self) -> Self {
        wait_until_answers(&mut self.process, self.management, "/health/ready").await;
        self
    }

    /// The URL of a path of the public listener.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// The URL of a path of the management listener.
    pub(crate) fn management(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.management)
    }

    /// Kills it, without a chance to clean up, and starts another one in its place.
    pub(crate) async fn kill_and_restart(mut self, deployment: &Deployment) -> Self {
        self.process.stop(Signal::SIGKILL, PATIENCE).await;
        deployment.start_serving(self.port).ready().await
    }

    /// Stops it as an orchestrator does; it must end well.
    pub(crate) async fn stop(mut self) -> String {
        let status = self.process.stop(Signal::SIGTERM, PATIENCE).await;
        assert!(status.success(), "{status}: {}", self.process.output());
        self.process.output()
    }
}

/// What became of a command.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The exit status.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
    /// Both.
    pub(crate) all: String,
}

impl Ran {
    /// Waits for the end of a command.
    pub(crate) async fn of(mut process: Process) -> Self {
        let status = process.wait(PATIENCE).await;
        Self {
            code: status.code().unwrap_or(-1),
            stdout: process.stdout(),
            stderr: process.stderr(),
            all: process.output(),
        }
    }
}

/// Starts the program in a folder, without the settings of whoever runs the tests.
pub(crate) fn start_in(
    folder: &std::path::Path,
    arguments: &[&str],
    configure: impl FnOnce(&mut Command),
) -> Process {
    let name = arguments
        .iter()
        .fold("sgid-bridge".to_owned(), |mut name, argument| {
            let _ = write!(name, " {argument}");
            name
        });
    Process::start(&name, PROGRAM, |command| {
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("SGID_BRIDGE_") {
                command.env_remove(variable);
            }
        }
        command
            .env_remove("RUST_LOG")
            .current_dir(folder)
            .args(arguments);
        configure(command);
    })
}

/// Our key at sgID: private and public PEM. One for all tests, as making one takes long.
fn client_key() -> &'static (String, String) {
    static KEY: LazyLock<(String, String)> = LazyLock::new(generate_client_key);
    &KEY
}

/// What must never be seen outside its file.
pub(crate) const SECRETS: [&str; 3] = [CLIENT_SECRET, UPSTREAM_SECRET, MASTER_KEY];
