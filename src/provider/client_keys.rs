//! The keys of clients, wherever they are. RFC 7591 section 2, `jwks` and `jwks_uri`.

use std::sync::Arc;

use crate::bridge::Bridge;
use crate::clock::Timestamp;
use crate::jose::{NotVerified, Verified, verify};
use crate::oidc::algorithm::SigningAlgorithm;
use crate::oidc::client::{Client, ClientKeys};
use crate::oidc::jwk_set::JwkSet;
use crate::outgoing::KeysUnavailable;

/// Why a client's token is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotByClient {
    /// Its keys are not to be had.
    #[error(transparent)]
    Keys(#[from] KeysUnavailable),
    /// It has registered none.
    #[error("the client has registered no keys: set jwks or jwks_uri")]
    NoKeys,
    /// It is not signed by one of them.
    #[error(transparent)]
    NotVerified(#[from] NotVerified),
}

/// The keys of a client.
pub(super) async fn of(
    bridge: &Bridge,
    client: &Client,
    now: Timestamp,
) -> Result<Arc<JwkSet>, NotByClient> {
    match client.keys() {
        ClientKeys::None => Err(NotByClient::NoKeys),
        ClientKeys::Inline(keys) => Ok(Arc::new(keys.clone())),
        ClientKeys::At(url) => Ok(bridge.outgoing.keys(url, now).await?),
    }
}

/// What a client has signed. A key that is not known yet makes us look once more, where keys are at an address.
pub(super) async fn verify_by(
    bridge: &Bridge,
    client: &Client,
    token: &str,
    algorithms: &[SigningAlgorithm],
    now: Timestamp,
) -> Result<Verified, NotByClient> {
    let keys = of(bridge, client, now).await?;
    match (verify(token, &keys, algorithms), client.keys()) {
        (Err(NotVerified::UnknownKey | NotVerified::Signature), ClientKeys::At(url)) => {
            let keys = bridge.outgoing.keys_again(url, now).await?;
            Ok(verify(token, &keys, algorithms)?)
        }
        (outcome, _) => Ok(outcome?),
    }
}
