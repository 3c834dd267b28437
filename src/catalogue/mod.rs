//! The one table of what may cross the bridge: scope, claim, sgID field, conversion.
//! Never knows: clients, any I/O.
//! Standards: OpenID Connect Core 1.0 sections 5.1 and 5.4.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use time::Date;
use time::macros::format_description;

use crate::oidc::claims::Claims;
use crate::oidc::id_token::RESERVED_CLAIMS;
use crate::oidc::json;
use crate::oidc::scope::{Scope, ScopeSet};

/// How a field of sgID becomes a claim. A value without the shape of its field becomes no claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Conversion {
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
    /// Text of several lines, or the JSON list or object that the text holds.
    Record,
}

/// One line of the table.
#[derive(Clone, Debug)]
struct Entry {
    scope: Scope,
    claim: String,
    field: String,
    conversion: Conversion,
}

const STANDARD: [(&str, &str, &str, Conversion); 6] = [
    ("profile", "name", "myinfo.name", Conversion::Line),
    (
        "profile",
        "birthdate",
        "myinfo.date_of_birth",
        Conversion::Birthdate,
    ),
    ("profile", "gender", "myinfo.sex", Conversion::Gender),
    ("email", "email", "myinfo.email", Conversion::Email),
    (
        "phone",
        "phone_number",
        "myinfo.mobile_number_with_country_code",
        Conversion::PhoneNumber,
    ),
    (
        "address",
        "address",
        "myinfo.registered_address",
        Conversion::Address,
    ),
];

/// Fields that are known by their own name. Any other name of that form is passed on as [`Conversion::Record`].
const FIELDS: [(&str, Conversion); 34] = [
    ("myinfo.name", Conversion::Line),
    ("myinfo.nric_number", Conversion::IdentityNumber),
    ("myinfo.date_of_birth", Conversion::RegisterDate),
    ("myinfo.passport_number", Conversion::Line),
    ("myinfo.passport_expiry_date", Conversion::RegisterDate),
    ("myinfo.mobile_number", Conversion::Line),
    ("myinfo.mobile_number_with_country_code", Conversion::Line),
    ("myinfo.email", Conversion::Line),
    ("myinfo.registered_address", Conversion::Record),
    ("myinfo.sex", Conversion::Line),
    ("myinfo.race", Conversion::Line),
    ("myinfo.nationality", Conversion::Line),
    ("myinfo.residentialstatus", Conversion::Line),
    ("myinfo.dialect", Conversion::Line),
    ("myinfo.occupation", Conversion::Line),
    ("myinfo.housingtype", Conversion::Line),
    ("myinfo.hdbtype", Conversion::Line),
    ("myinfo.birth_country", Conversion::Line),
    ("myinfo.vehicles", Conversion::Record),
    ("myinfo.name_of_employer", Conversion::Line),
    ("myinfo.workpass_status", Conversion::Line),
    ("myinfo.workpass_expiry_date", Conversion::RegisterDate),
    ("myinfo.marital_status", Conversion::Line),
    ("myinfo.country_of_marriage", Conversion::Line),
    ("myinfo.marriage_certificate_number", Conversion::Line),
    ("myinfo.marriage_date", Conversion::RegisterDate),
    ("myinfo.divorce_date", Conversion::RegisterDate),
    ("myinfo.children_birth_records", Conversion::Record),
    ("myinfo.sponsored_children_records", Conversion::Record),
    ("myinfo.sponsored_child_records", Conversion::Record),
    ("pocdex.public_officer_details", Conversion::Record),
    ("pocdex.public_officer_employments", Conversion::Record),
    ("pocdex.number_of_employments", Conversion::Line),
    ("ogpofficerinfo.work_email", Conversion::Line),
];

/// Fields that hold an NRIC or FIN; a birth certificate number is one for whoever was born in Singapore.
const IDENTITY_NUMBERS: [&str; 4] = [
    "myinfo.nric_number",
    "myinfo.children_birth_records",
    "myinfo.sponsored_children_records",
    "myinfo.sponsored_child_records",
];

/// Scopes that OpenID Connect defines and that mean no data of sgID.
const WITHOUT_DATA: [&str; 2] = ["openid", "offline_access"];

/// A mapping that the operator adds.
#[derive(Clone, Debug)]
pub struct CustomClaim {
    /// The claim's name.
    pub claim: String,
    /// The scope that asks for it.
    pub scope: String,
    /// The field of sgID that it comes from.
    pub from: String,
}

/// What operators decide about claims.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Mappings beside the built-in table.
    pub custom: Vec<CustomClaim>,
    /// The value of `email_verified`. sgID does not say; false unless the operator knows better.
    pub email_verified: bool,
    /// The value of `phone_number_verified`; likewise.
    pub phone_number_verified: bool,
}

/// Why a custom mapping cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// The claim has a meaning of its own in every token.
    #[error("the claim {0} is reserved: choose another name")]
    Reserved(String),
    /// The scope is no scope value, or `openid`.
    #[error("scope = \"{0}\" is not a scope that can carry claims")]
    Scope(String),
    /// The source is no field name.
    #[error("from = \"{0}\" is not the name of a field of sgID such as myinfo.name_of_employer")]
    From(String),
}

/// The table, with the operator's additions.
#[derive(Clone, Debug)]
pub struct Catalogue {
    entries: Vec<Entry>,
    email_verified: bool,
    phone_number_verified: bool,
}

impl Catalogue {
    /// Builds the table.
    ///
    /// # Errors
    /// [`CatalogueError`] for a mapping that cannot work.
    ///
    /// # Panics
    /// Never: the table's own scopes are scope values.
    pub fn new(settings: &Settings) -> Result<Self, CatalogueError> {
        let standard = STANDARD
            .iter()
            .map(|&(scope, claim, field, conversion)| Entry {
                scope: Scope::parse(scope).expect("the table's scopes are scope values"),
                claim: claim.to_owned(),
                field: field.to_owned(),
                conversion,
            });
        let custom = settings
            .custom
            .iter()
            .map(Entry::custom)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            entries: standard.chain(custom).collect(),
            email_verified: settings.email_verified,
            phone_number_verified: settings.phone_number_verified,
        })
    }

    /// What these scopes ask for.
    pub fn wanted(&self, scopes: &ScopeSet) -> Wanted {
        let mut entries = Vec::new();
        for scope in scopes.iter() {
            let named: Vec<_> = self
                .entries
                .iter()
                .filter(|entry| entry.scope == *scope)
                .cloned()
                .collect();
            if named.is_empty() && scope.is_dotted() {
                entries.push(Entry::of_field(scope));
            }
            entries.extend(named);
        }
        Wanted { entries }
    }

    /// The claims that the fields give. Fields that nobody wanted are not looked at.
    pub fn claims(&self, wanted: &Wanted, fields: &BTreeMap<String, String>) -> Claims {
        let mut claims = Claims::none();
        for entry in &wanted.entries {
            let value = fields
                .get(&entry.field)
                .and_then(|text| present(text))
                .and_then(|text| entry.conversion.apply(text));
            let Some(value) = value else { continue };
            claims.add(entry.claim.clone(), value);
            match entry.conversion {
                Conversion::Email => claims.add("email_verified", self.email_verified.into()),
                Conversion::PhoneNumber => {
                    claims.add("phone_number_verified", self.phone_number_verified.into());
                }
                Conversion::Line
                | Conversion::Birthdate
                | Conversion::Gender
                | Conversion::Address
                | Conversion::RegisterDate
                | Conversion::IdentityNumber
                | Conversion::Record => {}
            }
        }
        claims
    }

    /// Whether the scope brings an NRIC or FIN with it.
    pub fn carries_identity_number(&self, scope: &Scope) -> bool {
        let set: ScopeSet = std::iter::once(scope.clone()).collect();
        self.wanted(&set)
            .entries
            .iter()
            .any(|entry| IDENTITY_NUMBERS.contains(&entry.field.as_str()))
    }

    /// Whether the scope means anything here.
    pub fn knows(&self, scope: &Scope) -> bool {
        WITHOUT_DATA.contains(&scope.as_str())
            || scope.is_dotted()
            || self.entries.iter().any(|entry| entry.scope == *scope)
    }

    /// The scopes that have a name in the table, `openid` first: for `scopes_supported`.
    pub fn scopes(&self) -> Vec<Scope> {
        let known = FIELDS.iter().map(|&(name, _)| name);
        let named = std::iter::once("openid").chain(known);
        let mut scopes: Vec<Scope> = named.filter_map(|name| Scope::parse(name).ok()).collect();
        for entry in &self.entries {
            if !scopes.contains(&entry.scope) {
                scopes.push(entry.scope.clone());
            }
        }
        scopes
    }

    /// The claims that these scopes can give, for `claims_supported`.
    pub fn claim_names(&self, scopes: &ScopeSet) -> BTreeSet<String> {
        let wanted = self.wanted(scopes);
        let mut names: BTreeSet<String> = wanted
            .entries
            .iter()
            .map(|entry| entry.claim.clone())
            .collect();
        for (claim, companion) in [
            ("email", "email_verified"),
            ("phone_number", "phone_number_verified"),
        ] {
            if names.contains(claim) {
                names.insert(companion.to_owned());
            }
        }
        names
    }
}

/// The part of the table that one login needs.
#[derive(Clone, Debug)]
pub struct Wanted {
    entries: Vec<Entry>,
}

impl Wanted {
    /// The fields to ask sgID for: each once, and no other will be opened.
    pub fn fields(&self) -> BTreeSet<&str> {
        self.entries
            .iter()
            .map(|entry| entry.field.as_str())
            .collect()
    }
}

impl Entry {
    fn custom(mapping: &CustomClaim) -> Result<Self, CatalogueError> {
        if RESERVED_CLAIMS.contains(&mapping.claim.as_str()) || mapping.claim.trim().is_empty() {
            return Err(CatalogueError::Reserved(mapping.claim.clone()));
        }
        let scope = Scope::parse(&mapping.scope)
            .ok()
            .filter(|scope| !WITHOUT_DATA.contains(&scope.as_str()))
            .ok_or_else(|| CatalogueError::Scope(mapping.scope.clone()))?;
        let field = Scope::parse(&mapping.from)
            .ok()
            .filter(Scope::is_dotted)
            .ok_or_else(|| CatalogueError::From(mapping.from.clone()))?;
        Ok(Self {
            scope,
            claim: mapping.claim.clone(),
            conversion: conversion_of(field.as_str()),
            field: field.to_string(),
        })
    }

    fn of_field(scope: &Scope) -> Self {
        Self {
            scope: scope.clone(),
            claim: scope.to_string(),
            field: scope.to_string(),
            conversion: conversion_of(scope.as_str()),
        }
    }
}

fn conversion_of(field: &str) -> Conversion {
    FIELDS
        .iter()
        .find(|(name, _)| *name == field)
        .map_or(Conversion::Record, |&(_, conversion)| conversion)
}

const MAX_LINE_BYTES: usize = 4_096;
const MAX_RECORD_BYTES: usize = 65_536;

/// The value without its padding, or nothing: sgID writes absence as `NA`, as nothing, as blanks and as NULs.
fn present(text: &str) -> Option<&str> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!text.is_empty() && text != "NA").then_some(text)
}

impl Conversion {
    fn apply(self, text: &str) -> Option<Value> {
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

#[cfg(test)]
mod tests;
