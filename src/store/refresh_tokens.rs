//! Grants that wait behind a refresh token. One row for all tokens that follow one another; the database lets one of
//! them be the latest. RFC 6749 section 6; RFC 9700 section 4.14.

use super::{Store, StoreError, change, on, open, seal};
use crate::clock::Timestamp;
use crate::login::Refreshable;
use crate::secret::{Bearer, DoesNotOpen, RefreshFamily, RefreshToken, RefreshTurn, RowId};

const TABLE: &str = "refresh_token";

/// `code_id`, `turn`, `expires_at` and the sealed grant.
type Row = (Vec<u8>, Vec<u8>, i64, Vec<u8>);

/// A grant behind a refresh token, whether or not the token is the latest.
#[derive(Debug)]
pub struct FoundRefreshToken {
    /// What the token stands for.
    pub grant: Refreshable,
    /// The code that it came from, which all tokens of the grant name.
    pub code: RowId,
    /// When the last of its tokens expires, however often they are rotated.
    pub expires_at: Timestamp,
    /// Whether this token is the latest.
    pub is_latest: bool,
    row: RowId,
}

/// What became of an attempt to rotate a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The new token is the latest now.
    Rotated,
    /// Another attempt was first, or the grant has ended.
    Lost,
}

impl Store {
    /// Keeps a grant behind its first refresh token. To be called before the code is spent, whose winner alone hands
    /// the token out: so whoever revokes the code finds it. What an attempt left that failed in between gives way.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_refresh_token(
        &self,
        code: &RowId,
        token: &RefreshToken,
        grant: &Refreshable,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let faces = self.master_keys.faces(TABLE, &token.family);
        let sealed = seal(&faces, grant)?;
        change!(
            self,
            "insert into refresh_token (id, code_id, turn, expires_at, sealed) \
             values ($1, $2, $3, $4, $5) on conflict (code_id) do update \
             set id = excluded.id, turn = excluded.turn, expires_at = excluded.expires_at, \
             sealed = excluded.sealed \
             where not exists \
             (select 1 from access_token where access_token.code_id = excluded.code_id)",
            faces.row.as_bytes(),
            code.as_bytes(),
            token.turn.fingerprint().as_bytes(),
            expires_at.seconds(),
            &sealed[..]
        )?;
        Ok(())
    }

    /// The grant behind a refresh token.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find_refresh_token(
        &self,
        token: &RefreshToken,
        now: Timestamp,
    ) -> Result<Option<FoundRefreshToken>, StoreError> {
        let family: &Bearer<RefreshFamily> = &token.family;
        for faces in self.master_keys.possible_faces(TABLE, family) {
            let row: Option<Row> = on!(self, |pool| sqlx::query_as(
                "select code_id, turn, expires_at, sealed from refresh_token \
                 where id = $1 and expires_at > $2"
            )
            .bind(faces.row.as_bytes())
            .bind(now.seconds())
            .fetch_optional(pool)
            .await)?;
            let Some((code, turn, expires_at, sealed)) = row else {
                continue;
            };
            let code = RowId::from_bytes(&code).ok_or(DoesNotOpen)?;
            return Ok(Some(FoundRefreshToken {
                grant: open(&faces, &sealed)?,
                code,
                expires_at: Timestamp::from_seconds(expires_at),
                is_latest: turn == token.turn.fingerprint().as_bytes(),
                row: faces.row,
            }));
        }
        Ok(None)
    }

    /// Puts `next` in the place of `latest`: of many attempts with one token, one succeeds.
    ///
    /// # Errors
    /// [`StoreError`]; it may or may not be rotated then.
    pub async fn rotate_refresh_token(
        &self,
        found: &FoundRefreshToken,
        latest: &Bearer<RefreshTurn>,
        next: &Bearer<RefreshTurn>,
    ) -> Result<Rotation, StoreError> {
        let rotated = change!(
            self,
            "update refresh_token set turn = $3 where id = $1 and turn = $2",
            found.row.as_bytes(),
            latest.fingerprint().as_bytes(),
            next.fingerprint().as_bytes()
        )?;
        Ok(if rotated == 1 {
            Rotation::Rotated
        } else {
            Rotation::Lost
        })
    }
}
