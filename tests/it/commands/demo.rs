//! `demo` and `simulator`: a whole login without sgID.

use std::os::unix::fs::PermissionsExt as _;

use nix::sys::signal::Signal;

use crate::support::app::PORTAL;
use crate::support::bridge::Engine;
use crate::support::demo::Demo;
use crate::support::deployment::{Deployment, PATIENCE};
use crate::support::party::Party;
use crate::support::process::{free_port, temporary_folder};
use crate::support::visitor::{Answer, Returned, Visitor};

/// Chooses a persona on the simulator's page: where that leads.
async fn choose(person: &mut Visitor, sgid: &str, chooser: &Answer, persona: &str) -> Answer {
    let (_, request) = chooser
        .body
        .split_once("name=\"request\" value=\"")
        .unwrap_or_else(|| panic!("no chooser but {}", chooser.body));
    let request = request.split('"').next().unwrap();
    let form = [("request", request), ("persona", persona)];
    person
        .post(&format!("{sgid}/v2/oauth/approve"), &form)
        .await
}

/// Follows redirects on this machine up to a page.
async fn follow(person: &mut Visitor, mut answer: Answer) -> Answer {
    for _ in 0..8 {
        if !(300..400).contains(&answer.status) {
            return answer;
        }
        let location = answer.location().to_owned();
        answer = person.get(&location).await;
    }
    panic!("redirected in circles");
}

#[tokio::test]
async fn the_demo_shows_a_whole_login_and_leaves_nothing() {
    let mut demo = Demo::start().await;
    let playground = demo.playground().to_owned();
    let mut person = Visitor::new();
    let home = person.get(&playground).await;
    assert!(home.body.contains("Log in with sgID"));
    let form = [("scope", "profile"), ("scope", "myinfo.nric_number")];
    let begun = person.post(&format!("{playground}/login"), &form).await;
    let chooser = follow(&mut person, begun).await;
    let chosen = choose(&mut person, &demo.sgid, &chooser, "citizen").await;
    let at_bridge = person.get(chosen.location()).await;
    let at_app = person.get(at_bridge.location()).await;
    assert_eq!(at_app.location(), "/result");
    let result = person.get(&format!("{playground}/result")).await;
    assert!(result.body.contains("SAMPLE TAN MEI LING") && result.body.contains("S0000001I"));
    assert!(
        !demo.leftovers().is_empty(),
        "its data are in its temporary folder"
    );
    let log = demo.process.output();
    assert!(
        !log.contains("SAMPLE TAN MEI LING") && !log.contains("S0000001I"),
        "{log}"
    );

    demo.interrupt().await;
    assert_eq!(demo.leftovers(), Vec::<std::path::PathBuf>::new());
    assert_eq!(demo.home(), Vec::<std::path::PathBuf>::new());
    for url in [&playground, &demo.issuer, &demo.sgid] {
        let address = url.trim_start_matches("http://");
        assert!(
            std::net::TcpStream::connect(address).is_err(),
            "{url} still listens"
        );
    }
}

#[tokio::test]
async fn the_demo_stops_at_once_also_in_the_middle_of_a_login() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut demo = Demo::start().await;
        let mut person = Visitor::new();
        let form = [("scope", "profile")];
        let begun = person
            .post(&format!("{}/login", demo.playground()), &form)
            .await;
        follow(&mut person, begun).await;
        let told_at = std::time::Instant::now();
        let status = demo.process.stop(signal, PATIENCE).await;
        assert!(status.success(), "{}", demo.process.output());
        assert!(
            told_at.elapsed().as_secs() < 5,
            "stopping took {:?}",
            told_at.elapsed()
        );
        assert_eq!(demo.leftovers(), Vec::<std::path::PathBuf>::new());
    }
}

#[tokio::test]
async fn a_kept_demo_knows_people_again_and_its_files_are_for_the_owner_alone() {
    let folder = temporary_folder("kept");
    let data = folder.path().join("data");
    let data_text = data.to_str().unwrap().to_owned();
    let mut kids = Vec::new();
    for _ in 0..2 {
        let mut demo = Demo::start_with(&["--data", &data_text]).await;
        kids.push(crate::support::party::published(&demo.issuer).await);
        demo.interrupt().await;
    }
    assert_eq!(kids[0], kids[1]);
    for entry in std::fs::read_dir(&data).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(
            mode & 0o077,
            0,
            "{} has mode {mode:o}",
            entry.path().display()
        );
    }
    let mode = data.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o700);
}

#[tokio::test]
async fn without_a_playground_the_demo_waits_for_an_app_of_ones_own() {
    let mut demo = Demo::start_with(&["--no-playground"]).await;
    assert!(demo.playground.is_none());
    let output = demo.process.output();
    let secret = output
        .lines()
        .find_map(|line| line.trim().strip_prefix("client_secret"))
        .unwrap();
    let app = Party {
        id: "playground".to_owned(),
        secret: Some(secret.trim().to_owned()),
        redirect_uri: "http://localhost:3000/callback".to_owned(),
    };
    let mut person = Visitor::new();
    let begun = person
        .get(&app.authorization_url(&demo.issuer, "openid profile"))
        .await;
    let chooser = person.get(begun.location()).await;
    let chosen = choose(&mut person, &demo.sgid, &chooser, "officer").await;
    let back = person.get(chosen.location()).await;
    let code = Returned::parse(back.location()).code().to_owned();
    let login = Party::accept(&app.redeem(&demo.issuer, &code).await);
    assert_eq!(login.claims["name"], "SAMPLE NAIR PRIYA");
    demo.interrupt().await;
}

#[tokio::test]
async fn a_taken_port_is_said_with_what_to_do() {
    let demo = Demo::start().await;
    let listen = demo.issuer.trim_start_matches("http://").to_owned();
    let folder = temporary_folder("taken");
    let second = crate::support::deployment::start_in(
        folder.path(),
        &["demo", "--listen", &listen],
        |command| {
            command.env("TMPDIR", folder.path());
        },
    );
    let ran = crate::support::deployment::Ran::of(second).await;
    assert_eq!(ran.code, 1, "{}", ran.all);
    assert!(ran.stderr.contains("--listen"), "{}", ran.all);
    assert!(
        std::fs::read_dir(folder.path()).unwrap().next().is_none(),
        "it cleans up"
    );
}

#[tokio::test]
async fn the_simulator_serves_the_sgid_clients_of_the_configuration() {
    let mut deployment = Deployment::without_sgid(Engine::Sqlite).await;
    let port = free_port();
    let sgid = format!("http://127.0.0.1:{port}");
    deployment.upstream = format!("issuer = \"{sgid}/v2\"");
    deployment.write();
    let listen = format!("127.0.0.1:{port}");
    let mut simulator = deployment.start(&["simulator", "--listen", &listen], &[]);
    simulator.wait_for_line(&sgid, PATIENCE).await;
    let served = deployment.serve().await;
    let good = deployment.run(&["check"]).await;
    assert_eq!(good.code, 0, "{}", good.all);

    let portal = Party::from(PORTAL);
    let mut person = Visitor::new();
    let begun = person
        .get(&portal.authorization_url(&served.url, "openid profile"))
        .await;
    let chooser = person.get(begun.location()).await;
    let chosen = choose(&mut person, &sgid, &chooser, "mononym").await;
    let back = person.get(chosen.location()).await;
    let code = Returned::parse(back.location()).code().to_owned();
    let login = Party::accept(&portal.redeem(&served.url, &code).await);
    assert_eq!(login.claims["name"], "SUPARMAN");
    served.stop().await;
    let status = simulator.stop(Signal::SIGINT, PATIENCE).await;
    assert!(status.success(), "{}", simulator.output());
}
