//! Bounds on what strangers can make us do.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::config::Limits;
use crate::oidc::client::ClientId;

/// Bounds on what strangers can make us do, by address and by client.
pub struct Throttle {
    waiting_logins: AtomicU64,
    max_waiting_logins: u64,
    requests_by_address: DefaultKeyedRateLimiter<IpAddr>,
    requests_at_once: Semaphore,
    logins_by_address: DefaultKeyedRateLimiter<IpAddr>,
    logins_by_client: DefaultKeyedRateLimiter<ClientId>,
    failures_by_address: DefaultKeyedRateLimiter<IpAddr>,
}

/// Too much, too fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttled;

/// A client may send the people of this many addresses at full rate.
const ADDRESSES_PER_CLIENT: u32 = 20;

impl Throttle {
    pub(super) fn new(limits: Limits) -> Self {
        let a_minute = |count: u32| {
            RateLimiter::keyed(Quota::per_minute(
                NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN),
            ))
        };
        let by_client = limits
            .logins_per_minute
            .saturating_mul(ADDRESSES_PER_CLIENT);
        Self {
            waiting_logins: AtomicU64::new(0),
            max_waiting_logins: limits.waiting_logins,
            requests_by_address: a_minute(limits.requests_per_minute),
            requests_at_once: Semaphore::new(limits.requests_at_once),
            logins_by_address: a_minute(limits.logins_per_minute),
            logins_by_client: RateLimiter::keyed(Quota::per_minute(
                NonZeroU32::new(by_client).unwrap_or(NonZeroU32::MIN),
            )),
            failures_by_address: a_minute(limits.failures_per_minute),
        }
    }

    /// Whether an address may ask for anything more just now.
    ///
    /// # Errors
    /// [`Throttled`].
    pub fn admit_request(&self, address: IpAddr) -> Result<(), Throttled> {
        self.requests_by_address
            .check_key(&network(address))
            .map_err(|_| Throttled)
    }

    /// A place among the requests in work, held until it is dropped.
    ///
    /// # Errors
    /// [`Throttled`] where all are taken: refused at once, so that nothing queues up.
    pub fn take_place(&self) -> Result<SemaphorePermit<'_>, Throttled> {
        self.requests_at_once.try_acquire().map_err(|_| Throttled)
    }

    /// Whether this address and this client may begin one more login.
    ///
    /// # Errors
    /// [`Throttled`].
    pub fn admit_login(&self, address: IpAddr, client: &ClientId) -> Result<(), Throttled> {
        let is_within_rate = self.logins_by_address.check_key(&network(address)).is_ok()
            && self.logins_by_client.check_key(client).is_ok();
        is_within_rate.then_some(()).ok_or(Throttled)
    }

    /// Whether the store has room for one more waiting login; counts it.
    ///
    /// # Errors
    /// [`Throttled`].
    pub fn admit_waiting_login(&self) -> Result<(), Throttled> {
        let waiting = self.waiting_logins.fetch_add(1, Ordering::Relaxed);
        (waiting < self.max_waiting_logins)
            .then_some(())
            .ok_or(Throttled)
    }

    /// Counts a failed client authentication.
    ///
    /// # Errors
    /// [`Throttled`] where there were too many.
    pub fn record_failure(&self, address: IpAddr) -> Result<(), Throttled> {
        self.failures_by_address
            .check_key(&network(address))
            .map_err(|_| Throttled)
    }

    pub(super) fn set_waiting_logins(&self, count: u64) {
        self.waiting_logins.store(count, Ordering::Relaxed);
    }

    pub(super) fn forget_old(&self) {
        self.requests_by_address.retain_recent();
        self.logins_by_address.retain_recent();
        self.logins_by_client.retain_recent();
        self.failures_by_address.retain_recent();
    }
}

/// One source has one IPv4 address, or a /64 of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}
