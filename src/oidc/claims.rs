//! Claims about a person, kept so that they cannot slip into a log. OpenID Connect Core section 5.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Claims that say something of another one, and come with it. OpenID Connect Core section 5.1.
pub const COMPANIONS: [(&str, &str); 2] = [
    ("email", "email_verified"),
    ("phone_number", "phone_number_verified"),
];

/// The names with their companions.
pub fn with_companions(mut names: BTreeSet<String>) -> BTreeSet<String> {
    for (claim, companion) in COMPANIONS {
        if names.contains(claim) {
            names.insert(companion.to_owned());
        }
    }
    names
}

/// Claims with their values. `Debug` prints names only, and there is no `Display`.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Claims(Map<String, Value>);

impl Claims {
    /// No claims.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a claim. The first value of a name stays.
    pub fn add(&mut self, name: impl Into<String>, value: Value) {
        self.0.entry(name).or_insert(value);
    }

    /// The value of a claim.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The names, in the order in which they were added.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The claims among these names.
    #[must_use]
    pub fn limited_to(mut self, names: &BTreeSet<String>) -> Self {
        self.0.retain(|name, _| names.contains(name));
        self
    }

    /// The claims as members of a JSON object, to be sent to whom they were granted.
    pub fn into_members(self) -> Map<String, Value> {
        self.0
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Where claims asked for by scope are delivered. OpenID Connect Core section 5.4 has them at userinfo; software
/// that reads ID tokens only needs them there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<ClaimsPlace>", into = "Vec<ClaimsPlace>")]
pub enum ClaimsIn {
    /// In the ID token and at userinfo.
    Both,
    /// In the ID token only.
    IdToken,
    /// At userinfo only.
    Userinfo,
}

/// One entry of the setting `claims_in`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimsPlace {
    /// The ID token.
    IdToken,
    /// The userinfo endpoint.
    Userinfo,
}

impl ClaimsIn {
    /// Whether the ID token carries the claims.
    pub const fn id_token(self) -> bool {
        matches!(self, Self::Both | Self::IdToken)
    }

    /// Whether userinfo answers with the claims.
    pub const fn userinfo(self) -> bool {
        matches!(self, Self::Both | Self::Userinfo)
    }
}

impl TryFrom<Vec<ClaimsPlace>> for ClaimsIn {
    type Error = &'static str;

    fn try_from(places: Vec<ClaimsPlace>) -> Result<Self, Self::Error> {
        let (id_token, userinfo) = (
            places.contains(&ClaimsPlace::IdToken),
            places.contains(&ClaimsPlace::Userinfo),
        );
        match (id_token, userinfo) {
            (true, true) => Ok(Self::Both),
            (true, false) => Ok(Self::IdToken),
            (false, true) => Ok(Self::Userinfo),
            (false, false) => Err("claims_in must name id_token, userinfo, or both"),
        }
    }
}

impl From<ClaimsIn> for Vec<ClaimsPlace> {
    fn from(places: ClaimsIn) -> Self {
        match places {
            ClaimsIn::Both => vec![ClaimsPlace::IdToken, ClaimsPlace::Userinfo],
            ClaimsIn::IdToken => vec![ClaimsPlace::IdToken],
            ClaimsIn::Userinfo => vec![ClaimsPlace::Userinfo],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_prints_names_and_never_values() {
        let mut claims = Claims::none();
        claims.add("name", Value::from("SAMPLE PERSON"));
        assert_eq!(format!("{claims:?}"), r#"{"name"}"#);
    }
}
