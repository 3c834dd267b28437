//! `simulator`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::output::say;
use super::serve::stop_signal;
use super::{CliError, Global};
use crate::clock::Clock;
use crate::simulator::{Settings, SimulatedClient, public_key_of, start};

/// Runs the simulated sgID alone, for the sgID clients of the configuration.
#[derive(Args)]
pub(super) struct Simulate {
    /// Where to listen; upstreams name it as `issuer = "http://127.0.0.1:8081/v2"`
    #[arg(long, default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// `conformance`: answers at once as a person who has every standard claim, for the conformance suite
    #[arg(long, value_enum)]
    profile: Option<Profile>,
}

/// How the simulated sgID behaves.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Profile {
    /// One person with every claim, without a page.
    Conformance,
}

impl Simulate {
    pub(super) async fn run(&self, global: &Global) -> Result<(), CliError> {
        let config = global.load()?;
        let _ = global.start_logging(&config)?;
        let mut clients = Vec::new();
        for (name, upstream) in &config.upstreams {
            let key = upstream.private_keys.first();
            let public_key_pem = key
                .and_then(|key| public_key_of(key.pem.expose()))
                .ok_or_else(|| {
                    CliError::Usage(format!(
                        "[upstreams.{name}]: the first private key is no PEM of an RSA key"
                    ))
                })?;
            clients.push(SimulatedClient {
                client_id: upstream.client_id.clone(),
                client_secret: upstream.client_secret.expose().to_owned(),
                redirect_uris: vec![config.redirect_uri(name)],
                public_key_pem,
                scopes: None,
            });
        }
        let clock = Clock::system();
        let running = start(Settings {
            listen: self.listen,
            clients,
            now: Arc::new(move || clock.now().seconds()),
        })
        .await?;
        match self.profile {
            None => say(&format!(
                "A simulated sgID, with invented people: {}",
                running.issuer()
            )),
            Some(Profile::Conformance) => {
                running.control().persona("conformance");
                // Times in ID tokens have whole seconds, and a second sign-in must show that it is later.
                running.control().pause(Duration::from_millis(1_100));
                say(&format!(
                    "A simulated sgID that answers at once as one invented person, for the conformance suite: {}",
                    running.issuer()
                ));
            }
        }
        for (name, upstream) in &config.upstreams {
            if upstream.issuer != running.issuer() {
                say(&format!(
                    "To use it, set in [upstreams.{name}]: issuer = \"{}\"",
                    running.issuer()
                ));
            }
        }
        stop_signal()?.await;
        running.stop().await;
        Ok(())
    }
}
