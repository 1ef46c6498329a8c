//! Downloads from servers on loopback, well-behaved or not, end with the right files or one clear
//! line.

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

use super::super::files::Digest;
use super::*;
use crate::data::hex;

#[path = "../../../tests/common/server.rs"]
mod server;

use server::{Server, answer, head};

/// Size of the content, which is random and hardly shrinks when compressed.
const SIZE: usize = 200_000;

/// The content of the file `name`.
fn content(name: &str) -> Vec<u8> {
    let mut bytes = vec![0; SIZE];
    ChaCha8Rng::seed_from_u64(name.len() as u64).fill_bytes(&mut bytes);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    compress(bytes, Compression::fast())
}

fn compress(bytes: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The `.gz` file at an address.
fn served(path: &str) -> Vec<u8> {
    let name = path.rsplit('/').next().unwrap();
    gzip(&content(name.strip_suffix(".gz").unwrap()))
}

/// Two files: the first has a digest of its content, the second one of its `.gz`.
static FILES: LazyLock<[PublishedFile; 2]> = LazyLock::new(|| {
    let sha256 = hex(Sha256::digest(content("pictures"))).leak();
    let md5 = hex(Md5::digest(served("labels.gz"))).leak();
    let size = SIZE as u64;
    let file = |name, digest| PublishedFile { name, size, digest };
    [
        file("pictures", Digest::ContentSha256(sha256)),
        file("labels", Digest::FileMd5(md5)),
    ]
});

/// A server that provides both files.
fn good() -> Server {
    Server::start(|path, stream| answer(stream, "200 OK", &served(path)))
}

/// Downloads into `folder`; returns the outcome and what was reported.
fn fetch_files(
    servers: &[&Server],
    folder: &Path,
    files: &[PublishedFile],
    replace: bool,
) -> (Result<usize, String>, String) {
    let mirrors: Vec<String> = servers.iter().map(|server| server.mirror()).collect();
    let mut events = String::new();
    let mut report = |event: Event| {
        let _ = match event {
            Event::Waiting(_) => writeln!(events, "waiting"),
            Event::Retrying {
                mirror,
                reason,
                next,
            } => writeln!(events, "{mirror}: {reason}; {next}"),
            _ => Ok(()),
        };
    };
    let download = Download {
        files,
        mirrors: &mirrors,
        folder,
        replace,
        report: &mut report,
    };
    let outcome = download.run().map_err(|error| format!("{error:#}"));
    (outcome, events)
}

/// Downloads both files into the program's own cache.
fn fetch_both(servers: &[&Server], folder: &Path) -> Result<usize, String> {
    fetch_files(servers, folder, &*FILES, true).0
}

/// The sorted names of all files in `folder`.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// Checks that the folder holds these files, correct, and nothing else but the lock.
fn assert_holds(folder: &Path, files: &[&str]) {
    assert_eq!(names(folder), [&[LOCK], files].concat());
    for name in files {
        let bytes = fs::read(folder.join(name)).unwrap();
        assert!(bytes == served(name), "{name}");
    }
}

const BOTH: [&str; 2] = ["labels.gz", "pictures.gz"];

/// Alone, `bad` causes one line with `part` in it and no file; before a good mirror it does no harm.
fn check_bad(bad: &Server, part: &str) {
    let folder = tempdir().unwrap();
    let (outcome, _) = fetch_files(&[bad], folder.path(), &FILES[..1], true);
    let error = outcome.unwrap_err();
    assert!(error.contains(part), "{part}: {error}");
    let start = format!("cannot fetch pictures.gz: {}: ", bad.mirror());
    assert!(error.starts_with(&start), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert_holds(folder.path(), &[]);
    let (outcome, events) = fetch_files(&[bad, &good()], folder.path(), &FILES[..1], true);
    assert_eq!(outcome, Ok(1), "{part}");
    assert!(events.starts_with(&bad.mirror()), "{events}");
    assert!(events.contains(part), "{events}");
    assert_holds(folder.path(), &["pictures.gz"]);
}

#[test]
fn error_statuses_and_what_is_not_gzip() {
    for (status, body, part) in [
        ("404 Not Found", &b"<html>"[..], "HTTP 404 Not Found"),
        ("500 Internal Server Error", b"", "HTTP 500"),
        ("204 No Content", b"", "HTTP 204"),
        ("200 OK", b"\n<!DOCTYPE html>", "a web page and not"),
        ("200 OK", b"sorry", "not a gzip file: it starts with sorry"),
        ("200 OK", b"", "it is empty"),
        // Some servers decompress the file.
        ("200 OK", &[0, 0, 8, 3], r"starts with \x00\x00\x08\x03"),
    ] {
        check_bad(&Server::saying(status, body), part);
    }
}

#[test]
fn wrong_content() {
    let right = served("pictures.gz");
    let mut broken = right.clone();
    broken[1_000] ^= 0xff;
    let short = gzip(&content("pictures")[..SIZE - 1]);
    let [few, many] = ["has 199999 bytes, not 200000", "has more than 200000 bytes"];
    for (body, part) in [
        (gzip(&content("other")), "the content's SHA-256 is"),
        (short, few),
        (broken, "broken after"),
        (right[..SIZE / 2].to_vec(), "broken after"),
        ([right, vec![0; 100]].concat(), "broken after 200000 bytes"),
        // Bombs are decompressed and received only up to the expected size.
        (gzip(&vec![0; 30 << 20]), many),
    ] {
        check_bad(&Server::saying("200 OK", &body), part);
    }
    let endless = Server::start(|_, stream| {
        head(stream, "200 OK", "")?;
        loop {
            stream.write_all(&gzip(b""))?;
        }
    });
    check_bad(&endless, "more than 201224 bytes");
}

/// Sends the header of the whole file, then `share` bytes of it.
fn begin(path: &str, stream: &mut TcpStream, share: usize) -> io::Result<()> {
    let file = served(path);
    let length = format!("Content-Length: {}\r\n", file.len());
    head(stream, "200 OK", &length)?;
    stream.write_all(&file[..share])
}

#[test]
fn connections_that_break_off_stay_silent_drip_or_speak_no_http() {
    let silent = Server::start(|path, stream| {
        begin(path, stream, SIZE / 2)?;
        thread::sleep(FILE_TIMEOUT);
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
    // In parallel: most of the time is spent waiting.
    thread::scope(|scope| {
        for (server, part) in [
            (Server::start(|_, _| Ok(())), "closed before the end"),
            (half, "closed before the end"),
            (silent, "no answer for 1 s"),
            (drip, "too slow"),
            (other, "HTTP version"),
            (nobody, "refused"),
        ] {
            scope.spawn(move || check_bad(&server, part));
        }
    });
}

#[test]
fn redirects_are_followed_up_to_a_limit_and_only_on_the_web() {
    let to = |address: String| {
        Server::start(move |path, stream| {
            let location = format!("Location: {address}{path}\r\nContent-Length: 0\r\n");
            head(stream, "302 Found", &location)
        })
    };
    check_bad(&to(String::new()), "more than 5 redirects");
    check_bad(
        &to("ftp://127.0.0.1".to_owned()),
        "an address that cannot be used: unknown scheme",
    );
    check_bad(&to("http://\u{1b}[31m".to_owned()), "header");
    let folder = tempdir().unwrap();
    let good = good();
    let server = to(format!("http://{}", good.address));
    assert_eq!(fetch_both(&[&server], folder.path()), Ok(2));
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
    let servers = [&without, &busy];
    let (outcome, events) = fetch_files(&servers, folder.path(), &FILES[..1], true);
    assert_eq!(outcome, Ok(1), "{events}");
    assert_eq!((without.requests().len(), busy.requests().len()), (1, 3));
    let last = events.lines().last().unwrap();
    let again = format!("closed before the end; {}", busy.mirror());
    assert!(last.ends_with(&again), "{events}");
    assert_holds(folder.path(), &["pictures.gz"]);
}

#[test]
fn an_md5_of_the_published_file_admits_no_other_compression_and_a_digest_of_the_content_does() {
    let server = Server::start(|path, stream| {
        let name = path.rsplit(['/', '.']).nth(1).unwrap();
        let stored = compress(&content(name), Compression::none());
        answer(stream, "200 OK", &stored)
    });
    let folder = tempdir().unwrap();
    let error = fetch_both(&[&server], folder.path()).unwrap_err();
    assert!(error.contains("recompressed: its MD5 is"), "{error}");
    assert_eq!(names(folder.path()), [LOCK, "pictures.gz"]);
}

#[test]
fn what_is_there_and_right_is_not_asked_for_again() {
    let server = good();
    let folder = tempdir().unwrap();
    let inner = folder.path().join("a/b");
    assert_eq!(fetch_both(&[&server], &inner), Ok(2));
    assert_holds(&inner, &BOTH);
    assert_eq!(fetch_both(&[&server], &inner), Ok(0));
    fs::remove_file(inner.join("labels.gz")).unwrap();
    assert_eq!(fetch_both(&[&server], &inner), Ok(1));
    assert_eq!(server.requests()[2..], ["GET /set/labels.gz"]);
    // Raw files count too: there is no request, and nothing is written.
    fs::write(folder.path().join("pictures"), content("pictures")).unwrap();
    fs::write(folder.path().join("labels"), content("labels")).unwrap();
    assert_eq!(fetch_both(&[], folder.path()), Ok(0));
    assert_eq!(names(folder.path()), ["a", "labels", "pictures"]);
    // So does another spelling, raw or compressed.
    let name = "train-images-idx3-ubyte";
    let file = PublishedFile { name, ..FILES[0] };
    for bytes in [content("pictures"), served("pictures.gz")] {
        let end = if bytes.len() == SIZE { "" } else { ".gz" };
        let folder = tempdir().unwrap();
        let path = folder.path().join(format!("train-images.idx3-ubyte{end}"));
        fs::write(path, bytes).unwrap();
        assert_eq!(fetch_files(&[], folder.path(), &[file], false).0, Ok(0));
    }
}

#[test]
fn a_wrong_file_is_replaced_in_the_cache_only_and_never_if_it_is_raw() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("pictures.gz");
    fs::write(&path, gzip(b"mine")).unwrap();
    let server = good();
    let outcome = fetch_files(&[&server], folder.path(), &*FILES, false).0;
    let error = outcome.unwrap_err();
    let start = format!(
        "{} is not the published file: move it away to download it",
        path.display()
    );
    assert!(error.starts_with(&start), "{error}");
    assert!(error.contains("has 4 bytes"), "{error}");
    assert!(server.requests().is_empty());
    assert_eq!(names(folder.path()), ["pictures.gz"]);
    assert_eq!(fetch_both(&[&server], folder.path()), Ok(2));
    assert_holds(folder.path(), &BOTH);

    fs::write(folder.path().join("labels"), "mine").unwrap();
    let error = fetch_both(&[&server], folder.path()).unwrap_err();
    assert!(error.contains("labels is not the published"), "{error}");
    assert_eq!(fs::read(folder.path().join("labels")).unwrap(), b"mine");
}

#[test]
fn a_folder_that_cannot_be_created_or_written_is_not_blamed_on_mirrors() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    let server = good();
    for path in [file.clone(), file.join("inner")] {
        let error = fetch_both(&[&server], &path).unwrap_err();
        assert!(error.starts_with("cannot create the folder"), "{error}");
    }
    // A folder has the name of the file.
    fs::create_dir(folder.path().join("pictures.gz")).unwrap();
    let error = fetch_both(&[&server, &server], folder.path()).unwrap_err();
    let start = format!(
        "cannot write {}",
        folder.path().join("pictures.gz").display()
    );
    assert!(error.starts_with(&start), "{error}");
    assert_eq!(server.requests().len(), 1);
    assert_eq!(names(folder.path()), [LOCK, "file", "pictures.gz"]);
}

#[cfg(unix)]
#[test]
fn a_fetched_file_has_the_permissions_of_any_other() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempdir().unwrap();
    fetch_both(&[&good()], folder.path()).unwrap();
    let mode = |name: &str| {
        let data = fs::metadata(folder.path().join(name)).unwrap();
        data.permissions().mode() & 0o777
    };
    fs::write(folder.path().join("plain"), "").unwrap();
    assert_eq!(mode("pictures.gz"), mode("plain"));
}

#[test]
fn addresses_are_web_folders_and_loopback_is_recognized() {
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
    for set in crate::data::Published::ALL {
        for address in super::super::files::mirrors(set) {
            assert_eq!(mirror(address).unwrap(), address);
        }
    }
    let hosts = "localhost,127.1.2.3,[::1],localhost.example.org,10.0.0.1,[::2]";
    for (index, host) in hosts.split(',').enumerate() {
        let is_here = is_loopback(&format!("http://{host}:80/mnist"));
        assert_eq!(is_here, index < 3, "{host}");
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
    // The lock belongs to the open file, so two threads behave like two processes.
    let [one, two] = thread::scope(|scope| {
        let fetch = || fetch_files(&[&server], folder.path(), &*FILES, true);
        [(); 2]
            .map(|()| scope.spawn(fetch))
            .map(|it| it.join().unwrap())
    });
    assert_holds(folder.path(), &BOTH);
    assert_eq!(server.requests().len(), 2, "each file is asked for once");
    let mut both = [one, two];
    both.sort();
    let [other, first] = [(Ok(0), "waiting\n".to_owned()), (Ok(2), String::new())];
    assert_eq!(both, [other, first]);
}

#[test]
fn what_a_killed_process_left_half_written_is_removed() {
    let folder = tempdir().unwrap();
    let leftover = folder.path().join(".mnist-tch-killed");
    for server in [&good(), &Server::saying("404 Not Found", b"")] {
        fs::write(&leftover, "half").unwrap();
        fetch_both(&[server], folder.path()).unwrap();
        assert_holds(folder.path(), &BOTH);
    }
}
