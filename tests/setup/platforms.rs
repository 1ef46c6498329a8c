//! The platforms that libtorch has a wheel for, and those that it has none for.

use crate::install::{assert_has, cpu_set, requirements};
use crate::missing::refused;
use crate::project::{Project, pinned};

#[test]
fn linux_arm64_is_tried_with_a_note() {
    let project = Project::new();
    project
        .setup("", &[("STUB_MACHINE", "aarch64")])
        .succeeded(&["note: ", "not been tried on Linux arm64"]);
    let call = &project.calls("pip")[0];
    assert_eq!(requirements(call), cpu_set());
    assert_has(
        call,
        &[
            "--platform=manylinux_2_28_aarch64",
            "--platform=manylinux2014_aarch64",
        ],
    );
    assert!(!call.iter().any(|word| word.contains("x86_64")), "{call:?}");
}

#[test]
fn macos_arm64_is_tried_with_a_note_and_without_cuda_libraries() {
    let machine = [
        ("STUB_SYSTEM", "Darwin"),
        ("STUB_MACHINE", "arm64"),
        ("STUB_DRIVER", "580.65.06"),
    ];
    let project = Project::new();
    project
        .setup("", &machine)
        .succeeded(&["note: ", "not been tried on macOS", "CPU set"]);
    let call = &project.calls("pip")[0];
    assert_eq!(requirements(call), cpu_set()[..1]);
    assert_has(call, &["--platform=macosx_14_0_arm64"]);
}

#[test]
fn musl_and_an_old_glibc_are_told_apart() {
    let own = format!(
        "set LIBTORCH to a libtorch {} of your own",
        pinned("LIBTORCH_VERSION")
    );
    let project = Project::new();
    refused(&project, &[("STUB_LIBC", "")]).failed(&["need glibc", "musl", &own]);
    refused(&project, &[("STUB_LIBC", "glibc 2.27")]).failed(&["this Linux has 2.27", &own]);
    project
        .setup("", &[("STUB_LIBC", "glibc 2.28")])
        .succeeded(&[]);
}

#[test]
fn a_platform_without_a_wheel_is_refused() {
    let project = Project::new();
    for (system, machine) in [
        ("FreeBSD", "amd64"),
        ("Linux", "riscv64"),
        ("Darwin", "x86_64"),
    ] {
        let settings = [("STUB_SYSTEM", system), ("STUB_MACHINE", machine)];
        refused(&project, &settings).failed(&[
            "no libtorch wheel for",
            system,
            machine,
            "set LIBTORCH",
        ]);
    }
}

#[test]
fn an_old_macos_and_cuda_on_macos_are_refused() {
    let project = Project::new();
    let mac = [
        ("STUB_SYSTEM", "Darwin"),
        ("STUB_MACHINE", "arm64"),
        ("STUB_MACOS", "13.7.1"),
    ];
    refused(&project, &mac).failed(&["macOS 14 or newer"]);
    project
        .setup("--cuda", &mac[..2])
        .failed(&["no CUDA on macOS", "leave --cuda out"]);
}
