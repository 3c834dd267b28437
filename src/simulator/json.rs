//! JSON objects written member by member, so that a name can stand there twice.

use serde::Serialize;

/// An object under construction; members keep their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Object(Vec<(String, String)>);

impl Object {
    /// Adds a member, even if one of that name is there already.
    pub(super) fn add(&mut self, name: &str, value: impl Serialize) -> &mut Self {
        let value =
            serde_json::to_string(&value).expect("strings, numbers and JSON values serialise");
        self.add_raw(name, value)
    }

    /// Adds a member whose value is JSON already.
    pub(super) fn add_raw(&mut self, name: &str, json: String) -> &mut Self {
        self.0.push((name.to_owned(), json));
        self
    }

    /// Sets a member in place of the one of that name.
    pub(super) fn set(&mut self, name: &str, value: impl Serialize) -> &mut Self {
        self.remove(name).add(name, value)
    }

    pub(super) fn remove(&mut self, name: &str) -> &mut Self {
        self.0.retain(|(present, _)| present != name);
        self
    }

    /// Repeats a name in front, with another value: a reader who takes the last one sees the right one.
    pub(super) fn shadow(&mut self, name: &str, value: impl Serialize) -> &mut Self {
        self.add(name, value);
        self.0.rotate_right(1);
        self
    }

    pub(super) fn render(&self) -> String {
        let members: Vec<String> = self
            .0
            .iter()
            .map(|(name, value)| format!("{}:{value}", serde_json::Value::from(name.as_str())))
            .collect();
        format!("{{{}}}", members.join(","))
    }
}

/// An array within an array, and so on: deeper than any honest answer, shallower than where
/// `serde_json` gives up by itself, so that the limit that holds is the reader's own.
pub(super) fn deep() -> String {
    const DEPTH: usize = 100;
    format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH))
}

#[cfg(test)]
mod tests {
    use super::Object;

    #[test]
    fn a_name_can_stand_twice() {
        let mut object = Object::default();
        object
            .add("sub", "right")
            .add("n", 1)
            .shadow("sub", "wrong");
        assert_eq!(object.render(), r#"{"sub":"wrong","sub":"right","n":1}"#);
        object.set("sub", "only");
        assert_eq!(object.render(), r#"{"n":1,"sub":"only"}"#);
    }
}
