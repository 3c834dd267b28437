//! `POST /v2/oauth/token`: a code becomes an access token and an ID token. Fact sheet section 1.2.

use super::{
    Misbehaviour as M,
    id_token::{Draft, mint},
    json::{Object, deep},
    keys::SigningKey,
    parameters::{Parameters, is_code_verifier},
    transport::{Delivery, deliver, json},
    world::{Grant, World, fresh_name, subject},
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::{Bytes, Data},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use subtle::ConstantTimeEq as _;

/// The token endpoint. The code is spent before any misbehaviour, so that a client which tries again
/// after a broken answer is refused.
pub(super) async fn token(world: Data<World>, request: HttpRequest, body: Bytes) -> HttpResponse {
    world.state().requests.token += 1;
    let grant = match redeem(&world, &request, &body) {
        Ok(grant) => grant,
        Err(problem) => {
            let body = serde_json::json!({ "message": problem }).to_string();
            return json(StatusCode::BAD_REQUEST, body);
        }
    };
    let misbehaviour = world.misbehaviour(&grant);
    let answer = answer(&world, grant, misbehaviour);
    deliver(&world, answer, Delivery::of_token(misbehaviour)).await
}

/// Every check of the fact sheet; the error is the text for `message`.
fn redeem(world: &World, request: &HttpRequest, body: &[u8]) -> Result<Grant, &'static str> {
    let content_type = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    if !content_type.is_some_and(|value| value.starts_with("application/x-www-form-urlencoded")) {
        return Err("The body must be a form.");
    }
    let form = Parameters::parse(body);
    if form.repeated().is_some() {
        return Err("A parameter is repeated.");
    }
    if form.get("grant_type") != Some("authorization_code") {
        return Err("The grant_type must be authorization_code.");
    }
    let client = form
        .get("client_id")
        .and_then(|id| world.client(id))
        .ok_or("Unknown client.")?;
    let secret = form.get("client_secret").unwrap_or_default();
    if !bool::from(secret.as_bytes().ct_eq(client.client_secret.as_bytes())) {
        return Err("Wrong client secret.");
    }
    let code = form.get("code").ok_or("The code is missing.")?;
    // One lock over search, checks and removal: of two requests with one code, one wins.
    let mut state = world.state();
    let grant = state
        .codes
        .find(code, world.now())
        .ok_or("The code is unknown, spent or expired.")?;
    let authorization = &grant.authorization;
    if authorization.client_id != client.client_id {
        return Err("The code belongs to another client.");
    }
    if form.get("redirect_uri") != Some(&authorization.redirect_uri) {
        return Err("The redirect_uri is not that of the authorization request.");
    }
    let verifier = form.get("code_verifier").unwrap_or_default();
    if !is_code_verifier(verifier)
        || B64.encode(Sha256::digest(verifier)) != authorization.code_challenge
    {
        return Err("The code_verifier does not fit the code_challenge.");
    }
    state.codes.remove(code);
    Ok(grant)
}

fn answer(world: &World, grant: Grant, misbehaviour: M) -> String {
    let access_token = fresh_name();
    let id_token = id_token(world, &grant, &access_token, misbehaviour);
    let scope = grant.authorization.scopes.join(" ");
    world
        .state()
        .access_tokens
        .put(access_token.clone(), grant, world.now());
    let mut answer = Object::default();
    answer
        .add("access_token", &access_token)
        .add("id_token", &id_token);
    match misbehaviour {
        M::TokenNoAccessToken => answer.remove("access_token"),
        M::TokenNoIdToken => answer.remove("id_token"),
        M::TokenDuplicateMember => answer.shadow("access_token", "another-access-token"),
        M::TokenDeepJson => answer.add_raw("extra", deep()),
        M::TokenExtraMembers => answer
            .add("token_type", "Bearer")
            .add("expires_in", 86_400)
            .add("scope", scope)
            .add("refresh_token", fresh_name()),
        _ => &mut answer,
    };
    answer.render()
}

fn id_token(world: &World, grant: &Grant, access_token: &str, misbehaviour: M) -> String {
    let authorization = &grant.authorization;
    let current = {
        let mut state = world.state();
        state.publishes_es256 |= misbehaviour == M::IdTokenAlgEs256;
        Arc::clone(&state.signing_key)
    };
    let key = if misbehaviour == M::JwksWeakKey {
        SigningKey::weak()
    } else {
        &*current
    };
    let client = world.client(&authorization.client_id);
    let draft = Draft {
        issuer: &world.issuer,
        client_id: &authorization.client_id,
        client_secret: client.map_or("", |client| client.client_secret.as_str()),
        subject: &subject(&authorization.client_id, grant.persona),
        nonce: authorization.nonce.as_deref(),
        access_token,
        now: world.now(),
        key,
    };
    mint(&draft, misbehaviour)
}
