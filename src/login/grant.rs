//! What a person granted, from the code to the tokens.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{LoginId, Membership};
use crate::clock::Timestamp;
use crate::oidc::algorithm::SigningAlgorithm;
use crate::oidc::claims::{Claims, ClaimsIn, with_companions};
use crate::oidc::claims_request::ClaimsRequest;
use crate::oidc::client::{AuthenticatedClient, Client, ClientId, GrantType};
use crate::oidc::pkce::{CodeChallenge, CodeVerifier};
use crate::oidc::scope::ScopeSet;
use crate::oidc::subject::SubjectIdentifier;

/// What a person granted to one client, whatever it waits behind.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Granted {
    pub(super) id: LoginId,
    pub(super) client_id: ClientId,
    pub(super) scope: ScopeSet,
    pub(super) subject: SubjectIdentifier,
    pub(super) auth_time: Timestamp,
    pub(super) claims: Claims,
    /// The claims that the scope gives.
    pub(super) by_scope: BTreeSet<String>,
    /// The claims that were asked for by name.
    pub(super) by_name: ClaimsRequest,
}

impl Granted {
    /// What is left of it for a client that may now have these claims, and the scope of its registration.
    fn limited_to(self, client: &Client, allowed: &BTreeSet<String>) -> Self {
        Self {
            scope: self.scope.intersection(client.scope()),
            claims: self.claims.limited_to(allowed),
            ..self
        }
    }

    /// The claims that belong in one place: those by scope where they are delivered there, and those by name.
    fn claims_for(&self, has_those_by_scope: bool, by_name: &BTreeSet<String>) -> Claims {
        let mut names = by_name.clone();
        if has_those_by_scope {
            names.extend(self.by_scope.iter().cloned());
        }
        self.claims.clone().limited_to(&with_companions(names))
    }
}

/// What a person granted to one client, waiting behind an authorization code.
#[derive(Debug, Serialize, Deserialize)]
pub struct Grant {
    pub(super) granted: Granted,
    pub(super) redirect_uri: String,
    pub(super) nonce: Option<String>,
    pub(super) code_challenge: Option<CodeChallenge>,
    pub(super) membership: Option<Membership>,
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
        client: &AuthenticatedClient,
        redirect_uri: Option<&str>,
        code_verifier: Option<&CodeVerifier>,
        allowed: &BTreeSet<String>,
    ) -> Result<Redeemed, NotRedeemable> {
        if self.granted.client_id != *client.client_id() {
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
            may_refresh: client.may_use(GrantType::RefreshToken),
            granted: self.granted.limited_to(client, allowed),
            nonce: self.nonce,
            membership: self.membership,
        })
    }

    /// For the log: the login that this came from.
    pub fn id(&self) -> &LoginId {
        &self.granted.id
    }

    /// Whose it is.
    pub fn client_id(&self) -> &ClientId {
        &self.granted.client_id
    }

    /// By which name the client knows the person.
    pub fn subject(&self) -> &SubjectIdentifier {
        &self.granted.subject
    }

    /// How it belongs to a session, where it does.
    pub fn membership(&self) -> Option<&Membership> {
        self.membership.as_ref()
    }

    /// The same outside any session: no `sid`, and no logout ends it.
    #[must_use]
    pub fn outside_sessions(self) -> Self {
        Self {
            membership: None,
            ..self
        }
    }
}

/// A grant whose client has shown everything: the only thing that tokens are made from.
#[derive(Debug)]
pub struct Redeemed {
    algorithm: SigningAlgorithm,
    claims_in: ClaimsIn,
    may_refresh: bool,
    granted: Granted,
    nonce: Option<String>,
    membership: Option<Membership>,
}

impl Redeemed {
    /// For the log: the login that this came from.
    pub fn id(&self) -> &LoginId {
        &self.granted.id
    }

    /// How the ID token is signed.
    pub fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// The audience.
    pub fn client_id(&self) -> &ClientId {
        &self.granted.client_id
    }

    /// The person.
    pub fn subject(&self) -> &SubjectIdentifier {
        &self.granted.subject
    }

    /// `nonce` of the authorization request, verbatim; none after a refresh (OpenID Connect Core section 12.2).
    pub fn nonce(&self) -> Option<&str> {
        self.nonce.as_deref()
    }

    /// When the upstream's answer was verified.
    pub fn auth_time(&self) -> Timestamp {
        self.granted.auth_time
    }

    /// What was granted.
    pub fn scope(&self) -> &ScopeSet {
        &self.granted.scope
    }

    /// How it belongs to a session, where it does.
    pub fn membership(&self) -> Option<&Membership> {
        self.membership.as_ref()
    }

    /// The claims for the ID token.
    pub fn id_token_claims(&self) -> Claims {
        let by_name = &self.granted.by_name.id_token;
        self.granted.claims_for(self.claims_in.id_token(), by_name)
    }

    /// What an access token gives that is issued now.
    pub fn access(&self, now: Timestamp, expires_at: Timestamp) -> Access {
        let by_name = &self.granted.by_name.userinfo;
        let claims = self.granted.claims_for(self.claims_in.userinfo(), by_name);
        Access {
            client_id: self.granted.client_id.clone(),
            subject: self.granted.subject.clone(),
            scope: self.granted.scope.clone(),
            issued_at: now,
            expires_at,
            claims,
        }
    }

    /// What a refresh token keeps, where one was granted. OpenID Connect Core section 11.
    pub fn refreshable(&self) -> Option<Refreshable> {
        let is_granted = self.may_refresh && self.granted.scope.contains("offline_access");
        is_granted.then(|| Refreshable {
            granted: self.granted.clone(),
        })
    }
}

/// A grant that waits behind a refresh token, with what the person shared at its one login: sgID is not asked again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refreshable {
    granted: Granted,
}

/// Less than was granted. RFC 6749 section 6, `scope`.
#[derive(Clone, Debug)]
pub struct Narrower {
    /// What is asked for.
    pub scope: ScopeSet,
    /// The claims that it gives.
    pub by_scope: BTreeSet<String>,
}

/// Why a refresh token is not honoured. Such a presentation ends nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRefreshable {
    /// The token belongs to another client, or its client may not refresh any more.
    #[error("the refresh token is not for this client")]
    OtherClient,
    /// More scope than was granted. RFC 6749 section 6.
    #[error("scope must not go beyond what was granted")]
    Scope,
}

impl Refreshable {
    /// Tokens anew, for a client that may now have the `allowed` claims. A narrower scope, with the claims that it
    /// gives, narrows this answer and not the grant.
    ///
    /// # Errors
    /// [`NotRefreshable`].
    pub fn refresh(
        self,
        client: &AuthenticatedClient,
        narrower: Option<Narrower>,
        allowed: &BTreeSet<String>,
    ) -> Result<Redeemed, NotRefreshable> {
        let is_theirs = self.granted.client_id == *client.client_id();
        if !is_theirs || !client.may_use(GrantType::RefreshToken) {
            return Err(NotRefreshable::OtherClient);
        }
        let mut granted = self.granted.limited_to(client, allowed);
        if let Some(Narrower { scope, by_scope }) = narrower {
            if !scope.is_within(&granted.scope) || !scope.contains("openid") {
                return Err(NotRefreshable::Scope);
            }
            granted.scope = scope;
            granted.by_scope.retain(|claim| by_scope.contains(claim));
        }
        Ok(Redeemed {
            algorithm: client.id_token_signed_response_alg(),
            claims_in: client.claims_in(),
            may_refresh: true,
            granted,
            nonce: None,
            membership: None,
        })
    }

    /// Whose it is.
    pub fn client_id(&self) -> &ClientId {
        &self.granted.client_id
    }

    /// The person.
    pub fn subject(&self) -> &SubjectIdentifier {
        &self.granted.subject
    }

    /// What was granted.
    pub fn scope(&self) -> &ScopeSet {
        &self.granted.scope
    }
}

/// What an access token opens: one person's claims, for one client.
#[derive(Debug, Serialize, Deserialize)]
pub struct Access {
    /// The client that holds the token.
    pub client_id: ClientId,
    /// The person.
    pub subject: SubjectIdentifier,
    /// What was granted.
    pub scope: ScopeSet,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Until when it opens anything.
    pub expires_at: Timestamp,
    /// The claims for userinfo.
    pub claims: Claims,
}
