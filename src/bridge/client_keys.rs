//! The keys of clients, wherever they are. RFC 7591 section 2, `jwks` and `jwks_uri`.

use std::sync::Arc;

use super::Bridge;
use crate::clock::Timestamp;
use crate::jose::{NotVerified, Recipient, Verified, verify};
use crate::oidc::algorithm::{Encryption, SigningAlgorithm};
use crate::oidc::client::{Client, ClientKeys};
use crate::oidc::jwk_set::JwkSet;
use crate::outgoing::KeysUnavailable;

/// Why a client's token is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotByClient {
    /// Its keys are not to be had.
    #[error(transparent)]
    Keys(#[from] KeysUnavailable),
    /// It has registered none.
    #[error("the client has registered no keys: set jwks or jwks_uri")]
    NoKeys,
    /// None of them can be encrypted to.
    #[error("{0}")]
    Encryption(String),
    /// It is not signed by one of them.
    #[error(transparent)]
    NotVerified(#[from] NotVerified),
}

impl Bridge {
    /// The keys of a client.
    ///
    /// # Errors
    /// [`NotByClient`] where there are none, or they are not to be had.
    pub async fn keys_of(
        &self,
        client: &Client,
        now: Timestamp,
    ) -> Result<Arc<JwkSet>, NotByClient> {
        match client.keys() {
            ClientKeys::None => Err(NotByClient::NoKeys),
            ClientKeys::Inline(keys) => Ok(Arc::new(keys.clone())),
            ClientKeys::At(url) => Ok(self.outgoing.keys(url, now).await?),
        }
    }

    /// To whom what is for this client alone is encrypted. Where its keys are at an address and none of those known is
    /// for that, they are looked for once more.
    ///
    /// # Errors
    /// [`NotByClient`] where none of its keys can be encrypted to.
    pub async fn recipient(
        &self,
        client: &Client,
        encryption: Encryption,
        now: Timestamp,
    ) -> Result<Recipient, NotByClient> {
        let keys = self.keys_of(client, now).await?;
        match (Recipient::choose(encryption, &keys), client.keys()) {
            (Err(_), ClientKeys::At(url)) => {
                let keys = self.outgoing.keys_again(url, now).await?;
                Recipient::choose(encryption, &keys)
            }
            (outcome, _) => outcome,
        }
        .map_err(|error| NotByClient::Encryption(error.to_string()))
    }

    /// To whom tokens of this client are encrypted, where they are. To be asked before anything is spent: keys that are
    /// not to be had must not cost a login.
    ///
    /// # Errors
    /// As [`Bridge::recipient`].
    pub async fn token_recipient(
        &self,
        client: &Client,
        now: Timestamp,
    ) -> Result<Option<Recipient>, NotByClient> {
        match client.response_protection().id_token_encryption {
            None => Ok(None),
            Some(encryption) => self.recipient(client, encryption, now).await.map(Some),
        }
    }

    /// What a client has signed. A key that is not known yet makes us look once more, where keys are at an address.
    ///
    /// # Errors
    /// [`NotByClient`].
    pub async fn verify_by(
        &self,
        client: &Client,
        token: &str,
        algorithms: &[SigningAlgorithm],
        now: Timestamp,
    ) -> Result<Verified, NotByClient> {
        let keys = self.keys_of(client, now).await?;
        match (verify(token, &keys, algorithms), client.keys()) {
            (Err(NotVerified::UnknownKey | NotVerified::Signature), ClientKeys::At(url)) => {
                let keys = self.outgoing.keys_again(url, now).await?;
                Ok(verify(token, &keys, algorithms)?)
            }
            (outcome, _) => Ok(outcome?),
        }
    }
}
