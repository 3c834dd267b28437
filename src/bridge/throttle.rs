//! Bounds on what strangers can make us do.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::{Semaphore, SemaphorePermit};

use sha2::{Digest, Sha256};

use crate::clock::Timestamp;
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
    failures: Mutex<HashMap<(IpAddr, [u8; 8]), Failures>>,
    failures_per_minute: u32,
    places_by_address: Mutex<HashMap<IpAddr, usize>>,
    places_per_address: usize,
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
            failures: Mutex::default(),
            failures_per_minute: limits.failures_per_minute,
            places_by_address: Mutex::default(),
            places_per_address: (limits.requests_at_once / SOURCES).max(1),
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

    /// A place among the requests in work, held until it is dropped. No one source gets more than a quarter of them.
    ///
    /// # Errors
    /// [`Throttled`] where all are taken: refused at once, so that nothing queues up.
    pub fn take_place(&self, address: IpAddr) -> Result<Place<'_>, Throttled> {
        let permit = self.requests_at_once.try_acquire().map_err(|_| Throttled)?;
        let network = network(address);
        let mut taken = locked(&self.places_by_address);
        let own = taken.entry(network).or_default();
        if *own >= self.places_per_address {
            return Err(Throttled);
        }
        *own += 1;
        drop(taken);
        Ok(Place {
            network,
            by_address: &self.places_by_address,
            _permit: permit,
        })
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

    /// Whether this client may begin one more login, wherever its people are.
    ///
    /// # Errors
    /// [`Throttled`].
    pub fn admit_login_of(&self, client: &ClientId) -> Result<(), Throttled> {
        self.logins_by_client
            .check_key(client)
            .map_err(|_| Throttled)
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

    /// Whether this address may try to authenticate as this client: asked before anything is compared, and for this
    /// pair alone, so that nobody can lock a client out for others.
    ///
    /// # Errors
    /// [`Throttled`] after too many failures within a minute.
    pub fn admit_attempt(
        &self,
        address: IpAddr,
        client_id: &str,
        now: Timestamp,
    ) -> Result<(), Throttled> {
        let failures = locked(&self.failures);
        let is_barred = failures
            .get(&failure_key(address, client_id))
            .is_some_and(|failures| {
                failures.is_recent(now) && failures.count >= self.failures_per_minute
            });
        if is_barred { Err(Throttled) } else { Ok(()) }
    }

    /// Counts a failed client authentication.
    pub fn record_failure(&self, address: IpAddr, client_id: &str, now: Timestamp) {
        let mut failures = locked(&self.failures);
        if failures.len() >= MAX_FAILURES {
            failures.retain(|_, failures| failures.is_recent(now));
        }
        if failures.len() >= MAX_FAILURES {
            failures.clear();
        }
        let fresh = Failures {
            since: now,
            count: 0,
        };
        let own = failures
            .entry(failure_key(address, client_id))
            .or_insert(fresh);
        if !own.is_recent(now) {
            *own = fresh;
        }
        own.count = own.count.saturating_add(1);
    }

    pub(super) fn set_waiting_logins(&self, count: u64) {
        self.waiting_logins.store(count, Ordering::Relaxed);
    }

    pub(super) fn forget_old(&self) {
        self.requests_by_address.retain_recent();
        self.logins_by_address.retain_recent();
        self.logins_by_client.retain_recent();
    }
}

/// How many sources it takes to use up all places.
const SOURCES: usize = 4;
/// How many pairs of address and client are remembered as failing; beyond, the oldest knowledge goes.
const MAX_FAILURES: usize = 100_000;

/// Failed attempts within one minute.
#[derive(Clone, Copy)]
struct Failures {
    since: Timestamp,
    count: u32,
}

impl Failures {
    fn is_recent(self, now: Timestamp) -> bool {
        now.since(self.since) < Duration::from_mins(1)
    }
}

/// A client identifier from a stranger may be long; its hash is not.
fn failure_key(address: IpAddr, client_id: &str) -> (IpAddr, [u8; 8]) {
    let hash = Sha256::digest(client_id.as_bytes());
    let mut short = [0; 8];
    short.copy_from_slice(&hash[..8]);
    (network(address), short)
}

/// A request in work.
pub struct Place<'a> {
    network: IpAddr,
    by_address: &'a Mutex<HashMap<IpAddr, usize>>,
    _permit: SemaphorePermit<'a>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut taken = locked(self.by_address);
        match taken.get_mut(&self.network) {
            Some(own) if *own > 1 => *own -= 1,
            Some(_) | None => {
                taken.remove(&self.network);
            }
        }
    }
}

/// Counters stay usable whatever happened to whoever held them.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::BROADCAST);
    const NOW: Timestamp = Timestamp::from_seconds(1_000);

    fn throttle() -> Throttle {
        Throttle::new(Limits {
            waiting_logins: 2,
            logins_per_minute: 3,
            requests_per_minute: 3,
            requests_at_once: 8,
            failures_per_minute: 3,
            connections: 8,
        })
    }

    #[test]
    fn failures_bar_one_address_from_one_client_for_a_minute() {
        let throttle = throttle();
        for _ in 0..3 {
            assert_eq!(throttle.admit_attempt(HERE, "app", NOW), Ok(()));
            throttle.record_failure(HERE, "app", NOW);
        }
        assert_eq!(throttle.admit_attempt(HERE, "app", NOW), Err(Throttled));
        assert_eq!(throttle.admit_attempt(HERE, "other", NOW), Ok(()));
        assert_eq!(throttle.admit_attempt(THERE, "app", NOW), Ok(()));
        let later = NOW.after(Duration::from_mins(1));
        assert_eq!(throttle.admit_attempt(HERE, "app", later), Ok(()));
    }

    #[test]
    fn one_source_never_takes_more_than_a_quarter_of_the_places() {
        let throttle = throttle();
        let held: Vec<_> = (0..2).map(|_| throttle.take_place(HERE).unwrap()).collect();
        assert!(throttle.take_place(HERE).is_err());
        assert!(throttle.take_place(THERE).is_ok());
        drop(held);
        assert!(throttle.take_place(HERE).is_ok());
        assert!(
            locked(&throttle.places_by_address).is_empty(),
            "what is given back is forgotten"
        );
    }

    #[test]
    fn waiting_logins_are_bounded() {
        let throttle = throttle();
        assert_eq!(throttle.admit_waiting_login(), Ok(()));
        assert_eq!(throttle.admit_waiting_login(), Ok(()));
        assert_eq!(throttle.admit_waiting_login(), Err(Throttled));
        throttle.set_waiting_logins(0);
        assert_eq!(throttle.admit_waiting_login(), Ok(()));
    }

    #[test]
    fn one_source_is_a_whole_network_of_ipv6() {
        let throttle = throttle();
        for host in 1..=3_u16 {
            let address = IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, host]);
            assert_eq!(throttle.admit_request(address), Ok(()));
        }
        let neighbour = IpAddr::from([0x2001, 0xdb8, 0, 0, 9, 9, 9, 9]);
        assert_eq!(throttle.admit_request(neighbour), Err(Throttled));
        assert_eq!(
            throttle.admit_request(IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, 1])),
            Ok(())
        );
    }
}
