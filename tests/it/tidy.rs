//! The house rules that a reader of the sources can check: which room knows which, whose guests stay where, how
//! large a file may be, what a statement of the store may say.
//!
//! Sources are read as tokens, so that comments, texts and tests cannot be mistaken for code.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use crate::support::process::in_repository;

/// A room may use what stands below it here. Rooms of one line do not know each other.
const FLOORS: [&[&str]; 10] = [
    &["main"],
    &["cli"],
    &["http"],
    &["provider"],
    &["bridge"],
    &["sgid", "outgoing", "clients", "tokens", "pages"],
    &["store"],
    &["config"],
    &["login", "keyring", "catalogue", "jose"],
    &["oidc", "secret", "clock"],
];

/// Rooms beside the house: only `cli` enters them, and of the house they use only what is named here.
const ANNEXES: [(&str, &[&str]); 3] = [
    ("telemetry", &[]),
    ("simulator", &["oidc"]),
    ("playground", &["pages"]),
];

/// Libraries whose types do not leave these rooms.
const GUESTS: [(&str, &[&str]); 7] = [
    (
        "actix_web",
        &["http", "provider", "pages", "simulator", "playground"],
    ),
    ("sqlx", &["store"]),
    ("openidconnect", &["sgid", "simulator", "playground"]),
    ("reqwest", &["sgid", "outgoing", "simulator", "playground"]),
    (
        "josekit",
        &["sgid", "keyring", "jose", "simulator", "playground"],
    ),
    ("rsa", &["sgid"]),
    ("openssl", &["simulator"]),
];

const MAX_LINES_OF_CODE: usize = 400;

#[test]
fn the_house_is_tidy() {
    let mut violations = Vec::new();
    let sources = files_below("src");
    assert!(
        sources.len() > 50,
        "the sources are not where they are looked for"
    );
    for path in sources {
        violations.extend(check_source(&path, &read(&path)));
    }
    for path in files_below("tests/it") {
        violations.extend(check_test(&path, &read(&path)));
    }
    report(&violations);
}

#[test]
fn every_public_method_of_the_store_stands_in_its_conformance_suite() {
    let suite: Vec<Token> = files_below("tests/it/store")
        .iter()
        .flat_map(|path| tokens(&read(path)))
        .collect();
    let called: BTreeSet<&str> = suite
        .windows(3)
        .filter(|it| (it[0].is(".") || it[0].is("::")) && it[2].is("("))
        .map(|it| it[1].text.as_str())
        .collect();
    let mut violations = Vec::new();
    let mut methods = 0;
    for path in files_below("src/store") {
        for it in without_tests(&tokens(&read(&path))).windows(4) {
            if it[0].is("pub") && it[1].is("async") && it[2].is("fn") {
                methods += 1;
                if !called.contains(it[3].text.as_str()) {
                    let rule = format!("`{}` is called nowhere in tests/it/store", it[3].text);
                    violations.push(violation(&path, it[3].line, &rule));
                }
            }
        }
    }
    assert!(methods > 20, "only {methods} methods were found");
    report(&violations);
}

#[test]
fn migrations_are_portable_and_say_why() {
    let mut violations = Vec::new();
    for path in listed("migrations") {
        let name = path.rsplit('/').next().unwrap();
        let (date, what) = name.split_at_checked(14).unwrap_or((name, ""));
        let is_named = date.bytes().all(|it| it.is_ascii_digit())
            && what.starts_with('_')
            && Path::new(what).extension().is_some_and(|it| it == "sql");
        if !is_named {
            violations.push(violation(
                &path,
                1,
                "a migration is named YYYYMMDDHHMMSS_what.sql",
            ));
        }
        let text = read(&path);
        if !text.starts_with("-- ") {
            violations.push(violation(
                &path,
                1,
                "a migration begins with a sentence on why",
            ));
        }
        for (index, line) in text.lines().enumerate() {
            let statement = line.split("--").next().unwrap().to_lowercase();
            for word in [
                "now()",
                "current_timestamp",
                "serial",
                " enum",
                "[]",
                "alter column",
            ] {
                if statement.contains(word) {
                    let rule = format!("`{}` is not for both engines", word.trim());
                    violations.push(violation(&path, index + 1, &rule));
                }
            }
        }
    }
    report(&violations);
}

#[test]
fn no_file_names_a_place_on_somebodys_machine() {
    let mut violations = Vec::new();
    let files = listed(".");
    assert!(files.len() > 50, "git lists only {files:?}");
    for path in files {
        // Deleted and not yet committed.
        let Ok(bytes) = std::fs::read(in_repository(&path)) else {
            continue;
        };
        for (index, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
            violations.extend(check_privacy(&path, index + 1, line));
        }
    }
    report(&violations);
}

/// Each rule of a source of the house, at each place that breaks it.
fn check_source(path: &str, source: &str) -> Vec<String> {
    let mut violations = check_sign(path, source);
    let all = tokens(source);
    for it in all.windows(2) {
        if it[1].is("!") && ["todo", "unimplemented", "dbg"].contains(&it[0].text.as_str()) {
            let rule = format!("`{}!` is for unfinished work", it[0].text);
            violations.push(violation(path, it[0].line, &rule));
        }
    }
    violations.extend(check_ignored(path, &all));
    if is_test_file(path) {
        return violations;
    }

    let code = without_tests(&all);
    let lines: BTreeSet<usize> = code
        .iter()
        .flat_map(|token| token.line..=token.line + token.text.matches('\n').count())
        .collect();
    if lines.len() > MAX_LINES_OF_CODE {
        let rule = format!(
            "{} lines of code are more than {MAX_LINES_OF_CODE}: part the file",
            lines.len()
        );
        violations.push(violation(path, 1, &rule));
    }
    let module = module_of(path);
    for used in paths(&code, &module) {
        violations.extend(check_path(path, &module, &used));
    }
    if module.first().is_some_and(|room| room == "store") {
        for text in code.iter().filter(|token| token.kind == Kind::Text) {
            violations.extend(check_statement(path, text));
        }
    }
    violations
}

fn check_test(path: &str, source: &str) -> Vec<String> {
    check_ignored(path, &tokens(source))
}

/// The door of a room begins with a sign.
fn check_sign(path: &str, source: &str) -> Vec<String> {
    let inside = path.strip_prefix("src/").unwrap_or(path);
    let is_door = inside.matches('/').count() == usize::from(inside.ends_with("/mod.rs"));
    if !is_door || ["main.rs", "lib.rs"].contains(&inside) {
        return Vec::new();
    }
    let sign: Vec<&str> = source
        .lines()
        .take_while(|line| line.starts_with("//!"))
        .collect();
    if sign.is_empty() {
        return vec![violation(
            path,
            1,
            "a room begins with a sign: `//!` says what it is",
        )];
    }
    if !sign.iter().any(|line| line.contains("Never knows:")) {
        return vec![violation(
            path,
            1,
            "the sign of a room has a line `Never knows:`",
        )];
    }
    Vec::new()
}

fn check_ignored(path: &str, tokens: &[Token]) -> Vec<String> {
    let ignored = tokens
        .windows(3)
        .filter(|it| it[0].is("#") && it[1].is("[") && it[2].is("ignore"));
    ignored
        .map(|it| violation(path, it[2].line, "nothing skips itself: no `#[ignore]`"))
        .collect()
}

/// Whether the room may know what it uses there.
fn check_path(path: &str, module: &[String], used: &UsedPath) -> Option<String> {
    // The root of the library lists the rooms and uses none.
    let own = match module.first() {
        Some(room) => room.as_str(),
        None => "main",
    };
    let rule = match &used.target {
        Target::Room(room) if room == own || may_use(own, room) => return None,
        Target::Room(room) if floor(room).is_none() && annex(room).is_none() => {
            format!("`{room}` stands on no floor: give it one in tests/it/tidy.rs")
        }
        Target::Room(room) => format!("`{own}` must not know `{room}`"),
        Target::Root => format!("`{own}` must say which room it uses, not all of the crate"),
        Target::Guest(guest) => {
            let (_, rooms) = GUESTS.iter().find(|(name, _)| name == guest)?;
            if rooms.contains(&own) {
                return None;
            }
            format!(
                "`{guest}` is a guest of {} and must not be in `{own}`",
                rooms.join(", ")
            )
        }
    };
    Some(violation(path, used.line, &rule))
}

fn may_use(own: &str, room: &str) -> bool {
    if let Some(uses) = annex(own) {
        return uses.contains(&room);
    }
    if annex(room).is_some() {
        return own == "cli";
    }
    matches!((floor(own), floor(room)), (Some(own), Some(room)) if own < room)
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&room))
}

fn annex(room: &str) -> Option<&'static [&'static str]> {
    let found = ANNEXES.iter().find(|(name, _)| *name == room);
    found.map(|(_, uses)| *uses)
}

/// Columns are listed, and times are bound by us.
fn check_statement(path: &str, text: &Token) -> Vec<String> {
    let statement = text.text.to_lowercase();
    let verb = statement.split_whitespace().next().unwrap_or_default();
    if !["select", "insert", "update", "delete", "with"].contains(&verb) {
        return Vec::new();
    }
    let mut rules = Vec::new();
    if statement.replace("count(*)", "").contains('*') {
        rules.push("a statement lists its columns, never `*`");
    }
    if statement.contains("now()") || statement.contains("current_timestamp") {
        rules.push("a statement is told the time, it does not ask");
    }
    if verb != text.text.split_whitespace().next().unwrap_or_default() {
        rules.push("a statement is written in lower case");
    }
    rules
        .into_iter()
        .map(|rule| violation(path, text.line, rule))
        .collect()
}

fn check_privacy(path: &str, number: usize, line: &str) -> Option<String> {
    // Put together here, or this file would break its own rule.
    let private = ["work", "root"].map(|folder| format!("/{folder}/"));
    let found = private.iter().find(|folder| line.contains(*folder))?;
    let rule = format!("`{found}` is a place on somebody's machine");
    Some(violation(path, number, &rule))
}

fn violation(path: &str, line: usize, rule: &str) -> String {
    format!("{path}:{line}: {rule}")
}

fn report(violations: &[String]) {
    let mut text = String::new();
    for violation in violations {
        writeln!(text, "{violation}").unwrap();
    }
    assert!(violations.is_empty(), "the house is untidy:\n{text}");
}

// Files.

/// The Rust files below a folder of the repository.
fn files_below(folder: &str) -> Vec<String> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(in_repository(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            files.extend(files_below(&path));
        } else if Path::new(&path).extension().is_some_and(|it| it == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// What git has, or will have with the next commit.
fn listed(folder: &str) -> Vec<String> {
    let listing = Command::new("git")
        .args([
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            folder,
        ])
        .current_dir(in_repository("."))
        .output()
        .expect("git is missing; install it with: apt-get install git");
    let complaint = String::from_utf8_lossy(&listing.stderr);
    assert!(listing.status.success(), "git: {complaint}");
    let listing = String::from_utf8(listing.stdout).unwrap();
    listing.lines().map(str::to_owned).collect()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(in_repository(path)).unwrap()
}

fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// The module that a file of `src` is: `src/store/codes.rs` is `store::codes`.
fn module_of(path: &str) -> Vec<String> {
    let inside = path.strip_prefix("src/").unwrap_or(path);
    let inside = inside.strip_suffix(".rs").unwrap_or(inside);
    let inside = inside.strip_suffix("/mod").unwrap_or(inside);
    match inside {
        "lib" => Vec::new(),
        _ => inside.split('/').map(str::to_owned).collect(),
    }
}

// Tokens.

#[derive(Clone, Debug, PartialEq)]
struct Token {
    text: String,
    line: usize,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// An identifier, a keyword, a number, a mark.
    Code,
    /// What stands between quotation marks.
    Text,
}

impl Token {
    fn is(&self, text: &str) -> bool {
        self.kind == Kind::Code && self.text == text
    }

    fn is_name(&self) -> bool {
        let first = self.text.bytes().next().unwrap_or_default();
        self.kind == Kind::Code && (first.is_ascii_alphabetic() || first == b'_')
    }
}

/// The tokens of a source. Comments are left out; `::` is one token.
fn tokens(source: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let line = 1 + source[..source.len() - rest.len()].matches('\n').count();
        let (length, kept) = if first.is_whitespace() {
            (first.len_utf8(), None)
        } else if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), None)
        } else if rest.starts_with("/*") {
            (block_comment(rest), None)
        } else if let Some((length, text)) = quoted(rest) {
            (length, Some((text, Kind::Text)))
        } else if first == '\'' {
            (character_or_lifetime(rest), None)
        } else if first.is_alphanumeric() || first == '_' {
            let is_part = |it: char| it.is_alphanumeric() || it == '_';
            let length = rest.find(|it| !is_part(it)).unwrap_or(rest.len());
            (length, Some((&rest[..length], Kind::Code)))
        } else if rest.starts_with("::") {
            (2, Some(("::", Kind::Code)))
        } else {
            let length = first.len_utf8();
            (length, Some((&rest[..length], Kind::Code)))
        };
        found.extend(kept.map(|(text, kind)| Token {
            text: text.to_owned(),
            line,
            kind,
        }));
        rest = &rest[length..];
    }
    found
}

/// Block comments nest.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    loop {
        if rest[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
        } else {
            at += rest[at..].chars().next().map_or(0, char::len_utf8);
        }
        if depth == 0 || at == rest.len() {
            return at;
        }
    }
}

/// The length of a string literal of any sort at the start, and what stands in it.
fn quoted(rest: &str) -> Option<(usize, &str)> {
    let letters = rest.find(|it| !"bcr".contains(it))?;
    let (prefix, after) = rest.split_at(letters);
    if prefix.ends_with('r') {
        let hashes = after.find(|it| it != '#')?;
        let inner = after[hashes..].strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(hashes));
        let length = inner.find(&end)?;
        let start = letters + hashes + 1;
        return Some((start + length + end.len(), &inner[..length]));
    }
    let inner = after.strip_prefix('"')?;
    let mut escaped = false;
    let length = inner.find(|it| {
        let is_end = it == '"' && !escaped;
        escaped = it == '\\' && !escaped;
        is_end
    })?;
    Some((letters + 1 + length + 1, &inner[..length]))
}

fn character_or_lifetime(rest: &str) -> usize {
    let mut characters = rest.char_indices().skip(1);
    match (characters.next(), characters.next()) {
        (Some((_, '\\')), Some((after, _))) => {
            let from = after + 1;
            from + rest[from..].find('\'').map_or(0, |at| at + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

/// Leaves out every item that only tests have.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let marks_test = ["#", "[", "cfg", "(", "test", ")", "]"];
        let is_test = tokens.len() - at >= marks_test.len()
            && marks_test
                .iter()
                .zip(&tokens[at..])
                .all(|(text, token)| token.is(text));
        if is_test {
            at = end_of_item(tokens, at + marks_test.len());
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// An item ends with the first semicolon or closing brace that is not inside something.
fn end_of_item(tokens: &[Token], start: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(start) {
        if token.kind == Kind::Text {
            continue;
        }
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => {
                depth -= 1;
                if depth == 0 && token.text == "}" {
                    return index + 1;
                }
            }
            ";" if depth == 0 => return index + 1,
            _ => {}
        }
    }
    tokens.len()
}

// Paths.

/// What a path leads to, if that is of interest.
struct UsedPath {
    line: usize,
    target: Target,
}

enum Target {
    Room(String),
    Root,
    Guest(&'static str),
}

/// The rooms and guests that code uses, in `use` and in the middle of things.
fn paths(tokens: &[Token], module: &[String]) -> Vec<UsedPath> {
    let mut found = Vec::new();
    // The names of the modules that stand in this file, and how deep in braces.
    let mut inner: Vec<(String, usize)> = Vec::new();
    let mut depth = 0;
    let mut at = 0;
    while at < tokens.len() {
        let here: Vec<String> = inner.iter().map(|(name, _)| name.clone()).collect();
        let here = [module, &here].concat();
        let mut collect = |segments: &[&str], line| {
            found.extend(lead(segments, &here).map(|target| UsedPath { line, target }));
        };
        let token = &tokens[at];
        let next_is = |text| tokens.get(at + 1).is_some_and(|it| it.is(text));
        if token.is("use") && !next_is("<") {
            at = use_tree(tokens, at + 1, &[], &mut collect);
            continue;
        }
        let after_path = at > 0 && tokens[at - 1].is("::") && at > 1 && tokens[at - 2].is_name();
        if token.is_name() && next_is("::") && !after_path {
            let segments: Vec<&str> = tokens[at..]
                .chunks(2)
                .take_while(|pair| pair[0].is_name())
                .scan(true, |goes_on, pair| {
                    let is_here = *goes_on;
                    *goes_on = pair.get(1).is_some_and(|it| it.is("::"));
                    is_here.then_some(pair[0].text.as_str())
                })
                .collect();
            collect(&segments, token.line);
        }
        if token.is("{") {
            depth += 1;
            if at > 1 && tokens[at - 2].is("mod") {
                inner.push((tokens[at - 1].text.clone(), depth));
            }
        } else if token.is("}") {
            inner.retain(|(_, opened_at)| *opened_at < depth);
            depth -= 1;
        }
        at += 1;
    }
    found
}

/// Reads one tree of a `use`; gives the place after it.
fn use_tree<'a>(
    tokens: &'a [Token],
    mut at: usize,
    before: &[&'a str],
    collect: &mut impl FnMut(&[&str], usize),
) -> usize {
    let mut segments = before.to_vec();
    let line = tokens.get(at).map_or(0, |token| token.line);
    while let Some(token) = tokens.get(at) {
        at += 1;
        if token.is("{") {
            while !tokens[at].is("}") {
                at = use_tree(tokens, at, &segments, collect);
                at += usize::from(tokens[at].is(","));
            }
            return at + 1;
        }
        if token.is("as") {
            at += 1;
        } else if token.is_name() || token.is("*") {
            segments.push(&token.text);
        } else if !token.is("::") {
            at -= 1;
            break;
        }
    }
    collect(&segments, line);
    at
}

/// Where a path leads that is written in the module `here`.
fn lead(segments: &[&str], here: &[String]) -> Option<Target> {
    let (first, rest) = segments.split_first()?;
    let absolute: Vec<&str> = match *first {
        "crate" | "sgid_bridge" => rest.to_vec(),
        "self" | "super" => {
            let ups = segments.iter().filter(|it| **it == "super").count();
            let rest = segments.iter().filter(|it| !["self", "super"].contains(it));
            let from = here.len().saturating_sub(ups);
            here[..from]
                .iter()
                .map(String::as_str)
                .chain(rest.copied())
                .collect()
        }
        name => {
            let (guest, _) = GUESTS.iter().find(|(guest, _)| *guest == name)?;
            return Some(Target::Guest(guest));
        }
    };
    match absolute.first() {
        None | Some(&"*") => Some(Target::Root),
        Some(room) if room.starts_with(char::is_lowercase) => {
            Some(Target::Room((*room).to_owned()))
        }
        // A function or macro of the crate's root belongs to no room.
        Some(_) => None,
    }
}

/// A path of `oidc` that leads to `store`, in every way of writing one.
const WAYS_TO_KNOW: [&str; 7] = [
    "\nuse crate::store::Store;",
    "\npub use crate::{store::{self, Store}, clock};",
    "\nuse super::super::store as shelf;",
    "\nfn f() { let it = crate::store::Store::new(); }",
    "\nmod inner { use super::super::super::store; }",
    "\nfn f(it: &dyn Fn(crate::store::Store)) {}",
    "\nuse sgid_bridge::store;",
];

/// File, source, and what is wrong with its first line.
#[rustfmt::skip]
const PLANTED: [(&str, &str, &str); 21] = [
    ("src/store/codes.rs", "use crate::provider::token;", "`store` must not know `provider`"),
    ("src/sgid/fetch.rs", "use crate::clients::Clients;", "`sgid` must not know `clients`"),
    ("src/bridge/a.rs", "use crate::telemetry;", "`bridge` must not know `telemetry`"),
    ("src/provider/a.rs", "use crate::simulator::World;", "`provider` must not know `simulator`"),
    ("src/simulator/a.rs", "use crate::secret;", "`simulator` must not know `secret`"),
    ("src/playground/a.rs", "use crate::oidc;", "`playground` must not know `oidc`"),
    ("src/login/a.rs", "use crate::*;", "`login` must say which room it uses"),
    ("src/attic/a.rs", "use crate::clock;", "`attic` must not know `clock`"),
    ("src/cli/a.rs", "use crate::attic::Box;", "`attic` stands on no floor"),
    ("src/cli/a.rs", "use actix_web::web;", "`actix_web` is a guest of http"),
    ("src/login/a.rs", "fn f() -> ::sqlx::Result<()> {}", "`sqlx` is a guest of store"),
    ("src/tokens/a.rs", "#[josekit::x] fn f() {}", "`josekit` is a guest of sgid"),
    ("src/keyring/a.rs", "use {rsa::RsaPrivateKey};", "`rsa` is a guest of sgid"),
    ("src/clients/a.rs", "use reqwest as http;", "`reqwest` is a guest of sgid"),
    ("src/pages/a.rs", "fn f() { todo!() }", "`todo!` is for unfinished work"),
    ("src/pages/tests.rs", "#[ignore] fn f() {}", "no `#[ignore]`"),
    ("src/pages/mod.rs", "use std::fmt;", "a room begins with a sign"),
    ("src/attic.rs", "//! Old things.\n", "the sign of a room has a line `Never knows:`"),
    ("src/store/a.rs", "const A: &str = \"select * from login\";", "lists its columns"),
    ("src/store/a.rs", "const A: &str = r#\"update a set b = now()\"#;", "is told the time"),
    ("src/store/a.rs", "const A: &str = \"DELETE from login\";", "lower case"),
];

/// File, and a source with nothing wrong.
#[rustfmt::skip]
const INNOCENT: [(&str, &str); 15] = [
    ("src/provider/a.rs", "use crate::{bridge::Bridge, clock, store};\nuse actix_web::web;"),
    ("src/cli/a.rs", "use crate::{telemetry, simulator, playground, http};"),
    ("src/main.rs", "use sgid_bridge::cli;"),
    ("src/store/a.rs", "use super::{Store, on};\nuse crate::keyring::Slot;\nuse self::a::B;"),
    ("src/oidc/a.rs", "/// See [`crate::store::Store`].\n// use crate::store;\n/* crate::store /* */ sqlx::X */"),
    ("src/oidc/a.rs", "const A: &str = \"crate::store \\\" sqlx::query\"; const B: char = '\"';"),
    ("src/oidc/a.rs", "const A: &[u8] = br##\"sqlx::query\"# \"##;"),
    ("src/oidc/a.rs", "#[cfg(test)]\nmod tests { use crate::store::{A, B}; fn f() { g(\"}\") } }"),
    ("src/oidc/a.rs", "#[cfg(test)]\nuse crate::store;\n#[cfg(test)]\nmod tests;"),
    ("src/oidc/a.rs", "mod hexadecimal { use super::super::super::oidc::X; use super::Y; }"),
    ("src/oidc/tests.rs", "use crate::store::Store;"),
    ("src/keyring/a.rs", "use josekit::jwk::alg::rsa::RsaKeyPair; fn f<'a>(rsa: &'a u8) {}"),
    ("src/store/a.rs", "const A: &str = \"select count(*) from login\"; fn f() -> u8 { 2 * now() }"),
    ("src/attic.rs", "//! Old things.\n//! Never knows: new things.\n"),
    ("src/oidc/a.rs", "fn f() -> impl Iterator<Item = u8> + use<'_> {}"),
];

#[test]
fn a_planted_violation_is_found_with_its_file_line_and_rule() {
    for source in WAYS_TO_KNOW {
        let found = check_source("src/oidc/scope.rs", source);
        let expected = "src/oidc/scope.rs:2: `oidc` must not know `store`";
        assert!(found.iter().any(|it| it == expected), "{source}: {found:?}");
    }
    for (path, source, rule) in PLANTED {
        let found = check_source(path, source);
        let place = format!("{path}:1: ");
        let is_caught = |it: &String| it.starts_with(&place) && it.contains(rule);
        assert!(found.iter().any(is_caught), "{source}: {found:?}");
    }
    let long = "fn f() {}\n".repeat(MAX_LINES_OF_CODE + 1);
    assert_eq!(check_source("src/oidc/a.rs", &long).len(), 1);
    let private = format!("see /{}/main", "work");
    let found = check_privacy("README.md", 7, &private).unwrap();
    assert!(found.starts_with("README.md:7: "), "{found}");
    let ignored = "fn f() {}\n#[ignore = \"slow\"]\nfn g() {}";
    let found = check_test("tests/it/a.rs", ignored);
    let expected = "tests/it/a.rs:2: nothing skips itself: no `#[ignore]`";
    assert_eq!(found, [expected]);
}

#[test]
fn what_is_allowed_or_no_code_is_let_be() {
    for (path, source) in INNOCENT {
        let found = check_source(path, source);
        assert!(found.is_empty(), "{source}: {found:?}");
    }
}
