//! What one login costs the bridge, beside the cryptography that no bridge can avoid.
//!
//! A real `serve` process on a fresh SQLite file, a simulated sgID and a relying party in this process. The bridge's
//! processor time is read from the kernel, so neither the simulated sgID nor the relying party counts; the floor is
//! measured in the same run: opening one RSA-OAEP envelope and making one signature. Quote the ratio, not the times.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::error::Error;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::jwe::{self, JweHeader, RSA_OAEP_256};
use josekit::jwk::KeyPair;
use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
use josekit::jwk::alg::rsa::RsaKeyPair;
use josekit::jws::{ES256, JwsSigner, RS256};
use reqwest::{Client, redirect};
use sgid_bridge::clock::Clock;
use sgid_bridge::simulator::{Settings, SimulatedClient, generate_client_key, start};
use sha2::{Digest, Sha256};

type Outcome<T> = Result<T, Box<dyn Error>>;

const LOGINS: u32 = 400;
const AT_ONCE: u32 = 8;
const VERIFIER: &str = "a-code-verifier-of-the-benchmark-that-is-long-enough";
const SECRET: &str = "a-client-secret-of-the-benchmark-0123456789";

#[tokio::main]
async fn main() -> Outcome<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    println!(
        "{LOGINS} logins, {AT_ONCE} at a time; CPU of the bridge alone, in microseconds a login\n"
    );
    println!(
        "{:<8} {:>8} {:>8} {:>7} {:>12}",
        "ID token", "login", "floor", "ratio", "logins/s"
    );
    for algorithm in ["RS256", "ES256"] {
        let floor = floor(algorithm)?;
        let (login, rate) = logins(algorithm).await?;
        println!(
            "{algorithm:<8} {login:>8.0} {floor:>8.0} {:>7.2} {rate:>12.0}",
            login / floor
        );
    }
    Ok(())
}

/// One RSA-OAEP-256 opening and one signature, in microseconds.
fn floor(algorithm: &str) -> Outcome<f64> {
    let rsa = RsaKeyPair::generate(2_048)?;
    let mut header = JweHeader::new();
    header.set_content_encryption("A256GCM");
    let encrypter = RSA_OAEP_256.encrypter_from_der(rsa.to_der_public_key())?;
    let envelope = jwe::serialize_compact(&[7; 64], &header, &encrypter)?;
    let decrypter = RSA_OAEP_256.decrypter_from_der(rsa.to_der_private_key())?;
    let signer: Box<dyn JwsSigner> = if algorithm == "RS256" {
        Box::new(RS256.signer_from_der(rsa.to_der_private_key())?)
    } else {
        let pair = EcKeyPair::generate(EcCurve::P256)?;
        Box::new(ES256.signer_from_der(pair.to_der_private_key())?)
    };
    let begun = Instant::now();
    for _ in 0..LOGINS {
        jwe::deserialize_compact(&envelope, &decrypter)?;
        signer.sign(&[7; 600])?;
    }
    Ok(begun.elapsed().as_secs_f64() * 1e6 / f64::from(LOGINS))
}

/// The bridge's processor time for one login, and how many a second came through.
async fn logins(algorithm: &str) -> Outcome<(f64, f64)> {
    let folder = tempfile::tempdir()?;
    let port = std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port();
    let issuer = format!("http://127.0.0.1:{port}");
    let (private_key, public_key_pem) = generate_client_key();
    let clock = Clock::system();
    let sgid = start(Settings {
        listen: ([127, 0, 0, 1], 0).into(),
        clients: vec![SimulatedClient {
            client_id: "BENCH".to_owned(),
            client_secret: SECRET.to_owned(),
            redirect_uris: vec![format!("{issuer}/callback")],
            public_key_pem,
            scopes: None,
        }],
        now: Arc::new(move || clock.now().seconds()),
    })
    .await?;
    sgid.control().persona("citizen");
    let file = folder.path().join("sgid-bridge.toml");
    let upstream = sgid.issuer();
    let database = folder.path().join("bridge.db");
    std::fs::write(
        &file,
        format!(
            r#"issuer = "{issuer}"
[server]
listen = "127.0.0.1:{port}"
[database]
url = "sqlite://{}"
[log]
level = "warn"
[keys]
master_key = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eH-8"
[limits]
logins_per_minute = 1000000
requests_per_minute = 1000000
[upstreams.sgid]
issuer = "{upstream}"
client_id = "BENCH"
client_secret = "{SECRET}"
private_keys = ['''{private_key}''']
[[clients]]
client_id = "bench"
client_secret = "{SECRET}"
redirect_uris = ["https://bench.example.sg/callback"]
scope = "openid profile email address"
id_token_signed_response_alg = "{algorithm}"
"#,
            database.display()
        ),
    )?;
    let bridge = Served::start(&file, &issuer).await?;
    run(&issuer, LOGINS / 10).await?;
    let (cpu, begun) = (bridge.cpu()?, Instant::now());
    run(&issuer, LOGINS).await?;
    let elapsed = begun.elapsed().as_secs_f64();
    let spent = bridge.cpu()?.saturating_sub(cpu);
    sgid.stop().await;
    Ok((
        spent.as_secs_f64() * 1e6 / f64::from(LOGINS),
        f64::from(LOGINS) / elapsed,
    ))
}

async fn run(issuer: &str, logins: u32) -> Outcome<()> {
    let workers = (0..AT_ONCE).map(|_| {
        let issuer = issuer.to_owned();
        tokio::spawn(async move {
            for _ in 0..logins.div_ceil(AT_ONCE) {
                log_in(&issuer).await.map_err(|error| error.to_string())?;
            }
            Ok::<_, String>(())
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await??;
    }
    Ok(())
}

/// Authorization request, sgID, callback, token and userinfo, as a browser and a relying party do it.
async fn log_in(issuer: &str) -> Outcome<()> {
    let http = Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .build()?;
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
    let mut url = format!(
        "{issuer}/authorize?response_type=code&client_id=bench&scope=openid%20profile%20email%20address&state=s&nonce=n\
         &redirect_uri=https%3A%2F%2Fbench.example.sg%2Fcallback&code_challenge_method=S256&code_challenge={challenge}"
    );
    let mut cookie = String::new();
    while url.starts_with("http://127.0.0.1") {
        let answer = http.get(&url).header("cookie", &cookie).send().await?;
        if let Some(set) = answer.headers().get("set-cookie")
            && let Some(pair) = set.to_str()?.split(';').next()
        {
            pair.clone_into(&mut cookie);
        }
        let location = answer.headers().get("location").ok_or("no redirect")?;
        location.to_str()?.clone_into(&mut url);
    }
    let returned = reqwest::Url::parse(&url)?;
    let code = returned
        .query_pairs()
        .find(|(name, _)| name == "code")
        .ok_or(url.clone())?
        .1
        .into_owned();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", "https://bench.example.sg/callback"),
        ("code_verifier", VERIFIER),
    ];
    let tokens = http
        .post(format!("{issuer}/token"))
        .basic_auth("bench", Some(SECRET))
        .form(&form)
        .send()
        .await?;
    let tokens: serde_json::Value =
        serde_json::from_str(&tokens.error_for_status()?.text().await?)?;
    let token = tokens["access_token"].as_str().ok_or("no access token")?;
    http.get(format!("{issuer}/userinfo"))
        .bearer_auth(token)
        .send()
        .await?
        .error_for_status()?;
    Ok(())
}

/// A `serve` process.
struct Served(Child);

impl Served {
    async fn start(file: &std::path::Path, issuer: &str) -> Outcome<Self> {
        let child = Command::new(env!("CARGO_BIN_EXE_sgid-bridge"))
            .args(["serve", "--migrate", "--config"])
            .arg(file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let served = Self(child);
        for _ in 0..100 {
            if reqwest::get(format!("{issuer}/jwks")).await.is_ok() {
                return Ok(served);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err("the bridge did not start".into())
    }

    /// User and system time so far: fields 14 and 15 of `/proc/PID/stat`, in hundredths of a second.
    fn cpu(&self) -> Outcome<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        let after_name = stat.rsplit(')').next().ok_or("no fields")?;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        Ok(Duration::from_millis(10 * ticks))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
