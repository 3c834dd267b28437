//! `client`.

mod change;
mod report;

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use url::Url;

use self::change::Change;
use self::report::{line, report, summary};
use super::output::{instant, say, say_json};
use super::{CliError, Global};
use crate::bridge::{Prepared, open_store};
use crate::clients::{Rules, add_secret, settle_secrets};
use crate::clock::{Clock, Timestamp};
use crate::oidc::client::{Client, ClientId};
use crate::outgoing::Outgoing;
use crate::store::{ClientRecord, Store};

#[derive(Subcommand)]
pub(super) enum ClientCommand {
    /// Adds a relying party; its secret is shown once
    Add(Change),
    /// Lists relying parties, those of the configuration too
    List(Reading),
    /// Shows one relying party
    Show(Named),
    /// Changes what is named, and nothing else; an empty text takes a setting away
    Update(Change),
    /// Makes a new secret, shown once; the former one works for a while longer
    RotateSecret(RotateSecret),
    /// Removes a relying party: it is refused everywhere at once
    Remove(Named),
}

#[derive(Args)]
pub(super) struct Reading {
    /// For scripts
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Named {
    /// Which one
    client_id: String,
    /// For scripts
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct RotateSecret {
    /// Which one
    client_id: String,
    /// How long the former secret works beside the new one
    #[arg(long, default_value = "24h", value_parser = humantime::parse_duration)]
    overlap: Duration,
    /// For scripts
    #[arg(long)]
    json: bool,
}

struct Open {
    store: Store,
    outgoing: Outgoing,
    rules: Rules,
    configured: Vec<std::sync::Arc<Client>>,
    now: Timestamp,
}

impl ClientCommand {
    pub(super) async fn run(&self, global: &Global) -> Result<(), CliError> {
        let config = global.load()?;
        let _ = global.start_logging(&config)?;
        let prepared = Prepared::new(&config)?;
        let store = open_store(&config).await?;
        store.check_migrated().await?.map_err(CliError::failed)?;
        let open = Open {
            store,
            rules: prepared.clients.rules().as_ref().clone(),
            configured: prepared.clients.configured(),
            outgoing: prepared.outgoing,
            now: Clock::system().now(),
        };
        match self {
            Self::Add(change) => open.add(change).await,
            Self::List(reading) => open.list(reading).await,
            Self::Show(named) => open.show(named).await,
            Self::Update(change) => open.update(change).await,
            Self::RotateSecret(rotate) => open.rotate_secret(rotate).await,
            Self::Remove(named) => open.remove(named).await,
        }
    }
}

impl Open {
    async fn add(&self, change: &Change) -> Result<(), CliError> {
        let metadata = change.over(Map::new())?;
        let mut record = ClientRecord {
            secrets: Vec::new(),
            registration: None,
            metadata,
            changed_at: self.now,
        };
        let secret = settle_secrets(&mut record);
        self.admit(&record)?;
        self.confirm_sector(&record).await?;
        let id = &record.metadata.client_id;
        if self.is_configured(id) || !self.store.add_client(&record).await? {
            return Err(CliError::Failed(format!(
                "the client {id} is there already"
            )));
        }
        audit("client.added", id);
        report(change.json, &record, secret.as_deref())
    }

    async fn update(&self, change: &Change) -> Result<(), CliError> {
        let former = self.find(&change.client_id).await?;
        let Value::Object(metadata) = json!(former.metadata) else {
            return Err(CliError::failed("the stored registration is unreadable"));
        };
        let mut record = ClientRecord {
            metadata: change.over(metadata)?,
            changed_at: self.now,
            ..former.clone()
        };
        let secret = settle_secrets(&mut record);
        self.admit(&record)?;
        self.confirm_sector(&record).await?;
        self.replace(&former, &record).await?;
        audit("client.updated", &record.metadata.client_id);
        report(change.json, &record, secret.as_deref())
    }

    async fn rotate_secret(&self, rotate: &RotateSecret) -> Result<(), CliError> {
        let former = self.find(&rotate.client_id).await?;
        let mut record = former.clone();
        if !record.metadata.token_endpoint_auth_method.has_secret() {
            return Err(CliError::failed(
                "this client has no secret: it is public, or has keys of its own",
            ));
        }
        let until = self.now.after(rotate.overlap);
        record
            .secrets
            .retain(|secret| secret.expires_at.is_none_or(|at| self.now < at));
        for former in &mut record.secrets {
            former.expires_at = Some(former.expires_at.map_or(until, |at| at.min(until)));
        }
        let secret = add_secret(&mut record);
        record.changed_at = self.now;
        self.replace(&former, &record).await?;
        audit("client.secret_rotated", &record.metadata.client_id);
        if !rotate.json {
            say(&format!(
                "The former secret works until {}.",
                instant(until)
            ));
        }
        report(rotate.json, &record, Some(&secret))
    }

    async fn remove(&self, named: &Named) -> Result<(), CliError> {
        let record = self.find(&named.client_id).await?;
        self.store.remove_client(&record.metadata.client_id).await?;
        audit("client.removed", &record.metadata.client_id);
        if named.json {
            return say_json(&json!({ "removed": record.metadata.client_id }));
        }
        say(&format!("Removed {}.", record.metadata.client_id));
        Ok(())
    }

    async fn show(&self, named: &Named) -> Result<(), CliError> {
        if let Some(client) = self
            .configured
            .iter()
            .find(|client| client.client_id().as_str() == named.client_id)
        {
            return self.describe(named.json, client, "configuration");
        }
        let record = self.find(&named.client_id).await?;
        if named.json {
            return report(true, &record, None);
        }
        self.describe(false, &self.admit(&record)?, "database")
    }

    async fn list(&self, reading: &Reading) -> Result<(), CliError> {
        let stored = self.store.list_clients().await?;
        if reading.json {
            let configured = self
                .configured
                .iter()
                .map(|client| summary(client, "configuration"));
            let stored = stored.iter().map(|record| match self.admit(record) {
                Ok(client) => summary(&client, "database"),
                Err(error) => json!({ "client_id": record.metadata.client_id, "kept_in": "database", "error": error.to_string() }),
            });
            return say_json(&configured.chain(stored).collect::<Vec<_>>());
        }
        for client in &self.configured {
            say(&line(client, "configuration"));
        }
        for record in &stored {
            match self.admit(record) {
                Ok(client) => say(&line(&client, "database")),
                Err(error) => say(&format!(
                    "{}  cannot be served: {error}",
                    record.metadata.client_id
                )),
            }
        }
        if self.configured.is_empty() && stored.is_empty() {
            say("No clients yet: `sgid-bridge client add` or [[clients]].");
        }
        Ok(())
    }

    #[expect(clippy::unused_self, reason = "reads like its siblings")]
    fn describe(&self, json: bool, client: &Client, kept_in: &str) -> Result<(), CliError> {
        if json {
            return say_json(&summary(client, kept_in));
        }
        say(&line(client, kept_in));
        for uri in client.redirect_uris() {
            say(&format!("  redirect URI   {uri}"));
        }
        say(&format!("  scope          {}", client.scope()));
        say(&format!("  upstream       {}", client.upstream()));
        if let Some(purpose) = client.nric_purpose() {
            say(&format!("  NRIC purpose   {purpose}"));
        }
        Ok(())
    }

    fn admit(&self, record: &ClientRecord) -> Result<Client, CliError> {
        self.rules
            .admit_record(record, self.now)
            .map_err(|error| CliError::Usage(error.to_string()))
    }

    /// A sector must list the redirect URIs itself: OpenID Connect Registration section 5.
    async fn confirm_sector(&self, record: &ClientRecord) -> Result<(), CliError> {
        let uri = record.metadata.sector_identifier_uri.as_deref();
        let Some(uri) = uri.and_then(|uri| Url::parse(uri).ok()) else {
            return Ok(());
        };
        let redirect_uris = &record.metadata.redirect_uris;
        let confirmed = self.outgoing.confirm_sector(&uri, redirect_uris).await;
        confirmed.map_err(CliError::failed)
    }

    async fn replace(&self, former: &ClientRecord, record: &ClientRecord) -> Result<(), CliError> {
        if self.store.replace_client(former, record).await? {
            return Ok(());
        }
        Err(CliError::failed(
            "somebody else changed this client at the same moment: look at it, then try again",
        ))
    }

    fn is_configured(&self, id: &ClientId) -> bool {
        self.configured
            .iter()
            .any(|client| client.client_id() == id)
    }

    async fn find(&self, client_id: &str) -> Result<ClientRecord, CliError> {
        let id = ClientId::parse(client_id);
        if id.as_ref().is_some_and(|id| self.is_configured(id)) {
            return Err(CliError::failed(
                "this client stands in the configuration: change it there, then send SIGHUP",
            ));
        }
        let found = match id {
            Some(id) => self.store.find_client(&id).await?,
            None => None,
        };
        found.ok_or_else(|| {
            CliError::failed(
                "there is no client of that name in the database: see `sgid-bridge client list`",
            )
        })
    }
}

fn audit(event: &str, id: &ClientId) {
    tracing::info!(target: "sgid_bridge::audit", event, client.id = %id, "a client was changed by command");
}
