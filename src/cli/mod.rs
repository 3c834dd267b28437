//! The commands, a few lines each over the rooms.
//! Never knows: protocol rules.

mod check;
mod client;
mod demo;
mod init;
mod keys;
mod migrate;
mod output;
mod serve;
mod simulator;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::bridge::StartError;
use crate::config::{Config, ConfigError, LogFormat};
use crate::store::StoreError;
use crate::telemetry;

/// A standard OpenID Provider in front of sgID.
#[derive(Parser)]
#[command(version, about, arg_required_else_help = true)]
pub struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Args)]
struct Global {
    /// The configuration [default: sgid-bridge.toml, then /etc/sgid-bridge/sgid-bridge.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How log events are written
    #[arg(long, global = true, value_enum)]
    log_format: Option<LogFormat>,
}

#[derive(Subcommand)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one, for the length of the process"
)]
enum Command {
    /// Shows the whole thing on this machine: bridge, simulated sgID and a small relying party
    Demo(demo::Demo),
    /// Writes a commented configuration and a fresh master key
    Init(init::Init),
    /// Says what is wrong with the configuration, where, and how to mend it
    Check(check::Check),
    /// Brings the database to this version
    Migrate(migrate::Migrate),
    /// Runs the bridge
    Serve(serve::Serve),
    /// Relying parties that are kept in the database
    #[command(subcommand)]
    Client(client::ClientCommand),
    /// Signing keys
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// The simulated sgID alone, for staging
    Simulator(simulator::Simulate),
}

/// Why a command ends without success.
#[derive(Debug, thiserror::Error)]
enum CliError {
    /// Wrong usage or configuration: exit status 2.
    #[error("{0}")]
    Usage(String),
    /// Everything else: exit status 1.
    #[error("{0}")]
    Failed(String),
}

impl CliError {
    #[expect(clippy::needless_pass_by_value, reason = "so that it fits map_err")]
    fn failed(reason: impl ToString) -> Self {
        Self::Failed(reason.to_string())
    }

    fn code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Failed(_) => ExitCode::FAILURE,
        }
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<StartError> for CliError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Config(_)
            | StartError::Catalogue(_)
            | StartError::Upstream { .. }
            | StartError::Clients(_)
            | StartError::Outgoing(_)
            | StartError::OtherMasterKey => Self::Usage(error.to_string()),
            StartError::Unmigrated(_) | StartError::Store(_) | StartError::Keyring(_) => {
                Self::failed(error)
            }
        }
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        StartError::from(error).into()
    }
}

impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error)
    }
}

/// Runs one command to its end.
pub async fn run(arguments: Arguments) -> ExitCode {
    harden();
    let Arguments { global, command } = arguments;
    let outcome = match command {
        Command::Demo(demo) => demo.run(&global).await,
        Command::Init(init) => init.run(&global),
        Command::Check(check) => check.run(&global).await,
        Command::Migrate(migrate) => migrate.run(&global).await,
        Command::Serve(serve) => serve.run(&global).await,
        Command::Client(client) => client.run(&global).await,
        Command::Keys(keys) => keys.run(&global).await,
        Command::Simulator(simulator) => simulator.run(&global).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&error.to_string());
            error.code()
        }
    }
}

/// No core dumps, which would hold keys and claims; one TLS library for the whole process.
fn harden() {
    use nix::sys::resource::{Resource, setrlimit};
    // Where the system does not allow it, there is nothing better to do.
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    let _ = rustls::crypto::ring::default_provider().install_default();
}

impl Global {
    fn load(&self) -> Result<Config, CliError> {
        Ok(Config::load(self.config.as_deref())?)
    }

    fn start_logging(&self, config: &Config) -> Result<telemetry::LevelHandle, CliError> {
        let format = match self.log_format.unwrap_or(config.log.format) {
            LogFormat::Text => telemetry::Format::Text,
            LogFormat::Json => telemetry::Format::Json,
        };
        telemetry::report_panics();
        telemetry::start(
            &config.log.level,
            config.log.from_environment.as_deref(),
            format,
        )
        .map_err(|error| CliError::Usage(format!("[log] level: {error}")))
    }
}
