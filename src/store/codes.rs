//! Grants that wait behind an authorization code. Found and opened by the code.

use super::{Store, StoreError, change, on, open, seal};
use crate::clock::Timestamp;
use crate::login::{Grant, SessionTag};
use crate::secret::{AuthorizationCode, Bearer, RowId};

const TABLE: &str = "authorization_code";

/// A grant, and the row that its redemption will name.
#[derive(Debug)]
pub struct FoundCode {
    /// What the code stands for.
    pub grant: Grant,
    /// Under which its access token is entered, once.
    pub row: RowId,
}

impl Store {
    /// Keeps a grant until `expires_at`; gives its row.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_code(
        &self,
        code: &Bearer<AuthorizationCode>,
        grant: &Grant,
        expires_at: Timestamp,
    ) -> Result<RowId, StoreError> {
        let faces = self.master_keys.faces(TABLE, code);
        let sealed = seal(&faces, grant)?;
        let session = grant.membership().map(|membership| membership.tag);
        change!(
            self,
            "insert into authorization_code (id, expires_at, sealed, session_tag) \
             values ($1, $2, $3, $4)",
            faces.row.as_bytes(),
            expires_at.seconds(),
            &sealed[..],
            session.as_ref().map(SessionTag::as_bytes)
        )?;
        Ok(faces.row)
    }

    /// Takes away a code that was not handed over.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove_code(&self, code: &RowId) -> Result<(), StoreError> {
        change!(
            self,
            "delete from authorization_code where id = $1",
            code.as_bytes()
        )?;
        Ok(())
    }

    /// The grant behind a code, spent or not: whoever cannot show that the code is theirs must not spend it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find_code(
        &self,
        code: &Bearer<AuthorizationCode>,
        now: Timestamp,
    ) -> Result<Option<FoundCode>, StoreError> {
        for faces in self.master_keys.possible_faces(TABLE, code) {
            let sealed: Option<Vec<u8>> = on!(self, |pool| sqlx::query_scalar(
                "select sealed from authorization_code where id = $1 and expires_at > $2"
            )
            .bind(faces.row.as_bytes())
            .bind(now.seconds())
            .fetch_optional(pool)
            .await)?;
            if let Some(sealed) = sealed {
                return Ok(Some(FoundCode {
                    grant: open(&faces, &sealed)?,
                    row: faces.row,
                }));
            }
        }
        Ok(None)
    }
}
