//! The settings as they are written, with their defaults. The one place that lists them all.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use figment::value::Dict;
use ipnet::IpNet;
use serde::Deserialize;
use url::Url;

use super::LogFormat;
use crate::catalogue::ValueType;
use crate::oidc::algorithm::SigningAlgorithm;
use crate::oidc::issuer::Issuer;

/// File and line, or an environment variable.
pub(super) type Place = String;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    pub(super) issuer: Issuer,
    #[serde(default)]
    pub(super) server: ServerSettings,
    #[serde(default)]
    pub(super) database: DatabaseSettings,
    #[serde(default)]
    pub(super) keys: KeySettings,
    #[serde(default)]
    pub(super) log: LogSettings,
    #[serde(default)]
    pub(super) outgoing: OutgoingSettings,
    #[serde(default)]
    pub(super) lifetimes: LifetimeSettings,
    #[serde(default)]
    pub(super) session: SessionSettings,
    #[serde(default)]
    pub(super) registration: RegistrationSettings,
    #[serde(default)]
    pub(super) limits: LimitSettings,
    #[serde(default)]
    pub(super) upstreams: BTreeMap<String, UpstreamSettings>,
    #[serde(default)]
    pub(super) claims: ClaimSettings,
    #[serde(default)]
    pub(super) clients: Vec<Dict>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ServerSettings {
    pub(super) listen: SocketAddr,
    pub(super) tls_certificate_file: Option<PathBuf>,
    pub(super) tls_private_key_file: Option<PathBuf>,
    pub(super) management_listen: Option<SocketAddr>,
    pub(super) trusted_proxies: Vec<IpNet>,
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
pub(super) struct DatabaseSettings {
    pub(super) url: Option<String>,
    pub(super) url_file: Option<PathBuf>,
    pub(super) max_connections: Number,
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
pub(super) struct KeySettings {
    pub(super) master_key: OneOrMany,
    pub(super) master_key_file: OneOrMany,
    pub(super) signing_algorithms: Vec<SigningAlgorithm>,
    pub(super) rotation_period: Span,
    pub(super) pairwise_secret: Option<String>,
    pub(super) pairwise_secret_file: Option<PathBuf>,
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
pub(super) struct LogSettings {
    pub(super) level: String,
    pub(super) format: LogFormat,
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
pub(super) struct RegistrationSettings {
    pub(super) initial_access_token: OneOrMany,
    pub(super) initial_access_token_file: OneOrMany,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct OutgoingSettings {
    pub(super) allow: Vec<IpNet>,
    pub(super) extra_ca_file: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LifetimeSettings {
    pub(super) login: Span,
    pub(super) authorization_code: Span,
    pub(super) access_token: Span,
    pub(super) id_token: Span,
    pub(super) refresh_token: Span,
    pub(super) pushed_request: Span,
}

impl Default for LifetimeSettings {
    fn default() -> Self {
        Self {
            login: Span::minutes(10),
            authorization_code: Span::minutes(1),
            access_token: Span::minutes(10),
            id_token: Span::minutes(10),
            refresh_token: Span::days(30),
            pushed_request: Span(Duration::from_secs(90)),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SessionSettings {
    pub(super) enabled: bool,
    pub(super) idle: Span,
    pub(super) absolute: Span,
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
pub(super) struct LimitSettings {
    pub(super) waiting_logins: Number,
    pub(super) logins_per_minute: Number,
    pub(super) requests_per_minute: Number,
    pub(super) requests_at_once: Number,
    pub(super) failures_per_minute: Number,
    pub(super) connections: Number,
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
pub(super) struct UpstreamSettings {
    #[serde(default)]
    pub(super) kind: UpstreamKind,
    pub(super) issuer: String,
    pub(super) authorization_endpoint: Option<Url>,
    pub(super) token_endpoint: Option<Url>,
    pub(super) userinfo_endpoint: Option<Url>,
    pub(super) jwks_uri: Option<Url>,
    pub(super) client_id: String,
    pub(super) client_secret: Option<String>,
    pub(super) client_secret_file: Option<PathBuf>,
    #[serde(default)]
    pub(super) private_keys: Vec<String>,
    #[serde(default)]
    pub(super) private_key_files: Vec<PathBuf>,
    #[serde(default)]
    pub(super) own_callback: bool,
    #[serde(default)]
    pub(super) timeout: Option<Span>,
    pub(super) ca_certificate_file: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum UpstreamKind {
    #[default]
    Sgid,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ClaimSettings {
    pub(super) custom: BTreeMap<String, CustomClaimSettings>,
    pub(super) email_verified: bool,
    pub(super) phone_number_verified: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CustomClaimSettings {
    pub(super) scope: String,
    pub(super) from: String,
    #[serde(default, rename = "type")]
    pub(super) value_type: ValueType,
}

/// A span of time written as `10m` or `30d`.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Span(pub(super) Duration);

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
pub(super) struct Number(pub(super) u32);

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum NumberOrText {
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
pub(super) struct OneOrMany(pub(super) Vec<String>);

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrManyForm {
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
