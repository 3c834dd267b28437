//! What an invented person is: a name to choose by, and a raw value for each scope of the catalogue.

use super::people;
use std::sync::LazyLock;

/// All scopes of the catalogue that carry a value, in the order of the fact sheet.
pub(super) const CATALOGUE: &[&str] = &[
    "myinfo.name",
    "myinfo.nric_number",
    "myinfo.date_of_birth",
    "myinfo.passport_number",
    "myinfo.passport_expiry_date",
    "myinfo.mobile_number",
    "myinfo.mobile_number_with_country_code",
    "myinfo.email",
    "myinfo.registered_address",
    "myinfo.sex",
    "myinfo.race",
    "myinfo.nationality",
    "myinfo.residentialstatus",
    "myinfo.dialect",
    "myinfo.occupation",
    "myinfo.housingtype",
    "myinfo.hdbtype",
    "myinfo.residential",
    "myinfo.birth_country",
    "myinfo.vehicles",
    "myinfo.name_of_employer",
    "myinfo.workpass_status",
    "myinfo.workpass_expiry_date",
    "myinfo.marital_status",
    "myinfo.country_of_marriage",
    "myinfo.marriage_certificate_number",
    "myinfo.marriage_date",
    "myinfo.divorce_date",
    "myinfo.children_birth_records",
    "myinfo.sponsored_children_records",
    "pocdex.public_officer_details",
    "pocdex.public_officer_employments",
    "pocdex.number_of_employments",
    "ogpofficerinfo.work_email",
    "sgidthirdpartymock.work_email",
    "sgidthirdpartymock.is_public_officer",
];

/// How sgID says that the registers hold nothing.
pub(super) const NOTHING: &str = "NA";

/// One invented person.
#[derive(Clone, Debug)]
pub struct Persona {
    pub(super) id: &'static str,
    display_name: &'static str,
    shows: &'static str,
    values: Vec<(&'static str, String)>,
}

impl Persona {
    /// The short name by which forms and tests choose this person.
    pub fn id(&self) -> &'static str {
        self.id
    }

    /// What the chooser calls this person; not always the registered name.
    pub fn display_name(&self) -> &'static str {
        self.display_name
    }

    /// One line on the edge case that this person shows.
    pub fn shows(&self) -> &'static str {
        self.shows
    }

    /// The raw value that sgID sends for a scope; `NA` for what is not known, as for unknown scopes.
    pub fn value(&self, scope: &str) -> &str {
        self.values
            .iter()
            .find(|(name, _)| *name == scope)
            .map_or(NOTHING, |(_, value)| value)
    }

    /// The whole catalogue, scope and raw value.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, &str)> {
        CATALOGUE.iter().map(|scope| (*scope, self.value(scope)))
    }

    pub(super) fn new(id: &'static str, display_name: &'static str, shows: &'static str) -> Self {
        Self {
            id,
            display_name,
            shows,
            values: Vec::new(),
        }
    }

    /// Sets values over those that are there.
    pub(super) fn with<const N: usize>(mut self, values: [(&'static str, &str); N]) -> Self {
        for (scope, value) in values {
            self.values.retain(|(name, _)| *name != scope);
            self.values.push((scope, value.to_owned()));
        }
        self
    }
}

/// Everybody who can sign in, in the order of the chooser.
pub fn personas() -> &'static [Persona] {
    static EVERYBODY: LazyLock<Vec<Persona>> = LazyLock::new(people::everybody);
    &EVERYBODY
}

/// The person with this id: one of the chooser, or the one of the conformance profile, whom nobody chooses by hand.
pub(super) fn find(id: &str) -> Option<&'static Persona> {
    static CONFORMANCE: LazyLock<Persona> = LazyLock::new(people::conformance);
    if id == CONFORMANCE.id {
        return Some(&CONFORMANCE);
    }
    personas().iter().find(|persona| persona.id == id)
}

#[cfg(test)]
mod tests {
    use super::{CATALOGUE, personas};
    use std::collections::HashSet;

    #[test]
    fn ids_are_distinct_and_values_belong_to_the_catalogue() {
        let mut ids = HashSet::new();
        for persona in personas() {
            assert!(ids.insert(persona.id()), "{} twice", persona.id());
            for (scope, _) in &persona.values {
                assert!(CATALOGUE.contains(scope), "{scope} is not in the catalogue");
            }
        }
    }

    #[test]
    fn identity_numbers_are_well_formed_fake_and_unshared() {
        let mut seen = HashSet::new();
        for persona in personas() {
            let number = persona.value("myinfo.nric_number").trim();
            if number.is_empty() || number == "NA" {
                continue;
            }
            assert!(seen.insert(number));
            assert_eq!(checksum(number), number.chars().last(), "{number}");
            assert!(
                number[1..].starts_with("00000"),
                "{number} could be somebody's"
            );
        }
        assert_eq!(checksum("T0000001E"), Some('E'));
        assert_eq!(checksum("T0000002C"), Some('C'));
    }

    #[test]
    fn lists_are_json() {
        for persona in personas() {
            for (scope, value) in persona.values().filter(|(_, value)| value.starts_with('[')) {
                let list: serde_json::Value = serde_json::from_str(value).expect(scope);
                assert!(list.is_array(), "{scope}");
            }
        }
    }

    /// The check letter of an NRIC or FIN of the series S, T, F and G.
    fn checksum(number: &str) -> Option<char> {
        let (series, rest) = number.split_at_checked(1)?;
        let digits = rest.get(..7)?.chars().map(|digit| digit.to_digit(10));
        let mut sum = if matches!(series, "T" | "G") { 4 } else { 0 };
        for (digit, weight) in digits.zip([2, 7, 6, 5, 4, 3, 2]) {
            sum += digit? * weight;
        }
        let letters = if matches!(series, "S" | "T") {
            "JZIHGFEDCBA"
        } else {
            "XWUTRQPNMLK"
        };
        letters.chars().nth(usize::try_from(sum % 11).ok()?)
    }
}
