//! What a command line says of a client.

use clap::Args;
use serde_json::{Map, Value, json};

use crate::cli::CliError;
use crate::oidc::metadata::ClientMetadata;

/// The settings of a client, named as in the configuration. An empty text takes a setting away.
#[derive(Args)]
pub(in crate::cli) struct Change {
    /// Which one
    pub(super) client_id: String,
    /// For people
    #[arg(long)]
    pub(super) client_name: Option<String>,
    /// Where answers may go, exactly; may be repeated
    #[arg(long = "redirect-uri", value_name = "URI")]
    pub(super) redirect_uris: Vec<String>,
    /// Where people may be sent after signing out; may be repeated
    #[arg(long = "post-logout-redirect-uri", value_name = "URI")]
    pub(super) post_logout_redirect_uris: Vec<String>,
    /// Where we tell it that a session has ended
    #[arg(long, value_name = "URI")]
    pub(super) backchannel_logout_uri: Option<String>,
    /// `client_secret_basic`, `client_secret_post`, `private_key_jwt` or none
    #[arg(long)]
    pub(super) token_endpoint_auth_method: Option<String>,
    /// The algorithm of its client assertions
    #[arg(long)]
    pub(super) token_endpoint_auth_signing_alg: Option<String>,
    /// A file with its public keys, a JWK Set
    #[arg(long, value_name = "FILE")]
    pub(super) jwks_file: Option<std::path::PathBuf>,
    /// Where its public keys are
    #[arg(long, value_name = "URI")]
    pub(super) jwks_uri: Option<String>,
    /// `authorization_code` or `refresh_token`; may be repeated
    #[arg(long = "grant-type", value_name = "TYPE")]
    pub(super) grant_types: Vec<String>,
    /// query, fragment or `form_post`; may be repeated
    #[arg(long = "response-mode", value_name = "MODE")]
    pub(super) response_modes: Vec<String>,
    /// The algorithm of its request objects
    #[arg(long)]
    pub(super) request_object_signing_alg: Option<String>,
    /// Whether every authorization request must be pushed
    #[arg(long)]
    pub(super) require_pushed_authorization_requests: Option<bool>,
    /// What it may ever ask for, such as "openid profile"
    #[arg(long)]
    pub(super) scope: Option<String>,
    /// Where its people sign in
    #[arg(long)]
    pub(super) upstream: Option<String>,
    /// pairwise or public
    #[arg(long)]
    pub(super) subject_type: Option<String>,
    /// RS256, PS256, ES256 or `EdDSA`
    #[arg(long)]
    pub(super) id_token_signed_response_alg: Option<String>,
    /// RSA-OAEP-256, ECDH-ES, ECDH-ES+A128KW or ECDH-ES+A256KW
    #[arg(long)]
    pub(super) id_token_encrypted_response_alg: Option<String>,
    /// A128CBC-HS256, A256CBC-HS512, A128GCM or A256GCM
    #[arg(long)]
    pub(super) id_token_encrypted_response_enc: Option<String>,
    /// RS256, PS256, ES256 or `EdDSA`: userinfo as a signed JWT
    #[arg(long)]
    pub(super) userinfo_signed_response_alg: Option<String>,
    /// As for ID tokens
    #[arg(long)]
    pub(super) userinfo_encrypted_response_alg: Option<String>,
    /// As for ID tokens
    #[arg(long)]
    pub(super) userinfo_encrypted_response_enc: Option<String>,
    /// `id_token` or userinfo; may be repeated
    #[arg(long, value_name = "PLACE")]
    pub(super) claims_in: Vec<String>,
    /// Whether a code challenge is required
    #[arg(long)]
    pub(super) require_pkce: Option<bool>,
    /// Whether nonce is required where PKCE is not
    #[arg(long)]
    pub(super) require_nonce: Option<bool>,
    /// web or native
    #[arg(long)]
    pub(super) application_type: Option<String>,
    /// The host for pairwise identifiers
    #[arg(long)]
    pub(super) sector_identifier: Option<String>,
    /// Where the redirect URIs of its sector are listed; its host is the sector
    #[arg(long, value_name = "URI")]
    pub(super) sector_identifier_uri: Option<String>,
    /// Why it may receive NRIC or FIN numbers
    #[arg(long)]
    pub(super) nric_purpose: Option<String>,
    /// An origin of its browser code; may be repeated
    #[arg(long = "web-origin", value_name = "ORIGIN")]
    pub(super) web_origins: Vec<String>,
    /// false: known, and refused everywhere
    #[arg(long)]
    pub(super) enabled: Option<bool>,
    /// For scripts
    #[arg(long)]
    pub(super) json: bool,
}

impl Change {
    /// Writes what was named over `metadata`.
    pub(super) fn over(
        &self,
        mut metadata: Map<String, Value>,
    ) -> Result<ClientMetadata, CliError> {
        let texts = [
            ("client_name", &self.client_name),
            (
                "token_endpoint_auth_method",
                &self.token_endpoint_auth_method,
            ),
            ("scope", &self.scope),
            ("upstream", &self.upstream),
            ("subject_type", &self.subject_type),
            (
                "id_token_signed_response_alg",
                &self.id_token_signed_response_alg,
            ),
            ("application_type", &self.application_type),
            ("backchannel_logout_uri", &self.backchannel_logout_uri),
            (
                "token_endpoint_auth_signing_alg",
                &self.token_endpoint_auth_signing_alg,
            ),
            ("jwks_uri", &self.jwks_uri),
            (
                "request_object_signing_alg",
                &self.request_object_signing_alg,
            ),
            (
                "id_token_encrypted_response_alg",
                &self.id_token_encrypted_response_alg,
            ),
            (
                "id_token_encrypted_response_enc",
                &self.id_token_encrypted_response_enc,
            ),
            (
                "userinfo_signed_response_alg",
                &self.userinfo_signed_response_alg,
            ),
            (
                "userinfo_encrypted_response_alg",
                &self.userinfo_encrypted_response_alg,
            ),
            (
                "userinfo_encrypted_response_enc",
                &self.userinfo_encrypted_response_enc,
            ),
            ("sector_identifier", &self.sector_identifier),
            ("sector_identifier_uri", &self.sector_identifier_uri),
            ("nric_purpose", &self.nric_purpose),
        ];
        let lists = [
            ("redirect_uris", &self.redirect_uris),
            ("post_logout_redirect_uris", &self.post_logout_redirect_uris),
            ("grant_types", &self.grant_types),
            ("response_modes", &self.response_modes),
            ("claims_in", &self.claims_in),
            ("web_origins", &self.web_origins),
        ];
        let switches = [
            ("require_pkce", self.require_pkce),
            ("require_nonce", self.require_nonce),
            (
                "require_pushed_authorization_requests",
                self.require_pushed_authorization_requests,
            ),
            ("enabled", self.enabled),
        ];
        let named = texts
            .into_iter()
            .filter_map(|(name, text)| Some((name, json!(text.as_ref()?))))
            .chain(
                lists
                    .into_iter()
                    .filter(|(_, list)| !list.is_empty())
                    .map(|(name, list)| (name, json!(list))),
            )
            .chain(
                switches
                    .into_iter()
                    .filter_map(|(name, switch)| Some((name, json!(switch?)))),
            );
        for (name, value) in named {
            if value == "" || value == json!([""]) {
                metadata.remove(name);
            } else {
                metadata.insert(name.to_owned(), value);
            }
        }
        match &self.jwks_file {
            None => {}
            Some(nothing) if nothing.as_os_str().is_empty() => {
                metadata.remove("jwks");
            }
            Some(file) => {
                metadata.insert("jwks".to_owned(), read_jwks(file)?);
            }
        }
        metadata.insert("client_id".to_owned(), self.client_id.clone().into());
        metadata.entry("redirect_uris").or_insert_with(|| json!([]));
        serde_json::from_value(Value::Object(metadata))
            .map_err(|error| CliError::Usage(error.to_string()))
    }
}

fn read_jwks(file: &std::path::Path) -> Result<Value, CliError> {
    let usage =
        |reason: &dyn std::fmt::Display| CliError::Usage(format!("{}: {reason}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| usage(&error))?;
    serde_json::from_str(&text).map_err(|error| usage(&error))
}
