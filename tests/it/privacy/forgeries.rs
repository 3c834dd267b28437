//! Strangers' text in every parameter and header of a plain login, and in the path.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;

use super::deployment::{Deployment, SCOPE};
use super::visits::{FORGED, Visits, authorize_url, form, parameters, query};
use crate::support::app::PORTAL;
use crate::support::bridge::CLIENT_SECRET;
use crate::support::visitor::Visitor;

impl Visits {
    /// Line breaks, terminal sequences and markup in every parameter, every header and the path.
    pub(super) async fn forge(&mut self, deployment: &Deployment) {
        for injection in &injections() {
            self.forge_authorization(deployment, injection).await;
            self.forge_callback(deployment, injection).await;
            self.forge_token(deployment, injection).await;
            self.forge_headers(deployment, injection).await;
        }
        for raw in [
            "GET /\u{1b}[31mforged-by-a-stranger HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: \u{1b}[31mforged-by-a-stranger\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n forged-by-a-stranger\r\n\r\n",
            "GET /authorize?state=forged-by-a-stranger\nx HTTP/1.1\r\n\r\n",
            "FORGED\u{1b}[31m / HTTP/1.1\r\nHost: x\r\n\r\n",
            "POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nforged-by-a-stranger",
            "forged-by-a-stranger\r\n\r\n",
        ] {
            self.forge_raw(deployment, raw).await;
        }
    }

    async fn forge_authorization(&mut self, deployment: &Deployment, injection: &str) {
        let proper = parameters(PORTAL, SCOPE);
        let more = [
            "prompt",
            "max_age",
            "response_mode",
            "request",
            "request_uri",
            "claims",
            FORGED,
        ];
        let names: Vec<String> = proper
            .iter()
            .map(|(name, _)| name.clone())
            .chain(more.map(str::to_owned))
            .collect();
        for name in &names {
            let mut changed = proper.clone();
            changed.retain(|(own, _)| own != name);
            changed.push((name.clone(), injection.to_owned()));
            let url = query(&deployment.url("/authorize"), &changed);
            // The state, and with it the injection, may go back to where it came from.
            let answer = Visitor::new().get(&url).await;
            if answer.status >= 400 {
                self.keep(&answer);
            }
        }
    }

    async fn forge_callback(&mut self, deployment: &Deployment, injection: &str) {
        let mut visitor = Visitor::new();
        for name in ["state", "code", "error", "error_description", "iss"] {
            let url = query(
                &deployment.url("/callback"),
                &[(name.to_owned(), injection.to_owned())],
            );
            self.visit(&mut visitor, &url).await;
            // The same in a login that waits.
            let callback = self
                .as_far_as_the_callback(deployment, PORTAL, SCOPE, &mut visitor)
                .await;
            let mut url = Url::parse(&callback).unwrap();
            let mut pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
            pairs.retain(|(own, _)| own != name && !(own == "code" && name.starts_with("error")));
            pairs.push((name.to_owned(), injection.to_owned()));
            if name == "error_description" {
                pairs.push(("error".to_owned(), "access_denied".to_owned()));
            }
            url.query_pairs_mut().clear().extend_pairs(&pairs);
            self.visit(&mut visitor, url.as_str()).await;
        }
    }

    async fn forge_token(&mut self, deployment: &Deployment, injection: &str) {
        let proper = form(PORTAL, "ac_none");
        for name in [
            "grant_type",
            "code",
            "redirect_uri",
            "code_verifier",
            "client_id",
            "client_secret",
            FORGED,
        ] {
            let mut changed = proper.clone();
            changed.retain(|(own, _)| *own != name);
            changed.push((name, injection));
            self.redeem(deployment, Some(CLIENT_SECRET), &changed).await;
            self.redeem(deployment, None, &changed).await;
            self.redeem(deployment, Some(injection), &changed).await;
        }
        self.userinfo(deployment, &STANDARD.encode(injection)).await;
    }

    async fn forge_headers(&mut self, deployment: &Deployment, injection: &str) {
        // What cannot stand in a header is left out; the raw requests bring it.
        let injection: String = injection
            .chars()
            .filter(|c| ('\u{20}'..='\u{7e}').contains(c))
            .collect();
        let names = [
            "user-agent",
            "referer",
            "origin",
            "cookie",
            "host",
            "x-forwarded-for",
            "x-forwarded-host",
            "forwarded",
            "accept-language",
            "content-type",
            "authorization",
            "x-request-id",
            "traceparent",
        ];
        let authorize = authorize_url(deployment, PORTAL, SCOPE);
        for name in names {
            for url in [
                &authorize,
                &deployment.url("/callback?state=x&code=y"),
                &deployment.url("/userinfo"),
                &deployment.url("/token"),
                &deployment.url("/introspect"),
                &deployment.url("/revoke"),
                &deployment.url("/par"),
                &deployment.url("/register"),
                &deployment.url("/register/nobody"),
                &deployment.url("/logout?state=x"),
                &deployment.url("/logout/confirm"),
            ] {
                let headers = [(name, injection.as_str())];
                let is_read = ["?", "/userinfo", "/nobody"];
                let method = if is_read.iter().any(|it| url.contains(it)) {
                    Method::GET
                } else {
                    Method::POST
                };
                let answer = Visitor::new().send(method, url, &headers, None).await;
                if answer.status >= 400 {
                    self.keep(&answer);
                }
            }
        }
        let path: String = url::form_urlencoded::byte_serialize(injection.as_bytes()).collect();
        self.visit(
            &mut Visitor::new(),
            &deployment.url(&format!("/{path}%1b%5b31m%0a{FORGED}")),
        )
        .await;
    }

    async fn forge_raw(&mut self, deployment: &Deployment, request: &str) {
        let address = deployment.issuer.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // The bridge may close, or wait for more.
        let _ =
            tokio::time::timeout(Duration::from_millis(300), stream.read_to_end(&mut answer)).await;
        self.refusals
            .push(String::from_utf8_lossy(&answer).into_owned());
    }
}

/// Line breaks, terminal sequences and markup, each with [`FORGED`] in it.
pub(super) fn injections() -> [String; 6] {
    [
        format!("\r\n2026-01-01T00:00:00.000000Z ERROR {FORGED}"),
        format!("\n{{\"level\":\"ERROR\",\"message\":\"{FORGED}\"}}\n"),
        format!("\u{1b}]0;{FORGED}\u{7}\u{1b}[2J\u{1b}[31m"),
        format!("\u{9b}31m\u{85}{FORGED}\u{2028}\u{202e}\0"),
        format!("%0a%0d%1b[31m{FORGED}"),
        format!("<script>{FORGED}</script>\"'"),
    ]
}
