//! Why a registration cannot work.

use crate::oidc::algorithm::SigningAlgorithm;
use crate::oidc::jwk_set::JwkSetError;
use crate::oidc::redirect_uri::RedirectUriError;

/// Why a registration cannot work. Each says how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// A name that cannot be shown.
    #[error(
        "client_name must have at most 128 characters, without control and direction characters"
    )]
    Name,
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
    /// A secret that the registered method has no use for.
    #[error(
        "token_endpoint_auth_method = \"{0}\" and a client secret contradict each other: remove one"
    )]
    NeedlessSecret(&'static str),
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
    #[error("{0} = \"{1}\" has no signing key: add it to signing_algorithms in [keys]")]
    Algorithm(&'static str, SigningAlgorithm),
    /// Several hosts and no sector.
    #[error(
        "redirect_uris have several hosts: set sector_identifier to the host that pairwise subjects belong to, or sector_identifier_uri"
    )]
    SectorMissing,
    /// A sector written in two ways.
    #[error("set sector_identifier or sector_identifier_uri, not both")]
    TwoSectors,
    /// A URI of ours to call that is none.
    #[error("{0} must be an https URL without fragment and user name (http on loopback only)")]
    Url(&'static str),
    /// Keys in two places.
    #[error("set jwks or jwks_uri, not both")]
    TwoKeySets,
    /// Something needs keys, and there are none.
    #[error("{0} needs the client's public keys: set jwks or jwks_uri")]
    NoKeys(&'static str),
    /// Keys of another kind.
    #[error("jwks holds no key that is for {0}")]
    NoFittingKey(&'static str),
    /// Keys that cannot be used.
    #[error("jwks: {0}")]
    Keys(JwkSetError),
    /// An algorithm for content without one for its key.
    #[error("{0} is set without its companion for the key, which ends in _alg")]
    EncryptionWithoutKey(&'static str),
    /// Refresh tokens that could never be had.
    #[error("grant_types names refresh_token: add offline_access to scope, which asks for one")]
    NoOfflineAccess,
    /// No way to get any token.
    #[error("grant_types must contain authorization_code")]
    NoCodeGrant,
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

impl MetadataError {
    /// The same without what was written: for whoever registers by program, and for the log.
    pub fn without_input(&self) -> String {
        match self {
            Self::RedirectUri { setting, error, .. } => format!("{setting}: {error}"),
            Self::UpstreamMissing(_) => {
                "upstream is missing: there are several, so name one".to_owned()
            }
            Self::UpstreamUnknown(..) => "upstream does not exist".to_owned(),
            Self::Origin(_) => {
                "web_origins: one is not an origin such as https://app.example.sg".to_owned()
            }
            other => other.to_string(),
        }
    }
}
