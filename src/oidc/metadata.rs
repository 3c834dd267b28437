//! Client metadata as operators write it, and the one place where it becomes a [`Client`].
//! Names as in RFC 7591 and OpenID Connect Registration section 2.

use serde::{Deserialize, Serialize};
use url::Url;

use super::algorithm::SigningAlgorithm;
use super::claims::ClaimsIn;
use super::client::{AuthenticationMethod, Client, ClientId, ClientSecretHash, CodeProtection};
use super::issuer::is_secure_or_loopback;
use super::redirect_uri::{ApplicationType, RedirectUri, RedirectUriError};
use super::return_address::ResponseMode;
use super::scope::ScopeSet;
use super::subject::{Audience, SectorIdentifier, SubjectType};

/// A client's registration, without its secrets.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientMetadata {
    /// Identifies the client; anything printable.
    pub client_id: ClientId,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_name: Option<String>,
    /// Where answers may go, exactly.
    pub redirect_uris: Vec<String>,
    /// Where a person may be sent after signing out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub post_logout_redirect_uris: Vec<String>,
    /// How it proves itself.
    #[serde(default = "default_method")]
    pub token_endpoint_auth_method: AuthenticationMethod,
    /// What it may ever ask for.
    #[serde(default = "default_scope")]
    pub scope: ScopeSet,
    /// The upstream's name; needed where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// `pairwise` or `public`.
    #[serde(default)]
    pub subject_type: SubjectType,
    /// The algorithm of its ID tokens.
    #[serde(default = "default_algorithm")]
    pub id_token_signed_response_alg: SigningAlgorithm,
    /// Where claims asked for by scope are delivered.
    #[serde(default = "default_claims_in")]
    pub claims_in: ClaimsIn,
    /// How answers may travel.
    #[serde(default = "default_response_modes")]
    pub response_modes: Vec<ResponseMode>,
    /// Whether a code challenge is required.
    #[serde(default = "yes")]
    pub require_pkce: bool,
    /// Whether `nonce` is required where PKCE is not.
    #[serde(default = "yes")]
    pub require_nonce: bool,
    /// Where it runs.
    #[serde(default)]
    pub application_type: ApplicationType,
    /// The host for pairwise identifiers, where redirect URIs have several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sector_identifier: Option<String>,
    /// Why it may receive NRIC or FIN numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nric_purpose: Option<String>,
    /// Origins of its browser code.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub web_origins: Vec<String>,
    /// Whether it is served at all.
    #[serde(default = "yes")]
    pub enabled: bool,
}

/// What a registration is checked against.
pub struct Offered<'a> {
    /// Names of the upstreams.
    pub upstreams: &'a [String],
    /// Algorithms with a live key.
    pub signing_algorithms: &'a [SigningAlgorithm],
}

/// Why a registration cannot work. Each says how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// No redirect URI.
    #[error("redirect_uris is empty: name at least one")]
    NoRedirectUri,
    /// A redirect URI that may not be registered.
    #[error("{setting}: {uri}: {error}")]
    RedirectUri {
        /// Which setting.
        setting: &'static str,
        /// As written.
        uri: String,
        /// What is wrong with it.
        error: RedirectUriError,
    },
    /// A confidential client without a secret.
    #[error("{0} needs a secret: set client_secret or client_secret_file")]
    NoSecret(&'static str),
    /// A public client with a secret.
    #[error(
        "token_endpoint_auth_method = \"none\" and a client secret contradict each other: remove one"
    )]
    NeedlessSecret,
    /// A public client without PKCE.
    #[error(
        "a public client (token_endpoint_auth_method = \"none\") cannot do without PKCE: remove require_pkce = false"
    )]
    PublicWithoutPkce,
    /// No `openid` in `scope`.
    #[error("scope must contain openid")]
    NoOpenid,
    /// No upstream named where there are several.
    #[error("upstream is missing: there are several, so name one of {0}")]
    UpstreamMissing(String),
    /// An upstream that does not exist.
    #[error("upstream = \"{0}\" does not exist: name one of {1}")]
    UpstreamUnknown(String, String),
    /// An algorithm without a live key.
    #[error(
        "id_token_signed_response_alg = \"{0}\" has no signing key: add it to signing_algorithms in [keys]"
    )]
    Algorithm(SigningAlgorithm),
    /// Several hosts and no sector.
    #[error(
        "redirect_uris have several hosts: set sector_identifier to the host that pairwise subjects belong to"
    )]
    SectorMissing,
    /// A sector that is no host name.
    #[error("sector_identifier must be a host name")]
    Sector,
    /// No response mode.
    #[error("response_modes is empty: name at least \"query\"")]
    NoResponseMode,
    /// An origin that is none.
    #[error("web_origins: {0} is not an origin such as https://app.example.sg")]
    Origin(String),
}

impl ClientMetadata {
    /// The client that this registration describes, with the hashes of its secrets that are valid now.
    ///
    /// # Errors
    /// [`MetadataError`]: the first thing that is wrong.
    pub fn admit(
        &self,
        secrets: Vec<ClientSecretHash>,
        offered: &Offered<'_>,
    ) -> Result<Client, MetadataError> {
        let redirect_uris = self.check_redirect_uris("redirect_uris", &self.redirect_uris)?;
        if redirect_uris.is_empty() {
            return Err(MetadataError::NoRedirectUri);
        }
        self.check_redirect_uris("post_logout_redirect_uris", &self.post_logout_redirect_uris)?;
        self.check_secrets(&secrets)?;
        if !self.scope.contains("openid") {
            return Err(MetadataError::NoOpenid);
        }
        let algorithm = self.id_token_signed_response_alg;
        if !offered.signing_algorithms.contains(&algorithm) {
            return Err(MetadataError::Algorithm(algorithm));
        }
        if self.response_modes.is_empty() {
            return Err(MetadataError::NoResponseMode);
        }
        Ok(Client {
            client_id: self.client_id.clone(),
            client_name: self.client_name.clone(),
            method: self.token_endpoint_auth_method,
            secrets,
            audience: self.check_audience(&redirect_uris)?,
            redirect_uris,
            application_type: self.application_type,
            scope: self.scope.clone(),
            upstream: self.check_upstream(offered.upstreams)?,
            id_token_signed_response_alg: algorithm,
            claims_in: self.claims_in,
            response_modes: self.response_modes.clone(),
            code_protection: match (self.require_pkce, self.require_nonce) {
                (true, _) => CodeProtection::Pkce,
                (false, true) => CodeProtection::Nonce,
                (false, false) => CodeProtection::Neither,
            },
            nric_purpose: self.nric_purpose.clone(),
            web_origins: self.check_web_origins()?,
            enabled: self.enabled,
        })
    }

    fn check_redirect_uris(
        &self,
        setting: &'static str,
        uris: &[String],
    ) -> Result<Vec<RedirectUri>, MetadataError> {
        uris.iter()
            .map(|uri| {
                RedirectUri::register(uri, self.application_type).map_err(|error| {
                    MetadataError::RedirectUri {
                        setting,
                        uri: uri.clone(),
                        error,
                    }
                })
            })
            .collect()
    }

    fn check_secrets(&self, secrets: &[ClientSecretHash]) -> Result<(), MetadataError> {
        match self.token_endpoint_auth_method {
            AuthenticationMethod::None if !secrets.is_empty() => Err(MetadataError::NeedlessSecret),
            AuthenticationMethod::None if !self.require_pkce => {
                Err(MetadataError::PublicWithoutPkce)
            }
            AuthenticationMethod::ClientSecretBasic | AuthenticationMethod::ClientSecretPost
                if secrets.is_empty() =>
            {
                Err(MetadataError::NoSecret(
                    self.token_endpoint_auth_method.as_str(),
                ))
            }
            AuthenticationMethod::None
            | AuthenticationMethod::ClientSecretBasic
            | AuthenticationMethod::ClientSecretPost => Ok(()),
        }
    }

    fn check_audience(&self, redirect_uris: &[RedirectUri]) -> Result<Audience, MetadataError> {
        if self.subject_type == SubjectType::Public {
            return Ok(Audience::Everyone);
        }
        if let Some(sector) = &self.sector_identifier {
            let sector = SectorIdentifier::parse(sector).ok_or(MetadataError::Sector)?;
            return Ok(Audience::Sector(sector));
        }
        let mut hosts: Vec<_> = redirect_uris.iter().map(RedirectUri::sector_host).collect();
        hosts.dedup();
        match hosts.as_slice() {
            [Some(host)] => SectorIdentifier::parse(host)
                .map(Audience::Sector)
                .ok_or(MetadataError::Sector),
            [None] => Ok(Audience::Sector(SectorIdentifier::of_client(
                self.client_id.as_str(),
            ))),
            _ => Err(MetadataError::SectorMissing),
        }
    }

    fn check_upstream(&self, upstreams: &[String]) -> Result<String, MetadataError> {
        match (&self.upstream, upstreams) {
            (None, [only]) => Ok(only.clone()),
            (None, _) => Err(MetadataError::UpstreamMissing(upstreams.join(", "))),
            (Some(name), _) if upstreams.contains(name) => Ok(name.clone()),
            (Some(name), _) => Err(MetadataError::UpstreamUnknown(
                name.clone(),
                upstreams.join(", "),
            )),
        }
    }

    fn check_web_origins(&self) -> Result<Vec<String>, MetadataError> {
        for origin in &self.web_origins {
            let is_origin = Url::parse(origin).is_ok_and(|url| {
                is_secure_or_loopback(&url) && url.origin().ascii_serialization() == *origin
            });
            if !is_origin {
                return Err(MetadataError::Origin(origin.clone()));
            }
        }
        Ok(self.web_origins.clone())
    }
}

const fn yes() -> bool {
    true
}

const fn default_method() -> AuthenticationMethod {
    AuthenticationMethod::ClientSecretBasic
}

const fn default_algorithm() -> SigningAlgorithm {
    SigningAlgorithm::Rs256
}

const fn default_claims_in() -> ClaimsIn {
    ClaimsIn::Both
}

fn default_response_modes() -> Vec<ResponseMode> {
    vec![ResponseMode::Query]
}

fn default_scope() -> ScopeSet {
    ScopeSet::parse("openid profile").expect("two words are a list of scopes")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn audience(client_id: &str, redirect_uris: &[&str]) -> Result<Audience, MetadataError> {
        let metadata: ClientMetadata = serde_json::from_value(json!({
            "client_id": client_id,
            "redirect_uris": redirect_uris,
            "token_endpoint_auth_method": "none",
            "application_type": "native",
        }))
        .unwrap();
        let offered = Offered {
            upstreams: &["sgid".to_owned()],
            signing_algorithms: &SigningAlgorithm::ALL,
        };
        metadata
            .admit(Vec::new(), &offered)
            .map(|client| client.audience().clone())
    }

    #[test]
    fn a_host_that_every_device_has_joins_no_two_clients() {
        for uri in [
            "http://127.0.0.1/callback",
            "http://localhost:3000/",
            "sg.example.app:/callback",
        ] {
            assert_ne!(audience("one", &[uri]), audience("two", &[uri]), "{uri}");
            assert_eq!(audience("one", &[uri]), audience("one", &[uri]), "{uri}");
        }
        let shared = "https://apps.example.sg/callback";
        assert_eq!(audience("one", &[shared]), audience("two", &[shared]));
        assert!(SectorIdentifier::parse("client:one").is_none());
    }

    #[test]
    fn several_hosts_need_a_sector() {
        let uris = ["https://a.example.sg/", "https://b.example.sg/"];
        assert_eq!(audience("one", &uris), Err(MetadataError::SectorMissing));
    }
}
