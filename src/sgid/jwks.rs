//! sgID's signing keys, cached. OpenID Connect Core section 10.1.1.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::CoreJsonWebKey;
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use url::Url;

use super::fetch::Http;
use super::{Distrust, SgidError, Step};
use crate::clock::Timestamp;
use crate::oidc::json;

/// How long a set is used without asking again.
const FRESH: Duration = Duration::from_hours(1);
/// How long a failure is everybody's answer while no key is known: callbacks do not queue up for the same silence.
const SILENCE: Duration = Duration::from_secs(5);
/// How long an unknown key must wait for the next question.
const COOLDOWN: Duration = Duration::from_mins(1);
const MAX_KEYS: usize = 32;
const MIN_MODULUS_BYTES: usize = 256;

/// One key that may sign ID tokens.
#[derive(Clone, Debug)]
pub(super) struct VerificationKey {
    pub(super) kid: Option<String>,
    pub(super) key: CoreJsonWebKey,
}

/// The cached set.
pub(super) struct Jwks {
    uri: Url,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    keys: Arc<Vec<VerificationKey>>,
    fetched_at: Option<Timestamp>,
    asked_at: Option<Timestamp>,
    failed: Option<SgidError>,
}

impl Jwks {
    pub(super) fn new(uri: Url) -> Self {
        Self {
            uri,
            state: Mutex::default(),
        }
    }

    /// The keys as known, asked for if there are none or they are old. A broken answer does not erase a good set.
    pub(super) async fn keys(
        &self,
        http: &Http,
        now: Timestamp,
    ) -> Result<Arc<Vec<VerificationKey>>, SgidError> {
        let mut state = self.state.lock().await;
        if let (true, Some(failed)) = (state.keys.is_empty(), state.failed)
            && state.asked_at.is_some_and(|at| now.since(at) < SILENCE)
        {
            return Err(failed);
        }
        let is_fresh = state
            .fetched_at
            .is_some_and(|at| now.since(at) < FRESH && at <= now.after(FRESH));
        if !is_fresh && (state.keys.is_empty() || !state.cools_down(now)) {
            let outcome = self.ask(http, now, &mut state).await;
            if state.keys.is_empty() {
                outcome?;
            }
        }
        Ok(Arc::clone(&state.keys))
    }

    /// The keys after one more question, because none of those known fits; the same set during the cooldown.
    pub(super) async fn keys_again(
        &self,
        http: &Http,
        now: Timestamp,
    ) -> Result<Arc<Vec<VerificationKey>>, SgidError> {
        let mut state = self.state.lock().await;
        if !state.cools_down(now) {
            self.ask(http, now, &mut state).await?;
        }
        Ok(Arc::clone(&state.keys))
    }

    /// Asks, whatever is known; gives the number of usable keys.
    pub(super) async fn refresh(&self, http: &Http, now: Timestamp) -> Result<usize, SgidError> {
        let mut state = self.state.lock().await;
        self.ask(http, now, &mut state).await?;
        Ok(state.keys.len())
    }

    async fn ask(&self, http: &Http, now: Timestamp, state: &mut State) -> Result<(), SgidError> {
        state.asked_at = Some(now);
        let answer = http.get(Step::Jwks, &self.uri, None).await;
        match answer.and_then(|answer| usable_keys(&answer)) {
            Ok(keys) => {
                state.keys = Arc::new(keys);
                state.fetched_at = Some(now);
                state.failed = None;
                Ok(())
            }
            Err(error) => {
                state.failed = Some(error);
                Err(error)
            }
        }
    }
}

impl State {
    fn cools_down(&self, now: Timestamp) -> bool {
        self.asked_at
            .is_some_and(|at| now.since(at) < COOLDOWN && at <= now)
    }
}

fn usable_keys(answer: &[u8]) -> Result<Vec<VerificationKey>, SgidError> {
    let distrust = |reason| SgidError::Untrusted {
        step: Step::Jwks,
        reason,
    };
    let mut members = json::parse_object(answer).map_err(|_| distrust(Distrust::NotJson))?;
    let Some(Value::Array(keys)) = members.remove("keys") else {
        return Err(distrust(Distrust::Member));
    };
    let usable: Vec<_> = keys.into_iter().take(MAX_KEYS).filter_map(usable).collect();
    if usable.is_empty() {
        return Err(distrust(Distrust::Signature));
    }
    Ok(usable)
}

fn permits_verification(operations: &Value) -> bool {
    let operations = operations.as_array();
    operations.is_some_and(|operations| operations.iter().any(|operation| operation == "verify"))
}

/// RSA of at least 2048 bits, meant for signing. Anything else in the set is not ours to use.
fn usable(key: Value) -> Option<VerificationKey> {
    let Value::Object(mut members) = key else {
        return None;
    };
    let text = |members: &Map<String, Value>, name: &str| {
        members.get(name).and_then(Value::as_str).map(str::to_owned)
    };
    let is_for_signing = text(&members, "kty").as_deref() == Some("RSA")
        && members.get("use").is_none_or(|purpose| purpose == "sig")
        && members.get("key_ops").is_none_or(permits_verification)
        && members.get("alg").is_none_or(|alg| alg == "RS256")
        && !members.contains_key("d");
    let modulus = URL_SAFE_NO_PAD.decode(text(&members, "n")?).ok()?;
    let significant = modulus.iter().skip_while(|&&byte| byte == 0).count();
    if !is_for_signing || significant < MIN_MODULUS_BYTES {
        return None;
    }
    let kid = text(&members, "kid");
    members.retain(|name, _| ["kty", "n", "e", "kid", "use"].contains(&name.as_str()));
    let key = serde_json::from_value(Value::Object(members)).ok()?;
    Some(VerificationKey { kid, key })
}
