//! `mnist-tch fetch` and `--dataset` as a whole: an error is one line, and no user's file is lost.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
#[allow(dead_code, reason = "the tests of the library use the rest of it")]
#[path = "common/server.rs"]
mod server;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use assert_cmd::Command;
use common::{error_line, gzip, mnist_tch};
use predicates::prelude::*;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};
use server::{Server, head};
use tempfile::tempdir;

/// The program with its own cache, without this machine's mirror and proxy settings.
fn program(folder: &Path, line: &str) -> Command {
    let mut command = mnist_tch(folder, line);
    command.env("XDG_CACHE_HOME", folder.join("cache"));
    for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command.env_remove("MNIST_TCH_MIRROR");
    command
}

fn error(folder: &Path, line: &str) -> String {
    error_line(&mut program(folder, line), 1)
}

/// Number of files without the lock.
fn files_in(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().flatten();
    let files = entries.filter(|entry| entry.file_name() != ".mnist-tch.lock");
    files.count()
}

#[test]
fn a_mirror_without_the_right_file_is_one_line_and_status_1() {
    let folder = tempdir().unwrap();
    let missing = Server::saying("404 Not Found", b"").mirror();
    let page = Server::saying("200 OK", b"<html>").mirror();
    // A good gzip file, but not MNIST's.
    let other = Server::saying("200 OK", &gzip(b"other")).mirror();
    for line in [
        format!("fetch mnist --quiet --mirror {missing}"),
        format!("fetch mnist --quiet --mirror {page} --mirror {other} --mirror {missing}"),
        format!("--dataset mnist --quiet --mirror {missing}"),
        format!("--dataset kmnist --data-dir here --quiet --mirror {missing}"),
    ] {
        let error = error(folder.path(), &line);
        let file = "cannot fetch train-images-idx3-ubyte.gz";
        for part in [file, "HTTP 404", "another --mirror"] {
            assert!(error.contains(part), "{error}");
        }
        for part in ["web page", "has 5 bytes, not 47040016"] {
            assert_eq!(error.contains(part), line.contains(&other), "{error}");
        }
    }
    assert_eq!(files_in(&folder.path().join("cache/mnist-tch/mnist")), 0);
    assert_eq!(files_in(&folder.path().join("here")), 0);
    assert!(!folder.path().join("runs").exists(), "nothing was run");
}

#[test]
fn the_variable_names_mirrors_and_the_option_comes_before_it() {
    let folder = tempdir().unwrap();
    let [one, two, three] = [(); 3].map(|()| Server::saying("404 Not Found", b""));
    let mirrors = format!("{} {}", one.mirror(), two.mirror());
    let mut command = program(folder.path(), "fetch mnist");
    let output = command.env("MNIST_TCH_MIRROR", &mirrors).assert().code(1);
    let next = format!("HTTP 404 Not Found; trying {}\n", two.mirror());
    output.stderr(predicate::str::contains(next));
    assert_eq!((one.requests().len(), two.requests().len()), (1, 1));

    let line = format!("fetch mnist --mirror {}", three.mirror());
    let mut command = program(folder.path(), &line);
    command.env("MNIST_TCH_MIRROR", &mirrors).assert().code(1);
    assert_eq!((one.requests().len(), three.requests().len()), (1, 1));
    // An empty variable counts as none.
    let mut command = program(folder.path(), "fetch mnist-10k");
    command.env("MNIST_TCH_MIRROR", "").assert().success();
}

#[test]
fn a_mirror_that_is_no_web_address_is_refused_before_any_request() {
    let folder = tempdir().unwrap();
    let good = Server::saying("404 Not Found", b"");
    let line = format!(
        "fetch mnist --mirror {} --mirror example.org",
        good.mirror()
    );
    let error = error(folder.path(), &line);
    let part = "--mirror: expected the address of a folder, such as https://";
    assert!(error.contains(part), "{error}");
    assert!(good.requests().is_empty());
}

#[test]
fn a_proxy_is_asked_but_not_for_this_machine() {
    let folder = tempdir().unwrap();
    let proxy = Server::saying("403 Forbidden", b"");
    let address = format!("http://{}", proxy.address);
    let line = "fetch mnist --quiet --mirror http://mirror.invalid/mnist";
    let mut command = program(folder.path(), line);
    let error = error_line(command.env("HTTP_PROXY", &address), 1);
    let part = "the proxy refused CONNECT, many proxies allow it for https addresses only: ";
    assert!(error.contains(part) && error.contains("403"), "{error}");
    let asked = proxy.requests().len();
    assert_eq!(proxy.requests()[0], "CONNECT mirror.invalid:80");

    let server = Server::saying("404 Not Found", b"");
    let line = format!("fetch mnist --quiet --mirror {}", server.mirror());
    let mut command = program(folder.path(), &line);
    let error = error_line(command.env("HTTP_PROXY", &address), 1);
    assert!(error.contains("HTTP 404"), "{error}");
    assert_eq!(proxy.requests().len(), asked);
}

fn certificate(name: &str) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls");
    fixtures.join(name)
}

/// A server without files whose certificate is signed by a private authority.
fn private_server() -> SocketAddr {
    let chain = CertificateDer::from_pem_file(certificate("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(certificate("server.key")).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    let config = Arc::new(config.with_single_cert(vec![chain], key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let mut connection = ServerConnection::new(config.clone()).unwrap();
            let mut stream = Stream::new(&mut connection, &mut socket);
            let lines = BufReader::new(&mut stream).lines().map_while(Result::ok);
            // A client that does not trust the certificate leaves before the headers end.
            if lines.into_iter().any(|line| line.is_empty()) {
                let answer = b"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n";
                let _ = stream.write_all(answer);
            }
        }
    });
    address
}

#[test]
fn a_private_authority_is_trusted_if_ssl_cert_file_names_it() {
    let folder = tempdir().unwrap();
    let line = format!("fetch mnist --quiet --mirror https://{}", private_server());
    let error = |authority: &str| {
        let mut command = program(folder.path(), &line);
        error_line(command.env("SSL_CERT_FILE", certificate(authority)), 1)
    };
    let trusted = error("authority.pem");
    assert!(trusted.contains("HTTP 404"), "{trusted}");
    // With another file, the machine's own authorities do not count either.
    let other = error("README.md");
    for part in ["invalid peer certificate", "set SSL_CERT_FILE to its file"] {
        assert!(other.contains(part), "{other}");
    }
}

#[test]
fn a_killed_fetch_leaves_nothing_and_the_next_does_not_wait_for_it() {
    let folder = tempdir().unwrap();
    let server = Server::start(|_, stream| {
        head(stream, "200 OK", "Content-Length: 9000000\r\n")?;
        loop {
            stream.write_all(&[0x1f, 0x8b])?;
            thread::sleep(Duration::from_millis(5));
        }
    });
    let line = format!("fetch mnist --data-dir here --mirror {}", server.mirror());
    let is_asked = || !server.requests().is_empty();
    let mut child = common::start(folder.path(), &line, is_asked);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(files_in(&folder.path().join("here")), 0);
    let missing = Server::saying("404 Not Found", b"").mirror();
    let line = format!("fetch mnist --data-dir here --quiet --mirror {missing}");
    assert!(error(folder.path(), &line).contains("HTTP 404"));
}

#[test]
fn torchvisions_folder_is_found_and_the_users_files_stay_as_they_are() {
    let folder = tempdir().unwrap();
    let raw = folder.path().join("MNIST/raw");
    fs::create_dir_all(&raw).unwrap();
    let file = raw.join("train-images-idx3-ubyte");
    fs::write(&file, "mine").unwrap();
    let line = "fetch mnist --data-dir . --mirror http://127.0.0.1:1";
    let error = error(folder.path(), line);
    let shown = "MNIST/raw/train-images-idx3-ubyte is not the published file";
    assert!(error.contains(shown), "{error}");
    assert!(error.contains("the content has 4 bytes"), "{error}");
    assert_eq!(fs::read(file).unwrap(), b"mine");
    assert_eq!(fs::read_dir(&raw).unwrap().count(), 1);
}

#[test]
fn the_embedded_images_need_no_fetching_and_no_folder() {
    let folder = tempdir().unwrap();
    let output = program(folder.path(), "fetch mnist-10k").assert().success();
    output.stdout(predicate::str::contains("part of the program"));
    let line = "--dataset mnist-10k --data-dir mine --device cpu";
    let error = error(folder.path(), line);
    assert!(error.contains("--data-dir"), "{error}");
    assert!(!folder.path().join("cache").exists());
}
