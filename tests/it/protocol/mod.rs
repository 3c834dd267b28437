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
mod backchannel;
mod callback;
mod claims_parameter;
mod client_auth;
mod conformance_profile;
mod cookies;
mod discovery;
mod http;
mod id_token_hint;
mod introspection;
mod late;
mod limits;
mod login;
mod logout;
mod logout_confirmation;
mod logout_effects;
mod outgoing;
mod par;
mod pkce;
mod private_key_jwt;
mod prompt;
mod protected_responses;
mod redirect_uri;
mod refresh;
mod registration;
mod registration_management;
mod registration_refusals;
mod replay;
mod request_objects;
mod response_modes;
mod revocation;
mod rotation;
mod scopes;
mod session;
mod session_cookie;
mod token;
mod userinfo;
mod withdrawn;
