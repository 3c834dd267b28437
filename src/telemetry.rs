//! Log events, one to a line.
//! Never knows: everything else.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
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
pub struct LevelHandle(reload::Handle<EnvFilter, Registry>);

impl LevelHandle {
    /// Takes up another level or filter.
    ///
    /// # Errors
    /// The filter's fault, in words.
    pub fn set(&self, filter: &str) -> Result<(), String> {
        let filter = EnvFilter::try_new(filter).map_err(|error| error.to_string())?;
        self.0.reload(filter).map_err(|error| error.to_string())
    }
}

/// Starts logging to standard error. `RUST_LOG` wins over `filter`.
///
/// Libraries may not log below the level `warn`, whatever is asked for: at their finer levels they write requests,
/// headers and bodies, and with them tokens and personal data.
///
/// # Errors
/// The filter's fault, in words.
pub fn start(filter: &str, format: Format) -> Result<LevelHandle, String> {
    let filter = match EnvFilter::try_from_default_env() {
        Ok(from_environment) => from_environment,
        Err(_) => EnvFilter::try_new(filter).map_err(|error| error.to_string())?,
    };
    let (filter, handle) = reload::Layer::new(filter);
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
    Ok(LevelHandle(handle))
}

fn libraries_are_quiet() -> FilterFn {
    filter_fn(|metadata| {
        metadata.target().starts_with("sgid_bridge") || *metadata.level() <= LevelFilter::WARN
    })
}
