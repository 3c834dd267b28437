//! The parameter `claims`: single claims, for the ID token and for userinfo apart. OpenID Connect Core section 5.5.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::{ErrorCode, OAuthError};
use super::json;
use super::subject::SubjectIdentifier;

const MAX_BYTES: usize = 8_192;
const MAX_CLAIMS: usize = 128;

/// Claims that a request asked for by name, in each place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimsRequest {
    /// In the ID token.
    pub id_token: BTreeSet<String>,
    /// At userinfo.
    pub userinfo: BTreeSet<String>,
}

impl ClaimsRequest {
    /// The names, wherever they were asked for.
    pub fn names(&self) -> BTreeSet<String> {
        self.id_token.union(&self.userinfo).cloned().collect()
    }

    /// The request without what `allowed` does not name: unknown claims are ignored, others are not for this client.
    #[must_use]
    pub fn limited_to(&self, allowed: &BTreeSet<String>) -> Self {
        let limited = |names: &BTreeSet<String>| names.intersection(allowed).cloned().collect();
        Self {
            id_token: limited(&self.id_token),
            userinfo: limited(&self.userinfo),
        }
    }
}

/// The whole parameter, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimsParameter {
    /// What is to be delivered.
    pub request: ClaimsRequest,
    /// Whom the answer must be about: `sub` with a value. Core section 5.5.1.
    pub subject: Option<SubjectIdentifier>,
}

impl ClaimsParameter {
    /// Reads the parameter. `acr` is the one authentication context class that we know.
    ///
    /// `essential`, `value` and `values` of other claims change nothing: a claim that is missing or different is no
    /// error (Core section 5.5.1), and we do not choose among a person's values.
    ///
    /// # Errors
    /// `invalid_request` for another form; `unmet_authentication_requirements` for an essential `acr` that is not
    /// ours (Core section 5.5.1.1).
    pub fn parse(text: &str, acr: &str) -> Result<Self, OAuthError> {
        if text.len() > MAX_BYTES {
            return Err(malformed());
        }
        let members = json::parse_object(text.as_bytes()).map_err(|_| malformed())?;
        let mut parameter = Self::default();
        for place in ["id_token", "userinfo"] {
            let Some(asked) = members.get(place) else {
                continue;
            };
            let asked = match asked {
                Value::Null => continue,
                Value::Object(asked) if asked.len() <= MAX_CLAIMS => asked,
                _ => return Err(malformed()),
            };
            let mut names = BTreeSet::new();
            for (name, wish) in asked {
                let wish = Wish::parse(wish)?;
                if name == "acr" && wish.is_essential && !wish.admits(acr) {
                    return Err(OAuthError::new(
                        ErrorCode::UnmetAuthenticationRequirements,
                        "the essential claim acr asks for a class that sgID does not assert: see acr_values_supported",
                    ));
                }
                if name == "sub" {
                    parameter.demand_subject(&wish)?;
                }
                names.insert(name.clone());
            }
            match place {
                "id_token" => parameter.request.id_token = names,
                _ => parameter.request.userinfo = names,
            }
        }
        Ok(parameter)
    }

    fn demand_subject(&mut self, wish: &Wish<'_>) -> Result<(), OAuthError> {
        let Some(value) = wish.value else {
            return Ok(());
        };
        let subject = value.as_str().map(SubjectIdentifier::presented);
        let subject = subject.ok_or_else(malformed)?;
        if self.subject.as_ref().is_some_and(|other| *other != subject) {
            return Err(OAuthError::invalid_request(
                "claims names two different values of sub",
            ));
        }
        self.subject = Some(subject);
        Ok(())
    }
}

/// What is said of one claim. Core section 5.5.1.
#[derive(Default)]
struct Wish<'a> {
    is_essential: bool,
    value: Option<&'a Value>,
    values: Option<&'a [Value]>,
}

impl<'a> Wish<'a> {
    fn parse(wish: &'a Value) -> Result<Self, OAuthError> {
        let members: &Map<String, Value> = match wish {
            Value::Null => return Ok(Self::default()),
            Value::Object(members) => members,
            _ => return Err(malformed()),
        };
        let is_essential = match members.get("essential") {
            None => false,
            Some(Value::Bool(essential)) => *essential,
            Some(_) => return Err(malformed()),
        };
        let values = match members.get("values") {
            None => None,
            Some(Value::Array(values)) => Some(values.as_slice()),
            Some(_) => return Err(malformed()),
        };
        Ok(Self {
            is_essential,
            value: members.get("value"),
            values,
        })
    }

    fn admits(&self, offered: &str) -> bool {
        let is_offered = |value: &Value| value == offered;
        self.value.is_none_or(is_offered)
            && self
                .values
                .is_none_or(|values| values.iter().any(is_offered))
    }
}

fn malformed() -> OAuthError {
    OAuthError::invalid_request(
        "claims must be a JSON object with the members id_token and userinfo, each an object of claims that are null or have essential, value and values",
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ACR: &str = "https://login.example.sg/acr/sgid";

    fn parse(text: &str) -> Result<ClaimsParameter, ErrorCode> {
        ClaimsParameter::parse(text, ACR).map_err(|error| error.code)
    }

    #[test]
    fn claims_are_asked_for_in_two_places() {
        let text = r#"{"userinfo":{"name":{"essential":true},"x":null},"id_token":{"email":{"value":"a","note":1}},"other":{}}"#;
        let request = parse(text).unwrap().request;
        assert_eq!(request.userinfo, ["name", "x"].map(str::to_owned).into());
        assert_eq!(request.id_token, ["email".to_owned()].into());
        assert_eq!(request.names().len(), 3);
        let allowed = ["name".to_owned()].into();
        assert_eq!(request.limited_to(&allowed).names(), allowed);
        assert_eq!(
            parse(r#"{"userinfo":null}"#),
            Ok(ClaimsParameter::default())
        );
    }

    #[test]
    fn another_form_is_refused() {
        for text in [
            "",
            "[]",
            "{",
            r#"{"userinfo":[]}"#,
            r#"{"userinfo":{"name":true}}"#,
            r#"{"userinfo":{"name":{"essential":"yes"}}}"#,
            r#"{"userinfo":{"name":{"values":"x"}}}"#,
            r#"{"userinfo":{"name":null,"name":null}}"#,
            r#"{"id_token":{"sub":{"value":1}}}"#,
            r#"{"id_token":{"sub":{"value":"a"}},"userinfo":{"sub":{"value":"b"}}}"#,
        ] {
            assert_eq!(parse(text), Err(ErrorCode::InvalidRequest), "{text}");
        }
    }

    #[test]
    fn an_essential_acr_must_be_ours() {
        let essential = |wish: &str| parse(&format!(r#"{{"id_token":{{"acr":{wish}}}}}"#));
        assert!(essential("null").is_ok());
        assert!(essential(r#"{"essential":true}"#).is_ok());
        assert!(essential(r#"{"value":"other"}"#).is_ok(), "it is voluntary");
        let ours = format!(r#"{{"essential":true,"values":["other","{ACR}"]}}"#);
        assert!(essential(&ours).is_ok());
        for wish in [
            r#"{"essential":true,"value":"other"}"#,
            r#"{"essential":true,"values":["1","2"]}"#,
        ] {
            let unmet = Err(ErrorCode::UnmetAuthenticationRequirements);
            assert_eq!(essential(wish), unmet, "{wish}");
        }
    }

    #[test]
    fn a_subject_may_be_demanded() {
        let parameter = parse(r#"{"id_token":{"sub":{"value":"abc"}}}"#).unwrap();
        assert_eq!(parameter.subject, Some(SubjectIdentifier::presented("abc")));
    }

    proptest! {
        #[test]
        fn no_input_panics(text in ".{0,200}") {
            let _ = parse(&text);
        }
    }
}
