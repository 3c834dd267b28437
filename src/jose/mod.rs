//! Other people's keys: signatures that they made, and content that only they open.
//! Never knows: whose keys they are, where they come from, what is said.
//! Standards: RFC 7515; RFC 7516; RFC 7518; RFC 8037; RFC 8725.

mod encrypt;
mod verify;

pub use encrypt::{Content, EncryptionError, Recipient};
pub use verify::{NotVerified, Verified, claims_unverified, verify};
