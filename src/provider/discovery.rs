//! What we can do, exactly. OpenID Connect Discovery 1.0 section 3; RFC 8414 section 2; RFC 9207 section 3.

use std::collections::BTreeSet;

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use serde::Serialize;

use super::paths::Path;
use crate::bridge::Bridge;
use crate::oidc::algorithm::{ContentEncryption, KeyManagementAlgorithm, SigningAlgorithm};
use crate::oidc::client::{AuthenticationMethod, GrantType};
use crate::oidc::id_token::authentication_context;
use crate::oidc::issuer::Issuer;
use crate::oidc::return_address::ResponseMode;
use crate::oidc::scope::ScopeSet;

/// The provider's metadata. Answers without the database.
pub async fn discovery(bridge: Data<Bridge>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .json(Metadata::of(&bridge))
}

/// Members that stand for something that this configuration does not offer are left out. RFC 8414 section 3.2.
#[derive(Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "the members of the standard")]
struct Metadata<'a> {
    issuer: &'a Issuer,
    authorization_endpoint: String,
    token_endpoint: String,
    userinfo_endpoint: String,
    jwks_uri: String,
    introspection_endpoint: String,
    revocation_endpoint: String,
    pushed_authorization_request_endpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_endpoint: Option<String>,
    #[serde(flatten)]
    logout: Option<LogoutMetadata>,
    scopes_supported: Vec<String>,
    claims_supported: BTreeSet<String>,
    response_types_supported: [&'static str; 1],
    response_modes_supported: Vec<&'static str>,
    grant_types_supported: Vec<&'static str>,
    subject_types_supported: [&'static str; 2],
    acr_values_supported: [String; 1],
    prompt_values_supported: [&'static str; 4],
    id_token_signing_alg_values_supported: Vec<&'static str>,
    id_token_encryption_alg_values_supported: Vec<&'static str>,
    id_token_encryption_enc_values_supported: Vec<&'static str>,
    userinfo_signing_alg_values_supported: Vec<&'static str>,
    userinfo_encryption_alg_values_supported: Vec<&'static str>,
    userinfo_encryption_enc_values_supported: Vec<&'static str>,
    request_object_signing_alg_values_supported: Vec<&'static str>,
    token_endpoint_auth_methods_supported: Vec<&'static str>,
    token_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    introspection_endpoint_auth_methods_supported: Vec<&'static str>,
    introspection_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    revocation_endpoint_auth_methods_supported: Vec<&'static str>,
    revocation_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    code_challenge_methods_supported: [&'static str; 1],
    claim_types_supported: [&'static str; 1],
    claims_parameter_supported: bool,
    request_parameter_supported: bool,
    /// Its default is true, so its absence would promise what we refuse. What PAR gives out is another matter (RFC 9126
    /// section 5).
    request_uri_parameter_supported: bool,
    require_pushed_authorization_requests: bool,
    authorization_response_iss_parameter_supported: bool,
}

/// With sessions, which alone can be ended. RP-Initiated Logout 1.0 section 2.1; Back-Channel Logout 1.0 section 2.1.
#[derive(Serialize)]
struct LogoutMetadata {
    end_session_endpoint: String,
    backchannel_logout_supported: bool,
    backchannel_logout_session_supported: bool,
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
        let logout = bridge.session.map(|_| LogoutMetadata {
            end_session_endpoint: url(Path::Logout),
            backchannel_logout_supported: true,
            backchannel_logout_session_supported: true,
        });
        if logout.is_some() {
            claims.insert("sid".to_owned());
        }
        let ours = || words(keyring.algorithms(), SigningAlgorithm::as_str);
        let theirs = || words(&SigningAlgorithm::ALL, SigningAlgorithm::as_str);
        let key = || words(KeyManagementAlgorithm::ALL, KeyManagementAlgorithm::as_str);
        let content = || words(ContentEncryption::ALL, ContentEncryption::as_str);
        let methods = || words(&AuthenticationMethod::ALL, AuthenticationMethod::as_str);
        let mut confidential = methods();
        confidential.retain(|method| *method != AuthenticationMethod::None.as_str());
        Self {
            issuer: &bridge.issuer,
            authorization_endpoint: url(Path::Authorize),
            token_endpoint: url(Path::Token),
            userinfo_endpoint: url(Path::Userinfo),
            jwks_uri: url(Path::Jwks),
            introspection_endpoint: url(Path::Introspect),
            revocation_endpoint: url(Path::Revoke),
            pushed_authorization_request_endpoint: url(Path::PushedRequests),
            registration_endpoint: bridge.registration.as_ref().map(|_| url(Path::Register)),
            logout,
            scopes_supported: scopes.iter().map(ToString::to_string).collect(),
            claims_supported: claims,
            response_types_supported: ["code"],
            response_modes_supported: words(&ResponseMode::ALL, ResponseMode::as_str),
            grant_types_supported: words(&GrantType::ALL, GrantType::as_str),
            subject_types_supported: ["pairwise", "public"],
            acr_values_supported: [authentication_context(&bridge.issuer)],
            prompt_values_supported: ["none", "login", "consent", "select_account"],
            id_token_signing_alg_values_supported: ours(),
            id_token_encryption_alg_values_supported: key(),
            id_token_encryption_enc_values_supported: content(),
            userinfo_signing_alg_values_supported: ours(),
            userinfo_encryption_alg_values_supported: key(),
            userinfo_encryption_enc_values_supported: content(),
            request_object_signing_alg_values_supported: theirs(),
            token_endpoint_auth_methods_supported: methods(),
            token_endpoint_auth_signing_alg_values_supported: theirs(),
            introspection_endpoint_auth_methods_supported: confidential,
            introspection_endpoint_auth_signing_alg_values_supported: theirs(),
            revocation_endpoint_auth_methods_supported: methods(),
            revocation_endpoint_auth_signing_alg_values_supported: theirs(),
            code_challenge_methods_supported: ["S256"],
            claim_types_supported: ["normal"],
            claims_parameter_supported: true,
            request_parameter_supported: true,
            request_uri_parameter_supported: false,
            require_pushed_authorization_requests: false,
            authorization_response_iss_parameter_supported: true,
        }
    }
}

fn words<T: Copy>(all: &[T], word: fn(T) -> &'static str) -> Vec<&'static str> {
    all.iter().copied().map(word).collect()
}

const ALWAYS_IN_TOKENS: [&str; 9] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "acr",
    "nonce",
    "at_hash",
];
