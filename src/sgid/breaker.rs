//! After repeated failures nobody is sent to sgID for a moment, so that people hear at once that it is away.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use crate::clock::Timestamp;

const FAILURES: u32 = 5;
const PAUSE: Duration = Duration::from_secs(15);

/// Counts failures in a row. Recovers by itself: after the pause logins go again, and the next failure pauses anew.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: AtomicU32,
    open_until: AtomicI64,
}

impl Breaker {
    pub(super) fn is_open(&self, now: Timestamp) -> bool {
        now.seconds() < self.open_until.load(Ordering::Relaxed)
    }

    pub(super) fn record_failure(&self, now: Timestamp) {
        let failures = self
            .failures
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1);
        if failures >= FAILURES {
            self.open_until
                .store(now.after(PAUSE).seconds(), Ordering::Relaxed);
        }
    }

    pub(super) fn record_success(&self) {
        self.failures.store(0, Ordering::Relaxed);
        self.open_until.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_repeated_failures_and_recovers_by_itself() {
        let (breaker, start) = (Breaker::default(), Timestamp::from_seconds(1_000));
        for _ in 1..FAILURES {
            breaker.record_failure(start);
        }
        assert!(!breaker.is_open(start));
        breaker.record_failure(start);
        assert!(breaker.is_open(start));
        let later = start.after(PAUSE);
        assert!(!breaker.is_open(later));
        breaker.record_failure(later);
        assert!(
            breaker.is_open(later),
            "a failed trial opens it again at once"
        );
        breaker.record_success();
        assert!(!breaker.is_open(later));
    }
}
