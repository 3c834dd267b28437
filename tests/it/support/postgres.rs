//! A private Postgres server from the distribution's binaries: one for the
//! whole test process, or one of its own for a test that stops it.
//!
//! `TEST_DATABASE_URL` names another server to use instead of the shared one.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tokio::sync::OnceCell;
use url::Url;

use super::process::{Process, free_port, require_program, temporary_folder};

/// A fresh, empty database on the shared server; dropped with this value.
pub(crate) struct Database {
    /// As the bridge's `database.url` takes it.
    pub(crate) url: String,
    server: Url,
    name: String,
}

/// A fresh, empty database on the shared server.
#[expect(
    clippy::disallowed_methods,
    reason = "a setting of the tests, not of the bridge"
)]
pub(crate) async fn database() -> Database {
    static SHARED: OnceCell<Cluster> = OnceCell::const_new();
    static NEXT: AtomicU32 = AtomicU32::new(0);

    let server = match std::env::var("TEST_DATABASE_URL") {
        Ok(url) => url,
        Err(_) => SHARED.get_or_init(Cluster::start).await.url(),
    };
    let server = Url::parse(&server).expect("TEST_DATABASE_URL is an address");
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("test_{}_{number}", std::process::id());
    execute(&server, format!("create database {name}"))
        .await
        .unwrap_or_else(|error| panic!("no database on {server}: {error}"));
    let mut url = server.clone();
    url.set_path(&name);
    Database {
        url: url.into(),
        server,
        name,
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let server = self.server.clone();
        let statement = format!("drop database if exists {} with (force)", self.name);
        // A thread of its own, as a runtime cannot wait inside a runtime.
        let dropping = std::thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build().expect("a runtime starts");
            runtime.block_on(execute(&server, statement))
        });
        if let Ok(Err(error)) = dropping.join() {
            eprintln!("database {} is left over: {error}", self.name);
        }
    }
}

async fn execute(server: &Url, statement: String) -> sqlx::Result<()> {
    let mut connection = PgConnection::connect(server.as_str()).await?;
    connection.execute(AssertSqlSafe(statement)).await?;
    connection.close().await
}

/// A server with one empty database, for a test that takes it away.
pub(crate) struct Cluster {
    folder: PathBuf,
    port: u16,
    server: Option<Process>,
}

impl Cluster {
    /// Makes and starts a server on a free loopback port.
    pub(crate) async fn start() -> Self {
        let folder = make_folder();
        let mut initdb = start(&folder, "initdb", |command| {
            command.arg("--pgdata").arg(folder.join("data")).args([
                "--username=bridge",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
            ]);
        });
        let status = initdb.wait(START).await;
        assert!(status.success(), "initdb failed:\n{}", initdb.output());
        let mut cluster = Self {
            folder,
            port: free_port(),
            server: None,
        };
        cluster.restart().await;
        cluster
    }

    /// The address of its database `postgres`; the same after a restart.
    pub(crate) fn url(&self) -> String {
        format!("postgres://bridge@127.0.0.1:{}/postgres", self.port)
    }

    /// Cuts every connection and stops; new connections are refused.
    pub(crate) async fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.stop(Signal::SIGUSR1, STOP).await;
        }
    }

    /// Starts it again, with its data, on the same port.
    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        let server = start(&self.folder, "bash", |command| {
            let postgres = binaries().join("postgres");
            command.args(["-c", KEEPER, "keeper"]).arg(&self.folder);
            command
                .arg(postgres)
                .arg("-D")
                .arg(self.folder.join("data"));
            for setting in SETTINGS {
                command.args(["-c", setting]);
            }
            command.args(["-c", &format!("port={}", self.port)]);
        });
        server
            .wait_for_line("database system is ready to accept connections", START)
            .await;
        self.server = Some(server);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            server.stop_blocking(Signal::SIGTERM, STOP);
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Stops the server on either signal; SIGTERM, which also means that the tests
/// have died, takes the folder with it.
const KEEPER: &str = r#"
folder=$1; shift
trap 'kill -INT $server 2>/dev/null' USR1
trap 'gone=1; kill -INT $server 2>/dev/null' TERM
"$@" &
server=$!
[ -z "$gone" ] || kill -INT $server
while kill -0 $server 2>/dev/null; do wait $server; done
[ -z "$gone" ] || rm -rf "$folder"
"#;

/// Durability is not what these servers are for.
const SETTINGS: [&str; 9] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=300",
    "shared_buffers=64MB",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "jit=off",
    "log_min_messages=log",
];

fn start(folder: &Path, program: &str, configure: impl FnOnce(&mut Command)) -> Process {
    let path = if program == "initdb" {
        binaries().join(program)
    } else {
        require_program(program, "apt-get install bash")
    };
    let options = server_user().map(|user| user.setpriv_options());
    Process::start_through(program, &options.unwrap_or_default(), path, |command| {
        command.current_dir(folder).env("LC_ALL", "C");
        configure(command);
    })
}

/// Where `postgres` and `initdb` are; the newest version of several.
fn binaries() -> PathBuf {
    let told = Command::new("pg_config").arg("--bindir").output();
    let told = told.map(|told| String::from_utf8_lossy(&told.stdout).trim().to_owned());
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let mut folders: Vec<PathBuf> = versions
        .flatten()
        .map(|version| version.path().join("bin"))
        .collect();
    folders.sort_by_key(|folder| {
        let version = folder.iter().rev().nth(1).and_then(|it| it.to_str());
        version.and_then(|it| it.parse::<u32>().ok())
    });
    folders.reverse();
    folders.extend(told.map(PathBuf::from));
    folders.push("/usr/bin".into());
    folders
        .into_iter()
        .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
        .expect("Postgres is missing; install it with: apt-get install postgresql")
}

/// The user that the server runs as where the tests run as root, which
/// Postgres refuses.
struct ServerUser {
    uid: u32,
    gid: u32,
}

impl ServerUser {
    fn setpriv_options(&self) -> Vec<String> {
        vec![
            format!("--reuid={}", self.uid),
            format!("--regid={}", self.gid),
            "--clear-groups".to_owned(),
        ]
    }
}

fn server_user() -> Option<ServerUser> {
    let own_uid = std::fs::metadata("/proc/self").expect("Linux").uid();
    if own_uid != 0 {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").expect("a readable /etc/passwd");
    let find = |name: &str| {
        let user = users
            .lines()
            .find(|it| it.split(':').next() == Some(name))?;
        let mut fields = user.split(':').skip(2);
        let uid = fields.next()?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(ServerUser { uid, gid })
    };
    let user = find("postgres").or_else(|| find("nobody"));
    Some(user.expect("a user postgres or nobody to run Postgres as, instead of root"))
}

/// A folder for the server's user alone, below the temporary folder: a
/// repository may lie where that user cannot go.
fn make_folder() -> PathBuf {
    let folder = temporary_folder("postgres").keep();
    if let Some(user) = server_user() {
        chown(&folder, Some(user.uid), Some(user.gid)).expect("root may give a folder away");
    }
    folder
}

const START: Duration = Duration::from_mins(1);
const STOP: Duration = Duration::from_secs(20);
