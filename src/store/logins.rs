//! Logins that wait for their person. Found and opened by `state` and cookie together.

use super::{Store, StoreError, change, on, open, seal};
use crate::clock::Timestamp;
use crate::login::Login;
use crate::secret::{Bearer, LoginCookie, LoginState};

const TABLE: &str = "login";

impl Store {
    /// Keeps a login until `expires_at`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_login(
        &self,
        state: &Bearer<LoginState>,
        cookie: &Bearer<LoginCookie>,
        login: &Login,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let faces = self.master_keys.joint_faces(TABLE, state, cookie);
        let sealed = seal(&faces, login)?;
        change!(
            self,
            "insert into login (id, expires_at, sealed) values ($1, $2, $3)",
            faces.row.as_bytes(),
            expires_at.seconds(),
            &sealed[..]
        )?;
        Ok(())
    }

    /// Takes a login away for good: of several callers at once, one gets it. Another browser's cookie finds nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn take_login(
        &self,
        state: &Bearer<LoginState>,
        cookie: &Bearer<LoginCookie>,
        now: Timestamp,
    ) -> Result<Option<Login>, StoreError> {
        for faces in self.master_keys.possible_joint_faces(TABLE, state, cookie) {
            let sealed: Option<Vec<u8>> = on!(self, |pool| sqlx::query_scalar(
                "delete from login where id = $1 and expires_at > $2 returning sealed"
            )
            .bind(faces.row.as_bytes())
            .bind(now.seconds())
            .fetch_optional(pool)
            .await)?;
            if let Some(sealed) = sealed {
                return open(&faces, &sealed).map(Some);
            }
        }
        Ok(None)
    }

    /// How many logins and pushed requests wait.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count_logins(&self) -> Result<u64, StoreError> {
        let count: i64 = on!(self, |pool| sqlx::query_scalar(
            "select (select count(*) from login) + (select count(*) from pushed_request)"
        )
        .fetch_one(pool)
        .await)?;
        Ok(count.unsigned_abs())
    }
}
