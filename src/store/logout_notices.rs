//! Relying parties that are still to be told of a session's end. OpenID Connect Back-Channel Logout section 2.5.

use std::time::Duration;

use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Store, StoreError, change, on};
use crate::clock::Timestamp;
use crate::login::Ended;
use crate::secret::randomness;

const TABLE: &str = "logout_notice";
/// How long a notice waits that this instance cannot read: another one may have the key.
const UNREADABLE: Duration = Duration::from_secs(30);

/// One relying party that is to be told.
#[derive(Clone, Debug)]
pub struct LogoutNotice {
    /// What it is to be told.
    pub ended: Ended,
    /// How often it was tried.
    pub attempts: u32,
    id: String,
    due_at: Timestamp,
}

impl Store {
    /// Enters a notice that is due now and given up at `expires_at`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_logout_notice(
        &self,
        ended: &Ended,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let id = Uuid::new_v4().simple().to_string();
        let letter = Zeroizing::new(serde_json::to_vec(ended)?);
        let keys = &self.master_keys;
        let sealed = keys.seal_standing(TABLE, &id, &letter, &mut randomness());
        change!(
            self,
            "insert into logout_notice (id, due_at, attempts, expires_at, sealed) \
             values ($1, $2, 0, $3, $4)",
            &id[..],
            now.seconds(),
            expires_at.seconds(),
            &sealed[..]
        )?;
        Ok(())
    }

    /// Notices that are due, the longest due first, at most `limit`. One that cannot be read here is put off, so that
    /// it does not stand before others; it ages out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn due_logout_notices(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<LogoutNotice>, StoreError> {
        let rows: Vec<(String, i64, i64, Vec<u8>)> = on!(self, |pool| sqlx::query_as(
            "select id, due_at, attempts, sealed from logout_notice \
             where due_at <= $1 and expires_at > $1 order by due_at, id limit $2"
        )
        .bind(now.seconds())
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await)?;
        let mut notices = Vec::with_capacity(rows.len());
        for (id, due_at, attempts, sealed) in rows {
            let due_at = Timestamp::from_seconds(due_at);
            let opened = self.master_keys.open_standing(TABLE, &id, &sealed).ok();
            let Some(ended) = opened.and_then(|it| serde_json::from_slice(&it.letter).ok()) else {
                self.put_off(&id, due_at, now.after(UNREADABLE)).await?;
                continue;
            };
            notices.push(LogoutNotice {
                ended,
                attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
                id,
                due_at,
            });
        }
        Ok(notices)
    }

    /// Lets a notice wait until `due_at` without counting an attempt.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_off_logout_notice(
        &self,
        notice: &LogoutNotice,
        due_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.put_off(&notice.id, notice.due_at, due_at).await
    }

    async fn put_off(
        &self,
        id: &str,
        was_due_at: Timestamp,
        due_at: Timestamp,
    ) -> Result<(), StoreError> {
        change!(
            self,
            "update logout_notice set due_at = $3 where id = $1 and due_at = $2",
            id,
            was_due_at.seconds(),
            due_at.seconds()
        )?;
        Ok(())
    }

    /// Takes a notice in hand until `due_at`, when it is due again; `false` where another instance was first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn claim_logout_notice(
        &self,
        notice: &LogoutNotice,
        due_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let claimed = change!(
            self,
            "update logout_notice set due_at = $3, attempts = attempts + 1 \
             where id = $1 and due_at = $2",
            &notice.id[..],
            notice.due_at.seconds(),
            due_at.seconds()
        )?;
        Ok(claimed == 1)
    }

    /// Forgets a notice that was delivered, or never can be.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove_logout_notice(&self, notice: &LogoutNotice) -> Result<(), StoreError> {
        change!(
            self,
            "delete from logout_notice where id = $1",
            &notice.id[..]
        )?;
        Ok(())
    }

    /// How many notices wait.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count_logout_notices(&self) -> Result<u64, StoreError> {
        let count: i64 = on!(self, |pool| sqlx::query_scalar(
            "select count(*) from logout_notice"
        )
        .fetch_one(pool)
        .await)?;
        Ok(count.unsigned_abs())
    }
}
