//! What every request passes: its number, limits on its head, one log event, and the headers of every answer.
//! A fault in one request ends that request only.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage, HttpResponse};
use futures_util::FutureExt;
use ipnet::IpNet;
use uuid::Uuid;

use crate::bridge::Bridge;
use crate::config::Server;
use crate::provider::{ClientAddress, ErrorPage, PageFault, Path, RequestId};

/// The most bytes that request line and headers may have together.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// The content security policy of every answer that has none of its own: no script, no framing, no plug-ins.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What the guard knows about this server.
pub(super) struct Guard {
    trusted_proxies: Vec<IpNet>,
    is_https: bool,
    readable_by_anyone: HashSet<String>,
    readable_by_origins: HashSet<String>,
    /// Where relying parties read JSON and people read nothing.
    for_programs: HashSet<String>,
    registrations: String,
    known_paths: Vec<String>,
}

impl Guard {
    pub(super) fn new(bridge: &Bridge, server: &Server) -> Self {
        let issuer = &bridge.issuer;
        let metadata = format!("/.well-known/oauth-authorization-server{}", issuer.path());
        let on = |path: Path| path.on(issuer);
        let readable_by_anyone = HashSet::from([on(Path::Discovery), on(Path::Jwks), metadata]);
        let readable_by_origins =
            HashSet::from([on(Path::Token), on(Path::Userinfo), on(Path::Revoke)]);
        let for_programs = HashSet::from([
            on(Path::Token),
            on(Path::Userinfo),
            on(Path::Revoke),
            on(Path::Introspect),
            on(Path::PushedRequests),
            on(Path::Register),
        ]);
        let others = [
            on(Path::Authorize),
            on(Path::Callback),
            on(Path::Logout),
            on(Path::ConfirmLogout),
            on(Path::Stylesheet),
            on(Path::FormPostScript),
        ];
        Self {
            trusted_proxies: server.trusted_proxies.clone(),
            is_https: issuer.is_https(),
            known_paths: readable_by_anyone
                .iter()
                .chain(&for_programs)
                .cloned()
                .chain(others)
                .collect(),
            readable_by_anyone,
            readable_by_origins,
            for_programs,
            registrations: format!("{}/", on(Path::Register)),
        }
    }

    /// Who sent the request. The last address that no trusted proxy vouches for is the sender's; what is no address
    /// ends the search, since whatever stands before it may be the sender's own invention.
    fn address(&self, request: &ServiceRequest) -> IpAddr {
        let unknown = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let mut address = request.peer_addr().map_or(unknown, |peer| peer.ip());
        let forwarded: Vec<Option<IpAddr>> = request
            .headers()
            .get_all("x-forwarded-for")
            .flat_map(|value| value.to_str().unwrap_or("unreadable").split(','))
            .map(|hop| hop_address(hop.trim()))
            .collect();
        for hop in forwarded.into_iter().rev() {
            match hop {
                Some(hop) if self.trusts(address) => address = hop,
                Some(_) | None => break,
            }
        }
        address
    }

    fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted_proxies
            .iter()
            .any(|range| range.contains(&address))
    }

    fn is_for_programs(&self, path: &str) -> bool {
        self.for_programs.contains(path) || path.starts_with(&self.registrations)
    }

    /// A path for logs and metrics: one of ours, or a word for all others.
    fn label(&self, path: &str) -> String {
        if path.starts_with(&self.registrations) {
            return format!("{}{{client_id}}", self.registrations);
        }
        let known = self.known_paths.iter().find(|known| *known == path);
        known.map_or_else(|| "other".to_owned(), Clone::clone)
    }
}

/// `address`, `address:port` or `[address]:port`, as proxies write it.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let unbracketed = hop
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let with_port = || hop.parse::<SocketAddr>().ok().map(|address| address.ip());
    unbracketed.unwrap_or(hop).parse().ok().or_else(with_port)
}

/// The middleware around every route of the public listener.
pub(super) async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let (Some(bridge), Some(guard)) = (
        request.app_data::<Data<Bridge>>().cloned(),
        request.app_data::<Data<Guard>>().cloned(),
    ) else {
        return Ok(request
            .into_response(HttpResponse::InternalServerError())
            .map_into_boxed_body());
    };
    let id = Uuid::new_v4().simple().to_string()[..12].to_owned();
    let address = guard.address(&request);
    request.extensions_mut().insert(RequestId(id.clone()));
    request.extensions_mut().insert(ClientAddress(address));
    let (method, path) = (request.method().clone(), request.path().to_owned());
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut outcome = answer(&bridge, &guard, request, next, &id).await;
    let (status, headers) = match &mut outcome {
        Ok(response) => (response.status(), response.headers_mut()),
        Err(response) => (response.status(), response.headers_mut()),
    };
    let cross_origin = CrossOrigin {
        guard: &guard,
        bridge: &bridge,
        path: &path,
    };
    cross_origin.write(origin.as_ref(), headers);
    write_security_headers(&guard, headers);
    let route = guard.label(&path);
    let elapsed = started.elapsed();
    tracing::info!(
        http.method = method_label(&method),
        http.route = route,
        http.status = status.as_u16(),
        elapsed_ms = elapsed.as_millis(),
        request.id = id,
        "request"
    );
    metrics::counter!("http_requests_total", "method" => method_label(&method), "route" => route.clone(), "status" => status.as_u16().to_string()).increment(1);
    metrics::histogram!("http_request_seconds", "route" => route).record(elapsed.as_secs_f64());
    outcome.map_err(|response| InternalError::from_response("no answer", response).into())
}

/// The answer of the route, or one in its place where the request's own context is lost.
async fn answer(
    bridge: &Arc<Bridge>,
    guard: &Guard,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
    id: &str,
) -> Result<ServiceResponse<BoxBody>, HttpResponse> {
    // Relying parties read JSON where people read pages.
    let is_for_programs = guard.is_for_programs(request.path());
    let page = |fault: PageFault| {
        if is_for_programs {
            return fault.respond_as_json();
        }
        let page = ErrorPage {
            fault: &fault,
            issuer: &bridge.issuer,
            reference: id,
        };
        page.respond()
    };
    if head_bytes(&request) > MAX_HEAD_BYTES {
        return Ok(request.into_response(page(PageFault::HeadTooLarge)));
    }
    // Keys and discovery stay fast under any load: relying parties everywhere depend on them.
    let is_precious = guard.readable_by_anyone.contains(request.path());
    let address = ClientAddress::of(request.request());
    let is_within_rate = bridge.throttle.admit_request(address);
    if is_within_rate.is_err() {
        return Ok(request.into_response(page(PageFault::Throttled)));
    }
    let place = bridge.throttle.take_place(address);
    if place.is_err() && !is_precious {
        return Ok(request.into_response(page(PageFault::Overloaded)));
    }
    if *request.method() == Method::OPTIONS {
        let cross_origin = CrossOrigin {
            guard,
            bridge,
            path: request.path(),
        };
        if let Some(response) = cross_origin.preflight(request.headers()) {
            return Ok(request.into_response(response));
        }
    }
    let answered = AssertUnwindSafe(async { next.call(request).await })
        .catch_unwind()
        .await;
    match answered {
        Ok(Ok(response)) => Ok(response.map_into_boxed_body()),
        Ok(Err(error)) => Err(error.error_response()),
        Err(_) => {
            tracing::error!(
                request.id = id,
                "a request ended in a panic; please report this"
            );
            Err(page(PageFault::Fault))
        }
    }
}

fn head_bytes(request: &ServiceRequest) -> usize {
    let headers = request.headers().iter();
    let line = request
        .uri()
        .path_and_query()
        .map_or(0, |path| path.as_str().len());
    line + headers
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum::<usize>()
}

/// Methods as a bounded set of words, whatever is sent.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

fn write_security_headers(guard: &Guard, headers: &mut HeaderMap) {
    // A page that needs another policy has written it.
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        let policy = HeaderValue::from_static(CONTENT_SECURITY_POLICY);
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    // No Cross-Origin-Opener-Policy: apps sign people in within a popup, which would lose its opener on the way.
    let fixed = [
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if guard.is_https {
        let a_year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, a_year);
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// Who may read our answers from a page of theirs. Never with credentials, never at the authorization endpoint.
struct CrossOrigin<'a> {
    guard: &'a Guard,
    bridge: &'a Bridge,
    path: &'a str,
}

impl CrossOrigin<'_> {
    fn allowed(&self, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
        // Without regard to the origin, so that a shared cache may hand the document to anybody.
        if self.guard.readable_by_anyone.contains(self.path) {
            return Some(HeaderValue::from_static("*"));
        }
        let origin = origin?;
        let is_registered = self.guard.readable_by_origins.contains(self.path)
            && self.bridge.clients.has_web_origin(origin.to_str().ok()?);
        is_registered.then(|| origin.clone())
    }

    fn write(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        if self.guard.readable_by_origins.contains(self.path) {
            headers.insert(header::VARY, HeaderValue::from_static("Origin"));
        }
        if let Some(allowed) = self.allowed(origin) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        }
    }

    /// The answer to a preflight; the headers that name the origin are added to every answer.
    fn preflight(&self, headers: &HeaderMap) -> Option<HttpResponse> {
        self.allowed(headers.get(header::ORIGIN))?;
        headers.get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
        let response = HttpResponse::build(StatusCode::NO_CONTENT)
            .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"))
            .insert_header((
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                "Authorization, Content-Type",
            ))
            .insert_header((header::ACCESS_CONTROL_MAX_AGE, "600"))
            .finish();
        Some(response)
    }
}
