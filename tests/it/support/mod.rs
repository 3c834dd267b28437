//! What tests lean on, in roles: a database, a browser, a relying party, an upstream.

pub(crate) mod app;
pub(crate) mod bridge;
pub(crate) mod browser;
pub(crate) mod client_key;
pub(crate) mod demo;
pub(crate) mod deployment;
pub(crate) mod gate;
pub(crate) mod mockpass;
pub(crate) mod party;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod receiver;
pub(crate) mod registrar;
pub(crate) mod relying_party;
pub(crate) mod signing_out;
pub(crate) mod tables;
pub(crate) mod visitor;
