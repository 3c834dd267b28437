//! A whole login between a browser, the playground and a provider of ours; the parts alone are in `parts`.

mod parts;
mod provider;

use reqwest::{Client, Response, redirect::Policy};

use self::provider::{Lie, Provider};
use super::{Running, Settings, bind};

/// A browser, a playground and a provider.
struct Stage {
    browser: Client,
    playground: Running,
    provider: Provider,
}

impl Stage {
    fn set(algorithm: &'static str, lie: Lie, client_secret: Option<&str>) -> Self {
        // Fails when another test was first, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let provider = Provider::start(algorithm, lie);
        let bound = bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let settings = Settings {
            listen: ([127, 0, 0, 1], 0).into(),
            issuer: provider.issuer.clone(),
            client_id: "playground".to_owned(),
            client_secret: client_secret.map(str::to_owned),
            scopes: [
                "openid",
                "profile",
                "email",
                "phone",
                "address",
                "myinfo.nationality",
            ]
            .map(str::to_owned)
            .to_vec(),
        };
        let playground = bound.start(settings).expect("it starts");
        let browser = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .build()
            .expect("a client");
        Self {
            browser,
            playground,
            provider,
        }
    }

    async fn press(&self) -> (String, String) {
        let login = self.playground.url().join("login").expect("a path");
        let form = [("scope", "profile"), ("scope", "myinfo.nric_number")];
        let answer = self
            .browser
            .post(login)
            .form(&form)
            .send()
            .await
            .expect("it answers");
        let cookie = header(&answer, "set-cookie");
        (
            header(&answer, "location"),
            cookie.split(';').next().unwrap_or_default().to_owned(),
        )
    }

    async fn get(&self, url: &str, cookie: &str) -> Response {
        self.browser
            .get(url)
            .header("Cookie", cookie)
            .send()
            .await
            .expect("it answers")
    }

    /// The page at the end of a login.
    async fn log_in(&self) -> String {
        let (authorize, cookie) = self.press().await;
        let callback = header(&self.get(&authorize, "").await, "location");
        let answer = self.get(&callback, &cookie).await;
        assert_eq!(
            (
                answer.status().as_u16(),
                header(&answer, "location").as_str()
            ),
            (303, "/result")
        );
        let result = self.playground.url().join("result").expect("a path");
        self.get(result.as_str(), &cookie)
            .await
            .text()
            .await
            .expect("a page")
    }

    async fn strike(self) {
        self.playground.stop().await.expect("it stops");
        self.provider.stop().await;
    }
}

fn header(answer: &Response, name: &str) -> String {
    let value = answer
        .headers()
        .get(name)
        .and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_login_ends_with_a_greeting_and_every_step() {
    for (algorithm, secret) in [("RS256", Some("s3cr&t")), ("ES256", None)] {
        let stage = Stage::set(algorithm, Lie::None, secret);
        let page = stage.log_in().await;
        for expected in [
            "Hello, SAMPLE PERSON ONE",
            "1 EXAMPLE STREET<br>#01-01<br>SINGAPORE 000001",
            "Roads &#38; &lt;Bridges&gt;",
            "code_challenge_method",
            &format!("{algorithm}, by the published key 2026-11"),
            "a-code-to-be-spent-once",
        ] {
            let expected = expected.replace("&lt;", "&#60;").replace("&gt;", "&#62;");
            assert!(page.contains(&expected), "{expected} in {page}");
        }
        for secret in [
            "s3cr",
            "czNjc",
            "an-access-token",
            "class=\"stopped\"",
            "<script",
            "style=\"",
        ] {
            assert!(!page.contains(secret), "{secret} in {page}");
        }
        stage.strike().await;
    }
}

#[tokio::test]
async fn a_provider_that_lies_is_not_believed() {
    for (lie, reason) in [
        (Lie::Declined, "access_denied"),
        (Lie::InvalidGrant, "invalid_grant"),
        (Lie::ResponseIssuer, "another provider"),
        (Lie::TokenIssuer, "issued by somebody else"),
        (Lie::Audience, "made for another app"),
        (Lie::Expired, "it has expired"),
        (Lie::Nonce, "belongs to another login"),
        (Lie::AtHash, "came with another access token"),
        (Lie::OtherKey, "no published key made this signature"),
        (Lie::OtherPerson, "belong to another person"),
    ] {
        let stage = Stage::set("ES256", lie, None);
        let page = stage.log_in().await;
        assert!(page.contains(reason), "{lie:?}: {page}");
        assert!(
            page.contains("class=\"stopped\"") && page.contains("Try again"),
            "{lie:?}"
        );
        assert!(
            !page.contains("Hello") && !page.contains("<b>declined"),
            "{lie:?}"
        );
        stage.strike().await;
    }
}

#[tokio::test]
async fn only_offered_scopes_are_asked_for_and_openid_always() {
    let stage = Stage::set("ES256", Lie::None, None);
    let (authorize, cookie) = stage.press().await;
    assert!(authorize.contains("scope=openid+profile&"), "{authorize}");
    assert!(cookie.starts_with("sgid_playground="), "{cookie}");
    stage.strike().await;
}

#[tokio::test]
async fn another_browser_or_another_state_gets_nothing_and_spoils_nothing() {
    let stage = Stage::set("ES256", Lie::None, None);
    let (authorize, cookie) = stage.press().await;
    let callback = header(&stage.get(&authorize, "").await, "location");
    let forged = callback.replace("state=", "state=x");
    for (url, cookie) in [
        (&callback, ""),
        (&callback, "sgid_playground=guess"),
        (&forged, cookie.as_str()),
    ] {
        assert_eq!(stage.get(url, cookie).await.status(), 400);
    }
    assert_eq!(stage.get(&callback, &cookie).await.status(), 303);
    assert_eq!(
        stage.get(&callback, &cookie).await.status(),
        400,
        "once is enough"
    );
    stage.strike().await;
}

#[tokio::test]
async fn every_page_is_strict_and_never_stored() {
    let stage = Stage::set("ES256", Lie::None, None);
    for path in ["", "nowhere", "callback", "style.css"] {
        let url = stage.playground.url().join(path).expect("a path");
        let answer = stage.get(url.as_str(), "").await;
        assert!(
            header(&answer, "content-security-policy").starts_with("default-src 'none'"),
            "{path}"
        );
        assert_eq!(header(&answer, "cache-control"), "no-store", "{path}");
        assert_eq!(header(&answer, "x-frame-options"), "DENY", "{path}");
    }
    let url = stage.playground.url().join("login").expect("a path");
    let foreign = stage
        .browser
        .post(url)
        .header("Sec-Fetch-Site", "cross-site")
        .send()
        .await;
    assert_eq!(foreign.expect("it answers").status(), 403);
    stage.strike().await;
}

#[tokio::test]
async fn a_bridge_that_is_away_gets_a_page_that_says_so() {
    let Stage {
        browser,
        playground,
        provider,
    } = Stage::set("ES256", Lie::None, None);
    provider.stop().await;
    let url = playground.url().join("login").expect("a path");
    let answer = browser.post(url).send().await.expect("it answers");
    assert_eq!(answer.status(), 502);
    assert!(
        answer
            .text()
            .await
            .expect("a page")
            .contains("cannot be reached")
    );
    playground.stop().await.expect("it stops");
}
