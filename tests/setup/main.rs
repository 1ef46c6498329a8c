//! Tests of the scripts: `scripts/setup.sh`, `train.sh`, `test.sh`, `check.sh` and `.ci/run`.
//!
//! Each test has a project folder of its own with the scripts in it, where `stub.sh` plays pip, uv,
//! cargo and every other program whose answer matters. No network, no libtorch; nothing outside the
//! test's folder is written.
#![cfg(unix)]
// A test that cannot go on should say where, and stop; a table says which line it was at.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod install;
mod interrupted;
mod machines;
mod project;
mod table;
mod wrappers;
