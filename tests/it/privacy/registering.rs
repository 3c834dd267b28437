//! Programs register clients, change them and remove them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};

use super::deployment::Deployment;
use super::signing_out::logout_url;
use super::visits::{FORGED, Visits};
use crate::support::client_key::{ClientKey, with};
use crate::support::party::{Party, userinfo};
use crate::support::receiver::Reply;
use crate::support::registrar::{INITIAL_ACCESS_TOKEN, Registration, register, send};
use crate::support::visitor::{Answer, Visitor};

/// Where registered clients get their answers.
pub(super) const SHOP: &str = "https://shop.example.sg/callback";

impl Visits {
    /// One client registers, logs people in, changes and goes; others stay, or are refused.
    pub(super) async fn register(&mut self, deployment: &Deployment) {
        let markup = format!("<script>{FORGED}</script>");
        let metadata =
            json!({ "redirect_uris": [SHOP], "client_name": markup, "contacts": [FORGED] });
        let shop = self.registered(deployment, &metadata).await;
        self.log_in_at(deployment, &shop.party()).await;
        let mut browser = Visitor::new();
        let url = shop.party().authorization_url(&deployment.issuer, "openid");
        browser.walk(&url).await.returned();
        for cookie in browser.cookies.values() {
            self.everywhere.plant_bearer("a cookie", cookie);
        }
        // Its name stands on the page, escaped.
        let url = logout_url(deployment, &[("client_id", shop.text("client_id"))]);
        let page = self.visit(&mut browser, &url).await;
        assert!(page.body.contains(FORGED), "{}", page.body);
        self.keep_if_page(&page);

        let changed = shop
            .update(&with(&metadata, &[("client_name", json!("Shop"))]))
            .await;
        assert_eq!(changed.status, 200, "{}", changed.body);
        let read = shop.manage(Method::GET, shop.token(), None).await;
        assert_eq!(read.status, 200, "{}", read.body);
        self.be_a_wrong_registrar(deployment, &shop, &metadata)
            .await;
        let removed = shop.manage(Method::DELETE, shop.token(), None).await;
        assert_eq!(removed.status, 204, "{}", removed.body);
        self.kept_refusal(&shop.manage(Method::GET, shop.token(), None).await);
        self.published_keys_are_strange(deployment).await;
        self.registered(deployment, &json!({ "redirect_uris": [SHOP] }))
            .await;
    }

    /// A registration, planted.
    pub(super) async fn registered(
        &mut self,
        deployment: &Deployment,
        metadata: &Value,
    ) -> Registration {
        let registration = Registration::of(&deployment.issuer, metadata).await;
        self.registered
            .push(registration.text("client_id").to_owned());
        let token = registration.token();
        // Only hashes of 256 random bits are kept.
        self.everywhere
            .plant("a registration access token", token.as_bytes());
        let bytes = URL_SAFE_NO_PAD.decode(&token[3..]).unwrap();
        self.everywhere.plant("a registration access token", &bytes);
        if let Some(secret) = &registration.party().secret {
            self.everywhere
                .plant("a client's secret", secret.as_bytes());
        }
        registration
    }

    async fn log_in_at(&mut self, deployment: &Deployment, party: &Party) {
        let code = party.code(&deployment.issuer, "openid").await;
        self.plant_code(&code);
        let login = Party::accept(&party.redeem(&deployment.issuer, &code).await);
        self.everywhere
            .plant_bearer("an access token of ours", &login.access_token);
        self.plant_names(&login.claims);
        let answer = userinfo(&deployment.issuer, &login.access_token).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    async fn be_a_wrong_registrar(
        &mut self,
        deployment: &Deployment,
        shop: &Registration,
        metadata: &Value,
    ) {
        let url = deployment.url("/register");
        let in_query = format!("{url}?access_token={INITIAL_ACCESS_TOKEN}");
        for (url, token) in [
            (&url, Some(&INITIAL_ACCESS_TOKEN[1..])),
            (&url, Some(shop.token())),
            (&in_query, None),
        ] {
            self.kept_refusal(&send(Method::POST, url, token, Some(metadata)).await);
        }
        let spoilt = format!("{}AA", shop.token());
        let party = shop.party();
        for token in [
            &spoilt[..],
            INITIAL_ACCESS_TOKEN,
            party.secret.as_deref().unwrap(),
        ] {
            for method in [Method::GET, Method::PUT, Method::DELETE] {
                self.kept_refusal(&shop.manage(method, token, Some(metadata)).await);
            }
        }
        for change in [
            (
                "client_secret",
                json!("not-the-secret-of-this-client-0123456789"),
            ),
            ("client_secret", json!(shop.token())),
            ("scope", json!("openid profile email")),
            ("nric_purpose", json!(FORGED)),
        ] {
            self.kept_refusal(&shop.update(&with(metadata, &[change])).await);
        }
    }

    /// Keys and sectors whose documents are a stranger's text.
    async fn published_keys_are_strange(&mut self, deployment: &Deployment) {
        let receiver = &deployment.clients.receiver;
        let strange =
            json!({ "keys": [{ "kty": FORGED, "kid": FORGED, "use": FORGED }], FORGED: FORGED });
        receiver.answer("/keys", Reply::Json(strange.clone()));
        receiver.answer("/sector", Reply::Json(strange));
        let metadata = json!({
            "redirect_uris": [SHOP], "token_endpoint_auth_method": "private_key_jwt",
            "jwks_uri": receiver.url("/keys"),
        });
        let keyed = self.registered(deployment, &metadata).await;
        let id = keyed.text("client_id");
        let assertion = self.assertion_of(&ClientKey::ec(FORGED), deployment, id);
        let form = [
            &[("token", "x")][..],
            &super::exchange::by_assertion(&assertion),
        ]
        .concat();
        let answer = self.send(deployment, "/revoke", None, &form).await;
        assert!(answer.status >= 400, "{}", answer.body);
        assert_eq!(receiver.asked("/keys").len(), 1);
        let sector =
            json!({ "redirect_uris": [SHOP], "sector_identifier_uri": receiver.url("/sector") });
        self.kept_refusal(&register(&deployment.issuer, &sector).await);
    }

    fn assertion_of(&mut self, key: &ClientKey, deployment: &Deployment, id: &str) -> String {
        let now = sgid_bridge::clock::Clock::system().now().seconds();
        let claims = json!({
            "iss": id, "sub": id, "aud": deployment.issuer, "iat": now, "exp": now + 60, "jti": FORGED,
        });
        let token = key.sign("ES256", &claims);
        self.plant_jwt("what a client has signed", &token);
        token
    }

    /// An answer that must be a refusal.
    pub(super) fn kept_refusal(&mut self, answer: &Answer) {
        assert!(answer.status >= 400, "{}", answer.body);
        self.keep(answer);
    }
}
