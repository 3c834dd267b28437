//! MockPass, the stand-in for sgID that sgID's makers publish. It checks
//! almost nothing, so it shows that the bridge reads what sgID sends, not that
//! it is secure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::process::{
    Process, free_port, in_repository, require_file, require_program, wait_until_answers,
};

/// How MockPass is to behave.
pub(crate) struct MockPassSettings<'a> {
    /// Who logs in where no login page is shown; a persona of MockPass.
    pub(crate) nric: &'a str,
    /// The bridge's public key: SPKI PEM or an X.509 certificate.
    pub(crate) public_key_path: &'a Path,
    /// Whether the person chooses who to be: in a browser, put exactly
    /// `<NRIC> [MyInfo]` into `#id-input`.
    pub(crate) show_login_page: bool,
}

/// A running MockPass, on loopback only.
pub(crate) struct MockPass {
    port: u16,
    process: Process,
}

impl MockPass {
    /// Starts it and waits until it serves its keys.
    pub(crate) async fn start(settings: MockPassSettings<'_>) -> Self {
        package();
        let node = require_program("node", "apt-get install nodejs npm");
        let port = free_port();
        let key = std::path::absolute(settings.public_key_path).expect("a path of a key");
        let mut process = Process::start("MockPass", node, |command| {
            // Its own start script listens on every interface.
            let listen =
                format!("require('@opengovsg/mockpass/app.js').app.listen({port}, '127.0.0.1')");
            command
                .current_dir(in_repository(FOLDER))
                .args(["-e", &listen]);
            command.env("SERVICE_PROVIDER_PUB_KEY", key);
            command.env("MOCKPASS_NRIC", settings.nric);
            command.env("SHOW_LOGIN_PAGE", settings.show_login_page.to_string());
        });
        wait_until_answers(&mut process, port, "/v2/.well-known/jwks.json").await;
        Self { port, process }
    }

    /// The issuer, as the bridge's `upstreams.*.issuer` takes it.
    pub(crate) fn issuer(&self) -> String {
        format!("http://localhost:{}/v2", self.port)
    }

    /// What MockPass wrote: every request, with its parameters.
    pub(crate) fn output(&self) -> String {
        self.process.output()
    }
}

/// The persona's Myinfo record, as MockPass keeps it.
pub(crate) fn persona(nric: &str) -> Value {
    let personas = std::fs::read_to_string(package().join("static/myinfo/v3.json"));
    let mut personas: Value = personas
        .map_err(|error| error.to_string())
        .and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()))
        .unwrap_or_else(|error| panic!("MockPass's personas cannot be read: {error}"));
    let persona = personas["personas"][nric].take();
    assert!(persona.is_object(), "{nric} is no persona of MockPass");
    persona
}

/// What sgID would send for this person: some fields, told from the record
/// without MockPass's help. A field without a value is absent.
pub(crate) fn expected_sgid_fields(nric: &str) -> BTreeMap<String, String> {
    let persona = persona(nric);
    let text = |pointer: &str| {
        persona
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or("")
    };
    let line = |before: &str, first: &str, between: &str, second: &str| {
        let (first, second) = (text(first), text(second));
        let empty = first.is_empty() && second.is_empty();
        if empty {
            String::new()
        } else {
            format!("{before}{first}{between}{second}")
        }
    };
    let address = [
        line("", "/regadd/block/value", " ", "/regadd/street/value"),
        line("#", "/regadd/floor/value", "-", "/regadd/unit/value"),
        line("", "/regadd/country/desc", " ", "/regadd/postal/value"),
    ];
    let fields = [
        ("myinfo.nric_number", nric.to_owned()),
        ("myinfo.name", text("/name/value").to_owned()),
        ("myinfo.date_of_birth", text("/dob/value").to_owned()),
        ("myinfo.sex", text("/sex/desc").to_owned()),
        ("myinfo.nationality", text("/nationality/desc").to_owned()),
        ("myinfo.email", text("/email/value").to_owned()),
        (
            "myinfo.mobile_number",
            text("/mobileno/nbr/value").to_owned(),
        ),
        ("myinfo.registered_address", address.join("\n")),
    ];
    fields
        .into_iter()
        .filter(|(_, value)| !value.trim().is_empty())
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn package() -> PathBuf {
    let package = in_repository(FOLDER).join("node_modules/@opengovsg/mockpass");
    require_file(package, "npm ci --prefix tests/mockpass")
}

const FOLDER: &str = "tests/mockpass";
