//! The protocol towards relying parties, one file for each family of rules.

/// Makes one test for each engine out of one body: `on_both_engines!(name, |engine| { .. })`.
macro_rules! on_both_engines {
    ($name:ident, |$engine:ident| $body:block) => {
        mod $name {
            use super::*;

            async fn body($engine: crate::support::bridge::Engine) $body

            #[tokio::test]
            async fn on_sqlite() {
                body(crate::support::bridge::Engine::Sqlite).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                body(crate::support::bridge::Engine::Postgres).await;
            }
        }
    };
}

mod audience;
mod authorize;
mod callback;
mod client_auth;
mod cookies;
mod discovery;
mod http;
mod late;
mod limits;
mod login;
mod pkce;
mod redirect_uri;
mod replay;
mod rotation;
mod scopes;
mod token;
mod userinfo;
mod withdrawn;
