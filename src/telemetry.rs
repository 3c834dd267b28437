//! Log events, one to a line.
//! Never knows: everything else.

use std::io::IsTerminal;

use tracing_subscriber::filter::{EnvFilter, FilterFn, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

/// How an event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Changes the level while the process runs.
#[derive(Clone)]
pub struct LevelHandle(Option<reload::Handle<EnvFilter, Registry>>);

impl LevelHandle {
    /// Takes up another level or filter, unless `RUST_LOG` has decided.
    ///
    /// # Errors
    /// The filter's fault, in words.
    pub fn set(&self, filter: &str) -> Result<(), String> {
        let filter = parse(filter)?;
        match &self.0 {
            Some(handle) => handle.reload(filter).map_err(|error| error.to_string()),
            None => Ok(()),
        }
    }
}

/// Where audit records go: written at every level, unless a filter names this target itself.
const AUDIT: &str = "sgid_bridge::audit";

/// Whether a level or filter can be used.
///
/// # Errors
/// The filter's fault, in words.
pub fn check(filter: &str) -> Result<(), String> {
    parse(filter).map(|_| ())
}

fn parse(filter: &str) -> Result<EnvFilter, String> {
    let with_audit = if filter.contains(AUDIT) {
        filter.to_owned()
    } else {
        format!("{filter},{AUDIT}=info")
    };
    EnvFilter::try_new(with_audit).map_err(|error| error.to_string())
}

/// Starts logging to standard error. `from_environment` (`RUST_LOG`) wins over `filter`.
///
/// Libraries may not log at all, whatever is asked for: they write requests, headers and bodies, connection strings and
/// parse errors of strangers, and with them tokens and personal data. What matters of theirs, our own rooms say.
///
/// # Errors
/// The filter's fault, in words.
pub fn start(
    filter: &str,
    from_environment: Option<&str>,
    format: Format,
) -> Result<LevelHandle, String> {
    let (filter, handle) = reload::Layer::new(parse(from_environment.unwrap_or(filter))?);
    let writer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let written = match format {
        Format::Text => writer
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .with_filter(libraries_are_quiet())
            .boxed(),
        Format::Json => writer
            .json()
            .flatten_event(true)
            .with_filter(libraries_are_quiet())
            .boxed(),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(written)
        .try_init()
        .map_err(|error| error.to_string())?;
    Ok(LevelHandle(from_environment.is_none().then_some(handle)))
}

fn libraries_are_quiet() -> FilterFn {
    filter_fn(|metadata| metadata.target().starts_with("sgid_bridge"))
}

/// From now on a panic is one log event that tells where, and never with what.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "a fault in the program; please report this");
    }));
}
