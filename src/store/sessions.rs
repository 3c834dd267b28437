//! Single sign-on sessions. Found and opened by the cookie of one browser.

use super::{Store, StoreError, change, on, open, seal};
use crate::clock::Timestamp;
use crate::login::Session;
use crate::secret::{Bearer, SessionCookie};

const TABLE: &str = "session";

/// The longest life of a session is kept beside it, so that using it cannot prolong it beyond.
#[derive(serde::Serialize, serde::Deserialize)]
struct Kept<S> {
    ends_at: Timestamp,
    session: S,
}

impl Store {
    /// Keeps a session until `expires_at`, and never beyond `ends_at`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_session(
        &self,
        cookie: &Bearer<SessionCookie>,
        session: &Session,
        (expires_at, ends_at): (Timestamp, Timestamp),
    ) -> Result<(), StoreError> {
        let faces = self.master_keys.faces(TABLE, cookie);
        let sealed = seal(&faces, &Kept { ends_at, session })?;
        change!(
            self,
            "insert into session (id, expires_at, sealed) values ($1, $2, $3)",
            faces.row.as_bytes(),
            expires_at.min(ends_at).seconds(),
            &sealed[..]
        )?;
        Ok(())
    }

    /// The session of a browser, with the end of its longest life.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find_session(
        &self,
        cookie: &Bearer<SessionCookie>,
        now: Timestamp,
    ) -> Result<Option<(Session, Timestamp)>, StoreError> {
        for faces in self.master_keys.possible_faces(TABLE, cookie) {
            let sealed: Option<Vec<u8>> = on!(self, |pool| sqlx::query_scalar(
                "select sealed from session where id = $1 and expires_at > $2"
            )
            .bind(faces.row.as_bytes())
            .bind(now.seconds())
            .fetch_optional(pool)
            .await)?;
            if let Some(sealed) = sealed {
                let kept: Kept<Session> = open(&faces, &sealed)?;
                return Ok(Some((kept.session, kept.ends_at)));
            }
        }
        Ok(None)
    }

    /// Lets a session that was just used live on until `expires_at`; `false` where it has ended meanwhile.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn prolong_session(
        &self,
        cookie: &Bearer<SessionCookie>,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut prolonged = 0;
        for faces in self.master_keys.possible_faces(TABLE, cookie) {
            prolonged += change!(
                self,
                "update session \
                 set expires_at = case when expires_at < $2 then $2 else expires_at end \
                 where id = $1 and expires_at > $3",
                faces.row.as_bytes(),
                expires_at.seconds(),
                now.seconds()
            )?;
        }
        Ok(prolonged > 0)
    }

    /// Ends a session; `false` where it had ended.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove_session(&self, cookie: &Bearer<SessionCookie>) -> Result<bool, StoreError> {
        let mut removed = 0;
        for faces in self.master_keys.possible_faces(TABLE, cookie) {
            removed += change!(
                self,
                "delete from session where id = $1",
                faces.row.as_bytes()
            )?;
        }
        Ok(removed > 0)
    }
}
