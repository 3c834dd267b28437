//! `sgid-bridge demo`, as somebody starts it on a fresh machine.

use std::path::PathBuf;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::deployment::{PATIENCE, start_in};
use super::process::{Process, free_port, temporary_folder};

/// A running demo. Dropping it kills it.
pub(crate) struct Demo {
    /// The program.
    pub(crate) process: Process,
    /// The bridge.
    pub(crate) issuer: String,
    /// The simulated sgID, without the version.
    pub(crate) sgid: String,
    /// The playground, where there is one.
    pub(crate) playground: Option<String>,
    folder: TempDir,
}

impl Demo {
    /// Starts it with a playground.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts it with more arguments, in an empty folder, with a temporary folder of its own.
    pub(crate) async fn start_with(arguments: &[&str]) -> Self {
        let folder = temporary_folder("demo");
        let temporary = folder.path().join("temporary");
        let home = folder.path().join("home");
        for folder in [&temporary, &home] {
            std::fs::create_dir(folder).unwrap();
        }
        let listen = format!("127.0.0.1:{}", three_ports());
        let mut all = vec!["demo", "--listen", &listen];
        all.extend(arguments);
        let process = start_in(&home, &all, |command| {
            command.env("TMPDIR", &temporary);
        });
        process.wait_for_line("Stop with Ctrl-C", PATIENCE).await;
        let output = process.output();
        let after = |label: &str| {
            let line = output.lines().find(|line| line.trim().starts_with(label))?;
            line.split_whitespace().nth(1).map(str::to_owned)
        };
        let sgid = after("sgID ").unwrap();
        Self {
            issuer: format!("http://{listen}"),
            sgid: sgid.trim_end_matches("/v2").to_owned(),
            playground: after("Open ").map(|url| url.trim_end_matches('/').to_owned()),
            process,
            folder,
        }
    }

    /// The playground's address.
    pub(crate) fn playground(&self) -> &str {
        self.playground.as_deref().unwrap()
    }

    /// What it has left in its temporary folder.
    pub(crate) fn leftovers(&self) -> Vec<PathBuf> {
        entries(&self.folder.path().join("temporary"))
    }

    /// What it has left in the folder where it was started.
    pub(crate) fn home(&self) -> Vec<PathBuf> {
        entries(&self.folder.path().join("home"))
    }

    /// Ends it as Ctrl-C does.
    pub(crate) async fn interrupt(&mut self) {
        let status = self.process.stop(Signal::SIGINT, PATIENCE).await;
        assert!(status.success(), "{status}: {}", self.process.output());
    }
}

/// A free port with two more after it, which the demo takes for the simulated sgID and the playground.
fn three_ports() -> u16 {
    loop {
        let [first, second, third] = [(); 3].map(|()| free_port());
        if second == first + 1 && third == second + 1 {
            break first;
        }
    }
}

fn entries(folder: &std::path::Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}
