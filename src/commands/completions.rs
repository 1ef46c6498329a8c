//! `mnist-tch completions`: prints what a shell needs to complete this program's options.

use anyhow::Result;

/// Prints the script.
///
/// # Errors
/// When stdout cannot be written to.
pub fn run(script: &str) -> Result<()> {
    super::print(script)
}
