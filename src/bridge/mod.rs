//! Everything a request may need, built once; and the background work.
//! Never knows: HTTP.

mod client_keys;
mod logout;
mod throttle;

pub use client_keys::NotByClient;
pub use throttle::{Throttle, Throttled};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::catalogue::{Catalogue, CatalogueError, Wanted};
use crate::clients::{Clients, Refused, Rules};
use crate::clock::{Clock, Timestamp};
use crate::config::{Config, ConfigError, InitialAccessTokens, Lifetimes, SessionLimits};
use crate::keyring::{DueKey, Keyring, KeyringError, Schedule, Slot};
use crate::oidc::algorithm::SigningAlgorithm;
use crate::oidc::claims_request::ClaimsRequest;
use crate::oidc::client::Client;
use crate::oidc::issuer::Issuer;
use crate::oidc::scope::ScopeSet;
use crate::oidc::subject::PairwiseSecret;
use crate::outgoing::{Outgoing, OutgoingConfigError};
use crate::sgid::{Sgid, SgidConfigError};
use crate::store::{Store, StoreError, Unmigrated};
use crate::tokens::Mint;

/// How far our clock may be from the database's.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(30);
/// How long a token of a retired key is at least recognised when it is brought back to us.
const RECOGNISED: Duration = Duration::from_hours(24);
const ROTATION_INTERVAL: Duration = Duration::from_secs(2);
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);
const DELIVERY_INTERVAL: Duration = Duration::from_secs(1);
/// How many rounds of deliveries may be under way.
const MAX_ROUNDS: usize = 8;

/// The bridge.
pub struct Bridge {
    /// As relying parties see us.
    pub issuer: Issuer,
    /// How long things live.
    pub lifetimes: Lifetimes,
    /// What is kept.
    pub store: Store,
    /// Who may ask.
    pub clients: Clients,
    /// Where people sign in, by name.
    pub upstreams: BTreeMap<String, Sgid>,
    /// What subject identifiers are derived with.
    pub pairwise_secret: PairwiseSecret,
    /// What makes ID tokens.
    pub mint: Mint,
    /// Now.
    pub clock: Clock,
    /// What bounds strangers.
    pub throttle: Throttle,
    /// The way to relying parties.
    pub outgoing: Outgoing,
    /// How long a session may answer for its person, where sessions are on.
    pub session: Option<SessionLimits>,
    /// With which tokens clients may be registered, where they may.
    pub registration: Option<InitialAccessTokens>,
    keyring: ArcSwap<Keyring>,
    schedule: Schedule,
    under_way: logout::UnderWay,
}

/// Why the bridge does not start. Each says how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot work.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// A mapping cannot work.
    #[error("[claims.custom]: {0}")]
    Catalogue(#[from] CatalogueError),
    /// An upstream cannot work.
    #[error("[upstreams.{name}]: {error}")]
    Upstream {
        /// Its name.
        name: String,
        /// What is wrong with it.
        error: SgidConfigError,
    },
    /// Calls to relying parties cannot be made.
    #[error("[outgoing] extra_ca_file: {0}")]
    Outgoing(#[from] OutgoingConfigError),
    /// Clients of the configuration cannot be served.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Clients(Vec<Refused>),
    /// The database is not at this version.
    #[error(transparent)]
    Unmigrated(#[from] Unmigrated),
    /// The master key is another one.
    #[error(
        "the database was sealed under another master key: put the right one into master_key_file, or, after a rotation, list the former one behind the new one"
    )]
    OtherMasterKey,
    /// The database is away or unusable.
    #[error("the database cannot be used: {}", chain(.0))]
    Store(StoreError),
    /// Keys cannot be made or read.
    #[error("signing keys cannot be made: {0}")]
    Keyring(#[from] KeyringError),
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::DoesNotOpen(_) => Self::OtherMasterKey,
            other => Self::Store(other),
        }
    }
}

/// The parts of the configuration that need no database, checked.
pub struct Prepared {
    /// Where people sign in.
    pub upstreams: BTreeMap<String, Sgid>,
    /// Who may ask.
    pub clients: Clients,
    /// The way to relying parties.
    pub outgoing: Outgoing,
}

impl Prepared {
    /// Checks mappings, upstreams and clients.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn new(config: &Config) -> Result<Self, StartError> {
        let catalogue = Arc::new(Catalogue::new(&config.claims)?);
        let mut upstreams = BTreeMap::new();
        for (name, upstream) in &config.upstreams {
            let sgid = Sgid::new(upstream, config.redirect_uri(name)).map_err(|error| {
                StartError::Upstream {
                    name: name.clone(),
                    error,
                }
            })?;
            upstreams.insert(name.clone(), sgid);
        }
        let rules = Rules {
            catalogue,
            upstreams: config.upstream_names(),
            signing_algorithms: config.keys.signing_algorithms.clone(),
        };
        let clients = Clients::new(rules, &config.clients).map_err(StartError::Clients)?;
        Ok(Self {
            upstreams,
            clients,
            outgoing: Outgoing::new(&config.outgoing)?,
        })
    }
}

/// Opens the database of a configuration.
///
/// # Errors
/// [`StoreError`] for an address that cannot work.
pub async fn open_store(config: &Config) -> Result<Store, StoreError> {
    let master_keys = Arc::new(config.keys.master_keys.clone());
    Store::connect(&config.database, master_keys).await
}

/// How signing keys follow one another under a configuration.
pub fn schedule(config: &Config) -> Schedule {
    Schedule {
        algorithms: config.keys.signing_algorithms.clone(),
        rotation_period: config.keys.rotation_period,
        token_ttl: config.lifetimes.id_token,
        // A hint names somebody who signed in as long ago as a session lasts.
        recognised_ttl: config
            .session
            .map_or(RECOGNISED, |session| session.absolute.max(RECOGNISED)),
    }
}

impl Bridge {
    /// Builds the bridge on an open store, and makes the first signing keys if there are none.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn open(config: &Config, store: Store, clock: Clock) -> Result<Self, StartError> {
        let prepared = Prepared::new(config)?;
        store.check_migrated().await??;
        // Read even where the operator keeps another: what is kept must open, and is sealed anew after a rotation.
        store.reseal_standing_letters().await?;
        let kept = store.find_pairwise_secret().await?;
        let pairwise_secret = match (&config.keys.pairwise_secret, kept) {
            (Some(secret), _) => secret.clone(),
            (None, Some(secret)) => secret,
            (None, None) => store.pairwise_secret().await?,
        };
        let schedule = schedule(config);
        let keyring = rotate(&store, &schedule, None, clock.now()).await?;
        Ok(Self {
            issuer: config.issuer.clone(),
            lifetimes: config.lifetimes,
            clients: prepared.clients,
            upstreams: prepared.upstreams,
            pairwise_secret,
            mint: Mint::new(config.issuer.clone(), config.lifetimes.id_token),
            throttle: Throttle::new(config.limits),
            outgoing: prepared.outgoing,
            session: config.session,
            registration: config.registration.clone(),
            keyring: ArcSwap::from_pointee(keyring),
            schedule,
            under_way: logout::UnderWay::default(),
            store,
            clock,
        })
    }

    /// The signing keys as of the last reading.
    pub fn keyring(&self) -> Arc<Keyring> {
        self.keyring.load_full()
    }

    /// Reads the signing keys anew, and makes those that are due.
    ///
    /// # Errors
    /// [`StartError`]; the former keyring stays.
    pub async fn rotate(&self) -> Result<(), StartError> {
        let known = self.keyring();
        let now = self.clock.now();
        let keyring = rotate(&self.store, &self.schedule, Some(&known), now).await?;
        self.keyring.store(Arc::new(keyring));
        Ok(())
    }

    /// Deletes what has expired, and counts what waits.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sweep(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let rows = self.store.sweep(now).await?;
        let waiting = self.store.count_logins().await?;
        self.throttle.set_waiting_logins(waiting);
        #[expect(clippy::cast_precision_loss, reason = "a gauge, not an account")]
        metrics::gauge!("waiting_logins").set(waiting as f64);
        let notices = self.store.count_logout_notices().await?;
        #[expect(clippy::cast_precision_loss, reason = "a gauge, not an account")]
        metrics::gauge!("waiting_logout_tokens").set(notices as f64);
        self.throttle.forget_old();
        for slot in self.keyring().forgettable(now) {
            self.store.forget_signing_key(slot).await?;
        }
        self.clients.refresh_origins(&self.store).await?;
        tracing::debug!(rows, waiting, "swept");
        Ok(())
    }

    /// What a request of this client may have of sgID: by scope, and by name as far as its registration goes.
    pub fn wanted(&self, scope: &ScopeSet, by_name: &ClaimsRequest, client: &Client) -> Wanted {
        self.catalogue()
            .wanted(scope, &by_name.names(), client.scope())
    }

    /// What may cross.
    pub fn catalogue(&self) -> Arc<Catalogue> {
        self.clients.rules().catalogue.clone()
    }

    /// Takes up the clients and claims of a configuration that was read anew, all or nothing.
    ///
    /// # Errors
    /// [`StartError`]; the former ones stay then.
    pub fn reload(&self, config: &Config) -> Result<(), StartError> {
        let catalogue = Arc::new(Catalogue::new(&config.claims)?);
        self.clients
            .reload(catalogue, &config.clients)
            .map_err(StartError::Clients)
    }

    /// Whether this instance can serve logins: database reached, clocks agree, keys at hand.
    ///
    /// # Errors
    /// What is not ready, in words.
    pub async fn readiness(&self) -> Result<(), String> {
        let now = self.clock.now();
        let server_time = self
            .store
            .server_time()
            .await
            .map_err(|error| error.to_string())?;
        self.store.ping().await.map_err(|error| error.to_string())?;
        if let Some(theirs) = server_time {
            let skew = now.since(theirs).max(theirs.since(now));
            if skew > MAX_CLOCK_SKEW {
                let seconds = skew.as_secs();
                return Err(format!(
                    "this clock is {seconds} s away from the database's"
                ));
            }
        }
        let keyring = self.keyring();
        for &algorithm in keyring.algorithms() {
            keyring
                .signer(algorithm, now)
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Rotates, sweeps and delivers until the process ends. What fails is tried again; the log hears of it once, and of
    /// its end.
    pub async fn keep_house(self: Arc<Self>) {
        // A relying party that takes its time must not hold up the rest.
        tokio::join!(self.rotate_and_sweep(), self.keep_delivering());
    }

    /// A round every second, whether or not the one before has come to its end: somebody who is slow to answer holds up
    /// nobody else.
    async fn keep_delivering(self: &Arc<Self>) {
        let mut delivery = tokio::time::interval(DELIVERY_INTERVAL);
        delivery.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut rounds = JoinSet::new();
        let mut chore = Chore::of("delivering logout tokens");
        loop {
            tokio::select! {
                _ = delivery.tick(), if rounds.len() < MAX_ROUNDS => {
                    let bridge = Arc::clone(self);
                    rounds.spawn(async move { bridge.deliver_logout_tokens().await });
                }
                Some(delivered) = rounds.join_next() => {
                    let delivered = match delivered {
                        Ok(delivered) => delivered.map_err(|error| chain(&error)),
                        // What a panic says may quote what it fell over; where it was is in the log already.
                        Err(_) => Err("a round ended in a fault".to_owned()),
                    };
                    chore.heard(delivered.map(|_| ()));
                }
            }
        }
    }

    async fn rotate_and_sweep(&self) {
        let mut rotation = tokio::time::interval(ROTATION_INTERVAL);
        let mut sweep = tokio::time::interval(SWEEP_INTERVAL);
        let mut chores = [
            Chore::of("reading signing keys"),
            Chore::of("sweeping expired rows"),
        ];
        loop {
            tokio::select! {
                _ = rotation.tick() => chores[0].heard(self.rotate().await.map_err(|error| error.to_string())),
                _ = sweep.tick() => chores[1].heard(self.sweep().await.map_err(|error| chain(&error))),
            }
        }
    }
}

/// Work in the background, and whether it went well the last time.
struct Chore {
    what: &'static str,
    fails: bool,
}

impl Chore {
    const fn of(what: &'static str) -> Self {
        Self { what, fails: false }
    }

    fn heard(&mut self, outcome: Result<(), String>) {
        match (outcome, self.fails) {
            (Err(cause), false) => tracing::warn!(what = self.what, cause, "background work fails"),
            (Ok(()), true) => tracing::info!(what = self.what, "background work goes on"),
            (Err(_), true) | (Ok(()), false) => return,
        }
        self.fails = !self.fails;
    }
}

/// Reads all keys and makes those that are due; of several instances at once, one enters each.
async fn rotate(
    store: &Store,
    schedule: &Schedule,
    known: Option<&Keyring>,
    now: Timestamp,
) -> Result<Keyring, StartError> {
    loop {
        let records = store.signing_keys().await?;
        let keyring = Keyring::assemble(&records, schedule.clone(), known)?;
        let due = keyring.due(now);
        if due.is_empty() {
            return Ok(keyring);
        }
        for key in due {
            make_key(store, key, now).await?;
        }
    }
}

/// Generates a key and enters it; says whether this instance was the first.
///
/// # Errors
/// [`StartError`].
pub async fn make_key(store: &Store, due: DueKey, now: Timestamp) -> Result<bool, StartError> {
    let generated = tokio::task::spawn_blocking(move || due.generate(now)).await;
    let record = generated.map_err(|_| KeyringError::Unreadable)??;
    let entered = store.put_signing_key(&record).await?;
    if entered {
        let Slot { algorithm, number } = due.slot;
        tracing::info!(target: "sgid_bridge::audit", event = "key.created", key.algorithm = %algorithm, key.number = number, key.signs_at = due.signs_at.seconds(), "a signing key was made");
    }
    Ok(entered)
}

/// The algorithms of a schedule that an operator named, or all.
pub fn named_algorithms(
    schedule: &Schedule,
    named: Option<SigningAlgorithm>,
) -> Vec<SigningAlgorithm> {
    let all = schedule.algorithms.iter().copied();
    all.filter(|own| named.is_none_or(|name| name == *own))
        .collect()
}
