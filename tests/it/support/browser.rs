//! A real browser: headless Chromium, driven through chromedriver.

use std::time::Duration;

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::{
    Process, free_port, in_repository, kill_whatever_names, require_program, temporary_folder,
    wait_until_answers,
};

/// The screen to look through.
#[derive(Clone, Copy)]
pub(crate) enum Screen {
    Desktop,
    /// 390 by 844, touch, as a phone's browser presents itself.
    Phone,
}

/// What the browser runs of the pages.
#[derive(Clone, Copy)]
pub(crate) enum Scripts {
    Run,
    Blocked,
}

/// One browser with an empty profile. Ends with this value; [`Browser::close`]
/// is the polite way.
pub(crate) struct Browser {
    /// The `WebDriver` client that drives it.
    pub(crate) client: Client,
    driver: Process,
    profile: TempDir,
}

impl Browser {
    /// Starts it.
    pub(crate) async fn start(screen: Screen, scripts: Scripts) -> Self {
        require_program("chromium", INSTALL);
        let program = require_program("chromedriver", INSTALL);
        let profile = temporary_folder("browser");
        let port = free_port();
        let mut driver = Process::start("chromedriver", program, |command| {
            command.arg(format!("--port={port}"));
            // Chromium leaves small files beside its profile otherwise.
            command
                .env("TMPDIR", profile.path())
                .env("HOME", profile.path());
        });
        wait_until_answers(&mut driver, port, "/status").await;

        let Value::Object(capabilities) = capabilities(&profile, screen, scripts) else {
            unreachable!("capabilities are an object")
        };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap_or_else(|error| {
                panic!(
                    "no browser: {error}; chromedriver wrote:\n{}",
                    driver.output()
                )
            });
        Self {
            client,
            driver,
            profile,
        }
    }

    /// Saves what is seen as `artefacts/screenshots/<name>.png`.
    pub(crate) async fn screenshot(&self, name: &str) {
        let picture = self
            .client
            .screenshot()
            .await
            .expect("a browser with a page");
        let folder = in_repository("artefacts/screenshots");
        std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(folder.join(format!("{name}.png")), picture))
            .unwrap_or_else(|error| panic!("no screenshot in {}: {error}", folder.display()));
    }

    /// Closes the browser, and fails where it has crashed.
    pub(crate) async fn close(self) {
        let closed = self.client.clone().close().await;
        closed.expect("a browser that can be closed");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver takes Chromium along, but does not wait for the last of it to
        // leave the profile.
        self.driver
            .stop_blocking(Signal::SIGTERM, Duration::from_secs(10));
        kill_whatever_names(self.profile.path());
    }
}

fn capabilities(profile: &TempDir, screen: Screen, scripts: Scripts) -> Value {
    let mut arguments: Vec<String> = ARGUMENTS.iter().map(ToString::to_string).collect();
    arguments.push(format!(
        "--user-data-dir={}",
        profile.path().join("profile").display()
    ));
    let mut options = json!({ "args": arguments });
    match screen {
        Screen::Desktop => {}
        Screen::Phone => {
            options["mobileEmulation"] = json!({
                "deviceMetrics": { "width": 390, "height": 844, "pixelRatio": 2.0, "touch": true },
                "clientHints": { "platform": "Android", "mobile": true },
            });
        }
    }
    match scripts {
        Scripts::Run => {}
        Scripts::Blocked => {
            options["prefs"] = json!({ "profile.managed_default_content_settings.javascript": 2 });
        }
    }
    json!({ "browserName": "chrome", "goog:chromeOptions": options })
}

/// With a pipe instead of a port, Chromium ends when its driver does.
const ARGUMENTS: [&str; 12] = [
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--force-prefers-reduced-motion",
    "--window-size=1280,900",
];

const INSTALL: &str = "apt-get install chromium chromium-driver";
