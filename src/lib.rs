//! sgid-bridge: a standard OpenID Provider in front of sgID.
//!
//! The rooms, in the order in which a login walks through them:

pub mod bridge;
pub mod catalogue;
pub mod cli;
pub mod clients;
pub mod clock;
pub mod config;
pub mod http;
pub mod jose;
pub mod keyring;
pub mod login;
pub mod oidc;
pub mod outgoing;
pub mod pages;
pub mod playground;
pub mod provider;
pub mod secret;
pub mod sgid;
pub mod simulator;
pub mod store;
pub mod telemetry;
pub mod tokens;
