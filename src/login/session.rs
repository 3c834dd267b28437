//! The single sign-on session: what one browser signed in to, and when it may answer in the person's place.
//! OpenID Connect Core section 3.1.2.3; OpenID Connect Back-Channel Logout section 2.1.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::CryptoRng;
use serde::{Deserialize, Serialize};

use super::grant::Granted;
use super::{Grant, Identity, LoginId, UpstreamSubject};
use crate::clock::Timestamp;
use crate::oidc::authorization::AuthorizationRequest;
use crate::oidc::claims::Claims;
use crate::oidc::client::{AuthenticationMethod, Client, ClientId};
use crate::oidc::prompt::Prompt;
use crate::oidc::redirect_uri::ApplicationType;
use crate::oidc::scope::ScopeSet;
use crate::oidc::subject::{PairwiseSecret, SubjectIdentifier};

/// Who signed in with one browser, when, and to which clients. It holds no personal data, and opens only for the
/// cookie of that browser.
#[derive(Debug, Serialize, Deserialize)]
pub struct Session {
    /// By the name of the upstream: one browser may have signed in at several.
    people: BTreeMap<String, SignedIn>,
    clients: BTreeMap<ClientId, Participation>,
}

/// Who signed in at one upstream, and when.
#[derive(Debug, Serialize, Deserialize)]
struct SignedIn {
    issuer: String,
    subject: UpstreamSubject,
    auth_time: Timestamp,
    /// From when on they must sign in again, whatever else happens in this browser.
    ends_at: Timestamp,
}

impl SignedIn {
    fn subject_for(&self, client: &Client, secret: &PairwiseSecret) -> SubjectIdentifier {
        self.subject.derive_for(client, &self.issuer, secret)
    }

    /// Whether the person signed in within this span.
    fn is_within(&self, max_age: Option<Duration>, now: Timestamp) -> bool {
        max_age.is_none_or(|age| !age.is_zero() && now.since(self.auth_time) <= age)
    }
}

/// One client that logged in with the session.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Participation {
    /// At which the person signed in for it.
    upstream: String,
    scope: ScopeSet,
    membership: Membership,
}

/// How what one client holds belongs to a session. Random for each client, so that no two can find out that they share
/// a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Membership {
    /// `sid`, as that client's ID tokens name the session.
    pub sid: String,
    /// Beside which that client's access tokens are kept, so that they end with the session.
    pub tag: SessionTag,
}

/// Random bytes that the access tokens of one client in one session share.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionTag([u8; 16]);

impl SessionTag {
    /// The bytes, for the store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SessionTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionTag")
    }
}

impl Membership {
    fn generate(randomness: &mut impl CryptoRng) -> Self {
        let (mut sid, mut tag) = ([0; 24], [0; 16]);
        randomness.fill_bytes(&mut sid);
        randomness.fill_bytes(&mut tag);
        Self {
            sid: URL_SAFE_NO_PAD.encode(sid),
            tag: SessionTag(tag),
        }
    }
}

/// How a session may answer without the person.
#[derive(Clone, Copy, Debug)]
pub struct Silence<'a> {
    /// Whether data of sgID is asked for, which only sgID can give.
    pub needs_data: bool,
    /// Whom `id_token_hint` names; nobody where there is none.
    pub hinted: Option<&'a SubjectIdentifier>,
    /// What subject identifiers are derived with.
    pub secret: &'a PairwiseSecret,
}

/// Why the person is needed. OpenID Connect Core section 3.1.2.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MustInteract {
    /// They must sign in: `login_required`.
    SignIn,
    /// They must agree: `consent_required`.
    Agree,
    /// sgID must be asked for data: `interaction_required`.
    Share,
    /// They must see that something asks, since another program may pose as the app: `interaction_required`.
    BeSeen,
}

impl Session {
    /// A session of somebody who has just signed in, and counts as signed in until `ends_at` at most.
    pub fn begin(identity: &Identity, upstream: &str, now: Timestamp, ends_at: Timestamp) -> Self {
        let signed_in = SignedIn {
            issuer: identity.issuer.clone(),
            subject: identity.subject.clone(),
            auth_time: now,
            ends_at,
        };
        Self {
            people: BTreeMap::from([(upstream.to_owned(), signed_in)]),
            clients: BTreeMap::new(),
        }
    }

    /// Whether somebody else had signed in at the same upstream.
    pub fn contradicts(&self, former: &Self) -> bool {
        self.people.iter().any(|(upstream, now)| {
            former.people.get(upstream).is_some_and(|before| {
                (&before.issuer, &before.subject) != (&now.issuer, &now.subject)
            })
        })
    }

    /// Takes over what a former session knew: who is still signed in, here or elsewhere, and their clients under the
    /// names by which they know it. Whose time is over goes with their clients.
    pub fn succeed(&mut self, former: Self, now: Timestamp) {
        for (upstream, before) in former.people {
            if now < before.ends_at {
                self.people.entry(upstream).or_insert(before);
            }
        }
        let people = &self.people;
        let theirs = former
            .clients
            .into_iter()
            .filter(|(_, joined)| people.contains_key(&joined.upstream));
        self.clients.extend(theirs);
    }

    /// Enters a client that the person has logged in to.
    pub fn join(
        &mut self,
        client: &Client,
        scope: &ScopeSet,
        randomness: &mut impl CryptoRng,
    ) -> Membership {
        let known = self.clients.get(client.client_id());
        let known = known.filter(|joined| joined.upstream == client.upstream());
        let joined = Participation {
            upstream: client.upstream().to_owned(),
            scope: scope.clone(),
            membership: known.map_or_else(
                || Membership::generate(randomness),
                |joined| joined.membership.clone(),
            ),
        };
        let membership = joined.membership.clone();
        self.clients.insert(client.client_id().clone(), joined);
        membership
    }

    /// Whether the request wants the person to sign in once more, where this session would do otherwise.
    pub fn is_too_old_for(
        &self,
        request: &AuthorizationRequest,
        client: &Client,
        now: Timestamp,
    ) -> bool {
        let signed_in = self.people.get(client.upstream());
        signed_in.is_some_and(|it| !it.is_within(request.max_age(), now))
    }

    /// Answers a request from the earlier sign-in, without a page and without sgID: only for a client that logged in
    /// with this session, only what was granted to it then, and never data.
    ///
    /// # Errors
    /// [`MustInteract`].
    pub fn answer(
        &self,
        request: &AuthorizationRequest,
        client: &Client,
        silence: Silence<'_>,
        (id, now): (LoginId, Timestamp),
    ) -> Result<Grant, MustInteract> {
        let allows_silence = matches!(request.prompt(), Prompt::AsNeeded | Prompt::None);
        let signed_in = self.people.get(client.upstream());
        let signed_in = signed_in.filter(|it| now < it.ends_at);
        let signed_in = signed_in.ok_or(MustInteract::SignIn)?;
        let subject = signed_in.subject_for(client, silence.secret);
        let is_expected = |expected: &SubjectIdentifier| *expected == subject;
        let is_right_person =
            silence.hinted.is_none_or(is_expected) && request.subject().is_none_or(is_expected);
        if !allows_silence || !is_right_person || !signed_in.is_within(request.max_age(), now) {
            return Err(MustInteract::SignIn);
        }
        let joined = self.participation(client).ok_or(MustInteract::Agree)?;
        // Any program of the person's device can name such a client and take its answers: RFC 8252 section 8.6.
        let may_be_an_impostor = client.method() == AuthenticationMethod::None
            && client.application_type() == ApplicationType::Native
            && request.return_to().redirect_uri().is_on_the_device();
        if may_be_an_impostor {
            return Err(MustInteract::BeSeen);
        }
        if silence.needs_data {
            return Err(MustInteract::Share);
        }
        if !request.scope().is_within(&joined.scope) {
            return Err(MustInteract::Agree);
        }
        Ok(Grant {
            granted: Granted {
                id,
                client_id: client.client_id().clone(),
                scope: request.scope().clone(),
                subject,
                auth_time: signed_in.auth_time,
                claims: Claims::none(),
                by_scope: BTreeSet::new(),
                by_name: request.claims().clone(),
            },
            redirect_uri: request.return_to().redirect_uri().as_str().to_owned(),
            nonce: request.nonce().map(str::to_owned),
            code_challenge: request.code_challenge().cloned(),
            membership: Some(joined.membership.clone()),
        })
    }

    /// A client that takes part, as long as it is at the upstream at which it did.
    fn participation(&self, client: &Client) -> Option<&Participation> {
        let joined = self.clients.get(client.client_id())?;
        (joined.upstream == client.upstream()).then_some(joined)
    }

    /// Whether an ID token of this client is of this session: the client logged in with it, the token names the
    /// session's person, and the session itself where it names one.
    pub fn is_of(
        &self,
        (subject, sid): (&SubjectIdentifier, Option<&str>),
        client: &Client,
        secret: &PairwiseSecret,
    ) -> bool {
        let ended = self.ended_for(client, secret);
        ended.is_some_and(|own| own.subject == *subject && sid.is_none_or(|sid| own.sid == sid))
    }

    /// The clients that logged in with it.
    pub fn client_ids(&self) -> impl Iterator<Item = &ClientId> {
        self.clients.keys()
    }

    /// What each client loses with the session.
    pub fn memberships(&self) -> impl Iterator<Item = &Membership> {
        self.clients.values().map(|joined| &joined.membership)
    }

    /// What a client is told of the session's end; nothing where it did not log in with it.
    pub fn ended_for(&self, client: &Client, secret: &PairwiseSecret) -> Option<Ended> {
        let joined = self.participation(client)?;
        let signed_in = self.people.get(client.upstream())?;
        Some(Ended {
            client_id: client.client_id().clone(),
            subject: signed_in.subject_for(client, secret),
            sid: joined.membership.sid.clone(),
        })
    }
}

/// What a client is to be told: that its session of this person has ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ended {
    /// Whom to tell.
    pub client_id: ClientId,
    /// The person, as that client knows them.
    pub subject: SubjectIdentifier,
    /// The session, as that client's ID tokens name it.
    pub sid: String,
}
