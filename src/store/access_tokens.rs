//! What access tokens open, and the one statement that spends a code.

use super::{Store, StoreError, on, open, seal};
use crate::clock::Timestamp;
use crate::login::Access;
use crate::secret::{AccessToken, Bearer, RowId};

const TABLE: &str = "access_token";

/// What a revoked token opens.
const REVOKED: &[u8] = &[];

/// What became of an attempt to spend a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spending {
    /// This attempt spent it: tokens may be made.
    Spent,
    /// Another attempt had spent it, or its time is over.
    AlreadySpent,
}

impl Store {
    /// Spends a code by entering its access token: the database lets one token in for each code, however many ask.
    ///
    /// # Errors
    /// [`StoreError`]; the code may or may not be spent then.
    pub async fn spend_code(
        &self,
        code: &RowId,
        token: &Bearer<AccessToken>,
        access: &Access,
        expires_at: Timestamp,
    ) -> Result<Spending, StoreError> {
        let faces = self.master_keys.faces(TABLE, token);
        let sealed = seal(&faces, access)?;
        let entered = on!(self, |pool| {
            sqlx::query(
                // Without the code's row there is nothing to spend, and the sweep keeps a token's row beside its code's.
                "insert into access_token (id, code_id, expires_at, sealed) \
             select $1, id, $3, $4 from authorization_code where id = $2 \
             on conflict (code_id) do nothing",
            )
            .bind(faces.row.as_bytes())
            .bind(code.as_bytes())
            .bind(expires_at.seconds())
            .bind(&sealed[..])
            .execute(pool)
            .await
            .map(|done| done.rows_affected())
        })?;
        Ok(if entered == 1 {
            Spending::Spent
        } else {
            Spending::AlreadySpent
        })
    }

    /// Ends what a code had granted. The row stays, emptied, so that the code stays spent.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revoke_code(&self, code: &RowId) -> Result<(), StoreError> {
        on!(self, |pool| sqlx::query(
            "update access_token set sealed = $2 where code_id = $1"
        )
        .bind(code.as_bytes())
        .bind(REVOKED)
        .execute(pool)
        .await
        .map(|_| ()))?;
        Ok(())
    }

    /// What a token opens; nothing where it is unknown, expired or revoked.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find_access_token(
        &self,
        token: &Bearer<AccessToken>,
        now: Timestamp,
    ) -> Result<Option<Access>, StoreError> {
        for faces in self.master_keys.possible_faces(TABLE, token) {
            let sealed: Option<Vec<u8>> = on!(self, |pool| sqlx::query_scalar(
                "select sealed from access_token where id = $1 and expires_at > $2"
            )
            .bind(faces.row.as_bytes())
            .bind(now.seconds())
            .fetch_optional(pool)
            .await)?;
            match sealed {
                None => {}
                Some(revoked) if revoked.is_empty() => return Ok(None),
                Some(sealed) => return open(&faces, &sealed).map(Some),
            }
        }
        Ok(None)
    }
}
