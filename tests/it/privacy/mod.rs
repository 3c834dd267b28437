//! Known values are planted, people log in and fail to, and then every log line, page, URL and table is searched for
//! the values. Security requirements section 8 and HT-2.

mod after_expiry;
mod deployment;
mod records;
mod scanner;
mod search;
mod visits;
