//! The settings as they are written, and what becomes of them. The one place that lists them all.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use figment::value::{Dict, Value};
use ipnet::IpNet;
use serde::Deserialize;
use url::Url;

use super::read::Source;
use super::{
    Config, ConfigError, ConfiguredClient, Database, Keys, Lifetimes, Limits, Log, LogFormat,
    PrivateKeyText, Problem, SecretText, Server, Tls, Upstream,
};
use crate::catalogue::{self, CustomClaim};
use crate::oidc::algorithm::SigningAlgorithm;
use crate::oidc::client::ClientSecretHash;
use crate::oidc::issuer::{Issuer, is_secure_or_loopback};
use crate::oidc::metadata::ClientMetadata;
use crate::oidc::subject::PairwiseSecret;
use crate::secret::{MasterKey, MasterKeys};

/// File and line, or an environment variable.
pub(super) type Place = String;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    issuer: Issuer,
    #[serde(default)]
    server: ServerSettings,
    #[serde(default)]
    database: DatabaseSettings,
    #[serde(default)]
    keys: KeySettings,
    #[serde(default)]
    log: LogSettings,
    #[serde(default)]
    outgoing: OutgoingSettings,
    #[serde(default)]
    lifetimes: LifetimeSettings,
    #[serde(default)]
    session: SessionSettings,
    #[serde(default)]
    limits: LimitSettings,
    #[serde(default)]
    upstreams: BTreeMap<String, UpstreamSettings>,
    #[serde(default)]
    claims: ClaimSettings,
    #[serde(default)]
    clients: Vec<Dict>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ServerSettings {
    listen: SocketAddr,
    tls_certificate_file: Option<PathBuf>,
    tls_private_key_file: Option<PathBuf>,
    management_listen: Option<SocketAddr>,
    trusted_proxies: Vec<IpNet>,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            tls_certificate_file: None,
            tls_private_key_file: None,
            management_listen: None,
            trusted_proxies: Vec::new(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DatabaseSettings {
    url: Option<String>,
    url_file: Option<PathBuf>,
    max_connections: Number,
}

impl Default for DatabaseSettings {
    fn default() -> Self {
        Self {
            url: None,
            url_file: None,
            max_connections: Number(20),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct KeySettings {
    master_key: OneOrMany,
    master_key_file: OneOrMany,
    signing_algorithms: Vec<SigningAlgorithm>,
    rotation_period: Span,
    pairwise_secret: Option<String>,
    pairwise_secret_file: Option<PathBuf>,
}

impl Default for KeySettings {
    fn default() -> Self {
        Self {
            master_key: OneOrMany::default(),
            master_key_file: OneOrMany::default(),
            signing_algorithms: vec![SigningAlgorithm::Rs256, SigningAlgorithm::Es256],
            rotation_period: Span::days(30),
            pairwise_secret: None,
            pairwise_secret_file: None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LogSettings {
    level: String,
    format: LogFormat,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Text,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct OutgoingSettings {
    allow: Vec<IpNet>,
    extra_ca_file: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LifetimeSettings {
    login: Span,
    authorization_code: Span,
    access_token: Span,
    id_token: Span,
}

impl Default for LifetimeSettings {
    fn default() -> Self {
        Self {
            login: Span::minutes(10),
            authorization_code: Span::minutes(1),
            access_token: Span::minutes(10),
            id_token: Span::minutes(10),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SessionSettings {
    enabled: bool,
    idle: Span,
    absolute: Span,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            enabled: false,
            idle: Span::minutes(15),
            absolute: Span::minutes(480),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LimitSettings {
    waiting_logins: Number,
    logins_per_minute: Number,
    requests_per_minute: Number,
    requests_at_once: Number,
    failures_per_minute: Number,
    connections: Number,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            waiting_logins: Number(100_000),
            logins_per_minute: Number(600),
            requests_per_minute: Number(6_000),
            requests_at_once: Number(1_000),
            failures_per_minute: Number(60),
            connections: Number(10_000),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UpstreamSettings {
    #[serde(default)]
    kind: UpstreamKind,
    issuer: String,
    authorization_endpoint: Option<Url>,
    token_endpoint: Option<Url>,
    userinfo_endpoint: Option<Url>,
    jwks_uri: Option<Url>,
    client_id: String,
    client_secret: Option<String>,
    client_secret_file: Option<PathBuf>,
    #[serde(default)]
    private_keys: Vec<String>,
    #[serde(default)]
    private_key_files: Vec<PathBuf>,
    #[serde(default)]
    own_callback: bool,
    #[serde(default)]
    timeout: Option<Span>,
    ca_certificate_file: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum UpstreamKind {
    #[default]
    Sgid,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ClaimSettings {
    custom: BTreeMap<String, CustomClaimSettings>,
    email_verified: bool,
    phone_number_verified: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CustomClaimSettings {
    scope: String,
    from: String,
}

/// A span of time written as `10m` or `30d`.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Span(Duration);

impl Span {
    const fn minutes(count: u64) -> Self {
        Self(Duration::from_mins(count))
    }

    const fn days(count: u64) -> Self {
        Self(Duration::from_hours(24 * count))
    }
}

impl TryFrom<String> for Span {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        humantime::parse_duration(&text)
            .map(Self)
            .map_err(|_| "must be a span of time such as \"60s\", \"10m\" or \"30d\"")
    }
}

/// A whole number; the environment writes it as text.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "NumberOrText")]
struct Number(u32);

#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(u32),
    Text(String),
}

impl TryFrom<NumberOrText> for Number {
    type Error = &'static str;

    fn try_from(written: NumberOrText) -> Result<Self, Self::Error> {
        match written {
            NumberOrText::Number(number) => Some(number),
            NumberOrText::Text(text) => text.parse().ok(),
        }
        .filter(|&number| number > 0)
        .map(Self)
        .ok_or("must be a whole number above zero")
    }
}

/// One text, or a list of them.
#[derive(Default, Deserialize)]
#[serde(from = "OneOrManyForm")]
struct OneOrMany(Vec<String>);

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrManyForm {
    One(String),
    Many(Vec<String>),
}

impl From<OneOrManyForm> for OneOrMany {
    fn from(form: OneOrManyForm) -> Self {
        Self(match form {
            OneOrManyForm::One(text) => vec![text],
            OneOrManyForm::Many(texts) => texts,
        })
    }
}

/// Collects problems instead of stopping at the first.
struct Finisher<'a> {
    source: &'a Source,
    problems: Vec<Problem>,
}

impl Settings {
    pub(super) fn finish(self, source: &Source) -> Result<Config, ConfigError> {
        let mut finisher = Finisher {
            source,
            problems: Vec::new(),
        };
        let config = finisher.config(self);
        match config {
            Some(config) if finisher.problems.is_empty() => Ok(config),
            _ => Err(ConfigError(finisher.problems)),
        }
    }
}

impl Finisher<'_> {
    fn report<T>(&mut self, path: &[&str], message: impl Into<String>) -> Option<T> {
        self.problems.push(self.source.problem(path, message));
        None
    }

    fn config(&mut self, settings: Settings) -> Option<Config> {
        let spans = [settings.session.idle, settings.session.absolute];
        if settings.session.enabled || spans.iter().any(|span| span.0.is_zero()) {
            self.report::<()>(
                &["session", "enabled"],
                "single sign-on sessions are not part of this version: set it to false",
            );
        }
        if !settings.outgoing.allow.is_empty() || !settings.outgoing.extra_ca_file.is_empty() {
            self.report::<()>(
                &["outgoing"],
                "this version makes no calls to relying parties: leave these settings empty",
            );
        }
        let server = self.server(settings.server);
        let database = self.database(settings.database);
        let lifetimes = self.lifetimes(&settings.lifetimes);
        let keys = self.keys(settings.keys);
        let upstreams = self.upstreams(settings.upstreams);
        let clients = self.clients(settings.clients);
        Some(Config {
            issuer: settings.issuer,
            server: server?,
            database: database?,
            keys: keys?,
            log: Log {
                level: settings.log.level,
                format: settings.log.format,
            },
            lifetimes: lifetimes?,
            limits: Limits {
                waiting_logins: settings.limits.waiting_logins.0.into(),
                logins_per_minute: settings.limits.logins_per_minute.0,
                requests_per_minute: settings.limits.requests_per_minute.0,
                requests_at_once: settings.limits.requests_at_once.0 as usize,
                failures_per_minute: settings.limits.failures_per_minute.0,
                connections: settings.limits.connections.0 as usize,
            },
            upstreams: upstreams?,
            claims: claims(settings.claims),
            clients,
        })
    }

    fn server(&mut self, settings: ServerSettings) -> Option<Server> {
        let tls = match (settings.tls_certificate_file, settings.tls_private_key_file) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some(Tls {
                certificate_file: self.source.folder().join(certificate),
                private_key_file: self.source.folder().join(key),
            }),
            (Some(_), None) | (None, Some(_)) => {
                return self.report(
                    &["server"],
                    "tls_certificate_file and tls_private_key_file go together: set both or neither",
                );
            }
        };
        Some(Server {
            listen: settings.listen,
            tls,
            management_listen: settings.management_listen,
            trusted_proxies: settings.trusted_proxies,
        })
    }

    fn database(&mut self, settings: DatabaseSettings) -> Option<Database> {
        let path = ["database", "url"];
        let url = self
            .secret(&path, settings.url, settings.url_file)?
            .unwrap_or_else(|| SecretText::new("sqlite://sgid-bridge.db".to_owned()));
        let known = ["postgres://", "postgresql://", "sqlite:"];
        if !known.iter().any(|scheme| url.expose().starts_with(scheme)) {
            return self.report(&path, "`url` must begin with postgres:// or sqlite://");
        }
        Some(Database {
            url,
            max_connections: settings.max_connections.0,
        })
    }

    fn lifetimes(&mut self, settings: &LifetimeSettings) -> Option<Lifetimes> {
        let bounded = [
            ("login", settings.login.0, Duration::from_hours(1)),
            (
                "authorization_code",
                settings.authorization_code.0,
                Duration::from_mins(10),
            ),
            (
                "access_token",
                settings.access_token.0,
                Duration::from_hours(24),
            ),
            ("id_token", settings.id_token.0, Duration::from_hours(24)),
        ];
        for (name, span, longest) in bounded {
            if span < Duration::from_secs(5) || span > longest {
                let longest = humantime::format_duration(longest);
                self.report::<()>(
                    &["lifetimes", name],
                    format!("`{name}` must be between 5s and {longest}"),
                );
            }
        }
        if settings.access_token.0 < settings.authorization_code.0 {
            // The token's row is what keeps its code spent.
            return self.report(
                &["lifetimes", "access_token"],
                "`access_token` must not be shorter than `authorization_code`",
            );
        }
        Some(Lifetimes {
            login: settings.login.0,
            authorization_code: settings.authorization_code.0,
            access_token: settings.access_token.0,
            id_token: settings.id_token.0,
        })
    }

    fn keys(&mut self, settings: KeySettings) -> Option<Keys> {
        if settings.signing_algorithms.is_empty() {
            self.report::<()>(
                &["keys", "signing_algorithms"],
                "`signing_algorithms` is empty: name at least RS256",
            );
        }
        if settings.rotation_period.0 < Duration::from_hours(1) {
            self.report::<()>(
                &["keys", "rotation_period"],
                "`rotation_period` must be at least 1h: relying parties keep our keys in a cache",
            );
        }
        let pairwise_path = ["keys", "pairwise_secret"];
        let pairwise = self.secret(
            &pairwise_path,
            settings.pairwise_secret,
            settings.pairwise_secret_file,
        )?;
        let pairwise_secret = match pairwise {
            None => None,
            Some(text) => match pairwise_secret(&text) {
                Some(secret) => Some(secret),
                None => {
                    return self.report(
                        &pairwise_path,
                        "`pairwise_secret` must be 32 bytes in base64url",
                    );
                }
            },
        };
        let mut signing_algorithms = settings.signing_algorithms;
        signing_algorithms.dedup();
        Some(Keys {
            master_keys: self.master_keys(settings.master_key.0, &settings.master_key_file.0)?,
            signing_algorithms,
            rotation_period: settings.rotation_period.0,
            pairwise_secret,
        })
    }

    fn master_keys(&mut self, texts: Vec<String>, files: &[String]) -> Option<MasterKeys> {
        let path = ["keys", "master_key"];
        let mut written = texts;
        if !written.is_empty() && !files.is_empty() {
            return self.report(&path, "set `master_key` or `master_key_file`, not both");
        }
        for file in files {
            written.push(self.read_file(&["keys", "master_key_file"], file.as_ref())?);
        }
        let mut keys = Vec::new();
        for text in &written {
            match MasterKey::parse(text) {
                Ok(key) => keys.push(key),
                Err(error) => {
                    let message = format!(
                        "the master key is unusable: {error}; make one with `sgid-bridge init`"
                    );
                    let place: &[&str] = if files.is_empty() {
                        &path
                    } else {
                        &["keys", "master_key_file"]
                    };
                    return self.report(place, message);
                }
            }
        }
        let mut keys = keys.into_iter();
        let Some(sealing) = keys.next() else {
            return self.report(
                &["keys"],
                "there is no master key: `sgid-bridge init` makes one; name it in `master_key_file` in [keys]",
            );
        };
        Some(MasterKeys::new(sealing, keys.collect()))
    }

    fn upstreams(
        &mut self,
        settings: BTreeMap<String, UpstreamSettings>,
    ) -> Option<BTreeMap<String, Upstream>> {
        if settings.is_empty() {
            return self.report(
                &[],
                "there is no upstream: add [upstreams.sgid] with your sgID client",
            );
        }
        let mut upstreams = BTreeMap::new();
        for (name, upstream) in settings {
            let upstream = self.upstream(&name, upstream);
            upstreams.insert(name, upstream?);
        }
        // An answer must show which issuer it is from (RFC 9700 section 4.4), and sgID sends no `iss`.
        let mut shared = upstreams
            .values()
            .filter(|upstream: &&Upstream| !upstream.own_callback);
        let first = shared.next().map(|upstream| &upstream.issuer);
        if shared.any(|upstream| Some(&upstream.issuer) != first) {
            return self.report(
                &["upstreams"],
                "upstreams of different issuers must not share a callback: set own_callback = true for all but one issuer, and register <issuer>/callback/NAME there",
            );
        }
        Some(upstreams)
    }

    fn upstream(&mut self, name: &str, settings: UpstreamSettings) -> Option<Upstream> {
        let UpstreamKind::Sgid = settings.kind;
        let is_path_segment = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(is_path_segment) {
            return self.report(
                &["upstreams", name],
                "the name of an upstream has 1 to 64 letters, digits, - and _",
            );
        }
        let at = |setting| ["upstreams", name, setting];
        let issuer = Issuer::parse(&settings.issuer);
        if let Err(error) = &issuer {
            return self.report(
                &at("issuer"),
                format!("`issuer` is no issuer identifier: {error}"),
            );
        }
        let follows = |path: &str| Url::parse(&format!("{}{path}", settings.issuer)).ok();
        let endpoints = [
            (
                "authorization_endpoint",
                settings.authorization_endpoint,
                "/oauth/authorize",
            ),
            ("token_endpoint", settings.token_endpoint, "/oauth/token"),
            (
                "userinfo_endpoint",
                settings.userinfo_endpoint,
                "/oauth/userinfo",
            ),
            ("jwks_uri", settings.jwks_uri, "/.well-known/jwks.json"),
        ]
        .map(|(setting, written, path)| (setting, written.or_else(|| follows(path))));
        for (setting, url) in &endpoints {
            if !url.as_ref().is_some_and(is_secure_or_loopback) {
                return self.report(
                    &at(setting),
                    format!("`{setting}` must use https (plain http on loopback only)"),
                );
            }
        }
        let [
            authorization_endpoint,
            token_endpoint,
            userinfo_endpoint,
            jwks_uri,
        ] = endpoints.map(|(_, url)| url);
        let client_secret = self.secret(
            &at("client_secret"),
            settings.client_secret,
            settings.client_secret_file,
        )?;
        let Some(client_secret) = client_secret else {
            return self.report(
                &["upstreams", name],
                "`client_secret_file` is missing: sgID's developer portal shows the secret once",
            );
        };
        let mut private_keys = Vec::new();
        for (index, pem) in settings.private_keys.into_iter().enumerate() {
            private_keys.push(PrivateKeyText {
                origin: format!("upstreams.{name}.private_keys[{index}]"),
                pem: SecretText::new(pem),
            });
        }
        for file in settings.private_key_files {
            let pem = self.read_file(&at("private_key_files"), &file)?;
            private_keys.push(PrivateKeyText {
                origin: file.display().to_string(),
                pem: SecretText::new(pem),
            });
        }
        if private_keys.is_empty() {
            return self.report(&["upstreams", name], "`private_key_files` is missing: name the private key that sgID's developer portal gave you");
        }
        let ca_certificate = match settings.ca_certificate_file {
            Some(file) => Some(
                self.read_file(&at("ca_certificate_file"), &file)?
                    .into_bytes(),
            ),
            None => None,
        };
        Some(Upstream {
            issuer: settings.issuer,
            authorization_endpoint: authorization_endpoint?,
            token_endpoint: token_endpoint?,
            userinfo_endpoint: userinfo_endpoint?,
            jwks_uri: jwks_uri?,
            client_id: settings.client_id,
            client_secret,
            private_keys,
            own_callback: settings.own_callback,
            timeout: settings
                .timeout
                .map_or(Duration::from_secs(10), |span| span.0),
            ca_certificate,
        })
    }

    fn clients(&mut self, written: Vec<Dict>) -> Vec<ConfiguredClient> {
        let mut clients: Vec<ConfiguredClient> = Vec::new();
        for (index, dict) in written.into_iter().enumerate() {
            let Some(client) = self.client(&index.to_string(), dict) else {
                continue;
            };
            let id = &client.metadata.client_id;
            if clients.iter().any(|other| other.metadata.client_id == *id) {
                let message = format!("the client_id {id} occurs twice");
                self.report::<()>(&["clients", &index.to_string(), "client_id"], message);
            }
            clients.push(client);
        }
        clients
    }

    fn client(&mut self, index: &str, mut dict: Dict) -> Option<ConfiguredClient> {
        let path = ["clients", index, "client_secret"];
        let mut text = |name: &str| dict.remove(name).and_then(Value::into_string);
        let (inline, file) = (text("client_secret"), text("client_secret_file"));
        let secret = self.secret(&path, inline, file.map(PathBuf::from))?;
        if secret
            .as_ref()
            .is_some_and(|secret| secret.expose().len() < 32)
        {
            return self.report(&path, "the client secret has fewer than 32 characters: make a random one, for instance with `openssl rand -base64 32`");
        }
        let metadata: Result<ClientMetadata, Problem> =
            self.source.read(&Value::from(dict), &path[..2]);
        match metadata {
            Ok(metadata) => Some(ConfiguredClient {
                secret: secret.map(|secret| ClientSecretHash::of(secret.expose())),
                origin: self
                    .source
                    .place(&path[..2])
                    .unwrap_or_else(|| metadata.client_id.to_string()),
                metadata,
            }),
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    /// A secret that stands in the configuration or in a file. The outer `None` means that a problem was reported.
    #[expect(clippy::option_option, reason = "absent and unreadable are two things")]
    fn secret(
        &mut self,
        path: &[&str],
        inline: Option<String>,
        file: Option<PathBuf>,
    ) -> Option<Option<SecretText>> {
        match (inline, file) {
            (None, None) => Some(None),
            (Some(text), None) => Some(Some(SecretText::new(text))),
            (None, Some(file)) => {
                let name = format!("{}_file", path.last().copied().unwrap_or_default());
                let mut place = path.to_vec();
                if let Some(last) = place.last_mut() {
                    *last = &name;
                }
                let text = self.read_file(&place, &file)?;
                Some(Some(SecretText::new(
                    text.trim_end_matches(['\r', '\n']).to_owned(),
                )))
            }
            (Some(_), Some(_)) => {
                let name = path.last().copied().unwrap_or_default();
                self.report(path, format!("set `{name}` or `{name}_file`, not both"))
            }
        }
    }

    fn read_file(&mut self, path: &[&str], file: &std::path::Path) -> Option<String> {
        let file = self.source.folder().join(file);
        match std::fs::read_to_string(&file) {
            Ok(text) => Some(text),
            Err(error) => self.report(path, format!("cannot read {}: {error}", file.display())),
        }
    }
}

fn pairwise_secret(text: &SecretText) -> Option<PairwiseSecret> {
    let bytes = URL_SAFE_NO_PAD
        .decode(text.expose().trim().trim_end_matches('='))
        .ok()?;
    bytes.try_into().ok().map(PairwiseSecret::new)
}

fn claims(settings: ClaimSettings) -> catalogue::Settings {
    catalogue::Settings {
        custom: settings
            .custom
            .into_iter()
            .map(|(claim, mapping)| CustomClaim {
                claim,
                scope: mapping.scope,
                from: mapping.from,
            })
            .collect(),
        email_verified: settings.email_verified,
        phone_number_verified: settings.phone_number_verified,
    }
}
