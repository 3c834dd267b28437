//! What we hold for each browser, found by its cookie: bounded in number, gone after ten minutes.

use std::collections::HashMap;

use super::{journey::Journey, login::Attempt};

/// How long a login may take, and how long its result can be looked at. In seconds.
pub(super) const VISIT_TTL: u64 = 600;

/// One browser is one login; a second login of the same browser replaces the first.
#[derive(Default)]
pub(super) struct Visits(HashMap<String, Visit>);

struct Visit {
    stage: Stage,
    expires_at: u64,
}

enum Stage {
    Away(Box<Attempt>),
    Back(Box<Journey>),
}

impl Visits {
    /// The browser leaves for the provider.
    pub(super) fn put_attempt(&mut self, handle: String, attempt: Attempt, now: u64) {
        self.put(handle, Stage::Away(Box::new(attempt)), now);
    }

    /// The login is over, well or badly.
    pub(super) fn put_journey(&mut self, handle: String, journey: Journey, now: u64) {
        self.put(handle, Stage::Back(Box::new(journey)), now);
    }

    /// Ends the wait of the login that this browser began with this `state`, and only of that one:
    /// a forged callback must not spoil the real one. RFC 6749 section 10.12.
    pub(super) fn take_attempt(&mut self, handle: &str, state: &str, now: u64) -> Option<Attempt> {
        let visit = self.0.get(handle).filter(|visit| visit.expires_at > now)?;
        match &visit.stage {
            Stage::Away(attempt) if attempt.state == state => {}
            Stage::Away(_) | Stage::Back(_) => return None,
        }
        match self.0.remove(handle)?.stage {
            Stage::Away(attempt) => Some(*attempt),
            Stage::Back(_) => None,
        }
    }

    /// The result, as often as the page is reloaded.
    pub(super) fn journey(&self, handle: &str, now: u64) -> Option<&Journey> {
        match &self
            .0
            .get(handle)
            .filter(|visit| visit.expires_at > now)?
            .stage
        {
            Stage::Back(journey) => Some(journey),
            Stage::Away(_) => None,
        }
    }

    /// Removes what is held for this browser.
    pub(super) fn forget(&mut self, handle: &str) {
        self.0.remove(handle);
    }

    fn put(&mut self, handle: String, stage: Stage, now: u64) {
        self.0.retain(|_, visit| visit.expires_at > now);
        if self.0.len() >= MOST_VISITS {
            let oldest = self.0.iter().min_by_key(|(_, visit)| visit.expires_at);
            if let Some(oldest) = oldest.map(|(handle, _)| handle.clone()) {
                self.0.remove(&oldest);
            }
        }
        let expires_at = now + VISIT_TTL;
        self.0.insert(handle, Visit { stage, expires_at });
    }
}

const MOST_VISITS: usize = 256;

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::{Journey, MOST_VISITS, VISIT_TTL, Visits};

    fn journey() -> Journey {
        Journey {
            authorization_endpoint: String::new(),
            authorization: Vec::new(),
            callback: Vec::new(),
            token: None,
            id_token: None,
            userinfo: None,
            outcome: Ok(Map::new()),
        }
    }

    #[test]
    fn a_visit_is_over_after_ten_minutes_or_when_it_is_forgotten() {
        let mut visits = Visits::default();
        visits.put_journey("a".to_owned(), journey(), 1000);
        assert!(visits.journey("a", 1000 + VISIT_TTL - 1).is_some());
        assert!(visits.journey("a", 1000 + VISIT_TTL).is_none());
        assert!(visits.journey("b", 1000).is_none());
        visits.forget("a");
        assert!(visits.journey("a", 1000).is_none());
    }

    #[test]
    fn when_it_is_full_the_oldest_goes() {
        let mut visits = Visits::default();
        for (handle, now) in (0..=MOST_VISITS).zip(1000..) {
            visits.put_journey(handle.to_string(), journey(), now);
        }
        assert_eq!(visits.0.len(), MOST_VISITS);
        assert!(visits.journey("0", 1200).is_none() && visits.journey("1", 1200).is_some());
    }
}
