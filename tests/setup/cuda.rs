//! Which of the two sets is taken.

use std::fs;

use crate::project::{Project, Said, pinned};

const DRIVER: (&str, &str) = ("STUB_DRIVER", "580.65.06");
const OLD_DRIVER: (&str, &str) = ("STUB_DRIVER", "570.133.20");

/// Runs a set-up on a fresh clone; also says which set it installed.
fn first_setup(words: &str, settings: &[(&str, &str)]) -> (Said, String) {
    let project = Project::new();
    let said = project.setup(words, settings);
    (said, project.installed().unwrap())
}

#[test]
fn a_driver_selects_the_cuda_set_by_itself() {
    let project = Project::new();
    project
        .setup("", &[DRIVER])
        .succeeded(&["CUDA set", "is ready"]);
    assert_eq!(project.installed().unwrap(), "cuda set");
    let [wheel, libraries] = &project.calls("pip")[..] else {
        panic!("two calls of pip were due")
    };
    assert_eq!(
        wheel.last().unwrap(),
        &format!("torch=={}", pinned("LIBTORCH_VERSION"))
    );
    assert!(wheel.iter().any(|word| word == "--no-deps"), "{wheel:?}");
    // The versions are the wheel's own, with what they need in turn; its Python packages stay away.
    let named = [
        "cuda-toolkit[cublas,cudart]==13.0.3",
        "nvidia-cudnn-cu13==9.20.0.48",
    ];
    assert_eq!(libraries[libraries.len() - 2..], named);
    assert!(
        !libraries
            .iter()
            .any(|word| word == "--no-deps" || word.contains("torch=")),
        "{libraries:?}"
    );
}

#[test]
fn cpu_is_obeyed_where_there_is_a_driver() {
    let (said, set) = first_setup("--cpu", &[DRIVER]);
    said.succeeded(&["CPU set"]);
    assert_eq!(set, "cpu set");
}

#[test]
fn a_driver_that_is_too_old_stays_with_the_cpu_set_and_says_why() {
    let (said, set) = first_setup("", &[OLD_DRIVER]);
    said.succeeded(&[
        "note: ",
        "570.133.20",
        &pinned("CUDA_MINIMUM_DRIVER"),
        "CPU set",
    ]);
    assert_eq!(set, "cpu set");
}

#[test]
fn cuda_is_obeyed_with_a_note_where_no_driver_would_run_it() {
    let (said, set) = first_setup("--cuda", &[]);
    said.succeeded(&["note: no NVIDIA driver answers", "CUDA set"]);
    assert_eq!(set, "cuda set");
    let (said, set) = first_setup("--cuda", &[OLD_DRIVER]);
    said.succeeded(&["note: the NVIDIA driver 570.133.20 is older"]);
    assert_eq!(set, "cuda set");
}

#[test]
fn a_cpu_set_is_upgraded_only_when_asked_and_torch_is_not_fetched_again() {
    let project = Project::new();
    project.setup("", &[]).succeeded(&[]);
    let library = "libtorch/torch/lib/libtorch_cpu.so";
    let before = project.read(library);
    // What the CPU set holds of the CUDA libraries may be of another version.
    fs::create_dir(project.path("libtorch/nvidia/from-the-cpu-set")).unwrap();
    project
        .setup("", &[DRIVER])
        .succeeded(&["(CPU set) is ready"]);
    project
        .setup("--cuda", &[DRIVER])
        .succeeded(&["fetching", "(CUDA set) is ready"]);
    assert_eq!(project.installed().unwrap(), "cuda set");
    assert!(!project.path("libtorch/nvidia/from-the-cpu-set").exists());
    if cfg!(target_os = "linux") {
        assert_eq!(project.read(library), before);
        assert_eq!(project.calls("pip").len(), 2);
    }
    project
        .setup("--cpu", &[DRIVER])
        .succeeded(&["(CUDA set) is ready"]);
    assert_eq!(project.installed().unwrap(), "cuda set");
}

#[test]
fn a_failed_upgrade_keeps_the_cpu_set() {
    let project = Project::new();
    project.setup("", &[]).succeeded(&[]);
    project
        .setup("--cuda", &[("STUB_INSTALL", "no-network")])
        .failed(&["could not be reached"]);
    assert_eq!(project.installed().unwrap(), "cpu set");
    project.setup("", &[]).succeeded(&["(CPU set) is ready"]);
}
