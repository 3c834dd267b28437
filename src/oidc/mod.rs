//! The words of the standards as types: whoever holds one need not check it again.
//! Never knows: I/O, the time, randomness, actix, sqlx, sgID.
//! Standards: OpenID Connect Core 1.0; RFC 6749; RFC 7517; RFC 7523; RFC 7591; RFC 7636; RFC 9101; RFC 9207; RFC 9700.

pub mod algorithm;
pub mod assertion;
pub mod authorization;
pub mod claims;
pub mod claims_request;
pub mod client;
pub mod error;
pub mod id_token;
pub mod issuer;
pub mod json;
pub mod jwk_set;
pub mod logout_token;
pub mod metadata;
pub mod parameters;
pub mod pkce;
pub mod prompt;
pub mod redirect_uri;
pub mod request_object;
pub mod return_address;
pub mod scope;
pub mod subject;
