//! `serve`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use sha2::{Digest, Sha256};
use tokio::signal::unix::{SignalKind, signal};

use super::migrate::migrate;
use super::{CliError, Global};
use crate::bridge::{Bridge, open_store};
use crate::clock::Clock;
use crate::config::Config;
use crate::http;
use crate::oidc::client::CodeProtection;
use crate::secret::{Bearer, ClientSecret, randomness};
use crate::telemetry::{self, LevelHandle};

/// Runs the bridge until it is told to stop.
#[derive(Args)]
pub(super) struct Serve {
    /// Brings the database to this version first
    #[arg(long)]
    migrate: bool,
}

impl Serve {
    pub(super) async fn run(&self, global: &Global) -> Result<(), CliError> {
        let config = global.load()?;
        let level = global.start_logging(&config)?;
        let metrics = metrics()?;
        let store = open_store(&config).await?;
        if self.migrate {
            migrate(&store).await?;
        }
        let bridge = Arc::new(Bridge::open(&config, store, Clock::system()).await?);
        name_weak_clients(&bridge).await?;
        let stop = stop_signal()?;
        let running = listen(&bridge, &config, metrics)?;
        let house = tokio::spawn(Arc::clone(&bridge).keep_house());
        let reload = tokio::spawn(reload_on_signal(
            Arc::clone(&bridge),
            global.config.clone(),
            Watch::over(&config),
            level,
        ));
        running.until(stop).await;
        house.abort();
        reload.abort();
        bridge.store.close().await;
        tracing::info!("stopped");
        Ok(())
    }
}

/// The recorder of the process.
pub(super) fn metrics() -> Result<PrometheusHandle, CliError> {
    PrometheusBuilder::new()
        .install_recorder()
        .map_err(CliError::failed)
}

/// Starts the listeners of a configuration.
pub(super) fn listen(
    bridge: &Arc<Bridge>,
    config: &Config,
    metrics: PrometheusHandle,
) -> Result<http::Running, CliError> {
    let listen = config.server.listen;
    let running = http::start(bridge, &config.server, config.limits.connections, metrics)
        .map_err(|error| CliError::Failed(format!("cannot listen on {listen}: {error}")))?;
    tracing::info!(
        issuer = %bridge.issuer,
        listen = %running.address(),
        management_listen = running.management_address().map(tracing::field::display),
        version = env!("CARGO_PKG_VERSION"),
        "serving"
    );
    Ok(running)
}

/// Resolves at SIGTERM or SIGINT.
pub(super) fn stop_signal() -> Result<impl Future<Output = ()>, CliError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// A client without PKCE is protected by its own `nonce` only: whoever runs the bridge should see it.
async fn name_weak_clients(bridge: &Bridge) -> Result<(), CliError> {
    let now = bridge.clock.now();
    let stored = bridge.store.list_clients().await?;
    let rules = bridge.clients.rules();
    let stored = stored
        .iter()
        .filter_map(|record| rules.admit_record(record, now).ok());
    let configured = bridge.clients.configured();
    let configured = configured.iter().map(|client| client.as_ref().clone());
    for client in configured.chain(stored) {
        let protection = match client.code_protection() {
            CodeProtection::Pkce => continue,
            CodeProtection::Nonce => "its own nonce only",
            CodeProtection::Neither => "nothing but its secret",
        };
        tracing::warn!(client.id = %client.client_id(), "PKCE is not required: codes of this client are protected against injection by {protection}");
    }
    Ok(())
}

/// The sections that need a restart, as text and as keyed hashes of what the text must not show.
struct Sections([(&'static str, String); 11]);

impl Sections {
    fn of(config: &Config, salt: &Salt) -> Self {
        let tls = config.server.tls.iter().flat_map(|tls| {
            [&tls.certificate_file, &tls.private_key_file]
                .map(|file| std::fs::read(file).unwrap_or_default())
        });
        let upstream_secrets = config.upstreams.values().flat_map(|upstream| {
            let keys = upstream.private_keys.iter().map(|key| key.pem.expose());
            keys.chain([upstream.client_secret.expose()])
        });
        let pairwise = config
            .keys
            .pairwise_secret
            .iter()
            .map(|secret| secret.expose().as_slice());
        let master_keys = config.keys.master_keys.fingerprint(&salt.bytes());
        Self([
            ("issuer", config.issuer.to_string()),
            ("server", format!("{:?} {}", config.server, salt.hash(tls))),
            (
                "database",
                format!(
                    "{:?} {}",
                    config.database,
                    salt.hash([config.database.url.expose()])
                ),
            ),
            (
                "keys",
                format!("{:?} {master_keys:?} {}", config.keys, salt.hash(pairwise)),
            ),
            ("log.format", format!("{:?}", config.log.format)),
            ("outgoing", format!("{:?}", config.outgoing)),
            ("lifetimes", format!("{:?}", config.lifetimes)),
            ("session", format!("{:?}", config.session)),
            (
                "registration",
                config
                    .registration
                    .as_ref()
                    .map_or_else(String::new, |tokens| {
                        let hashes = serde_json::to_string(&tokens.0).unwrap_or_default();
                        salt.hash([hashes])
                    }),
            ),
            ("limits", format!("{:?}", config.limits)),
            (
                "upstreams",
                format!("{:?} {}", config.upstreams, salt.hash(upstream_secrets)),
            ),
        ])
    }

    fn changed(&self, other: &Self) -> Vec<&'static str> {
        let pairs = self.0.iter().zip(&other.0);
        pairs
            .filter(|(own, theirs)| own.1 != theirs.1)
            .map(|(own, _)| own.0)
            .collect()
    }
}

/// What runs, to be compared with what was read anew.
struct Watch {
    salt: Salt,
    running: Sections,
}

impl Watch {
    fn over(config: &Config) -> Self {
        let salt = Salt::draw();
        let running = Sections::of(config, &salt);
        Self { salt, running }
    }

    fn changed(&self, config: &Config) -> Vec<&'static str> {
        self.running.changed(&Sections::of(config, &self.salt))
    }
}

/// Drawn at the start, so that no hash of a secret means anything elsewhere.
struct Salt(Bearer<ClientSecret>);

impl Salt {
    fn draw() -> Self {
        Self(Bearer::generate(&mut randomness()))
    }

    fn bytes(&self) -> String {
        self.0.expose()
    }

    fn hash<T: AsRef<[u8]>>(&self, secrets: impl IntoIterator<Item = T>) -> String {
        let mut hash = Sha256::new_with_prefix(self.0.expose());
        for secret in secrets {
            hash.update((secret.as_ref().len() as u64).to_be_bytes());
            hash.update(secret);
        }
        format!("{:?}", hash.finalize())
    }
}

/// SIGHUP reloads clients, claims and log level, without dropping a login.
async fn reload_on_signal(
    bridge: Arc<Bridge>,
    file: Option<PathBuf>,
    watch: Watch,
    level: LevelHandle,
) {
    let Ok(mut hang_up) = signal(SignalKind::hangup()) else {
        return;
    };
    while hang_up.recv().await.is_some() {
        let reloaded = Config::load(file.as_deref())
            .map_err(|error| error.to_string())
            .and_then(|config| {
                // All or nothing: what may be refused is asked first.
                telemetry::check(&config.log.level)?;
                bridge.reload(&config).map_err(|error| error.to_string())?;
                level.set(&config.log.level)?;
                Ok(config)
            });
        match reloaded {
            Ok(config) => {
                let restart = watch.changed(&config);
                tracing::info!(clients = config.clients.len(), "reloaded");
                if !restart.is_empty() {
                    tracing::warn!(?restart, "these settings changed too, and need a restart");
                }
            }
            Err(error) => {
                tracing::error!(error, "not reloaded: the former configuration stays");
            }
        }
    }
}
