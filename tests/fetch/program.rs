//! The program as people and scripts meet it.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::*;
use tempfile::tempdir;

use super::common::{error_line, mnist_tch};
use super::sample::{good, names, saying};
use super::server::Server;

/// The program with a cache of its own, and no mirror or proxy that this machine may have.
fn program(folder: &Path, line: &str) -> Command {
    let mut command = mnist_tch(folder, line);
    command.env("XDG_CACHE_HOME", folder.join("cache"));
    for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command.env_remove("MNIST_TCH_MIRROR");
    command
}

#[test]
fn a_mirror_without_the_file_is_one_line_and_status_1() {
    let folder = tempdir().unwrap();
    let mirror = saying("404 Not Found", b"").mirror();
    let page = saying("200 OK", b"<html>").mirror();
    for line in [
        format!("fetch mnist --quiet --mirror {mirror}"),
        format!("fetch mnist --quiet --mirror {page} --mirror {mirror}"),
        format!("--dataset mnist --quiet --mirror {mirror}"),
        format!("--dataset kmnist --data-dir here --quiet --mirror {mirror}"),
    ] {
        let error = error_line(&mut program(folder.path(), &line), 1);
        let file = "cannot fetch train-images-idx3-ubyte.gz";
        assert!(
            error.contains(file) && error.contains("HTTP 404"),
            "{error}"
        );
        assert!(error.contains("another --mirror"), "{error}");
    }
    let cache = folder.path().join("cache/mnist-tch/mnist");
    assert_eq!(names(&cache), [".mnist-tch.lock"]);
    assert!(!folder.path().join("runs").exists(), "nothing was run");
}

#[test]
fn wrong_content_never_gets_into_the_cache() {
    let folder = tempdir().unwrap();
    // Of another set: good gzip files, but not MNIST's.
    let server = Server::start(|_, _, stream| {
        super::server::answer(stream, "200 OK", &super::sample::gzip(b"other"))
    });
    let line = format!("fetch mnist --quiet --mirror {}", server.mirror());
    let error = error_line(&mut program(folder.path(), &line), 1);
    assert!(
        error.contains("has 5 bytes; 47040016 are expected"),
        "{error}"
    );
    let cache = folder.path().join("cache/mnist-tch/mnist");
    assert_eq!(names(&cache), [".mnist-tch.lock"]);
}

#[test]
fn the_variable_names_mirrors_and_the_option_comes_before_it() {
    let folder = tempdir().unwrap();
    let (one, two, three) = (good(), good(), saying("404 Not Found", b""));
    let mirrors = format!("{} {}", one.mirror(), two.mirror());
    let mut command = program(folder.path(), "fetch mnist");
    // What these servers have under that name is not MNIST: both are tried.
    let output = command.env("MNIST_TCH_MIRROR", &mirrors).assert().code(1);
    let text = String::from_utf8(output.get_output().stderr.clone()).unwrap();
    assert!(text.contains("; trying the next mirror\n"), "{text}");
    assert_eq!((one.requests().len(), two.requests().len()), (1, 1));

    let line = format!("fetch mnist --mirror {}", three.mirror());
    let mut command = program(folder.path(), &line);
    command.env("MNIST_TCH_MIRROR", &mirrors).assert().code(1);
    assert_eq!((one.requests().len(), three.requests().len()), (1, 1));
    // A variable that is set to nothing is as good as none.
    let mut command = program(folder.path(), "fetch mnist-10k");
    command.env("MNIST_TCH_MIRROR", "").assert().success();
}

#[test]
fn a_proxy_is_asked_and_this_machine_is_not_behind_it() {
    let folder = tempdir().unwrap();
    let proxy = saying("403 Forbidden", b"");
    let address = format!("http://{}", proxy.address);
    let line = "fetch mnist --quiet --mirror http://mirror.invalid/mnist";
    let mut command = program(folder.path(), line);
    let error = error_line(command.env("HTTP_PROXY", &address), 1);
    assert!(error.contains("proxy"), "{error}");
    assert_eq!(proxy.requests()[0].line, "CONNECT mirror.invalid:80");

    let server = saying("404 Not Found", b"");
    let line = format!("fetch mnist --quiet --mirror {}", server.mirror());
    let mut command = program(folder.path(), &line);
    let error = error_line(command.env("HTTP_PROXY", &address), 1);
    assert!(error.contains("HTTP 404"), "{error}");
    assert_eq!(proxy.requests().len(), 1);
}

#[test]
fn torchvisions_folder_is_found_and_the_users_files_stay_as_they_are() {
    let folder = tempdir().unwrap();
    let raw = folder.path().join("MNIST/raw");
    fs::create_dir_all(&raw).unwrap();
    fs::write(raw.join("train-images-idx3-ubyte"), "mine").unwrap();
    let line = "fetch mnist --data-dir . --mirror http://127.0.0.1:1";
    let error = error_line(&mut program(folder.path(), line), 1);
    let file = "MNIST/raw/train-images-idx3-ubyte is not the published file";
    assert!(error.contains(file), "{error}");
    assert!(error.contains("the content has 4 bytes"), "{error}");
    assert_eq!(names(&raw), ["train-images-idx3-ubyte"]);
}

#[test]
fn the_embedded_images_need_no_fetching_and_no_folder() {
    let folder = tempdir().unwrap();
    let output = program(folder.path(), "fetch mnist-10k").assert().success();
    output.stdout(predicate::str::contains("part of the program"));
    fs::create_dir(folder.path().join("mine")).unwrap();
    let line = "--dataset mnist-10k --data-dir mine --device cpu";
    let error = error_line(&mut program(folder.path(), line), 1);
    assert!(error.contains("--data-dir"), "{error}");
    let line = format!("{} --quiet --dataset mnist-10k", super::common::SMALL);
    program(folder.path(), &line).assert().success();
    assert!(!folder.path().join("cache").exists());
}

#[test]
fn wrong_usage_is_status_2_and_names_the_option() {
    let folder = tempdir().unwrap();
    for (line, part) in [
        ("fetch", "<DATASET>"),
        ("fetch cifar", "[possible values: mnist-10k, mnist,"),
        ("fetch mnist --mirror mnist.org", "--mirror"),
        ("fetch mnist --mirror ftp://example.org", "--mirror"),
        ("--dataset cifar", "--dataset"),
    ] {
        let output = program(folder.path(), line).assert().code(2);
        output.stderr(predicate::str::contains(part)).stdout("");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
