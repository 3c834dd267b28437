//! `keys`.

use clap::{Args, Subcommand};
use serde_json::json;

use super::output::{instant, say, say_json};
use super::{CliError, Global};
use crate::bridge::{make_key, named_algorithms, open_store, schedule};
use crate::clock::{Clock, Timestamp};
use crate::keyring::{Duty, Keyring, Schedule};
use crate::oidc::algorithm::SigningAlgorithm;
use crate::store::Store;

/// How long relying parties may keep our keys in a cache: a key is published at least so long before it signs.
const CACHE: std::time::Duration = std::time::Duration::from_hours(1);

#[derive(Subcommand)]
pub(super) enum KeysCommand {
    /// Shows every key: what it may do, since when, and its kid
    List(List),
    /// Brings the next key's turn forward
    Rotate(Rotate),
    /// Withdraws a compromised key at once
    Revoke(Revoke),
}

#[derive(Args)]
pub(super) struct List {
    /// For scripts
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Rotate {
    /// Only this algorithm
    #[arg(long, value_name = "ALG")]
    algorithm: Option<String>,
    /// Signs with a key made this moment, which relying parties cannot know yet: for an emergency
    #[arg(long)]
    now: bool,
}

#[derive(Args)]
pub(super) struct Revoke {
    /// The key ID, as `keys list` shows it
    #[arg(allow_hyphen_values = true)]
    kid: String,
}

struct Open {
    store: Store,
    schedule: Schedule,
    now: Timestamp,
}

impl KeysCommand {
    pub(super) async fn run(&self, global: &Global) -> Result<(), CliError> {
        let config = global.load()?;
        let _ = global.start_logging(&config)?;
        let store = open_store(&config).await?;
        store.check_migrated().await?.map_err(CliError::failed)?;
        let open = Open {
            store,
            schedule: schedule(&config),
            now: Clock::system().now(),
        };
        match self {
            Self::List(list) => open.list(list).await,
            Self::Rotate(rotate) => open.rotate(rotate).await,
            Self::Revoke(revoke) => open.revoke(revoke).await,
        }
    }
}

impl Open {
    async fn keyring(&self) -> Result<Keyring, CliError> {
        let records = self.store.signing_keys().await?;
        Keyring::assemble(&records, self.schedule.clone(), None).map_err(CliError::failed)
    }

    async fn list(&self, list: &List) -> Result<(), CliError> {
        let keyring = self.keyring().await?;
        if list.json {
            let keys: Vec<_> = keyring
                .keys()
                .iter()
                .map(|key| {
                    json!({
                        "kid": key.kid().as_str(),
                        "alg": key.slot().algorithm,
                        "state": state(keyring.duty(key, self.now)),
                        "published_at": instant(key.published_at()),
                        "signs_at": instant(key.signs_at()),
                        "revoked_at": key.revoked_at().map(instant),
                    })
                })
                .collect();
            return say_json(&keys);
        }
        if keyring.keys().is_empty() {
            say("No keys yet: `serve` makes the first ones.");
        }
        for key in keyring.keys() {
            say(&format!(
                "{:8} {:9} signs from {}  published {}  {}",
                key.slot().to_string(),
                state(keyring.duty(key, self.now)),
                instant(key.signs_at()),
                instant(key.published_at()),
                key.kid()
            ));
        }
        Ok(())
    }

    async fn rotate(&self, rotate: &Rotate) -> Result<(), CliError> {
        let named = match &rotate.algorithm {
            None => None,
            Some(text) => Some(SigningAlgorithm::parse(text).ok_or_else(|| {
                CliError::Usage("--algorithm must be RS256, PS256, ES256 or EdDSA".to_owned())
            })?),
        };
        let keyring = self.keyring().await?;
        let algorithms = named_algorithms(&self.schedule, named);
        if algorithms.is_empty() {
            return Err(CliError::Usage(
                "--algorithm must be one of signing_algorithms in [keys]".to_owned(),
            ));
        }
        for algorithm in algorithms {
            let next = keyring
                .keys()
                .iter()
                .filter(|key| key.slot().algorithm == algorithm)
                .find(|key| keyring.duty(key, self.now) == Duty::Upcoming);
            match next {
                Some(next) if !rotate.now => {
                    let earliest = next.published_at().after(CACHE).max(self.now);
                    self.store
                        .reschedule_signing_key(next.slot(), earliest)
                        .await?;
                    say(&format!("{} signs from {}", next.slot(), instant(earliest)));
                }
                _ => {
                    let due = keyring.due_now(algorithm, self.now);
                    make_key(&self.store, due, self.now).await?;
                    say(&format!("{} signs from now on", due.slot));
                }
            }
        }
        tracing::info!(target: "sgid_bridge::audit", event = "key.rotated", "signing keys were rotated by command");
        Ok(())
    }

    async fn revoke(&self, revoke: &Revoke) -> Result<(), CliError> {
        let keyring = self.keyring().await?;
        let key = keyring
            .keys()
            .iter()
            .find(|key| key.kid().as_str() == revoke.kid);
        let key = key.ok_or_else(|| {
            CliError::Failed("there is no key of that kid: see `sgid-bridge keys list`".to_owned())
        })?;
        let was_signing = keyring.duty(key, self.now) == Duty::Signing;
        let algorithm = key.slot().algorithm;
        // The successor first: there is no moment without a key.
        if was_signing && self.schedule.algorithms.contains(&algorithm) {
            let due = keyring.due_now(algorithm, self.now);
            make_key(&self.store, due, self.now).await?;
            say(&format!("{} signs from now on", due.slot));
        }
        self.store.revoke_signing_key(key.slot(), self.now).await?;
        tracing::info!(target: "sgid_bridge::audit", event = "key.revoked", key.kid = %key.kid(), "a signing key was withdrawn by command");
        say(&format!(
            "{} is withdrawn: running instances stop publishing it within seconds.",
            key.slot()
        ));
        Ok(())
    }
}

const fn state(duty: Duty) -> &'static str {
    match duty {
        Duty::Upcoming => "upcoming",
        Duty::Signing => "signing",
        Duty::Retired => "retired",
        Duty::Gone => "gone",
    }
}
