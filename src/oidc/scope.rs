//! Scopes. RFC 6749 section 3.3; OpenID Connect Core section 5.4.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

const MAX_SCOPE_BYTES: usize = 128;
const MAX_SCOPES: usize = 128;

/// One scope value: printable ASCII without space, quotation mark and backslash, at most 128 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scope(String);

/// A text that is no list of scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "scope must be at most {MAX_SCOPES} values of printable ASCII without quotation marks, separated by single spaces"
)]
pub struct ScopeError;

impl Scope {
    /// Reads one scope value.
    ///
    /// # Errors
    /// [`ScopeError`].
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        let allowed = |c: u8| matches!(c, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if text.is_empty() || text.len() > MAX_SCOPE_BYTES || !text.bytes().all(allowed) {
            return Err(ScopeError);
        }
        Ok(Self(text.to_owned()))
    }

    /// The value as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it has the form of a scope of sgID: lower-case words joined by full stops, such as `myinfo.name`.
    pub fn is_dotted(&self) -> bool {
        self.0.contains('.')
            && self.0.split('.').all(|word| {
                !word.is_empty()
                    && word
                        .bytes()
                        .all(|c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'_'))
            })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Scope {
    type Error = ScopeError;

    fn try_from(text: String) -> Result<Self, ScopeError> {
        Self::parse(&text)
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.0
    }
}

/// A set of scope values, as in the parameter `scope`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ScopeSet(BTreeSet<Scope>);

impl ScopeSet {
    /// Reads values separated by spaces; repeats count once.
    ///
    /// # Errors
    /// [`ScopeError`] for a value outside the grammar, or too many.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        let scopes: BTreeSet<Scope> = text
            .split(' ')
            .filter(|value| !value.is_empty())
            .map(Scope::parse)
            .collect::<Result<_, _>>()?;
        if scopes.len() > MAX_SCOPES {
            return Err(ScopeError);
        }
        Ok(Self(scopes))
    }

    /// Whether the value is in the set.
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|scope| scope.as_str() == name)
    }

    /// The values that both sets hold.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// Whether every value is in the other set.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// The values without this one.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.retain(|scope| scope.as_str() != name);
        self
    }

    /// The values, in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }
}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

impl fmt::Display for ScopeSet {
    /// `openid` first, then the others in alphabetical order.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let openid = self.0.iter().filter(|scope| scope.as_str() == "openid");
        let others = self.0.iter().filter(|scope| scope.as_str() != "openid");
        for (index, scope) in openid.chain(others).enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

impl TryFrom<String> for ScopeSet {
    type Error = ScopeError;

    fn try_from(text: String) -> Result<Self, ScopeError> {
        Self::parse(&text)
    }
}

impl From<ScopeSet> for String {
    fn from(scopes: ScopeSet) -> Self {
        scopes.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_set_prints_openid_first_and_no_repeats() {
        let scopes = ScopeSet::parse("email openid email  profile").unwrap();
        assert_eq!(scopes.to_string(), "openid email profile");
    }

    #[test]
    fn what_is_outside_the_grammar_is_refused() {
        for bad in ["open\"id", "a\tb", "é", &"a".repeat(129)] {
            assert_eq!(ScopeSet::parse(bad), Err(ScopeError), "{bad}");
        }
    }

    #[test]
    fn only_dotted_lower_case_words_can_be_scopes_of_sgid() {
        let dotted = |text| Scope::parse(text).unwrap().is_dotted();
        assert!(dotted("myinfo.nric_number") && dotted("a.b.c1"));
        assert!(!dotted("profile") && !dotted("a..b") && !dotted(".a") && !dotted("A.b"));
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(text in "[a-z.]{1,9}( [a-z.]{1,9}){0,5}") {
            let scopes = ScopeSet::parse(&text).unwrap();
            prop_assert_eq!(ScopeSet::parse(&scopes.to_string()), Ok(scopes));
        }

        #[test]
        fn no_input_panics(text in ".{0,200}") {
            let _ = ScopeSet::parse(&text);
        }
    }
}
