//! Relying parties that we did not write: well-known libraries, unchanged, each
//! driven by a script in `tests/relying_parties/` through one whole login.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::process::{Process, in_repository, require_file, require_program};

/// One login: at whom, as whom, for what.
pub(crate) struct Settings<'a> {
    /// The bridge's issuer; plain HTTP is allowed on loopback.
    pub(crate) issuer: &'a str,
    /// As registered at the bridge.
    pub(crate) client_id: &'a str,
    /// Empty for a public client.
    pub(crate) client_secret: &'a str,
    /// As registered; nothing needs to listen there, it is never fetched.
    pub(crate) redirect_uri: &'a str,
    /// Separated by spaces, with `openid`.
    pub(crate) scope: &'a str,
    /// `client_secret_basic`, `client_secret_post` or `none`.
    pub(crate) client_auth: &'a str,
    /// More parameters for the authorization request, as a query string.
    pub(crate) extra_authorize: &'a str,
}

/// Logs in with openid-client for Node.js; answers what it accepted, with the
/// members `id_token_claims`, `userinfo`, `id_token` and `access_token`.
/// Panics with the library's complaint.
pub(crate) async fn openid_client(settings: &Settings<'_>) -> Value {
    let folder = in_repository("tests/relying_parties/openid-client");
    require_file(
        folder.join("node_modules/openid-client"),
        "npm ci --prefix tests/relying_parties/openid-client",
    );
    let node = require_program("node", "apt-get install nodejs npm");
    log_in("openid-client", node, folder.join("login.mjs"), settings).await
}

/// Logs in with Authlib for Python, in a Flask application; as [`openid_client`].
pub(crate) async fn authlib(settings: &Settings<'_>) -> Value {
    let folder = in_repository("tests/relying_parties/authlib");
    let python = require_file(folder.join(".venv/bin/python"), INSTALL_AUTHLIB);
    log_in("Authlib", python, folder.join("login.py"), settings).await
}

async fn log_in(name: &str, program: PathBuf, script: PathBuf, settings: &Settings<'_>) -> Value {
    let mut process = Process::start(name, program, |command| {
        command
            .arg(script)
            .env("ISSUER", settings.issuer)
            .env("CLIENT_ID", settings.client_id)
            .env("CLIENT_SECRET", settings.client_secret)
            .env("REDIRECT_URI", settings.redirect_uri)
            .env("SCOPE", settings.scope)
            .env("CLIENT_AUTH", settings.client_auth)
            .env("EXTRA_AUTHORIZE", settings.extra_authorize)
            .env("NO_PROXY", "*");
    });
    let status = process.wait(Duration::from_mins(1)).await;
    assert!(
        status.success(),
        "{name} did not log in:\n{}",
        process.output()
    );
    serde_json::from_str(process.stdout().trim())
        .unwrap_or_else(|error| panic!("{name}: {error} in:\n{}", process.output()))
}

const INSTALL_AUTHLIB: &str = "python3 -m venv tests/relying_parties/authlib/.venv && \
    tests/relying_parties/authlib/.venv/bin/pip install --require-hashes \
    --requirement tests/relying_parties/authlib/requirements.txt";
