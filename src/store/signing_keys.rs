//! Our signing keys, sealed under the master key itself: nobody outside holds a key to them.

use zeroize::Zeroizing;

use super::{Store, StoreError, change, on};
use crate::clock::Timestamp;
use crate::keyring::{KeyRecord, Slot};
use crate::secret::randomness;

pub(super) const TABLE: &str = "signing_key";

impl Store {
    /// Enters a key in its slot; `false` where another instance was first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_signing_key(&self, key: &KeyRecord) -> Result<bool, StoreError> {
        let slot = key.slot.to_string();
        let letter = Zeroizing::new(serde_json::to_vec(&key.material)?);
        let keys = &self.master_keys;
        let sealed = keys.seal_standing(TABLE, &slot, &letter, &mut randomness());
        let entered = change!(
            self,
            "insert into signing_key (slot, signs_at, sealed) values ($1, $2, $3) \
             on conflict (slot) do nothing",
            &slot[..],
            key.signs_at.seconds(),
            &sealed[..]
        )?;
        Ok(entered == 1)
    }

    /// All keys.
    ///
    /// # Errors
    /// [`StoreError::DoesNotOpen`] where the master key is not the one they were sealed under.
    pub async fn signing_keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        let rows: Vec<(String, i64, Option<i64>, Vec<u8>)> = on!(self, |pool| sqlx::query_as(
            "select slot, signs_at, revoked_at, sealed from signing_key order by slot"
        )
        .fetch_all(pool)
        .await)?;
        let mut keys = Vec::with_capacity(rows.len());
        for (slot, signs_at, revoked_at, sealed) in rows {
            let opened = self.master_keys.open_standing(TABLE, &slot, &sealed)?;
            keys.push(KeyRecord {
                slot: slot.parse()?,
                signs_at: Timestamp::from_seconds(signs_at),
                revoked_at: revoked_at.map(Timestamp::from_seconds),
                material: serde_json::from_slice(&opened.letter)?,
            });
        }
        Ok(keys)
    }

    /// Lets a key sign from another instant on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn reschedule_signing_key(
        &self,
        slot: Slot,
        signs_at: Timestamp,
    ) -> Result<(), StoreError> {
        change!(
            self,
            "update signing_key set signs_at = $2 where slot = $1",
            slot.to_string(),
            signs_at.seconds()
        )?;
        Ok(())
    }

    /// Withdraws a key at once; `false` where it was withdrawn before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revoke_signing_key(&self, slot: Slot, now: Timestamp) -> Result<bool, StoreError> {
        let revoked = change!(
            self,
            "update signing_key set revoked_at = $2 where slot = $1 and revoked_at is null",
            slot.to_string(),
            now.seconds()
        )?;
        Ok(revoked == 1)
    }

    /// Forgets a key for good.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_signing_key(&self, slot: Slot) -> Result<(), StoreError> {
        change!(
            self,
            "delete from signing_key where slot = $1",
            slot.to_string()
        )?;
        Ok(())
    }
}
