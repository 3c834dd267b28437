//! The doors that face relying parties and their people's browsers, one file an endpoint.
//! Every door reads the same: parse, read, move, remember, answer.
//! Never knows: SQL, JWE, PEM files, sgID's wire format.
//! Standards: RFC 6749; OpenID Connect Core 1.0; OpenID Connect Discovery 1.0; OpenID Connect RP-Initiated Logout 1.0;
//! RFC 6750; RFC 7009; RFC 7591; RFC 7592; RFC 7662; RFC 9126; RFC 9207.

mod asked;
pub mod assets;
pub mod authorize;
mod bearer;
pub mod callback;
mod client_auth;
mod code;
mod cookies;
pub mod discovery;
mod error;
mod hint;
mod incoming;
pub mod introspect;
pub mod jwks;
pub mod logout;
mod outgoing;
pub mod par;
mod paths;
mod refresh;
pub mod register;
pub mod revoke;
mod session;
pub mod token;
pub mod userinfo;

pub use error::{ErrorPage, PageFault};
pub use incoming::{ClientAddress, RequestId};
pub use paths::Path;
