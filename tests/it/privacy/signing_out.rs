//! People sign out in each of the ways there are, and relying parties are told.

use super::clients::{SEALED, SIGNED_OUT};
use super::deployment::Deployment;
use super::visits::{STATE, Visits, query};
use crate::support::app::{PORTAL, payload};
use crate::support::receiver::Reply;
use crate::support::visitor::{Answer, Visitor};

/// The paths at which relying parties listen.
const LISTENING: [&str; 2] = ["/portal", "/sealed"];

impl Visits {
    /// With a hint in our URL, with one in a form, with none and a click, and in vain.
    pub(super) async fn sign_out(&mut self, deployment: &Deployment) {
        // Whoever listens only now and then is sent elsewhere in vain, too.
        let elsewhere = deployment.clients.receiver.url("/forged-by-a-stranger");
        deployment
            .clients
            .receiver
            .answer("/portal", Reply::Redirect(elsewhere));
        self.sign_out_by_address(deployment).await;
        deployment.clients.receiver.hears("/portal", 1).await;
        deployment
            .clients
            .receiver
            .answer("/portal", Reply::Status(200));
        self.sign_out_by_form(deployment).await;
        self.sign_out_by_click(deployment).await;
        self.sign_out_in_vain(deployment).await;
        deployment.clients.receiver.hears("/portal", 3).await;
        deployment.clients.receiver.hears("/sealed", 1).await;
        self.plant_logout_tokens(deployment);
    }

    async fn sign_out_by_address(&mut self, deployment: &Deployment) {
        let mut browser = Visitor::new();
        self.sign_in(deployment, SEALED, &mut browser).await;
        let tokens = self.sign_in(deployment, PORTAL, &mut browser).await;
        let parameters = [
            ("id_token_hint", &tokens.id[..]),
            ("post_logout_redirect_uri", SIGNED_OUT),
            ("state", STATE),
        ];
        let url = logout_url(deployment, &parameters);
        let answer = self.visit(&mut browser, &url).await;
        assert!(answer.location().starts_with(SIGNED_OUT));
        assert!(!browser.cookies.contains_key("sgid-bridge-session"));
        assert_eq!(self.userinfo(deployment, &tokens.access).await.status, 401);
    }

    /// Another site posts, so that our cookie is withheld; our page posts once more.
    async fn sign_out_by_form(&mut self, deployment: &Deployment) {
        let mut browser = Visitor::new();
        let tokens = self.sign_in(deployment, PORTAL, &mut browser).await;
        let form = [
            ("id_token_hint", &tokens.id[..]),
            ("post_logout_redirect_uri", SIGNED_OUT),
            ("logout_hint", "planted-logout-hint"),
            ("state", STATE),
        ];
        self.everywhere
            .plant("a logout hint", b"planted-logout-hint");
        let url = deployment.url("/logout");
        let page = Visitor::new().post(&url, &form).await;
        self.keep_page(&page, &[&tokens.id, STATE, "planted-logout-hint"]);
        let answer = browser.press(&page, &deployment.issuer).await;
        self.keep(&answer);
        assert!(answer.location().starts_with(SIGNED_OUT));
        assert!(!browser.cookies.contains_key("sgid-bridge-session"));
    }

    async fn sign_out_by_click(&mut self, deployment: &Deployment) {
        let mut browser = Visitor::new();
        self.sign_in(deployment, PORTAL, &mut browser).await;
        let parameters = [
            ("client_id", "portal"),
            ("post_logout_redirect_uri", SIGNED_OUT),
            ("state", STATE),
        ];
        let asked = self
            .visit(&mut browser, &logout_url(deployment, &parameters))
            .await;
        let confirmation = asked.form().get("confirmation").unwrap().to_owned();
        self.everywhere
            .plant("a confirmation", confirmation.as_bytes());
        self.keep_page(&asked, &[&confirmation, STATE]);
        let url = deployment.url("/logout/confirm");
        for wrong in ["", "wrong", &confirmation[1..]] {
            let form = [&[("confirmation", wrong)][..], &parameters].concat();
            let refused = browser.post(&url, &form).await;
            assert!(refused.status >= 400, "{}", refused.body);
            self.keep(&refused);
        }
        let answer = browser.press(&asked, &deployment.issuer).await;
        self.keep(&answer);
        assert!(answer.location().starts_with(SIGNED_OUT));
        // Once more, with nobody signed in: a page with a way back, and one without.
        let again = browser.press(&asked, &deployment.issuer).await;
        self.keep_page(&again, &[STATE]);
        let bare = self.visit(&mut browser, &logout_url(deployment, &[])).await;
        self.keep_page(&bare, &[]);
    }

    /// A hint of somebody else, one that is spoilt, and an address of nobody.
    async fn sign_out_in_vain(&mut self, deployment: &Deployment) {
        let mut browser = Visitor::new();
        let mine = self.sign_in(deployment, PORTAL, &mut browser).await;
        let other = self.sign_in(deployment, PORTAL, &mut Visitor::new()).await;
        let spoilt = format!("{}A", mine.id);
        for parameters in [
            vec![("id_token_hint", &other.id[..])],
            vec![("id_token_hint", &spoilt)],
            vec![("id_token_hint", &mine.id), ("client_id", "sealed")],
            vec![
                ("id_token_hint", &mine.id),
                ("post_logout_redirect_uri", "https://portal.example.sg/x"),
            ],
        ] {
            let url = logout_url(deployment, &parameters);
            let answer = self.visit(&mut browser, &url).await;
            self.keep_if_page(&answer);
            assert!(browser.cookies.contains_key("sgid-bridge-session"));
            let answer = browser.post(&deployment.url("/logout"), &parameters).await;
            self.keep(&answer);
            self.keep_if_page(&answer);
        }
    }

    /// A page of ours that may ask to confirm.
    pub(super) fn keep_if_page(&mut self, answer: &Answer) {
        if answer.status != 200 {
            return;
        }
        let has_form = answer.body.contains("name=\"confirmation\"");
        let confirmation = has_form.then(|| answer.form());
        let confirmation = confirmation
            .as_ref()
            .and_then(|form| form.get("confirmation"));
        let purposes: Vec<&str> = confirmation.into_iter().collect();
        self.keep_page(answer, &purposes);
    }

    /// What relying parties were told, as far as they were.
    pub(super) fn plant_logout_tokens(&mut self, deployment: &Deployment) {
        for request in LISTENING
            .iter()
            .flat_map(|path| deployment.clients.receiver.asked(path))
        {
            let [(name, token)] = &request.form[..] else {
                panic!("{:?}", request.form);
            };
            assert_eq!(name, "logout_token");
            self.plant_jwt("a logout token", token);
            let inner = match token.split('.').count() {
                3 => token.clone(),
                _ => deployment.clients.sealed.open(token).1,
            };
            self.plant_jwt("a logout token", &inner);
            self.plant_names(&payload(&inner));
        }
    }
}

/// A logout request in a URL.
pub(super) fn logout_url(deployment: &Deployment, parameters: &[(&str, &str)]) -> String {
    let owned = parameters.iter();
    let owned: Vec<_> = owned
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    query(&deployment.url("/logout"), &owned)
}
