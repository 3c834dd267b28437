//! What sgID publishes: its keys and its discovery document; and the places of redirected answers.

use super::{
    Misbehaviour as M,
    json::Object,
    keys::{EllipticKey, SigningKey},
    persona::CATALOGUE,
    transport::{Delivery, deliver, json},
    world::World,
};
use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use serde_json::{Value, json};
use std::sync::Arc;

/// `GET /v2/.well-known/jwks.json`. No login can be seen in it, so it follows the whole simulator.
pub(super) async fn jwks(world: Data<World>) -> HttpResponse {
    let (misbehaviour, key, publishes_es256) = {
        let mut state = world.state();
        state.requests.jwks += 1;
        (
            state.behaviour,
            Arc::clone(&state.signing_key),
            state.publishes_es256,
        )
    };
    let mut keys: Vec<Value> = match misbehaviour {
        M::JwksEmpty => Vec::new(),
        M::JwksWeakKey => vec![SigningKey::weak().jwk("sig")],
        M::JwksEncryptionKey => vec![key.jwk("enc")],
        M::JwksForeignKeys => vec![
            json!({ "kty": "OKP", "crv": "Ed25519", "kid": "foreign-1", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }),
            json!({ "kty": "a-type-of-tomorrow", "kid": "foreign-2" }),
            SigningKey::stranger().jwk("enc"),
            key.jwk("sig"),
        ],
        _ => vec![key.jwk("sig")],
    };
    if publishes_es256 {
        keys.push(EllipticKey::shared().jwk());
    }
    let mut body = Object::default();
    body.add("keys", keys);
    if misbehaviour == M::JwksDuplicateMember {
        body.shadow("keys", [SigningKey::stranger().jwk("sig")]);
    }
    deliver(&world, body.render(), Delivery::of_jwks(misbehaviour)).await
}

/// `GET /v2/.well-known/openid-configuration`. The real content has not been seen in public.
pub(super) async fn discovery(world: Data<World>) -> HttpResponse {
    let issuer = &world.issuer;
    let mut scopes = vec!["openid"];
    scopes.extend(CATALOGUE);
    let document = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/oauth/authorize"),
        "token_endpoint": format!("{issuer}/oauth/token"),
        "userinfo_endpoint": format!("{issuer}/oauth/userinfo"),
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
        "scopes_supported": scopes,
    });
    json(StatusCode::OK, document.to_string())
}

/// `/v2/moved/{name}`: where a redirected answer lies. Whoever comes here followed a redirect.
pub(super) async fn moved(world: Data<World>, name: Path<String>) -> HttpResponse {
    let mut state = world.state();
    state.requests.moved += 1;
    let found = state.moved.find(&name, world.now());
    found.map_or_else(
        || HttpResponse::NotFound().finish(),
        |body| json(StatusCode::OK, body),
    )
}
