//! A small relying party to try the bridge with, and a mirror: it shows every message of a login.
//! Never knows: the bridge from inside. It reads discovery and speaks HTTP, as any app would.
//! Standards: OpenID Connect Core 1.0 section 3.1, Discovery 1.0; RFC 6749, 7636, 9207.
//!
//! | File | Holds |
//! |---|---|
//! | `doors` | the routes, the cookie, the headers |
//! | `login` | a login from the button to the claims |
//! | `provider` | discovery and the three back-channel calls |
//! | `id_token` | the checks on an ID token, each with its result |
//! | `journey` | what is remembered of a login, to be shown |
//! | `visits` | where that is kept: in memory, bounded, for ten minutes |
//! | `person`, `views` | claims for people; the pages |
//! | `words` | what each scope, parameter and error code means |
//! | `chance` | the only clock and the only randomness |

mod chance;
mod doors;
mod id_token;
mod journey;
mod login;
mod person;
mod provider;
#[cfg(test)]
mod tests;
mod views;
mod visits;
mod words;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Mutex,
    time::Duration,
};

use actix_web::{App, HttpServer, dev::ServerHandle, web::Data};
use tokio::task::JoinHandle;
use url::Url;

use visits::Visits;

/// What this relying party has to know about itself, as it is registered at the bridge.
#[derive(Clone)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one. Read by [`start`] only, not by [`Bound::start`].
    pub listen: SocketAddr,
    /// The issuer of the bridge. Everything else is learned from its discovery document.
    pub issuer: Url,
    /// Our name at the bridge.
    pub client_id: String,
    /// With a secret we use `client_secret_basic`, without one `none`.
    pub client_secret: Option<String>,
    /// The scopes offered as checkboxes. `openid` is always asked for, listed or not.
    pub scopes: Vec<String>,
}

/// [`bind`] and [`Bound::start`] in one, for when the redirect URI is registered already.
///
/// # Errors
/// When the address is taken or forbidden, or the HTTP client cannot be made.
///
/// # Panics
/// Outside a tokio runtime.
pub fn start(settings: Settings) -> io::Result<Running> {
    bind(settings.listen)?.start(settings)
}

/// Takes the address, so that the redirect URI is known before the bridge starts.
///
/// # Errors
/// When the address is taken or forbidden.
pub fn bind(listen: SocketAddr) -> io::Result<Bound> {
    let listener = TcpListener::bind(listen)?;
    let url = format!("http://{}/", listener.local_addr()?);
    let url = Url::parse(&url).map_err(io::Error::other)?;
    Ok(Bound { listener, url })
}

/// A playground that has its address, but does not answer yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    url: Url,
}

impl Bound {
    /// The page to open: `http://127.0.0.1:<port>/`.
    pub fn url(&self) -> Url {
        self.url.clone()
    }

    /// What has to be registered at the bridge: `http://127.0.0.1:<port>/callback`.
    pub fn redirect_uri(&self) -> Url {
        redirect_uri(&self.url)
    }

    /// Begins to answer. Nothing is asked of the bridge before the first login.
    ///
    /// # Errors
    /// When the HTTP client cannot be made: rustls needs a process-wide default provider.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(self, settings: Settings) -> io::Result<Running> {
        let Self { listener, url } = self;
        let playground = Data::new(Playground {
            redirect_uri: redirect_uri(&url),
            http: provider::http_client()?,
            visits: Mutex::new(Visits::default()),
            settings,
        });
        let server = HttpServer::new(move || {
            App::new()
                .app_data(playground.clone())
                .wrap(doors::headers())
                .configure(doors::routes)
        })
        .workers(1)
        .disable_signals()
        .shutdown_timeout(SHUTDOWN.as_secs())
        .listen(listener)?
        .run();
        let handle = server.handle();
        Ok(Running {
            url,
            handle,
            task: tokio::spawn(server),
        })
    }
}

/// A playground that answers until it is stopped.
#[derive(Debug)]
pub struct Running {
    url: Url,
    handle: ServerHandle,
    task: JoinHandle<io::Result<()>>,
}

impl Running {
    /// The page to open.
    pub fn url(&self) -> Url {
        self.url.clone()
    }

    /// What has to be registered at the bridge.
    pub fn redirect_uri(&self) -> Url {
        redirect_uri(&self.url)
    }

    /// Finishes the requests at hand, for two seconds at most, and forgets every login.
    ///
    /// # Errors
    /// When the server had failed.
    pub async fn stop(self) -> io::Result<()> {
        self.handle.stop(true).await;
        self.task.await.map_err(io::Error::other)?
    }
}

/// What every door is given.
struct Playground {
    settings: Settings,
    redirect_uri: Url,
    http: reqwest::Client,
    visits: Mutex<Visits>,
}

fn redirect_uri(url: &Url) -> Url {
    let mut redirect_uri = url.clone();
    redirect_uri.set_path("/callback");
    redirect_uri
}

const SHUTDOWN: Duration = Duration::from_secs(2);
