//! What access tokens open, and the one statement that spends a code.

use super::{Store, StoreError, change, on, open, seal};
use crate::clock::Timestamp;
use crate::login::{Access, SessionTag};
use crate::secret::{AccessToken, Bearer, RowId};

const TABLE: &str = "access_token";

/// What a revoked token opens.
const REVOKED: &[u8] = &[];

/// What an access token came from, and what it therefore ends with.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The code, for its own token or for one that was refreshed.
    pub code: &'a RowId,
    /// The session of the login, where there is one.
    pub session: Option<SessionTag>,
}

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
        origin: Origin<'_>,
        token: &Bearer<AccessToken>,
        access: &Access,
    ) -> Result<Spending, StoreError> {
        let faces = self.master_keys.faces(TABLE, token);
        let sealed = seal(&faces, access)?;
        let entered = change!(
            self,
            // Without the code's row there is nothing to spend, and the sweep keeps a token's row beside its code's.
            "insert into access_token (id, code_id, expires_at, sealed, session_tag) \
             select $1, id, $3, $4, $5 from authorization_code where id = $2 \
             on conflict (code_id) do nothing",
            faces.row.as_bytes(),
            origin.code.as_bytes(),
            access.expires_at.seconds(),
            &sealed[..],
            origin.session.as_ref().map(SessionTag::as_bytes)
        )?;
        Ok(if entered == 1 {
            Spending::Spent
        } else {
            Spending::AlreadySpent
        })
    }

    /// Enters a token that a refresh gives. It opens at once, so it is handed out only once the refresh token was
    /// rotated: see [`Store::rotate_refresh_token`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_access_token(
        &self,
        code: &RowId,
        token: &Bearer<AccessToken>,
        access: &Access,
    ) -> Result<(), StoreError> {
        let faces = self.master_keys.faces(TABLE, token);
        let sealed = seal(&faces, access)?;
        change!(
            self,
            // It spends no code, so it stands under its own name where a code would be.
            "insert into access_token (id, code_id, family, expires_at, sealed) \
             values ($1, $1, $2, $3, $4)",
            faces.row.as_bytes(),
            code.as_bytes(),
            access.expires_at.seconds(),
            &sealed[..]
        )?;
        Ok(())
    }

    /// Ends all that a code had granted: its token, its refresh tokens, and the tokens that those gave. The rows of
    /// access tokens stay, emptied, so that the code stays spent.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revoke_code(&self, code: &RowId) -> Result<(), StoreError> {
        // The refresh token first: what it gives is entered before it is rotated, so nothing slips through behind.
        change!(
            self,
            "delete from refresh_token where code_id = $1",
            code.as_bytes()
        )?;
        change!(
            self,
            "update access_token set sealed = $2 where code_id = $1 or family = $1",
            code.as_bytes(),
            REVOKED
        )?;
        Ok(())
    }

    /// Ends one access token.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revoke_access_token(&self, token: &Bearer<AccessToken>) -> Result<(), StoreError> {
        for faces in self.master_keys.possible_faces(TABLE, token) {
            change!(
                self,
                "update access_token set sealed = $2 where id = $1",
                faces.row.as_bytes(),
                REVOKED
            )?;
        }
        Ok(())
    }

    /// Ends what one client holds of a session: its access tokens, and its codes that wait to be redeemed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revoke_session(&self, tag: SessionTag) -> Result<(), StoreError> {
        change!(
            self,
            "delete from authorization_code where session_tag = $1",
            tag.as_bytes()
        )?;
        change!(
            self,
            "update access_token set sealed = $2 where session_tag = $1",
            tag.as_bytes(),
            REVOKED
        )?;
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
