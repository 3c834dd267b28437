//! `demo`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::init::{create_private_file, create_private_folder};
use super::migrate::migrate;
use super::output::say;
use super::serve::{listen, metrics, stop_signal};
use super::{CliError, Global};
use crate::bridge::{Bridge, open_store};
use crate::clock::Clock;
use crate::config::Config;
use crate::playground;
use crate::secret::{Bearer, ClientSecret, MasterKey, randomness};
use crate::simulator::{self, SimulatedClient, generate_client_key, public_key_of};

/// Everything that the playground offers to ask for.
const SCOPES: [&str; 14] = [
    "openid",
    "profile",
    "email",
    "phone",
    "address",
    "myinfo.nric_number",
    "myinfo.date_of_birth",
    "myinfo.nationality",
    "myinfo.residentialstatus",
    "myinfo.race",
    "myinfo.name_of_employer",
    "myinfo.vehicles",
    "myinfo.workpass_status",
    "pocdex.public_officer_details",
];

/// Shows a whole login on this machine: no configuration, no database server, no sgID account.
#[derive(Args)]
pub(super) struct Demo {
    /// Where the bridge listens; the simulated sgID and the playground take the two ports after it
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Leaves the relying party out, for an app of your own
    #[arg(long)]
    no_playground: bool,
    /// Keeps keys, configuration and database in this folder
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Demo {
    pub(super) async fn run(&self, global: &Global) -> Result<(), CliError> {
        let temporary = tempfile::Builder::new()
            .prefix("sgid-bridge-demo-")
            .tempdir()?;
        let folder = match &self.data {
            Some(folder) => {
                create_private_folder(folder)?;
                folder.clone()
            }
            None => temporary.path().to_owned(),
        };
        let secrets = Secrets::of(&folder)?;
        let issuer = format!("http://{}", loopback(self.listen));
        let playground = if self.no_playground {
            None
        } else {
            Some(bind_playground(self.beside(2))?)
        };
        let simulator = self.start_simulator(&secrets, &issuer).await?;
        let redirect_uri = match &playground {
            Some(bound) => bound.redirect_uri().to_string(),
            None => "http://localhost:3000/callback".to_owned(),
        };
        let text = self.configuration(&issuer, simulator.issuer(), &redirect_uri, &secrets);
        let config = Config::from_toml(&text, &folder)?;
        if self.data.is_some() {
            // Another --listen makes another configuration: the file tells what runs.
            let file = folder.join("sgid-bridge.toml");
            let _ = std::fs::remove_file(&file);
            create_private_file(&file, text.as_bytes())?;
        }
        let _ = global.start_logging(&config)?;
        let store = open_store(&config).await?;
        migrate(&store).await?;
        let bridge = Arc::new(Bridge::open(&config, store, Clock::system()).await?);
        let running = listen(&bridge, &config, metrics()?).map_err(|error| {
            CliError::Failed(format!("{error}; choose another address with --listen"))
        })?;
        let house = tokio::spawn(Arc::clone(&bridge).keep_house());
        let playground = match playground {
            None => None,
            Some(bound) => Some(bound.start(settings(self.listen, &issuer, &secrets)?)?),
        };
        // Before anybody is told: whoever presses Ctrl-C at once must not leave things running.
        let stop = stop_signal()?;
        self.greet(
            &issuer,
            simulator.issuer(),
            playground.as_ref(),
            &secrets,
            &folder,
        );
        running.until(stop).await;
        house.abort();
        if let Some(playground) = playground {
            playground.stop().await?;
        }
        simulator.stop().await;
        bridge.store.close().await;
        Ok(())
    }

    /// The port so many after the bridge's, or any free one where that is taken.
    fn beside(&self, offset: u16) -> [SocketAddr; 2] {
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let port = match self.listen.port() {
            0 => 0,
            port => port.saturating_add(offset),
        };
        [SocketAddr::new(ip, port), SocketAddr::new(ip, 0)]
    }

    async fn start_simulator(
        &self,
        secrets: &Secrets,
        issuer: &str,
    ) -> Result<simulator::Running, CliError> {
        let mut failure = None;
        for listen in self.beside(1) {
            let clock = Clock::system();
            let client = SimulatedClient {
                client_id: "DEMO".to_owned(),
                client_secret: secrets.upstream.clone(),
                redirect_uris: vec![format!("{issuer}/callback")],
                public_key_pem: secrets.public_key.clone(),
                scopes: None,
            };
            let settings = simulator::Settings {
                listen,
                clients: vec![client],
                now: Arc::new(move || clock.now().seconds()),
            };
            match simulator::start(settings).await {
                Ok(running) => return Ok(running),
                Err(error) => failure = Some(error),
            }
        }
        Err(CliError::Failed(format!(
            "the simulated sgID cannot listen: {failure:?}"
        )))
    }

    fn configuration(
        &self,
        issuer: &str,
        upstream: &str,
        redirect_uri: &str,
        secrets: &Secrets,
    ) -> String {
        format!(
            r#"# Written by `sgid-bridge demo`: invented people only.
issuer = "{issuer}"
[server]
listen = "{listen}"
[database]
url = "sqlite://{database}"
[keys]
master_key_file = "master.key"
[log]
level = "warn,sgid_bridge::audit=off"
[upstreams.sgid]
issuer = "{upstream}"
client_id = "DEMO"
client_secret_file = "upstream-secret"
private_key_files = ["private-key.pem"]
[[clients]]
client_id = "playground"
client_name = "Playground"
client_secret_file = "playground-secret"
redirect_uris = ["{redirect_uri}"]
scope = "{scope}"
nric_purpose = "Showing how it looks, with invented people"
"#,
            listen = self.listen,
            database = secrets.folder.join("sgid-bridge.db").display(),
            scope = SCOPES.join(" "),
        )
    }

    fn greet(
        &self,
        issuer: &str,
        upstream: &str,
        playground: Option<&playground::Running>,
        secrets: &Secrets,
        folder: &Path,
    ) {
        say("");
        if let Some(playground) = playground {
            say(&format!("  Open    {}", playground.url()));
            say("          Choose what to ask for, press the button, pick an invented person,");
            say("          and see every step of the login with its claims.");
        } else {
            say("  Connect your app:");
            say("          client_id      playground");
            say(&format!("          client_secret  {}", secrets.playground));
            say("          redirect URI   http://localhost:3000/callback");
        }
        say("");
        say(&format!(
            "  Bridge  {issuer}/.well-known/openid-configuration"
        ));
        say(&format!("  sgID    {upstream} (simulated)"));
        match self.data {
            Some(_) => say(&format!("  Data    {}", folder.display())),
            None => say("  Data    in a temporary folder, gone when you stop"),
        }
        say("");
        say("  Stop with Ctrl-C.");
    }
}

fn loopback(listen: SocketAddr) -> SocketAddr {
    if listen.ip().is_unspecified() {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), listen.port())
    } else {
        listen
    }
}

fn bind_playground(addresses: [SocketAddr; 2]) -> Result<playground::Bound, CliError> {
    let [preferred, any] = addresses;
    playground::bind(preferred)
        .or_else(|_| playground::bind(any))
        .map_err(|error| CliError::Failed(format!("the playground cannot listen: {error}")))
}

fn settings(
    listen: SocketAddr,
    issuer: &str,
    secrets: &Secrets,
) -> Result<playground::Settings, CliError> {
    Ok(playground::Settings {
        listen,
        issuer: issuer.parse().map_err(CliError::failed)?,
        client_id: "playground".to_owned(),
        client_secret: Some(secrets.playground.clone()),
        scopes: SCOPES.map(str::to_owned).to_vec(),
    })
}

/// What the demo invents, once for each folder.
struct Secrets {
    folder: PathBuf,
    upstream: String,
    playground: String,
    public_key: String,
}

impl Secrets {
    fn of(folder: &Path) -> Result<Self, CliError> {
        let folder = folder.canonicalize()?;
        let random = || Bearer::<ClientSecret>::generate(&mut randomness()).expose();
        keep(&folder, "master.key", || {
            MasterKey::generate(&mut randomness()).expose().to_string()
        })?;
        let upstream = keep(&folder, "upstream-secret", random)?;
        let playground = keep(&folder, "playground-secret", random)?;
        let private_key = keep(&folder, "private-key.pem", || generate_client_key().0)?;
        let public_key = public_key_of(&private_key)
            .ok_or_else(|| CliError::failed("private-key.pem is no PEM of an RSA key"))?;
        Ok(Self {
            folder,
            upstream,
            playground,
            public_key,
        })
    }
}

/// The content of a file, made now if it is not there.
fn keep(folder: &Path, name: &str, make: impl FnOnce() -> String) -> Result<String, CliError> {
    let file = folder.join(name);
    if file.exists() {
        return Ok(std::fs::read_to_string(file)?);
    }
    let content = make();
    create_private_file(&file, content.as_bytes())?;
    Ok(content)
}
