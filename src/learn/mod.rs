//! Learning: from checked images to records. The only part of the program that knows tch.
//!
//! In the order of dependence: what comes out (`record`); what libtorch does when it fails (`libtorch`);
//! where the work is done (`nvidia`, `cuda`, `device`); what is learnt (`weights`, `network`, `adam`) and how it
//! is kept (`state`, `checkpoint`); by which rules and on what (`config`, `schedule`, `images`); by whom (`pool`,
//! `replica`); what is not read yet (`pending`); and the loop that puts them together (`training`). `sweep` goes
//! through that loop for many seeds; `prediction` asks a network without training it.

pub mod adam;
pub mod checkpoint;
pub mod config;
pub mod cuda;
pub mod device;
mod images;
pub mod libtorch;
mod network;
pub mod nvidia;
mod pending;
mod pool;
pub mod prediction;
pub mod record;
mod replica;
pub mod schedule;
pub mod state;
pub mod sweep;
pub mod training;
pub mod weights;
