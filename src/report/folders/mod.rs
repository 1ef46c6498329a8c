//! How files get into a folder without ever being half there, lost, or in each other's way.
//!
//! A `file` appears whole or not at all, a `growing` one row by row; `run_dir` is the folder of one run, `seed_store` that of
//! many. What the files hold is made elsewhere.

pub mod file;
pub mod growing;
pub mod run_dir;
pub mod seed_store;
