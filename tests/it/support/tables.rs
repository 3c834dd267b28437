//! The tables as somebody sees them who has the database and nothing else.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};

/// One connection past the store.
pub(crate) enum Tables {
    /// To a Postgres server.
    Postgres(PgConnection),
    /// To a file.
    Sqlite(SqliteConnection),
}

macro_rules! on {
    ($tables:expr, |$connection:ident| $body:expr) => {
        match $tables {
            Tables::Postgres($connection) => $body,
            Tables::Sqlite($connection) => $body,
        }
    };
}

impl Tables {
    /// Connects as the bridge's `database.url` says.
    pub(crate) async fn open(url: &str) -> Self {
        if url.starts_with("sqlite") {
            Self::Sqlite(SqliteConnection::connect(url).await.unwrap())
        } else {
            Self::Postgres(PgConnection::connect(url).await.unwrap())
        }
    }

    /// The number of rows of a table.
    pub(crate) async fn count(&mut self, table: &str) -> i64 {
        let statement = AssertSqlSafe(format!("select count(*) from {table}"));
        on!(self, |connection| sqlx::query_scalar(statement)
            .fetch_one(connection)
            .await
            .unwrap())
    }

    /// What every column of every row holds, as it is kept, under the column's name.
    pub(crate) async fn everything(&mut self) -> Vec<(String, Vec<u8>)> {
        let columns = match self {
            Self::Postgres(_) => {
                "select table_name::text, column_name::text from information_schema.columns \
                 where table_schema = 'public'"
            }
            Self::Sqlite(_) => {
                "select found.name, column_of.name from sqlite_master as found, \
                 pragma_table_info(found.name) as column_of where found.type = 'table'"
            }
        };
        let columns: Vec<(String, String)> = on!(&mut *self, |connection| sqlx::query_as(columns)
            .fetch_all(connection)
            .await
            .unwrap());
        assert!(columns.len() > 20, "only {columns:?}");
        let mut values = Vec::new();
        for (table, column) in columns {
            let bytes = match self {
                // A bytea is text in hexadecimal only; the same bytes are wanted from both engines.
                Self::Postgres(_) => format!(
                    "case when pg_typeof({column}) = 'bytea'::regtype \
                     then decode(substr({column}::text, 3), 'hex') else convert_to({column}::text, 'UTF8') end"
                ),
                Self::Sqlite(_) => format!("cast({column} as blob)"),
            };
            let statement = AssertSqlSafe(format!("select {bytes} from {table}"));
            let found: Vec<Option<Vec<u8>>> =
                on!(&mut *self, |connection| sqlx::query_scalar(statement)
                    .fetch_all(connection)
                    .await
                    .unwrap());
            let place = format!("{table}.{column}");
            values.extend(
                found
                    .into_iter()
                    .flatten()
                    .map(|value| (place.clone(), value)),
            );
        }
        values
    }
}
