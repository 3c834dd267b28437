//! Whoever registers clients by program, as RFC 7591 and RFC 7592 have it.

use reqwest::Method;
use serde_json::Value;

use super::party::Party;
use super::visitor::{Answer, Visitor};

/// What the operator gave to whoever may register clients.
pub(crate) const INITIAL_ACCESS_TOKEN: &str = "an-initial-access-token-of-the-tests-0123456789";

/// Settings that let clients be registered.
pub(crate) const REGISTRATION: &str =
    "[registration]\ninitial_access_token = \"an-initial-access-token-of-the-tests-0123456789\"\n";

/// A registration as the bridge answered it.
#[derive(Clone, Debug)]
pub(crate) struct Registration {
    /// Every member of the answer.
    pub(crate) members: Value,
}

impl Registration {
    /// Registers a client.
    pub(crate) async fn of(bridge: &str, metadata: &Value) -> Self {
        Self::read(&register(bridge, metadata).await, 201)
    }

    /// What an answer with this status says.
    pub(crate) fn read(answer: &Answer, status: u16) -> Self {
        assert_eq!(answer.status, status, "{}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        Self {
            members: answer.json(),
        }
    }

    /// A member that is a text.
    pub(crate) fn text(&self, name: &str) -> &str {
        let member = self.members[name].as_str();
        member.unwrap_or_else(|| panic!("no {name} in {}", self.members))
    }

    /// Where it is read and changed.
    pub(crate) fn uri(&self) -> &str {
        self.text("registration_client_uri")
    }

    /// What it is read and changed with.
    pub(crate) fn token(&self) -> &str {
        self.text("registration_access_token")
    }

    /// The client as it logs people in: with its secret, if it has one, and its first redirect URI.
    pub(crate) fn party(&self) -> Party {
        let redirect_uri = self.members["redirect_uris"][0].as_str();
        Party {
            id: self.text("client_id").to_owned(),
            secret: self.members["client_secret"].as_str().map(str::to_owned),
            redirect_uri: redirect_uri.unwrap().to_owned(),
        }
    }

    /// Reads, changes or removes it with this token.
    pub(crate) async fn manage(&self, method: Method, token: &str, body: Option<&Value>) -> Answer {
        send(method, self.uri(), Some(token), body).await
    }

    /// Replaces it, as its client does: with its own token, and naming itself.
    pub(crate) async fn update(&self, metadata: &Value) -> Answer {
        let mut metadata = metadata.clone();
        metadata["client_id"] = self.text("client_id").into();
        self.manage(Method::PUT, self.token(), Some(&metadata))
            .await
    }
}

/// Asks for a registration with the initial access token.
pub(crate) async fn register(bridge: &str, metadata: &Value) -> Answer {
    let url = format!("{bridge}/register");
    send(
        Method::POST,
        &url,
        Some(INITIAL_ACCESS_TOKEN),
        Some(metadata),
    )
    .await
}

/// Sends JSON with a bearer token.
pub(crate) async fn send(
    method: Method,
    url: &str,
    token: Option<&str>,
    body: Option<&Value>,
) -> Answer {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
    let body = body.map(Value::to_string).unwrap_or_default();
    Visitor::new().send_body(method, url, &headers, &body).await
}
