//! `migrate`.

use clap::Args;

use super::output::say;
use super::{CliError, Global};
use crate::bridge::open_store;
use crate::store::Store;

/// Brings the database to this version; safe to run from many instances at once.
#[derive(Args)]
pub(super) struct Migrate {}

impl Migrate {
    pub(super) async fn run(&self, global: &Global) -> Result<(), CliError> {
        let config = global.load()?;
        let store = open_store(&config).await?;
        migrate(&store).await?;
        say("The database is at this version.");
        Ok(())
    }
}

/// Migrates, and names the database as the one at fault where it does not work.
pub(super) async fn migrate(store: &Store) -> Result<(), CliError> {
    let failed = |error| CliError::Failed(format!("the database cannot be migrated: {error}"));
    store.migrate().await.map_err(failed)
}
