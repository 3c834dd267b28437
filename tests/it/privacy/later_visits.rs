//! What people and relying parties do beyond a plain login: sessions, pushed and signed requests, keys of clients, refresh
//! tokens, encrypted answers.

use serde_json::json;

use super::clients::{BANK, SEALED};
use super::deployment::{Deployment, SCOPE};
use super::exchange::{
    QUIET, Tokens, by_assertion, changed_url, code_form, refresh_form, request_object,
    request_uri_url, request_url,
};
use super::visits::{STATE, Visits, parameters, text};
use crate::support::app::{App, PORTAL, SPA, payload};
use crate::support::bridge::CLIENT_SECRET;
use crate::support::visitor::{Button, Returned, Visitor};

impl Visits {
    /// Everything that only a session, a pushed or signed request, a key or a refresh token makes possible.
    pub(super) async fn come_back(&mut self, deployment: &Deployment) {
        self.be_known(deployment).await;
        self.be_asked_by_form_post(deployment).await;
        self.push(deployment).await;
        self.sign_requests(deployment).await;
        self.refresh(deployment).await;
        self.introspect_and_revoke(deployment).await;
        self.read_sealed_answers(deployment).await;
        self.sign_out(deployment).await;
        self.register(deployment).await;
    }

    /// A session answers, is asked for more than it may, and a new sign-in is asked for.
    async fn be_known(&mut self, deployment: &Deployment) {
        let mut browser = Visitor::new();
        let tokens = self.sign_in(deployment, PORTAL, &mut browser).await;
        assert!(browser.cookies.contains_key("sgid-bridge-session"));
        let sub = text(&payload(&tokens.id), "sub");
        let claims = json!({
            "id_token": { "sub": { "value": sub }, "email": null },
            "userinfo": { "name": { "essential": true } },
        });
        for (changes, is_answered) in [
            (vec![("prompt", "none")], true),
            (
                vec![("prompt", "none"), ("id_token_hint", &tokens.id)],
                true,
            ),
            (
                vec![("prompt", "none"), ("claims", &claims.to_string())],
                false,
            ),
            (vec![("prompt", "none"), ("max_age", "0")], false),
            (vec![("prompt", "none"), ("scope", "openid profile")], false),
        ] {
            let url = changed_url(deployment, PORTAL, &changes);
            let answer = self.visit(&mut browser, &url).await;
            let returned = Returned::parse(answer.location());
            assert_eq!(
                returned.get("code").is_some(),
                is_answered,
                "{}",
                returned.url
            );
            if is_answered {
                self.plant_code(returned.code());
                self.tokens(deployment, PORTAL, returned.code()).await;
            }
        }
        let stranger = changed_url(deployment, PORTAL, &[("prompt", "none")]);
        self.visit(&mut Visitor::new(), &stranger).await;

        let changes = [
            ("claims", &claims.to_string()[..]),
            ("id_token_hint", &tokens.id),
            ("prompt", "login"),
        ];
        let url = changed_url(deployment, PORTAL, &changes);
        let page = self.visit(&mut browser, &url).await;
        let Button::Link(sgid) = page.button() else {
            panic!("no way to sgID: {}", page.body);
        };
        let back = page.alternative();
        self.keep_page(&page, &[&sgid, &back]);
        self.urls.extend([sgid.clone(), back]);
        let callback = self.through_sgid(&sgid, &mut browser).await;
        let answer = self.visit(&mut browser, &callback).await;
        let code = Returned::parse(answer.location()).code().to_owned();
        self.plant_code(&code);
        let anew = self.tokens(deployment, PORTAL, &code).await;
        assert_eq!(payload(&anew.id)["sub"], sub.as_str());
        self.userinfo(deployment, &anew.access).await;
        // Another person than the one who is asked for.
        deployment.sgid.persona("foreigner");
        let sgid = self.visit(&mut browser, &url).await;
        let Button::Link(sgid) = sgid.button() else {
            panic!("no way to sgID: {}", sgid.body);
        };
        let callback = self.through_sgid(&sgid, &mut browser).await;
        let answer = self.visit(&mut browser, &callback).await;
        assert_eq!(Returned::parse(answer.location()).error(), "login_required");
    }

    /// Codes and errors that a page posts.
    async fn be_asked_by_form_post(&mut self, deployment: &Deployment) {
        deployment.sgid.persona("citizen");
        let mut browser = Visitor::new();
        let by_form = ("response_mode", "form_post");
        let url = changed_url(deployment, PORTAL, &[by_form, ("scope", SCOPE)]);
        let sgid = self.visit(&mut browser, &url).await;
        let callback = self.through_sgid(sgid.location(), &mut browser).await;
        let by_sgid = self.visit(&mut browser, &callback).await;
        let silent = changed_url(deployment, PORTAL, &[by_form, ("scope", "openid")]);
        let by_session = self.visit(&mut browser, &silent).await;
        for page in [by_sgid, by_session] {
            assert_eq!(page.header("location"), None);
            let returned = Returned::of_form(page.form());
            self.everywhere
                .plant_bearer("a code that a page posts", returned.code());
            self.keep_page(&page, &[returned.code(), STATE]);
            self.tokens(deployment, PORTAL, returned.code()).await;
        }
        let silent = changed_url(deployment, PORTAL, &[by_form, ("prompt", "none")]);
        let page = self.visit(&mut Visitor::new(), &silent).await;
        assert_eq!(page.form().get("error"), Some("login_required"));
        self.keep_page(&page, &[STATE]);
    }

    /// Requests that are pushed first; one of them twice.
    async fn push(&mut self, deployment: &Deployment) {
        for app in [PORTAL, BANK] {
            let handle = self.pushed(deployment, app).await;
            let url = request_uri_url(deployment, app, &handle);
            let mut browser = Visitor::new();
            let sgid = self.visit(&mut browser, &url).await;
            let callback = self.through_sgid(sgid.location(), &mut browser).await;
            let answer = self.visit(&mut browser, &callback).await;
            let code = Returned::parse(answer.location()).code().to_owned();
            self.plant_code(&code);
            self.tokens(deployment, app, &code).await;
            let spent = self.visit(&mut browser, &url).await;
            assert_eq!(spent.status, 400, "{}", spent.body);
            let other = request_uri_url(deployment, SPA, &handle);
            assert_eq!(self.visit(&mut browser, &other).await.status, 400);
        }
    }

    /// Pushes a request; the handle may travel in our URL.
    async fn pushed(&mut self, deployment: &Deployment, app: App) -> String {
        let form = parameters(app, QUIET);
        let form: Vec<_> = form
            .iter()
            .map(|(name, value)| (&name[..], &value[..]))
            .collect();
        let answer = self.call(deployment, app, "/par", &form).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let uri = text(&answer.json(), "request_uri");
        let handle = uri.rsplit(':').next().unwrap();
        self.but_in_urls.plant_bearer("a pushed request", handle);
        uri
    }

    /// Request objects, good and old, and assertions, good, repeated, old and for somebody else.
    async fn sign_requests(&mut self, deployment: &Deployment) {
        let object = self.signed(deployment, &request_object(deployment, &[]));
        let url = request_url(deployment, &object);
        let mut browser = Visitor::new();
        let sgid = self.visit(&mut browser, &url).await;
        let callback = self.through_sgid(sgid.location(), &mut browser).await;
        let answer = self.visit(&mut browser, &callback).await;
        let code = Returned::parse(answer.location()).code().to_owned();
        self.plant_code(&code);
        for change in [
            ("exp", json!(1)),
            ("aud", json!("https://elsewhere.example")),
            ("sub", json!("bank")),
        ] {
            let object = self.signed(deployment, &request_object(deployment, &[change]));
            let url = request_url(deployment, &object);
            self.visit(&mut browser, &url).await;
        }

        let assertion = self.assertion(deployment, &[]);
        let wrong = [
            ("exp", json!(1)),
            ("aud", json!("https://elsewhere.example")),
            ("jti", json!(null)),
        ];
        let mut all = vec![assertion.clone(), assertion];
        all.extend(wrong.map(|change| self.assertion(deployment, &[change])));
        for (attempt, assertion) in all.iter().enumerate() {
            let form = [&code_form(BANK, &code)[..], &by_assertion(assertion)].concat();
            let answer = self.send(deployment, "/token", None, &form).await;
            let expected = if attempt == 0 { 200 } else { 401 };
            assert_eq!(answer.status, expected, "{attempt}: {}", answer.body);
            if attempt == 0 {
                let tokens = self.keep_tokens(&answer);
                self.userinfo(deployment, &tokens.access).await;
            }
        }
    }

    /// Refresh tokens, each once; then one of them again.
    async fn refresh(&mut self, deployment: &Deployment) {
        for app in [PORTAL, BANK] {
            let tokens = self.sign_in(deployment, app, &mut Visitor::new()).await;
            let first = tokens.refresh.unwrap();
            let mut latest = first.clone();
            for scope in [None, Some("openid")] {
                let mut form = refresh_form(&latest);
                form.extend(scope.map(|scope| ("scope", scope)));
                let answer = self.call(deployment, app, "/token", &form).await;
                let tokens = self.keep_tokens(&answer);
                self.userinfo(deployment, &tokens.access).await;
                latest = tokens.refresh.unwrap();
            }
            let mut more = refresh_form(&latest);
            more.push(("scope", "openid myinfo.sex"));
            for form in [more, refresh_form(&first), refresh_form(&latest)] {
                let answer = self.call(deployment, app, "/token", &form).await;
                assert_eq!(answer.status, 400, "{}", answer.body);
            }
        }
    }

    /// Tokens are asked about and given back, by their owner and by others.
    async fn introspect_and_revoke(&mut self, deployment: &Deployment) {
        let tokens = self.sign_in(deployment, PORTAL, &mut Visitor::new()).await;
        let (access, refresh) = (tokens.access, tokens.refresh.unwrap());
        for path in ["/introspect", "/revoke"] {
            for app in [BANK, SEALED, SPA, PORTAL] {
                for token in [&access[..], &refresh, &tokens.id] {
                    let answer = self.call(deployment, app, path, &[("token", token)]).await;
                    assert!([200, 400].contains(&answer.status), "{}", answer.body);
                }
            }
            let form = [("token", &access[..])];
            let wrong = format!("{CLIENT_SECRET}-and-wrong");
            let answer = self
                .send(deployment, path, Some(("portal", &wrong)), &form)
                .await;
            assert_eq!(answer.status, 401, "{}", answer.body);
            let answer = self.call(deployment, PORTAL, path, &[]).await;
            assert_eq!(answer.status, 400, "{}", answer.body);
        }
        assert_eq!(self.userinfo(deployment, &access).await.status, 401);
        let answer = self
            .call(deployment, PORTAL, "/token", &refresh_form(&refresh))
            .await;
        assert_eq!(answer.status, 400, "{}", answer.body);
    }

    /// What is encrypted holds the same secrets.
    async fn read_sealed_answers(&mut self, deployment: &Deployment) {
        let tokens = self.sign_in(deployment, SEALED, &mut Visitor::new()).await;
        let (_, inner) = deployment.clients.sealed.open(&tokens.id);
        self.plant_jwt("an ID token in a JWE", &inner);
        self.plant_names(&payload(&inner));
        let answer = self.userinfo(deployment, &tokens.access).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        self.plant_jwt("encrypted userinfo", &answer.body);
        let (_, inner) = deployment.clients.sealed.open(&answer.body);
        self.plant_jwt("signed userinfo", &inner);
    }

    /// For the search of the tables: what nobody has come for yet.
    pub(super) async fn leave_something_in_every_table(&mut self, deployment: &Deployment) {
        self.pushed(deployment, PORTAL).await;
        self.pushed(deployment, BANK).await;
        for app in [PORTAL, BANK, SEALED] {
            self.sign_in(deployment, app, &mut Visitor::new()).await;
        }
    }

    /// A whole login with this browser.
    pub(super) async fn sign_in(
        &mut self,
        deployment: &Deployment,
        app: App,
        browser: &mut Visitor,
    ) -> Tokens {
        deployment.sgid.persona("citizen");
        let scope = match app.id {
            "portal" => format!("{SCOPE} offline_access"),
            "bank" => "openid profile offline_access".to_owned(),
            _ => "openid profile".to_owned(),
        };
        let callback = self
            .as_far_as_the_callback(deployment, app, &scope, browser)
            .await;
        let answer = self.visit(browser, &callback).await;
        let code = Returned::parse(answer.location()).code().to_owned();
        self.plant_code(&code);
        self.tokens(deployment, app, &code).await
    }
}
