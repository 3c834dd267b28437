//! A login that waits for its person.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::grant::Granted;
use super::{Grant, Identity, LoginId, Membership, UpstreamAttempt};
use crate::clock::Timestamp;
use crate::oidc::authorization::AuthorizationRequest;
use crate::oidc::claims_request::ClaimsRequest;
use crate::oidc::client::{Client, ClientId};
use crate::oidc::issuer::Issuer;
use crate::oidc::pkce::CodeChallenge;
use crate::oidc::return_address::{ResponseMode, ReturnAddress};
use crate::oidc::scope::ScopeSet;
use crate::oidc::subject::{PairwiseSecret, SubjectIdentifier};
use crate::secret::RowId;

/// A login that waits for its person to come back from the upstream.
#[derive(Debug, Serialize, Deserialize)]
pub struct Login {
    client_id: ClientId,
    redirect_uri: String,
    response_mode: ResponseMode,
    state: Option<String>,
    nonce: Option<String>,
    code_challenge: Option<CodeChallenge>,
    scope: ScopeSet,
    #[serde(default)]
    claims: ClaimsRequest,
    /// Whom the relying party expects, if it named somebody.
    #[serde(default)]
    expected: Option<SubjectIdentifier>,
    /// The pushed request that this login came from.
    #[serde(default)]
    pushed: Option<RowId>,
    upstream: String,
    attempt: UpstreamAttempt,
    begun_at: Timestamp,
}

/// Another person signed in than the relying party expects. OpenID Connect Core section 3.1.2.1, `id_token_hint`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnotherPerson;

impl Login {
    /// The first move: a relying party may ask, and the person is sent upstream.
    pub fn begin(
        request: &AuthorizationRequest,
        upstream: &str,
        attempt: UpstreamAttempt,
        now: Timestamp,
    ) -> Self {
        let return_to = request.return_to();
        Self {
            client_id: request.client_id().clone(),
            redirect_uri: return_to.redirect_uri().as_str().to_owned(),
            response_mode: return_to.response_mode(),
            state: return_to.state().map(str::to_owned),
            nonce: request.nonce().map(str::to_owned),
            code_challenge: request.code_challenge().cloned(),
            scope: request.scope().clone(),
            claims: request.claims().clone(),
            expected: request.subject().cloned(),
            pushed: None,
            upstream: upstream.to_owned(),
            attempt,
            begun_at: now,
        }
    }

    /// The same for somebody whom the relying party named by `id_token_hint`.
    #[must_use]
    pub fn expecting(mut self, hinted: Option<SubjectIdentifier>) -> Self {
        self.expected = hinted.or(self.expected);
        self
    }

    /// The same from a pushed request, which is used up when a code is issued. RFC 9126 section 4.
    #[must_use]
    pub fn from_pushed(mut self, pushed: Option<RowId>) -> Self {
        self.pushed = pushed;
        self
    }

    /// The same request once more, from the start: for a person who came back too late.
    #[must_use]
    pub fn begin_again(self, attempt: UpstreamAttempt, now: Timestamp) -> Self {
        Self {
            attempt,
            begun_at: now,
            ..self
        }
    }

    /// For the log.
    pub fn id(&self) -> LoginId {
        LoginId::of(&self.attempt)
    }

    /// Who asks.
    pub fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// The upstream at which the person signs in.
    pub fn upstream(&self) -> &str {
        &self.upstream
    }

    /// What binds the upstream's answer to this login.
    pub fn attempt(&self) -> &UpstreamAttempt {
        &self.attempt
    }

    /// The pushed request that this login came from.
    pub fn pushed(&self) -> Option<RowId> {
        self.pushed
    }

    /// Whether the person came back within `login_ttl`.
    pub fn is_in_time(&self, login_ttl: Duration, now: Timestamp) -> bool {
        now < self.begun_at.after(login_ttl)
    }

    /// What is still allowed of what was asked: a client may have lost a scope meanwhile.
    pub fn scope_for(&self, client: &Client) -> ScopeSet {
        self.scope.intersection(client.scope())
    }

    /// The claims that were asked for by name.
    pub fn claims(&self) -> &ClaimsRequest {
        &self.claims
    }

    /// The way back, if redirect URI and response mode are still registered and the client still enabled.
    pub fn return_address(&self, client: &Client, issuer: &Issuer) -> Option<ReturnAddress> {
        if !client.allows(self.response_mode) {
            return None;
        }
        client
            .return_address(
                Some(&self.redirect_uri),
                Some(self.response_mode.as_str()),
                self.state.as_deref(),
                issuer,
            )
            .ok()
            .filter(|_| client.is_enabled())
    }

    /// Whether this is whom the relying party expects.
    ///
    /// # Errors
    /// [`AnotherPerson`].
    pub fn check_person(
        &self,
        identity: &Identity,
        client: &Client,
        secret: &PairwiseSecret,
    ) -> Result<(), AnotherPerson> {
        let subject = identity.subject_for(client, secret);
        let is_expected = self.expected.as_ref().is_none_or(|it| *it == subject);
        is_expected.then_some(()).ok_or(AnotherPerson)
    }

    /// The second move: the upstream has proven who signed in.
    pub fn granted(
        self,
        identity: Identity,
        client: &Client,
        secret: &PairwiseSecret,
        terms: Terms,
    ) -> Grant {
        let granted = Granted {
            id: self.id(),
            subject: identity.subject_for(client, secret),
            scope: self.scope_for(client),
            client_id: self.client_id,
            auth_time: terms.at,
            claims: identity.claims,
            by_scope: terms.by_scope,
            by_name: self.claims,
        };
        Grant {
            granted,
            redirect_uri: self.redirect_uri,
            nonce: self.nonce,
            code_challenge: self.code_challenge,
            membership: terms.membership,
        }
    }
}

/// What a grant is made with beside the identity.
#[derive(Debug)]
pub struct Terms {
    /// The claims that the scope gives.
    pub by_scope: BTreeSet<String>,
    /// The session that the login belongs to, where there are sessions.
    pub membership: Option<Membership>,
    /// When the upstream's answer was verified.
    pub at: Timestamp,
}
