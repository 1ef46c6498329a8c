//! `mnist-tch devices`: what this machine and this libtorch have to offer.

use std::fmt::Write;

use anyhow::Result;

use crate::learn::cores;
use crate::learn::cuda::{
    self, Facts, expected_folder, libtorch_folder, libtorch_version, other_libtorch,
};
use crate::learn::device::available;

/// Prints libtorch's version and path, its CUDA build, the driver, the GPUs and the threads.
pub(crate) fn run() -> Result<()> {
    let facts = Facts::gather();
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<12}{value}");
    };
    line("libtorch", &libtorch_version());
    if let Some(folder) = libtorch_folder() {
        line("path", &folder.display().to_string());
    }
    if let Some(folder) = expected_folder() {
        line("built with", &folder.display().to_string());
    }
    line("CUDA build", &cuda_build(&facts));
    line(
        "driver",
        facts.driver.as_deref().unwrap_or("no NVIDIA driver"),
    );
    let names = cuda::gpu_names();
    for gpu in 0..facts.gpus {
        let name = names.get(gpu).map_or("", String::as_str);
        line("GPU", &format!("cuda:{gpu}  {name}"));
    }
    if facts.gpus == 0 {
        line("GPU", "none");
    }
    line("threads", &cores().to_string());
    line("usable", &available(&facts));
    if facts.driver.is_some()
        && let Err(problem) = facts.check(0)
    {
        line("note", &problem.to_string());
    }
    if let Some(note) = other_libtorch() {
        line("note", &note);
    }
    super::print(&text)
}

fn cuda_build(facts: &Facts) -> String {
    match (facts.built, &facts.load_error, &facts.driver) {
        (false, ..) => "no".to_owned(),
        (true, Some(reason), _) => format!("yes, but its libraries are missing ({reason})"),
        (true, None, None) => "yes, not loaded: there is no driver".to_owned(),
        (true, None, Some(_)) => "yes".to_owned(),
    }
}
