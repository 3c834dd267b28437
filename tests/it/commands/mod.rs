//! Every command, as somebody types it.

mod clients;
mod demo;
mod keys;
mod serve;
mod setup;

use std::time::{Duration, Instant};

/// Asks again and again until the answer is yes: a change may take seconds, and no longer.
async fn within_seconds<F: Future<Output = bool>>(what: &str, mut happened: impl FnMut() -> F) {
    let end = Instant::now() + Duration::from_secs(10);
    while !happened().await {
        assert!(Instant::now() < end, "not within seconds: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
