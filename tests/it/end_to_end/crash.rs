//! A bridge that is killed, and one that is told to stop: nothing that was promised is lost, and nobody has to mend
//! anything by hand.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::app::PORTAL;
use crate::support::bridge::Engine;
use crate::support::deployment::{Deployment, PATIENCE, Served};
use crate::support::gate::Gate;
use crate::support::party::{Party, published, userinfo};
use crate::support::visitor::{Answer, Returned, Visitor};

#[tokio::test]
async fn a_kill_between_any_two_steps_loses_nothing_on_sqlite() {
    a_kill_between_any_two_steps_loses_nothing(Engine::Sqlite).await;
}

#[tokio::test]
async fn a_kill_between_any_two_steps_loses_nothing_on_postgres() {
    a_kill_between_any_two_steps_loses_nothing(Engine::Postgres).await;
}

async fn a_kill_between_any_two_steps_loses_nothing(engine: Engine) {
    let deployment = Deployment::on(engine).await;
    let portal = Party::from(PORTAL);
    let served = deployment.serve().await;
    let keys = published(&served.url).await;
    let before = portal.log_in(&served.url, "openid").await;

    let mut person = Visitor::new();
    let url = portal.authorization_url(&served.url, "openid profile");
    let away = person.get(&url).await.location().to_owned();

    let served = served.kill_and_restart(&deployment).await;
    let back = person.get(&away).await.location().to_owned();

    let served = served.kill_and_restart(&deployment).await;
    let returned = person.get(&back).await;
    let code = Returned::parse(returned.location()).code().to_owned();

    let served = served.kill_and_restart(&deployment).await;
    let login = Party::accept(&portal.redeem(&served.url, &code).await);

    let served = served.kill_and_restart(&deployment).await;
    let answer = userinfo(&served.url, &login.access_token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json()["name"], "SAMPLE TAN MEI LING");

    // What was spent stays spent.
    let replayed = portal.redeem(&served.url, &code).await;
    assert_eq!(replayed.status, 400, "{}", replayed.body);
    assert_eq!(replayed.json()["error"], "invalid_grant");
    let again = person.get(&back).await;
    assert_eq!(again.status, 400, "a callback works once");

    assert_eq!(login.sub(), before.sub(), "the same person is the same");
    assert_eq!(published(&served.url).await, keys, "the same keys");
    let after = portal.log_in(&served.url, "openid").await;
    assert_eq!(after.sub(), before.sub());
    assert_eq!(after.kid, before.kid);
    served.stop().await;
}

#[tokio::test]
async fn a_kill_during_any_step_needs_no_manual_work_on_sqlite() {
    a_kill_during_any_step_needs_no_manual_work(Engine::Sqlite).await;
}

#[tokio::test]
async fn a_kill_during_any_step_needs_no_manual_work_on_postgres() {
    a_kill_during_any_step_needs_no_manual_work(Engine::Postgres).await;
}

/// Kills it in the middle of whatever it does, again and again: every code that somebody was given is redeemed
/// afterwards, and never twice.
async fn a_kill_during_any_step_needs_no_manual_work(engine: Engine) {
    let deployment = Deployment::on(engine).await;
    let portal = Party::from(PORTAL);
    let mut served = deployment.serve().await;
    for delay in [0, 3, 10, 30, 60] {
        let code = portal.code(&served.url, "openid").await;
        let busy: Vec<_> = (0..8)
            .map(|_| {
                let (portal, bridge) = (portal.clone(), served.url.clone());
                tokio::spawn(async move { try_to_log_in(&portal, &bridge).await })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(delay)).await;
        served = served.kill_and_restart(&deployment).await;
        Party::accept(&portal.redeem(&served.url, &code).await);
        for outcome in busy {
            let attempt = outcome.await.unwrap();
            if let Some(code) = attempt.code {
                let answer = portal.redeem(&served.url, &code).await;
                if attempt.is_redeemed {
                    assert_eq!(answer.status, 400, "a code is redeemed once");
                } else if answer.status != 200 {
                    // It was spent, and the kill swallowed the answer: the person begins again.
                    assert_eq!(answer.json()["error"], "invalid_grant", "{}", answer.body);
                }
            }
        }
        portal.log_in(&served.url, "openid profile").await;
    }
    served.stop().await;
}

#[derive(Default)]
struct Attempt {
    code: Option<String>,
    is_redeemed: bool,
}

/// A login that the bridge may leave at any moment.
async fn try_to_log_in(portal: &Party, bridge: &str) -> Attempt {
    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap();
    let mut attempt = Attempt::default();
    let mut url = portal.authorization_url(bridge, "openid profile");
    let mut cookie = None;
    while url.starts_with("http://127.0.0.1") {
        let mut request = http.get(&url);
        if let Some(cookie) = &cookie {
            request = request.header("cookie", cookie);
        }
        let Ok(response) = request.send().await else {
            return attempt;
        };
        let header = |name| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        if let Some(set) = header("set-cookie") {
            cookie = set.split(';').next().map(str::to_owned);
        }
        let Some(location) = header("location") else {
            return attempt;
        };
        url = location;
    }
    let returned = Returned::parse(&url);
    let Some(code) = returned.get("code") else {
        return attempt;
    };
    attempt.code = Some(code.to_owned());
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", &portal.redirect_uri),
        ("code_verifier", crate::support::app::VERIFIER),
    ];
    let request = http
        .post(format!("{bridge}/token"))
        .basic_auth(&portal.id, portal.secret.as_deref())
        .form(&form);
    if let Ok(response) = request.send().await {
        attempt.is_redeemed = response.status() == 200;
    }
    attempt
}

#[tokio::test]
async fn told_to_stop_it_finishes_what_is_in_flight_while_sgid_is_slow() {
    let (deployment, gate) = behind_a_gate().await;
    let portal = Party::from(PORTAL);
    let mut served = deployment.serve().await;
    let before = portal.log_in(&served.url, "openid").await;

    let in_flight = callback_that_waits(&portal, &served, &gate).await;
    served.process.signal(Signal::SIGTERM);
    // No new connection is taken: another instance would take it.
    let end = Instant::now() + PATIENCE;
    while std::net::TcpStream::connect(("127.0.0.1", deployment.port())).is_ok() {
        assert!(Instant::now() < end, "it still takes connections");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(served.process.is_running(), "{}", served.process.output());
    gate.open();
    let answer = in_flight.await.unwrap();
    let code = Returned::parse(answer.location()).code().to_owned();
    let status = served.process.wait(Duration::from_secs(15)).await;
    assert!(status.success(), "{}", served.process.output());

    let served = deployment.start_serving(deployment.port()).ready().await;
    let login = Party::accept(&portal.redeem(&served.url, &code).await);
    assert_eq!(login.sub(), before.sub());
    served.stop().await;
}

#[tokio::test]
async fn killed_while_sgid_is_slow_the_person_begins_again_and_nothing_else_is_harmed() {
    let (deployment, gate) = behind_a_gate().await;
    let portal = Party::from(PORTAL);
    let served = deployment.serve().await;
    let waiting = portal.code(&served.url, "openid").await;

    let in_flight = callback_that_waits(&portal, &served, &gate).await;
    let served = served.kill_and_restart(&deployment).await;
    in_flight.abort();
    gate.open();

    Party::accept(&portal.redeem(&served.url, &waiting).await);
    portal.log_in(&served.url, "openid profile").await;
    served.stop().await;
}

#[tokio::test]
async fn told_to_stop_it_ends_soon_although_browsers_keep_their_connections() {
    let deployment = Deployment::on(Engine::Sqlite).await;
    let served = deployment.serve().await;
    let mut browser = Visitor::new();
    browser.get(&served.at("/jwks")).await;
    let begin = Instant::now();
    served.stop().await;
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(5), "stopping took {took:?}");
    drop(browser);
}

/// The back channel to the simulated sgID leads through a gate.
async fn behind_a_gate() -> (Deployment, Gate) {
    let mut deployment = Deployment::on(Engine::Sqlite).await;
    let issuer = deployment.sgid_issuer().to_owned();
    let server = url::Url::parse(&issuer)
        .unwrap()
        .socket_addrs(|| None)
        .unwrap()[0];
    let gate = Gate::before(server);
    deployment.upstream = format!(
        "issuer = \"{issuer}\"\ntoken_endpoint = \"http://{}/v2/oauth/token\"",
        gate.address()
    );
    deployment.write();
    (deployment, gate)
}

/// A person comes back from sgID, and the bridge waits for sgID's answer.
async fn callback_that_waits(
    portal: &Party,
    served: &Served,
    gate: &Gate,
) -> tokio::task::JoinHandle<Answer> {
    let mut person = Visitor::new();
    let url = portal.authorization_url(&served.url, "openid profile");
    let away = person.get(&url).await.location().to_owned();
    let back = person.get(&away).await.location().to_owned();
    gate.shut();
    let in_flight = tokio::spawn(async move { person.get(&back).await });
    tokio::time::timeout(PATIENCE, gate.somebody_waits())
        .await
        .expect("the bridge calls sgID");
    in_flight
}
