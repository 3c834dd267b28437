//! Client metadata as operators write it, and the one place where it becomes a [`Client`].
//! Names as in RFC 7591 and OpenID Connect Registration section 2.

mod error;
mod keys;

pub use error::MetadataError;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::oidc::algorithm::{ContentEncryption, KeyManagementAlgorithm, SigningAlgorithm};
use crate::oidc::claims::ClaimsIn;
use crate::oidc::client::{
    AuthenticationMethod, Client, ClientId, ClientSecretHash, CodeProtection, GrantType,
};
use crate::oidc::issuer::is_secure_or_loopback;
use crate::oidc::redirect_uri::{ApplicationType, RedirectUri};
use crate::oidc::return_address::ResponseMode;
use crate::oidc::scope::ScopeSet;
use crate::oidc::subject::{Audience, SectorIdentifier, SubjectType};

/// A client's registration, without its secrets.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the members of the standards"
)]
pub struct ClientMetadata {
    /// Identifies the client; anything printable.
    pub client_id: ClientId,
    /// For people, at most 128 printable characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_name: Option<String>,
    /// Where answers may go, exactly.
    pub redirect_uris: Vec<String>,
    /// Where a person may be sent after signing out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub post_logout_redirect_uris: Vec<String>,
    /// Where we tell it that a session has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backchannel_logout_uri: Option<String>,
    /// How it proves itself.
    #[serde(default = "default_method")]
    pub token_endpoint_auth_method: AuthenticationMethod,
    /// The algorithm of its client assertions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_signing_alg: Option<SigningAlgorithm>,
    /// Its public keys, as a JWK Set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    /// Where its public keys are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
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
    /// The algorithm of what encrypts its ID tokens' keys; plain where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token_encrypted_response_alg: Option<KeyManagementAlgorithm>,
    /// The algorithm of what encrypts its ID tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token_encrypted_response_enc: Option<ContentEncryption>,
    /// The algorithm of signed userinfo; plain JSON where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userinfo_signed_response_alg: Option<SigningAlgorithm>,
    /// The algorithm of what encrypts userinfo's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userinfo_encrypted_response_alg: Option<KeyManagementAlgorithm>,
    /// The algorithm of what encrypts userinfo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userinfo_encrypted_response_enc: Option<ContentEncryption>,
    /// The algorithm of its request objects; it may send none where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_object_signing_alg: Option<SigningAlgorithm>,
    /// Whether every authorization request must have been pushed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub require_pushed_authorization_requests: bool,
    /// What it may exchange for tokens.
    #[serde(
        default = "default_grant_types",
        skip_serializing_if = "is_default_grant"
    )]
    pub grant_types: Vec<GrantType>,
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
    /// Where the redirect URIs of its sector are listed; its host is the sector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sector_identifier_uri: Option<String>,
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

impl ClientMetadata {
    /// The names of all members: for whoever reads a registration that may hold others.
    pub const MEMBERS: [&str; 31] = [
        "client_id",
        "client_name",
        "redirect_uris",
        "post_logout_redirect_uris",
        "backchannel_logout_uri",
        "token_endpoint_auth_method",
        "token_endpoint_auth_signing_alg",
        "jwks",
        "jwks_uri",
        "scope",
        "upstream",
        "subject_type",
        "id_token_signed_response_alg",
        "id_token_encrypted_response_alg",
        "id_token_encrypted_response_enc",
        "userinfo_signed_response_alg",
        "userinfo_encrypted_response_alg",
        "userinfo_encrypted_response_enc",
        "request_object_signing_alg",
        "require_pushed_authorization_requests",
        "grant_types",
        "claims_in",
        "response_modes",
        "require_pkce",
        "require_nonce",
        "application_type",
        "sector_identifier",
        "sector_identifier_uri",
        "nric_purpose",
        "web_origins",
        "enabled",
    ];
}

/// What a registration is checked against.
pub struct Offered<'a> {
    /// Names of the upstreams.
    pub upstreams: &'a [String],
    /// Algorithms with a live key.
    pub signing_algorithms: &'a [SigningAlgorithm],
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
        let is_sound =
            |name: &String| name.chars().count() <= MAX_NAME && !name.chars().any(is_invisible);
        if !self.client_name.as_ref().is_none_or(is_sound) {
            return Err(MetadataError::Name);
        }
        let redirect_uris = self.check_redirect_uris("redirect_uris", &self.redirect_uris)?;
        if redirect_uris.is_empty() {
            return Err(MetadataError::NoRedirectUri);
        }
        let post_logout_redirect_uris =
            self.check_redirect_uris("post_logout_redirect_uris", &self.post_logout_redirect_uris)?;
        self.check_secrets(&secrets)?;
        self.check_grant_types()?;
        if !self.scope.contains("openid") {
            return Err(MetadataError::NoOpenid);
        }
        let algorithm = self.id_token_signed_response_alg;
        let signs = |setting, algorithm| {
            if offered.signing_algorithms.contains(&algorithm) {
                return Ok(());
            }
            Err(MetadataError::Algorithm(setting, algorithm))
        };
        signs("id_token_signed_response_alg", algorithm)?;
        if let Some(algorithm) = self.userinfo_signed_response_alg {
            signs("userinfo_signed_response_alg", algorithm)?;
        }
        let response_protection = self.check_encryption()?;
        if self.response_modes.is_empty() {
            return Err(MetadataError::NoResponseMode);
        }
        Ok(Client {
            client_id: self.client_id.clone(),
            client_name: self.client_name.clone(),
            method: self.token_endpoint_auth_method,
            secrets,
            keys: self.check_keys()?,
            token_endpoint_auth_signing_alg: self.token_endpoint_auth_signing_alg,
            audience: self.check_audience(&redirect_uris)?,
            redirect_uris,
            post_logout_redirect_uris,
            backchannel_logout_uri: self
                .backchannel_logout_uri
                .as_deref()
                .map(|uri| callable("backchannel_logout_uri", uri))
                .transpose()?,
            application_type: self.application_type,
            scope: self.scope.clone(),
            upstream: self.check_upstream(offered.upstreams)?,
            id_token_signed_response_alg: algorithm,
            response_protection,
            claims_in: self.claims_in,
            response_modes: self.response_modes.clone(),
            grant_types: self.grant_types.clone(),
            request_object_signing_alg: self.request_object_signing_alg,
            requires_pushed_requests: self.require_pushed_authorization_requests,
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
            AuthenticationMethod::None if !secrets.is_empty() => {
                Err(MetadataError::NeedlessSecret("none"))
            }
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
            AuthenticationMethod::PrivateKeyJwt if !secrets.is_empty() => {
                Err(MetadataError::NeedlessSecret("private_key_jwt"))
            }
            AuthenticationMethod::None
            | AuthenticationMethod::PrivateKeyJwt
            | AuthenticationMethod::ClientSecretBasic
            | AuthenticationMethod::ClientSecretPost => Ok(()),
        }
    }

    fn check_grant_types(&self) -> Result<(), MetadataError> {
        if !self.grant_types.contains(&GrantType::AuthorizationCode) {
            return Err(MetadataError::NoCodeGrant);
        }
        let refreshes = self.grant_types.contains(&GrantType::RefreshToken);
        if refreshes && !self.scope.contains("offline_access") {
            return Err(MetadataError::NoOfflineAccess);
        }
        Ok(())
    }

    fn check_audience(&self, redirect_uris: &[RedirectUri]) -> Result<Audience, MetadataError> {
        if self.subject_type == SubjectType::Public {
            return Ok(Audience::Everyone);
        }
        if let Some(uri) = &self.sector_identifier_uri {
            if self.sector_identifier.is_some() {
                return Err(MetadataError::TwoSectors);
            }
            let uri = callable("sector_identifier_uri", uri)?;
            return uri
                .host_str()
                .and_then(SectorIdentifier::parse)
                .map(Audience::Sector)
                .ok_or(MetadataError::Sector);
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

/// The most characters of a name that people see.
const MAX_NAME: usize = 128;

/// Control characters, and those that turn the direction of a text: on a page they would make it say something else.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A URL of a relying party that we may call; whether its address may be called is decided when it is.
fn callable(setting: &'static str, text: &str) -> Result<Url, MetadataError> {
    let is_sound = |url: &Url| {
        is_secure_or_loopback(url)
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    };
    Url::parse(text)
        .ok()
        .filter(is_sound)
        .ok_or(MetadataError::Url(setting))
}

fn is_default_grant(grant_types: &[GrantType]) -> bool {
    grant_types == [GrantType::AuthorizationCode]
}

fn default_grant_types() -> Vec<GrantType> {
    vec![GrantType::AuthorizationCode]
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
    fn the_list_of_members_is_complete() {
        let mut metadata = json!({ "client_id": "one", "redirect_uris": [] });
        for name in ClientMetadata::MEMBERS {
            let value = match name {
                "client_id" | "redirect_uris" => continue,
                "jwks" => json!({ "keys": [] }),
                "require_pushed_authorization_requests"
                | "require_pkce"
                | "require_nonce"
                | "enabled" => json!(true),
                "grant_types" => json!(["authorization_code", "refresh_token"]),
                "claims_in" => json!(["userinfo"]),
                "response_modes" => json!(["query"]),
                "post_logout_redirect_uris" | "web_origins" => json!(["https://a.example"]),
                "token_endpoint_auth_method" => json!("none"),
                "subject_type" => json!("public"),
                "application_type" => json!("native"),
                name if name.ends_with("_enc") => json!("A128GCM"),
                name if name.contains("encrypted") => json!("ECDH-ES"),
                name if name.ends_with("_alg") => json!("ES256"),
                _ => json!("text"),
            };
            metadata[name] = value;
        }
        let read: ClientMetadata = serde_json::from_value(metadata).unwrap();
        let written = serde_json::to_value(read).unwrap();
        let written: Vec<&String> = written.as_object().unwrap().keys().collect();
        assert_eq!(written.len(), ClientMetadata::MEMBERS.len(), "{written:?}");
    }

    #[test]
    fn several_hosts_need_a_sector() {
        let uris = ["https://a.example.sg/", "https://b.example.sg/"];
        assert_eq!(audience("one", &uris), Err(MetadataError::SectorMissing));
    }
}
