//! Form-encoded parameters, read so that a repeated one is seen. RFC 6749 section 3.1 and appendix B.

use percent_encoding::percent_decode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How many parameters one request may have.
const MAX_PARAMETERS: usize = 64;

/// The parameters of one request, decoded, in the order in which they came.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Parameters(Vec<(String, Option<String>)>);

/// Why a query or a form cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParametersError {
    /// A name or value is not UTF-8 after decoding.
    #[error("the parameters are not UTF-8 in application/x-www-form-urlencoded form")]
    Encoding,
    /// More parameters than any request of these protocols has.
    #[error("there are more than {MAX_PARAMETERS} parameters")]
    TooMany,
}

/// Why a parameter that is looked for has no value that could be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadParameter {
    /// It occurs more than once.
    #[error("the parameter {0} occurs more than once")]
    Repeated(&'static str),
    /// It is not UTF-8 after decoding.
    #[error("the parameter {0} is not UTF-8")]
    Encoding(&'static str),
}

impl Parameters {
    /// Reads a query string or a form body.
    ///
    /// # Errors
    /// [`ParametersError`]; unknown parameters and empty values are no errors.
    pub fn parse(encoded: &[u8]) -> Result<Self, ParametersError> {
        let mut pairs = Vec::new();
        for pair in encoded
            .split(|&byte| byte == b'&')
            .filter(|p| !p.is_empty())
        {
            if pairs.len() == MAX_PARAMETERS {
                return Err(ParametersError::TooMany);
            }
            let (name, value) = match pair.iter().position(|&byte| byte == b'=') {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &[][..]),
            };
            // What nobody looks for may be written as it likes: unknown parameters are ignored.
            if let Ok(name) = form_decode(name) {
                pairs.push((name, form_decode(value).ok()));
            }
        }
        Ok(Self(pairs))
    }

    /// The members of a request object, which stand for parameters: texts as they are, anything else as the JSON that
    /// the parameter would hold. RFC 9101 section 4; OpenID Connect Core section 6.1.
    pub fn of_members(members: &Map<String, Value>) -> Self {
        let written = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let pairs = members
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), Some(written(value))));
        Self(pairs.collect())
    }

    /// The same without the parameters of these names: those that prove who sends a request are no part of it.
    #[must_use]
    pub fn without(mut self, names: &[&str]) -> Self {
        self.0.retain(|(name, _)| !names.contains(&name.as_str()));
        self
    }

    /// The same with nothing but the parameters of these names.
    #[must_use]
    pub fn only(mut self, names: &[&str]) -> Self {
        self.0.retain(|(name, _)| names.contains(&name.as_str()));
        self
    }

    /// How many bytes all names and values have together.
    pub fn bytes(&self) -> usize {
        let length = |value: &Option<String>| value.as_ref().map_or(0, String::len);
        self.0
            .iter()
            .map(|(name, value)| name.len() + length(value))
            .sum()
    }

    /// The value of a parameter. One without a value counts as absent (RFC 6749 section 3.1).
    ///
    /// # Errors
    /// [`BadParameter`] where it occurs more than once, with whatever values, or is not UTF-8.
    pub fn one(&self, name: &'static str) -> Result<Option<&str>, BadParameter> {
        let mut values = self.0.iter().filter(|(key, _)| key == name);
        let first = values.next();
        if values.next().is_some() {
            return Err(BadParameter::Repeated(name));
        }
        let first = match first {
            Some((_, None)) => return Err(BadParameter::Encoding(name)),
            Some((_, Some(value))) => Some(value),
            None => None,
        };
        Ok(first.map(String::as_str).filter(|value| !value.is_empty()))
    }
}

/// Decodes one name or value: `+` is a space, `%XX` a byte, and the whole must be UTF-8.
///
/// # Errors
/// [`ParametersError::Encoding`].
pub fn form_decode(encoded: &[u8]) -> Result<String, ParametersError> {
    let spaced: Vec<u8> = encoded
        .iter()
        .map(|&byte| if byte == b'+' { b' ' } else { byte })
        .collect();
    percent_decode(&spaced)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| ParametersError::Encoding)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_repeated_parameter_is_seen() {
        let parameters = Parameters::parse(b"a=1&b=2&a=1").unwrap();
        assert_eq!(parameters.one("a"), Err(BadParameter::Repeated("a")));
        assert_eq!(parameters.one("b"), Ok(Some("2")));
        assert_eq!(parameters.one("c"), Ok(None));
    }

    #[test]
    fn an_empty_value_is_absence_and_still_a_repeat() {
        assert_eq!(Parameters::parse(b"a=&b").unwrap().one("a"), Ok(None));
        assert!(Parameters::parse(b"a=&a=1").unwrap().one("a").is_err());
    }

    #[test]
    fn bytes_that_are_not_utf8_matter_only_where_somebody_looks() {
        let parameters = Parameters::parse(b"a=%ff&b=1&%ff=x").unwrap();
        assert_eq!(parameters.one("a"), Err(BadParameter::Encoding("a")));
        assert_eq!(parameters.one("b"), Ok(Some("1")));
    }

    #[test]
    fn the_number_of_parameters_is_bounded() {
        assert!(Parameters::parse("a=1&".repeat(MAX_PARAMETERS).as_bytes()).is_ok());
        assert!(Parameters::parse("a=1&".repeat(MAX_PARAMETERS + 1).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn what_is_encoded_reads_back(value in "\\PC{1,60}") {
            let encoded: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("state", &value).finish();
            let parameters = Parameters::parse(encoded.as_bytes()).unwrap();
            prop_assert_eq!(parameters.one("state"), Ok(Some(value.as_str())));
        }

        #[test]
        fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Parameters::parse(&bytes);
        }
    }
}
