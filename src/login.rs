//! The login itself: three states and the only legal moves between them.
//! Never knows: HTTP, SQL, sgID's wire format, the time (it is handed `now`).
//! Standards: OpenID Connect Core 1.0 section 3.1; RFC 6749 section 4.1; RFC 7636.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::CryptoRng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::clock::Timestamp;
use crate::oidc::algorithm::SigningAlgorithm;
use crate::oidc::authorization::AuthorizationRequest;
use crate::oidc::claims::{Claims, ClaimsIn};
use crate::oidc::client::{AuthenticatedClient, Client, ClientId};
use crate::oidc::issuer::Issuer;
use crate::oidc::pkce::{CodeChallenge, CodeVerifier};
use crate::oidc::return_address::{ResponseMode, ReturnAddress};
use crate::oidc::scope::ScopeSet;
use crate::oidc::subject::{PairwiseSecret, SubjectIdentifier};

/// What binds one visit to sgID to one login: fresh every time, and unrelated to the relying party's values.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UpstreamAttempt {
    /// The `nonce` that the upstream's ID token must bring back.
    pub upstream_nonce: UpstreamNonce,
    /// Our own PKCE verifier; it never leaves the back channel.
    pub code_verifier: CodeVerifier,
}

impl UpstreamAttempt {
    /// Fresh values of 256 random bits each.
    pub fn generate(randomness: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; 32];
        randomness.fill_bytes(&mut bytes);
        let upstream_nonce = UpstreamNonce(URL_SAFE_NO_PAD.encode(bytes));
        randomness.fill_bytes(&mut bytes);
        Self {
            upstream_nonce,
            code_verifier: CodeVerifier::from_random(&bytes),
        }
    }
}

/// The `nonce` that we sent upstream.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UpstreamNonce(String);

impl UpstreamNonce {
    /// The value, for the authorization URL.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the upstream brought back this value, in constant time.
    pub fn is(&self, brought_back: &str) -> bool {
        self.0.as_bytes().ct_eq(brought_back.as_bytes()).into()
    }
}

impl std::fmt::Debug for UpstreamNonce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UpstreamNonce[redacted]")
    }
}

/// What ties the log events of one login together. Says nothing to whoever does not hold the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LoginId(String);

impl LoginId {
    /// Half of a hash of the upstream nonce, which is random and used once.
    fn of(attempt: &UpstreamAttempt) -> Self {
        let hash = Sha256::digest(attempt.upstream_nonce.0.as_bytes());
        Self(URL_SAFE_NO_PAD.encode(&hash[..12]))
    }
}

impl std::fmt::Display for LoginId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who signed in, as an upstream has proven it: signature, issuer, audience and nonce of its ID token were right,
/// and the same person stands in its userinfo.
#[derive(Debug)]
pub struct Identity {
    issuer: String,
    subject: UpstreamSubject,
    claims: Claims,
}

/// `sub` as the upstream writes it: opaque, and never shown to anybody.
pub struct UpstreamSubject(String);

impl UpstreamSubject {
    /// Takes the value of a verified ID token.
    pub fn new(verified: String) -> Self {
        Self(verified)
    }

    /// Whether another document speaks of the same person, byte for byte. OpenID Connect Core section 5.3.2.
    pub fn is(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl std::fmt::Debug for UpstreamSubject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UpstreamSubject[redacted]")
    }
}

impl Identity {
    /// To be called by an upstream's room only, after it has verified everything.
    pub fn verified(issuer: String, subject: UpstreamSubject, claims: Claims) -> Self {
        Self {
            issuer,
            subject,
            claims,
        }
    }

    /// The subject identifier by which a client knows this person.
    pub fn subject_for(&self, client: &Client, secret: &PairwiseSecret) -> SubjectIdentifier {
        secret.derive(client.audience(), &self.issuer, &self.subject.0)
    }
}

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
    upstream: String,
    attempt: UpstreamAttempt,
    begun_at: Timestamp,
}

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
            upstream: upstream.to_owned(),
            attempt,
            begun_at: now,
        }
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

    /// Whether the person came back within `login_ttl`.
    pub fn is_in_time(&self, login_ttl: Duration, now: Timestamp) -> bool {
        now < self.begun_at.after(login_ttl)
    }

    /// What is still allowed of what was asked: a client may have lost a scope meanwhile.
    pub fn scope_for(&self, client: &Client) -> ScopeSet {
        self.scope.intersection(client.scope())
    }

    /// The way back, if the redirect URI is still registered and the client still enabled.
    pub fn return_address(&self, client: &Client, issuer: &Issuer) -> Option<ReturnAddress> {
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

    /// The second move: the upstream has proven who signed in.
    pub fn granted(
        self,
        identity: Identity,
        client: &Client,
        secret: &PairwiseSecret,
        now: Timestamp,
    ) -> Grant {
        Grant {
            id: self.id(),
            scope: self.scope_for(client),
            subject: identity.subject_for(client, secret),
            client_id: self.client_id,
            redirect_uri: self.redirect_uri,
            nonce: self.nonce,
            code_challenge: self.code_challenge,
            auth_time: now,
            claims: identity.claims,
        }
    }
}

/// What a person granted to one client, waiting behind an authorization code.
#[derive(Debug, Serialize, Deserialize)]
pub struct Grant {
    id: LoginId,
    client_id: ClientId,
    redirect_uri: String,
    nonce: Option<String>,
    code_challenge: Option<CodeChallenge>,
    scope: ScopeSet,
    subject: SubjectIdentifier,
    auth_time: Timestamp,
    claims: Claims,
}

/// Why a code is not redeemed. Such a presentation neither spends the code nor revokes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRedeemable {
    /// The code belongs to another client.
    #[error("the code was issued to another client")]
    OtherClient,
    /// Another redirect URI than at the authorization endpoint, or none.
    #[error("redirect_uri must be the one of the authorization request")]
    RedirectUri,
    /// A challenge was stored and no verifier came, or a wrong one.
    #[error("code_verifier is missing or does not answer the code_challenge")]
    CodeVerifier,
    /// A verifier came and no challenge was stored. RFC 9700 section 4.8.2.
    #[error("code_verifier was sent, but the authorization request had no code_challenge")]
    NeedlessVerifier,
}

impl Grant {
    /// The third move: the client shows that the code is its own. What it has lost since the login, a redirect URI or
    /// a scope, it does not get: `allowed` names the claims that it may have now.
    ///
    /// # Errors
    /// [`NotRedeemable`]: any one mismatch is fatal.
    pub fn redeem(
        self,
        client: &AuthenticatedClient<'_>,
        redirect_uri: Option<&str>,
        code_verifier: Option<&CodeVerifier>,
        allowed: &BTreeSet<String>,
    ) -> Result<Redeemed, NotRedeemable> {
        if self.client_id != *client.client_id() {
            return Err(NotRedeemable::OtherClient);
        }
        let is_the_same = redirect_uri == Some(self.redirect_uri.as_str());
        if !is_the_same || !client.has_redirect_uri(&self.redirect_uri) {
            return Err(NotRedeemable::RedirectUri);
        }
        // What was stored decides whether a verifier is needed, never what was sent.
        match (&self.code_challenge, code_verifier) {
            (None, None) => {}
            (Some(challenge), Some(verifier)) if challenge.is_answered_by(verifier) => {}
            (Some(_), _) => return Err(NotRedeemable::CodeVerifier),
            (None, Some(_)) => return Err(NotRedeemable::NeedlessVerifier),
        }
        Ok(Redeemed {
            algorithm: client.id_token_signed_response_alg(),
            claims_in: client.claims_in(),
            grant: Self {
                scope: self.scope.intersection(client.scope()),
                claims: self.claims.limited_to(allowed),
                ..self
            },
        })
    }

    /// For the log: the login that this came from.
    pub fn id(&self) -> &LoginId {
        &self.id
    }

    /// By which name the client knows the person.
    pub fn subject(&self) -> &SubjectIdentifier {
        &self.subject
    }
}

/// A grant whose client has shown everything: the only thing that tokens are made from.
#[derive(Debug)]
pub struct Redeemed {
    algorithm: SigningAlgorithm,
    claims_in: ClaimsIn,
    grant: Grant,
}

impl Redeemed {
    /// For the log: the login that this came from.
    pub fn id(&self) -> &LoginId {
        &self.grant.id
    }

    /// How the ID token is signed.
    pub fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// The audience.
    pub fn client_id(&self) -> &ClientId {
        &self.grant.client_id
    }

    /// The person.
    pub fn subject(&self) -> &SubjectIdentifier {
        &self.grant.subject
    }

    /// `nonce` of the authorization request, verbatim.
    pub fn nonce(&self) -> Option<&str> {
        self.grant.nonce.as_deref()
    }

    /// When the upstream's answer was verified.
    pub fn auth_time(&self) -> Timestamp {
        self.grant.auth_time
    }

    /// What was granted.
    pub fn scope(&self) -> &ScopeSet {
        &self.grant.scope
    }

    /// The claims for the ID token.
    pub fn id_token_claims(&self) -> Claims {
        self.claims(self.claims_in.id_token())
    }

    /// What the access token gives at userinfo.
    pub fn access(&self) -> Access {
        Access {
            client_id: self.grant.client_id.clone(),
            subject: self.grant.subject.clone(),
            claims: self.claims(self.claims_in.userinfo()),
        }
    }

    fn claims(&self, delivered_here: bool) -> Claims {
        if delivered_here {
            self.grant.claims.clone()
        } else {
            Claims::none()
        }
    }
}

/// What an access token opens: one person's claims, for one client.
#[derive(Debug, Serialize, Deserialize)]
pub struct Access {
    /// The client that holds the token.
    pub client_id: ClientId,
    /// The person.
    pub subject: SubjectIdentifier,
    /// The claims for userinfo.
    pub claims: Claims,
}
