//! The login itself: its states and the only legal moves between them, and the session that may answer in its place.
//! Never knows: HTTP, SQL, sgID's wire format, the time (it is handed `now`).
//! Standards: OpenID Connect Core 1.0 sections 3.1 and 12; RFC 6749 sections 4.1 and 6; RFC 7636.

mod attempt;
mod grant;
mod identity;
mod session;
mod waiting;

pub use attempt::{LoginId, UpstreamAttempt, UpstreamNonce};
pub use grant::{Access, Grant, Narrower, NotRedeemable, NotRefreshable, Redeemed, Refreshable};
pub use identity::{Identity, UpstreamSubject};
pub use session::{Ended, Membership, MustInteract, Session, SessionTag, Silence};
pub use waiting::{AnotherPerson, Login, Terms};

#[cfg(test)]
mod tests;
