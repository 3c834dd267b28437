//! Secrets of the whole deployment, sealed under the master key.

use rand::Rng as _;
use zeroize::Zeroizing;

use super::{Store, StoreError, change, on};
use crate::oidc::subject::PairwiseSecret;
use crate::secret::{DoesNotOpen, randomness};

pub(super) const TABLE: &str = "deployment_secret";
const PAIRWISE: &str = "pairwise";

impl Store {
    /// The secret that subject identifiers are derived with, made at the first call ever. Of several instances that
    /// make one at once, one wins and all use its.
    ///
    /// # Errors
    /// [`StoreError::DoesNotOpen`] where the master key is not the one it was sealed under.
    pub async fn pairwise_secret(&self) -> Result<PairwiseSecret, StoreError> {
        if let Some(secret) = self.find_pairwise_secret().await? {
            return Ok(secret);
        }
        let mut fresh = Zeroizing::new([0; 32]);
        randomness().fill_bytes(&mut *fresh);
        let sealed = self
            .master_keys
            .seal_standing(TABLE, PAIRWISE, &*fresh, &mut randomness());
        change!(
            self,
            "insert into deployment_secret (name, sealed) values ($1, $2) on conflict (name) do nothing",
            PAIRWISE,
            &sealed[..]
        )?;
        self.find_pairwise_secret()
            .await?
            .ok_or(StoreError::DoesNotOpen(DoesNotOpen))
    }

    /// The same secret, if one was ever made.
    ///
    /// # Errors
    /// As [`Store::pairwise_secret`].
    pub async fn find_pairwise_secret(&self) -> Result<Option<PairwiseSecret>, StoreError> {
        let sealed: Option<Vec<u8>> = on!(self, |pool| sqlx::query_scalar(
            "select sealed from deployment_secret where name = $1"
        )
        .bind(PAIRWISE)
        .fetch_optional(pool)
        .await)?;
        let Some(sealed) = sealed else {
            return Ok(None);
        };
        let opened = self.master_keys.open_standing(TABLE, PAIRWISE, &sealed)?;
        let bytes: [u8; 32] = opened.letter[..].try_into().map_err(|_| DoesNotOpen)?;
        Ok(Some(PairwiseSecret::new(bytes)))
    }
}
