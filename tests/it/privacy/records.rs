//! The log as records: one to a line, whatever was sent in.

use serde_json::Value;

const LEVELS: [&str; 5] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"];

/// What is wrong with a log of the format `json`.
pub(super) fn faults_of_json(log: &str) -> Vec<String> {
    let faults = log.lines().filter(|line| {
        let record: Option<Value> = serde_json::from_str(line).ok();
        !record.is_some_and(|record| {
            let level = record["level"].as_str().unwrap_or_default();
            LEVELS.contains(&level)
                && record["timestamp"].is_string()
                && record["target"].is_string()
        })
    });
    faults
        .map(|line| format!("no record: {line:?}"))
        .chain(control_characters(log))
        .collect()
}

/// What is wrong with a log of the format `text`.
pub(super) fn faults_of_text(log: &str) -> Vec<String> {
    let faults = log.lines().filter(|line| {
        let mut words = line.split_whitespace();
        let begins = words.next().is_some_and(|instant| {
            instant.ends_with('Z') && chrono::DateTime::parse_from_rfc3339(instant).is_ok()
        });
        !begins || !words.next().is_some_and(|level| LEVELS.contains(&level))
    });
    faults
        .map(|line| format!("no record: {line:?}"))
        .chain(control_characters(log))
        .collect()
}

fn control_characters(log: &str) -> impl Iterator<Item = String> {
    let lines = log
        .lines()
        .filter(|line| line.chars().any(char::is_control));
    lines.map(|line| format!("control characters: {line:?}"))
}

/// The audit records of a log of the format `json`.
pub(super) fn audit(log: &str) -> Vec<Value> {
    let records = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    records
        .filter(|record| record["target"] == "sgid_bridge::audit")
        .collect()
}

#[test]
fn a_forged_record_and_a_terminal_sequence_are_found() {
    let json = r#"{"timestamp":"2026-11-23T00:00:00.000000Z","level":"INFO","message":"a","target":"sgid_bridge"}"#;
    let text = "2026-11-23T00:00:00.000000Z  INFO a message";
    assert_eq!(faults_of_json(json), [""; 0]);
    assert_eq!(faults_of_text(text), [""; 0]);
    assert_eq!(faults_of_json(&format!("{json}\nforged")).len(), 1);
    assert_eq!(
        faults_of_text(&format!("{text}\n    at forged.rs:1")).len(),
        1
    );
    assert_eq!(faults_of_text(&format!("{text} \u{1b}[31mred")).len(), 1);
    assert_eq!(faults_of_text(&format!("{text} \u{9b}31mred")).len(), 1);
}
