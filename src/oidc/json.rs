//! JSON from strangers: repeated member names and deep nesting are refused.
//! RFC 7515 section 4 and RFC 7519 section 4 let a parser refuse repeats; taking the last one silently lets two
//! readers of one document disagree.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// How deep arrays and objects may be nested.
pub const MAX_DEPTH: usize = 32;

/// The text is no JSON document that we accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON document with unique member names and at most {MAX_DEPTH} levels")]
pub struct JsonError;

/// Parses one document.
///
/// # Errors
/// [`JsonError`] for anything that is not JSON, repeats a member name, or is nested deeper than [`MAX_DEPTH`].
pub fn parse(document: &[u8]) -> Result<Value, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_slice(document);
    let value = Strict { depth: 0 }
        .deserialize(&mut deserializer)
        .map_err(|_| JsonError)?;
    deserializer.end().map_err(|_| JsonError)?;
    Ok(value)
}

/// Parses one document that must be an object.
///
/// # Errors
/// As [`parse`], and for any other kind of value.
pub fn parse_object(document: &[u8]) -> Result<Map<String, Value>, JsonError> {
    match parse(document)? {
        Value::Object(members) => Ok(members),
        _ => Err(JsonError),
    }
}

#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth = self.depth + 1;
        if depth > MAX_DEPTH {
            return Err(E::custom("nested too deep"));
        }
        Ok(Self { depth })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inside = self.deeper()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inside)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inside = self.deeper()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(inside)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("repeated member name"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn repeated_member_names_are_refused_at_every_level() {
        assert_eq!(parse(br#"{"a":1,"a":2}"#), Err(JsonError));
        assert_eq!(parse(br#"[{"b":{"a":1,"a":1}}]"#), Err(JsonError));
        assert!(parse(br#"{"a":{"a":1},"b":{"a":1}}"#).is_ok());
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |levels: usize| [vec![b'['; levels], vec![b']'; levels]].concat();
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(parse(&nested(MAX_DEPTH + 1)), Err(JsonError));
        assert_eq!(parse(&nested(100_000)), Err(JsonError));
    }

    #[test]
    fn nothing_may_follow_the_document() {
        assert_eq!(parse(b"{} {}"), Err(JsonError));
        assert_eq!(parse_object(b"[]"), Err(JsonError));
    }

    proptest! {
        #[test]
        fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn agrees_with_serde_json_on_documents_without_repeats(text in r#"\{"a":(null|true|-?[1-9][0-9]{0,8}|"[a-z\\n]{0,5}"),"b":\[[0-9]?\]\}"#) {
            if let Ok(expected) = serde_json::from_str::<Value>(&text) {
                prop_assert_eq!(parse(text.as_bytes()), Ok(expected));
            }
        }
    }
}
