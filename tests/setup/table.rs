//! What is done in a project, and what has to come of it, as the lines of a table.

use crate::project::{LOG, Project, check, holds, list, pinned};

/// Does what each line of a table says, on a machine of its own or, after `then`, on that of the
/// line before it. A line has lists in three columns:
///
/// - what is done: set-up is called, or `scripts/...` or `.ci/run`, with these `--options`, this
///   `NAME=VALUE` in the environment, after programs have come (`with NAME`) or gone (`without
///   NAME`) and files were written (`file NAME=TEXT`); @/ is the folder around the project, in
///   which `own` is a libtorch and `elsewhere` is empty;
/// - what stderr has to hold: the end is well, but for `error: ` or `exit STATUS`;
/// - what the stubs have to be called with, and `kept NAME` for files that were written.
pub fn play(table: &str) {
    let (mut project, mut written) = (Project::new(), Vec::new());
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        println!("{line}");
        if !line.starts_with("then ") {
            (project, written) = (Project::new(), Vec::new());
        }
        let line = line
            .trim_start_matches("then ")
            .replace("@VERSION", &pinned("LIBTORCH_VERSION"))
            .replace("@RUNTIME", &pinned("CUDA_RUNTIME_VERSION"))
            .replace("@CUPTI", &pinned("CUDA_CUPTI_VERSION"))
            .replace("@/", &format!("{}/", project.0.path().display()));
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        let (mut command, mut settings) = ("scripts/setup.sh".to_owned(), Vec::new());
        for word in list(columns[0]) {
            match word.split_once(' ') {
                Some(("without", program)) => project.remove(program),
                Some(("with", program)) => project.add(program),
                Some(("file", file)) => {
                    let (name, text) = file.split_once('=').unwrap();
                    project.write(name, text);
                    written.push(name.to_owned());
                }
                _ if word.starts_with("--") => command = format!("{command} {word}"),
                _ if word.starts_with(['s', '.']) => word.clone_into(&mut command),
                _ => settings.push(word),
            }
        }
        let (set, before) = (project.installed(), project.read(LOG).len());
        let output = project.command(&command, &settings.join(" ; ")).output();
        let output = output.unwrap();
        let said = check(&output, columns[1]);
        let mut log = project.read(LOG).split_off(before).replace('\t', " ");
        let kept = written.iter().filter(|name| project.path(name).exists());
        log.extend(kept.map(|name| format!("kept {name}\n")));
        holds(&log, columns.get(2).unwrap_or(&""));

        // Of every line: stdout is the program's; nothing is left half done; what was installed is
        // on the disk before it is called ready.
        assert!(output.stdout.is_empty() || log.contains("program "));
        assert!(!project.path("libtorch.partial").exists());
        let (installs, is_ready) = (log.contains(" install "), said.contains("is ready"));
        assert_eq!(installs, said.contains("fetching"), "{log}");
        assert_eq!(installs && is_ready, log.contains("sync "), "{log}");
        if is_ready {
            let set = project.installed().unwrap();
            assert!(said.contains(&format!("({set}) is ready")), "{said}");
        } else {
            assert_eq!(project.installed(), set);
        }
    }
}
