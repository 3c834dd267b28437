//! Strangers' text in every parameter, header and JSON member of what is more than a plain login.

use reqwest::Method;
use serde_json::{Value, json};

use super::clients::{BANK, SIGNED_OUT};
use super::deployment::Deployment;
use super::exchange::{
    QUIET, by_assertion, changed_url, refresh_form, request_object, request_url,
};
use super::forgeries::injections;
use super::registering::SHOP;
use super::signing_out::logout_url;
use super::visits::{FORGED, Visits, parameters};
use crate::support::app::{PORTAL, payload};
use crate::support::bridge::CLIENT_SECRET;
use crate::support::client_key::{unsigned, with};
use crate::support::registrar::{INITIAL_ACCESS_TOKEN, send};
use crate::support::visitor::Visitor;

/// Members of a registration, and some that none has.
const MEMBERS: [&str; 26] = [
    "client_id",
    "client_name",
    "client_secret",
    "redirect_uris",
    "post_logout_redirect_uris",
    "backchannel_logout_uri",
    "token_endpoint_auth_method",
    "token_endpoint_auth_signing_alg",
    "jwks",
    "jwks_uri",
    "scope",
    "subject_type",
    "id_token_signed_response_alg",
    "id_token_encrypted_response_alg",
    "userinfo_signed_response_alg",
    "userinfo_encrypted_response_enc",
    "request_object_signing_alg",
    "grant_types",
    "response_types",
    "response_modes",
    "application_type",
    "sector_identifier",
    "nric_purpose",
    "web_origins",
    "software_statement",
    FORGED,
];

impl Visits {
    /// Line breaks, terminal sequences and markup wherever something is read.
    pub(super) async fn forge_later(&mut self, deployment: &Deployment) {
        for injection in &injections() {
            self.forge_requests(deployment, injection).await;
            self.forge_signed(deployment, injection).await;
            self.forge_pushed(deployment, injection).await;
            self.forge_tokens(deployment, injection).await;
            self.forge_logout(deployment, injection).await;
            self.forge_registration(deployment, injection).await;
        }
        for cookie in [
            "sgid-bridge-session",
            "__Host-sgid-bridge-session",
            "sgid-bridge-login-x",
        ] {
            let cookie = format!("{cookie}=sc_{FORGED}<script>");
            for path in ["/logout", "/authorize?client_id=portal"] {
                let headers = [("cookie", &cookie[..])];
                let url = deployment.url(path);
                let mut visitor = Visitor::new();
                let answer = visitor.send(Method::GET, &url, &headers, None).await;
                self.keep(&answer);
                self.keep_if_page(&answer);
            }
        }
    }

    async fn forge_requests(&mut self, deployment: &Deployment, injection: &str) {
        let in_claims =
            json!({ "userinfo": { injection: { "value": injection } }, injection: injection });
        let subject = json!({ "id_token": { "sub": { "value": injection } } });
        let class = json!({ "id_token": { "acr": { "essential": true, "values": [injection] } } });
        let handle = format!("urn:ietf:params:oauth:request_uri:{injection}");
        let many = format!("openid {injection} offline_access");
        for (name, value) in [
            ("id_token_hint", injection),
            ("login_hint", injection),
            ("ui_locales", injection),
            ("claims_locales", injection),
            ("acr_values", injection),
            ("display", injection),
            ("registration", injection),
            ("claims", &in_claims.to_string()),
            ("claims", &subject.to_string()),
            ("claims", &class.to_string()),
            ("request_uri", &handle),
            ("request", &unsigned(&json!({ injection: injection }))),
            ("scope", &many),
            ("response_mode", injection),
        ] {
            for prompt in ["none", "consent", injection] {
                let url = changed_url(deployment, PORTAL, &[(name, value), ("prompt", prompt)]);
                let answer = Visitor::new().get(&url).await;
                self.keep(&answer);
            }
        }
        // Whoever sent the state gets it back, in a form that a page posts.
        let changes = [
            ("state", injection),
            ("response_mode", "form_post"),
            ("prompt", "none"),
        ];
        let page = Visitor::new()
            .get(&changed_url(deployment, PORTAL, &changes))
            .await;
        assert_eq!(page.form().get("state"), Some(injection));
        self.keep_page(&page, &[]);
        let changes = [("state", injection), ("prompt", "login")];
        let page = Visitor::new()
            .get(&changed_url(deployment, PORTAL, &changes))
            .await;
        assert!(!page.body.contains("<script"), "{}", page.body);
    }

    async fn forge_signed(&mut self, deployment: &Deployment, injection: &str) {
        let proper = request_object(deployment, &[]);
        let names = proper.as_object().unwrap().keys().cloned();
        for name in names.chain(["sub", "nbf", "jti", "prompt", FORGED].map(str::to_owned)) {
            let claims = request_object(deployment, &[(&name, json!(injection))]);
            let object = self.signed(deployment, &claims);
            let answer = Visitor::new().get(&request_url(deployment, &object)).await;
            if name != "state" {
                self.keep(&answer);
            }
        }
        for header in [
            json!({ "kid": injection }),
            json!({ "typ": injection }),
            json!({ "kid": "bank-key", "cty": injection }),
        ] {
            let key = &deployment.clients.bank;
            let object = key.sign_as("ES256", &header, &proper);
            let answer = Visitor::new().get(&request_url(deployment, &object)).await;
            self.keep(&answer);
            let assertion = self.assertion(deployment, &[]);
            let claims = payload(&assertion);
            let assertion = key.sign_as("ES256", &header, &claims);
            let form = [&refresh_form("x")[..], &by_assertion(&assertion)].concat();
            self.send(deployment, "/token", None, &form).await;
        }
        for name in ["iss", "sub", "aud", "exp", "iat", "nbf", "jti", FORGED] {
            let assertion = self.assertion(deployment, &[(name, json!(injection))]);
            let form = [&refresh_form("x")[..], &by_assertion(&assertion)].concat();
            let answer = self.send(deployment, "/token", None, &form).await;
            assert!(answer.status >= 400, "{}", answer.body);
        }
        for (kind, assertion) in [
            (
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                injection,
            ),
            (injection, "x.y.z"),
        ] {
            let form = [
                ("client_assertion_type", kind),
                ("client_assertion", assertion),
            ];
            self.send(deployment, "/token", None, &form).await;
        }
    }

    async fn forge_pushed(&mut self, deployment: &Deployment, injection: &str) {
        let proper = parameters(PORTAL, QUIET);
        let more = [
            "prompt",
            "max_age",
            "response_mode",
            "request",
            "request_uri",
            "claims",
            "id_token_hint",
            "registration",
            FORGED,
        ];
        let names = proper.iter().map(|(name, _)| name.clone());
        let names: Vec<String> = names.chain(more.map(str::to_owned)).collect();
        for name in &names {
            let mut form: Vec<(&str, &str)> = proper
                .iter()
                .filter(|(own, _)| own != name)
                .map(|(name, value)| (&name[..], &value[..]))
                .collect();
            form.push((name, injection));
            self.call(deployment, PORTAL, "/par", &form).await;
        }
    }

    async fn forge_tokens(&mut self, deployment: &Deployment, injection: &str) {
        let halves = format!("rt_{injection}.rn_{injection}");
        for path in ["/introspect", "/revoke", "/token"] {
            for form in [
                vec![("token", injection), ("token_type_hint", injection)],
                vec![("token", &halves), (FORGED, injection)],
                vec![
                    ("grant_type", "refresh_token"),
                    ("refresh_token", injection),
                ],
                vec![
                    ("grant_type", "refresh_token"),
                    ("refresh_token", &halves),
                    ("scope", injection),
                ],
            ] {
                self.call(deployment, PORTAL, path, &form).await;
                self.call(deployment, BANK, path, &form).await;
                self.send(deployment, path, Some((injection, CLIENT_SECRET)), &form)
                    .await;
            }
        }
    }

    async fn forge_logout(&mut self, deployment: &Deployment, injection: &str) {
        let mut browser = Visitor::new();
        self.sign_in(deployment, PORTAL, &mut browser).await;
        for name in [
            "id_token_hint",
            "logout_hint",
            "client_id",
            "post_logout_redirect_uri",
            "state",
            "ui_locales",
            "confirmation",
            "from_here",
            FORGED,
        ] {
            let mut parameters = vec![
                ("client_id", "portal"),
                ("post_logout_redirect_uri", SIGNED_OUT),
            ];
            parameters.retain(|(own, _)| *own != name);
            parameters.push((name, injection));
            let url = logout_url(deployment, &parameters);
            for visitor in [&mut browser, &mut Visitor::new()] {
                let answer = visitor.get(&url).await;
                self.keep(&answer);
                self.keep_if_page(&answer);
                for path in ["/logout", "/logout/confirm"] {
                    let answer = visitor.post(&deployment.url(path), &parameters).await;
                    self.keep(&answer);
                    self.keep_if_page(&answer);
                }
            }
        }
    }

    async fn forge_registration(&mut self, deployment: &Deployment, injection: &str) {
        let shop = self
            .registered(deployment, &json!({ "redirect_uris": [SHOP] }))
            .await;
        for name in MEMBERS {
            for value in [
                json!(injection),
                json!([injection]),
                json!({ injection: injection }),
            ] {
                let metadata = with(&json!({ "redirect_uris": [SHOP] }), &[(name, value)]);
                let url = deployment.url("/register");
                let answer = send(
                    Method::POST,
                    &url,
                    Some(INITIAL_ACCESS_TOKEN),
                    Some(&metadata),
                )
                .await;
                self.keep(&answer);
                let answer = shop
                    .manage(Method::PUT, shop.token(), Some(&metadata))
                    .await;
                self.keep(&answer);
            }
        }
        let path: String = url::form_urlencoded::byte_serialize(injection.as_bytes()).collect();
        let url = deployment.url(&format!("/register/{path}"));
        for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
            let answer = send(method, &url, Some("ra_wrong"), Some(&Value::Null)).await;
            self.kept_refusal(&answer);
        }
        let bearer = format!("Bearer {INITIAL_ACCESS_TOKEN}");
        let headers = [
            ("content-type", "application/json"),
            ("authorization", &bearer),
        ];
        for body in [
            injection.to_owned(),
            format!("{{\"client_name\":\"{injection}"),
            format!("[\"{FORGED}\"]"),
            format!("{{\"{FORGED}\":1,\"{FORGED}\":2}}"),
        ] {
            let url = deployment.url("/register");
            let answer = Visitor::new()
                .send_body(Method::POST, &url, &headers, &body)
                .await;
            self.kept_refusal(&answer);
        }
    }
}
