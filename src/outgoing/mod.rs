//! Calls to relying parties: their keys, and the end of a session that they are told.
//! Never knows: what is fetched or told means, the store, our tokens.
//! Standards: RFC 6890 for addresses that are not the public internet's; RFC 7517; OpenID Connect Back-Channel Logout
//! section 2.5.
//!
//! Clients choose these addresses, so nothing outside the public internet is called unless the operator says so. That
//! is decided on the address that is connected to, not on a name that may resolve to another one a moment later.

mod address;
mod keys;

pub use keys::KeysUnavailable;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Certificate, Client, redirect, tls};
use tokio::sync::Semaphore;
use url::{Host, Url};

use self::address::Reach;
use self::keys::KeyCache;
use crate::config::OutgoingCalls;
use crate::oidc::json;

const TIMEOUT: Duration = Duration::from_secs(5);
/// The most bytes that an answer may have.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// How many documents are fetched at once; twice as many messages are sent.
const FETCHES_AT_ONCE: usize = 16;

/// The way to relying parties. Clones share it.
#[derive(Clone)]
pub struct Outgoing {
    http: Client,
    reach: Reach,
    /// For documents, and apart from them for what is told: neither holds up the other.
    fetches: Arc<Semaphore>,
    posts: Arc<Semaphore>,
    keys: KeyCache,
}

/// Why a call came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallFailed {
    /// An address outside the public internet that the operator has not allowed.
    #[error(
        "its address is not on the public internet: allow it in [outgoing] if it should be called"
    )]
    Forbidden,
    /// No connection, no certificate that could be verified, or no answer in time.
    #[error("it cannot be reached over a verified connection, or does not answer in time")]
    Unreachable,
    /// An answer that is no success.
    #[error("it answered with status {0}")]
    Status(u16),
    /// More than an answer may have.
    #[error("its answer has more than {MAX_ANSWER_BYTES} bytes")]
    TooLarge,
}

/// A sector does not vouch for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SectorUnconfirmed {
    /// Nothing came.
    #[error("sector_identifier_uri: {0}")]
    Call(#[from] CallFailed),
    /// What came is no list.
    #[error("sector_identifier_uri: it holds no JSON list of redirect URIs")]
    Form,
    /// A redirect URI is not in it.
    #[error("sector_identifier_uri: its list lacks one of the redirect_uris")]
    Missing,
}

/// Calls cannot be prepared.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client for relying parties cannot be built: {0}")]
pub struct OutgoingConfigError(#[from] reqwest::Error);

impl Outgoing {
    /// Prepares calls; makes none.
    ///
    /// # Errors
    /// [`OutgoingConfigError`] where the extra certificate cannot be read.
    pub fn new(settings: &OutgoingCalls) -> Result<Self, OutgoingConfigError> {
        let reach = Reach::new(settings.allow.clone());
        let mut builder = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .tls_version_min(tls::Version::TLS_1_2)
            .timeout(TIMEOUT)
            .dns_resolver(Arc::new(Names(reach.clone())));
        if let Some(pem) = &settings.extra_ca {
            builder = builder.tls_certs_merge(Certificate::from_pem_bundle(pem)?);
        }
        Ok(Self {
            http: builder.build()?,
            reach,
            fetches: Arc::new(Semaphore::new(FETCHES_AT_ONCE)),
            posts: Arc::new(Semaphore::new(2 * FETCHES_AT_ONCE)),
            keys: KeyCache::default(),
        })
    }

    /// The document at an address.
    ///
    /// # Errors
    /// [`CallFailed`].
    pub async fn fetch(&self, url: &Url) -> Result<Vec<u8>, CallFailed> {
        let request = self.http.get(url.clone());
        let request = request.header("accept", "application/json");
        let mut response = self.send(url, request, &self.fetches).await?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(CallFailed::Status(response.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|_| CallFailed::Unreachable)?
        {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(CallFailed::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// Posts a form; gives the status of the answer, whose body is not read.
    ///
    /// # Errors
    /// [`CallFailed`] where there is no answer.
    pub async fn post(&self, url: &Url, form: &[(&str, &str)]) -> Result<u16, CallFailed> {
        let request = self.http.post(url.clone()).form(form);
        let response = self.send(url, request, &self.posts).await?;
        Ok(response.status().as_u16())
    }

    /// Whether a sector vouches for redirect URIs: the document at its address lists them all. OpenID Connect
    /// Registration section 5.
    ///
    /// # Errors
    /// [`SectorUnconfirmed`].
    pub async fn confirm_sector(
        &self,
        url: &Url,
        redirect_uris: &[String],
    ) -> Result<(), SectorUnconfirmed> {
        let document = self.fetch(url).await?;
        let document = json::parse(&document).map_err(|_| SectorUnconfirmed::Form)?;
        let listed = document.as_array().ok_or(SectorUnconfirmed::Form)?;
        let is_listed = |uri: &String| listed.iter().any(|it| it == uri.as_str());
        let all = redirect_uris.iter().all(is_listed);
        all.then_some(()).ok_or(SectorUnconfirmed::Missing)
    }

    async fn send(
        &self,
        url: &Url,
        request: reqwest::RequestBuilder,
        lines: &Semaphore,
    ) -> Result<reqwest::Response, CallFailed> {
        // An address that is written out is never resolved, so it is judged here.
        let written: Option<IpAddr> = match url.host() {
            Some(Host::Ipv4(address)) => Some(address.into()),
            Some(Host::Ipv6(address)) => Some(address.into()),
            Some(Host::Domain(_)) => None,
            None => return Err(CallFailed::Forbidden),
        };
        if written.is_some_and(|address| !self.reach.permits(address)) {
            return Err(CallFailed::Forbidden);
        }
        let line = lines.acquire().await;
        let _line = line.map_err(|_| CallFailed::Unreachable)?;
        request.send().await.map_err(|error| {
            if is_forbidden(&error) {
                CallFailed::Forbidden
            } else {
                CallFailed::Unreachable
            }
        })
    }
}

/// Looks names up, and keeps only addresses that may be called.
struct Names(Reach);

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let permitted: Vec<SocketAddr> = found
                .filter(|address| reach.permits(address.ip()))
                .collect();
            if permitted.is_empty() {
                return Err(Box::new(NotPermitted).into());
            }
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}

/// A name has no address that may be called.
#[derive(Debug, thiserror::Error)]
#[error("no address of that name may be called")]
struct NotPermitted;

fn is_forbidden(error: &reqwest::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.is::<NotPermitted>() {
            return true;
        }
        cause = error.source();
    }
    false
}
