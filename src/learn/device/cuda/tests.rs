use super::*;

fn good() -> Facts {
    Facts {
        built: true,
        load_error: None,
        driver: Some("580.95.05".into()),
        gpus: 2,
        visible: None,
    }
}

#[test]
fn each_problem_names_its_cause() {
    let problem = |change: fn(&mut Facts), index: usize| {
        let mut facts = good();
        change(&mut facts);
        facts.check(index).unwrap_err().to_string()
    };
    for (text, part) in [
        (problem(|facts| facts.driver = None, 0), "no NVIDIA driver"),
        (
            problem(|facts| facts.built = false, 0),
            "built without CUDA",
        ),
        (
            problem(
                |facts| facts.load_error = Some("libcudnn.so.9: cannot open".into()),
                0,
            ),
            "missing (libcudnn.so.9: cannot open): run scripts/setup.sh --cuda",
        ),
        (
            problem(
                |facts| (facts.gpus, facts.driver) = (0, Some("570.86".into())),
                0,
            ),
            "driver 570.86 is too old: install driver 580",
        ),
        (
            problem(|facts| facts.gpus = 0, 0),
            "shows no GPU: see what nvidia-smi says",
        ),
        (
            problem(
                |facts| (facts.gpus, facts.visible) = (0, Some(String::new())),
                0,
            ),
            "CUDA_VISIBLE_DEVICES is set to ''",
        ),
        (
            problem(|_| {}, 2),
            "no GPU 2: the 2 GPUs are cuda:0 to cuda:1",
        ),
        (
            problem(|facts| facts.gpus = 1, 1),
            "no GPU 1: the only one is cuda:0",
        ),
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(good().check(1), Ok(()));
}

#[test]
fn a_driver_that_works_is_not_too_old() {
    // NVIDIA's compatibility packages let older drivers run newer libraries.
    let facts = Facts {
        driver: Some("570.86".into()),
        ..good()
    };
    assert_eq!(facts.check(0), Ok(()));
}

#[cfg(target_os = "linux")]
#[test]
fn a_library_that_does_not_load_says_which_file_is_missing() {
    let error = load_library(Path::new("/nowhere/libtorch_cuda.so")).unwrap_err();
    assert!(reason(&error).starts_with("/nowhere/libtorch_cuda.so: "));
}
