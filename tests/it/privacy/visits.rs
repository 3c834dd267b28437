//! What people and relying parties do at a deployment, well and badly; everything that they saw is kept for the search.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::Value;
use sgid_bridge::simulator::{Misbehaviour, Persona, personas};
use url::Url;

use super::deployment::{Deployment, SCOPE};
use super::scanner::Scanner;
use crate::support::app::{App, PORTAL, SPA, challenge, payload};
use crate::support::bridge::{CLIENT_SECRET, UPSTREAM_SECRET};
use crate::support::visitor::{Answer, Returned, Visitor};

/// What the relying party sends; each is found wherever it goes.
pub(super) const STATE: &str = "planted-state-of-the-relying-party";
pub(super) const NONCE: &str = "planted-nonce-of-the-relying-party";
pub(super) const VERIFIER: &str = "planted-code-verifier-of-the-relying-party-0123456";
/// Those whose values are planted.
const PEOPLE: [&str; 5] = [
    "citizen",
    "foreigner",
    "officer",
    "non-ascii",
    "birth-month",
];
/// What somebody writes who wants to be in a log or on a page.
pub(super) const FORGED: &str = "forged-by-a-stranger";

/// Everything that a search needs.
#[derive(Default)]
pub(super) struct Visits {
    /// What may leave in no URL and stand in no record, page or table.
    pub(super) everywhere: Scanner,
    /// What may travel in URLs, and nowhere else.
    pub(super) but_in_urls: Scanner,
    /// What may stand in the log, and nowhere else: the names by which clients know people.
    pub(super) but_in_the_log: Scanner,
    /// Every `Location` that the bridge gave.
    pub(super) urls: Vec<String>,
    /// Every answer with an error status, headers included.
    pub(super) refusals: Vec<String>,
    /// Every page that is no refusal, without what it is there for.
    pub(super) pages: Vec<String>,
    /// The identifiers of clients that registered themselves.
    pub(super) registered: Vec<String>,
    /// The pseudonyms of those who logged in at `portal`.
    pub(super) subjects: Vec<String>,
}

/// What a login brought.
pub(super) struct Brought {
    pub(super) code: String,
    pub(super) access_token: String,
}

impl Visits {
    /// Begins with the secrets of the deployment and the values of people.
    pub(super) async fn planted(deployment: &Deployment) -> Self {
        let mut visits = Self::default();
        deployment.plant_secrets(&mut visits.everywhere);
        visits
            .everywhere
            .plant("the relying party's nonce", NONCE.as_bytes());
        visits
            .everywhere
            .plant("a code verifier", VERIFIER.as_bytes());
        visits
            .but_in_urls
            .plant("the relying party's state", STATE.as_bytes());
        for persona in personas()
            .iter()
            .filter(|persona| PEOPLE.contains(&persona.id()))
        {
            visits.plant_person(persona);
            let subject = subject_at_sgid(deployment, persona.id()).await;
            visits
                .everywhere
                .plant_guessable("a subject at sgID", subject.as_bytes());
        }
        visits
    }

    fn plant_person(&mut self, persona: &Persona) {
        for (scope, value) in persona.values() {
            for part in parts(value) {
                let what = format!("{scope} of {}", persona.id());
                self.everywhere.plant_guessable(&what, part.as_bytes());
            }
        }
    }

    /// Visits a page of the bridge.
    pub(super) async fn visit(&mut self, visitor: &mut Visitor, url: &str) -> Answer {
        let answer = visitor.get(url).await;
        self.keep(&answer);
        for cookie in visitor.cookies.values() {
            self.everywhere.plant_bearer("a cookie", cookie);
        }
        answer
    }

    pub(super) fn keep(&mut self, answer: &Answer) {
        if let Some(location) = answer.header("location") {
            self.urls.push(location.to_owned());
        }
        if answer.status >= 400 {
            self.refusals
                .push(format!("{:?}\n{}", answer.headers, answer.body));
        }
    }

    /// Begins a login and goes through sgID as far as our callback, which is not yet visited.
    pub(super) async fn as_far_as_the_callback(
        &mut self,
        deployment: &Deployment,
        app: App,
        scope: &str,
        visitor: &mut Visitor,
    ) -> String {
        let authorize = authorize_url(deployment, app, scope);
        let sgid = self.visit(visitor, &authorize).await.location().to_owned();
        self.through_sgid(&sgid, visitor).await
    }

    /// Goes through sgID as far as our callback, which is not yet visited.
    pub(super) async fn through_sgid(&mut self, sgid: &str, visitor: &mut Visitor) -> String {
        for (name, value) in Url::parse(sgid).unwrap().query_pairs() {
            match &*name {
                "state" => self.but_in_urls.plant_bearer("our state at sgID", &value),
                "nonce" | "code_challenge" => self
                    .but_in_urls
                    .plant(&format!("our {name} at sgID"), value.as_bytes()),
                _ => {}
            }
        }
        let callback = visitor.get(sgid).await.location().to_owned();
        if let Some((_, code)) = Url::parse(&callback)
            .unwrap()
            .query_pairs()
            .find(|(name, _)| name == "code")
        {
            self.everywhere.plant("a code of sgID", code.as_bytes());
        }
        callback
    }

    /// A whole login as this person; the code is not yet redeemed.
    pub(super) async fn code(
        &mut self,
        deployment: &Deployment,
        app: App,
        persona: &str,
    ) -> String {
        deployment.sgid.persona(persona);
        let scope = if app.id == PORTAL.id {
            SCOPE
        } else {
            "openid profile"
        };
        let mut visitor = Visitor::new();
        let callback = self
            .as_far_as_the_callback(deployment, app, scope, &mut visitor)
            .await;
        let answer = self.visit(&mut visitor, &callback).await;
        let code = Returned::parse(answer.location()).code().to_owned();
        self.but_in_urls.plant_bearer("a code of ours", &code);
        code
    }

    /// Sends a form to the token endpoint.
    pub(super) async fn redeem(
        &mut self,
        deployment: &Deployment,
        secret: Option<&str>,
        form: &[(&str, &str)],
    ) -> Answer {
        let basic =
            secret.map(|secret| format!("Basic {}", STANDARD.encode(format!("portal:{secret}"))));
        let headers: Vec<_> = basic
            .iter()
            .map(|basic| ("authorization", basic.as_str()))
            .collect();
        let url = deployment.url("/token");
        let answer = Visitor::new()
            .send(Method::POST, &url, &headers, Some(form))
            .await;
        self.keep(&answer);
        answer
    }

    /// A whole login, tokens and userinfo.
    pub(super) async fn log_in(
        &mut self,
        deployment: &Deployment,
        app: App,
        persona: &str,
    ) -> Brought {
        let code = self.code(deployment, app, persona).await;
        let form = form(app, &code);
        let answer = match app.id {
            "spa" => {
                self.redeem(
                    deployment,
                    None,
                    &[&form[..], &[("client_id", "spa")]].concat(),
                )
                .await
            }
            _ => self.redeem(deployment, Some(CLIENT_SECRET), &form).await,
        };
        assert_eq!(answer.status, 200, "{}", answer.body);
        let tokens = answer.json();
        let (access_token, id_token) = (text(&tokens, "access_token"), text(&tokens, "id_token"));
        self.everywhere
            .plant_bearer("an access token of ours", &access_token);
        for part in id_token.split('.') {
            self.everywhere
                .plant("an ID token of ours", part.as_bytes());
        }
        self.plant_names(&payload(&id_token));
        if app.id == PORTAL.id {
            self.subjects.push(text(&payload(&id_token), "sub"));
        }
        let userinfo = self.userinfo(deployment, &access_token).await;
        assert_eq!(userinfo.status, 200);
        Brought { code, access_token }
    }

    /// Asks userinfo.
    pub(super) async fn userinfo(&mut self, deployment: &Deployment, token: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        let url = deployment.url("/userinfo");
        let answer = Visitor::new()
            .send(Method::GET, &url, &[("authorization", &bearer)], None)
            .await;
        self.keep(&answer);
        answer
    }

    /// A login that sgID spoils in each of the ways it knows.
    pub(super) async fn be_lied_to(&mut self, deployment: &Deployment) {
        for &misbehaviour in Misbehaviour::ALL {
            deployment.sgid.persona("citizen");
            deployment.sgid.behave(misbehaviour);
            let mut visitor = Visitor::new();
            let callback = self
                .as_far_as_the_callback(deployment, PORTAL, SCOPE, &mut visitor)
                .await;
            self.visit(&mut visitor, &callback).await;
            deployment.sgid.behave(Misbehaviour::None);
        }
    }

    /// A code twice, a wrong secret, a wrong verifier, a token that is none.
    pub(super) async fn be_wrong(&mut self, deployment: &Deployment, spent: &Brought) {
        let replayed = self
            .redeem(deployment, Some(CLIENT_SECRET), &form(PORTAL, &spent.code))
            .await;
        assert_eq!(replayed.status, 400, "{}", replayed.body);
        assert_eq!(
            self.userinfo(deployment, &spent.access_token).await.status,
            401
        );
        let fresh = self.code(deployment, PORTAL, "citizen").await;
        let wrong = format!("{CLIENT_SECRET}-and-wrong");
        let refused = self
            .redeem(deployment, Some(&wrong), &form(PORTAL, &fresh))
            .await;
        assert_eq!(refused.status, 401, "{}", refused.body);
        let mut other_verifier = form(PORTAL, &fresh);
        other_verifier.retain(|(name, _)| *name != "code_verifier");
        other_verifier.push((
            "code_verifier",
            "another-code-verifier-that-is-long-enough-012345678",
        ));
        let refused = self
            .redeem(deployment, Some(CLIENT_SECRET), &other_verifier)
            .await;
        assert_eq!(refused.status, 400, "{}", refused.body);
        let query = format!(
            "{}?access_token={}",
            deployment.url("/userinfo"),
            spent.access_token
        );
        assert_eq!(self.visit(&mut Visitor::new(), &query).await.status, 400);
    }
}

/// The subject by which sgID knows this person: asked of sgID, as any client of it could.
async fn subject_at_sgid(deployment: &Deployment, persona: &str) -> String {
    deployment.sgid.persona(persona);
    let redirect_uri = deployment.url("/callback");
    let pairs = [
        ("response_type", "code"),
        ("client_id", "TESTS"),
        ("redirect_uri", &redirect_uri),
        ("scope", "openid"),
        ("code_challenge", &challenge(VERIFIER)),
        ("code_challenge_method", "S256"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut visitor = Visitor::new();
    let url = query(
        &format!("{}/oauth/authorize", deployment.sgid_issuer),
        &pairs,
    );
    let returned = Returned::parse(visitor.get(&url).await.location());
    let form = [
        ("grant_type", "authorization_code"),
        ("code", returned.code()),
        ("redirect_uri", &redirect_uri),
        ("client_id", "TESTS"),
        ("client_secret", UPSTREAM_SECRET),
        ("code_verifier", VERIFIER),
    ];
    let tokens = visitor
        .post(&format!("{}/oauth/token", deployment.sgid_issuer), &form)
        .await
        .json();
    text(&payload(&text(&tokens, "id_token")), "sub")
}

/// Lines and members of a value, as far as they are long enough to belong to one person.
fn parts(value: &str) -> Vec<String> {
    let mut parts = Vec::new();
    match serde_json::from_str::<Value>(value) {
        Ok(list @ Value::Array(_)) => leaves(&list, &mut parts),
        _ => parts.extend(value.lines().map(str::to_owned)),
    }
    parts.push(value.to_owned());
    if value.starts_with('+') {
        // As the claim `phone_number` writes it.
        parts.push(value.replace(' ', ""));
    }
    let is_telling = |part: &String| {
        let digits = part.chars().all(|c| c.is_ascii_digit());
        part.trim().len() >= if digits { 8 } else { 5 }
    };
    parts.retain(is_telling);
    parts.sort();
    parts.dedup();
    parts
}

fn leaves(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| leaves(item, into)),
        Value::Object(members) => members.values().for_each(|item| leaves(item, into)),
        Value::String(text) => into.push(text.clone()),
        _ => {}
    }
}

pub(super) fn parameters(app: App, scope: &str) -> Vec<(String, String)> {
    let mut parameters = app.request(scope);
    for (name, value) in &mut parameters {
        match name.as_str() {
            "state" => STATE.clone_into(value),
            "nonce" => NONCE.clone_into(value),
            "code_challenge" => *value = challenge(VERIFIER),
            _ => {}
        }
    }
    parameters
}

pub(super) fn authorize_url(deployment: &Deployment, app: App, scope: &str) -> String {
    query(&deployment.url("/authorize"), &parameters(app, scope))
}

pub(super) fn query(address: &str, pairs: &[(String, String)]) -> String {
    let mut url = Url::parse(address).unwrap();
    url.query_pairs_mut().extend_pairs(pairs);
    url.into()
}

pub(super) fn form(app: App, code: &str) -> Vec<(&'static str, &str)> {
    let mut form = app.form(code);
    form.retain(|(name, _)| *name != "code_verifier");
    form.push(("code_verifier", VERIFIER));
    form
}

pub(super) fn text(document: &Value, name: &str) -> String {
    document[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {document}"))
        .to_owned()
}

/// Public, for the search.
pub(super) const APPS: [App; 2] = [PORTAL, SPA];
