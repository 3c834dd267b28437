//! Programs that a test starts: none of them outlives the tests.
//!
//! The kernel ends a child when the thread that started it ends
//! (`PR_SET_PDEATHSIG`), so every child is started by one thread that lives as
//! long as the test process, however that ends.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{LazyLock, mpsc};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::sync::watch;

/// A running program, with what it has written so far. Dropping it kills it
/// and the children it kept in its process group.
pub(crate) struct Process {
    name: String,
    child: Child,
    status: Option<ExitStatus>,
    written: watch::Receiver<Written>,
}

impl Process {
    /// Starts `program`; `configure` adds arguments and environment.
    ///
    /// The program leads its own process group: a Ctrl-C meant for the tests
    /// reaches it only through their end.
    pub(crate) fn start(
        name: &str,
        program: impl AsRef<OsStr>,
        configure: impl FnOnce(&mut Command),
    ) -> Self {
        Self::start_through(name, &[], program, configure)
    }

    /// As [`Process::start`], with more options of `setpriv`, such as another user.
    pub(crate) fn start_through(
        name: &str,
        setpriv_options: &[String],
        program: impl AsRef<OsStr>,
        configure: impl FnOnce(&mut Command),
    ) -> Self {
        let mut command = Command::new(require_program("setpriv", "apt-get install util-linux"));
        command.args(["--pdeathsig", "TERM"]);
        command.args(setpriv_options).arg("--").arg(program);
        configure(&mut command);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);

        let mut child = spawn_from_the_lasting_thread(command)
            .unwrap_or_else(|error| panic!("{name} did not start: {error}"));
        let (sender, written) = watch::channel(Written::default());
        let stdout = child.stdout.take().expect("stdout is piped");
        let stderr = child.stderr.take().expect("stderr is piped");
        capture(stdout, Stream::Stdout, sender.clone());
        capture(stderr, Stream::Stderr, sender);
        Self {
            name: name.to_owned(),
            child,
            status: None,
            written,
        }
    }

    /// The process id: that of the program itself, not of a wrapper.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The first line, of either stream, that contains `pattern`, from the
    /// start of the program on. Panics with the output when the program ends
    /// or the time is over first.
    pub(crate) async fn wait_for_line(&self, pattern: &str, timeout: Duration) -> String {
        let mut written = self.written.clone();
        let wait = written.wait_for(|it| it.find(pattern).is_some() || it.is_complete());
        let found = match tokio::time::timeout(timeout, wait).await {
            Ok(Ok(written)) => written.find(pattern),
            Ok(Err(_)) | Err(_) => None,
        };
        found.unwrap_or_else(|| {
            panic!(
                "{} never wrote {pattern:?}; it wrote:\n{}",
                self.name,
                self.output()
            )
        })
    }

    /// Everything written so far, both streams in order of arrival (the last
    /// 16 MiB of it).
    pub(crate) fn output(&self) -> String {
        self.written.borrow().text(|_| true)
    }

    /// What was written to standard output so far.
    pub(crate) fn stdout(&self) -> String {
        self.written.borrow().text(|it| it == Stream::Stdout)
    }

    /// What was written to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        self.written.borrow().text(|it| it == Stream::Stderr)
    }

    /// Whether the program still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.poll().is_none()
    }

    /// Sends one signal to the program.
    pub(crate) fn signal(&self, signal: Signal) {
        if self.status.is_none() {
            kill(self.pid(), signal).expect("the child is not reaped, so its id is its own");
        }
    }

    /// Waits for the program to end and for the last of its output.
    pub(crate) async fn wait(&mut self, timeout: Duration) -> ExitStatus {
        let end = Instant::now() + timeout;
        let status = loop {
            if let Some(status) = self.poll() {
                break status;
            }
            assert!(
                Instant::now() < end,
                "{} still runs after {timeout:?}; it wrote:\n{}",
                self.name,
                self.output()
            );
            tokio::time::sleep(POLL).await;
        };
        let mut written = self.written.clone();
        // A grandchild may hold the streams open for ever; its words are not waited for.
        let _ = tokio::time::timeout(
            Duration::from_secs(1),
            written.wait_for(Written::is_complete),
        )
        .await;
        status
    }

    /// Sends `signal` and waits for the end.
    pub(crate) async fn stop(&mut self, signal: Signal, timeout: Duration) -> ExitStatus {
        self.signal(signal);
        self.wait(timeout).await
    }

    /// Sends `signal` and waits, for where there is no runtime: in a `Drop`.
    pub(crate) fn stop_blocking(&mut self, signal: Signal, timeout: Duration) {
        self.signal(signal);
        let end = Instant::now() + timeout;
        while self.poll().is_none() && Instant::now() < end {
            std::thread::sleep(POLL);
        }
    }

    fn poll(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().expect("a child can be waited for");
        }
        self.status
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("process ids are small"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.poll().is_none() {
            // Failure means that it has ended meanwhile.
            let _ = killpg(self.pid(), Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

/// The path of `program`, or a panic that names the command that installs it.
pub(crate) fn require_program(program: &str, install: &str) -> PathBuf {
    find_program(program)
        .unwrap_or_else(|| panic!("{program} is missing; install it with: {install}"))
}

/// `path`, or a panic that names the command that installs it.
pub(crate) fn require_file(path: PathBuf, install: &str) -> PathBuf {
    assert!(
        path.exists(),
        "{} is missing; from the repository's root run: {install}",
        path.display()
    );
    path
}

/// A file of this repository.
pub(crate) fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A folder of our own below the temporary folder. It is removed with the
/// value, or, where the tests were cut off, by the next tests that need one.
pub(crate) fn temporary_folder(kind: &str) -> TempDir {
    let prefix = format!("sgid-bridge-{kind}-");
    let folders = std::fs::read_dir(std::env::temp_dir());
    for folder in folders.into_iter().flatten().flatten() {
        let name = folder.file_name();
        let owner = name.to_str().and_then(|it| it.strip_prefix(&prefix));
        let owner = owner.and_then(|it| it.split('-').next());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = std::fs::remove_dir_all(folder.path());
        }
    }
    tempfile::Builder::new()
        .prefix(&format!("{prefix}{}-", std::process::id()))
        .tempdir()
        .expect("a temporary folder can be made")
}

/// Kills every process whose command line names `folder`, and waits until they
/// are gone: for the children of a program that ended without them, and before
/// the folder is removed.
pub(crate) fn kill_whatever_names(folder: &Path) {
    let names_it = |process: &Path| {
        let command_line = std::fs::read(process.join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command_line).contains(&*folder.to_string_lossy())
    };
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids: Vec<i32> = processes
            .filter(|process| names_it(&process.path()))
            .filter_map(|process| process.file_name().to_str()?.parse().ok())
            .collect();
        if ids.is_empty() || Instant::now() > end {
            break;
        }
        for id in ids {
            let _ = kill(Pid::from_raw(id), Signal::SIGKILL);
        }
        std::thread::sleep(POLL);
    }
}

/// A loopback port that nobody listens on now. It lies below the kernel's
/// range for outgoing connections, so that it stays free while a server on it
/// is stopped.
pub(crate) fn free_port() -> u16 {
    static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| {
        let spread = std::process::id().wrapping_mul(61) % u32::from(PORTS);
        AtomicU16::new(u16::try_from(spread).expect("less than PORTS"))
    });
    (0..PORTS)
        .map(|_| FIRST_PORT + NEXT.fetch_add(1, Ordering::Relaxed) % PORTS)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("one of twelve thousand ports is free")
}

/// Waits until `GET path` on a loopback port is answered with 200.
pub(crate) async fn wait_until_answers(process: &mut Process, port: u16, path: &str) {
    let end = Instant::now() + Duration::from_secs(30);
    while !answers(port, path) {
        assert!(
            process.is_running() && Instant::now() < end,
            "{} does not answer on port {port}; it wrote:\n{}",
            process.name,
            process.output()
        );
        tokio::time::sleep(POLL).await;
    }
}

fn answers(port: u16, path: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
        return false;
    };
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
    let mut answer = [0; 12];
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .is_ok()
        && stream.write_all(request.as_bytes()).is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && answer.ends_with(b" 200")
}

fn find_program(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// Starts the command in the one thread that never ends before the process does.
fn spawn_from_the_lasting_thread(command: Command) -> std::io::Result<Child> {
    type Order = (Command, mpsc::Sender<std::io::Result<Child>>);
    static ORDERS: LazyLock<mpsc::Sender<Order>> = LazyLock::new(|| {
        let (orders, received) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, reply) in received {
                let _ = reply.send(command.spawn());
            }
        });
        orders
    });
    let (reply, answer) = mpsc::channel();
    ORDERS
        .send((command, reply))
        .expect("the thread never ends");
    answer.recv().expect("the thread answers every order")
}

#[derive(Clone, Copy, PartialEq)]
enum Stream {
    Stdout,
    Stderr,
}

#[derive(Default)]
struct Written {
    lines: VecDeque<(Stream, String)>,
    bytes: usize,
    ended_streams: u8,
}

impl Written {
    fn find(&self, pattern: &str) -> Option<String> {
        let found = self.lines.iter().find(|(_, line)| line.contains(pattern));
        found.map(|(_, line)| line.clone())
    }

    fn is_complete(&self) -> bool {
        self.ended_streams == 2
    }

    fn text(&self, wanted: impl Fn(Stream) -> bool) -> String {
        let lines = self.lines.iter().filter(|(stream, _)| wanted(*stream));
        lines.flat_map(|(_, line)| [line, "\n"]).collect()
    }

    fn push(&mut self, stream: Stream, line: String) {
        self.bytes += line.len();
        self.lines.push_back((stream, line));
        while self.bytes > MAX_OUTPUT {
            let dropped = self.lines.pop_front();
            self.bytes -= dropped.map_or(0, |(_, line)| line.len());
        }
    }
}

fn capture(from: impl Read + Send + 'static, stream: Stream, to: watch::Sender<Written>) {
    std::thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while matches!(from.read_until(b'\n', &mut line), Ok(1..)) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            to.send_modify(|written| written.push(stream, text));
            line.clear();
        }
        to.send_modify(|written| written.ended_streams += 1);
    });
}

const MAX_OUTPUT: usize = 16 * 1024 * 1024;
const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 12_000;
const POLL: Duration = Duration::from_millis(10);
