//! `check`.

use std::fmt::Display;

use clap::Args;
use serde::Serialize;
use url::Url;

use super::output::{say, say_json};
use super::{CliError, Global};
use crate::bridge::{Prepared, StartError, open_store};
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::oidc::client::{AuthenticationMethod, Client, CodeProtection};
use crate::oidc::metadata::ClientMetadata;
use crate::oidc::redirect_uri::{ApplicationType, RedirectUri};
use crate::outgoing::Outgoing;
use crate::store::Store;
use crate::{http, telemetry};

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
    /// The configuration cannot work: exit status 2.
    Misconfigured,
    /// Something outside the configuration fails: exit status 1.
    Failing,
}

#[derive(Serialize)]
struct Finding {
    verdict: Verdict,
    what: String,
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn note(&mut self, what: impl Into<String>) {
        self.add(Verdict::Note, what);
    }

    fn add(&mut self, verdict: Verdict, what: impl Into<String>) {
        let what = what.into();
        self.0.push(Finding { verdict, what });
    }

    /// Keeps what came out well; every line of an error is a finding of its own.
    fn judge<T, E: Display>(
        &mut self,
        outcome: Result<T, E>,
        otherwise: Verdict,
        good: &str,
    ) -> Option<T> {
        match outcome {
            Ok(value) => {
                self.add(Verdict::Good, good);
                Some(value)
            }
            Err(error) => {
                for line in error.to_string().lines() {
                    self.add(otherwise, line);
                }
                None
            }
        }
    }

    fn has(&self, verdict: Verdict) -> bool {
        self.0.iter().any(|finding| finding.verdict == verdict)
    }
}

impl Check {
    pub(super) async fn run(&self, global: &Global) -> Result<(), CliError> {
        let mut findings = Findings::default();
        let loaded = Config::load(global.config.as_deref());
        let config = findings.judge(
            loaded,
            Verdict::Misconfigured,
            "the configuration is complete",
        );
        if let Some(config) = &config {
            self.examine(config, Clock::system().now(), &mut findings)
                .await;
        }
        if self.json {
            say_json(&findings.0)?;
        } else {
            for finding in &findings.0 {
                let mark = match finding.verdict {
                    Verdict::Good => "ok  ",
                    Verdict::Note => "note",
                    Verdict::Misconfigured | Verdict::Failing => "BAD ",
                };
                say(&format!("{mark}  {}", finding.what));
            }
        }
        if findings.has(Verdict::Misconfigured) {
            return Err(CliError::Usage("the configuration cannot work".to_owned()));
        }
        if findings.has(Verdict::Failing) {
            return Err(CliError::failed("something needs mending"));
        }
        Ok(())
    }

    async fn examine(&self, config: &Config, now: Timestamp, findings: &mut Findings) {
        let prepared = Prepared::new(config);
        let prepared = findings.judge(
            prepared,
            Verdict::Misconfigured,
            "upstreams, private keys, claims and clients fit together",
        );
        let level =
            telemetry::check(&config.log.level).map_err(|error| format!("[log] level: {error}"));
        findings.judge(level, Verdict::Misconfigured, "the log level is one");
        if let Some(tls) = &config.server.tls {
            findings.judge(
                http::check_tls(tls),
                Verdict::Misconfigured,
                "certificate and private key fit together",
            );
        }
        for name in config.upstreams.keys() {
            let callback = config.redirect_uri(name);
            findings.note(format!(
                "[upstreams.{name}]: register this redirect URI at sgID: {callback}"
            ));
        }
        let Some(prepared) = prepared else {
            return;
        };
        for client in prepared.clients.configured() {
            examine_client(&client, config.session.is_some(), findings);
        }
        if self.offline {
            findings.note("--offline: database and upstream were not asked");
            return;
        }
        for client in &config.clients {
            examine_sector(&prepared.outgoing, &client.metadata, findings).await;
        }
        examine_database(config, &prepared, now, findings).await;
        for (name, sgid) in &prepared.upstreams {
            let probed = sgid.probe(now).await.map_err(|error| {
                format!("[upstreams.{name}]: {error}: check the issuer, and that this machine may reach it")
            });
            let good = format!("[upstreams.{name}]: sgID's signing keys were fetched");
            findings.judge(probed, Verdict::Failing, &good);
        }
    }
}

fn examine_client(client: &Client, has_sessions: bool, findings: &mut Findings) {
    let id = client.client_id();
    match client.code_protection() {
        CodeProtection::Pkce => {}
        CodeProtection::Nonce => findings.note(format!(
            "client {id}: PKCE is not required; its own nonce is all that protects its codes against injection"
        )),
        CodeProtection::Neither => findings.note(format!(
            "client {id}: neither PKCE nor nonce is required; nothing but its secret protects its codes"
        )),
    }
    if let Some(purpose) = client.nric_purpose() {
        findings.note(format!(
            "client {id}: may receive NRIC or FIN numbers for: {purpose}"
        ));
    }
    let is_for_development = client.method() == AuthenticationMethod::None
        && client.application_type() == ApplicationType::Web
        && client
            .redirect_uris()
            .iter()
            .any(RedirectUri::is_on_the_device);
    if is_for_development && has_sessions {
        findings.note(format!(
            "client {id}: public, with a redirect URI on loopback: good for development; elsewhere any program of a person's device could take its silent answers"
        ));
    }
    if client.backchannel_logout_uri().is_some() && !has_sessions {
        findings.note(format!(
            "client {id}: backchannel_logout_uri has no effect while [session] enabled = false"
        ));
    }
    if !client.is_enabled() {
        findings.note(format!("client {id}: disabled"));
    }
}

/// A sector that is named by an address must list the redirect URIs itself: OpenID Connect Registration section 5.
async fn examine_sector(outgoing: &Outgoing, metadata: &ClientMetadata, findings: &mut Findings) {
    let uri = metadata.sector_identifier_uri.as_deref();
    let Some(uri) = uri.and_then(|uri| Url::parse(uri).ok()) else {
        return;
    };
    let id = &metadata.client_id;
    let confirmed = outgoing.confirm_sector(&uri, &metadata.redirect_uris).await;
    let confirmed = confirmed.map_err(|error| format!("client {id}: {error}"));
    let good = format!("client {id}: its sector lists all its redirect URIs");
    findings.judge(confirmed, Verdict::Failing, &good);
}

async fn examine_database(
    config: &Config,
    prepared: &Prepared,
    now: Timestamp,
    findings: &mut Findings,
) {
    if config.database.is_missing_file() {
        findings.note("the SQLite file is not there yet: `sgid-bridge migrate` makes it");
        return;
    }
    let opened = open_store(config).await.map_err(|error| chain(&error));
    let Some(store) = findings.judge(
        opened,
        Verdict::Failing,
        "the database's address can be used",
    ) else {
        return;
    };
    let migrated = store.check_migrated().await.map_err(|error| chain(&error));
    let Some(migrated) = findings.judge(migrated, Verdict::Failing, "the database answers") else {
        return;
    };
    if findings
        .judge(
            migrated,
            Verdict::Failing,
            "the database is at this version",
        )
        .is_none()
    {
        return;
    }
    let kept = store.find_pairwise_secret().await.map_err(StartError::from);
    let good = "the master key opens what the database keeps";
    if let Some(Some(_)) = findings.judge(kept, Verdict::Misconfigured, good)
        && config.keys.pairwise_secret.is_some()
    {
        findings
            .note("the database keeps a pairwise secret too; the one of the configuration is used");
    }
    if let Ok(count @ 1..) = store.count_letters_under_former_keys().await {
        findings.note(format!(
            "sealed under a former master key, which must stay in the list: {count} letters; each instance seals them anew when it starts"
        ));
    }
    examine_clocks(&store, now, findings).await;
    examine_stored_clients(&store, (config, prepared), now, findings).await;
}

async fn examine_clocks(store: &Store, now: Timestamp, findings: &mut Findings) {
    if let Ok(Some(theirs)) = store.server_time().await {
        let skew = now.since(theirs).max(theirs.since(now)).as_secs();
        if skew > 30 {
            findings.add(
                Verdict::Failing,
                format!("this machine's clock is {skew} s away from the database's: synchronise both, for instance with chrony"),
            );
        } else {
            findings.add(
                Verdict::Good,
                "this machine's clock agrees with the database's",
            );
        }
    }
}

async fn examine_stored_clients(
    store: &Store,
    (config, prepared): (&Config, &Prepared),
    now: Timestamp,
    findings: &mut Findings,
) {
    let stored = store.list_clients().await.map_err(|error| chain(&error));
    let Some(stored) = findings.judge(
        stored,
        Verdict::Failing,
        "the clients of the database can be read",
    ) else {
        return;
    };
    for record in stored {
        match prepared.clients.rules().admit_record(&record, now) {
            Ok(client) => {
                examine_client(&client, config.session.is_some(), findings);
                examine_sector(&prepared.outgoing, &record.metadata, findings).await;
            }
            Err(error) => {
                let id = &record.metadata.client_id;
                findings.add(
                    Verdict::Failing,
                    format!("client {id} of the database cannot be served: {error}"),
                );
            }
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}
