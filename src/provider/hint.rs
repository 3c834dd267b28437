//! `id_token_hint`: an ID token of ours that an app brings back. OpenID Connect Core section 3.1.2.1; RP-Initiated
//! Logout 1.0 section 4.

use serde_json::Value;

use crate::bridge::Bridge;
use crate::jose::verify;
use crate::oidc::algorithm::SigningAlgorithm;
use crate::oidc::client::ClientId;
use crate::oidc::jwk_set::JwkSet;
use crate::oidc::subject::SubjectIdentifier;

/// Whom a genuine ID token names, and to whom it was given. It may have expired: it shows who was signed in, not that
/// they are.
#[derive(Debug)]
pub(super) struct Hint {
    /// Its audience.
    pub(super) client_id: ClientId,
    /// The person, as that client knows them.
    pub(super) subject: SubjectIdentifier,
    /// The session, where the login belonged to one.
    pub(super) sid: Option<String>,
}

/// Reads a hint; nothing where we did not sign it as an ID token, or no longer know the key.
pub(super) fn genuine(bridge: &Bridge, token: &str) -> Option<Hint> {
    let keys = JwkSet::parse(&bridge.keyring().recognised()).ok()?;
    let verified = verify(token, &keys, &SigningAlgorithm::ALL).ok()?;
    let claims = &verified.claims;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    // Our other tokens are told apart by their type, and by what only ID tokens have.
    let is_id_token = verified.header.get("typ").is_some_and(|typ| typ == "JWT")
        && claims.contains_key("auth_time")
        && claims.contains_key("exp");
    if !is_id_token || text("iss") != Some(bridge.issuer.as_str()) {
        return None;
    }
    Some(Hint {
        client_id: ClientId::parse(text("aud")?)?,
        subject: SubjectIdentifier::presented(text("sub")?),
        sid: text("sid").map(str::to_owned),
    })
}
