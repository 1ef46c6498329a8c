//! Fetching from servers on loopback, well-behaved or not: in the end there are right files, or one
//! clear line.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use md5::Md5;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest as _, Sha256};
use tempfile::tempdir;

use super::*;
use crate::data::hex;
use crate::data::published::Digest;

#[path = "../../../tests/common/server.rs"]
mod server;

use server::{Server, answer, head};

/// Bytes of content; about as many compressed, because it looks random.
const SIZE: usize = 200_000;

/// The content of the file `name`.
fn content(name: &str) -> Vec<u8> {
    let mut bytes = vec![0; SIZE];
    ChaCha8Rng::seed_from_u64(name.as_bytes()[0].into()).fill_bytes(&mut bytes);
    bytes
}

fn gzip(bytes: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    gzip(bytes, Compression::fast())
}

/// The `.gz` file that stands behind an address.
fn served(path: &str) -> Vec<u8> {
    let name = path.rsplit('/').next().unwrap();
    packed(&content(name.strip_suffix(".gz").unwrap()))
}

/// Two files: one known by the digest of its content, one by that of its `.gz`.
static FILES: LazyLock<[PublishedFile; 2]> = LazyLock::new(|| {
    let sha256 = hex(Sha256::digest(content("images-idx3"))).leak();
    let md5 = hex(Md5::digest(served("labels-idx1.gz"))).leak();
    let size = SIZE as u64;
    let file = |name, digest| PublishedFile { name, size, digest };
    [
        file("images-idx3", Digest::ContentSha256(sha256)),
        file("labels-idx1", Digest::FileMd5(md5)),
    ]
});

/// A server as it should be.
fn good() -> Server {
    Server::start(|path, stream| answer(stream, "200 OK", &served(path)))
}

/// A fetch of both into `folder`, what is there being replaced or not: what came of it, and what
/// was reported.
fn fetch(servers: &[&Server], folder: &Path, replace: bool) -> (Result<usize, String>, String) {
    let mirrors: Vec<String> = servers.iter().map(|server| server.mirror()).collect();
    let mut events = String::new();
    let mut report = |event: Event| {
        let _ = match event {
            Event::Waiting(_) => writeln!(events, "waiting"),
            Event::Next(mirror, why, next) => writeln!(events, "{mirror}: {why}; {next}"),
            _ => Ok(()),
        };
    };
    let download = Download {
        files: &*FILES,
        mirrors: &mirrors,
        folder,
        replace,
        report: &mut report,
    };
    let outcome = download.run().map_err(|error| format!("{error:#}"));
    (outcome, events)
}

/// The same into a folder of the program's own.
fn fetched(servers: &[&Server], folder: &Path) -> Result<usize, String> {
    fetch(servers, folder, true).0
}

/// The names of everything in `folder`, in order.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// These files are there and right, and nothing else but the lock.
fn assert_holds(folder: &Path, files: &[&str]) {
    assert_eq!(names(folder), [&[LOCK], files].concat());
    for name in files {
        let bytes = fs::read(folder.join(name)).unwrap();
        assert!(bytes == served(name), "{name}");
        // Those of any new file.
        let permissions = [name, LOCK].map(|name| folder.join(name).metadata().unwrap());
        let [its, any] = permissions.map(|data| data.permissions());
        assert_eq!(its, any);
    }
}

const BOTH: [&str; 2] = ["images-idx3.gz", "labels-idx1.gz"];

/// Alone, `bad` gives one line with `part` in it and no file; before a good mirror it does no harm.
fn check_bad(bad: &Server, part: &str) {
    let folder = tempdir().unwrap();
    let error = fetched(&[bad], folder.path()).unwrap_err();
    let start = format!("cannot fetch images-idx3.gz: {}: ", bad.mirror());
    assert!(error.starts_with(&start), "{error}");
    assert!(error.contains(part), "{part}: {error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert_holds(folder.path(), &[]);
    let (outcome, events) = fetch(&[bad, &good()], folder.path(), true);
    assert_eq!(outcome, Ok(2), "{part}");
    assert!(events.starts_with(&bad.mirror()), "{events}");
    assert!(events.contains(part), "{events}");
    assert_holds(folder.path(), &BOTH);
}

#[test]
fn answers_that_are_not_the_file() {
    let right = served("images-idx3.gz");
    let mut broken = right.clone();
    broken[1_000] ^= 0xff;
    let ok = "200 OK";
    for (status, body, part) in [
        ("404 Not Found", &b"<html>"[..], "HTTP 404 Not Found"),
        ("500 Internal Server Error", b"", "HTTP 500"),
        ("204 No Content", b"", "HTTP 204"),
        (ok, b"\n<!DOCTYPE html>", "a web page and not"),
        (ok, b"sorry", "not a gzip file: it starts with \"sorry\""),
        // Decompressed on the way, as some servers do.
        (ok, &[0, 0, 8, 3], r#"starts with "\x00\x00\x08\x03"#),
        (ok, &packed(&content("other")), "the content's SHA-256 is"),
        (ok, &packed(&content("images-idx3")[1..]), "199999 bytes of"),
        (ok, &broken, "broken after"),
        (ok, &right[..SIZE / 2], "broken after"),
        (ok, &[&right, &[0; 100][..]].concat(), "after 200000 bytes"),
        // Bombs are unpacked, and taken in, no further than what is expected.
        (ok, &packed(&vec![0; 30 << 20]), "200001 bytes of"),
    ] {
        check_bad(&Server::saying(status, body), part);
    }
    let endless = Server::start(|_, stream| {
        head(stream, ok, "")?;
        loop {
            stream.write_all(&packed(b""))?;
        }
    });
    check_bad(&endless, "limit: 201224");
}

/// Sends the header of the whole file, then `share` bytes of it.
fn begin(path: &str, stream: &mut TcpStream, share: usize) -> io::Result<()> {
    let file = served(path);
    head(
        stream,
        "200 OK",
        &format!("Content-Length: {}\r\n", file.len()),
    )?;
    stream.write_all(&file[..share])
}

#[test]
fn connections_that_break_off_stay_silent_drip_or_speak_no_http() {
    let silent = Server::start(|path, stream| {
        begin(path, stream, SIZE / 2)?;
        thread::sleep(WHOLE);
        Ok(())
    });
    let drip = Server::start(|path, stream| {
        begin(path, stream, SIZE / 2)?;
        loop {
            stream.write_all(&[0])?;
            thread::sleep(Duration::from_millis(50));
        }
    });
    let half = Server::start(|path, stream| begin(path, stream, SIZE / 2));
    let other = Server::start(|_, stream| stream.write_all(b"220 ftp ready\r\n\r\n"));
    let mut nobody = good();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    nobody.address = free.local_addr().unwrap();
    drop(free);
    for (server, part) in [
        (Server::start(|_, _| Ok(())), "disconnected"),
        (half, "disconnected"),
        (silent, "timeout"),
        (drip, "timeout: receive body"),
        (other, "HTTP version"),
        (nobody, "refused"),
    ] {
        check_bad(&server, part);
    }
}

#[test]
fn redirects_are_followed_but_not_for_ever() {
    let to = |address: String| {
        Server::start(move |path, stream| {
            let location = format!("Location: {address}{path}\r\nContent-Length: 0\r\n");
            head(stream, "302 Found", &location)
        })
    };
    check_bad(&to(String::new()), "redirects");
    let folder = tempdir().unwrap();
    let good = good();
    let server = to(format!("http://{}", good.address));
    assert_eq!(fetched(&[&server], folder.path()), Ok(2));
    assert_holds(folder.path(), &BOTH);
}

#[test]
fn a_server_that_was_only_busy_is_asked_again_and_no_other() {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let busy = Server::start(move |path, stream| {
        match count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => answer(stream, "503 Service Unavailable", b""),
            1 => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\x1f\x8b"),
            _ => answer(stream, "200 OK", &served(path)),
        }
    });
    let without = Server::saying("404 Not Found", b"");
    let folder = tempdir().unwrap();
    let (outcome, events) = fetch(&[&without, &busy], folder.path(), true);
    assert_eq!(outcome, Ok(2), "{events}");
    assert_eq!((without.requests().len(), busy.requests().len()), (2, 4));
    let again = format!("disconnected; {}\n", busy.mirror());
    assert!(events.contains(&again), "{events}");
    assert_holds(folder.path(), &BOTH);
}

#[test]
fn an_md5_of_the_published_file_admits_no_other_compression_and_a_digest_of_the_content_does() {
    let server = Server::start(|path, stream| {
        let name = path.rsplit(['/', '.']).nth(1).unwrap();
        let stored = gzip(&content(name), Compression::none());
        answer(stream, "200 OK", &stored)
    });
    let folder = tempdir().unwrap();
    let error = fetched(&[&server], folder.path()).unwrap_err();
    assert!(error.contains("compressed anew: its MD5 is"), "{error}");
    assert_eq!(names(folder.path()), [LOCK, "images-idx3.gz"]);
}

#[test]
fn what_is_there_and_right_is_not_asked_for_again() {
    let server = good();
    let folder = tempdir().unwrap();
    let inner = folder.path().join("a/b");
    assert_eq!(fetched(&[&server], &inner), Ok(2));
    assert_holds(&inner, &BOTH);
    assert_eq!(fetched(&[&server], &inner), Ok(0));
    fs::remove_file(inner.join("labels-idx1.gz")).unwrap();
    assert_eq!(fetched(&[&server], &inner), Ok(1));
    assert_eq!(server.requests()[2..], ["GET /set/labels-idx1.gz"]);
    // Raw files count too, and another spelling; nobody is asked, and nothing is written there.
    for [images, labels] in [
        ["images-idx3", "labels.idx1"],
        ["images.idx3.gz", "labels-idx1"],
    ] {
        let folder = tempdir().unwrap();
        let packed = images.ends_with("gz").then(|| served(BOTH[0]));
        let bytes = packed.unwrap_or_else(|| content("images-idx3"));
        fs::write(folder.path().join(images), bytes).unwrap();
        fs::write(folder.path().join(labels), content("labels-idx1")).unwrap();
        assert_eq!(fetch(&[], folder.path(), false).0, Ok(0));
        assert_eq!(names(folder.path()), [images, labels]);
    }
}

#[test]
fn a_wrong_file_is_replaced_in_the_cache_only_and_never_if_it_is_raw() {
    let folder = tempdir().unwrap();
    let [path, raw] = ["images-idx3.gz", "labels-idx1"].map(|name| folder.path().join(name));
    fs::write(&path, packed(b"mine")).unwrap();
    let server = good();
    let error = fetch(&[&server], folder.path(), false).0.unwrap_err();
    let start = format!("{} is not the published file; move it away", path.display());
    assert!(error.starts_with(&start), "{error}");
    assert!(error.contains("4 bytes of content"), "{error}");
    assert!(server.requests().is_empty());
    assert_eq!(names(folder.path()), ["images-idx3.gz"]);
    assert_eq!(fetched(&[&server], folder.path()), Ok(2));
    assert_holds(folder.path(), &BOTH);

    fs::write(&raw, "mine").unwrap();
    let error = fetched(&[&server], folder.path()).unwrap_err();
    assert!(
        error.contains("labels-idx1 is not the published"),
        "{error}"
    );
    assert_eq!(fs::read(raw).unwrap(), b"mine");
}

#[test]
fn a_folder_that_cannot_be_is_no_mirrors_fault() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    let server = good();
    let error = fetched(&[&server], &file.join("inner")).unwrap_err();
    assert!(error.starts_with("cannot make the folder"), "{error}");
    // A folder stands where the file is to go.
    fs::create_dir(folder.path().join("images-idx3.gz")).unwrap();
    let error = fetched(&[&server, &server], folder.path()).unwrap_err();
    assert!(error.starts_with("cannot write "), "{error}");
    assert_eq!(server.requests().len(), 1);
    assert_eq!(names(folder.path()), [LOCK, "file", "images-idx3.gz"]);
}

#[test]
fn addresses_are_folders_on_the_web_and_this_machine_is_recognised() {
    for text in ["https://example.org/mnist", "https://example.org/mnist//"] {
        assert_eq!(mirror(text).unwrap(), "https://example.org/mnist");
    }
    let wrong = ",mnist,example.org/mnist,ftp://example.org/mnist,file:///tmp/mnist,https:///mnist,\
                 https://user:secret@example.org/mnist,https://example.org/mnist?version=1,\
                 https://example.org/mnist#files,https://exa mple.org/mnist";
    for text in wrong.split(',') {
        let error = mirror(text).unwrap_err();
        assert!(error.contains("such as https://"), "{text}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
    let hosts = "localhost,127.1.2.3,[::1],localhost.example.org,10.0.0.1,[::2]";
    for (place, host) in hosts.split(',').enumerate() {
        let is_here = is_loopback(&format!("http://{host}:80/mnist"));
        assert_eq!(is_here, place < 3, "{host}");
    }
}

#[test]
fn of_two_at_once_one_fetches_and_the_other_finds_the_files() {
    let server = Server::start(|path, stream| {
        begin(path, stream, 0)?;
        for piece in served(path).chunks(SIZE / 20) {
            stream.write_all(piece)?;
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    });
    let folder = tempdir().unwrap();
    // The lock is that of an open file: two threads are as good as two processes.
    let mut both = thread::scope(|scope| {
        let start = |()| scope.spawn(|| fetch(&[&server], folder.path(), true));
        [(); 2].map(start).map(|it| it.join().unwrap())
    });
    assert_holds(folder.path(), &BOTH);
    assert_eq!(server.requests().len(), 2, "each file is asked for once");
    both.sort();
    let waiting = "waiting\n".to_owned();
    assert_eq!(both, [(Ok(0), waiting), (Ok(2), String::new())]);
}
