//! `GET /v2/oauth/userinfo`: the sealed fields, for the bearer of an access token.
//! Fact sheet section 1.4.

use super::{
    Misbehaviour as M,
    payload::{self, Ingredients},
    transport::{Delivery, deliver, json},
    world::{World, subject},
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
    web::Data,
};

/// The userinfo endpoint. A token works until it expires: sgID's clients call this on every page.
pub(super) async fn userinfo(world: Data<World>, request: HttpRequest) -> HttpResponse {
    world.state().requests.userinfo += 1;
    let Some(token) = bearer(&request) else {
        return refused("Bearer");
    };
    let Some(grant) = world.state().access_tokens.find(token, world.now()) else {
        return refused(r#"Bearer error="invalid_token", error_description="unknown or expired""#);
    };
    let misbehaviour = world.misbehaviour(&grant);
    match misbehaviour {
        M::UserinfoStatus401Challenge => {
            return refused(
                r#"Bearer error="invalid_token", error_description="SIMULATED UPSTREAM TEXT""#,
            );
        }
        M::UserinfoStatus401BareError => return refused("error=SIMULATED UPSTREAM TEXT"),
        M::UserinfoStatus401BareText => return refused("SIMULATED UPSTREAM TEXT"),
        _ => {}
    }
    let authorization = &grant.authorization;
    let Some(client) = world.client(&authorization.client_id) else {
        return refused("Bearer");
    };
    let ingredients = Ingredients {
        subject: &subject(&authorization.client_id, grant.persona),
        scopes: &authorization.scopes,
        persona: grant.persona,
        client_key_pem: &client.public_key_pem,
    };
    let answer = payload::userinfo(&ingredients, misbehaviour);
    deliver(&world, answer, Delivery::of_userinfo(misbehaviour)).await
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    let value = request
        .headers()
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then_some(token)
}

fn refused(challenge: &'static str) -> HttpResponse {
    let mut response = json(
        StatusCode::UNAUTHORIZED,
        r#"{"message":"Unauthorized"}"#.to_owned(),
    );
    let challenge = HeaderValue::from_static(challenge);
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, challenge);
    response
}
