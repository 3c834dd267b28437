//! A pretend sgID, polite or misbehaving, for the demo, for staging and for the tests.
//! Behaves as the fact sheet of sgID says; what is not known of the real one is decided here strictly.
//! Never knows: any other room. It is the outside world, so it shares no code with its client.
//! Absent: refresh tokens, refusal of single scopes, TLS, and any storage beyond memory.

mod authorize;
mod documents;
mod id_token;
mod json;
mod jwe;
mod keys;
mod misbehaviour;
mod pages;
mod parameters;
mod payload;
mod people;
mod persona;
#[cfg(test)]
mod tests;
mod token;
mod transport;
mod userinfo;
mod world;

pub use keys::{generate_client_key, public_key_of};
pub use misbehaviour::Misbehaviour;
pub use persona::{Persona, personas};

use actix_web::{App, HttpServer, dev::ServerHandle, web};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};
use tokio::task::JoinHandle;
use world::World;

/// What a simulated sgID needs to know to start.
pub struct Settings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The registered clients.
    pub clients: Vec<SimulatedClient>,
    /// The clock, in seconds since 1970.
    pub now: Arc<dyn Fn() -> i64 + Send + Sync>,
}

/// A client, as registered at sgID's developer portal.
#[derive(Clone, Debug)]
pub struct SimulatedClient {
    /// `client_id`.
    pub client_id: String,
    /// `client_secret`, sent in the body of the token request.
    pub client_secret: String,
    /// The callback URLs, compared byte for byte.
    pub redirect_uris: Vec<String>,
    /// The public half of the RSA key that opens userinfo: SPKI PEM, 2048 bits or more.
    pub public_key_pem: String,
    /// The scopes that it may ask for besides `openid`; `None` allows all, unknown ones too.
    pub scopes: Option<Vec<String>>,
}

/// Starts a simulated sgID in the background of the current tokio runtime.
///
/// # Errors
///
/// When the address cannot be bound, or a client's public key is not a usable RSA key.
pub async fn start(settings: Settings) -> io::Result<Running> {
    for client in &settings.clients {
        if !payload::is_usable_key(&client.public_key_pem) {
            let problem = format!(
                "the public key of client {:?} is not an RSA key in SPKI PEM",
                client.client_id
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
    }
    let listener = TcpListener::bind(settings.listen)?;
    let mut address = listener.local_addr()?;
    if address.ip().is_unspecified() {
        // Nobody can go to 0.0.0.0, and the issuer must be a place to go to.
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let issuer = format!("http://{address}/v2");
    let world = web::Data::new(World::new(issuer, settings.clients, settings.now));
    let shared = world.clone();
    let server = HttpServer::new(move || App::new().app_data(shared.clone()).configure(routes))
        .workers(1)
        .disable_signals()
        .listen(listener)?
        .run();
    let handle = server.handle();
    let control = Control {
        world: world.into_inner(),
    };
    Ok(Running {
        control,
        handle,
        served: Some(tokio::spawn(server)),
    })
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/v2/oauth/authorize", web::get().to(authorize::authorize))
        .route("/v2/oauth/approve", web::get().to(authorize::approve))
        .route("/v2/oauth/approve", web::post().to(authorize::approve))
        .route("/v2/oauth/token", web::post().to(token::token))
        .route("/v2/oauth/userinfo", web::get().to(userinfo::userinfo))
        .route("/v2/.well-known/jwks.json", web::get().to(documents::jwks))
        .route(
            "/v2/.well-known/openid-configuration",
            web::get().to(documents::discovery),
        )
        .route("/v2/moved/{name}", web::get().to(documents::moved))
        .route(pages::STYLE_PATH, web::get().to(pages::style))
        .default_service(web::to(pages::nothing_here));
}

/// A simulated sgID at work. Dropping it stops it too, without waiting.
pub struct Running {
    control: Control,
    handle: ServerHandle,
    served: Option<JoinHandle<io::Result<()>>>,
}

impl Running {
    /// The issuer, `http://127.0.0.1:PORT/v2`; every endpoint follows from it.
    pub fn issuer(&self) -> &str {
        &self.control.world.issuer
    }

    /// A handle to change its behaviour and to count its requests.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Stops at once, also in the middle of answers that were never going to end.
    pub async fn stop(mut self) {
        self.handle.stop(false).await;
        if let Some(served) = self.served.take()
            && let Err(problem) = served.await
        {
            tracing::warn!(error = %problem, "the simulated sgID did not end well");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The command is sent by the call itself; only its confirmation needs the future.
        drop(self.handle.stop(false));
    }
}

/// Changes the behaviour of a running simulator, for tests.
#[derive(Clone)]
pub struct Control {
    world: Arc<World>,
}

impl Control {
    /// From now on does this wrong in every login that has no misbehaviour of its own, and in the
    /// JWKS; [`Misbehaviour::None`] ends it.
    pub fn behave(&self, misbehaviour: Misbehaviour) {
        self.world.state().behaviour = misbehaviour;
    }

    /// From now on answers authorization requests at once, as this persona. An unknown id answers
    /// them with a 404 page that says so.
    pub fn persona(&self, id: &str) {
        self.world.state().persona = Some(id.to_owned());
    }

    /// From now on a persona who answers at once takes this long, as nobody signs in in no time at all.
    pub fn pause(&self, pause: Duration) {
        self.world.state().pause = pause;
    }

    /// From now on shows the chooser again, as in the beginning.
    pub fn chooser(&self) {
        self.world.state().persona = None;
    }

    /// A new signing key at once, and the old one gone: the emergency, not the planned rotation.
    pub fn rotate_signing_key(&self) {
        let key = Arc::new(keys::SigningKey::generate());
        self.world.state().signing_key = key;
    }

    /// What was asked so far.
    pub fn requests(&self) -> Requests {
        self.world.state().requests.clone()
    }
}

/// How often each endpoint was asked, whatever it answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Authorization requests.
    pub authorize: u64,
    /// Token requests.
    pub token: u64,
    /// Userinfo requests.
    pub userinfo: u64,
    /// Fetches of the JWKS.
    pub jwks: u64,
    /// Redirects followed that should not have been.
    pub moved: u64,
    /// The parameters of the last authorization request, in their order.
    pub last_authorization: Vec<(String, String)>,
}
