//! CUDA without a GPU: the real program on the real `libtorch_cuda.so`, with `nullgpu.c` in the
//! place of NVIDIA's libraries. What that can show: what the program asks of a GPU and how often it
//! waits for it, its memory, and what becomes of each failure. It shows no right number.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed, and one that is skipped says so"
)]

#[path = "../common/mod.rs"]
mod common;
mod null_gpu;

use std::fs;
use std::sync::Mutex;
use std::thread;

use common::{error_line, printed, write_set};
use null_gpu::{NAME, NullGpu, Report};
use regex::Regex;

/// Fifty steps an epoch. The null GPU takes the logits of some numbers of images for counts; 210 is
/// none of them.
const JOB: &str = "--device cuda -q --force --out run --train-range 0..1000 --batch-size 20 \
                   --test-range 0..210";

/// Six steps.
const SHORT: &str = "--device cuda -q --force --out run --train-range 0..300 --test-range 0..210 \
                     --epochs 2 --augment 1";

/// What 500 steps of [`JOB`] take with these options: the difference of two runs, in which the
/// start and the end cancel out.
fn five_hundred_steps(gpu: &NullGpu, options: &str) -> (Report, f64) {
    let run = |epochs: usize| gpu.report(&format!("{JOB} --epochs {epochs} {options}"));
    let ((few, _), (many, seconds)) = (run(5), run(15));
    let grown = |name: &String, count: &u64| count - few.get(name).unwrap_or(&0).min(count);
    let report = many
        .iter()
        .map(|(name, count)| (name.clone(), grown(name, count)));
    (report.collect(), seconds)
}

#[test]
fn every_command_runs_on_a_gpu() {
    let Some(gpu) = NullGpu::new() else { return };
    let devices = gpu.printed("devices");
    for part in [
        r"(?m)^CUDA build  yes$",
        r"(?m)^driver      .*CUDA 13\.0",
        r"(?m)^GPU         cuda:0  Null GPU, 81920 MiB, compute capability 9\.0$",
        r"(?m)^cuDNN       9\.20\.0  /",
        r"(?m)^usable      cpu, cuda:0$",
    ] {
        assert!(Regex::new(part).unwrap().is_match(&devices), "{devices}");
    }
    gpu.printed(&format!(
        "{JOB} --epochs 1 --shuffle --augment 2 --keep best"
    ));
    gpu.printed("--resume run --epochs 2 -q");
    let summary = gpu.run_file("summary.json");
    for part in [
        r#""device": "cuda:0""#,
        r#""name": "Null GPU""#,
        r#""cuda": "13.0""#,
        r#""cudnn": "9.20.0""#,
    ] {
        assert!(summary.contains(part), "{summary}");
    }
    assert_eq!(gpu.run_file("accuracy.csv").lines().count(), 101);
    let evaluated = gpu.printed("evaluate --model run --device cuda");
    assert!(evaluated.starts_with("accuracy 1 on 210 "), "{evaluated}");
    let predicted = gpu.printed("predict --model run --device cuda run/mistakes.png");
    assert!(predicted.contains("mistakes.png"), "{predicted}");
    let reproduced = gpu.printed("reproduce --device cuda --seeds 0..2 --epochs 1 --out seeds");
    assert!(reproduced.contains("2 runs"), "{reproduced}");
}

#[test]
fn another_cudnn_in_the_library_path_is_not_mixed_with_that_of_the_set() {
    let Some(gpu) = NullGpu::new() else { return };
    let (gpu, set, foreign) = gpu.with_set_and_foreign_cudnn();
    let devices = gpu.printed("devices");
    let own = format!("cuDNN       9.20.0  {}\n", set.display());
    assert!(devices.contains(&own), "{devices}");
    assert!(!devices.contains(foreign.to_str().unwrap()), "{devices}");
    assert!(devices.contains("usable      cpu, cuda:0\n"), "{devices}");
}

#[test]
fn commands_whose_work_is_small_leave_a_gpu_alone_unless_told_otherwise() {
    let Some(gpu) = NullGpu::new() else { return };
    gpu.printed(&SHORT.replace("cuda", "cpu"));
    for (line, is_used) in [
        ("evaluate --model run", false),
        ("evaluate --model run --device auto", true),
        ("predict --model run run/mistakes.png", false),
        ("predict --model run run/mistakes.png --device auto", true),
    ] {
        let (report, _) = gpu.report(line);
        assert_eq!(report.contains_key("launches"), is_used, "{line}");
    }
}

#[test]
fn a_step_is_at_most_80_launches_and_the_host_seldom_waits_whatever_is_asked_for() {
    let Some(gpu) = NullGpu::new() else { return };
    let every_option = "--shuffle --augment 2 --keep best --checkpoint-every 1 --lr-final 0";
    for options in [
        "",
        "--shuffle",
        "--augment 2",
        "--keep best",
        "--checkpoint-every 1",
        "--eval-every 10",
        every_option,
    ] {
        let (report, seconds) = five_hundred_steps(&gpu, options);
        let count = |name: &str| report.get(name).copied().unwrap_or(0);
        let launches = (count("launches") + count("copies on the GPU")) / 500;
        assert!((40..=80).contains(&launches), "{options}: {launches}");
        // Three for 32 steps, and five for the checkpoint of each second.
        let most = (3.0 * 500.0 / 32.0 + 5.0 * seconds).ceil();
        let waits = count("waits") as f64;
        assert!(
            waits <= most,
            "{options}: {waits} waits, {most} are allowed"
        );
        assert_eq!(count("cudaMalloc"), 0, "{options}: device memory grows");
        assert_eq!(count("cudaHostAlloc"), 0, "{options}: pinned memory grows");
    }
}

#[test]
fn nothing_but_the_gpu_that_is_named_is_touched() {
    let Some(gpu) = NullGpu::new() else { return };
    let gpu = gpu.with("NULLGPU_COUNT", "4");
    let (report, _) = gpu.report(&SHORT.replace("cuda", "cuda:3"));
    let contexts: Vec<_> = report
        .keys()
        .filter(|it| it.starts_with("context"))
        .collect();
    assert_eq!(contexts, ["context on cuda:3"]);
}

#[test]
fn memory_follows_a_budget_and_not_the_width() {
    let Some(gpu) = NullGpu::new() else { return };
    let images: Vec<u8> = (0..=u8::MAX).cycle().take(10_000 * 784).collect();
    let labels: Vec<u8> = (0..10).cycle().take(10_000).collect();
    write_set(gpu.folder(), "t10k", &images, &labels);
    write_set(gpu.folder(), "train", &images[..200 * 784], &labels[..200]);
    for (channels, most) in [("8,16,8", 600), ("32,64,64", 700), ("512,512,512", 1_200)] {
        let line = "--device cuda -q --force --out run --data-dir . --epochs 1 --channels";
        let (report, _) = gpu.report(&format!("{line} {channels}"));
        let peak = report["peak MiB"];
        assert!((100..=most).contains(&peak), "{channels}: {peak} MiB");
    }
}

#[test]
fn only_convolutions_that_give_the_same_bytes_every_time_are_used() {
    let Some(gpu) = NullGpu::new() else { return };
    let (report, _) = gpu.report(SHORT);
    assert!(report["exact convolutions"] > 50, "{report:?}");
    assert!(!report.contains_key("fast convolutions"), "{report:?}");
}

#[test]
fn what_cuda_says_is_told_in_nvidias_words_with_what_to_do() {
    let Some(gpu) = NullGpu::new() else { return };
    for (code, what, words, hint) in [
        (2, "memory is full", "out of memory", "see in nvidia-smi"),
        (3, "CUDA does not start", "initialization error", "reboot"),
        (
            35,
            "driver is too old",
            "driver version is insufficient",
            "install 580 or newer",
        ),
        (
            46,
            "another program has the GPU",
            "busy or unavailable",
            "see in nvidia-smi",
        ),
        (
            100,
            "shows no GPU",
            "no CUDA-capable device",
            "see what nvidia-smi says",
        ),
        (
            802,
            "GPUs are not ready",
            "system not yet initialized",
            "nvidia-fabricmanager",
        ),
        (
            803,
            "of different versions",
            "unsupported display driver",
            "reboot",
        ),
        (
            804,
            "compatibility libraries",
            "forward compatibility",
            "LD_LIBRARY_PATH",
        ),
        (
            999,
            "driver does not answer",
            "unknown error",
            "nvidia-smi and dmesg",
        ),
    ] {
        let gpu = gpu.with("NULLGPU_FAIL", &format!("cudaGetDeviceCount={code}"));
        let error = error_line(&mut gpu.command("--device cuda"), 1);
        for part in [
            what,
            words,
            hint,
            &format!("CUDA error {code}: "),
            "Devices here: cpu\n",
        ] {
            assert!(error.contains(part), "{part}: {error}");
        }
        let devices = gpu.printed("devices");
        assert!(
            devices.contains("usable      cpu\n") && devices.contains(words),
            "{devices}"
        );
    }
}

#[test]
fn what_is_in_the_way_of_a_gpu_is_named_before_it_is_tried() {
    let Some(gpu) = NullGpu::new() else { return };
    for (device, variables, cause) in [
        ("cuda:9", "", "there is no GPU 9: the only one is cuda:0. "),
        (
            "cuda:9",
            "CUDA_VISIBLE_DEVICES=GPU-1",
            "is set to 'GPU-1': unset it to see all",
        ),
        (
            "cuda:9",
            "CUDA_VISIBLE_DEVICES=0 SLURM_JOB_ID=7",
            "Slurm sets it to the job's GPUs",
        ),
        (
            "cuda",
            "NULLGPU_FAIL=cudaDriverGetVersion=35",
            "there is no NVIDIA driver here",
        ),
        (
            "cuda",
            "LD_LIBRARY_PATH=/nowhere",
            "CUDA libraries are missing (lib",
        ),
        ("cuda", "NULLGPU_EARLY=1", "find the device before all else"),
    ] {
        let variables = variables.split_whitespace();
        let gpu = variables.fold(gpu.clone(), |gpu, variable| {
            let (name, value) = variable.split_once('=').unwrap();
            gpu.with(name, value)
        });
        let error = error_line(&mut gpu.command(&format!("--device {device}")), 1);
        assert!(error.contains(cause), "{cause}: {error}");
    }
}

#[test]
fn a_gpu_that_does_not_work_is_refused_and_auto_goes_on_to_the_cpu_with_the_reason() {
    let Some(gpu) = NullGpu::new() else { return };
    for (name, value, cause) in [
        (
            "NULLGPU_MEMORY",
            "20",
            "the GPU's memory is full: see in nvidia-smi",
        ),
        (
            "NULLGPU_LOSS",
            "",
            "its counts do not add up to 10 test images",
        ),
        (
            "NULLGPU_LOSS",
            "1.5",
            "it gives wrong numbers: a loss of 1.5 where the CPU has",
        ),
        ("NULLGPU_LOSS", "-1", "the loss is -1"),
        ("NULLGPU_FAIL", "cublasCreate_v2=1", "cuBLAS does not start"),
        (
            "NULLGPU_FAIL",
            "cublasLtMatmul=14,cublasSgemm_v2=14",
            "libtorch: CUDA error: CUBLAS",
        ),
        ("NULLGPU_FAIL", "cudnnCreate=1", "cuDNN does not work"),
        ("NULLGPU_FAIL", "plan=3000", "cuDNN does not work"),
        (
            "NULLGPU_FAIL",
            "cudaLaunchKernel=209",
            "7.5 on (8.0 on arm64), and for nothing newer",
        ),
    ] {
        let gpu = gpu.with(name, value);
        let error = error_line(&mut gpu.command("--device cuda"), 1);
        let start = format!("error: --device cuda: cuda:0 ({NAME}) does not work: ");
        let start = start.replace("81920", if value == "20" { "20" } else { "81920" });
        assert!(error.starts_with(&start), "{error}");
        assert!(
            error.contains(cause) && error.ends_with(". Devices here: cpu\n"),
            "{error}"
        );
    }
    let gpu = gpu.with("NULLGPU_FAIL", "cublasCreate_v2=1");
    let line = SHORT.replace("--device cuda -q", "--device auto");
    let run = gpu.command(&line).assert().success();
    let said = String::from_utf8(run.get_output().stderr.clone()).unwrap();
    let (note, progress) = said.split_once('\n').unwrap();
    let start = format!("note: using the CPU: cuda:0 ({NAME}) does not work: step 1");
    assert!(note.starts_with(&start), "{said}");
    assert!(progress.starts_with("epoch 1/2"), "{said}");
    assert!(gpu.run_file("summary.json").contains(r#""device": "cpu""#));
}

#[test]
fn each_library_failing_at_each_call_ends_in_one_line() {
    let Some(gpu) = NullGpu::new() else { return };
    let (report, _) = gpu.report(SHORT);
    let is_call = Regex::new(r"^(cu\w+|plan)$").unwrap();
    let calls = report.iter().filter(|(name, _)| is_call.is_match(name));
    // At the first call, and in the middle of the run.
    let cases = calls.flat_map(|(name, count)| [(name, 1), (name, count / 2 + 1)]);
    let mut cases: Vec<(String, u64)> = cases.map(|(name, call)| (name.clone(), call)).collect();
    // A GPU that has died fails at everything from then on.
    let total: u64 = report
        .iter()
        .map(|(name, count)| if is_call.is_match(name) { *count } else { 0 })
        .sum();
    cases.extend((1..12).map(|part| ("all".to_owned(), total * part / 12)));
    cases.dedup();
    assert!(cases.len() > 80, "{}", cases.len());
    let cases = Mutex::new(cases.into_iter().enumerate());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().unwrap().get() {
            scope.spawn(|| {
                while let Some((number, (name, call))) = { cases.lock().unwrap().next() } {
                    let failing = gpu.with("NULLGPU_FAIL", &format!("{name}=3@{call}"));
                    let line = SHORT.replace("--out run", &format!("--out run-{number}"));
                    let output = failing.command(&line).output().unwrap();
                    let text = String::from_utf8(output.stderr).unwrap();
                    let status = output.status.code();
                    // libtorch can do without some calls.
                    let is_fine = status == Some(0) && text.is_empty();
                    let is_refused = status == Some(1)
                        && text.starts_with("error: ")
                        && text.lines().count() == 1
                        && !text.contains("mnist-tch, please report");
                    assert!(
                        is_fine || is_refused,
                        "{name}, call {call}: {status:?}: {text}"
                    );
                }
            });
        }
    });
}

#[test]
fn a_gpu_that_fails_on_the_way_leaves_a_run_that_can_go_on() {
    let Some(gpu) = NullGpu::new() else { return };
    let failing = gpu.with("NULLGPU_FAIL", "cudaStreamSynchronize=719@60");
    let error = error_line(&mut failing.command(&format!("{JOB} --epochs 20")), 1);
    assert!(error.contains("unspecified launch failure"), "{error}");
    printed(gpu.folder(), "--resume run --device cpu -q --epochs 20");
    assert!(fs::exists(gpu.folder().join("run/summary.json")).unwrap());
}
