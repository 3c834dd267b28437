//! The bridge, seen from a relying party: its discovery document and the calls behind the browser's back.
//! Standards: OpenID Connect Discovery 1.0 section 4; RFC 6749 section 4.1.3; OpenID Connect Core section 5.3.

use std::{io, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{Client, RequestBuilder, header::AUTHORIZATION, redirect::Policy};
use serde_json::Value;
use url::{Url, form_urlencoded::byte_serialize};

use super::{
    Settings,
    journey::{Exchange, Failure, Parameter, Step, readable, shorten},
};

/// What the discovery document said, read anew for each login.
#[derive(Clone)]
pub(super) struct Provider {
    pub(super) issuer: String,
    pub(super) authorization_endpoint: Url,
    token_endpoint: Url,
    userinfo_endpoint: Url,
    jwks_uri: Url,
    /// Whether every answer must name its issuer. RFC 9207 section 3.
    pub(super) names_itself: bool,
}

impl Provider {
    /// Reads the discovery document.
    pub(super) async fn discover(http: &Client, issuer: &Url) -> Result<Self, Failure> {
        // `Url` writes a slash after a bare host, where an issuer usually has none.
        let issuer = issuer.as_str().trim_end_matches('/');
        let address = format!("{issuer}/.well-known/openid-configuration");
        let answer = call(http.get(&address), Step::Authorization).await?;
        let document: Value = match answer.status {
            200 => serde_json::from_str(&answer.body).map_err(|_| unusable("it is not JSON"))?,
            status => return Err(unusable(&format!("{address} answered {status}"))),
        };
        let endpoint = |name: &str| {
            let address = document.get(name).and_then(Value::as_str);
            address
                .and_then(|address| Url::parse(address).ok())
                .filter(|address| matches!(address.scheme(), "http" | "https"))
                .ok_or_else(|| unusable(&format!("{name} is missing, or is no address")))
        };
        let named = document
            .get("issuer")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if named.trim_end_matches('/') != issuer {
            return Err(unusable(
                "it names another issuer than the one that we asked",
            ));
        }
        Ok(Self {
            issuer: named.to_owned(),
            authorization_endpoint: endpoint("authorization_endpoint")?,
            token_endpoint: endpoint("token_endpoint")?,
            userinfo_endpoint: endpoint("userinfo_endpoint")?,
            jwks_uri: endpoint("jwks_uri")?,
            names_itself: document.get("authorization_response_iss_parameter_supported")
                == Some(&Value::Bool(true)),
        })
    }

    /// Hands in the code. The first value is for showing, the second for going on.
    pub(super) async fn exchange(
        &self,
        http: &Client,
        settings: &Settings,
        form: &[(&str, &str)],
    ) -> Result<(Exchange, Answer), Failure> {
        let mut form = form.to_vec();
        let mut request = http.post(self.token_endpoint.clone());
        let mut sent = Vec::new();
        if let Some(secret) = &settings.client_secret {
            request = request.header(AUTHORIZATION, basic(&settings.client_id, secret));
            sent.push(Parameter::back(
                "Authorization: Basic",
                &format!("{} : ••••••••", settings.client_id),
            ));
        } else {
            form.push(("client_id", &settings.client_id));
        }
        sent.extend(
            form.iter()
                .map(|(name, value)| Parameter::back(name, value)),
        );
        let answer = call(request.form(&form), Step::Token).await?;
        let exchange = Exchange {
            method: "POST",
            url: self.token_endpoint.to_string(),
            sent,
            status: answer.status,
            answer: without_tokens(&answer.body),
        };
        Ok((exchange, answer))
    }

    /// The keys that ID tokens are signed with, as JSON.
    pub(super) async fn keys(&self, http: &Client) -> Result<String, Failure> {
        let answer = call(http.get(self.jwks_uri.clone()), Step::IdToken).await?;
        match answer.status {
            200 => Ok(answer.body),
            status => Err(Failure::ours(
                Step::IdToken,
                "The signing keys could not be read",
                format!("The address of the keys answered {status}."),
            )),
        }
    }

    /// Fetches the claims. The first value is for showing, the second for going on.
    pub(super) async fn userinfo(
        &self,
        http: &Client,
        access_token: &str,
    ) -> Result<(Exchange, Answer), Failure> {
        let request = http
            .get(self.userinfo_endpoint.clone())
            .bearer_auth(access_token);
        let answer = call(request, Step::Userinfo).await?;
        let exchange = Exchange {
            method: "GET",
            url: self.userinfo_endpoint.to_string(),
            sent: vec![Parameter::back(
                "Authorization: Bearer",
                &shorten(access_token),
            )],
            status: answer.status,
            answer: readable(&answer.body),
        };
        Ok((exchange, answer))
    }
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

/// Follows no redirect and uses no proxy: a relying party speaks to the addresses of discovery only.
pub(super) fn http_client() -> io::Result<Client> {
    Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .timeout(Duration::from_secs(10))
        .build()
        .map_err(io::Error::other)
}

/// Both halves are form-encoded first, which is easily forgotten. RFC 6749 section 2.3.1.
pub(super) fn basic(client_id: &str, secret: &str) -> String {
    let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let credentials = format!("{}:{}", encode(client_id), encode(secret));
    format!("Basic {}", STANDARD.encode(credentials))
}

async fn call(request: RequestBuilder, step: Step) -> Result<Answer, Failure> {
    let unreachable = |error: reqwest::Error| {
        let reason = match () {
            () if error.is_timeout() => "It did not answer within ten seconds.",
            () if error.is_connect() => "Nothing accepts connections there. Is it running?",
            () => "The connection broke off.",
        };
        Failure::ours(step, "The bridge cannot be reached", reason)
    };
    let mut response = request.send().await.map_err(unreachable)?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        body.extend_from_slice(&chunk);
        if body.len() > MOST_BYTES {
            return Err(Failure::ours(
                step,
                "The bridge's answer is too long",
                "It was not read to its end.",
            ));
        }
    }
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(Answer { status, body })
}

fn unusable(reason: &str) -> Failure {
    let explanation = format!("Its discovery document is of no use: {reason}.");
    Failure::ours(
        Step::Authorization,
        "The bridge cannot be used",
        explanation,
    )
}

fn without_tokens(body: &str) -> String {
    let Ok(Value::Object(mut members)) = serde_json::from_str(body) else {
        return readable(body);
    };
    for (name, value) in &mut members {
        if let (true, Some(token)) = (name.ends_with("_token"), value.as_str()) {
            *value = Value::String(shorten(token));
        }
    }
    readable(&Value::Object(members).to_string())
}

const MOST_BYTES: usize = 256 * 1024;
