//! A gate in front of a server: it holds every connection until a test opens it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Connections are taken at once, and go nowhere while the gate is shut. It begins open.
pub(crate) struct Gate {
    address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    is_shut: bool,
    waiting: usize,
    passing: Vec<TcpStream>,
}

impl Gate {
    /// A gate in front of `server`.
    pub(crate) fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new((Mutex::new(State::default()), Condvar::new()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || pass(connection, server, &shared));
            }
        });
        Self { address, state }
    }

    /// Where to connect to instead of to the server.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Holds every new connection from now on, and ends those that have passed.
    pub(crate) fn shut(&self) {
        let mut state = self.state.0.lock().unwrap();
        state.is_shut = true;
        for passing in state.passing.drain(..) {
            let _ = passing.shutdown(Shutdown::Both);
        }
    }

    /// Lets everybody through.
    pub(crate) fn open(&self) {
        self.state.0.lock().unwrap().is_shut = false;
        self.state.1.notify_all();
    }

    /// Resolves once somebody waits at the shut gate.
    pub(crate) async fn somebody_waits(&self) {
        while self.state.0.lock().unwrap().waiting == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn pass(client: TcpStream, server: SocketAddr, shared: &(Mutex<State>, Condvar)) {
    let (state, opened) = shared;
    {
        let mut state = state.lock().unwrap();
        state.waiting += 1;
        while state.is_shut {
            state = opened.wait(state).unwrap();
        }
        state.waiting -= 1;
        state.passing.extend(client.try_clone());
    }
    let Ok(server) = TcpStream::connect(server) else {
        return;
    };
    let (from_client, to_server) = (client.try_clone(), server.try_clone());
    let (Ok(from_client), Ok(to_server)) = (from_client, to_server) else {
        return;
    };
    std::thread::spawn(move || copy(from_client, to_server));
    copy(server, client);
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 8192];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
