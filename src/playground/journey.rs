//! What is remembered of a login, to be shown. Secrets are shortened before they come in here.

use serde_json::{Map, Value};

use super::{id_token::Inspection, words};

/// A login from the first redirect to the claims, or to where it stopped.
pub(super) struct Journey {
    /// Where the browser was sent, without the query.
    pub(super) authorization_endpoint: String,
    pub(super) authorization: Vec<Parameter>,
    pub(super) callback: Vec<Parameter>,
    pub(super) token: Option<Exchange>,
    pub(super) id_token: Option<Inspection>,
    pub(super) userinfo: Option<Exchange>,
    /// Claims of the ID token and of userinfo together.
    pub(super) outcome: Result<Map<String, Value>, Failure>,
}

/// The five steps, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Authorization = 1,
    Callback,
    Token,
    IdToken,
    Userinfo,
}

/// One thing said, and why it is said.
#[derive(Clone)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) meaning: &'static str,
}

impl Parameter {
    /// A parameter that passed through the browser.
    pub(super) fn front(name: &str, value: &str) -> Self {
        let meaning = words::front_channel(name);
        Self {
            name: name.to_owned(),
            value: value.to_owned(),
            meaning,
        }
    }

    /// A parameter or header that the browser never saw.
    pub(super) fn back(name: &str, value: &str) -> Self {
        let meaning = words::back_channel(name);
        Self {
            name: name.to_owned(),
            value: value.to_owned(),
            meaning,
        }
    }
}

/// A request to the bridge and what it answered.
pub(super) struct Exchange {
    pub(super) method: &'static str,
    pub(super) url: String,
    pub(super) sent: Vec<Parameter>,
    pub(super) status: u16,
    /// Indented where it is JSON.
    pub(super) answer: String,
}

/// Why a login stopped.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) step: Step,
    pub(super) heading: &'static str,
    pub(super) explanation: String,
    /// What the provider said, if it was the provider.
    pub(super) reported: Option<Reported>,
}

/// The error of a provider, in its own words.
#[derive(Clone, Debug)]
pub(super) struct Reported {
    pub(super) code: String,
    pub(super) description: Option<String>,
}

impl Failure {
    /// We could not go on.
    pub(super) fn ours(step: Step, heading: &'static str, explanation: impl Into<String>) -> Self {
        Self {
            step,
            heading,
            explanation: explanation.into(),
            reported: None,
        }
    }

    /// The provider said no. RFC 6749 sections 4.1.2.1 and 5.2.
    pub(super) fn theirs(step: Step, code: &str, description: Option<&str>) -> Self {
        let heading = match code {
            "access_denied" => "The login was declined",
            _ => "The bridge answered with an error",
        };
        let reported = Reported {
            code: code.to_owned(),
            description: description.map(str::to_owned),
        };
        Self {
            step,
            heading,
            explanation: words::error(code).to_owned(),
            reported: Some(reported),
        }
    }
}

/// Enough of a token to recognise it, not enough to use it.
pub(super) fn shorten(token: &str) -> String {
    let head: String = token.chars().take(6).collect();
    format!(
        "{head}… (shortened here, {} characters)",
        token.chars().count()
    )
}

/// JSON with indentation; what is not JSON, as it is, up to a screenful.
pub(super) fn readable(body: &str) -> String {
    serde_json::from_str::<Value>(body)
        .and_then(|json| serde_json::to_string_pretty(&json))
        .unwrap_or_else(|_| body.chars().take(2000).collect())
}
