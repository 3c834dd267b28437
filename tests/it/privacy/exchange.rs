//! What relying parties send and get, with everything that is a secret in it planted.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};
use sgid_bridge::clock::Clock;

use super::clients::BANK;
use super::deployment::Deployment;
use super::visits::{VERIFIER, Visits, authorize_url, parameters, query, text};
use crate::support::app::{App, payload};
use crate::support::bridge::CLIENT_SECRET;
use crate::support::client_key::with;
use crate::support::visitor::{Answer, Visitor};

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// What a session answers by itself.
pub(super) const QUIET: &str = "openid offline_access";

/// What a token endpoint gave.
pub(super) struct Tokens {
    pub(super) access: String,
    pub(super) id: String,
    pub(super) refresh: Option<String>,
}

impl Visits {
    /// What a code brings.
    pub(super) async fn tokens(&mut self, deployment: &Deployment, app: App, code: &str) -> Tokens {
        let answer = self
            .call(deployment, app, "/token", &code_form(app, code))
            .await;
        self.keep_tokens(&answer)
    }

    /// Plants what a token endpoint gave.
    pub(super) fn keep_tokens(&mut self, answer: &Answer) -> Tokens {
        assert_eq!(answer.status, 200, "{}", answer.body);
        let response = answer.json();
        let tokens = Tokens {
            access: text(&response, "access_token"),
            id: text(&response, "id_token"),
            refresh: response["refresh_token"].as_str().map(str::to_owned),
        };
        self.everywhere
            .plant_bearer("an access token of ours", &tokens.access);
        self.plant_jwt("an ID token of ours", &tokens.id);
        if tokens.id.split('.').count() == 3 {
            self.plant_names(&payload(&tokens.id));
        }
        for half in tokens.refresh.iter().flat_map(|token| token.split('.')) {
            self.everywhere.plant_bearer("a refresh token", half);
        }
        tokens
    }

    /// Sends a form with the registered client authentication.
    pub(super) async fn call(
        &mut self,
        deployment: &Deployment,
        app: App,
        path: &str,
        form: &[(&str, &str)],
    ) -> Answer {
        let assertion;
        let mut form = form.to_vec();
        match app.method {
            "private_key_jwt" => {
                assertion = self.assertion(deployment, &[]);
                form.extend(by_assertion(&assertion));
            }
            "none" => form.push(("client_id", app.id)),
            _ => {
                let basic = Some((app.id, CLIENT_SECRET));
                return self.send(deployment, path, basic, &form).await;
            }
        }
        self.send(deployment, path, None, &form).await
    }

    /// Sends a form, with HTTP Basic or without.
    pub(super) async fn send(
        &mut self,
        deployment: &Deployment,
        path: &str,
        basic: Option<(&str, &str)>,
        form: &[(&str, &str)],
    ) -> Answer {
        let basic = basic.map(|(id, secret)| {
            let joined = STANDARD.encode(format!("{id}:{secret}"));
            format!("Basic {joined}")
        });
        let headers: Vec<_> = basic
            .iter()
            .map(|basic| ("authorization", basic.as_str()))
            .collect();
        let url = deployment.url(path);
        let answer = Visitor::new()
            .send(Method::POST, &url, &headers, Some(form))
            .await;
        self.keep(&answer);
        answer
    }

    /// An assertion of [`BANK`], planted.
    pub(super) fn assertion(
        &mut self,
        deployment: &Deployment,
        changes: &[(&str, Value)],
    ) -> String {
        let jti = uuid::Uuid::new_v4().to_string();
        self.everywhere
            .plant("the name of an assertion", jti.as_bytes());
        let now = Clock::system().now().seconds();
        let claims = json!({
            "iss": "bank", "sub": "bank", "aud": deployment.issuer, "iat": now, "exp": now + 60,
            "jti": jti,
        });
        self.signed(deployment, &with(&claims, changes))
    }

    /// What [`BANK`] signs, planted.
    pub(super) fn signed(&mut self, deployment: &Deployment, claims: &Value) -> String {
        let token = deployment.clients.bank.sign("ES256", claims);
        self.plant_jwt("what a client has signed", &token);
        token
    }

    /// A code, which may travel in a URL.
    pub(super) fn plant_code(&mut self, code: &str) {
        self.but_in_urls.plant_bearer("a code of ours", code);
    }

    /// Each part of a JWS or JWE, as far as it can be told from others.
    pub(super) fn plant_jwt(&mut self, what: &str, token: &str) {
        for part in token.split('.').filter(|part| part.len() > 10) {
            self.everywhere.plant(what, part.as_bytes());
        }
    }

    /// The names of a person and of a session, as a client knows them.
    pub(super) fn plant_names(&mut self, claims: &Value) {
        let sub = text(claims, "sub");
        self.but_in_the_log
            .plant_guessable("a pseudonym", sub.as_bytes());
        let bytes = URL_SAFE_NO_PAD.decode(&sub).unwrap();
        self.but_in_the_log.plant("a pseudonym", &bytes);
        if let Some(sid) = claims["sid"].as_str() {
            self.everywhere
                .plant_guessable("the name of a session", sid.as_bytes());
            let bytes = URL_SAFE_NO_PAD.decode(sid).unwrap();
            self.everywhere.plant("the name of a session", &bytes);
        }
    }

    /// A page that is no refusal, without what it is there for.
    pub(super) fn keep_page(&mut self, page: &Answer, purposes: &[&str]) {
        assert_eq!(page.status, 200, "{}", page.body);
        let mut body = page.body.clone();
        for purpose in purposes {
            let escaped = purpose.replace('&', "&#38;");
            assert!(body.contains(&escaped), "no {purpose} in {body}");
            body = body.replace(&escaped, "");
        }
        self.pages.push(body);
    }
}

/// The parameters of a proper request with some replaced.
pub(super) fn changed_url(deployment: &Deployment, app: App, changes: &[(&str, &str)]) -> String {
    let mut parameters = parameters(app, QUIET);
    for (name, value) in changes {
        parameters.retain(|(own, _)| own != name);
        parameters.push(((*name).to_owned(), (*value).to_owned()));
    }
    query(&deployment.url("/authorize"), &parameters)
}

/// Where a browser brings a pushed request.
pub(super) fn request_uri_url(deployment: &Deployment, app: App, uri: &str) -> String {
    let parameters = [("client_id", app.id), ("request_uri", uri)];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
    query(&deployment.url("/authorize"), &parameters)
}

/// Where a browser brings a request object of [`BANK`]; the way back stands beside it.
pub(super) fn request_url(deployment: &Deployment, object: &str) -> String {
    let url = authorize_url(deployment, BANK, "openid");
    format!("{url}&request={object}")
}

/// The claims of a request object of [`BANK`], with some changed.
pub(super) fn request_object(deployment: &Deployment, changes: &[(&str, Value)]) -> Value {
    let now = Clock::system().now().seconds();
    let mut claims = json!({
        "iss": "bank", "aud": deployment.issuer, "iat": now, "exp": now + 60,
        "claims": { "userinfo": { "name": null } },
    });
    for (name, value) in parameters(BANK, "openid profile") {
        claims[name] = value.into();
    }
    with(&claims, changes)
}

/// The members by which an assertion is presented.
pub(super) fn by_assertion(assertion: &str) -> [(&'static str, &str); 2] {
    [
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", assertion),
    ]
}

/// A refresh.
pub(super) fn refresh_form(token: &str) -> Vec<(&'static str, &str)> {
    vec![("grant_type", "refresh_token"), ("refresh_token", token)]
}

/// A code is redeemed.
pub(super) fn code_form(app: App, code: &str) -> Vec<(&'static str, &str)> {
    vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", app.redirect_uri),
        ("code_verifier", VERIFIER),
    ]
}
