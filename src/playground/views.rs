//! The pages. They share the bridge's paper and ink, and add what a timeline needs.

use askama::Template;
use serde_json::Value;

use super::{
    Playground,
    journey::{Failure, Journey, Step},
    person::{self, Fact, Shown},
    words,
};
use crate::pages;

/// The bridge's look first, then ours.
pub(super) fn stylesheet() -> String {
    [pages::STYLESHEET, include_str!("style.css")].concat()
}

/// The page with the button.
pub(super) fn home(playground: &Playground) -> String {
    let settings = &playground.settings;
    let choices = offered(playground).map(|name| Choice {
        name,
        meaning: words::scope(name),
        chosen: STANDARD.contains(&name),
    });
    Home {
        choices: choices.collect(),
        issuer: settings.issuer.as_str().trim_end_matches('/'),
        client_id: &settings.client_id,
        redirect_uri: playground.redirect_uri.as_str(),
        authentication: match settings.client_secret {
            Some(_) => "client_secret_basic",
            None => "none (a public client)",
        },
    }
    .to_string()
}

/// The scopes that may be ticked; `openid` is not a choice.
pub(super) fn offered(playground: &Playground) -> impl Iterator<Item = &str> {
    let scopes = playground.settings.scopes.iter().map(String::as_str);
    scopes.filter(|scope| *scope != "openid")
}

/// The page after a login.
pub(super) fn result(journey: &Journey) -> String {
    match &journey.outcome {
        Ok(claims) => Outcome {
            journey,
            failure: None,
            name: person::name(claims),
            sub: claims.get("sub").and_then(Value::as_str),
            facts: person::facts(claims),
        },
        Err(failure) => Outcome {
            journey,
            failure: Some(failure),
            name: None,
            sub: None,
            facts: Vec::new(),
        },
    }
    .to_string()
}

/// A page that only says something.
pub(super) fn notice(heading: &str, explanation: &str) -> String {
    Notice {
        heading,
        explanation,
    }
    .to_string()
}

struct Choice<'a> {
    name: &'a str,
    meaning: &'static str,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "playground/home.html")]
struct Home<'a> {
    choices: Vec<Choice<'a>>,
    issuer: &'a str,
    client_id: &'a str,
    redirect_uri: &'a str,
    authentication: &'static str,
}

#[derive(Template)]
#[template(path = "playground/notice.html")]
struct Notice<'a> {
    heading: &'a str,
    explanation: &'a str,
}

#[derive(Template)]
#[template(path = "playground/result.html")]
struct Outcome<'a> {
    journey: &'a Journey,
    failure: Option<&'a Failure>,
    name: Option<&'a str>,
    sub: Option<&'a str>,
    facts: Vec<Fact>,
}

impl Outcome<'_> {
    /// Whether the login got through a step, stopped in it, or never came to it; a class of the stylesheet.
    fn state(&self, step: Step) -> &'static str {
        match self.failure.map(|failure| failure.step) {
            Some(stopped) if stopped == step => "stopped",
            Some(stopped) if stopped < step => "unreached",
            Some(_) | None => "done",
        }
    }
}

/// Ticked when the page opens: what an ordinary app asks for.
const STANDARD: [&str; 4] = ["profile", "email", "phone", "address"];
