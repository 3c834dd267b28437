//! `check`.

use clap::Args;
use serde::Serialize;

use super::output::{say, say_json};
use super::{CliError, Global};
use crate::bridge::{Prepared, open_store};
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::oidc::client::CodeProtection;
use crate::store::Store;

/// Reads configuration, keys and clients, reaches database and upstream, and says what is wrong.
#[derive(Args)]
pub(super) struct Check {
    /// Leaves the network out
    #[arg(long)]
    offline: bool,
    /// For scripts
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Good,
    Note,
    Bad,
}

#[derive(Serialize)]
struct Finding {
    verdict: Verdict,
    what: String,
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, verdict: Verdict, what: impl Into<String>) {
        let what = what.into();
        self.0.push(Finding { verdict, what });
    }

    fn judge<T, E: ToString>(&mut self, outcome: Result<T, E>, good: &str) -> Option<T> {
        match outcome {
            Ok(value) => {
                self.add(Verdict::Good, good);
                Some(value)
            }
            Err(error) => {
                for line in error.to_string().lines() {
                    self.add(Verdict::Bad, line);
                }
                None
            }
        }
    }
}

impl Check {
    pub(super) async fn run(&self, global: &Global) -> Result<(), CliError> {
        let mut findings = Findings::default();
        let now = Clock::system().now();
        let config = findings.judge(
            Config::load(global.config.as_deref()),
            "the configuration is complete",
        );
        if let Some(config) = &config {
            self.examine(config, now, &mut findings).await;
        }
        let is_bad = findings
            .0
            .iter()
            .any(|finding| finding.verdict == Verdict::Bad);
        if self.json {
            say_json(&findings.0)?;
        } else {
            for finding in &findings.0 {
                let mark = match finding.verdict {
                    Verdict::Good => "ok  ",
                    Verdict::Note => "note",
                    Verdict::Bad => "BAD ",
                };
                say(&format!("{mark}  {}", finding.what));
            }
        }
        match (is_bad, config) {
            (false, _) => Ok(()),
            (true, None) => Err(CliError::Usage("the configuration cannot work".to_owned())),
            (true, Some(_)) => Err(CliError::failed("something needs mending")),
        }
    }

    async fn examine(&self, config: &Config, now: Timestamp, findings: &mut Findings) {
        let prepared = findings.judge(
            Prepared::new(config),
            "upstreams, private keys, claims and clients fit together",
        );
        for name in config.upstreams.keys() {
            let callback = config.redirect_uri(name);
            let what =
                format!("[upstreams.{name}]: register this redirect URI at sgID: {callback}");
            findings.add(Verdict::Note, what);
        }
        if let Some(prepared) = &prepared {
            examine_clients(prepared, findings);
        }
        if self.offline {
            findings.add(
                Verdict::Note,
                "--offline: database and upstream were not asked",
            );
            return;
        }
        if let Some(store) = findings.judge(
            open_store(config).await,
            "the database's address can be used",
        ) {
            examine_database(&store, config, now, findings).await;
        }
        for (name, sgid) in prepared.iter().flat_map(|prepared| &prepared.upstreams) {
            let probed = sgid.probe(now).await.map_err(|error| {
                format!("[upstreams.{name}]: {error}: check the issuer, and that this machine may reach it")
            });
            findings.judge(
                probed,
                &format!("[upstreams.{name}]: sgID's signing keys were fetched"),
            );
        }
    }
}

fn examine_clients(prepared: &Prepared, findings: &mut Findings) {
    let clients = prepared.clients.configured();
    findings.add(
        Verdict::Note,
        format!("{} clients in the configuration", clients.len()),
    );
    for client in clients {
        let id = client.client_id();
        match client.code_protection() {
            CodeProtection::Pkce => {}
            CodeProtection::Nonce => findings.add(Verdict::Note, format!("client {id}: PKCE is not required; its own nonce is all that protects its codes against injection")),
            CodeProtection::Neither => findings.add(Verdict::Note, format!("client {id}: neither PKCE nor nonce is required; nothing but its secret protects its codes")),
        }
        if let Some(purpose) = client.nric_purpose() {
            findings.add(
                Verdict::Note,
                format!("client {id}: may receive NRIC or FIN numbers for: {purpose}"),
            );
        }
        if !client.is_enabled() {
            findings.add(Verdict::Note, format!("client {id}: disabled"));
        }
    }
}

async fn examine_database(store: &Store, config: &Config, now: Timestamp, findings: &mut Findings) {
    let Some(migrated) = findings.judge(
        store.check_migrated().await.map_err(|error| chain(&error)),
        "the database answers",
    ) else {
        return;
    };
    if findings
        .judge(migrated, "the database is at this version")
        .is_none()
    {
        return;
    }
    let opened = store.find_pairwise_secret().await;
    let opened = opened.map_err(|error| crate::bridge::StartError::from(error).to_string());
    if let Some(secret) = findings.judge(opened, "the master key opens what the database keeps")
        && secret.is_some()
        && config.keys.pairwise_secret.is_some()
    {
        findings.add(
            Verdict::Note,
            "the database keeps a pairwise secret too; the one of the configuration is used",
        );
    }
    if let Ok(Some(theirs)) = store.server_time().await {
        let skew = now.since(theirs).max(theirs.since(now)).as_secs();
        if skew > 30 {
            findings.add(Verdict::Bad, format!("this machine's clock is {skew} s away from the database's: synchronise both, for instance with chrony"));
        } else {
            findings.add(
                Verdict::Good,
                "this machine's clock agrees with the database's",
            );
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}
