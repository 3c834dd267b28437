//! Everything that is tested from outside its room, in one binary.

mod store;
mod support;
mod tidy;
