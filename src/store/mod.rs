//! What must outlive a request: sealed rows with an expiry, in Postgres or in `SQLite`, by one set of statements.
//! Never knows: HTTP, sgID, what a claim means.

mod access_tokens;
mod assertions;
mod clients;
mod codes;
mod connection;
mod logins;
mod logout_notices;
mod pushed_requests;
mod refresh_tokens;
mod secrets;
mod sessions;
mod signing_keys;
mod standing;

pub use access_tokens::{Origin, Spending};
pub use clients::{ClientRecord, RegistrationRecord, SecretRecord};
pub use codes::FoundCode;
pub use connection::Unmigrated;
pub use logout_notices::LogoutNotice;
pub use pushed_requests::PushedRequest as PushedAuthorizationRequest;
pub use refresh_tokens::{FoundRefreshToken, Rotation};

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::{PgPool, SqlitePool};
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::secret::{DoesNotOpen, Faces, MasterKeys};

/// How long one statement may take before the database counts as away.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(6);

/// The store: one pool of connections, and the keys that seal what it keeps.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
    master_keys: Arc<MasterKeys>,
}

#[derive(Clone)]
enum Pool {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

/// Runs one body against whichever engine is open; the SQL inside must be portable.
macro_rules! on {
    ($store:expr, |$pool:ident| $body:expr) => {{
        let statement = async {
            match &$store.pool {
                $crate::store::Pool::Postgres($pool) => $body,
                $crate::store::Pool::Sqlite($pool) => $body,
            }
        };
        match tokio::time::timeout($crate::store::STATEMENT_TIMEOUT, statement).await {
            Ok(outcome) => outcome.map_err($crate::store::StoreError::from),
            Err(_) => Err($crate::store::StoreError::TimedOut),
        }
    }};
}
use on;

/// Runs a statement that changes rows and returns none; gives how many it changed.
macro_rules! change {
    ($store:expr, $statement:expr $(, $value:expr)* $(,)?) => {
        $crate::store::on!($store, |pool| sqlx::query($statement)
            $(.bind($value))*
            .execute(pool)
            .await
            .map(|done| done.rows_affected()))
    };
}
use change;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database is away or refuses.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// The database did not answer in time.
    #[error("the database did not answer within {} seconds", STATEMENT_TIMEOUT.as_secs())]
    TimedOut,
    /// A row that was found does not open.
    #[error(transparent)]
    DoesNotOpen(#[from] DoesNotOpen),
    /// A row that opened holds something else than expected, or a value cannot be written.
    #[error("a stored value has an unexpected form")]
    Form(#[from] serde_json::Error),
    /// A stored signing key cannot be read.
    #[error(transparent)]
    Keyring(#[from] crate::keyring::KeyringError),
}

impl Store {
    /// Deletes everything that expired before `now`; gives the number of rows.
    ///
    /// # Errors
    /// [`StoreError`] where the database is away.
    pub async fn sweep(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut rows = 0;
        for statement in [
            "delete from login where expires_at <= $1",
            "delete from authorization_code where expires_at <= $1",
            "delete from session where expires_at <= $1",
            "delete from pushed_request where expires_at <= $1",
            "delete from refresh_token where expires_at <= $1",
            "delete from used_assertion where expires_at <= $1",
            "delete from logout_notice where expires_at <= $1",
            // A token's row keeps its code spent: it stays for as long as the code's, whatever the clocks say.
            "delete from access_token where expires_at <= $1 and not exists \
             (select 1 from authorization_code where authorization_code.id = access_token.code_id)",
        ] {
            rows += change!(self, statement, now.seconds())?;
        }
        Ok(rows)
    }

    /// Whether the database answers at all.
    ///
    /// # Errors
    /// [`StoreError`] where it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        change!(self, "select 1").map(|_| ())
    }

    /// The database server's clock. `SQLite` has none of its own.
    ///
    /// # Errors
    /// [`StoreError`] where the database is away.
    pub async fn server_time(&self) -> Result<Option<Timestamp>, StoreError> {
        let Pool::Postgres(pool) = &self.pool else {
            return Ok(None);
        };
        let asking = sqlx::query_scalar("select extract(epoch from clock_timestamp())::bigint")
            .fetch_one(pool);
        let seconds = tokio::time::timeout(STATEMENT_TIMEOUT, asking)
            .await
            .map_err(|_| StoreError::TimedOut)??;
        Ok(Some(Timestamp::from_seconds(seconds)))
    }

    /// Ends all connections once nobody uses them.
    pub async fn close(&self) {
        match &self.pool {
            Pool::Postgres(pool) => pool.close().await,
            Pool::Sqlite(pool) => pool.close().await,
        }
    }
}

fn seal<T: Serialize>(faces: &Faces, content: &T) -> Result<Vec<u8>, StoreError> {
    let letter = Zeroizing::new(serde_json::to_vec(content)?);
    Ok(faces.seal(&letter, &mut crate::secret::randomness()))
}

fn open<T: DeserializeOwned>(faces: &Faces, sealed: &[u8]) -> Result<T, StoreError> {
    Ok(serde_json::from_slice(&faces.open(sealed)?)?)
}
