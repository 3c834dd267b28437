//! sgid-bridge: a standard OpenID Provider in front of sgID.
//!
//! The rooms, in the order in which a login walks through them:

pub mod cli;
pub mod http;
pub mod provider;
pub mod pages;
pub mod playground;
pub mod simulator;
pub mod bridge;
pub mod sgid;
pub mod clients;
pub mod tokens;
pub mod store;
pub mod login;
pub mod keyring;
pub mod catalogue;
pub mod config;
pub mod oidc;
pub mod secret;
pub mod clock;
pub mod telemetry;
