//! Query strings and forms as ordered pairs, and the unreserved characters of PKCE.

/// The parameters of one request, in their order, repetitions included.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) fn parse(encoded: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(encoded).into_owned().collect())
    }

    /// The value of a parameter that must not be repeated; empty counts as absent (RFC 6749 3.1).
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(present, _)| present == name)?;
        (!value.is_empty()).then_some(value)
    }

    /// The first name that occurs twice.
    pub(super) fn repeated(&self) -> Option<&str> {
        self.0.iter().enumerate().find_map(|(index, (name, _))| {
            self.0[..index]
                .iter()
                .any(|(earlier, _)| earlier == name)
                .then_some(name.as_str())
        })
    }

    pub(super) fn into_pairs(self) -> Vec<(String, String)> {
        self.0
    }
}

/// Whether a text is a code verifier: 43 to 128 unreserved characters (RFC 7636 section 4.1).
pub(super) fn is_code_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
}

/// Whether a text is an S256 challenge: a SHA-256 digest in base64url without padding.
pub(super) fn is_s256_challenge(text: &str) -> bool {
    text.len() == 43
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::Parameters;

    #[test]
    fn parameters_keep_order_and_show_repetition() {
        let parameters = Parameters::parse(b"a=1&b=%2B+x&empty=&a=2");
        assert_eq!(parameters.get("b"), Some("+ x"));
        assert_eq!(parameters.get("empty"), None);
        assert_eq!(parameters.repeated(), Some("a"));
    }
}
