use std::path::Path;

use super::read::Source;
use super::*;

const GOOD: &str = r#"
issuer = "https://login.example.sg"
[keys]
master_key = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eH-8"
[upstreams.sgid]
issuer = "https://api.id.gov.sg/v2"
client_id = "MYCLIENT-PROD"
client_secret = "a secret of the upstream"
private_keys = ["pem"]
[[clients]]
client_id = "portal"
client_secret = "0123456789abcdef0123456789abcdef"
redirect_uris = ["https://portal.example.sg/callback"]
"#;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Source::text(text, Path::new("/nowhere")).parse()
}

fn problems(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn a_short_configuration_is_complete() {
    let config = parse(GOOD).unwrap();
    assert_eq!(
        config.database.url.expose(),
        "sqlite:///nowhere/sgid-bridge.db"
    );
    assert_eq!(config.lifetimes.authorization_code, Duration::from_mins(1));
    let upstream = &config.upstreams["sgid"];
    assert_eq!(
        upstream.token_endpoint.as_str(),
        "https://api.id.gov.sg/v2/oauth/token"
    );
    assert_eq!(config.clients[0].metadata.client_id.as_str(), "portal");
    assert_eq!(config.clients[0].origin, "configuration:10");
}

#[test]
fn an_unknown_setting_is_named_with_its_line_and_its_nearest_neighbour() {
    let text = format!("{GOOD}[server]\nlistn = \"127.0.0.1:1\"\n");
    assert_eq!(
        problems(&text),
        "configuration:15: unknown setting `listn`: did you mean `listen`?"
    );
    let text = GOOD.replace("redirect_uris", "redirect_uri");
    assert_eq!(
        problems(&text),
        "configuration:13: unknown setting `redirect_uri`: did you mean `redirect_uris`?"
    );
}

#[test]
fn a_wrong_value_is_named_and_not_repeated() {
    let text = GOOD.replace("https://login.example.sg", "http://login.example.sg");
    assert!(problems(&text).starts_with("configuration:2: `issuer`: it must use https"));
    let text = GOOD.replace("master_key = \"AQID", "master_key = \"*");
    let message = problems(&text);
    assert!(
        message.contains("not base64url") && !message.contains("BAUG"),
        "{message}"
    );
    let text = format!("{GOOD}[lifetimes]\nlogin = \"soon\"\n");
    assert!(
        problems(&text).contains("configuration:15: `lifetimes.login`: must be a span of time")
    );
}

#[test]
fn several_problems_are_told_at_once() {
    let text = format!("{GOOD}[lifetimes]\nid_token = \"1s\"\n[session]\nidle = \"1s\"\n");
    let message = problems(&text);
    assert!(
        message.contains("configuration:15") && message.contains("configuration:17"),
        "{message}"
    );
}

#[test]
fn syntax_errors_have_a_line() {
    assert!(problems("issuer = \n").starts_with("configuration:1: not TOML"));
}

#[test]
fn the_environment_wins_and_is_named() {
    let source = Source::text(GOOD, Path::new("/nowhere")).with_variables(&[
        ("DATABASE__URL", "postgres://bridge@db/bridge"),
        ("DATABASE__MAX_CONNECTIONS", "7"),
        ("KEYS__SIGNING_ALGORITHMS", "[\"ES256\"]"),
        ("UPSTREAMS__SGID__CLIENT_SECRET", "12345678901234567890"),
    ]);
    let config = source.parse().unwrap();
    assert_eq!(config.database.url.expose(), "postgres://bridge@db/bridge");
    assert_eq!(config.database.max_connections, 7);
    assert_eq!(config.keys.signing_algorithms, [SigningAlgorithm::Es256]);
    assert_eq!(
        config.upstreams["sgid"].client_secret.expose(),
        "12345678901234567890"
    );

    let source =
        Source::text(GOOD, Path::new("/nowhere")).with_variables(&[("SERVER__LISTN", "x")]);
    let message = source.parse().unwrap_err().to_string();
    assert_eq!(
        message,
        "SGID_BRIDGE_SERVER__LISTN: unknown setting `listn`: did you mean `listen`?"
    );
}

#[test]
fn a_missing_secret_file_is_named() {
    let text = GOOD.replace(
        "client_secret = \"a secret of the upstream\"",
        "client_secret_file = \"gone\"",
    );
    assert!(problems(&text).contains("configuration:8: cannot read /nowhere/gone"));
}

#[test]
fn debug_prints_no_secret() {
    let printed = format!("{:?}", parse(GOOD).unwrap());
    for secret in ["a secret of the upstream", "0123456789abcdef", "AQIDBAUG"] {
        assert!(!printed.contains(secret));
    }
}
