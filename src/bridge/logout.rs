//! The end of a session: what it granted ends with it, and each relying party in it is told. OpenID Connect
//! Back-Channel Logout 1.0 sections 2.5 to 2.8.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;

use super::Bridge;
use crate::clock::Timestamp;
use crate::login::Session;
use crate::oidc::client::ClientId;
use crate::outgoing::CallFailed;
use crate::secret::{Bearer, SessionCookie};
use crate::store::{LogoutNotice, StoreError};

/// When a delivery is tried again, after the first try and each one more.
const RETRY_AFTER: [Duration; 6] = [
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_mins(2),
    Duration::from_mins(5),
    Duration::from_mins(15),
    Duration::from_mins(30),
];
/// After how long a relying party that does not answer is given up.
const GIVEN_UP_AFTER: Duration = Duration::from_hours(1);
/// How many notices one round looks at.
const A_ROUND: u32 = 128;
/// How many deliveries to one client are under way in this process; the others wait for [`PUT_OFF`], so that a client
/// that does not answer holds up nobody else.
const FOR_ONE_CLIENT: usize = 8;
const PUT_OFF: Duration = Duration::from_secs(10);

impl Bridge {
    /// Ends a session: its relying parties are noted to be told, its access tokens and codes are revoked, and it is
    /// gone. A crash before that leaves a session that can be ended once more.
    ///
    /// # Errors
    /// [`StoreError`]; the session may then go on.
    pub async fn end_session(
        &self,
        cookie: &Bearer<SessionCookie>,
        session: &Session,
        request_id: &str,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        for client_id in session.client_ids() {
            let client = self.clients.find(&self.store, client_id, now).await?;
            let ended = client
                .filter(|client| client.is_enabled() && client.backchannel_logout_uri().is_some())
                .and_then(|client| session.ended_for(&client, &self.pairwise_secret));
            if let Some(ended) = ended {
                let until = now.after(GIVEN_UP_AFTER);
                self.store.put_logout_notice(&ended, now, until).await?;
            }
        }
        for membership in session.memberships() {
            self.store.revoke_session(membership.tag).await?;
        }
        if self.store.remove_session(cookie).await? {
            metrics::counter!("sessions_ended_total").increment(1);
            let clients = session.client_ids().count();
            tracing::info!(target: "sgid_bridge::audit", event = "session.ended", clients, request.id = request_id, "a session ended");
        }
        // Once more: a silent answer may have been under way until the session was gone.
        for membership in session.memberships() {
            self.store.revoke_session(membership.tag).await?;
        }
        Ok(())
    }

    /// One round of deliveries: those that are due, several at once. Of many instances one takes each in hand.
    ///
    /// # Errors
    /// [`StoreError`] where the database is away. A relying party that fails is no error: it is tried again later.
    pub async fn deliver_logout_tokens(&self) -> Result<usize, StoreError> {
        let now = self.clock.now();
        let due = self.store.due_logout_notices(now, A_ROUND).await?;
        let mut deliveries = Vec::new();
        for notice in &due {
            if let Some(turn) = self.under_way.turn_of(&notice.ended.client_id) {
                deliveries.push(async move {
                    let _turn = turn;
                    self.deliver(notice, now).await
                });
            } else {
                let later = now.after(PUT_OFF);
                self.store.put_off_logout_notice(notice, later).await?;
            }
        }
        let count = deliveries.len();
        for outcome in join_all(deliveries).await {
            outcome?;
        }
        Ok(count)
    }

    async fn deliver(&self, notice: &LogoutNotice, now: Timestamp) -> Result<(), StoreError> {
        let attempt = usize::try_from(notice.attempts).unwrap_or(usize::MAX);
        let last = RETRY_AFTER.len() - 1;
        let again_at = now.after(RETRY_AFTER[attempt.min(last)]);
        if !self.store.claim_logout_notice(notice, again_at).await? {
            return Ok(());
        }
        let client_id = &notice.ended.client_id;
        let outcome = self.tell(notice, now).await?;
        let (word, is_over) = match &outcome {
            Told::Delivered => ("delivered", true),
            Told::Refused(_) => ("refused", true),
            Told::Gone => ("client gone", true),
            Told::Failed(_) => ("failed", false),
        };
        let reason = match outcome {
            Told::Refused(reason) | Told::Failed(reason) => Some(reason),
            Told::Delivered | Told::Gone => None,
        };
        metrics::counter!("logout_tokens_total", "outcome" => word).increment(1);
        tracing::info!(target: "sgid_bridge::audit", event = "logout_token", outcome = word, client.id = %client_id, attempt = notice.attempts + 1, reason, "a relying party was to be told that a session has ended");
        if is_over {
            self.store.remove_logout_notice(notice).await?;
        }
        Ok(())
    }

    async fn tell(&self, notice: &LogoutNotice, now: Timestamp) -> Result<Told, StoreError> {
        let ended = &notice.ended;
        let client = self
            .clients
            .find(&self.store, &ended.client_id, now)
            .await?;
        let Some(client) = client.filter(|client| client.is_enabled()) else {
            return Ok(Told::Gone);
        };
        let Some(url) = client.backchannel_logout_uri() else {
            return Ok(Told::Gone);
        };
        let algorithm = client.id_token_signed_response_alg();
        let keyring = Arc::clone(&self.keyring());
        // As its ID tokens are: section 2.6 has a client refuse one that is not.
        let recipient = match self.token_recipient(&client, now).await {
            Ok(recipient) => recipient,
            Err(error) => return Ok(Told::Failed(error.to_string())),
        };
        let protection = (algorithm, recipient);
        let token = match self
            .mint
            .logout_token(keyring, ended, protection, now)
            .await
        {
            Ok(token) => token,
            Err(error) => return Ok(Told::Failed(error.to_string())),
        };
        Ok(
            match self.outgoing.post(url, &[("logout_token", &token)]).await {
                Ok(200 | 204) => Told::Delivered,
                // It understood, and will not: section 2.8.
                Ok(400) => Told::Refused(CallFailed::Status(400).to_string()),
                Ok(status) => Told::Failed(CallFailed::Status(status).to_string()),
                Err(error) => Told::Failed(error.to_string()),
            },
        )
    }
}

/// How many deliveries to each client are under way.
#[derive(Default)]
pub(super) struct UnderWay(Mutex<HashMap<ClientId, usize>>);

impl UnderWay {
    /// None where enough of them are under way already.
    fn turn_of(&self, client_id: &ClientId) -> Option<Turn<'_>> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(client_id.clone()).or_default();
        if *count == FOR_ONE_CLIENT {
            return None;
        }
        *count += 1;
        Some(Turn {
            under_way: self,
            client_id: client_id.clone(),
        })
    }
}

/// One delivery under way, until it is dropped.
struct Turn<'a> {
    under_way: &'a UnderWay,
    client_id: ClientId,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let counts = &self.under_way.0;
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.client_id) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.client_id);
            }
        }
    }
}

/// What became of one delivery.
enum Told {
    Delivered,
    Refused(String),
    Failed(String),
    /// Nobody is there to be told any more.
    Gone,
}
