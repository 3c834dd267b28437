//! Everything that is tested from outside its room, in one binary.

mod protocol;
mod store;
mod support;
mod tidy;
