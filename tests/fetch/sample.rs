//! Made-up files, and a fetch of them.

use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use md5::Md5;
use mnist_tch::data::catalog::{Digest, PublishedFile};
use mnist_tch::data::fetch::{self, Event, Mirror, Patience};
use sha2::Sha256;

use super::server::{Request, Server, answer, serve};

/// Bytes of content; about as many compressed, because it looks random.
pub const SIZE: usize = 200_000;

/// The content of the file `name`.
pub fn content(name: &str) -> Vec<u8> {
    let mut state = name.bytes().fold(1_u32, |state, byte| {
        state.wrapping_mul(31).wrapping_add(byte.into())
    });
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(SIZE).collect()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn hex(digest: &[u8]) -> &'static str {
    let mut text = String::new();
    for byte in digest {
        write!(text, "{byte:02x}").unwrap();
    }
    text.leak()
}

/// Two files: one known by the digest of its content, one by that of its `.gz`.
pub static FILES: LazyLock<[PublishedFile; 2]> = LazyLock::new(|| {
    use sha2::Digest as _;
    let file = |name, digest| PublishedFile {
        name,
        size: SIZE as u64,
        digest,
    };
    let md5 = Md5::digest(gzip(&content("labels")));
    [
        file(
            "images",
            Digest::ContentSha256(hex(&Sha256::digest(content("images")))),
        ),
        file("labels", Digest::FileMd5(hex(&md5))),
    ]
});

/// The `.gz` file that a request is about.
pub fn wanted(request: &Request) -> Vec<u8> {
    let name = request.line.rsplit('/').next().unwrap();
    gzip(&content(name.strip_suffix(".gz").unwrap()))
}

/// Everything at once.
pub const FAST: (usize, Duration) = (usize::MAX, Duration::ZERO);

/// A server as it should be.
pub fn good() -> Server {
    Server::start(|_, request, stream| serve(request, stream, &wanted(request), SIZE * 2, FAST))
}

/// A server that answers every request with this.
pub fn saying(status: &'static str, body: &[u8]) -> Server {
    let body = body.to_vec();
    Server::start(move |_, _, stream| answer(stream, status, &body))
}

/// Long enough for a busy machine.
pub const PATIENT: Patience = Patience {
    connect: Duration::from_secs(20),
    stall: Duration::from_secs(20),
    slowest: 1_000,
};

/// For servers whose slowness is the point.
pub const IMPATIENT: Patience = Patience {
    connect: Duration::from_millis(500),
    stall: Duration::from_millis(500),
    slowest: 1_000,
};

/// A fetch into `folder`: what came of it, and what was reported.
pub fn fetch_with(
    servers: &[&Server],
    folder: &Path,
    files: &[PublishedFile],
    patience: Patience,
    replace: bool,
) -> (Result<usize, String>, Vec<String>) {
    let mirrors: Vec<Mirror> = servers.iter().map(|server| server.mirror()).collect();
    let mut events = Vec::new();
    let request = fetch::Request {
        files,
        mirrors: &mirrors,
        folder,
        replace,
        patience,
    };
    let outcome = fetch::fetch(&request, &mut |event| {
        if !matches!(event, Event::Received { .. }) {
            events.push(format!("{event:?}"));
        }
    });
    (outcome.map_err(|error| format!("{error:#}")), events)
}

/// Both files, patiently.
pub fn fetch(servers: &[&Server], folder: &Path) -> Result<usize, String> {
    fetch_with(servers, folder, &*FILES, PATIENT, true).0
}

/// The names of everything in `folder`, in order.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Both files are there and right, and nothing else but the lock.
pub fn assert_complete(folder: &Path) {
    assert_eq!(names(folder), [".mnist-tch.lock", "images.gz", "labels.gz"]);
    assert_no_wrong_file(folder);
}

/// No file stands under its final name that is not right.
pub fn assert_no_wrong_file(folder: &Path) {
    for file in &*FILES {
        if let Ok(bytes) = fs::read(folder.join(file.gz_name())) {
            assert!(bytes == gzip(&content(file.name)), "{}", file.name);
        }
    }
}
