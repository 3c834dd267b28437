//! A relying party of ours against any bridge that speaks HTTP, as [`super::app`] is against one in this process.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::Value;

use super::app::{App, NONCE, VERIFIER, challenge, header, payload};
use super::bridge::CLIENT_SECRET;
use super::visitor::{Answer, Visitor};

/// One relying party: who it is, and where answers may go.
#[derive(Clone, Debug)]
pub(crate) struct Party {
    /// `client_id`.
    pub(crate) id: String,
    /// Its secret, sent with HTTP Basic; none for a public client.
    pub(crate) secret: Option<String>,
    /// Its redirect URI.
    pub(crate) redirect_uri: String,
}

impl From<App> for Party {
    fn from(app: App) -> Self {
        Self {
            id: app.id.to_owned(),
            secret: Some(CLIENT_SECRET.to_owned()),
            redirect_uri: app.redirect_uri.to_owned(),
        }
    }
}

/// What a login brought.
#[derive(Debug)]
pub(crate) struct Login {
    /// The claims of the ID token.
    pub(crate) claims: Value,
    /// The `kid` that it is signed with.
    pub(crate) kid: String,
    /// The access token.
    pub(crate) access_token: String,
}

impl Login {
    /// The subject identifier.
    pub(crate) fn sub(&self) -> String {
        self.claims["sub"].as_str().unwrap().to_owned()
    }
}

impl Party {
    /// A proper authorization request at a bridge.
    pub(crate) fn authorization_url(&self, bridge: &str, scope: &str) -> String {
        let parameters = [
            ("response_type", "code"),
            ("client_id", &self.id),
            ("redirect_uri", &self.redirect_uri),
            ("scope", scope),
            ("state", "a-state"),
            ("nonce", NONCE),
            ("code_challenge", &challenge(VERIFIER)),
            ("code_challenge_method", "S256"),
        ];
        let url = url::Url::parse_with_params(&format!("{bridge}/authorize"), parameters);
        url.unwrap().into()
    }

    /// Redeems a code.
    pub(crate) async fn redeem(&self, bridge: &str, code: &str) -> Answer {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", VERIFIER),
        ];
        let mut headers = Vec::new();
        let basic;
        match &self.secret {
            Some(secret) => {
                basic = format!("Basic {}", STANDARD.encode(format!("{}:{secret}", self.id)));
                headers.push(("authorization", basic.as_str()));
            }
            None => form.push(("client_id", &self.id)),
        }
        let url = format!("{bridge}/token");
        Visitor::new()
            .send(Method::POST, &url, &headers, Some(&form))
            .await
    }

    /// A person signs in with a fresh browser: the code.
    pub(crate) async fn code(&self, bridge: &str, scope: &str) -> String {
        let url = self.authorization_url(bridge, scope);
        let returned = Visitor::new().walk(&url).await.returned();
        returned.code().to_owned()
    }

    /// A whole login.
    pub(crate) async fn log_in(&self, bridge: &str, scope: &str) -> Login {
        let code = self.code(bridge, scope).await;
        let answer = self.redeem(bridge, &code).await;
        Self::accept(&answer)
    }

    /// What a successful token response holds.
    pub(crate) fn accept(answer: &Answer) -> Login {
        assert_eq!(answer.status, 200, "{}", answer.body);
        let response = answer.json();
        let id_token = response["id_token"].as_str().unwrap();
        Login {
            claims: payload(id_token),
            kid: header(id_token)["kid"].as_str().unwrap().to_owned(),
            access_token: response["access_token"].as_str().unwrap().to_owned(),
        }
    }
}

/// Asks userinfo of a bridge.
pub(crate) async fn userinfo(bridge: &str, access_token: &str) -> Answer {
    let bearer = format!("Bearer {access_token}");
    let url = format!("{bridge}/userinfo");
    Visitor::new()
        .send(Method::GET, &url, &[("authorization", &bearer)], None)
        .await
}

/// The `kid`s that a bridge publishes, in order of the alphabet.
pub(crate) async fn published(bridge: &str) -> Vec<String> {
    let jwks = Visitor::new().get(&format!("{bridge}/jwks")).await.json();
    let mut kids: Vec<String> = jwks["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect();
    kids.sort();
    kids
}
