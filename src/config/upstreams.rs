//! Where people sign in: the sgID clients of the configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::finish::Finisher;
use super::settings::{UpstreamKind, UpstreamSettings};
use super::{PrivateKeyText, SecretText, Upstream};
use crate::oidc::issuer::{Issuer, is_secure_or_loopback};

impl Finisher<'_> {
    pub(super) fn upstreams(
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
        // Everything that is missing is told at once, so nothing returns before the end.
        let client_secret = self.secret(
            &at("client_secret"),
            settings.client_secret,
            settings.client_secret_file,
        );
        if matches!(client_secret, Some(None)) {
            self.report::<()>(
                &["upstreams", name],
                "`client_secret_file` is missing: sgID's developer portal shows the secret once",
            );
        }
        let private_keys =
            self.private_keys(name, settings.private_keys, &settings.private_key_files);
        let timeout = settings
            .timeout
            .map_or(Duration::from_secs(10), |span| span.0);
        if timeout < Duration::from_millis(100) || timeout > Duration::from_mins(1) {
            return self.report(&at("timeout"), "`timeout` must be between 100ms and 1m");
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
            client_secret: client_secret.flatten()?,
            private_keys,
            own_callback: settings.own_callback,
            timeout,
            ca_certificate,
        })
    }

    fn private_keys(
        &mut self,
        name: &str,
        inline: Vec<String>,
        files: &[PathBuf],
    ) -> Vec<PrivateKeyText> {
        if inline.is_empty() && files.is_empty() {
            self.report::<()>(
                &["upstreams", name],
                "`private_key_files` is missing: name the private key that sgID's developer portal gave you",
            );
        }
        let mut keys = Vec::new();
        for (index, pem) in inline.into_iter().enumerate() {
            keys.push(PrivateKeyText {
                origin: format!("upstreams.{name}.private_keys[{index}]"),
                pem: SecretText::new(pem),
            });
        }
        for file in files {
            if let Some(pem) = self.read_file(&["upstreams", name, "private_key_files"], file) {
                keys.push(PrivateKeyText {
                    origin: file.display().to_string(),
                    pem: SecretText::new(pem),
                });
            }
        }
        keys
    }
}
