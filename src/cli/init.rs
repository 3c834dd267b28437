//! `init`.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use clap::Args;

use super::output::say;
use super::{CliError, Global};
use crate::secret::{MasterKey, randomness};

const TEMPLATE: &str = include_str!("../../examples/sgid-bridge.toml");
const MASTER_KEY: &str = "keys/master.key";

/// Writes a commented configuration and a fresh master key; never overwrites.
#[derive(Args)]
pub(super) struct Init {}

impl Init {
    #[expect(clippy::unused_self, reason = "every command runs alike")]
    pub(super) fn run(&self, global: &Global) -> Result<(), CliError> {
        let file = global
            .config
            .clone()
            .unwrap_or_else(|| PathBuf::from("sgid-bridge.toml"));
        let folder = file.parent().unwrap_or(Path::new("")).to_owned();
        let master_key = folder.join(MASTER_KEY);
        for path in [&file, &master_key] {
            if path.exists() {
                let message = format!(
                    "{} is there already, and nothing is overwritten",
                    path.display()
                );
                return Err(CliError::Failed(message));
            }
        }
        if let Some(keys) = master_key.parent() {
            create_private_folder(keys)?;
        }
        let fresh = MasterKey::generate(&mut randomness());
        create_private_file(&master_key, fresh.expose().as_bytes())?;
        create_private_file(&file, TEMPLATE.as_bytes())?;
        say(&format!(
            "Wrote {} and {}.",
            file.display(),
            master_key.display()
        ));
        say("Keep a copy of the master key where the database's backups are not.");
        say("Next: fill in [upstreams.sgid], then run `sgid-bridge check`.");
        Ok(())
    }
}

/// A folder that only its owner can enter.
pub(super) fn create_private_folder(path: &Path) -> Result<(), CliError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| CliError::Failed(format!("cannot create {}: {error}", path.display())))
}

/// A file that only its owner can read, and that was not there before.
pub(super) fn create_private_file(path: &Path, content: &[u8]) -> Result<(), CliError> {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| {
            file.write_all(content)?;
            file.sync_all()
        });
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            CliError::Failed(format!("{} is there already", path.display()))
        }
        _ => CliError::Failed(format!("cannot write {}: {error}", path.display())),
    })
}
