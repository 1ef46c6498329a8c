//! Learning: from checked images to records. The only part of the program that knows tch.
//!
//! In the order of dependence: what comes out ([`record`]); what libtorch does when it fails
//! ([`libtorch`]); where the work is done ([`device`], [`cuda`]); what is learnt ([`weights`],
//! [`network`], [`adam`]); on what ([`images`], [`schedule`]); by whom ([`pool`], [`replica`]); and the
//! loop that puts them together ([`training`]). [`prediction`] asks a network without training it.

mod adam;
pub mod cuda;
pub mod device;
mod images;
pub mod libtorch;
mod network;
mod pool;
pub mod prediction;
pub mod record;
mod replica;
pub mod schedule;
pub mod training;
pub mod weights;
