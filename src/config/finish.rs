//! From settings to the configuration: every check that needs more than one value, or a file.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::read::Source;
use super::settings::{
    ClaimSettings, DatabaseSettings, KeySettings, LifetimeSettings, OutgoingSettings,
    RegistrationSettings, ServerSettings, SessionSettings, Settings,
};
use super::{
    Config, ConfigError, Database, InitialAccessTokens, Keys, Lifetimes, Limits, Log,
    OutgoingCalls, Problem, SecretText, Server, SessionLimits, Tls,
};
use crate::catalogue::{self, CustomClaim};
use crate::oidc::client::ClientSecretHash;
use crate::oidc::subject::PairwiseSecret;
use crate::secret::{MasterKey, MasterKeys};

/// Collects problems instead of stopping at the first.
pub(super) struct Finisher<'a> {
    pub(super) source: &'a Source,
    pub(super) problems: Vec<Problem>,
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
    pub(super) fn report<T>(&mut self, path: &[&str], message: impl Into<String>) -> Option<T> {
        self.problems.push(self.source.problem(path, message));
        None
    }

    fn config(&mut self, settings: Settings) -> Option<Config> {
        let outgoing = self.outgoing(settings.outgoing);
        let session = self.session(&settings.session);
        let registration = self.registration(settings.registration);
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
                from_environment: self.source.rust_log(),
                format: settings.log.format,
            },
            outgoing: outgoing?,
            lifetimes: lifetimes?,
            session: session?,
            registration: registration?,
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
        let Some(url) = self.placed(url) else {
            return self.report(
                &path,
                "`url`: a SQLite database needs a file: one in memory would be another for each connection",
            );
        };
        Some(Database {
            url,
            max_connections: settings.max_connections.0,
        })
    }

    /// The address with a relative `SQLite` file below the configuration's folder, as every other path.
    fn placed(&self, url: SecretText) -> Option<SecretText> {
        let Some(rest) = url.expose().strip_prefix("sqlite:") else {
            return Some(url);
        };
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        if rest.is_empty() || rest.contains(":memory:") || rest.contains("mode=memory") {
            return None;
        }
        let file = self.source.folder().join(rest);
        Some(SecretText::new(format!("sqlite://{}", file.display())))
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
            (
                "refresh_token",
                settings.refresh_token.0,
                Duration::from_hours(24 * 366),
            ),
            (
                "pushed_request",
                settings.pushed_request.0,
                Duration::from_mins(10),
            ),
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
            refresh_token: settings.refresh_token.0,
            pushed_request: settings.pushed_request.0,
        })
    }

    fn outgoing(&mut self, settings: OutgoingSettings) -> Option<OutgoingCalls> {
        let extra_ca = if settings.extra_ca_file.is_empty() {
            None
        } else {
            let path = ["outgoing", "extra_ca_file"];
            let pem = self.read_file(&path, settings.extra_ca_file.as_ref())?;
            Some(pem.into_bytes())
        };
        Some(OutgoingCalls {
            allow: settings.allow,
            extra_ca,
        })
    }

    #[expect(
        clippy::option_option,
        reason = "switched off and unusable are two things"
    )]
    fn session(&mut self, settings: &SessionSettings) -> Option<Option<SessionLimits>> {
        let (idle, absolute) = (settings.idle.0, settings.absolute.0);
        if idle < Duration::from_mins(1) || absolute > Duration::from_hours(24 * 30) {
            return self.report(
                &["session", "idle"],
                "`idle` must be at least 1m, and `absolute` at most 30d",
            );
        }
        if idle > absolute {
            return self.report(
                &["session", "idle"],
                "`idle` must not be longer than `absolute`: a session ends then in any case",
            );
        }
        Some(settings.enabled.then_some(SessionLimits { idle, absolute }))
    }

    #[expect(
        clippy::option_option,
        reason = "switched off and unusable are two things"
    )]
    fn registration(
        &mut self,
        settings: RegistrationSettings,
    ) -> Option<Option<InitialAccessTokens>> {
        let path = ["registration", "initial_access_token"];
        let mut tokens = settings.initial_access_token.0;
        if !tokens.is_empty() && !settings.initial_access_token_file.0.is_empty() {
            return self.report(
                &path,
                "set `initial_access_token` or `initial_access_token_file`, not both",
            );
        }
        for file in &settings.initial_access_token_file.0 {
            let place = ["registration", "initial_access_token_file"];
            let text = self.read_file(&place, file.as_ref())?;
            tokens.push(text.trim().to_owned());
        }
        if tokens.iter().any(|token| token.len() < 32) {
            return self.report(
                &path,
                "the initial access token has fewer than 32 characters: make a random one, for instance with `openssl rand -hex 32`",
            );
        }
        let hashes = tokens.iter().map(|token| ClientSecretHash::of(token));
        let hashes: Vec<_> = hashes.collect();
        Some((!hashes.is_empty()).then_some(InitialAccessTokens(hashes)))
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

    /// A secret that stands in the configuration or in a file. The outer `None` means that a problem was reported.
    #[expect(clippy::option_option, reason = "absent and unreadable are two things")]
    pub(super) fn secret(
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

    pub(super) fn read_file(&mut self, path: &[&str], file: &std::path::Path) -> Option<String> {
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
                value_type: mapping.value_type,
            })
            .collect(),
        email_verified: settings.email_verified,
        phone_number_verified: settings.phone_number_verified,
    }
}
