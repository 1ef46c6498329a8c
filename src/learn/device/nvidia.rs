//! What the system says of NVIDIA: its driver and the GPUs. libtorch is not asked here.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// By which a process uses a GPU: NVIDIA's file, and the one by which Windows lends its GPUs to a
/// Linux within it. A container that was given no GPU has neither, though it sees its host's /proc.
const DEVICES: [&str; 2] = ["/dev/nvidiactl", "/dev/dxg"];

const DRIVER_FILE: &str = "/proc/driver/nvidia/version";

/// The driver's own tool; Windows puts it where a PATH may not lead.
const TOOLS: [&str; 2] = ["nvidia-smi", "/usr/lib/wsl/lib/nvidia-smi"];

/// The tool waits for ever for a GPU that hangs, and some seconds for one that sleeps.
const PATIENCE: Duration = Duration::from_secs(10);

/// The driver's version, such as `580.95.05`; `None` where there is none to use.
pub(super) fn driver() -> Option<String> {
    if !DEVICES.iter().any(|path| Path::new(path).exists()) {
        return None;
    }
    if let Ok(text) = fs::read_to_string(DRIVER_FILE) {
        return version_in(&text).or(Some("of unknown version".to_owned()));
    }
    let text = ask("driver_version")?;
    text.lines().next().map(|line| line.trim().to_owned())
}

/// Finds `580.95.05` in "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  ...".
fn version_in(text: &str) -> Option<String> {
    let is_version =
        |word: &&str| word.contains('.') && word.split('.').all(|part| part.parse::<u32>().is_ok());
    let mut words = text.lines().next()?.split_whitespace();
    words.find(is_version).map(str::to_owned)
}

/// Compares the first numbers, which are what CUDA asks for: is 570.86 older than 580?
pub(super) fn is_older(found: &str, wanted: &str) -> bool {
    let major = |version: &str| version.split('.').next()?.parse::<u32>().ok();
    matches!((major(found), major(wanted)), (Some(found), Some(wanted)) if found < wanted)
}

/// Name, memory and compute capability of each of the `count` GPUs that CUDA has, in its order;
/// nothing where that order is not sure.
pub(crate) fn gpus(count: usize) -> Vec<String> {
    let set = |name| std::env::var(name).ok();
    let in_place = set("CUDA_DEVICE_ORDER").as_deref() == Some("PCI_BUS_ID")
        && set("CUDA_VISIBLE_DEVICES").is_none();
    let text = ask("name,memory.total,compute_cap,mig.mode.current").unwrap_or_default();
    descriptions(&text, count, in_place).unwrap_or_default()
}

/// The tool shows every GPU, in the order of their places in the machine. CUDA has the fastest
/// first and only those that are visible, unless it is told to take all `in_place`; where all are
/// alike that does not matter. What was cut into parts is no longer what it is called.
fn descriptions(text: &str, count: usize, in_place: bool) -> Option<Vec<String>> {
    let rows = text
        .lines()
        .map(|line| line.split(", ").collect::<Vec<_>>());
    let rows: Vec<_> = rows.collect();
    let is_sure = rows.iter().all(|row| row == &rows[0]) || in_place && rows.len() == count;
    let describe = |row: &Vec<&str>| match row[..] {
        [name, memory, capability, mig] if is_sure && mig.trim() != "Enabled" => {
            Some(format!("{name}, {memory}, compute capability {capability}"))
        }
        _ => None,
    };
    rows.iter().cycle().take(count).map(describe).collect()
}

/// What the tool says of each GPU, a line each.
fn ask(fields: &str) -> Option<String> {
    let mut child = TOOLS.iter().find_map(|tool| {
        let mut command = Command::new(tool);
        command.args([&format!("--query-gpu={fields}"), "--format=csv,noheader"]);
        let quiet = command.stdin(Stdio::null()).stderr(Stdio::null());
        quiet.stdout(Stdio::piped()).spawn().ok()
    })?;
    let begun = Instant::now();
    while child.try_wait().ok()?.is_none() {
        if begun.elapsed() > PATIENCE {
            let _ = child.kill();
            return None;
        }
        sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn driver_versions_are_found_and_compared() {
        let text =
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release\nGCC";
        assert_eq!(version_in(text).as_deref(), Some("580.95.05"));
        assert_eq!(version_in("nothing"), None);
        assert!(is_older("570.172.08", "580") && !is_older("580.65.06", "580"));
        assert!(!is_older("1000.1", "580") && !is_older("of unknown version", "580"));
    }

    #[test]
    fn gpus_have_names_only_where_cudas_order_is_sure() {
        let (a, b) = (
            "NVIDIA T4, 15360 MiB, 7.5, [N/A]\n",
            "NVIDIA H100, 81559 MiB, 9.0, Disabled\n",
        );
        let one = "NVIDIA T4, 15360 MiB, compute capability 7.5";
        let named = |text: &str, count, in_place| descriptions(text, count, in_place);
        assert_eq!(named(a, 1, false).unwrap(), [one]);
        assert_eq!(named(&a.repeat(4), 2, false).unwrap(), [one; 2]);
        assert_eq!(named(&format!("{a}{b}"), 2, false), None);
        assert_eq!(named(&format!("{a}{b}"), 1, true), None);
        assert_eq!(named(&format!("{a}{b}"), 2, true).unwrap()[0], one);
        assert_eq!(named(&b.replace("Disabled", "Enabled"), 1, false), None);
        assert_eq!(named("", 1, false).unwrap_or_default(), [""; 0]);
    }
}
