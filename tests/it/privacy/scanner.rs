//! Finds planted values, however they are spelt, and what looks like a secret or an identity number of anybody.

use std::collections::HashMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use sha2::{Digest as _, Sha256};
use url::form_urlencoded::byte_serialize;

/// Spellings are found by their first bytes, so that thousands of them can be searched for at once.
const INDEXED: usize = 5;
/// Our bearer values: a prefix and 32 bytes in base64url.
const BEARER_PREFIXES: [&str; 11] = [
    "ls_", "lc_", "ac_", "at_", "cs_", "sc_", "pr_", "rt_", "rn_", "ra_", "ia_",
];
const BEARER_CHARACTERS: usize = 43;
/// The least that follows the beginning of a JSON object in base64url, for it to be the header of a JWT.
const JWT_CHARACTERS: usize = 12;

/// Everything that must not be found.
#[derive(Default)]
pub(super) struct Scanner {
    planted: Vec<String>,
    index: HashMap<[u8; INDEXED], Vec<(Vec<u8>, usize)>>,
}

impl Scanner {
    /// A value that must not be found in any spelling.
    pub(super) fn plant(&mut self, what: &str, value: &[u8]) {
        let spellings = spellings(value);
        self.enter(what, spellings);
    }

    /// As [`Scanner::plant`]; nor may its hash: there are so few of them that they can all be tried.
    pub(super) fn plant_guessable(&mut self, what: &str, value: &[u8]) {
        let mut all = spellings(value);
        let hash = Sha256::digest(value);
        all.push(hash.to_vec());
        all.extend(spellings(&hash));
        self.enter(what, all);
    }

    /// One of our bearer values: as text, and the bytes behind it.
    pub(super) fn plant_bearer(&mut self, what: &str, text: &str) {
        let bytes = URL_SAFE_NO_PAD
            .decode(text.get(3..).unwrap_or_default())
            .unwrap();
        assert_eq!(bytes.len(), 32, "{what} is no bearer value");
        let mut all = spellings(text.as_bytes());
        all.extend(spellings(&bytes));
        all.push(Sha256::digest(text).to_vec());
        all.push(Sha256::digest(&bytes).to_vec());
        self.enter(what, all);
    }

    fn enter(&mut self, what: &str, spellings: Vec<Vec<u8>>) {
        let number = self.planted.len();
        self.planted.push(what.to_owned());
        for spelling in spellings {
            let first: [u8; INDEXED] = spelling[..INDEXED].try_into().unwrap();
            self.index
                .entry(first)
                .or_default()
                .push((spelling, number));
        }
    }

    /// How many values were planted.
    pub(super) fn len(&self) -> usize {
        self.planted.len()
    }

    /// Whether a value of this name was planted.
    pub(super) fn has(&self, what: &str) -> bool {
        self.planted.iter().any(|planted| planted == what)
    }

    /// The planted values that stand there, by name.
    pub(super) fn leaks(&self, place: &str, content: &[u8]) -> Vec<String> {
        let mut leaks = Vec::new();
        for (at, first) in content.windows(INDEXED).enumerate() {
            for (spelling, number) in self.index.get(first).into_iter().flatten() {
                if content[at..].starts_with(spelling) && is_whole(content, at, spelling) {
                    let around = &content[at.saturating_sub(60)..content.len().min(at + 60)];
                    let around = String::from_utf8_lossy(around);
                    leaks.push(format!("{place}: {} in {around:?}", self.planted[*number]));
                }
            }
        }
        leaks
    }
}

/// Digits in the middle of a longer number, such as a measurement, are no telephone number.
fn is_whole(content: &[u8], at: usize, spelling: &[u8]) -> bool {
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let before = at.checked_sub(1).and_then(|at| content.get(at));
    !spelling.iter().all(u8::is_ascii_digit)
        || !(is_digit(before) || is_digit(content.get(at + spelling.len())))
}

/// The value as text and bytes can be written down.
fn spellings(value: &[u8]) -> Vec<Vec<u8>> {
    let mut hexadecimal = String::new();
    for byte in value {
        write!(hexadecimal, "{byte:02x}").unwrap();
    }
    let mut all = vec![
        value.to_vec(),
        hexadecimal.to_uppercase().into_bytes(),
        hexadecimal.into_bytes(),
        STANDARD.encode(value).trim_end_matches('=').into(),
        URL_SAFE_NO_PAD.encode(value).into_bytes(),
        format!("{value:?}").trim_matches(['[', ']']).into(),
    ];
    all.push(
        percent_encode(value, NON_ALPHANUMERIC)
            .to_string()
            .into_bytes(),
    );
    all.push(byte_serialize(value).collect::<String>().into_bytes());
    if let Ok(text) = std::str::from_utf8(value) {
        // In Rust's and in JSON's escapes.
        all.push(format!("{text:?}").trim_matches('"').into());
        all.push(
            serde_json::to_string(text)
                .unwrap()
                .trim_matches('"')
                .into(),
        );
    }
    all.sort();
    all.dedup();
    all
}

/// Identity numbers of anybody: `[STFGM][0-9]{7}[A-Z]`, standing alone.
pub(super) fn identity_numbers(content: &[u8]) -> Vec<String> {
    let is_alone = |at: Option<usize>| {
        let byte = at.and_then(|at| content.get(at));
        byte.is_none_or(|byte| !byte.is_ascii_alphanumeric())
    };
    let mut found = Vec::new();
    for (at, number) in content.windows(9).enumerate() {
        let is_shaped = b"STFGM".contains(&number[0])
            && number[1..8].iter().all(u8::is_ascii_digit)
            && number[8].is_ascii_uppercase();
        if is_shaped && is_alone(at.checked_sub(1)) && is_alone(Some(at + 9)) {
            found.push(String::from_utf8_lossy(number).into_owned());
        }
    }
    found
}

/// What looks like a bearer value of ours, a JWT, a JWE, a JWK or a PEM, whoever it belongs to.
pub(super) fn secrets_of_anybody(text: &str) -> Vec<String> {
    let mut found = bearers_of_anybody(text);
    for mark in ["eyJ", "-----BEGIN", "SIMULATED UPSTREAM TEXT"] {
        // The name of a method, `PrivateKeyJwt`, is none.
        let found_here = text
            .match_indices(mark)
            .filter(|(at, _)| mark != "eyJ" || base64_from(text, *at) >= JWT_CHARACTERS);
        found.extend(found_here.map(|(at, _)| beginning(text, at)));
    }
    found
}

/// What looks like a bearer value of ours.
pub(super) fn bearers_of_anybody(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for prefix in BEARER_PREFIXES {
        for (at, _) in text.match_indices(prefix) {
            if base64_from(text, at + prefix.len()) >= BEARER_CHARACTERS {
                found.push(beginning(text, at));
            }
        }
    }
    found
}

fn base64_from(text: &str, at: usize) -> usize {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    text[at..].bytes().take_while(is_base64).count()
}

fn beginning(text: &str, at: usize) -> String {
    text[at..].chars().take(40).collect()
}

#[test]
fn a_planted_leak_is_found_in_every_spelling() {
    let mut scanner = Scanner::default();
    scanner.plant_guessable("name", "SAMPLE \"TAN\" 陳".as_bytes());
    scanner.plant("key", &[1, 2, 3, 250, 251, 252]);
    let bearer = format!("ac_{}", URL_SAFE_NO_PAD.encode([7; 32]));
    scanner.plant_bearer("code", &bearer);
    let hash = STANDARD.encode(Sha256::digest("SAMPLE \"TAN\" 陳"));
    for leak in [
        "x SAMPLE \"TAN\" 陳 y",
        r#"{"name":"SAMPLE \"TAN\" 陳"}"#,
        "name=SAMPLE%20%22TAN%22%20%E9%99%B3",
        "?name=SAMPLE+%22TAN%22+%E9%99%B3&x",
        &format!("hash {hash}"),
        "010203fafbfc",
        "Key([1, 2, 3, 250, 251, 252])",
        "AQID+vv8",
        "AQID-vv8",
        &format!("code={bearer} "),
        &"07".repeat(32),
    ] {
        assert!(!scanner.leaks("here", leak.as_bytes()).is_empty(), "{leak}");
    }
    assert_eq!(scanner.leaks("here", &[0, 1, 2, 3, 250, 251, 252]).len(), 1);
    scanner.plant("telephone", b"80000001");
    assert_eq!(scanner.leaks("here", b"+6580000001, 80000001.").len(), 1);
    assert_eq!(
        scanner.leaks("here", b"0.11800000016 and 800000010"),
        [""; 0]
    );
    let harmless = "SAMPLE \"TAN 陳 AQID ac_ 1, 2, 3";
    assert_eq!(
        scanner.leaks("here", harmless.as_bytes()),
        Vec::<String>::new()
    );
}

#[test]
fn what_belongs_to_anybody_is_found_by_its_shape() {
    assert_eq!(identity_numbers(b"nric=S1234567D."), ["S1234567D"]);
    assert_eq!(identity_numbers(b"G7654321P"), ["G7654321P"]);
    assert_eq!(
        identity_numbers(b"S123456D XS1234567D S1234567Dx A1234567D"),
        [""; 0]
    );
    let bearers = BEARER_PREFIXES.map(|prefix| format!("{prefix}{}", "a".repeat(43)));
    for bearer in &bearers {
        assert_eq!(bearers_of_anybody(bearer).len(), 1, "{bearer}");
    }
    for secret in [
        &bearers[0][..],
        "eyJhbGciOiJSUzI1NiJ9",
        "-----BEGIN PRIVATE KEY-----",
    ] {
        assert_eq!(
            secrets_of_anybody(&format!("a line with {secret} in it")).len(),
            1,
            "{secret}"
        );
    }
    assert_eq!(
        secrets_of_anybody("at_ last, a harmless line: ls_short, PrivateKeyJwt"),
        [""; 0]
    );
}
