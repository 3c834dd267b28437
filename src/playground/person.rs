//! Claims as people read them: a label, and a value with its lines, lists and dates laid out.

use serde_json::{Map, Value};

/// One claim, ready to be shown.
#[derive(Debug, PartialEq)]
pub(super) struct Fact {
    pub(super) label: String,
    pub(super) claim: String,
    pub(super) shown: Shown,
}

/// How a value is laid out.
#[derive(Debug, PartialEq)]
pub(super) enum Shown {
    Lines(Vec<String>),
    /// The rows have as many cells as there are columns; what an object lacks is empty.
    Table {
        columns: Vec<String>,
        rows: Vec<Vec<String>>,
    },
    Json(String),
}

/// What to call the person, if they shared a name.
pub(super) fn name(claims: &Map<String, Value>) -> Option<&str> {
    let name = claims.get("name").or_else(|| claims.get("myinfo.name"));
    name.and_then(Value::as_str)
}

/// What was learned about the person; the token's own bookkeeping is left out.
pub(super) fn facts(claims: &Map<String, Value>) -> Vec<Fact> {
    let known = LABELS
        .iter()
        .filter_map(|(claim, _)| claims.get_key_value(*claim));
    let others = claims.iter().filter(|(claim, _)| {
        let claim = claim.as_str();
        !BOOKKEEPING.contains(&claim) && !LABELS.iter().any(|(known, _)| *known == claim)
    });
    known
        .chain(others)
        .map(|(claim, value)| Fact {
            label: label(claim),
            claim: claim.clone(),
            shown: shown(claim, value),
        })
        .collect()
}

fn shown(claim: &str, value: &Value) -> Shown {
    match value {
        Value::Object(address) if claim == "address" => Shown::Lines(address_lines(address)),
        Value::Array(items) if items.is_empty() => Shown::Lines(vec!["none".to_owned()]),
        Value::Array(items) => match items
            .iter()
            .map(Value::as_object)
            .collect::<Option<Vec<_>>>()
        {
            Some(objects) => table(&objects),
            None => Shown::Lines(items.iter().map(plain).collect()),
        },
        Value::Object(_) => Shown::Json(format!("{value:#}")),
        Value::String(text) => Shown::Lines(text.lines().map(str::to_owned).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) => Shown::Lines(vec![plain(value)]),
    }
}

/// OpenID Connect Core section 5.1.1: `formatted` if it is there, the parts otherwise.
fn address_lines(address: &Map<String, Value>) -> Vec<String> {
    let part = |name: &str| address.get(name).and_then(Value::as_str);
    let lines = |text: &str| text.lines().map(str::to_owned).collect();
    if let Some(formatted) = part("formatted") {
        return lines(formatted);
    }
    let town = ["locality", "region", "country", "postal_code"];
    let town = town
        .into_iter()
        .filter_map(part)
        .collect::<Vec<_>>()
        .join(" ");
    let mut parts: Vec<String> = part("street_address").map(lines).unwrap_or_default();
    parts.push(town);
    parts.retain(|line| !line.is_empty());
    parts
}

fn table(objects: &[&Map<String, Value>]) -> Shown {
    let mut members: Vec<&str> = Vec::new();
    for member in objects.iter().flat_map(|object| object.keys()) {
        if !members.contains(&member.as_str()) {
            members.push(member);
        }
    }
    let cell = |object: &&Map<String, Value>, member: &&str| {
        object.get(*member).map(plain).unwrap_or_default()
    };
    let rows = objects
        .iter()
        .map(|object| members.iter().map(|member| cell(object, member)).collect())
        .collect();
    Shown::Table {
        columns: members.into_iter().map(label).collect(),
        rows,
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// `myinfo.name_of_employer` reads "Name of employer".
fn label(claim: &str) -> String {
    if let Some((_, label)) = LABELS.iter().find(|(known, _)| *known == claim) {
        return (*label).to_owned();
    }
    let words = claim.rsplit('.').next().unwrap_or(claim).replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// In the order in which people introduce themselves.
const LABELS: &[(&str, &str)] = &[
    ("name", "Name"),
    ("myinfo.name", "Name"),
    ("birthdate", "Date of birth"),
    ("gender", "Gender"),
    ("myinfo.nric_number", "NRIC or FIN"),
    ("myinfo.nationality", "Nationality"),
    ("myinfo.residentialstatus", "Residential status"),
    ("email", "Email"),
    ("email_verified", "Email verified"),
    ("phone_number", "Phone"),
    ("phone_number_verified", "Phone verified"),
    ("address", "Address"),
    ("pocdex.public_officer_details", "Public officer posts"),
];

/// Claims about the login rather than the person. `sub` is shown apart from the facts.
const BOOKKEEPING: &[&str] = &[
    "iss",
    "sub",
    "aud",
    "azp",
    "exp",
    "iat",
    "nbf",
    "auth_time",
    "nonce",
    "at_hash",
    "c_hash",
    "jti",
    "sid",
    "acr",
    "amr",
    "typ",
];
