//! Many runs of one job, a curve to hold against them, and the verdict whether it is one of them.
//!
//! Numbers in, numbers out: nothing is drawn or written here.

pub mod ensemble;
pub mod reference;
pub mod verdict;
