//! The doors that face relying parties and their people's browsers, one file an endpoint.
//! Every door reads the same: parse, read, move, remember, answer.
//! Never knows: SQL, JWE, PEM files, sgID's wire format.
//! Standards: RFC 6749; OpenID Connect Core 1.0; OpenID Connect Discovery 1.0; RFC 6750; RFC 9207.

pub mod assets;
pub mod authorize;
pub mod callback;
mod client_auth;
mod cookies;
pub mod discovery;
mod error;
mod incoming;
pub mod jwks;
mod paths;
pub mod token;
pub mod userinfo;

pub use error::{ErrorPage, PageFault};
pub use incoming::{ClientAddress, RequestId};
pub use paths::Path;
