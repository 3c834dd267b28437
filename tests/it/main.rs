//! Everything that is tested from outside its room, in one binary.

// Says to Clippy that helpers are tests too: they may unwrap.
#![cfg(test)]

mod commands;
mod end_to_end;
mod privacy;
mod protocol;
mod store;
mod support;
mod tidy;
mod upstream;
