//! How clients are shown.

use serde_json::{Value, json};

use crate::cli::CliError;
use crate::cli::output::{say, say_json};
use crate::oidc::client::{Client, CodeProtection};
use crate::store::ClientRecord;

/// The client that was added or changed, with its secret this once.
pub(super) fn report(
    json: bool,
    record: &ClientRecord,
    secret: Option<&str>,
) -> Result<(), CliError> {
    if json {
        let mut document = json!(record.metadata);
        if let (Some(secret), Some(members)) = (secret, document.as_object_mut()) {
            members.insert("client_secret".to_owned(), secret.into());
        }
        return say_json(&document);
    }
    say(&format!("client_id      {}", record.metadata.client_id));
    if let Some(secret) = secret {
        say(&format!("client_secret  {secret}"));
        say("The secret is shown this once; only its hash is kept.");
    }
    Ok(())
}

fn protection(client: &Client) -> &'static str {
    match client.code_protection() {
        CodeProtection::Pkce => "PKCE",
        CodeProtection::Nonce => "nonce only, no PKCE",
        CodeProtection::Neither => "neither PKCE nor nonce",
    }
}

/// One line of a list.
pub(super) fn line(client: &Client, kept_in: &str) -> String {
    let state = if client.is_enabled() {
        ""
    } else {
        "  DISABLED"
    };
    format!(
        "{}  {}  {}  {kept_in}{state}",
        client.client_id(),
        client.method().as_str(),
        protection(client)
    )
}

/// The same for scripts.
pub(super) fn summary(client: &Client, kept_in: &str) -> Value {
    json!({
        "client_id": client.client_id(),
        "client_name": client.client_name(),
        "kept_in": kept_in,
        "enabled": client.is_enabled(),
        "token_endpoint_auth_method": client.method(),
        "code_protection": protection(client),
        "redirect_uris": client.redirect_uris(),
        "scope": client.scope(),
        "upstream": client.upstream(),
        "nric_purpose": client.nric_purpose(),
    })
}
