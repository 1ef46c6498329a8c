//! `mnist-tch devices`: what this machine and this libtorch have to offer.

use std::fmt::Write;

use anyhow::Result;

use crate::learn::cuda::Facts;
use crate::learn::device::list;
use crate::learn::{cores, libtorch, nvidia};
use crate::terminal::print;

/// Prints libtorch's version and path, its CUDA build, the driver, the GPUs, which of them work,
/// and the threads.
pub(crate) fn run() -> Result<()> {
    let facts = Facts::gather();
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<12}{value}");
    };
    line("libtorch", &libtorch::version());
    if let Some(folder) = libtorch::folder() {
        line("path", &folder.display().to_string());
    }
    if let Some(folder) = libtorch::expected_folder() {
        line("built with", &folder.display().to_string());
    }
    line("CUDA build", if facts.built { "yes" } else { "no" });
    line(
        "driver",
        facts.driver.as_deref().unwrap_or("no NVIDIA driver"),
    );
    let names = nvidia::gpus(facts.gpus);
    for gpu in 0..facts.gpus {
        let name = names.get(gpu).map_or("", String::as_str);
        line("GPU", &format!("cuda:{gpu}  {name}"));
    }
    if facts.gpus == 0 {
        line("GPU", "none");
    }
    line("threads", &cores().to_string());
    let tried = (0..facts.gpus.max(1)).map(|gpu| facts.usable(gpu).map(|()| gpu));
    let (usable, unusable): (Vec<_>, Vec<_>) = tried.partition(Result::is_ok);
    line("usable", &list(usable.into_iter().flatten()));
    let problems = unusable.into_iter().filter_map(Result::err);
    for problem in problems.filter(|_| facts.driver.is_some()) {
        line("note", &problem.to_string());
    }
    if let Some(note) = libtorch::other_than_built_with() {
        line("note", &note);
    }
    print(&text)
}
