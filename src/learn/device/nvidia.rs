//! What the NVIDIA driver says of itself and of its GPUs, without libtorch.

use std::fs;
use std::path::Path;
use std::process::Command;

const DRIVER_FILE: &str = "/proc/driver/nvidia/version";

/// Whether a driver seems to be there; costs nothing, unlike asking it.
#[must_use]
pub fn sees_driver() -> bool {
    // /dev/dxg is how Windows lends its GPU to a Linux within it.
    Path::new(DRIVER_FILE).exists() || Path::new("/dev/dxg").exists()
}

/// Name and memory of each GPU, as the driver's own tool tells them.
#[must_use]
pub fn gpu_names() -> Vec<String> {
    let text = nvidia_smi("index,name,memory.total").unwrap_or_default();
    text.lines().map(|line| line.trim().to_owned()).collect()
}

/// The driver's version, such as `580.95.05`; `None` where there is no driver.
#[must_use]
pub fn driver() -> Option<String> {
    match fs::read_to_string(DRIVER_FILE) {
        Ok(text) => driver_version(&text).or(Some("of unknown version".to_owned())),
        Err(_) => nvidia_smi("driver_version")?
            .lines()
            .next()
            .map(|line| line.trim().to_owned()),
    }
}

/// Finds `580.95.05` in "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build ...".
fn driver_version(text: &str) -> Option<String> {
    let is_version =
        |word: &&str| word.contains('.') && word.split('.').all(|part| part.parse::<u32>().is_ok());
    text.lines()
        .next()?
        .split_whitespace()
        .find(is_version)
        .map(str::to_owned)
}

fn nvidia_smi(fields: &str) -> Option<String> {
    let arguments = [&format!("--query-gpu={fields}"), "--format=csv,noheader"];
    let output = Command::new("nvidia-smi").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then_some(text)
}

/// Compares the first numbers, which are what CUDA asks for: is 570.86 older than 580?
#[must_use]
pub fn is_older(found: &str, wanted: &str) -> bool {
    let major = |version: &str| {
        version
            .split('.')
            .next()
            .and_then(|part| part.parse::<u32>().ok())
    };
    matches!((major(found), major(wanted)), (Some(found), Some(wanted)) if found < wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn driver_versions_are_found_and_compared() {
        let text = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build  (root)\nGCC version: 12.2.0";
        assert_eq!(driver_version(text).as_deref(), Some("580.95.05"));
        assert_eq!(driver_version("nothing"), None);
        assert!(
            is_older("570.172.08", "580")
                && !is_older("580.65.06", "580")
                && !is_older("1000.1", "580")
        );
        assert!(!is_older("of unknown version", "580"));
    }
}
