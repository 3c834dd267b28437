//! The one table of what may cross the bridge: scope, claim, sgID field, conversion.
//! Never knows: clients, any I/O.
//! Standards: OpenID Connect Core 1.0 sections 5.1 and 5.4.

mod conversion;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use self::conversion::{Conversion, present};
use crate::oidc::claims::{COMPANIONS, Claims, with_companions};
use crate::oidc::id_token::RESERVED_CLAIMS;
use crate::oidc::scope::{Scope, ScopeSet};

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

/// What names of fields have in common that may hold an NRIC or FIN, should sgID add one that we do not know.
const IDENTITY_WORDS: [&str; 6] = ["nric", "fin", "uin", "birth", "sponsored", "spouse"];

fn may_hold_identity_number(field: &str) -> bool {
    let is_known = FIELDS.iter().any(|(name, _)| *name == field);
    let sounds_like_one = || {
        let mut words = field.split(['.', '_']);
        words.any(|word| IDENTITY_WORDS.iter().any(|known| word.contains(known)))
    };
    IDENTITY_NUMBERS.contains(&field) || (!is_known && sounds_like_one())
}

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
    /// What its value is.
    pub value_type: ValueType,
}

/// What the value of a mapped claim is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueType {
    /// As sgID keeps it: a text, or the list or object that the text holds.
    #[default]
    Text,
    /// A whole number; a text that is none becomes no claim.
    Number,
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

    /// What these scopes ask for, and these claims by name, as far as the scopes that are `allowed` give them.
    pub fn wanted(
        &self,
        scopes: &ScopeSet,
        by_name: &BTreeSet<String>,
        allowed: &ScopeSet,
    ) -> Wanted {
        let mut wanted = self.wanted_by(scopes);
        // By the entry and not by the claim's name: two scopes may give claims of one name from different fields.
        let mut named = self.wanted_by(allowed).entries;
        named.retain(|entry| by_name.iter().any(|name| entry.gives(name)));
        // What a scope gives already is asked for once.
        named.retain(|entry| wanted.entries.iter().all(|own| own.claim != entry.claim));
        wanted.entries.extend(named);
        wanted
    }

    fn wanted_by(&self, scopes: &ScopeSet) -> Wanted {
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
        Wanted {
            entries,
            email_verified: self.email_verified,
            phone_number_verified: self.phone_number_verified,
        }
    }

    /// Whether the scope brings an NRIC or FIN with it.
    pub fn carries_identity_number(&self, scope: &Scope) -> bool {
        let set: ScopeSet = std::iter::once(scope.clone()).collect();
        self.wanted_by(&set)
            .entries
            .iter()
            .any(|entry| may_hold_identity_number(&entry.field))
    }

    /// Whether the scope means anything here.
    pub fn knows(&self, scope: &Scope) -> bool {
        WITHOUT_DATA.contains(&scope.as_str())
            || scope.is_dotted()
            || self.entries.iter().any(|entry| entry.scope == *scope)
    }

    /// The scopes that have a name in the table, and those without data, `openid` first: for `scopes_supported`.
    pub fn scopes(&self) -> Vec<Scope> {
        let known = FIELDS.iter().map(|&(name, _)| name);
        let named = WITHOUT_DATA.into_iter().chain(known);
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
        let wanted = self.wanted_by(scopes);
        let names = wanted.entries.iter().map(|entry| entry.claim.clone());
        with_companions(names.collect())
    }
}

/// The part of the table that one login needs.
#[derive(Clone, Debug)]
pub struct Wanted {
    entries: Vec<Entry>,
    email_verified: bool,
    phone_number_verified: bool,
}

impl Wanted {
    /// The fields to ask sgID for: each once, and no other will be opened.
    pub fn fields(&self) -> BTreeSet<&str> {
        self.entries
            .iter()
            .map(|entry| entry.field.as_str())
            .collect()
    }

    /// The claims that the fields give. Fields that nobody wanted are not looked at.
    pub fn claims(&self, fields: &BTreeMap<String, String>) -> Claims {
        let mut claims = Claims::none();
        for entry in &self.entries {
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
                | Conversion::Number
                | Conversion::Record => {}
            }
        }
        claims
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
            conversion: match mapping.value_type {
                ValueType::Text => conversion_of(field.as_str()),
                ValueType::Number => Conversion::Number,
            },
            field: field.to_string(),
        })
    }

    fn gives(&self, name: &str) -> bool {
        self.claim == name || COMPANIONS.contains(&(&*self.claim, name))
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

#[cfg(test)]
mod tests;
