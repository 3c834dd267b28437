//! A whole bridge in this process: real HTTP, a real database, a clock in hand, and a simulated sgID behind it.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use sgid_bridge::bridge::{Bridge, open_store};
use sgid_bridge::clock::{Clock, Timestamp};
use sgid_bridge::config::Config;
use sgid_bridge::http;
use sgid_bridge::simulator::{self, Control, SimulatedClient, generate_client_key};
use tempfile::TempDir;

use super::postgres::{self, Database};
use super::process::{free_port, temporary_folder};

/// Which engine keeps the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// A file of its own.
    Sqlite,
    /// A database of its own in the shared cluster.
    Postgres,
}

/// The secret of every confidential client of the tests.
pub(crate) const CLIENT_SECRET: &str = "a-client-secret-of-the-tests-0123456789";
/// Our secret at the simulated sgID.
pub(crate) const UPSTREAM_SECRET: &str = "an-upstream-secret-of-the-tests";
/// Settings that switch sessions on.
pub(crate) const SESSIONS: &str = "[session]\nenabled = true\n";
/// Where the clock of every test begins: 2026-11-23T00:00:00Z.
pub(crate) const START: Timestamp = Timestamp::from_seconds(1_795_392_000);

/// Clients that most tests need: `portal` (basic), `other` (post, another sector), `spa` (public).
pub(crate) const CLIENTS: &str = r#"
[[clients]]
client_id = "portal"
client_secret = "a-client-secret-of-the-tests-0123456789"
redirect_uris = ["https://portal.example.sg/callback"]
scope = "openid profile email phone address myinfo.nric_number myinfo.nationality myinfo.race myinfo.vehicles pocdex.public_officer_details"
nric_purpose = "tests"

[[clients]]
client_id = "other"
client_secret = "a-client-secret-of-the-tests-0123456789"
token_endpoint_auth_method = "client_secret_post"
redirect_uris = ["https://other.example.sg/callback"]
scope = "openid profile"

[[clients]]
client_id = "spa"
token_endpoint_auth_method = "none"
redirect_uris = ["https://spa.example.sg/callback"]
scope = "openid profile"
web_origins = ["https://spa.example.sg"]
"#;

/// What to build, in the words of the configuration.
pub(crate) struct Plan {
    engine: Engine,
    clients: String,
    settings: String,
    server_settings: String,
    issuer_path: String,
    has_https_issuer: bool,
    algorithms: String,
    upstream_settings: String,
    key_at_sgid: Option<String>,
    second_upstream: Option<SecondUpstream>,
}

/// Another client of ours at the same simulated sgID.
struct SecondUpstream {
    name: String,
    client_id: String,
    private_key: String,
    public_key: String,
}

/// The origin of [`Plan::https_issuer`]. Nothing listens there: requests go to the listener behind it.
pub(crate) const HTTPS_ORIGIN: &str = "https://login.example.sg";

/// The metrics of this process, of all its bridges together.
static METRICS: LazyLock<PrometheusHandle> =
    LazyLock::new(|| PrometheusBuilder::new().install_recorder().unwrap());

/// Our key pair at the simulated sgID: one for all tests, for making one takes its time.
static OUR_KEY: LazyLock<(String, String)> = LazyLock::new(generate_client_key);

impl Plan {
    /// A bridge on this engine with [`CLIENTS`].
    pub(crate) fn on(engine: Engine) -> Self {
        Self {
            engine,
            clients: CLIENTS.to_owned(),
            settings: String::new(),
            server_settings: String::new(),
            issuer_path: String::new(),
            has_https_issuer: false,
            algorithms: r#"["RS256", "ES256"]"#.to_owned(),
            upstream_settings: String::new(),
            key_at_sgid: None,
            second_upstream: None,
        }
    }

    /// Other clients, as `[[clients]]` tables.
    pub(crate) fn clients(mut self, toml: &str) -> Self {
        toml.clone_into(&mut self.clients);
        self
    }

    /// More sections, such as `[lifetimes]`. `[server]`, `[database]`, `[keys]` and `[upstreams.sgid]` are taken.
    pub(crate) fn settings(mut self, toml: &str) -> Self {
        toml.clone_into(&mut self.settings);
        self
    }

    /// Lines of `[server]`, such as `trusted_proxies = ["127.0.0.1/32"]`.
    pub(crate) fn server_settings(mut self, toml: &str) -> Self {
        toml.clone_into(&mut self.server_settings);
        self
    }

    /// Lines of `[upstreams.sgid]`, such as `timeout = "1s"`.
    pub(crate) fn upstream_settings(mut self, toml: &str) -> Self {
        toml.clone_into(&mut self.upstream_settings);
        self
    }

    /// The public key that sgID has of us, where it is not that of `private_keys`.
    pub(crate) fn key_at_sgid(mut self, public_key: &str) -> Self {
        self.key_at_sgid = Some(public_key.to_owned());
        self
    }

    /// One more `[upstreams.NAME]`: another client at the same sgID, with a key pair and a callback of its own.
    pub(crate) fn second_upstream(
        mut self,
        name: &str,
        client_id: &str,
        (private_key, public_key): &(String, String),
    ) -> Self {
        self.second_upstream = Some(SecondUpstream {
            name: name.to_owned(),
            client_id: client_id.to_owned(),
            private_key: private_key.clone(),
            public_key: public_key.clone(),
        });
        self
    }

    /// A path in the issuer, such as `/sgid`.
    pub(crate) fn issuer_path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.issuer_path);
        self
    }

    /// An issuer below [`HTTPS_ORIGIN`], as behind a proxy that ends TLS. A walk ends at our own callback then.
    pub(crate) fn https_issuer(mut self) -> Self {
        self.has_https_issuer = true;
        self
    }

    /// Other `signing_algorithms`; RSA keys take their time.
    pub(crate) fn algorithms(mut self, toml: &str) -> Self {
        toml.clone_into(&mut self.algorithms);
        self
    }

    /// Starts everything.
    pub(crate) async fn start(self) -> TestBridge {
        // One TLS library for the process; a second call finds it done.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = temporary_folder("bridge");
        let (database, url) = match self.engine {
            Engine::Sqlite => {
                let url = format!("sqlite://{}", folder.path().join("bridge.db").display());
                (None, url)
            }
            Engine::Postgres => {
                let database = postgres::database().await;
                let url = database.url.clone();
                (Some(database), url)
            }
        };
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let base = format!("http://{address}{}", self.issuer_path);
        let issuer = if self.has_https_issuer {
            format!("{HTTPS_ORIGIN}{}", self.issuer_path)
        } else {
            base.clone()
        };
        let clock = Clock::standing_at(START);
        let (private_key, public_key) = OUR_KEY.clone();
        let second = self.second_upstream.as_ref();
        let registered = |client_id: &str, callback: &str, key: &str| SimulatedClient {
            client_id: client_id.to_owned(),
            client_secret: UPSTREAM_SECRET.to_owned(),
            redirect_uris: vec![format!("{issuer}{callback}")],
            public_key_pem: key.to_owned(),
            scopes: None,
        };
        let key_at_sgid = self.key_at_sgid.as_ref().unwrap_or(&public_key);
        let ours = registered("TESTS", "/callback", key_at_sgid);
        let theirs = second.map(|it| {
            let callback = format!("/callback/{}", it.name);
            registered(&it.client_id, &callback, &it.public_key)
        });
        let clients = std::iter::once(ours).chain(theirs).collect();
        let sgid = start_simulator(clients, &clock).await;
        sgid.control().persona("citizen");
        let second = second
            .map(|it| it.settings(sgid.issuer()))
            .unwrap_or_default();
        let text = format!(
            "issuer = \"{issuer}\"\n\
             [server]\nlisten = \"{address}\"\nmanagement_listen = \"127.0.0.1:0\"\n{server}\n\
             [database]\nurl = \"{url}\"\n\
             [keys]\nmaster_key = \"AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eH-8\"\n\
             signing_algorithms = {algorithms}\n\
             [upstreams.sgid]\nissuer = \"{upstream}\"\nclient_id = \"TESTS\"\n\
             client_secret = \"{UPSTREAM_SECRET}\"\nprivate_keys = ['''{private_key}''']\n{more}\n\
             {second}{settings}\n",
            server = self.server_settings,
            algorithms = self.algorithms,
            upstream = sgid.issuer(),
            more = self.upstream_settings,
            settings = self.settings,
        );
        let config = read(&format!("{text}{}", self.clients), &folder);
        let store = open_store(&config).await.unwrap();
        store.migrate().await.unwrap();
        let bridge = Arc::new(Bridge::open(&config, store, clock.clone()).await.unwrap());
        let running = serve(&bridge, &config);
        TestBridge {
            issuer,
            base,
            clock,
            database_url: url,
            bridge,
            config,
            sgid: sgid.control(),
            running: Some(running),
            simulator: Some(sgid),
            text,
            clients: self.clients,
            _database: database,
            folder,
        }
    }
}

fn read(text: &str, folder: &TempDir) -> Config {
    Config::from_toml(text, folder.path()).unwrap_or_else(|error| panic!("{error}"))
}

impl SecondUpstream {
    fn settings(&self, issuer: &str) -> String {
        let Self {
            name,
            client_id,
            private_key,
            ..
        } = self;
        format!(
            "[upstreams.{name}]\nissuer = \"{issuer}\"\nclient_id = \"{client_id}\"\n\
             client_secret = \"{UPSTREAM_SECRET}\"\nown_callback = true\n\
             private_keys = ['''{private_key}''']\n"
        )
    }
}

async fn start_simulator(clients: Vec<SimulatedClient>, clock: &Clock) -> simulator::Running {
    let clock = clock.clone();
    simulator::start(simulator::Settings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        clients,
        now: Arc::new(move || clock.now().seconds()),
    })
    .await
    .unwrap()
}

fn serve(bridge: &Arc<Bridge>, config: &Config) -> http::Running {
    http::start(
        bridge,
        &config.server,
        config.limits.connections,
        METRICS.clone(),
    )
    .unwrap()
}

/// A running bridge. Dropping it stops it.
pub(crate) struct TestBridge {
    /// As relying parties see it.
    pub(crate) issuer: String,
    /// Where its listener is reached, with the issuer's path.
    pub(crate) base: String,
    /// The hand on its clock, and on that of the simulated sgID.
    pub(crate) clock: Clock,
    /// For looking into the tables.
    pub(crate) database_url: String,
    /// The bridge from inside: for `rotate`, `sweep` and the store.
    pub(crate) bridge: Arc<Bridge>,
    /// What it was built from.
    pub(crate) config: Config,
    /// The hand on the simulated sgID. It answers at once as the persona `citizen`.
    pub(crate) sgid: Control,
    running: Option<http::Running>,
    simulator: Option<simulator::Running>,
    /// The configuration without its clients.
    text: String,
    clients: String,
    _database: Option<Database>,
    folder: TempDir,
}

impl TestBridge {
    /// The URL of a path below the issuer.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The whole configuration with these clients.
    pub(crate) fn text_with(&self, clients: &str) -> String {
        format!("{}{clients}", self.text)
    }

    /// Replaces the clients of the configuration, as a reload does.
    pub(crate) fn change_clients(&self, toml: &str) {
        let config = read(&self.text_with(toml), &self.folder);
        self.bridge.reload(&config).unwrap();
    }

    /// A second instance on the same database, at another address.
    pub(crate) async fn replica(&self) -> Replica {
        let mut config = read(&self.text_with(&self.clients), &self.folder);
        config.server.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let store = open_store(&config).await.unwrap();
        let opened = Bridge::open(&config, store, self.clock.clone()).await;
        let bridge = Arc::new(opened.unwrap());
        let running = serve(&bridge, &config);
        let base = format!("http://{}", running.address());
        Replica {
            base,
            bridge,
            _running: running,
        }
    }

    /// The management listener.
    pub(crate) fn management_url(&self, path: &str) -> String {
        let address = self.running.as_ref().unwrap().management_address().unwrap();
        format!("http://{address}{path}")
    }

    /// Moves both clocks on.
    pub(crate) fn advance(&self, span: Duration) {
        self.clock.advance(span);
    }

    /// Stops the simulated sgID: connections to it are refused from now on.
    pub(crate) async fn stop_sgid(&mut self) {
        if let Some(simulator) = self.simulator.take() {
            simulator.stop().await;
        }
    }
}

/// Another instance of a [`TestBridge`].
pub(crate) struct Replica {
    /// Where its listener is reached.
    pub(crate) base: String,
    /// The instance from inside.
    pub(crate) bridge: Arc<Bridge>,
    _running: http::Running,
}
