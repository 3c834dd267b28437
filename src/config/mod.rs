//! Every setting, read once and parsed to its final type.
//! Never knows: any room but the words it parses to.

mod clients;
mod finish;
mod read;
mod settings;
mod upstreams;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use url::Url;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::catalogue;
use crate::oidc::algorithm::SigningAlgorithm;
use crate::oidc::client::ClientSecretHash;
use crate::oidc::issuer::Issuer;
use crate::oidc::metadata::ClientMetadata;
use crate::oidc::subject::PairwiseSecret;
use crate::secret::MasterKeys;

/// Where the configuration is looked for when no file is named.
pub const DEFAULT_FILES: [&str; 2] = ["sgid-bridge.toml", "/etc/sgid-bridge/sgid-bridge.toml"];

/// The whole configuration.
#[derive(Debug)]
pub struct Config {
    /// As relying parties see us.
    pub issuer: Issuer,
    /// Listeners.
    pub server: Server,
    /// Where state is kept.
    pub database: Database,
    /// What seals and signs.
    pub keys: Keys,
    /// What is logged.
    pub log: Log,
    /// Calls to relying parties.
    pub outgoing: OutgoingCalls,
    /// How long things live.
    pub lifetimes: Lifetimes,
    /// Single sign-on within one browser, where it is switched on.
    pub session: Option<SessionLimits>,
    /// What somebody must hold to register a client; nobody can where there is none.
    pub registration: Option<InitialAccessTokens>,
    /// Bounds on what strangers can make us do.
    pub limits: Limits,
    /// Where people sign in, by name.
    pub upstreams: BTreeMap<String, Upstream>,
    /// The operator's additions to the catalogue.
    pub claims: catalogue::Settings,
    /// Relying parties that are kept here rather than in the database.
    pub clients: Vec<ConfiguredClient>,
}

/// Listeners.
#[derive(Debug)]
pub struct Server {
    /// The public listener.
    pub listen: SocketAddr,
    /// Its certificate and key, where it speaks TLS itself.
    pub tls: Option<Tls>,
    /// Health and metrics; nothing listens where absent.
    pub management_listen: Option<SocketAddr>,
    /// Who may tell us the client's address.
    pub trusted_proxies: Vec<IpNet>,
}

/// PEM files of the public listener.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The certificate chain.
    pub certificate_file: PathBuf,
    /// The private key.
    pub private_key_file: PathBuf,
}

/// Where state is kept.
#[derive(Debug)]
pub struct Database {
    /// `postgres://...` or `sqlite://...`; may hold a password.
    pub url: SecretText,
    /// The size of the pool.
    pub max_connections: u32,
}

impl Database {
    /// Whether this is a `SQLite` file that nobody has made yet.
    pub fn is_missing_file(&self) -> bool {
        let file = self.url.expose().strip_prefix("sqlite://");
        file.and_then(|file| file.split('?').next())
            .is_some_and(|file| !Path::new(file).exists())
    }
}

/// What seals and signs.
#[derive(Debug)]
pub struct Keys {
    /// The first seals, all open.
    pub master_keys: MasterKeys,
    /// One live key each.
    pub signing_algorithms: Vec<SigningAlgorithm>,
    /// How long a key signs, and how long it is published before.
    pub rotation_period: Duration,
    /// Where the operator keeps it rather than the database.
    pub pairwise_secret: Option<PairwiseSecret>,
}

/// What is logged.
#[derive(Clone, Debug)]
pub struct Log {
    /// A level or a filter.
    pub level: String,
    /// `RUST_LOG`, which wins over the level.
    pub from_environment: Option<String>,
    /// How an event is written.
    pub format: LogFormat,
}

/// How an event is written, one to a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines.
    Json,
}

/// How long things live.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// How long a person may take at sgID.
    pub login: Duration,
    /// From the callback to the token request.
    pub authorization_code: Duration,
    /// How long userinfo answers.
    pub access_token: Duration,
    /// How long an ID token may be accepted.
    pub id_token: Duration,
    /// How long refresh tokens of one login may follow one another in all.
    pub refresh_token: Duration,
    /// How long a pushed request may wait for its browser.
    pub pushed_request: Duration,
}

/// Calls to relying parties: back-channel logout, `jwks_uri`, `sector_identifier_uri`.
#[derive(Debug)]
pub struct OutgoingCalls {
    /// Address ranges outside the public internet that may be called.
    pub allow: Vec<IpNet>,
    /// A certificate to trust beside the system's, in PEM.
    pub extra_ca: Option<Vec<u8>>,
}

/// How long a session may answer for its person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// Since it was last used.
    pub idle: Duration,
    /// Since the person signed in.
    pub absolute: Duration,
}

/// The hashes of the tokens with which clients may be registered.
#[derive(Clone, Debug)]
pub struct InitialAccessTokens(pub Vec<ClientSecretHash>);

/// Bounds on what strangers can make us do.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many logins may wait at once; more are told to come back later.
    pub waiting_logins: u64,
    /// New logins a minute from one address.
    pub logins_per_minute: u32,
    /// Requests a minute from one address, to whatever.
    pub requests_per_minute: u32,
    /// Requests in work at once; more are told to come back later.
    pub requests_at_once: usize,
    /// Failed client authentications a minute from one address.
    pub failures_per_minute: u32,
    /// Connections to the public listener.
    pub connections: usize,
}

/// One sgID client.
#[derive(Debug)]
pub struct Upstream {
    /// sgID's issuer identifier.
    pub issuer: String,
    /// Where browsers go.
    pub authorization_endpoint: Url,
    /// Where codes are redeemed.
    pub token_endpoint: Url,
    /// Where the encrypted payload is.
    pub userinfo_endpoint: Url,
    /// Where sgID's keys are.
    pub jwks_uri: Url,
    /// Who we are there.
    pub client_id: String,
    /// What proves it.
    pub client_secret: SecretText,
    /// PEM texts of the RSA keys that open the payload; several while a key changes.
    pub private_keys: Vec<PrivateKeyText>,
    /// Whether people come back from it to `/callback/NAME` rather than to `/callback`.
    pub own_callback: bool,
    /// How long one call may take in all.
    pub timeout: Duration,
    /// A certificate to trust beside the system's, in PEM.
    pub ca_certificate: Option<Vec<u8>>,
}

/// A private key as it was written, and where.
#[derive(Debug)]
pub struct PrivateKeyText {
    /// The setting or file that it came from, for messages.
    pub origin: String,
    /// The text.
    pub pem: SecretText,
}

/// A relying party of the configuration.
#[derive(Clone, Debug)]
pub struct ConfiguredClient {
    /// Its registration.
    pub metadata: ClientMetadata,
    /// Hash of its secret.
    pub secret: Option<ClientSecretHash>,
    /// File and line, for messages.
    pub origin: String,
}

/// A text that must not be printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SecretText(String);

impl SecretText {
    /// Takes a secret.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// One thing that is wrong with the configuration, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file and line, the environment variable, or nothing where the setting is nowhere.
    pub place: Option<String>,
    /// What is wrong and how to mend it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// The configuration cannot work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(pub Vec<Problem>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads the named file, or the first of [`DEFAULT_FILES`] that is there, and the environment over it.
    ///
    /// # Errors
    /// [`ConfigError`] lists what is wrong, each with its place.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        read::Source::find(file)?.with_environment().parse()
    }

    /// Parses a configuration that stands in no file. Relative paths are below `folder`.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_toml(text: &str, folder: &Path) -> Result<Self, ConfigError> {
        read::Source::text(text, folder).parse()
    }

    /// The redirect URI to register at an upstream.
    pub fn redirect_uri(&self, name: &str) -> String {
        match self.upstreams.get(name) {
            Some(upstream) if upstream.own_callback => {
                self.issuer.endpoint(&format!("/callback/{name}"))
            }
            _ => self.issuer.endpoint("/callback"),
        }
    }

    /// The names of the upstreams.
    pub fn upstream_names(&self) -> Vec<String> {
        self.upstreams.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests;
