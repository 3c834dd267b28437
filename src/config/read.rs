//! From a file and the environment to settings, keeping where each came from.

use std::path::{Path, PathBuf};

use figment::providers::Env;
use figment::value::{Dict, Value};
use figment::{Figment, Metadata, Profile, Provider};
use serde::Deserialize;
use toml::de::{DeTable, DeValue};

use super::settings::{Place, Settings};
use super::{Config, ConfigError, DEFAULT_FILES, Problem};

const PREFIX: &str = "SGID_BRIDGE_";

/// The text of a configuration and where it came from.
pub(super) struct Source {
    name: String,
    text: String,
    folder: PathBuf,
    environment: Vec<(String, String)>,
}

impl Source {
    pub(super) fn find(file: Option<&Path>) -> Result<Self, ConfigError> {
        let found = match file {
            Some(file) => Some(file.to_owned()),
            None => DEFAULT_FILES
                .iter()
                .map(PathBuf::from)
                .find(|file| file.exists()),
        };
        let Some(file) = found else {
            // The environment alone may hold everything.
            return Ok(Self::text("", Path::new(".")));
        };
        let text = std::fs::read_to_string(&file).map_err(|error| {
            ConfigError(vec![Problem {
                place: Some(file.display().to_string()),
                message: format!(
                    "cannot read the configuration: {error}; name another with --config, or make one with `sgid-bridge init`"
                ),
            }])
        })?;
        Ok(Self {
            name: file.display().to_string(),
            text,
            folder: file.parent().unwrap_or(Path::new(".")).to_owned(),
            environment: Vec::new(),
        })
    }

    pub(super) fn text(text: &str, folder: &Path) -> Self {
        Self {
            name: "configuration".to_owned(),
            text: text.to_owned(),
            folder: folder.to_owned(),
            environment: Vec::new(),
        }
    }

    pub(super) fn with_environment(mut self) -> Self {
        self.environment = Env::prefixed(PREFIX)
            .iter()
            .map(|(key, value)| (key.as_str().to_owned(), value))
            .collect();
        self
    }

    /// `RUST_LOG`, which the whole Rust world knows by this name.
    #[expect(
        clippy::disallowed_methods,
        clippy::unused_self,
        reason = "the one room that reads the environment"
    )]
    pub(super) fn rust_log(&self) -> Option<String> {
        std::env::var("RUST_LOG")
            .ok()
            .filter(|filter| !filter.is_empty())
    }

    #[cfg(test)]
    pub(super) fn with_variables(mut self, variables: &[(&str, &str)]) -> Self {
        self.environment = variables
            .iter()
            .map(|(key, value)| (key.to_lowercase(), (*value).to_owned()))
            .collect();
        self
    }

    pub(super) fn parse(&self) -> Result<Config, ConfigError> {
        let table: toml::Table = toml::from_str(&self.text).map_err(|error| self.syntax(&error))?;
        let figment = Figment::new()
            .merge(File(&table))
            .merge(Variables(&self.environment));
        let settings: Settings = figment.extract().map_err(|error| {
            ConfigError(
                error
                    .into_iter()
                    .map(|error| self.unfit(&error, &[]))
                    .collect(),
            )
        })?;
        settings.finish(self)
    }

    /// Reads one table of the configuration, such as a client, to its type.
    pub(super) fn read<T: for<'de> Deserialize<'de>>(
        &self,
        value: &Value,
        path: &[&str],
    ) -> Result<T, Problem> {
        T::deserialize(value).map_err(|error| self.unfit(&error, path))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A problem with the setting at `path`.
    pub(super) fn problem(&self, path: &[&str], message: impl Into<String>) -> Problem {
        Problem {
            place: self.place(path),
            message: message.into(),
        }
    }

    /// The environment variable or the line where a setting stands, or the nearest thing above it.
    pub(super) fn place(&self, path: &[&str]) -> Option<Place> {
        let variable = path.join("__");
        if self.environment.iter().any(|(key, _)| *key == variable) {
            return Some(format!("{PREFIX}{}", variable.to_uppercase()));
        }
        let line = line_of(&self.text, path)?;
        Some(format!("{}:{line}", self.name))
    }

    fn syntax(&self, error: &toml::de::Error) -> ConfigError {
        let line = error.span().map(|span| line_at(&self.text, span.start));
        ConfigError(vec![Problem {
            place: Some(match line {
                Some(line) => format!("{}:{line}", self.name),
                None => self.name.clone(),
            }),
            message: format!("not TOML: {}", error.message()),
        }])
    }

    fn unfit(&self, error: &figment::Error, above: &[&str]) -> Problem {
        use figment::error::Kind;
        let mut path: Vec<&str> = above.to_vec();
        path.extend(error.path.iter().map(String::as_str));
        let message = match &error.kind {
            Kind::UnknownField(name, known) => {
                // The path may or may not end with the name already.
                if path.last() != Some(&name.as_str()) {
                    path.push(name);
                }
                unknown_setting(name, known)
            }
            Kind::MissingField(name) => format!("the setting `{name}` is missing"),
            // Every other message may hold the value, which may be a secret: say only what was expected.
            Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => {
                format!("`{}` must be {expected}", path.join("."))
            }
            Kind::UnknownVariant(_, known) => {
                format!("`{}` must be one of {}", path.join("."), known.join(", "))
            }
            Kind::Message(reason) => format!("`{}`: {reason}", path.join(".")),
            _ => format!("`{}` cannot be read", path.join(".")),
        };
        self.problem(&path, message)
    }
}

fn unknown_setting(name: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .min();
    match nearest {
        Some((distance, nearest)) if distance <= nearest.len().max(3) / 2 => {
            format!("unknown setting `{name}`: did you mean `{nearest}`?")
        }
        _ => format!(
            "unknown setting `{name}`: known here are {}",
            known.join(", ")
        ),
    }
}

fn line_of(text: &str, path: &[&str]) -> Option<usize> {
    let table = DeTable::parse(text).ok()?;
    let mut best = None;
    let mut here: Option<&DeValue<'_>> = None;
    for (depth, step) in path.iter().enumerate() {
        let next = if depth == 0 {
            table.get_ref().get_key_value(*step)
        } else {
            match here {
                Some(DeValue::Table(inner)) => inner.get_key_value(*step),
                Some(DeValue::Array(items)) => {
                    let Some(item) = step.parse().ok().and_then(|index: usize| items.get(index))
                    else {
                        break;
                    };
                    best = Some(item.span().start);
                    here = Some(item.get_ref());
                    continue;
                }
                _ => None,
            }
        };
        let Some((key, value)) = next else { break };
        best = Some(key.span().start);
        here = Some(value.get_ref());
    }
    best.map(|offset| line_at(text, offset))
}

fn line_at(text: &str, offset: usize) -> usize {
    text.as_bytes()
        .iter()
        .take(offset)
        .filter(|&&byte| byte == b'\n')
        .count()
        + 1
}

struct File<'a>(&'a toml::Table);

impl Provider for File<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named("configuration file")
    }

    fn data(&self) -> Result<figment::value::Map<Profile, Dict>, figment::Error> {
        let dict = Value::serialize(self.0)?.into_dict().unwrap_or_default();
        Ok(Profile::Default.collect(dict))
    }
}

struct Variables<'a>(&'a [(String, String)]);

impl Provider for Variables<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named("environment")
    }

    fn data(&self) -> Result<figment::value::Map<Profile, Dict>, figment::Error> {
        let mut all = Figment::new();
        for (key, text) in self.0 {
            let dotted = key.replace("__", ".");
            all = all.merge((dotted, value_of(text)));
        }
        Ok(Profile::Default.collect(all.extract::<Dict>()?))
    }
}

/// A list or a table is written in TOML, `true` and `false` are themselves, everything else is text.
fn value_of(text: &str) -> Value {
    if text.starts_with(['[', '{'])
        && let Ok(table) = toml::from_str::<toml::Table>(&format!("value = {text}"))
        && let Ok(value) = Value::serialize(&table["value"])
    {
        return value;
    }
    match text {
        "true" => Value::from(true),
        "false" => Value::from(false),
        _ => Value::from(text),
    }
}
