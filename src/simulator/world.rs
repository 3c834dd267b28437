//! What the simulated sgID remembers: everything in memory, everything bounded, nothing for long.

use super::{
    Misbehaviour, Requests, SimulatedClient,
    keys::SigningKey,
    persona::{self, Persona},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The clock: seconds since 1970.
pub(super) type Now = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The one value that all doors share.
pub(super) struct World {
    pub(super) issuer: String,
    clients: Vec<SimulatedClient>,
    now: Now,
    state: Mutex<State>,
}

/// The part that changes.
pub(super) struct State {
    pub(super) behaviour: Misbehaviour,
    /// Who signs in without being asked; `None` shows the chooser.
    pub(super) persona: Option<String>,
    /// How long they take to sign in then.
    pub(super) pause: Duration,
    pub(super) signing_key: Arc<SigningKey>,
    /// Set by the first ID token that says ES256, so that its key can be found.
    pub(super) publishes_es256: bool,
    pub(super) requests: Requests,
    pub(super) pending: Shelf<Arc<Authorization>>,
    pub(super) codes: Shelf<Grant>,
    pub(super) access_tokens: Shelf<Grant>,
    /// Right answers behind a redirect that nobody should follow.
    pub(super) moved: Shelf<String>,
}

/// An authorization request that passed every check.
#[derive(Debug)]
pub(super) struct Authorization {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) scopes: Vec<String>,
    pub(super) state: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) code_challenge: String,
}

/// An authorization request that somebody said yes to.
#[derive(Clone)]
pub(super) struct Grant {
    pub(super) authorization: Arc<Authorization>,
    pub(super) persona: &'static Persona,
    /// Chosen for this login; `None` follows the whole simulator.
    pub(super) misbehaviour: Option<Misbehaviour>,
}

impl World {
    pub(super) fn new(issuer: String, clients: Vec<SimulatedClient>, now: Now) -> Self {
        let state = State {
            behaviour: Misbehaviour::None,
            persona: None,
            pause: Duration::ZERO,
            signing_key: Arc::new(SigningKey::generate()),
            publishes_es256: false,
            requests: Requests::default(),
            pending: Shelf::default(),
            codes: Shelf::default(),
            access_tokens: Shelf::default(),
            moved: Shelf::default(),
        };
        Self {
            issuer,
            clients,
            now,
            state: Mutex::new(state),
        }
    }

    pub(super) fn now(&self) -> i64 {
        (self.now)()
    }

    pub(super) fn client(&self, id: &str) -> Option<&SimulatedClient> {
        self.clients.iter().find(|client| client.client_id == id)
    }

    /// A lock that is never held across an `await`.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // The state is plain values: a panic in a test leaves them whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What to do wrong for this grant, now.
    pub(super) fn misbehaviour(&self, grant: &Grant) -> Misbehaviour {
        grant.misbehaviour.unwrap_or_else(|| self.state().behaviour)
    }
}

/// The persona's identifier for one client: like sgID's, different for each client. It follows from
/// the two names, so that a demo keeps its users when it starts again.
pub(super) fn subject(client_id: &str, persona: &Persona) -> String {
    let digest = Sha256::new()
        .chain_update("simulated sgID subject\0")
        .chain_update(client_id)
        .chain_update("\0")
        .chain_update(persona.id())
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_random_bytes(bytes)
        .into_uuid()
        .to_string()
}

/// The persona that answers without being asked, as far as it exists.
pub(super) enum Forced {
    Nobody,
    Persona(&'static Persona),
    Unknown(String),
}

impl State {
    pub(super) fn forced(&self) -> Forced {
        match &self.persona {
            None => Forced::Nobody,
            Some(id) => {
                persona::find(id).map_or_else(|| Forced::Unknown(id.clone()), Forced::Persona)
            }
        }
    }
}

/// Values by an unguessable name, each for a while; when it is full the oldest goes.
pub(super) struct Shelf<T> {
    values: HashMap<String, (i64, T)>,
    order: VecDeque<String>,
}

/// Seconds for which pending logins, codes and access tokens live.
pub(super) const LIFETIME: i64 = 300;
/// What a shelf holds; a load test of some thousand logins at once must fit.
const CAPACITY: usize = 20_000;

impl<T: Clone> Shelf<T> {
    pub(super) fn put(&mut self, name: String, value: T, now: i64) {
        while self.order.len() >= CAPACITY {
            if let Some(oldest) = self.order.pop_front() {
                self.values.remove(&oldest);
            }
        }
        self.order.push_back(name.clone());
        self.values.insert(name, (now + LIFETIME, value));
    }

    pub(super) fn find(&self, name: &str, now: i64) -> Option<T> {
        let (expires_at, value) = self.values.get(name)?;
        (*expires_at > now).then(|| value.clone())
    }

    /// Removes it, so that it cannot be found again. Its name stays in line until its turn comes.
    pub(super) fn remove(&mut self, name: &str) {
        self.values.remove(name);
    }
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self {
            values: HashMap::new(),
            order: VecDeque::new(),
        }
    }
}

/// An unguessable name, safe in URLs.
pub(super) fn fresh_name() -> String {
    B64.encode(rand::random::<[u8; 32]>())
}

#[cfg(test)]
mod tests {
    use super::{CAPACITY, LIFETIME, Shelf, persona, subject};

    #[test]
    fn a_shelf_forgets_by_time_and_by_number() {
        let mut shelf = Shelf::default();
        shelf.put("first".to_owned(), 1, 0);
        assert_eq!(shelf.find("first", LIFETIME - 1), Some(1));
        assert_eq!(shelf.find("first", LIFETIME), None);
        for number in 0..CAPACITY {
            shelf.put(number.to_string(), number, 0);
        }
        assert_eq!(shelf.find("first", 0), None);
        assert_eq!(shelf.find("0", 0), Some(0));
        shelf.remove("0");
        assert_eq!(shelf.find("0", 0), None);
    }

    #[test]
    fn subjects_are_stable_and_pairwise() {
        let [one, two] = [&persona::personas()[0], &persona::personas()[1]];
        assert_eq!(subject("a", one), subject("a", one));
        assert_ne!(subject("a", one), subject("b", one));
        assert_ne!(subject("a", one), subject("a", two));
    }
}
