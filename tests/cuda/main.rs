//! CUDA without a GPU. A preloaded library says that there is a driver and one GPU, whose first use
//! fails as a test wants it to; empty stand-ins for NVIDIA's libraries let libtorch's own load.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../common/mod.rs"]
mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use common::{SMALL, error_line, mnist_tch};
use regex::Regex;
use tempfile::{TempDir, tempdir};

/// The first thing that libtorch asks of a GPU gets the error code `GPU_SAYS`. With `ASKED_EARLY`
/// somebody asks libtorch for CUDA before its CUDA library is loaded.
const DRIVER: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
int cudaGetDeviceCount(int *count) { *count = 1; return 0; }
int cudaGetDeviceProperties(void *properties, int gpu) { return atoi(getenv("GPU_SAYS")); }
int statx(int folder, const char *path, int flags, unsigned mask, void *result) {
    if (!strcmp(path, "/dev/nvidiactl")) {
        void *(*ask)(void) = dlsym(RTLD_DEFAULT, "_ZN2at6detail12getCUDAHooksEv");
        if (getenv("ASKED_EARLY")) ask();
        path = "/dev/null";
    }
    return syscall(SYS_statx, folder, path, flags, mask, result);
}
"#;

const NVIDIA_SMI: &str = "#!/bin/sh
case $1 in
*name*) echo 'Stand-in, 8192 MiB, 6.1, [N/A]' ;;
*) echo ${DRIVER:-580.95.05} ;;
esac
";

/// A machine with a GPU of that kind, unless there is a real one. Runs go to the same folder.
fn machine() -> Option<TempDir> {
    let real = ["/dev/nvidiactl", "/proc/driver/nvidia/version"].map(Path::new);
    if real.iter().any(|path| path.exists()) {
        return None;
    }
    let folder = tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    fs::write(file("driver.c"), DRIVER).unwrap();
    compile(folder.path(), "driver.so", &file("driver.c"));
    fs::write(file("nvidia-smi"), NVIDIA_SMI).unwrap();
    fs::set_permissions(file("nvidia-smi"), fs::Permissions::from_mode(0o755)).unwrap();
    // The program itself names each library that is missing.
    let missing = Regex::new(r"libraries are missing \((lib[^:]+): cannot open").unwrap();
    loop {
        let error = error_line(&mut on(&folder, "--device cuda", "2"), 1);
        let Some(found) = missing.captures(&error) else {
            return Some(folder);
        };
        compile(folder.path(), &found[1], Path::new("/dev/null"));
    }
}

/// Makes a shared library of a C file.
fn compile(folder: &Path, name: &str, source: &Path) {
    let mut command = Command::new("c++");
    command.current_dir(folder).args(["-x", "c"]).arg(source);
    command.args([
        "-shared",
        "-fPIC",
        "-o",
        name,
        &format!("-Wl,-soname,{name}"),
    ]);
    assert!(command.status().unwrap().success(), "{name}");
}

/// The program on that machine.
fn on(machine: &TempDir, line: &str, gpu_says: &str) -> assert_cmd::Command {
    let mut command = mnist_tch(machine.path(), line);
    let folder = machine.path();
    command.env("LD_PRELOAD", folder.join("driver.so"));
    command.envs([("PATH", folder), ("LD_LIBRARY_PATH", folder)]);
    for variable in ["CUDA_VISIBLE_DEVICES", "LD_BIND_NOW"] {
        command.env_remove(variable);
    }
    command.env("GPU_SAYS", gpu_says);
    command
}

#[test]
fn a_gpu_that_does_not_work_is_refused_with_the_cause_and_auto_goes_on_to_the_cpu() {
    let Some(machine) = machine() else { return };
    let gpu = "cuda:0 (Stand-in, 8192 MiB, compute capability 6.1) does not work: ";
    let unfit = "this libtorch has no code for its compute capability";
    for (gpu_says, cause) in [
        ("2", "its memory is full"),
        ("46", "another program has it for itself (exclusive mode)"),
        ("209", unfit),
        ("35", "the driver is too old for this libtorch"),
        ("999", "libtorch: CUDA error: unknown error"),
    ] {
        let error = error_line(&mut on(&machine, "--device cuda", gpu_says), 1);
        let line = format!("error: --device cuda: {gpu}{cause}");
        assert!(error.starts_with(&line), "{error}");
        assert!(error.ends_with("Devices here: cpu\n"), "{error}");
    }
    let line = SMALL.replace("--device cpu", "--out run");
    let run = on(&machine, &line, "209").assert().success();
    let said = String::from_utf8(run.get_output().stderr.clone()).unwrap();
    let (note, progress) = said.split_once('\n').unwrap();
    let line = format!("note: using the CPU: {gpu}{unfit}");
    assert!(note.starts_with(&line), "{said}");
    assert!(progress.starts_with("epoch 1/2"), "{said}");
    let summary = fs::read_to_string(machine.path().join("run/summary.json")).unwrap();
    assert!(summary.contains(r#""device": "cpu""#), "{summary}");
}

#[test]
fn what_is_in_the_way_of_a_gpu_is_named_before_it_is_tried() {
    let Some(machine) = machine() else { return };
    for case in [
        "cuda:9|X=|there is no GPU 9: the only one is cuda:0. ",
        "cuda:9|CUDA_VISIBLE_DEVICES=GPU-1|is set to 'GPU-1': unset it",
        "cuda|DRIVER=470.1|driver 470.1 is too old: install driver 580",
        "cuda|ASKED_EARLY=1|find the device before all else",
        "cuda|LD_PRELOAD=|there is no NVIDIA driver here",
        "cuda|PATH=/nowhere|there is no NVIDIA driver here",
    ] {
        let [device, variable, cause] = case.split('|').collect::<Vec<_>>()[..] else {
            panic!("{case}");
        };
        let (name, value) = variable.split_once('=').unwrap();
        let line = format!("--device {device}");
        let error = error_line(on(&machine, &line, "2").env(name, value), 1);
        assert!(error.contains(cause), "{case}: {error}");
    }
}
