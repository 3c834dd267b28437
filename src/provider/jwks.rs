//! `GET /jwks`: the public halves of our signing keys. RFC 7517; OpenID Connect Core section 10.1.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;

use crate::bridge::Bridge;

/// The JWK Set. Answers without the database.
pub async fn jwks(bridge: Data<Bridge>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .json(bridge.keyring().jwks(bridge.clock.now()))
}
