//! `GET /v2/oauth/authorize` and what its page leads to: somebody chooses who to be, or gives up.
//! Fact sheet section 1.1: whatever is wrong with a request ends on a page, never at the client.

use super::{
    Misbehaviour as M, pages,
    parameters::{Parameters, is_s256_challenge},
    persona,
    world::{Authorization, Forced, Grant, World, fresh_name},
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::{Bytes, Data},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::sync::Arc;
use url::form_urlencoded;

/// Checks the request, then asks who signs in (or knows it already).
pub(super) async fn authorize(world: Data<World>, request: HttpRequest) -> HttpResponse {
    let parameters = Parameters::parse(request.query_string().as_bytes());
    let admitted = admit(&world, &parameters);
    let (forced, pause) = {
        let mut state = world.state();
        state.requests.authorize += 1;
        state.requests.last_authorization = parameters.into_pairs();
        (state.forced(), state.pause)
    };
    let authorization = match admitted {
        Ok(authorization) => Arc::new(authorization),
        Err(problem) => return pages::problem(StatusCode::BAD_REQUEST, &problem),
    };
    match forced {
        Forced::Persona(persona) => {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            approved(
                &world,
                Grant {
                    authorization,
                    persona,
                    misbehaviour: None,
                },
            )
        }
        Forced::Unknown(id) => pages::problem(
            StatusCode::NOT_FOUND,
            &format!("Nobody here is called {id:?}."),
        ),
        Forced::Nobody => {
            let name = fresh_name();
            let mut state = world.state();
            state
                .pending
                .put(name.clone(), Arc::clone(&authorization), world.now());
            pages::chooser(&name, &authorization, state.behaviour)
        }
    }
}

/// The choice, sent as a form by the page or as a query by a test.
pub(super) async fn approve(world: Data<World>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let encoded = if body.is_empty() {
        request.query_string().as_bytes()
    } else {
        &body[..]
    };
    let choice = Parameters::parse(encoded);
    // It stays on the shelf: a person who goes back and chooses again gets a second answer, and what
    // to make of that is the client's business.
    let pending = choice
        .get("request")
        .and_then(|name| world.state().pending.find(name, world.now()));
    let Some(authorization) = pending else {
        return pages::problem(
            StatusCode::BAD_REQUEST,
            "This sign-in has expired. Start again at the site that sent you.",
        );
    };
    if choice.get("cancel").is_some() {
        return declined(&authorization, "access_denied", None);
    }
    let misbehaviour = match choice.get("misbehave").map(|name| (name, M::parse(name))) {
        None => None,
        Some((_, Some(misbehaviour))) if misbehaviour.fits_one_login() => Some(misbehaviour),
        Some((name, Some(_))) => {
            let sentence = format!("{name:?} can only be set for the whole simulator.");
            return pages::problem(StatusCode::BAD_REQUEST, &sentence);
        }
        Some((name, None)) => {
            return pages::problem(
                StatusCode::BAD_REQUEST,
                &format!("No misbehaviour is called {name:?}."),
            );
        }
    };
    let Some(persona) = choice.get("persona").and_then(persona::find) else {
        return pages::problem(
            StatusCode::BAD_REQUEST,
            "Choose one of the people on the list.",
        );
    };
    approved(
        &world,
        Grant {
            authorization,
            persona,
            misbehaviour,
        },
    )
}

/// Every check of the fact sheet; the error is a sentence for the page.
fn admit(world: &World, parameters: &Parameters) -> Result<Authorization, String> {
    if let Some(name) = parameters.repeated() {
        return Err(format!("The parameter {name:?} is repeated."));
    }
    let required = |name: &str| {
        parameters
            .get(name)
            .ok_or(format!("The parameter {name:?} is missing."))
    };
    let client_id = required("client_id")?;
    let client = world
        .client(client_id)
        .ok_or("No client with this client_id is registered.")?;
    let redirect_uri = required("redirect_uri")?;
    if !client
        .redirect_uris
        .iter()
        .any(|registered| registered == redirect_uri)
    {
        return Err("This redirect_uri is not registered for the client.".to_owned());
    }
    if required("response_type")? != "code" {
        return Err("The response_type must be code.".to_owned());
    }
    let scopes: Vec<String> = required("scope")?.split(' ').map(str::to_owned).collect();
    if !scopes.iter().any(|scope| scope == "openid") {
        return Err("The scope must contain openid.".to_owned());
    }
    let registered = |scope: &&String| client.scopes.as_ref().is_none_or(|all| all.contains(scope));
    if let Some(scope) = scopes
        .iter()
        .find(|scope| *scope != "openid" && !registered(scope))
    {
        return Err(format!(
            "The client is not registered for the scope {scope:?}."
        ));
    }
    if required("code_challenge_method")? != "S256" {
        return Err("The code_challenge_method must be S256.".to_owned());
    }
    let code_challenge = required("code_challenge")?;
    if !is_s256_challenge(code_challenge) {
        return Err("The code_challenge is not a SHA-256 digest in base64url.".to_owned());
    }
    Ok(Authorization {
        client_id: client_id.to_owned(),
        redirect_uri: redirect_uri.to_owned(),
        scopes,
        state: parameters.get("state").map(str::to_owned),
        nonce: parameters.get("nonce").map(str::to_owned),
        code_challenge: code_challenge.to_owned(),
    })
}

/// Back to the client with a code, unless the callback itself is to be odd.
fn approved(world: &World, grant: Grant) -> HttpResponse {
    let misbehaviour = world.misbehaviour(&grant);
    let authorization = Arc::clone(&grant.authorization);
    match misbehaviour {
        M::CallbackErrorAccessDenied => return declined(&authorization, "access_denied", None),
        M::CallbackErrorTemporarilyUnavailable => {
            return declined(&authorization, "temporarily_unavailable", None);
        }
        M::CallbackErrorInvalidScope => return declined(&authorization, "invalid_scope", None),
        M::CallbackErrorServerError => return declined(&authorization, "server_error", None),
        M::CallbackErrorUnknown => {
            return declined(
                &authorization,
                "x_simulated_error",
                Some(HOSTILE_DESCRIPTION),
            );
        }
        _ => {}
    }
    let code = fresh_code();
    world.state().codes.put(code.clone(), grant, world.now());
    let mut answer = Answer::default();
    if misbehaviour != M::CallbackNoCode {
        answer.add("code", &code);
    }
    match (misbehaviour, &authorization.state) {
        (M::CallbackNoState, _) | (_, None) => {}
        (M::CallbackWrongState, _) => answer.add("state", "a-state-that-nobody-sent"),
        (_, Some(state)) => answer.add("state", state),
    }
    match (misbehaviour, &authorization.state) {
        (M::CallbackDuplicateState, Some(state)) => answer.add("state", state),
        (M::CallbackDuplicateCode, _) => answer.add("code", &fresh_code()),
        (M::CallbackCodeAndError, _) => answer.add("error", "access_denied"),
        (M::CallbackWrongIss, _) => answer.add("iss", "https://impostor.example/v2"),
        (M::CallbackRightIss, _) => answer.add("iss", &world.issuer),
        _ => {}
    }
    answer.redirect_to(&authorization.redirect_uri)
}

/// Back to the client without a code (RFC 6749 section 4.1.2.1).
fn declined(authorization: &Authorization, error: &str, description: Option<&str>) -> HttpResponse {
    let mut answer = Answer::default();
    answer.add("error", error);
    if let Some(description) = description {
        answer.add("error_description", description);
    }
    if let Some(state) = &authorization.state {
        answer.add("state", state);
    }
    answer.redirect_to(&authorization.redirect_uri)
}

const HOSTILE_DESCRIPTION: &str = "<script>alert(1)</script>\r\nSIMULATED UPSTREAM TEXT";

/// Parameters of a redirect, in order.
#[derive(Default)]
struct Answer(Vec<(String, String)>);

impl Answer {
    fn add(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    /// Appends to the URI as text, which leaves what the client registered as it is.
    fn redirect_to(self, uri: &str) -> HttpResponse {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(self.0)
            .finish();
        let joint = if uri.contains('?') { '&' } else { '?' };
        HttpResponse::SeeOther()
            .insert_header((header::LOCATION, format!("{uri}{joint}{query}")))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::REFERRER_POLICY, "no-referrer"))
            .finish()
    }
}

/// sgID's codes may hold `/`, `+` and `=`, so these always end in `/+=`.
fn fresh_code() -> String {
    format!("{}/+=", STANDARD.encode(rand::random::<[u8; 32]>()))
}
