//! From the text that sgID keeps to the value of a claim, or to nothing.

use serde_json::{Map, Value};
use time::Date;
use time::macros::format_description;

use crate::oidc::json;

/// How a field of sgID becomes a claim. A value without the shape of its field becomes no claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conversion {
    /// One line of text.
    Line,
    /// `birthdate`: a full date or a year. `YYYY-MM` is legal at sgID and not in OpenID Connect.
    Birthdate,
    /// `gender`: `male` or `female`.
    Gender,
    /// `email`: the domain in lower case.
    Email,
    /// `phone_number`: E.164.
    PhoneNumber,
    /// `address`: an object. OpenID Connect Core section 5.1.1.
    Address,
    /// A date as sgID writes it: `YYYY`, `YYYY-MM` or `YYYY-MM-DD`.
    RegisterDate,
    /// An NRIC or FIN.
    IdentityNumber,
    /// A whole number, for mappings of the operator's.
    Number,
    /// Text of several lines, or the JSON list or object that the text holds.
    Record,
}

const MAX_LINE_BYTES: usize = 4_096;
const MAX_RECORD_BYTES: usize = 65_536;

/// The value without its padding, or nothing: sgID writes absence as `NA`, as nothing, as blanks and as NULs.
pub(super) fn present(text: &str) -> Option<&str> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!["", "NA", "[]", "{}"].contains(&text)).then_some(text)
}

impl Conversion {
    /// The value, where the text has the shape of its field.
    pub(super) fn apply(self, text: &str) -> Option<Value> {
        match self {
            Self::Line => line(text).map(Value::from),
            Self::Birthdate => (is_full_date(text) || is_year(text)).then(|| text.into()),
            Self::Gender => match text {
                "MALE" => Some("male".into()),
                "FEMALE" => Some("female".into()),
                _ => None,
            },
            Self::Email => email(text).map(Value::from),
            Self::PhoneNumber => phone_number(text).map(Value::from),
            Self::Address => address(text),
            Self::RegisterDate => {
                (is_full_date(text) || is_month(text) || is_year(text)).then(|| text.into())
            }
            Self::IdentityNumber => is_identity_number(text).then(|| text.into()),
            Self::Number => text.parse::<i64>().ok().map(Value::from),
            Self::Record => record(text),
        }
    }
}

fn line(text: &str) -> Option<&str> {
    (text.len() <= MAX_LINE_BYTES && !text.chars().any(char::is_control)).then_some(text)
}

fn is_year(text: &str) -> bool {
    text.len() == 4
        && text.bytes().all(|c| c.is_ascii_digit())
        && text.parse().is_ok_and(|year: u16| year >= 1850)
}

fn is_month(text: &str) -> bool {
    text.split_once('-').is_some_and(|(year, month)| {
        is_year(year) && month.len() == 2 && month.parse().is_ok_and(|m: u8| (1..=12).contains(&m))
    })
}

fn is_full_date(text: &str) -> bool {
    text.len() == 10
        && text.get(..4).is_some_and(is_year)
        && Date::parse(text, format_description!("[year]-[month]-[day]")).is_ok()
}

fn is_identity_number(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 9
        && bytes[0].is_ascii_uppercase()
        && bytes[1..8].iter().all(u8::is_ascii_digit)
        && bytes[8].is_ascii_uppercase()
}

fn email(text: &str) -> Option<String> {
    let (local, domain) = line(text)?.rsplit_once('@')?;
    let plausible = !local.is_empty() && domain.contains('.') && !text.contains(' ');
    plausible.then(|| format!("{local}@{}", domain.to_ascii_lowercase()))
}

/// E.164, and only where the country code is there: guessing it would name another person's telephone.
fn phone_number(text: &str) -> Option<String> {
    let compact: String = text.chars().filter(|&c| c != ' ').collect();
    let digits = compact.strip_prefix('+')?;
    let shaped = (7..=15).contains(&digits.len())
        && digits.bytes().all(|c| c.is_ascii_digit())
        && !digits.starts_with('0');
    shaped.then_some(compact)
}

fn address(text: &str) -> Option<Value> {
    let lines: Vec<&str> = text
        .split('\n')
        .map(|part| part.trim_matches(|c: char| c.is_whitespace()))
        .collect();
    if text.len() > MAX_LINE_BYTES || lines.iter().any(|part| part.chars().any(char::is_control)) {
        return None;
    }
    let filled = |lines: &[&str]| {
        lines
            .iter()
            .filter_map(|part| present(part))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let mut object = Map::new();
    object.insert("formatted".to_owned(), filled(&lines).into());
    if let [first, second, third] = lines.as_slice() {
        let street = filled(&[first, second]);
        if !street.is_empty() {
            object.insert("street_address".to_owned(), street.into());
        }
        if let Some((country, postal_code)) = third.rsplit_once(' ')
            && postal_code.len() == 6
            && postal_code.bytes().all(|c| c.is_ascii_digit())
            && !country.trim().is_empty()
        {
            object.insert("postal_code".to_owned(), postal_code.into());
            object.insert("country".to_owned(), country.trim().into());
        }
    }
    object
        .get("formatted")
        .is_some_and(|formatted| formatted != "")
        .then_some(Value::Object(object))
}

fn record(text: &str) -> Option<Value> {
    if text.len() > MAX_RECORD_BYTES {
        return None;
    }
    let is_json = (text.starts_with('[') && text.ends_with(']'))
        || (text.starts_with('{') && text.ends_with('}'));
    if is_json && let Ok(document) = json::parse(text.as_bytes()) {
        return without_absent_members(document);
    }
    let printable = !text.chars().any(|c| c.is_control() && c != '\n');
    (printable && text.len() <= MAX_LINE_BYTES).then(|| text.into())
}

fn without_absent_members(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Bool(_) | Value::Number(_) => Some(value),
        Value::String(text) => present(&text).map(Value::from),
        Value::Array(items) => {
            let items: Vec<Value> = items
                .into_iter()
                .filter_map(without_absent_members)
                .collect();
            (!items.is_empty()).then_some(Value::Array(items))
        }
        Value::Object(members) => {
            let members: Map<String, Value> = members
                .into_iter()
                .filter_map(|(name, value)| Some((name, without_absent_members(value)?)))
                .collect();
            (!members.is_empty()).then_some(Value::Object(members))
        }
    }
}
