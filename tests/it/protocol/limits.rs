//! Bounds on size, time and number, and who is counted. Security requirements HT-4, HT-5, HT-7.

use std::time::Duration;

use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::app::PORTAL;
use crate::support::bridge::{Engine, Plan, TestBridge};
use crate::support::visitor::{Answer, Visitor};

/// Sends these bytes as they are, and reads until the other side is done or the time is over.
async fn raw(bridge: &TestBridge, bytes: &[u8]) -> String {
    let address = bridge.base.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The answer may come, and the connection go, before everything is sent.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(Duration::from_secs(25), reading).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> u16 {
    let line = answer.lines().next().unwrap_or_default();
    line.split(' ')
        .nth(1)
        .and_then(|it| it.parse().ok())
        .unwrap_or_default()
}

async fn login_from(bridge: &TestBridge, forwarded: &str) -> Answer {
    let url = PORTAL.authorization_url(bridge, "openid");
    let headers = [("x-forwarded-for", forwarded)];
    Visitor::new().send(Method::GET, &url, &headers, None).await
}

#[tokio::test]
async fn a_form_has_at_most_64_kib() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    for path in ["/token", "/userinfo", "/authorize"] {
        let large = "a".repeat(64 * 1024);
        let answer = Visitor::new()
            .post(&bridge.url(path), &[("a", &large)])
            .await;
        assert_eq!(answer.status, 413, "{path}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{path}");
        let fits = "a".repeat(64 * 1024 - 2);
        let answer = Visitor::new()
            .post(&bridge.url(path), &[("a", &fits)])
            .await;
        assert_ne!(answer.status, 413, "{path}");
    }
}

#[tokio::test]
async fn a_head_has_at_most_16_kib() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let answer = Visitor::new()
        .get(&bridge.url(&format!("/authorize?a={}", "a".repeat(17_000))))
        .await;
    assert_eq!(
        (answer.status, answer.header("x-frame-options")),
        (431, Some("DENY"))
    );
    let headers = [("cookie", &*"a".repeat(17_000))];
    let answer = Visitor::new()
        .send(Method::GET, &bridge.url("/jwks"), &headers, None)
        .await;
    assert_eq!(answer.status, 431);
    let huge = format!(
        "GET /jwks HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n",
        "a".repeat(400_000)
    );
    let answer = raw(&bridge, huge.as_bytes()).await;
    assert!([0, 400, 414, 431].contains(&status(&answer)), "{answer}");
    let many = "A: b\r\n".repeat(2_000);
    let answer = raw(
        &bridge,
        format!("GET /jwks HTTP/1.1\r\nHost: x\r\n{many}\r\n").as_bytes(),
    )
    .await;
    assert!([0, 400, 431].contains(&status(&answer)), "{answer}");
    assert_eq!(Visitor::new().get(&bridge.url("/jwks")).await.status, 200);
}

#[tokio::test]
async fn a_query_or_form_has_at_most_64_parameters() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let many: Vec<(String, &str)> = (0..65).map(|number| (format!("p{number}"), "1")).collect();
    let many: Vec<(&str, &str)> = many
        .iter()
        .map(|(name, value)| (name.as_str(), *value))
        .collect();
    assert_eq!(
        Visitor::new()
            .post(&bridge.url("/token"), &many)
            .await
            .status,
        400
    );
    assert_eq!(
        Visitor::new()
            .post(&bridge.url("/authorize"), &many)
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn a_head_or_a_body_that_trickles_is_given_up() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let slow_body = b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\ngrant";
    let slow_head = b"GET /jwks HTTP/1.1\r\nHost:";
    let began = tokio::time::Instant::now();
    let (body, head) = tokio::join!(raw(&bridge, slow_body), raw(&bridge, slow_head));
    assert_eq!(status(&body), 408, "{body}");
    assert!(body.contains("\"error\""), "{body}");
    assert!([0, 408].contains(&status(&head)), "{head}");
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "both connections are closed, not left open"
    );
}

#[tokio::test]
async fn ambiguous_framing_is_refused() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    for framing in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\na=b&c=",
        "Content-Length: 5, 6\r\n\r\na=b&c=",
        "Content-Length: +5\r\n\r\na=b&c",
        "Content-Length: -1\r\n\r\n",
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    ] {
        let request =
            format!("POST /token HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{form}{framing}");
        let answer = raw(&bridge, request.as_bytes()).await;
        assert_eq!(status(&answer), 400, "{framing}: {answer}");
        assert!(
            !answer.contains("invalid_client") && !answer.contains("grant_type"),
            "{framing}: it was read: {answer}"
        );
    }
}

#[tokio::test]
async fn too_many_logins_of_one_address_are_told_to_wait_and_others_go_on() {
    let bridge = Plan::on(Engine::Sqlite)
        .settings("[limits]\nlogins_per_minute = 3\n")
        .server_settings("trusted_proxies = [\"127.0.0.1/32\", \"10.0.0.0/8\"]")
        .start()
        .await;
    for _ in 0..3 {
        assert_eq!(login_from(&bridge, "203.0.113.9").await.status, 303);
    }
    let page = login_from(&bridge, "203.0.113.9").await;
    assert_eq!(
        (
            page.status,
            page.header("location"),
            page.header("set-cookie")
        ),
        (429, None, None)
    );
    assert!(page.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
    // What a stranger writes before the proxy's own word does not count, nor does a proxy in between.
    for forged in [
        "198.51.100.1, 203.0.113.9",
        "203.0.113.9, 10.1.2.3",
        "evil, 203.0.113.9, 10.0.0.1, 10.0.0.2",
    ] {
        assert_eq!(login_from(&bridge, forged).await.status, 429, "{forged}");
    }
    assert_eq!(
        login_from(&bridge, "198.51.100.1").await.status,
        303,
        "another address"
    );
    // One network of IPv6 is one source.
    for host in 1..=3 {
        assert_eq!(
            login_from(&bridge, &format!("2001:db8:1:2::{host}"))
                .await
                .status,
            303
        );
    }
    assert_eq!(
        login_from(&bridge, "2001:db8:1:2:ffff::1").await.status,
        429
    );
    assert_eq!(login_from(&bridge, "2001:db8:1:3::1").await.status, 303);
}

#[tokio::test]
async fn a_hop_that_is_no_bare_address_hides_nobody_behind_a_forged_one() {
    let bridge = Plan::on(Engine::Sqlite)
        .settings("[limits]\nlogins_per_minute = 3\n")
        .server_settings("trusted_proxies = [\"127.0.0.1/32\"]")
        .start()
        .await;
    let mut throttled = 0;
    for number in 0..8 {
        // The proxy appends the port; what stands before it came from the stranger.
        let forwarded = format!("198.51.100.{number}, 203.0.113.9:4{number}11");
        throttled += u32::from(login_from(&bridge, &forwarded).await.status == 429);
    }
    assert_eq!(throttled, 5, "all eight came from one address");
}

#[tokio::test]
async fn without_a_trusted_proxy_nobody_chooses_the_own_address() {
    let bridge = Plan::on(Engine::Sqlite)
        .settings("[limits]\nlogins_per_minute = 3\n")
        .start()
        .await;
    let mut throttled = 0;
    for number in 0..6 {
        throttled += u32::from(
            login_from(&bridge, &format!("203.0.113.{number}"))
                .await
                .status
                == 429,
        );
    }
    assert_eq!(throttled, 3);
}

#[tokio::test]
async fn waiting_logins_are_bounded_and_the_relying_party_hears_of_it() {
    let bridge = Plan::on(Engine::Sqlite)
        .settings("[limits]\nwaiting_logins = 5\n")
        .start()
        .await;
    for _ in 0..5 {
        assert_eq!(login_from(&bridge, "x").await.status, 303);
    }
    let full = login_from(&bridge, "x").await;
    assert!(
        full.location().contains("error=temporarily_unavailable"),
        "{}",
        full.location()
    );
    assert!(bridge.bridge.store.count_logins().await.unwrap() <= 5);
    bridge.advance(Duration::from_mins(20));
    bridge.bridge.sweep().await.unwrap();
    PORTAL.log_in(&bridge, "openid").await;
}
