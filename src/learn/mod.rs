//! Learning: from checked images to records. The only part of the program that knows tch.
//!
//! In the order of dependence: what comes out (`record`); what libtorch does when it fails (`libtorch`);
//! where the work is done (`device`); what is learnt (`weights`, `network`, `adam`) and how it is kept (`state`,
//! `checkpoint`); by which rules and on what (`config`, `schedule`, `images`); what is not read yet (`pending`); by whom
//! (`workers`); and the loop that puts them together (`training`). `sweep` goes through that loop for many seeds.
//! A trained network is scored by `evaluation`, class by class in `class_scores`; `prediction` asks it without a score,
//! and an `answer` is what it says to one image. `structure` tells what it is made of.

pub mod adam;
pub mod answer;
pub mod checkpoint;
pub mod class_scores;
pub mod config;
pub mod device;
pub mod evaluation;
mod images;
pub mod libtorch;
mod network;
mod pending;
pub mod prediction;
pub mod record;
pub mod schedule;
pub mod state;
pub mod structure;
pub mod sweep;
pub mod training;
pub mod weights;
mod workers;
