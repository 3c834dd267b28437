//! The pages of the simulated sgID: who signs in, and what went wrong. No script anywhere.

use super::{
    Misbehaviour,
    persona::{Persona, personas},
    world::{Authorization, World},
};
use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
    web::Data,
};
use askama::Template;

/// Where the style sheet is.
pub(super) const STYLE_PATH: &str = "/v2/simulator.css";

/// The list of people, as the answer to an authorization request.
pub(super) fn chooser(
    name: &str,
    authorization: &Authorization,
    behaviour: Misbehaviour,
) -> HttpResponse {
    let fields = authorization.scopes.iter().map(String::as_str);
    let page = Chooser {
        request: name,
        client_id: &authorization.client_id,
        fields: fields.filter(|scope| *scope != "openid").collect(),
        personas: personas(),
        behaviour,
        groups: groups(),
    };
    html(StatusCode::OK, &page)
}

/// A sentence on what is wrong, as sgID shows instead of telling the client.
pub(super) fn problem(status: StatusCode, sentence: &str) -> HttpResponse {
    html(
        status,
        &Problem {
            title: "This sign-in cannot go on",
            sentence,
        },
    )
}

/// Every other address.
pub(super) async fn nothing_here(world: Data<World>) -> HttpResponse {
    let sentence = format!(
        "This is a simulated sgID for tests. Its issuer is {}; people come here from an app that asks them to sign in.",
        world.issuer
    );
    html(
        StatusCode::NOT_FOUND,
        &Problem {
            title: "Nothing here",
            sentence: &sentence,
        },
    )
}

/// The style sheet: a file of its own, so that the policy can forbid every inline style.
pub(super) async fn style() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/css; charset=utf-8"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(include_str!("simulator.css"))
}

#[derive(Template)]
#[template(path = "simulator/chooser.html")]
struct Chooser<'a> {
    request: &'a str,
    client_id: &'a str,
    fields: Vec<&'a str>,
    personas: &'static [Persona],
    behaviour: Misbehaviour,
    groups: Vec<Group>,
}

#[derive(Template)]
#[template(path = "simulator/problem.html")]
struct Problem<'a> {
    title: &'a str,
    sentence: &'a str,
}

/// Misbehaviours under one heading.
struct Group {
    heading: &'static str,
    members: Vec<Misbehaviour>,
}

fn groups() -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for one in Misbehaviour::ALL
        .iter()
        .copied()
        .filter(|one| one.fits_one_login())
    {
        match groups.last_mut() {
            Some(group) if group.heading == one.group() => group.members.push(one),
            _ => groups.push(Group {
                heading: one.group(),
                members: vec![one],
            }),
        }
    }
    groups
}

impl Persona {
    /// One letter for the picture.
    fn initial(&self) -> char {
        let name = self.display_name();
        name.strip_prefix("Sample ")
            .unwrap_or(name)
            .chars()
            .next()
            .unwrap_or('?')
    }
}

/// No script, no picture, no frame, no inline style. `form-action` is left open on purpose: browsers
/// apply it to the redirects that follow, and those lead to the client and on to wherever it likes.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'";

fn html(status: StatusCode, page: &impl Template) -> HttpResponse {
    let Ok(body) = page.render() else {
        // Rendering into a string fails only when a template calls something that fails: none does.
        return HttpResponse::InternalServerError().finish();
    };
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::X_FRAME_OPTIONS, "DENY"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(body)
}
