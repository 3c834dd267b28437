//! What we can do, exactly. OpenID Connect Discovery 1.0 section 3; RFC 8414 section 2; RFC 9207 section 3.

use std::collections::BTreeSet;

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use serde::Serialize;

use super::paths::Path;
use crate::bridge::Bridge;
use crate::oidc::algorithm::SigningAlgorithm;
use crate::oidc::client::AuthenticationMethod;
use crate::oidc::issuer::Issuer;
use crate::oidc::return_address::ResponseMode;
use crate::oidc::scope::ScopeSet;

/// The provider's metadata. Answers without the database.
pub async fn discovery(bridge: Data<Bridge>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .json(Metadata::of(&bridge))
}

#[derive(Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "the members of the standard")]
struct Metadata<'a> {
    issuer: &'a Issuer,
    authorization_endpoint: String,
    token_endpoint: String,
    userinfo_endpoint: String,
    jwks_uri: String,
    scopes_supported: Vec<String>,
    claims_supported: BTreeSet<String>,
    response_types_supported: [&'static str; 1],
    response_modes_supported: Vec<&'static str>,
    grant_types_supported: [&'static str; 1],
    subject_types_supported: Vec<&'static str>,
    id_token_signing_alg_values_supported: Vec<&'static str>,
    token_endpoint_auth_methods_supported: Vec<&'static str>,
    code_challenge_methods_supported: [&'static str; 1],
    claim_types_supported: [&'static str; 1],
    claims_parameter_supported: bool,
    request_parameter_supported: bool,
    /// Its default is true, so its absence would promise what we refuse.
    request_uri_parameter_supported: bool,
    authorization_response_iss_parameter_supported: bool,
}

impl<'a> Metadata<'a> {
    fn of(bridge: &'a Bridge) -> Self {
        let catalogue = bridge.catalogue();
        let scopes = catalogue.scopes();
        let offered: ScopeSet = scopes.iter().cloned().collect();
        let mut claims = catalogue.claim_names(&offered);
        claims.extend(ALWAYS_IN_TOKENS.map(str::to_owned));
        let keyring = bridge.keyring();
        let url = |path: Path| path.url(&bridge.issuer);
        Self {
            issuer: &bridge.issuer,
            authorization_endpoint: url(Path::Authorize),
            token_endpoint: url(Path::Token),
            userinfo_endpoint: url(Path::Userinfo),
            jwks_uri: url(Path::Jwks),
            scopes_supported: scopes.iter().map(ToString::to_string).collect(),
            claims_supported: claims,
            response_types_supported: ["code"],
            response_modes_supported: ResponseMode::ALL.map(ResponseMode::as_str).to_vec(),
            grant_types_supported: ["authorization_code"],
            subject_types_supported: vec!["pairwise", "public"],
            id_token_signing_alg_values_supported: keyring
                .algorithms()
                .iter()
                .copied()
                .map(SigningAlgorithm::as_str)
                .collect(),
            token_endpoint_auth_methods_supported: AuthenticationMethod::ALL
                .map(AuthenticationMethod::as_str)
                .to_vec(),
            code_challenge_methods_supported: ["S256"],
            claim_types_supported: ["normal"],
            claims_parameter_supported: false,
            request_parameter_supported: false,
            request_uri_parameter_supported: false,
            authorization_response_iss_parameter_supported: true,
        }
    }
}

const ALWAYS_IN_TOKENS: [&str; 8] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "nonce",
    "at_hash",
];
