//! HTTP towards sgID, bounded in time and size.

use std::time::Duration;

use reqwest::{Certificate, Client, RequestBuilder, Response, StatusCode, redirect, tls};
use url::Url;
use zeroize::Zeroizing;

use super::{Absence, Distrust, SgidError, Step};

/// The most bytes that an answer may have.
const MAX_ANSWER_BYTES: usize = 256 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A client that follows no redirects, uses no proxy, verifies certificates and speaks TLS 1.2 or newer.
pub(super) struct Http(Client);

impl Http {
    pub(super) fn new(
        timeout: Duration,
        ca_certificate: Option<&[u8]>,
    ) -> Result<Self, reqwest::Error> {
        let mut builder = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .tls_version_min(tls::Version::TLS_1_2)
            .connect_timeout(CONNECT_TIMEOUT.min(timeout))
            .timeout(timeout)
            .pool_idle_timeout(Duration::from_mins(1));
        if let Some(pem) = ca_certificate {
            builder = builder.tls_certs_merge(Certificate::from_pem_bundle(pem)?);
        }
        Ok(Self(builder.build()?))
    }

    /// A form, sent once: codes are single use, so nothing is tried again after anything may have arrived.
    pub(super) async fn post_form(
        &self,
        step: Step,
        url: &Url,
        form: &[(&str, &str)],
    ) -> Result<Zeroizing<Vec<u8>>, SgidError> {
        let request = self.0.post(url.clone()).form(form);
        let response = send(request).await.map_err(|error| absent(step, &error))?;
        read(step, response).await
    }

    /// A document, asked for once more if no connection came about.
    pub(super) async fn get(
        &self,
        step: Step,
        url: &Url,
        access_token: Option<&str>,
    ) -> Result<Zeroizing<Vec<u8>>, SgidError> {
        let request = || {
            let request = self.0.get(url.clone());
            match access_token {
                Some(token) => request.bearer_auth(token),
                None => request,
            }
        };
        let response = match send(request()).await {
            Err(error) if error.is_connect() && !error.is_timeout() => send(request()).await,
            other => other,
        };
        read(step, response.map_err(|error| absent(step, &error))?).await
    }
}

async fn send(request: RequestBuilder) -> Result<Response, reqwest::Error> {
    request.header("accept", "application/json").send().await
}

async fn read(step: Step, mut response: Response) -> Result<Zeroizing<Vec<u8>>, SgidError> {
    match response.status() {
        StatusCode::OK => {}
        status if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() => {
            return Err(SgidError::Unavailable {
                step,
                reason: Absence::Status(status.as_u16()),
            });
        }
        status => {
            return Err(SgidError::Untrusted {
                step,
                reason: Distrust::Status(status.as_u16()),
            });
        }
    }
    let mut body = Zeroizing::new(Vec::new());
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| absent(step, &error))?
    {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(SgidError::Untrusted {
                step,
                reason: Distrust::TooLarge,
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn absent(step: Step, error: &reqwest::Error) -> SgidError {
    let reason = if error.is_timeout() {
        Absence::Timeout
    } else if error.is_connect() {
        Absence::Connection
    } else {
        Absence::Broken
    };
    SgidError::Unavailable { step, reason }
}
