//! The upstream in two verbs: where to send a browser, and who came back.
//! Never knows: actix, the store, our clients, our tokens.
//! Standards: OpenID Connect Core 1.0 section 3.1.3.7; RFC 7636; sgID's own documentation of its encrypted userinfo.

mod breaker;
mod exchange;
mod fetch;
mod id_token;
mod jwks;
mod payload;
mod private_key;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use url::Url;

pub use private_key::PrivateKeyError;

use self::breaker::Breaker;
use self::fetch::Http;
use self::jwks::Jwks;
use self::private_key::PrivateKeys;
use crate::catalogue::Wanted;
use crate::clock::Timestamp;
use crate::config::{SecretText, Upstream};
use crate::login::{Identity, UpstreamAttempt};

/// How many people sgID is asked about at once.
const MAX_CONVERSATIONS: usize = 250;

/// One sgID client of ours.
pub struct Sgid {
    issuer: String,
    authorization_endpoint: Url,
    token_endpoint: Url,
    userinfo_endpoint: Url,
    client_id: String,
    client_secret: SecretText,
    redirect_uri: String,
    private_keys: Arc<PrivateKeys>,
    jwks: Jwks,
    http: Http,
    breaker: Breaker,
    /// For one conversation as a whole, which is three calls.
    timeout: Duration,
    lines: Semaphore,
    /// RSA is the dearest thing we do: no more of it at once than there are processors.
    decryptions: Semaphore,
}

/// Why a [`Sgid`] cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum SgidConfigError {
    /// A private key that cannot be used.
    #[error("{origin}: {error}")]
    PrivateKey {
        /// The file or setting.
        origin: String,
        /// What is wrong with it.
        error: PrivateKeyError,
    },
    /// The HTTP client cannot be built, for instance because of an unreadable certificate.
    #[error("the HTTP client for the upstream cannot be built: {0}")]
    Http(#[from] reqwest::Error),
}

/// Which part of the conversation with sgID failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The token endpoint.
    Token,
    /// The JWK Set.
    Jwks,
    /// The ID token.
    IdToken,
    /// The userinfo endpoint.
    Userinfo,
    /// The encrypted payload.
    Payload,
}

/// Why nobody could be identified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SgidError {
    /// sgID is away, slow, or says that it is busy: trying later may help.
    #[error("sgID is unavailable ({step:?}: {reason:?})")]
    Unavailable {
        /// Where.
        step: Step,
        /// How.
        reason: Absence,
    },
    /// sgID's answer cannot be trusted, or our registration there is wrong: trying later will not help.
    #[error("sgID's answer is not acceptable ({step:?}: {reason:?})")]
    Untrusted {
        /// Where.
        step: Step,
        /// How.
        reason: Distrust,
    },
}

/// How sgID was away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// No connection.
    Connection,
    /// The connection ended in the middle.
    Broken,
    /// Too slow.
    Timeout,
    /// Status 429 or 5xx.
    Status(u16),
    /// More people came back at once than we talk to it about.
    Busy,
    /// It failed so often just now that nobody is sent there for a moment.
    Breaker,
}

/// How an answer was not acceptable. One outward error for all of them; the word is for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// A status that means neither success nor absence.
    Status(u16),
    /// More bytes than an answer may have.
    TooLarge,
    /// Not the JSON that was expected, or a repeated member.
    NotJson,
    /// A member is missing or of another type.
    Member,
    /// Not a compact JWS or JWE.
    Compact,
    /// A JOSE header with a member that we do not accept.
    Header,
    /// An algorithm outside the allow-list.
    Algorithm,
    /// No key, or none that verifies.
    Signature,
    /// `iss`.
    Issuer,
    /// `aud` or `azp`.
    Audience,
    /// `exp`.
    Expired,
    /// `iat`.
    IssuedAt,
    /// `nbf`.
    NotBefore,
    /// `nonce`.
    Nonce,
    /// `sub`, or another `sub` at userinfo.
    Subject,
    /// `at_hash`.
    AccessTokenHash,
    /// A JWE that none of our keys opens.
    Decryption,
    /// The block key is no key for these fields.
    BlockKey,
    /// A decrypted value is no text.
    NotText,
    /// More fields than sgID knows.
    TooManyFields,
}

impl Sgid {
    /// Prepares the client; calls nobody.
    ///
    /// # Errors
    /// [`SgidConfigError`] where a private key or certificate is unusable.
    pub fn new(upstream: &Upstream, redirect_uri: String) -> Result<Self, SgidConfigError> {
        let http = Http::new(upstream.timeout, upstream.ca_certificate.as_deref())?;
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        Ok(Self {
            issuer: upstream.issuer.clone(),
            authorization_endpoint: upstream.authorization_endpoint.clone(),
            token_endpoint: upstream.token_endpoint.clone(),
            userinfo_endpoint: upstream.userinfo_endpoint.clone(),
            client_id: upstream.client_id.clone(),
            client_secret: upstream.client_secret.clone(),
            redirect_uri,
            private_keys: Arc::new(PrivateKeys::parse(&upstream.private_keys)?),
            jwks: Jwks::new(upstream.jwks_uri.clone()),
            http,
            breaker: Breaker::default(),
            timeout: upstream.timeout,
            lines: Semaphore::new(MAX_CONVERSATIONS),
            decryptions: Semaphore::new(processors),
        })
    }

    /// Whether an answer that arrived at this address is one that we were sent to expect from here.
    pub fn answers_at(&self, address: &str) -> bool {
        self.redirect_uri == address
    }

    /// sgID's issuer identifier.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Where to send the browser; asks for these fields and for nothing else.
    ///
    /// # Errors
    /// [`Absence::Breaker`] while sgID has failed too often to send anybody there.
    pub fn authorization_url(
        &self,
        state: &str,
        attempt: &UpstreamAttempt,
        fields: &BTreeSet<&str>,
        now: Timestamp,
    ) -> Result<String, SgidError> {
        if self.breaker.is_open(now) {
            return Err(SgidError::Unavailable {
                step: Step::Token,
                reason: Absence::Breaker,
            });
        }
        let scope = std::iter::once("openid")
            .chain(fields.iter().copied())
            .collect::<Vec<_>>()
            .join(" ");
        let mut url = self.authorization_endpoint.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("scope", &scope)
            .append_pair("state", state)
            .append_pair("nonce", attempt.upstream_nonce.expose())
            .append_pair("code_challenge", attempt.code_verifier.challenge().as_str())
            .append_pair("code_challenge_method", "S256");
        Ok(url.into())
    }

    /// Redeems sgID's code, verifies whom it names, and opens the fields that are wanted.
    ///
    /// # Errors
    /// [`SgidError`]; the code is used up then, and the person must begin anew.
    pub async fn identify(
        &self,
        code: &str,
        attempt: &UpstreamAttempt,
        wanted: &Wanted,
        now: Timestamp,
    ) -> Result<Identity, SgidError> {
        let absent = |reason| SgidError::Unavailable {
            step: Step::Token,
            reason,
        };
        // Whoever waits for sgID must not use up what others need.
        let Ok(_line) = self.lines.try_acquire() else {
            return Err(absent(Absence::Busy));
        };
        let conversation = self.converse(code, attempt, wanted, now);
        let identity = tokio::time::timeout(2 * self.timeout, conversation).await;
        let identity = identity.unwrap_or(Err(absent(Absence::Timeout)));
        match &identity {
            Err(SgidError::Unavailable { .. }) => self.breaker.record_failure(now),
            Ok(_) | Err(SgidError::Untrusted { .. }) => self.breaker.record_success(),
        }
        identity
    }

    async fn converse(
        &self,
        code: &str,
        attempt: &UpstreamAttempt,
        wanted: &Wanted,
        now: Timestamp,
    ) -> Result<Identity, SgidError> {
        let tokens = self.redeem(code, attempt).await?;
        let subject = self.verify(&tokens, attempt, now).await?;
        let userinfo = self.userinfo(&tokens).await?;
        let opened = self.open(userinfo, &subject, wanted.fields()).await?;
        let claims = wanted.claims(&opened);
        Ok(Identity::verified(self.issuer.clone(), subject, claims))
    }

    /// Fetches sgID's keys, for `check` and readiness.
    ///
    /// # Errors
    /// [`SgidError`].
    pub async fn probe(&self, now: Timestamp) -> Result<usize, SgidError> {
        self.jwks.refresh(&self.http, now).await
    }
}
