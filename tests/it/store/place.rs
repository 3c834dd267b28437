//! A fresh, empty database of either kind, and a way into it past the store.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sgid_bridge::config::{Database, SecretText};
use sgid_bridge::secret::{MasterKey, MasterKeys, randomness};
use sgid_bridge::store::Store;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use tempfile::TempDir;

use crate::support::{postgres, process};

/// The connections of each pool: several, so that attempts meet in the database and not before it.
pub(super) const MAX_CONNECTIONS: u32 = 8;

/// A fresh, empty database, gone with this value.
pub(super) struct Place {
    /// What everything is sealed under, unless a test says otherwise.
    pub(super) master_key: MasterKey,
    engine: Engine,
}

enum Engine {
    Postgres(postgres::Database),
    Sqlite(TempDir),
}

impl Place {
    pub(super) async fn on_postgres() -> Self {
        Self::of(Engine::Postgres(postgres::database().await))
    }

    pub(super) fn on_sqlite() -> Self {
        Self::of(Engine::Sqlite(process::temporary_folder("sqlite")))
    }

    fn of(engine: Engine) -> Self {
        Self {
            master_key: MasterKey::generate(&mut randomness()),
            engine,
        }
    }

    /// As the bridge's `database.url` takes it.
    pub(super) fn url(&self) -> String {
        match &self.engine {
            Engine::Postgres(database) => database.url.clone(),
            Engine::Sqlite(_) => format!("sqlite://{}", self.sqlite_file().unwrap().display()),
        }
    }

    /// The file, where there is one.
    pub(super) fn sqlite_file(&self) -> Option<PathBuf> {
        match &self.engine {
            Engine::Postgres(_) => None,
            Engine::Sqlite(folder) => Some(folder.path().join("bridge.db")),
        }
    }

    /// A store of its own, as another instance of the bridge would open it; the database is as this version wants it.
    pub(super) async fn store(&self) -> Store {
        self.store_with(self.master_key.clone(), Vec::new()).await
    }

    /// As [`Place::store`], under other master keys.
    pub(super) async fn store_with(&self, sealing: MasterKey, former: Vec<MasterKey>) -> Store {
        let store = connect(&self.url(), MasterKeys::new(sealing, former)).await;
        store.migrate().await.unwrap();
        store
    }

    /// A store on a database that may not have been migrated.
    pub(super) async fn unmigrated_store(&self) -> Store {
        connect(&self.url(), self.master_keys()).await
    }

    pub(super) fn master_keys(&self) -> MasterKeys {
        MasterKeys::new(self.master_key.clone(), Vec::new())
    }

    /// The hand of somebody who has the database and nothing else.
    pub(super) async fn intruder(&self) -> Intruder {
        let url = self.url();
        match &self.engine {
            Engine::Postgres(_) => Intruder::Postgres(PgConnection::connect(&url).await.unwrap()),
            Engine::Sqlite(_) => Intruder::Sqlite(SqliteConnection::connect(&url).await.unwrap()),
        }
    }
}

/// Opens a store as the bridge does.
pub(super) async fn connect(url: &str, master_keys: MasterKeys) -> Store {
    let database = Database {
        url: SecretText::new(url.to_owned()),
        max_connections: MAX_CONNECTIONS,
    };
    let opened = Store::connect(&database, Arc::new(master_keys)).await;
    opened.unwrap()
}

/// One connection to the database, past the store.
pub(super) enum Intruder {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

macro_rules! on {
    ($intruder:expr, |$connection:ident| $body:expr) => {
        match $intruder {
            Intruder::Postgres($connection) => $body,
            Intruder::Sqlite($connection) => $body,
        }
    };
}

impl Intruder {
    /// Runs a statement; gives the number of rows.
    pub(super) async fn execute(&mut self, statement: &str, values: &[&[u8]]) -> u64 {
        let statement = AssertSqlSafe(statement.to_owned());
        on!(self, |connection| {
            let mut query = sqlx::query(statement);
            for value in values {
                query = query.bind(*value);
            }
            query.execute(connection).await.unwrap().rows_affected()
        })
    }

    /// Waits until so many statements stand in line behind somebody's transaction. `SQLite` does not tell; there, one
    /// writer at a time is all there is.
    pub(super) async fn wait_until_blocked(&mut self, count: u32) {
        let Self::Postgres(connection) = self else {
            return;
        };
        let waiting = "select count(*) from pg_stat_activity \
                       where datname = current_database() and wait_event_type = 'Lock'";
        let mut blocked = 0;
        let end = Instant::now() + Duration::from_secs(5);
        while blocked < i64::from(count) {
            assert!(Instant::now() < end, "{blocked} of {count} wait");
            blocked = sqlx::query_scalar(waiting)
                .fetch_one(&mut *connection)
                .await
                .unwrap();
        }
    }

    /// All sealed letters of a table, in no particular order.
    pub(super) async fn letters(&mut self, table: &str) -> Vec<Vec<u8>> {
        let statement = AssertSqlSafe(format!("select sealed from {table}"));
        on!(self, |connection| sqlx::query_scalar(statement)
            .fetch_all(connection)
            .await
            .unwrap())
    }

    /// The only letter of a table.
    pub(super) async fn letter(&mut self, table: &str) -> Vec<u8> {
        let letters = self.letters(table).await;
        let [letter] = <[Vec<u8>; 1]>::try_from(letters).unwrap();
        letter
    }

    /// Puts another letter where `letter` is.
    pub(super) async fn exchange(&mut self, table: &str, letter: &[u8], other: &[u8]) {
        let statement = format!("update {table} set sealed = $2 where sealed = $1");
        assert_eq!(self.execute(&statement, &[letter, other]).await, 1);
    }

    /// Lets the two letters of a table change places.
    pub(super) async fn swap(&mut self, table: &str) {
        let letters = self.letters(table).await;
        let [one, other] = <[Vec<u8>; 2]>::try_from(letters).unwrap();
        self.exchange(table, &one, b"aside").await;
        self.exchange(table, &other, &one).await;
        self.exchange(table, b"aside", &other).await;
    }
}
