//! `prompt` and `max_age`: how much of the person a request insists on. OpenID Connect Core section 3.1.2.1.

use std::time::Duration;

use super::error::OAuthError;

/// What `prompt` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prompt {
    /// Nothing in particular: an earlier sign-in may answer.
    #[default]
    AsNeeded,
    /// `none`: no page may be shown, whatever becomes of the request.
    None,
    /// `login` or `select_account`: the person signs in again. sgID offers no choice of accounts.
    Login,
    /// `consent`: the person agrees anew, which happens at sgID.
    Consent,
}

impl Prompt {
    /// Reads the value of `prompt`; words that nobody defined are ignored.
    ///
    /// # Errors
    /// `invalid_request` where `none` stands beside another word.
    pub fn parse(text: &str) -> Result<Self, OAuthError> {
        let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
        let has = |word| words.contains(&word);
        if has("none") {
            return match words.as_slice() {
                ["none"] => Ok(Self::None),
                _ => Err(OAuthError::invalid_request(
                    "prompt=none must not be combined with other values",
                )),
            };
        }
        Ok(if has("login") || has("select_account") {
            Self::Login
        } else if has("consent") {
            Self::Consent
        } else {
            Self::AsNeeded
        })
    }
}

/// `max_age`: how long ago the person may have signed in at most.
///
/// # Errors
/// `invalid_request` for anything but a whole number of seconds.
pub fn max_age(text: Option<&str>) -> Result<Option<Duration>, OAuthError> {
    let parse = |text: &str| {
        let seconds = text.parse::<u32>().ok();
        seconds
            .map(|seconds| Duration::from_secs(seconds.into()))
            .ok_or_else(|| OAuthError::invalid_request("max_age must be a whole number of seconds"))
    };
    text.map(parse).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_stands_alone_and_unknown_words_mean_nothing() {
        for (text, prompt) in [
            ("", Prompt::AsNeeded),
            ("create", Prompt::AsNeeded),
            ("none", Prompt::None),
            ("login", Prompt::Login),
            ("select_account", Prompt::Login),
            ("consent", Prompt::Consent),
            ("consent login", Prompt::Login),
        ] {
            assert_eq!(Prompt::parse(text), Ok(prompt), "{text}");
        }
        for text in ["none login", "login none", "none none", "none x"] {
            assert!(Prompt::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn max_age_is_a_whole_number() {
        assert_eq!(max_age(None), Ok(None));
        assert_eq!(max_age(Some("0")), Ok(Some(Duration::ZERO)));
        for text in ["-1", "1.5", "x", "99999999999"] {
            assert!(max_age(Some(text)).is_err(), "{text}");
        }
    }
}
