//! Known values are planted, people log in and fail to, and then every log line, page, URL and table is searched for
//! the values. Security requirements section 8 and HT-2.

mod after_expiry;
mod clients;
mod deployment;
mod exchange;
mod forgeries;
mod later_forgeries;
mod later_visits;
mod records;
mod registering;
mod scanner;
mod search;
mod signing_out;
mod trail;
mod visits;
