//! A server of a relying party, as the bridge calls it: it answers as a test says, and keeps what it was asked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// Settings that let a bridge call this machine, where it otherwise calls nobody.
pub(crate) const MAY_CALL_LOOPBACK: &str = "[outgoing]\nallow = [\"127.0.0.1/32\"]\n";

/// A server on this machine. It ends with the test that started it.
pub(crate) struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    replies: Mutex<BTreeMap<String, Reply>>,
    received: Mutex<Vec<Received>>,
    arrived: Notify,
}

/// What is answered at a path.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// 200 with a JSON document.
    Json(Value),
    /// A status without a body.
    Status(u16),
    /// A redirect.
    Redirect(String),
    /// A JSON document behind so many bytes of white space.
    Padded(usize, Value),
    /// Nothing, ever: the connection stays open.
    Silence,
}

/// What somebody asked.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// Method and path.
    pub(crate) line: String,
    /// The headers, by name in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    /// The form in the body.
    pub(crate) form: Vec<(String, String)>,
}

impl Receiver {
    /// A server that knows no path yet: what it is asked is 404.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, Arc::clone(&serving)));
            }
        });
        Self { address, shared }
    }

    /// The address of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The address of a path under the name `localhost`.
    pub(crate) fn named_url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.address.port())
    }

    /// Answers a path like this from now on.
    pub(crate) fn answer(&self, path: &str, reply: Reply) {
        let mut replies = self.shared.replies.lock().unwrap();
        replies.insert(path.to_owned(), reply);
    }

    /// Everything that was asked at a path so far.
    pub(crate) fn asked(&self, path: &str) -> Vec<Received> {
        let received = self.shared.received.lock().unwrap();
        let is_here = |it: &&Received| it.line.split(' ').nth(1) == Some(path);
        received.iter().filter(is_here).cloned().collect()
    }

    /// How often anything was asked.
    pub(crate) fn count(&self) -> usize {
        self.shared.received.lock().unwrap().len()
    }

    /// Forgets what was asked.
    pub(crate) fn forget(&self) {
        self.shared.received.lock().unwrap().clear();
    }

    /// Resolves once so many requests have come to a path.
    pub(crate) async fn hears(&self, path: &str, count: usize) {
        let heard = async {
            loop {
                let arrived = self.shared.arrived.notified();
                if self.asked(path).len() >= count {
                    return;
                }
                arrived.await;
            }
        };
        let heard = tokio::time::timeout(Duration::from_secs(20), heard).await;
        heard.unwrap_or_else(|_| panic!("{path} was not asked {count} times"));
    }
}

async fn serve(mut connection: TcpStream, shared: Arc<Shared>) {
    let Some(received) = read(&mut connection).await else {
        return;
    };
    let path = received.line.split(' ').nth(1).unwrap_or("/").to_owned();
    shared.received.lock().unwrap().push(received);
    let reply = shared.replies.lock().unwrap().get(&path).cloned();
    shared.arrived.notify_waiters();
    let answer = match reply.unwrap_or(Reply::Status(404)) {
        Reply::Json(document) => ok(&document.to_string()),
        Reply::Padded(bytes, document) => ok(&format!("{}{document}", " ".repeat(bytes))),
        Reply::Status(status) => {
            format!("HTTP/1.1 {status} So\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        }
        Reply::Redirect(to) => format!(
            "HTTP/1.1 302 So\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        ),
        Reply::Silence => std::future::pending().await,
    };
    let _ = connection.write_all(answer.as_bytes()).await;
    let _ = connection.shutdown().await;
}

fn ok(body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    )
}

async fn read(connection: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let head_ends = loop {
        if connection.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let end = bytes.windows(4).position(|it| it == b"\r\n\r\n");
        if let Some(end) = end {
            break end;
        }
    };
    let head = String::from_utf8(bytes[..head_ends].to_vec()).ok()?;
    let (line, headers) = head.split_once("\r\n")?;
    let headers: BTreeMap<String, String> = headers
        .lines()
        .filter_map(|header| header.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.get("content-length");
    let length = length.map_or(0, |length| length.parse().unwrap_or(0));
    let mut body = bytes.split_off(head_ends + 4);
    while body.len() < length {
        if connection.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Received {
        line: line.rsplit_once(' ')?.0.to_owned(),
        headers,
        form: url::form_urlencoded::parse(&body).into_owned().collect(),
    })
}
