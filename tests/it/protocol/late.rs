//! Who comes back from sgID too late. Security requirements AZ-2, CB-1, CB-2, CB-4, AV-2.

use std::time::Duration;

use crate::support::app::{PORTAL, STATE};
use crate::support::bridge::{CLIENTS, Engine, Plan};
use crate::support::visitor::{Answer, Returned, Visitor};

on_both_engines!(
    who_comes_back_too_late_starts_again_with_one_click,
    |engine| {
        let bridge = Plan::on(engine).start().await;
        let mut visitor = Visitor::new();
        let callback = visitor
            .up_to_callback(&PORTAL.authorization_url(&bridge, "openid profile"))
            .await;
        bridge.advance(Duration::from_mins(10));
        let page = visitor.get(&callback).await;
        assert_eq!((page.status, page.header("location")), (400, None));
        assert_eq!(
            bridge.sgid.requests().token,
            0,
            "the late code is not redeemed"
        );
        let link = start_again(&page);
        let returned = visitor.walk(&link).await.returned();
        assert_eq!(
            returned.get("state"),
            Some(STATE),
            "the relying party sees its own request answered"
        );
        let tokens = PORTAL.redeem(&bridge, returned.code()).await;
        assert_eq!(tokens.status, 200, "{}", tokens.body);
        // The late callback itself is dead.
        assert_eq!(visitor.get(&callback).await.status, 400);
    }
);

fn start_again(page: &Answer) -> String {
    let (before, _) = page
        .body
        .split_once("Start again")
        .unwrap_or_else(|| panic!("{}", page.body));
    let (_, href) = before.rsplit_once("href=\"").unwrap();
    let link = href.split('"').next().unwrap();
    link.replace("&amp;", "&").replace("&#38;", "&")
}

#[tokio::test]
async fn the_fresh_start_belongs_to_the_same_browser_only() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let mut visitor = Visitor::new();
    let callback = visitor
        .up_to_callback(&PORTAL.authorization_url(&bridge, "openid"))
        .await;
    bridge.advance(Duration::from_mins(10));
    let stranger = Visitor::new().get(&callback).await;
    assert!(!stranger.body.contains("Start again"), "{}", stranger.body);
    let link = start_again(&visitor.get(&callback).await);
    let page = Visitor::new().walk(&link).await.page();
    assert_eq!(page.status, 400);
}

#[tokio::test]
async fn a_login_of_long_ago_is_gone() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let mut visitor = Visitor::new();
    let callback = visitor
        .up_to_callback(&PORTAL.authorization_url(&bridge, "openid"))
        .await;
    bridge.advance(Duration::from_mins(20));
    bridge.bridge.sweep().await.unwrap();
    assert_eq!(bridge.bridge.store.count_logins().await.unwrap(), 0);
    let page = visitor.get(&callback).await;
    assert_eq!((page.status, page.header("location")), (400, None));
    assert!(page.body.contains("Go back to the app"), "{}", page.body);
    assert_eq!(bridge.sgid.requests().token, 0);
}

on_both_engines!(
    an_error_from_sgid_reaches_the_relying_party_however_late,
    |engine| {
        let bridge = Plan::on(engine).start().await;
        for (from_sgid, error) in [
            ("access_denied", "access_denied"),
            ("temporarily_unavailable", "temporarily_unavailable"),
            ("invalid_scope", "server_error"),
        ] {
            let mut visitor = Visitor::new();
            let callback = visitor
                .up_to_callback(&PORTAL.authorization_url(&bridge, "openid"))
                .await;
            let state = Returned::parse(&callback).get("state").unwrap().to_owned();
            let refusal = bridge.url(&format!("/callback?error={from_sgid}&state={state}"));
            bridge.advance(Duration::from_secs(1_199));
            let stranger = Visitor::new().get(&refusal).await;
            assert_eq!(stranger.header("location"), None, "of its browser only");
            let answer = visitor.get(&refusal).await;
            let returned = Returned::parse(answer.location());
            assert_eq!(returned.error(), error);
            assert_eq!(returned.get("state"), Some(STATE));
            assert!(visitor.cookies.is_empty(), "its login is over");
            assert_eq!(visitor.get(&refusal).await.status, 400, "and is so once");
        }
        assert_eq!(bridge.sgid.requests().token, 0);
    }
);

#[tokio::test]
async fn who_is_too_late_may_go_back_to_the_app_instead() {
    let modes = "\"portal\"\nresponse_modes = [\"query\", \"fragment\"]";
    let clients = CLIENTS.replacen("\"portal\"", modes, 1);
    let plan = Plan::on(Engine::Sqlite).clients(&clients);
    let bridge = plan.start().await;
    for (mode, parse) in [
        ("query", Returned::parse as fn(&str) -> Returned),
        ("fragment", Returned::parse_fragment),
    ] {
        let url = PORTAL.changed_url(&bridge, "openid", &[("response_mode", Some(mode))]);
        let mut visitor = Visitor::new();
        let callback = visitor.up_to_callback(&url).await;
        bridge.advance(Duration::from_mins(10));
        let way_back = visitor.get(&callback).await.alternative();
        assert!(way_back.starts_with(PORTAL.redirect_uri), "{way_back}");
        let returned = parse(&way_back);
        assert_eq!(returned.error(), "access_denied");
        assert_eq!(returned.get("state"), Some(STATE));
        assert_eq!(
            returned.names(),
            ["error", "error_description", "iss", "state"]
        );
    }
}
