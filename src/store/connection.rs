//! Opening a database of either kind, and bringing it to this version.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};

use super::{Pool, Store, StoreError, on};
use crate::config::Database;
use crate::secret::MasterKeys;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// How long a request waits for a connection before the database counts as away.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// After how long without work a connection is asked whether it still lives.
const QUIET: Duration = Duration::from_secs(1);

/// The database has not been brought to this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the database is not at this version (migrations missing: {0}): run `sgid-bridge migrate`, or start with `serve --migrate`"
)]
pub struct Unmigrated(pub usize);

impl Store {
    /// Opens the database. Postgres need not be there yet; a missing `SQLite` file is created for its owner only.
    ///
    /// # Errors
    /// [`StoreError::Database`] for an address that cannot work.
    pub async fn connect(
        database: &Database,
        master_keys: Arc<MasterKeys>,
    ) -> Result<Self, StoreError> {
        let pool = if database.url.expose().starts_with("sqlite:") {
            Pool::Sqlite(open_sqlite(database).await?)
        } else {
            Pool::Postgres(open_postgres(database)?)
        };
        Ok(Self { pool, master_keys })
    }

    /// Brings the database to this version. Safe from many instances at once: the database's own lock lets one work.
    ///
    /// # Errors
    /// [`MigrateError`].
    pub async fn migrate(&self) -> Result<(), MigrateError> {
        let mut migrations = Migrator {
            ..Migrator::DEFAULT
        };
        migrations.migrations.clone_from(&MIGRATIONS.migrations);
        // A neighbouring, newer version may have been here: two versions serve side by side during an upgrade.
        migrations.set_ignore_missing(true);
        match &self.pool {
            Pool::Postgres(pool) => migrations.run(pool).await,
            // The library takes no lock on SQLite: a transaction that has the write lock from its beginning is one.
            Pool::Sqlite(pool) => {
                let mut transaction = pool.begin_with("begin immediate").await?;
                migrations
                    .run_direct(None, &mut *transaction, false)
                    .await?;
                Ok(transaction.commit().await?)
            }
        }
    }

    /// Whether every migration of this version was made.
    ///
    /// # Errors
    /// [`StoreError`] where the database is away.
    pub async fn check_migrated(&self) -> Result<Result<(), Unmigrated>, StoreError> {
        let applied: Result<Vec<i64>, StoreError> = on!(self, |pool| sqlx::query_scalar(
            "select version from _sqlx_migrations"
        )
        .fetch_all(pool)
        .await);
        let applied = match applied {
            Ok(applied) => applied,
            Err(StoreError::Database(sqlx::Error::Database(error)))
                if is_missing_table(error.as_ref()) =>
            {
                Vec::new()
            }
            Err(other) => return Err(other),
        };
        let missing = MIGRATIONS
            .iter()
            .filter(|migration| !applied.contains(&migration.version))
            .count();
        Ok(if missing == 0 {
            Ok(())
        } else {
            Err(Unmigrated(missing))
        })
    }
}

fn is_missing_table(error: &dyn sqlx::error::DatabaseError) -> bool {
    error.code().as_deref() == Some("42P01") || error.message().starts_with("no such table")
}

fn open_postgres(database: &Database) -> Result<sqlx::PgPool, StoreError> {
    let url = database.url.expose();
    let mut options = PgConnectOptions::from_str(url)?.disable_statement_logging();
    let is_local = options.get_socket().is_some()
        || matches!(options.get_host(), "localhost" | "127.0.0.1" | "::1")
        || options.get_host().starts_with('/');
    let says_how = url::Url::parse(url).is_ok_and(|url| {
        url.query_pairs()
            .any(|(name, _)| name == "sslmode" || name == "ssl-mode")
    });
    if !says_how {
        options = options.ssl_mode(if is_local {
            PgSslMode::Prefer
        } else {
            PgSslMode::VerifyFull
        });
    }
    Ok(PgPoolOptions::new()
        .max_connections(database.max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // Under load this saves a round trip for each statement; a connection that has been idle is asked first, so
        // that a restart of the server in a quiet hour costs nobody a login.
        .test_before_acquire(false)
        .before_acquire(|connection, about| {
            Box::pin(async move {
                if about.idle_for > QUIET {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(options))
}

async fn open_sqlite(database: &Database) -> Result<sqlx::SqlitePool, StoreError> {
    let options = SqliteConnectOptions::from_str(database.url.expose())?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
        .disable_statement_logging();
    create_for_owner_only(options.get_filename()).map_err(sqlx::Error::Io)?;
    Ok(SqlitePoolOptions::new()
        .max_connections(database.max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .connect_with(options)
        .await?)
}

fn create_for_owner_only(file: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(file)
        .map(|_| ())
}
