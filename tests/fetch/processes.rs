//! Several processes at once, and processes that are killed.

use std::env;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::tempdir;

use super::sample::{
    FILES, PATIENT, SIZE, assert_complete, assert_no_wrong_file, fetch, fetch_with, wanted,
};
use super::server::{Server, serve};

const FROM: &str = "MNIST_TCH_TEST_FROM";
const TO: &str = "MNIST_TCH_TEST_TO";

/// Not a test of its own: what the processes of the other tests do.
#[test]
fn child() {
    if let (Some(from), Some(to)) = (env::var_os(FROM), env::var_os(TO)) {
        let mut server = super::sample::saying("200 OK", b"");
        server.address = from.to_str().unwrap().parse().unwrap();
        let (outcome, events) = fetch_with(&[&server], Path::new(&to), &*FILES, PATIENT, true);
        writeln!(io::stdout(), "{events:?}").unwrap();
        outcome.unwrap();
    }
}

/// This very program, fetching in a process of its own.
fn spawn(server: &Server, folder: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "processes::child", "--nocapture"])
        .env(FROM, server.address.to_string())
        .env(TO, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// A server that takes about two seconds for a file.
fn slow() -> Server {
    let piece = (SIZE / 40, Duration::from_millis(50));
    Server::start(move |_, request, stream| {
        serve(request, stream, &wanted(request), SIZE * 2, piece)
    })
}

#[test]
fn of_two_processes_at_once_one_fetches_and_the_other_finds_the_files() {
    let server = slow();
    let folder = tempdir().unwrap();
    let children = [(); 2].map(|()| spawn(&server, folder.path()));
    let texts = children.map(|child| {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    });
    assert_complete(folder.path());
    assert_eq!(server.requests().len(), 2, "each file is asked for once");
    let waited = texts.iter().filter(|text| text.contains("Waiting"));
    assert_eq!(waited.count(), 1, "{texts:?}");
}

#[test]
fn a_process_that_is_killed_leaves_no_wrong_file_and_its_bytes_to_the_next() {
    let server = slow();
    let folder = tempdir().unwrap();
    let partial = folder.path().join(".images.gz.partial");
    let length = || partial.metadata().map_or(0, |data| data.len());
    for _ in 0..3 {
        let before = length();
        let mut child = spawn(&server, folder.path());
        let begun = Instant::now();
        while length() <= before {
            assert!(begun.elapsed() < Duration::from_secs(60), "nothing comes");
            thread::sleep(Duration::from_millis(10));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!folder.path().join("images.gz").exists());
        assert_no_wrong_file(folder.path());
    }
    assert_eq!(fetch(&[&server], folder.path()), Ok(2));
    assert_complete(folder.path());
    let requests = server.requests();
    assert_eq!(requests.len(), 5, "{requests:?}");
    let firsts: Vec<_> = requests[..4].iter().map(|request| request.range).collect();
    assert!(firsts.is_sorted() && firsts[3] > Some(0), "{firsts:?}");
}
