//! The route table on one screen; start and graceful stop.
//! Never knows: what a route does.
//! Standards: RFC 9110; RFC 9112.

mod guard;
mod management;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, FromRequest, Handler, HttpRequest, HttpResponse, HttpServer};
use metrics_exporter_prometheus::PrometheusHandle;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::bridge::Bridge;
use crate::config::{Server, Tls};
use crate::provider::{
    ErrorPage, PageFault, Path, RequestId, assets, authorize, callback, discovery, introspect,
    jwks, logout, par, register, revoke, token, userinfo,
};

/// How long a head may take to arrive.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a graceful stop waits for what is in flight: longer than sgID may take.
const STOP_SECONDS: u64 = 30;

/// Every route of the public listener.
fn routes(bridge: &Bridge) -> impl FnOnce(&mut ServiceConfig) + use<> {
    let issuer = bridge.issuer.clone();
    move |app: &mut ServiceConfig| {
        let at = |path: Path| path.on(&issuer);
        // RFC 8414 section 3.1 puts the well-known part between host and path.
        let metadata = format!("/.well-known/oauth-authorization-server{}", issuer.path());
        app.service(only_get(at(Path::Discovery), discovery::discovery))
            .service(only_get(metadata, discovery::discovery))
            .service(only_get(at(Path::Jwks), jwks::jwks))
            .service(
                web::resource(at(Path::Authorize))
                    .route(web::get().to(authorize::authorize))
                    .route(web::post().to(authorize::authorize))
                    .default_service(web::to(only_get_and_post)),
            )
            .service(back_from_sgid(at(Path::Callback)))
            .service(back_from_sgid(at(Path::NamedCallback)))
            .service(only_post(at(Path::Token), token::token))
            .service(only_post(at(Path::Introspect), introspect::introspect))
            .service(only_post(at(Path::Revoke), revoke::revoke))
            .service(only_post(at(Path::PushedRequests), par::push))
            .service(
                web::resource(at(Path::Userinfo))
                    .route(web::get().to(userinfo::userinfo))
                    .route(web::post().to(userinfo::userinfo))
                    .default_service(web::to(only_get_and_post)),
            )
            .service(
                web::resource(at(Path::Logout))
                    .route(web::get().to(logout::logout))
                    .route(web::post().to(logout::logout))
                    .default_service(web::to(only_get_and_post)),
            )
            .service(
                web::resource(at(Path::ConfirmLogout))
                    .route(web::post().to(logout::confirm))
                    .default_service(web::to(only_post_itself)),
            )
            .service(only_post(at(Path::Register), register::register))
            .service(
                web::resource(at(Path::Registration))
                    .route(web::get().to(register::read))
                    .route(web::put().to(register::update))
                    .route(web::delete().to(register::remove))
                    .default_service(web::to(register::wrong_method)),
            )
            .service(only_get(at(Path::Stylesheet), assets::stylesheet))
            .service(only_get(at(Path::FormPostScript), assets::form_post_script))
            .default_service(web::to(nothing_here));
    }
}

fn only_get<F, A>(path: String, handler: F) -> actix_web::Resource
where
    F: Handler<A, Output = HttpResponse>,
    A: FromRequest + 'static,
{
    web::resource(path)
        .route(web::get().to(handler.clone()))
        .route(web::head().to(handler))
        .default_service(web::to(only_get_and_head))
}

/// For programs: what else is asked is refused in JSON.
fn only_post<F, A>(path: String, handler: F) -> actix_web::Resource
where
    F: Handler<A, Output = HttpResponse>,
    A: FromRequest + 'static,
{
    web::resource(path)
        .route(web::post().to(handler))
        .default_service(web::to(token::wrong_method))
}

/// GET alone: a login can be taken up once, and a HEAD that asks in passing must not use it up.
fn back_from_sgid(path: String) -> actix_web::Resource {
    web::resource(path)
        .route(web::get().to(callback::callback))
        .default_service(web::to(only_get_itself))
}

async fn only_get_itself(bridge: Data<Bridge>, request: HttpRequest) -> HttpResponse {
    wrong_method(&bridge, &request, "GET")
}

async fn only_post_itself(bridge: Data<Bridge>, request: HttpRequest) -> HttpResponse {
    wrong_method(&bridge, &request, "POST")
}

async fn nothing_here(bridge: Data<Bridge>, request: HttpRequest) -> HttpResponse {
    page(&bridge, &request, &PageFault::NotFound)
}

async fn only_get_and_head(bridge: Data<Bridge>, request: HttpRequest) -> HttpResponse {
    wrong_method(&bridge, &request, "GET, HEAD")
}

async fn only_get_and_post(bridge: Data<Bridge>, request: HttpRequest) -> HttpResponse {
    wrong_method(&bridge, &request, "GET, POST")
}

fn wrong_method(bridge: &Bridge, request: &HttpRequest, allowed: &'static str) -> HttpResponse {
    let mut response = page(bridge, request, &PageFault::MethodNotAllowed);
    let allowed = HeaderValue::from_static(allowed);
    response.headers_mut().insert(header::ALLOW, allowed);
    response
}

fn page(bridge: &Bridge, request: &HttpRequest, fault: &PageFault) -> HttpResponse {
    ErrorPage {
        fault,
        issuer: &bridge.issuer,
        reference: &RequestId::of(request),
    }
    .respond()
}

/// A server that listens.
pub struct Running {
    address: SocketAddr,
    management: Option<SocketAddr>,
    handles: Vec<ServerHandle>,
    serving: tokio::task::JoinHandle<io::Result<()>>,
}

/// Listens and serves in the background. The process's signals are the caller's.
///
/// # Errors
/// An address that cannot be bound, or certificate files that cannot be used.
pub fn start(
    bridge: &Arc<Bridge>,
    server: &Server,
    connections: usize,
    metrics: PrometheusHandle,
) -> io::Result<Running> {
    let data = Data::from(Arc::clone(bridge));
    let guard = Arc::new(guard::Guard::new(bridge, server));
    let app_data = data.clone();
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    let public = HttpServer::new(move || {
        App::new()
            .app_data(app_data.clone())
            .app_data(Data::from(Arc::clone(&guard)))
            .configure(routes(&app_data))
            .wrap(from_fn(guard::guard))
    })
    .client_request_timeout(HEAD_TIMEOUT)
    .workers(workers)
    // The library counts for each worker.
    .max_connections(connections.div_ceil(workers))
    .shutdown_timeout(STOP_SECONDS)
    .disable_signals();
    let public = match &server.tls {
        None => public.bind(server.listen)?,
        Some(tls) => public.bind_rustls_0_23(server.listen, tls_config(tls)?)?,
    };
    let address = first(&public.addrs())?;
    let public = public.run();
    let mut handles = vec![public.handle()];
    let management = match server.management_listen {
        None => None,
        Some(listen) => {
            let (address, running) = management::start(data, listen, metrics)?;
            handles.push(running.handle());
            tokio::spawn(running);
            Some(address)
        }
    };
    Ok(Running {
        address,
        management,
        handles,
        serving: tokio::spawn(public),
    })
}

fn first(addresses: &[SocketAddr]) -> io::Result<SocketAddr> {
    let address = addresses.first().copied();
    address.ok_or_else(|| io::Error::other("nothing was bound"))
}

/// Whether the certificate files can be used.
///
/// # Errors
/// What is wrong with them.
pub fn check_tls(tls: &Tls) -> io::Result<()> {
    tls_config(tls).map(|_| ())
}

fn tls_config(tls: &Tls) -> io::Result<rustls::ServerConfig> {
    let unusable = |file: &std::path::Path, error: &dyn std::fmt::Display| {
        io::Error::other(format!("{}: {error}", file.display()))
    };
    let certificates = CertificateDer::pem_file_iter(&tls.certificate_file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(&tls.certificate_file, &error))?;
    let key = PrivateKeyDer::from_pem_file(&tls.private_key_file)
        .map_err(|error| unusable(&tls.private_key_file, &error))?;
    rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(|error| unusable(&tls.certificate_file, &error))
}

impl Running {
    /// The public listener.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The management listener, if there is one.
    pub fn management_address(&self) -> Option<SocketAddr> {
        self.management
    }

    /// Takes no more connections, finishes what is in flight, and ends.
    pub async fn stop(self) {
        for handle in &self.handles {
            handle.stop(true).await;
        }
        let _ = self.serving.await;
    }

    /// Serves until `signal` resolves, then stops gracefully.
    pub async fn until(self, signal: impl Future<Output = ()>) {
        signal.await;
        self.stop().await;
    }
}
