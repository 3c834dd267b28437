//! The store keeps the same promises on Postgres and on `SQLite`: each test is written once and runs on both.
//!
//! `tidy` holds this suite complete: a public method of `Store` that is called nowhere here fails it.

mod assertions;
mod clients;
mod codes;
mod logins;
mod logout_notices;
mod master_keys;
mod migrations;
mod outage;
mod place;
mod privacy;
mod processes;
mod pushed_requests;
mod refresh_tokens;
mod sealing;
mod sessions;
mod signing_keys;
mod values;

/// Makes a test for each engine of every function named.
macro_rules! on_both_engines {
    ($($name:ident),+ $(,)?) => {
        mod on_postgres {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    let place = $crate::store::place::Place::on_postgres().await;
                    super::$name(&place).await;
                }
            )+
        }
        mod on_sqlite {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    let place = $crate::store::place::Place::on_sqlite();
                    super::$name(&place).await;
                }
            )+
        }
    };
}
use on_both_engines;
