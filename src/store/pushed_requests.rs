//! Authorization requests that were pushed, behind their `request_uri`. RFC 9126.

use serde::{Deserialize, Serialize};

use super::{Store, StoreError, change, on, open, seal};
use crate::clock::Timestamp;
use crate::oidc::client::ClientId;
use crate::oidc::parameters::Parameters;
use crate::secret::{Bearer, PushedRequest as PushedRequestKind, RowId};

const TABLE: &str = "pushed_request";

/// A pushed authorization request.
#[derive(Debug, Serialize, Deserialize)]
pub struct PushedRequest {
    /// Who pushed it.
    pub client_id: ClientId,
    /// What it asks for. It was admitted once, and is admitted again when it is used.
    pub parameters: Parameters,
    /// Until when a browser may bring it. Its row stays for as long as the login that it begins may take.
    pub usable_until: Timestamp,
}

impl Store {
    /// Keeps a request until `expires_at`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_pushed_request(
        &self,
        handle: &Bearer<PushedRequestKind>,
        request: &PushedRequest,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let faces = self.master_keys.faces(TABLE, handle);
        let sealed = seal(&faces, request)?;
        change!(
            self,
            "insert into pushed_request (id, expires_at, sealed) values ($1, $2, $3)",
            faces.row.as_bytes(),
            expires_at.seconds(),
            &sealed[..]
        )?;
        Ok(())
    }

    /// The request behind a handle, as long as it may be used, and its row. A visit that is not finished leaves it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find_pushed_request(
        &self,
        handle: &Bearer<PushedRequestKind>,
        now: Timestamp,
    ) -> Result<Option<(PushedRequest, RowId)>, StoreError> {
        for faces in self.master_keys.possible_faces(TABLE, handle) {
            let sealed: Option<Vec<u8>> = on!(self, |pool| sqlx::query_scalar(
                "select sealed from pushed_request where id = $1 and expires_at > $2"
            )
            .bind(faces.row.as_bytes())
            .bind(now.seconds())
            .fetch_optional(pool)
            .await)?;
            if let Some(sealed) = sealed {
                let request: PushedRequest = open(&faces, &sealed)?;
                let row = faces.row;
                return Ok((now < request.usable_until).then_some((request, row)));
            }
        }
        Ok(None)
    }

    /// Uses a request up, when a code is issued for it; `false` where another login has done so.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn spend_pushed_request(&self, row: &RowId) -> Result<bool, StoreError> {
        let spent = change!(
            self,
            "delete from pushed_request where id = $1",
            row.as_bytes()
        )?;
        Ok(spent == 1)
    }
}
