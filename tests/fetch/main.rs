//! Fetching from a web server on loopback, well-behaved or not: in the end there are right files or one clear line.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../common/mod.rs"]
mod common;
mod misbehaviour;
mod processes;
mod program;
mod resume;
mod sample;
mod server;
mod there;
