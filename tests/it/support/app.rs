//! A relying party of ours: it knows its registration and speaks the protocol, well or as a test wants it.
//! The `openidconnect` crate judges its ID tokens.

use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::DateTime;
use openidconnect::core::{CoreIdToken, CoreIdTokenVerifier, CoreJsonWebKeySet};
use openidconnect::{ClientId, IssuerUrl, Nonce};
use reqwest::Method;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::bridge::{CLIENT_SECRET, TestBridge};
use super::visitor::{Answer, Visitor};

/// The verifier that tests send where its value does not matter.
pub(crate) const VERIFIER: &str = "a-code-verifier-of-the-tests-that-is-long-enough-0123";
/// The nonce that tests send.
pub(crate) const NONCE: &str = "n-0S6_WzA2Mj";
/// The state that tests send.
pub(crate) const STATE: &str = "af0ifjsldkj";

/// One relying party of [`super::bridge::CLIENTS`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct App {
    /// `client_id`.
    pub(crate) id: &'static str,
    /// Its registered redirect URI.
    pub(crate) redirect_uri: &'static str,
    /// Its registered client authentication method.
    pub(crate) method: &'static str,
}

/// Authenticates with HTTP Basic; may have everything.
pub(crate) const PORTAL: App = App {
    id: "portal",
    redirect_uri: "https://portal.example.sg/callback",
    method: "client_secret_basic",
};
/// Authenticates in the form; another sector.
pub(crate) const OTHER: App = App {
    id: "other",
    redirect_uri: "https://other.example.sg/callback",
    method: "client_secret_post",
};
/// A public client.
pub(crate) const SPA: App = App {
    id: "spa",
    redirect_uri: "https://spa.example.sg/callback",
    method: "none",
};

/// `S256` of a verifier.
pub(crate) fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

impl App {
    /// The parameters of a proper authorization request.
    pub(crate) fn request(&self, scope: &str) -> Vec<(String, String)> {
        [
            ("response_type", "code"),
            ("client_id", self.id),
            ("redirect_uri", self.redirect_uri),
            ("scope", scope),
            ("state", STATE),
            ("nonce", NONCE),
            ("code_challenge", &challenge(VERIFIER)),
            ("code_challenge_method", "S256"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// The URL of a proper authorization request.
    pub(crate) fn authorization_url(&self, bridge: &TestBridge, scope: &str) -> String {
        authorize_url(bridge, &self.request(scope))
    }

    /// The URL of a request with some parameters replaced, or left out where the value is `None`.
    pub(crate) fn changed_url(
        &self,
        bridge: &TestBridge,
        scope: &str,
        changes: &[(&str, Option<&str>)],
    ) -> String {
        let mut parameters = self.request(scope);
        for (name, value) in changes {
            parameters.retain(|(own, _)| own != name);
            if let Some(value) = value {
                parameters.push(((*name).to_owned(), (*value).to_owned()));
            }
        }
        authorize_url(bridge, &parameters)
    }

    /// The form of a proper token request, without client authentication.
    pub(crate) fn form<'a>(&self, code: &'a str) -> Vec<(&'static str, &'a str)> {
        vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.redirect_uri),
            ("code_verifier", VERIFIER),
        ]
    }

    /// Redeems a code as a proper relying party does.
    pub(crate) async fn redeem(&self, bridge: &TestBridge, code: &str) -> Answer {
        self.send_form(bridge, self.form(code)).await
    }

    /// Sends a token request with this form and the registered client authentication.
    pub(crate) async fn send_form(&self, bridge: &TestBridge, form: Vec<(&str, &str)>) -> Answer {
        self.call(&bridge.url("/token"), form).await
    }

    /// Sends a form with the registered client authentication to an endpoint of any instance.
    pub(crate) async fn call(&self, url: &str, mut form: Vec<(&str, &str)>) -> Answer {
        let basic = format!(
            "Basic {}",
            STANDARD.encode(format!("{}:{CLIENT_SECRET}", self.id))
        );
        let mut headers = Vec::new();
        match self.method {
            "client_secret_basic" => headers.push(("authorization", basic.as_str())),
            "client_secret_post" => {
                form.extend([("client_id", self.id), ("client_secret", CLIENT_SECRET)]);
            }
            _ => form.push(("client_id", self.id)),
        }
        Visitor::new()
            .send(Method::POST, url, &headers, Some(&form))
            .await
    }

    /// A whole login with a fresh browser: the code.
    pub(crate) async fn code(&self, bridge: &TestBridge, scope: &str) -> String {
        let url = self.authorization_url(bridge, scope);
        let returned = Visitor::new().walk(&url).await.returned();
        returned.code().to_owned()
    }

    /// A whole login with a fresh browser: the token response, verified.
    pub(crate) async fn log_in(&self, bridge: &TestBridge, scope: &str) -> Tokens {
        self.log_in_with(bridge, scope, &mut Visitor::new()).await
    }

    /// A whole login with this browser: the token response, verified.
    pub(crate) async fn log_in_with(
        &self,
        bridge: &TestBridge,
        scope: &str,
        visitor: &mut Visitor,
    ) -> Tokens {
        let url = self.authorization_url(bridge, scope);
        let returned = visitor.walk(&url).await.returned();
        self.tokens(bridge, returned.code()).await
    }

    /// What a code brings: the token response, verified.
    pub(crate) async fn tokens(&self, bridge: &TestBridge, code: &str) -> Tokens {
        let answer = self.redeem(bridge, code).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let response = answer.json();
        let id_token = response["id_token"].as_str().unwrap().to_owned();
        Tokens {
            claims: self.verify(bridge, &id_token, Some(NONCE)).await,
            access_token: response["access_token"].as_str().unwrap().to_owned(),
            id_token,
            response,
        }
    }

    /// The claims of an ID token, once the `openidconnect` crate has verified it against the published keys.
    pub(crate) async fn verify(
        &self,
        bridge: &TestBridge,
        id_token: &str,
        nonce: Option<&str>,
    ) -> Value {
        let jwks = Visitor::new().get(&bridge.url("/jwks")).await;
        let keys: CoreJsonWebKeySet = serde_json::from_str(&jwks.body).unwrap();
        let at = bridge.clock.now().seconds();
        let verifier = CoreIdTokenVerifier::new_public_client(
            ClientId::new(self.id.to_owned()),
            IssuerUrl::new(bridge.issuer.clone()).unwrap(),
            keys,
        )
        .allow_any_alg()
        .set_time_fn(move || DateTime::from_timestamp(at, 0).unwrap());
        let token = CoreIdToken::from_str(id_token).unwrap();
        let expected = nonce.map(str::to_owned);
        token
            .claims(&verifier, |nonce: Option<&Nonce>| {
                (nonce.map(Nonce::secret) == expected.as_ref())
                    .then_some(())
                    .ok_or("nonce".to_owned())
            })
            .unwrap_or_else(|error| panic!("the judge refuses the ID token: {error}"));
        payload(id_token)
    }
}

/// The claims of a JWT, unverified.
pub(crate) fn payload(token: &str) -> Value {
    part(token, 1)
}

/// The header of a JWT.
pub(crate) fn header(token: &str) -> Value {
    part(token, 0)
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// Asks userinfo of any instance.
pub(crate) async fn userinfo(base: &str, access_token: &str) -> Answer {
    let bearer = format!("Bearer {access_token}");
    let url = format!("{base}/userinfo");
    Visitor::new()
        .send(Method::GET, &url, &[("authorization", &bearer)], None)
        .await
}

/// What a login brought.
pub(crate) struct Tokens {
    /// The claims of the ID token, verified.
    pub(crate) claims: Value,
    /// The access token.
    pub(crate) access_token: String,
    /// The ID token itself.
    pub(crate) id_token: String,
    /// The whole token response.
    pub(crate) response: Value,
}

impl Tokens {
    /// Asks userinfo.
    pub(crate) async fn userinfo(&self, bridge: &TestBridge) -> Answer {
        userinfo(&bridge.base, &self.access_token).await
    }
}

/// The URL of an authorization request with exactly these parameters.
pub(crate) fn authorize_url(bridge: &TestBridge, parameters: &[(String, String)]) -> String {
    let mut url = url::Url::parse(&bridge.url("/authorize")).unwrap();
    url.query_pairs_mut().extend_pairs(parameters);
    url.into()
}
