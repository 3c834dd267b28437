//! A real browser, as people use it: through the demo, and to the pages that say why something did not work.

use std::time::Duration;

use fantoccini::Locator;
use fantoccini::elements::Element;

use crate::support::app::PORTAL;
use crate::support::bridge::Engine;
use crate::support::browser::{Browser, Screen, Scripts};
use crate::support::demo::Demo;
use crate::support::deployment::Deployment;
use crate::support::party::Party;
use crate::support::visitor::Visitor;

/// How long a page may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the driver answers. It has no patience of its own, and hangs where it asks a page that may not run scripts.
async fn within<T>(patience: Duration, what: &str, answer: impl Future<Output = T>) -> T {
    let Ok(answer) = tokio::time::timeout(patience, answer).await else {
        panic!("{what} does not end");
    };
    answer
}

impl Browser {
    async fn see(&self, selector: &str) -> Element {
        let waiting = self.client.wait().at_most(PATIENCE);
        let waiting = waiting.for_element(Locator::Css(selector));
        match within(2 * PATIENCE, &format!("the search for {selector}"), waiting).await {
            Ok(element) => element,
            Err(error) => {
                let url = self.client.current_url().await;
                let source = self.client.source().await.unwrap_or_default();
                panic!("no {selector} at {url:?}: {error}:\n{source}")
            }
        }
    }

    async fn click(&self, selector: &str) {
        let element = self.see(selector).await;
        let what = format!("the click on {selector}");
        within(PATIENCE, &what, element.click()).await.unwrap();
    }

    /// Presses Enter: a touch never ends where scripts are blocked, as the driver asks by script what became of it.
    async fn press(&self, selector: &str) {
        let element = self.see(selector).await;
        let what = format!("the press of {selector}");
        let pressed = element.send_keys("\u{e007}");
        within(PATIENCE, &what, pressed).await.unwrap();
    }

    async fn text(&self, selector: &str) -> String {
        self.see(selector).await.text().await.unwrap()
    }

    async fn has(&self, selector: &str) -> bool {
        let found = self.client.find_all(Locator::Css(selector)).await;
        !found.unwrap().is_empty()
    }

    async fn open(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    /// One claim, as the playground shows it.
    async fn claim(&self, name: &str) -> String {
        self.text(&format!("[data-claim=\"{name}\"] dd")).await
    }

    async fn ask_for(&self, scopes: &[&str]) {
        let boxes = self
            .client
            .find_all(Locator::Css("input[name=scope]"))
            .await;
        for each in boxes.unwrap() {
            let value = each.attr("value").await.unwrap().unwrap();
            if each.is_selected().await.unwrap() != scopes.contains(&value.as_str()) {
                each.click().await.unwrap();
            }
        }
    }

    async fn choose(&self, persona: &str) {
        self.click(&format!("button[name=persona][value=\"{persona}\"]"))
            .await;
    }

    /// Makes the window as high as the page, so that a screenshot shows all of it.
    async fn see_all(&self) {
        let height = "return document.documentElement.scrollHeight";
        let height = self.client.execute(height, Vec::new()).await.unwrap();
        let height = u32::try_from(height.as_u64().unwrap()).unwrap() + 160;
        self.client.set_window_size(1280, height).await.unwrap();
    }

    /// The page is not wider than the screen. Asks by script, which hangs where scripts are blocked.
    async fn fits(&self) {
        let width =
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
        let excess = self.client.execute(width, Vec::new()).await.unwrap();
        assert_eq!(excess, 0, "the page must be scrolled sideways");
    }
}

const EVERYTHING: [&str; 13] = [
    "profile",
    "email",
    "phone",
    "address",
    "myinfo.nric_number",
    "myinfo.date_of_birth",
    "myinfo.nationality",
    "myinfo.residentialstatus",
    "myinfo.race",
    "myinfo.name_of_employer",
    "myinfo.vehicles",
    "myinfo.workpass_status",
    "pocdex.public_officer_details",
];

/// Who signs in, and what must be seen of them; an empty text means that the claim must be absent.
const PEOPLE: [(&str, &[(&str, &str)]); 6] = [
    (
        "citizen",
        &[
            ("name", "SAMPLE TAN MEI LING"),
            ("birthdate", "1990"),
            ("email", "mei.ling@citizen.example"),
            ("address", "1 EXAMPLE STREET"),
            ("myinfo.nric_number", "S0000001I"),
            ("myinfo.nationality", "SINGAPOREAN"),
            ("myinfo.vehicles", "SXX0001A"),
            ("myinfo.workpass_status", ""),
        ],
    ),
    (
        "foreigner",
        &[
            ("name", "SAMPLE IVANOVA ANNA"),
            ("myinfo.nric_number", "G0000001P"),
            ("myinfo.workpass_status", "Live"),
            ("address", ""),
            ("myinfo.vehicles", ""),
        ],
    ),
    (
        "officer",
        &[
            ("name", "SAMPLE NAIR PRIYA"),
            ("pocdex.public_officer_details", "Example Agency"),
        ],
    ),
    ("non-ascii", &[("name", "ZOË ÅNGSTRÖM-陳美玲")]),
    (
        "nothing",
        &[
            ("name", ""),
            ("email", ""),
            ("address", ""),
            ("myinfo.nric_number", ""),
        ],
    ),
    ("long-value", &[("name", "SAMPLE LONGNAME")]),
];

#[tokio::test]
async fn people_see_their_claims_in_the_demo() {
    let mut demo = Demo::start().await;
    let browser = Browser::start(Screen::Desktop, Scripts::Run).await;
    browser.open(demo.playground()).await;
    browser.see("#login").await;
    browser.screenshot("playground-start").await;
    for (persona, claims) in PEOPLE {
        browser.open(demo.playground()).await;
        browser.ask_for(&EVERYTHING).await;
        browser.click("#login").await;
        browser.see("button[name=persona]").await;
        if persona == "citizen" {
            browser.screenshot("simulator-chooser").await;
        }
        browser.choose(persona).await;
        browser.see("#person").await;
        for (claim, expected) in claims {
            if expected.is_empty() {
                let selector = format!("[data-claim=\"{claim}\"]");
                assert!(!browser.has(&selector).await, "{persona} has no {claim}");
            } else {
                let shown = browser.claim(claim).await;
                assert!(shown.contains(expected), "{persona}: {claim} is {shown}");
            }
        }
        assert!(!browser.claim("sub").await.is_empty());
        let steps = browser.client.find_all(Locator::Css("li.done")).await;
        assert_eq!(steps.unwrap().len(), 5, "{persona}");
        browser.fits().await;
        browser.see_all().await;
        browser.screenshot(&format!("demo-{persona}")).await;
        browser.client.set_window_size(1280, 900).await.unwrap();
    }
    browser.close().await;
    demo.interrupt().await;
}

#[tokio::test]
async fn a_person_is_the_same_on_the_next_login_and_may_be_forgotten() {
    let mut demo = Demo::start().await;
    let browser = Browser::start(Screen::Desktop, Scripts::Run).await;
    let mut subjects = Vec::new();
    for persona in ["citizen", "citizen", "foreigner"] {
        browser.open(demo.playground()).await;
        browser.click("#login").await;
        browser.choose(persona).await;
        browser.see("#person").await;
        subjects.push(browser.claim("sub").await);
        if persona == "citizen" {
            browser.click("#again").await;
            browser.see("#login").await;
        }
    }
    assert_eq!(subjects[0], subjects[1]);
    assert_ne!(subjects[0], subjects[2]);
    browser.click("#forget").await;
    browser.see("#login").await;
    browser.close().await;
    demo.interrupt().await;
}

#[tokio::test]
async fn on_a_phone_every_page_fits() {
    let mut demo = Demo::start().await;
    let browser = Browser::start(Screen::Phone, Scripts::Run).await;
    browser.open(demo.playground()).await;
    browser.see("#login").await;
    browser.fits().await;
    for persona in ["citizen", "officer", "long-value"] {
        browser.open(demo.playground()).await;
        browser.ask_for(&EVERYTHING).await;
        browser.click("#login").await;
        browser.see("button[name=persona]").await;
        browser.fits().await;
        browser.choose(persona).await;
        browser.see("#person").await;
        browser.fits().await;
        browser.screenshot(&format!("phone-demo-{persona}")).await;
    }
    browser
        .open(&format!("{}/authorize?client_id=nobody", demo.issuer))
        .await;
    browser.see("main h1").await;
    browser.fits().await;
    browser.close().await;
    demo.interrupt().await;
}

#[tokio::test]
async fn on_a_phone_with_scripts_blocked_everything_works() {
    let mut demo = Demo::start().await;
    let browser = Browser::start(Screen::Phone, Scripts::Blocked).await;
    browser.open(demo.playground()).await;
    browser.see("#login").await;
    browser.screenshot("phone-playground-start").await;
    browser.press("#login").await;
    browser.see("button[name=persona]").await;
    browser.screenshot("phone-simulator-chooser").await;
    browser.press("button[name=persona][value=citizen]").await;
    browser.see("#person").await;
    assert_eq!(browser.claim("name").await, "SAMPLE TAN MEI LING");
    browser.press("#again").await;
    browser.see("#login").await;

    browser
        .open(&format!("{}/authorize?client_id=nobody", demo.issuer))
        .await;
    error_page(&browser, "phone-error-unknown-client").await;
    browser.close().await;
    demo.interrupt().await;
}

#[tokio::test]
async fn whoever_declines_or_whom_sgid_fails_learns_why() {
    let mut demo = Demo::start().await;
    let browser = Browser::start(Screen::Desktop, Scripts::Run).await;
    browser.open(demo.playground()).await;
    browser.click("#login").await;
    browser.click("button[name=cancel]").await;
    browser.see("#failure").await;
    assert_eq!(browser.text("#error").await, "access_denied");
    browser.screenshot("demo-declined").await;
    browser.click("#again").await;

    browser.click("#login").await;
    browser.click("details summary").await;
    let select = browser.see("#misbehave").await;
    browser.screenshot("simulator-misbehave").await;
    select
        .select_by_value("id-token-wrong-signature")
        .await
        .unwrap();
    browser.choose("citizen").await;
    browser.see("#failure").await;
    assert_eq!(browser.text("#error").await, "server_error");
    browser.screenshot("demo-sgid-lies").await;
    browser.close().await;
    demo.interrupt().await;
}

#[tokio::test]
async fn a_page_says_what_is_wrong_with_a_request_that_has_no_way_back() {
    let demo = Demo::start().await;
    let browser = Browser::start(Screen::Desktop, Scripts::Blocked).await;
    let issuer = &demo.issuer;

    browser
        .open(&format!(
            "{issuer}/authorize?client_id=nobody&response_type=code"
        ))
        .await;
    let said = error_page(&browser, "error-unknown-client").await;
    assert!(
        !said.contains("nobody"),
        "what was sent is not repeated: {said}"
    );

    let stolen = "https%3A%2F%2Fattacker.example%2Fcallback";
    browser
        .open(&format!("{issuer}/authorize?client_id=playground&response_type=code&scope=openid&redirect_uri={stolen}"))
        .await;
    let said = error_page(&browser, "error-unknown-redirect-uri").await;
    assert!(
        !said.contains("attacker"),
        "what was sent is not repeated: {said}"
    );
    assert!(!browser.has("a[href*=attacker]").await);

    browser.open(&format!("{issuer}/nowhere")).await;
    error_page(&browser, "error-nothing-here").await;

    // A login that another browser began: its answer is worth nothing here.
    let mut other = Visitor::new();
    let form = [("scope", "profile")];
    let begun = other
        .post(&format!("{}/login", demo.playground()), &form)
        .await;
    let away = other.get(begun.location()).await;
    let chooser = other.get(away.location()).await;
    let (_, request) = chooser
        .body
        .split_once("name=\"request\" value=\"")
        .unwrap();
    let request = request.split('"').next().unwrap();
    let approve = format!("{}/v2/oauth/approve", demo.sgid);
    let back = other
        .post(&approve, &[("request", request), ("persona", "citizen")])
        .await;
    browser.open(back.location()).await;
    let said = error_page(&browser, "error-another-browser").await;
    assert!(!said.contains("TAN MEI LING"));
    // And the one who began it is not harmed.
    let returned = other.get(back.location()).await;
    assert_eq!(returned.status, 303, "{}", returned.body);
    browser.close().await;
}

/// What every page of the bridge must have: the text of it.
async fn error_page(browser: &Browser, name: &str) -> String {
    let heading = browser.text("main h1").await;
    assert!(!heading.is_empty());
    let reference = browser.text(".reference code").await;
    assert!(reference.len() >= 8, "a reference to quote: {reference}");
    assert_eq!(browser.client.title().await.unwrap(), heading);
    assert!(!browser.has("script").await);
    browser.screenshot(name).await;
    browser.text("main").await
}

#[tokio::test]
async fn whoever_comes_back_too_late_is_offered_a_fresh_start() {
    let mut deployment = Deployment::on(Engine::Sqlite).await;
    deployment.settings = "[lifetimes]\nlogin = \"5s\"\n".to_owned();
    deployment.write();
    deployment.sgid().chooser();
    let served = deployment.serve().await;
    let browser = Browser::start(Screen::Desktop, Scripts::Blocked).await;
    let url = Party::from(PORTAL).authorization_url(&served.url, "openid profile");
    browser.open(&url).await;
    browser.see("button[name=persona]").await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    browser.choose("citizen").await;
    error_page(&browser, "error-too-late").await;
    browser.click("#continue").await;
    browser.see("button[name=persona]").await;
    assert_eq!(deployment.sgid().requests().authorize, 2);
    // sgID says who it is for again, and the relying party gets its code. Nothing listens there.
    browser.choose("citizen").await;
    let end = std::time::Instant::now() + PATIENCE;
    loop {
        let url = browser.client.current_url().await.unwrap();
        if url.host_str() == Some("portal.example.sg") {
            assert!(url.query().unwrap().contains("code="), "{url}");
            break;
        }
        assert!(std::time::Instant::now() < end, "still at {url}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    browser.close().await;
    served.stop().await;
}
