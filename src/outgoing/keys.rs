//! The keys of clients that publish them at an address of their own. OpenID Connect Core section 10.1.1.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use tokio::sync::Mutex;
use url::Url;

use super::{CallFailed, Outgoing};
use crate::clock::Timestamp;
use crate::oidc::json;
use crate::oidc::jwk_set::{JwkSet, JwkSetError};

/// How long a set is used without asking again.
const FRESH: Duration = Duration::from_mins(10);
/// How long whoever asked must wait until they may ask again, whatever came of it.
const COOLDOWN: Duration = Duration::from_mins(1);
/// How long a set counts while nothing newer can be had: a withdrawn key must not live on behind an address that is
/// silent.
const STALE: Duration = Duration::from_hours(24);
const MAX_SETS: u64 = 10_000;

/// The keys of a client are not to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysUnavailable {
    /// Nothing came.
    #[error("jwks_uri: {0}")]
    Call(#[from] CallFailed),
    /// What came is no JWK Set.
    #[error("jwks_uri: {0}")]
    Set(#[from] JwkSetError),
}

/// What is known of each address.
#[derive(Clone)]
pub(super) struct KeyCache(Cache<Url, Arc<Mutex<Known>>>);

impl Default for KeyCache {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(MAX_SETS).build())
    }
}

#[derive(Default)]
struct Known {
    keys: Option<Arc<JwkSet>>,
    fetched_at: Option<Timestamp>,
    asked_at: Option<Timestamp>,
    failed: Option<KeysUnavailable>,
}

impl Known {
    fn is_older_than(at: Option<Timestamp>, span: Duration, now: Timestamp) -> bool {
        // Whoever waited for the answer of another brings a time of before.
        at.is_none_or(|at| now.since(at) >= span || at > now.after(COOLDOWN))
    }

    /// What there is; a broken answer does not erase a good set, for a day.
    fn answer(&self, now: Timestamp) -> Result<Arc<JwkSet>, KeysUnavailable> {
        let failed = self.failed.unwrap_or(CallFailed::Unreachable.into());
        let is_usable = !Self::is_older_than(self.fetched_at, STALE, now);
        self.keys.clone().filter(|_| is_usable).ok_or(failed)
    }
}

impl Outgoing {
    /// The keys at an address, as known, asked for if there are none or they are old.
    ///
    /// # Errors
    /// [`KeysUnavailable`] where there are none.
    pub async fn keys(&self, url: &Url, now: Timestamp) -> Result<Arc<JwkSet>, KeysUnavailable> {
        self.keys_if(url, FRESH, now).await
    }

    /// The keys after one more question, because none of those known fits; the same set within a minute.
    ///
    /// # Errors
    /// As [`Outgoing::keys`].
    pub async fn keys_again(
        &self,
        url: &Url,
        now: Timestamp,
    ) -> Result<Arc<JwkSet>, KeysUnavailable> {
        self.keys_if(url, Duration::ZERO, now).await
    }

    async fn keys_if(
        &self,
        url: &Url,
        older_than: Duration,
        now: Timestamp,
    ) -> Result<Arc<JwkSet>, KeysUnavailable> {
        let fresh = async { Arc::<Mutex<Known>>::default() };
        let known = self.keys.0.get_with(url.clone(), fresh).await;
        let (outgoing, url) = (self.clone(), url.clone());
        // A task of its own: whoever asks and hangs up must not leave a question without its answer.
        let asking = tokio::spawn(async move {
            let mut known = known.lock().await;
            let is_old = Known::is_older_than(known.fetched_at, older_than, now);
            let may_ask = Known::is_older_than(known.asked_at, COOLDOWN, now);
            if is_old && may_ask {
                let answer = outgoing.ask(&url).await;
                known.asked_at = Some(now);
                match answer {
                    Ok(keys) => {
                        known.keys = Some(Arc::new(keys));
                        known.fetched_at = Some(now);
                        known.failed = None;
                    }
                    Err(error) => known.failed = Some(error),
                }
            }
            known.answer(now)
        });
        asking.await.unwrap_or(Err(CallFailed::Unreachable.into()))
    }

    async fn ask(&self, url: &Url) -> Result<JwkSet, KeysUnavailable> {
        let document = self.fetch(url).await?;
        let document = json::parse(&document).map_err(|_| JwkSetError::Form)?;
        Ok(JwkSet::parse(&document)?)
    }
}
