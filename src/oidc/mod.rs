//! The words of the standards as types: whoever holds one need not check it again.
//! Never knows: I/O, the time, randomness, actix, sqlx, sgID.
//! Standards: OpenID Connect Core 1.0; RFC 6749; RFC 7636; RFC 9207; RFC 9700.

pub mod algorithm;
pub mod authorization;
pub mod claims;
pub mod client;
pub mod error;
pub mod id_token;
pub mod issuer;
pub mod json;
pub mod metadata;
pub mod parameters;
pub mod pkce;
pub mod redirect_uri;
pub mod return_address;
pub mod scope;
pub mod subject;
