//! What may go wrong with one request, sorted by what to do about it.

use anyhow::Error;

/// Why an attempt came to nothing.
#[derive(Debug)]
pub enum Problem {
    /// The connection broke off; the bytes so far are kept.
    Cut(Error),
    /// The mirror has nothing that can be used.
    Mirror(Error),
    /// It is this machine: a full disk, a folder without permission. No other mirror would help.
    Local(Error),
}
