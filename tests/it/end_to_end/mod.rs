//! The program as people run it, with the outside world as real as a test can have it: MockPass, Postgres, a browser,
//! relying parties that we did not write, signals and kills.

mod browser;
mod crash;
mod instances;
mod mockpass;
mod relying_parties;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::bridge::Engine;
use crate::support::deployment::Deployment;
use crate::support::mockpass::{MockPass, MockPassSettings, expected_sgid_fields};

/// A deployment with MockPass for sgID; somebody signs in as `nric`.
async fn with_mockpass(engine: Engine, nric: &str) -> (Deployment, MockPass) {
    let mut deployment = Deployment::without_sgid(engine).await;
    let mockpass = MockPass::start(MockPassSettings {
        nric,
        public_key_path: &deployment.path("keys/sgid-public-key.pem"),
        show_login_page: false,
    })
    .await;
    let issuer = mockpass.issuer();
    // The same host as the bridge, for a browser that knows only one.
    let for_browsers = issuer.replace("localhost", "127.0.0.1");
    deployment.upstream = format!(
        "issuer = \"{issuer}\"\nauthorization_endpoint = \"{for_browsers}/oauth/authorize\""
    );
    deployment.write();
    (deployment, mockpass)
}

/// The claims that MockPass's person has, told from the record of MockPass without the bridge's help.
fn expected_claims(nric: &str, scope: &str) -> BTreeMap<String, Value> {
    let fields = expected_sgid_fields(nric);
    let mut claims = BTreeMap::new();
    let mut put = |claim: &str, value: Option<Value>| {
        if let Some(value) = value {
            claims.insert(claim.to_owned(), value);
        }
    };
    let text = |field: &str| fields.get(field).map(|value| json!(value));
    for scope in scope.split(' ') {
        match scope {
            "profile" => {
                put("name", text("myinfo.name"));
                put("birthdate", text("myinfo.date_of_birth"));
                let sex = fields.get("myinfo.sex");
                put("gender", sex.map(|sex| json!(sex.to_lowercase())));
            }
            "email" => {
                put("email", text("myinfo.email"));
                let is_there = fields.contains_key("myinfo.email");
                put("email_verified", is_there.then_some(json!(false)));
            }
            "address" => put(
                "address",
                fields
                    .get("myinfo.registered_address")
                    .map(|it| address(it)),
            ),
            "openid" => {}
            field => put(field, text(field)),
        }
    }
    claims
}

fn address(registered: &str) -> Value {
    let lines: Vec<&str> = registered.split('\n').collect();
    let filled = |lines: &[&str]| {
        let filled = lines.iter().map(|line| line.trim());
        let filled: Vec<_> = filled.filter(|line| !line.is_empty()).collect();
        filled.join("\n")
    };
    let mut address = json!({ "formatted": filled(&lines) });
    let street = filled(&lines[..2]);
    if !street.is_empty() {
        address["street_address"] = json!(street);
    }
    if let Some((country, postal_code)) = lines[2].rsplit_once(' ')
        && postal_code.len() == 6
    {
        address["country"] = json!(country);
        address["postal_code"] = json!(postal_code);
    }
    address
}

/// Every one of these claims is there, in plain text, and none of the personal kind is beside them.
fn assert_claims(given: &Value, expected: &BTreeMap<String, Value>) {
    let mut given: BTreeMap<String, Value> = serde_json::from_value(given.clone()).unwrap();
    for protocol in [
        "iss",
        "sub",
        "aud",
        "exp",
        "iat",
        "nbf",
        "auth_time",
        "nonce",
        "at_hash",
        "acr",
        "jti",
        "azp",
        "amr",
        "sid",
        "c_hash",
    ] {
        given.remove(protocol);
    }
    assert_eq!(&given, expected);
}
