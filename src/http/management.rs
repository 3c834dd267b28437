//! Health and metrics, on a listener of their own.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse, HttpServer};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;

use super::first;
use crate::bridge::Bridge;

const READINESS_TIMEOUT: Duration = Duration::from_secs(8);

pub(super) fn start(
    bridge: Data<Bridge>,
    listen: SocketAddr,
    metrics: PrometheusHandle,
) -> io::Result<(SocketAddr, Server)> {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(bridge.clone())
            .app_data(Data::new(metrics.clone()))
            .route("/health/live", web::get().to(live))
            .route("/health/ready", web::get().to(ready))
            .route("/metrics", web::get().to(render_metrics))
    })
    .workers(1)
    .disable_signals()
    .bind(listen)?;
    Ok((first(&server.addrs())?, server.run()))
}

/// The process answers.
async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "live" }))
}

/// This instance can serve logins; 503 with the reason where it cannot.
async fn ready(bridge: Data<Bridge>) -> HttpResponse {
    let readiness = tokio::time::timeout(READINESS_TIMEOUT, bridge.readiness()).await;
    match readiness.unwrap_or_else(|_| Err("the database did not answer in time".to_owned())) {
        Ok(()) => HttpResponse::Ok().json(json!({ "status": "ready" })),
        Err(reason) => HttpResponse::ServiceUnavailable()
            .json(json!({ "status": "unready", "reason": reason })),
    }
}

async fn render_metrics(metrics: Data<PrometheusHandle>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4")
        .body(metrics.render())
}
