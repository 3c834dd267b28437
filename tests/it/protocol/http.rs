//! What every answer carries, and which ways in there are. Security requirements HT-1, HT-3, HT-6, HT-8, DA-5.

use reqwest::Method;

use crate::support::app::{PORTAL, SPA};
use crate::support::bridge::{Engine, Plan, TestBridge};
use crate::support::visitor::{Answer, Visitor};

const PATHS: [&str; 8] = [
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
    "/jwks",
    "/authorize",
    "/callback",
    "/token",
    "/userinfo",
    "/assets/style.css",
];

async fn send(bridge: &TestBridge, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    Visitor::new()
        .send(method, &bridge.url(path), headers, None)
        .await
}

fn assert_guarded(answer: &Answer, what: &str) {
    for (name, value) in [
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{what}");
    }
    let policy = answer.header("content-security-policy").unwrap();
    for part in [
        "default-src 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ] {
        assert!(policy.contains(part), "{what}: {policy}");
    }
    assert!(
        !policy.contains("unsafe") && !policy.contains("script-src"),
        "{what}: {policy}"
    );
    let is_document = answer
        .header("cache-control")
        .is_some_and(|it| it.starts_with("public"));
    assert!(
        is_document || answer.header("cache-control") == Some("no-store"),
        "{what}"
    );
    assert!(![301, 307, 308].contains(&answer.status), "{what}");
    assert!(answer.status < 500, "{what}: {}", answer.status);
    for telling in ["server", "x-powered-by"] {
        assert_eq!(answer.header(telling), None, "{what}");
    }
}

#[tokio::test]
async fn every_answer_to_whatever_carries_the_headers_that_guard_it() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let methods = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::OPTIONS,
        Method::TRACE,
        Method::PATCH,
    ];
    for path in PATHS.iter().chain(&[
        "/",
        "/nowhere",
        "/authorize/",
        "//authorize",
        "/callback/nobody",
        "/%00",
        "/..%2f..%2fetc",
        "/jwks?x=%ff",
    ]) {
        for method in &methods {
            let answer = send(&bridge, method.clone(), path, &[]).await;
            assert_guarded(&answer, &format!("{method} {path}"));
            assert_eq!(
                answer.header("strict-transport-security"),
                None,
                "not over plain http"
            );
            if answer.status == 405 {
                assert!(
                    answer.header("allow").is_some(),
                    "{method} {path}: RFC 9110 section 15.5.6"
                );
            }
        }
    }
    let odd = Method::from_bytes(b"BREW").unwrap();
    assert_eq!(send(&bridge, odd, "/token", &[]).await.status, 405);
    let begun = Visitor::new()
        .get(&PORTAL.authorization_url(&bridge, "openid"))
        .await;
    assert_guarded(&begun, "a redirect");
    assert_eq!(begun.status, 303);
}

#[tokio::test]
async fn behind_an_https_issuer_every_answer_asks_for_tls_for_a_year() {
    let bridge = Plan::on(Engine::Sqlite).https_issuer().start().await;
    for path in PATHS.iter().chain(&["/nowhere"]) {
        let answer = send(&bridge, Method::GET, path, &[]).await;
        let policy = answer.header("strict-transport-security").unwrap();
        assert!(policy.starts_with("max-age=31536000"), "{path}: {policy}");
    }
}

#[tokio::test]
async fn there_is_nothing_where_nothing_was_announced() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    for path in [
        "/",
        "/nowhere",
        "/token/",
        "/authorize/x",
        "/TOKEN",
        "/logout",
        "/acr/sgid",
        "/end_session",
        "/admin",
    ] {
        let answer = send(&bridge, Method::GET, path, &[]).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.body.contains("There is nothing here"), "{path}");
    }
    let page = send(
        &bridge,
        Method::GET,
        "/%3Cscript%3Ealert(1)%3C/script%3E?x=<script>",
        &[],
    )
    .await;
    assert!(!page.body.contains("<script"), "{}", page.body);
}

#[tokio::test]
async fn management_and_protocol_do_not_share_a_listener() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    for path in ["/health/live", "/health/ready", "/metrics", "/health"] {
        assert_eq!(
            send(&bridge, Method::GET, path, &[]).await.status,
            404,
            "{path}"
        );
    }
    for path in PATHS {
        let answer = Visitor::new().get(&bridge.management_url(path)).await;
        assert_eq!(answer.status, 404, "{path}");
    }
    for path in ["/health/live", "/metrics"] {
        assert_eq!(
            Visitor::new()
                .get(&bridge.management_url(path))
                .await
                .status,
            200,
            "{path}"
        );
    }
}

fn allowed_origin(answer: &Answer) -> Option<&str> {
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    answer.header("access-control-allow-origin")
}

#[tokio::test]
async fn only_registered_origins_read_tokens_and_nobody_reads_the_authorization_endpoint() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let own = "https://spa.example.sg";
    let strangers = [
        "https://evil.example",
        "null",
        "https://spa.example.sg.evil.example",
        "http://spa.example.sg",
        "https://spa.example.sg:444",
        "https://SPA.example.sg",
        "https://portal.example.sg",
        "",
    ];
    let preflight = ("access-control-request-method", "POST");
    for path in ["/token", "/userinfo"] {
        let answer = send(&bridge, Method::GET, path, &[("origin", own)]).await;
        assert_eq!(allowed_origin(&answer), Some(own), "{path}");
        assert_eq!(answer.header("vary"), Some("Origin"), "{path}");
        let answer = send(
            &bridge,
            Method::OPTIONS,
            path,
            &[("origin", own), preflight],
        )
        .await;
        assert_eq!(
            (answer.status, allowed_origin(&answer)),
            (204, Some(own)),
            "{path}"
        );
        let headers = answer
            .header("access-control-allow-headers")
            .unwrap()
            .to_lowercase();
        assert!(
            headers.contains("authorization") && headers.contains("content-type"),
            "{headers}"
        );
        for stranger in strangers {
            for method in [Method::GET, Method::OPTIONS] {
                let answer = send(&bridge, method, path, &[("origin", stranger), preflight]).await;
                assert_eq!(allowed_origin(&answer), None, "{path}: {stranger}");
                assert_eq!(answer.header("vary"), Some("Origin"), "{path}");
            }
        }
    }
    for path in ["/authorize", "/callback", "/nowhere"] {
        for method in [Method::GET, Method::OPTIONS] {
            let answer = send(&bridge, method, path, &[("origin", own), preflight]).await;
            assert_eq!(allowed_origin(&answer), None, "{path}");
        }
    }
    let tokens = SPA.log_in(&bridge, "openid").await;
    let bearer = format!("Bearer {}", tokens.access_token);
    let answer = send(
        &bridge,
        Method::GET,
        "/userinfo",
        &[("origin", own), ("authorization", &bearer)],
    )
    .await;
    assert_eq!((answer.status, allowed_origin(&answer)), (200, Some(own)));
}

#[tokio::test]
async fn metric_labels_are_bounded_whatever_is_sent() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    let label = "oddity-of-this-test";
    for number in 0..20 {
        let method = Method::from_bytes(format!("ODD{number}").as_bytes()).unwrap();
        send(&bridge, method, &format!("/{label}/{number}"), &[]).await;
        send(
            &bridge,
            Method::GET,
            &format!("/callback/{label}-{number}"),
            &[],
        )
        .await;
        send(
            &bridge,
            Method::GET,
            &format!("/authorize?client_id={label}-{number}"),
            &[],
        )
        .await;
        let form = [
            ("client_id", label),
            ("grant_type", label),
            ("client_secret", label),
        ];
        Visitor::new().post(&bridge.url("/token"), &form).await;
    }
    PORTAL.log_in(&bridge, "openid").await;
    let metrics = Visitor::new()
        .get(&bridge.management_url("/metrics"))
        .await
        .body;
    assert!(metrics.contains("http_requests_total"), "{metrics}");
    for unbounded in [label, "ODD", "127.0.0.1", "portal", "S0000001I", "SAMPLE"] {
        assert!(
            !metrics.contains(unbounded),
            "{unbounded} is a label: {metrics}"
        );
    }
}
