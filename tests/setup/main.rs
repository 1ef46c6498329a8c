//! Tests of the set-up scripts: `scripts/setup.sh`, `train.sh`, `test.sh`, `check.sh` and `.ci/run`.
//!
//! Each test copies the scripts into a project folder of its own, where `stub.sh` plays pip, uv, cargo and every
//! other program whose answer matters. No network, no libtorch; nothing outside the test's folder is written.
#![cfg(unix)]
#![allow(clippy::unwrap_used)] // A test that cannot go on should say where, and stop.

mod cuda;
mod install;
mod interrupted;
mod missing;
mod own_libtorch;
mod project;
mod wrappers;
