//! What people and scripts read: results on standard output, complaints on standard error.

use std::io::Write as _;

use serde::Serialize;

use super::CliError;

/// One line for people.
pub(super) fn say(line: &str) {
    // A reader that went away is no reason to stop.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// What went wrong.
pub(super) fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "sgid-bridge: {line}");
}

/// One document for scripts.
pub(super) fn say_json(document: &impl Serialize) -> Result<(), CliError> {
    say(&serde_json::to_string_pretty(document).map_err(CliError::failed)?);
    Ok(())
}

/// An instant for people: RFC 3339, in UTC.
pub(super) fn instant(at: crate::clock::Timestamp) -> String {
    time::OffsetDateTime::from_unix_timestamp(at.seconds())
        .ok()
        .and_then(|at| {
            at.format(&time::format_description::well_known::Rfc3339)
                .ok()
        })
        .unwrap_or_else(|| at.seconds().to_string())
}
