//! Whether a file is what was published.

use std::fs::File;
use std::io::{self, Read, Seek};

use anyhow::{Context, Result, bail, ensure};
use flate2::read::MultiGzDecoder;
use md5::Md5;
use sha2::{Digest as _, Sha256};

use crate::data::catalog::{Digest, PublishedFile};
use crate::data::hex;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Checks a `.gz` file from its first byte on: gzip, the content's size, the digest. Memory does not grow with the file.
///
/// # Errors
/// When it is not the published file, or cannot be read; the message says what is wrong, not which file.
pub fn compressed(file: &mut File, published: &PublishedFile) -> Result<()> {
    file.rewind()?;
    let mut start = Vec::new();
    file.take(64).read_to_end(&mut start)?;
    starts_as_gzip(&start)?;
    file.rewind()?;
    if let Digest::FileMd5(expected) = published.digest {
        same("MD5", &hash(Md5::new(), &mut *file)?, expected)
            .context("not the published file, or compressed anew")?;
        file.rewind()?;
    }
    content(MultiGzDecoder::new(io::BufReader::new(file)), published)
}

/// Checks a raw file, or what is within a `.gz` file: the size, and the digest where it is one of the content.
///
/// # Errors
/// When it is not the published content, or cannot be read; the message says what is wrong, not which file.
pub fn content(source: impl Read, published: &PublishedFile) -> Result<()> {
    let size = published.size;
    // One byte more than expected, so that more shows: a gzip bomb goes no further than this.
    let mut limited = Counted {
        inner: source.take(size + 1),
        count: 0,
    };
    let digest = hash(Sha256::new(), &mut limited)
        .with_context(|| format!("broken after {} bytes of content", limited.count))?;
    ensure!(
        limited.count >= size,
        "the content has {} bytes; {size} are expected",
        limited.count
    );
    ensure!(
        limited.count == size,
        "the content has more than the {size} bytes that are expected"
    );
    match published.digest {
        Digest::ContentSha256(expected) => same("the content's SHA-256", &digest, expected),
        Digest::FileMd5(_) => Ok(()),
    }
}

/// Recognises what is served in place of a gzip file by its first bytes; one is enough to say no.
///
/// # Errors
/// When these are not the first bytes of a gzip file.
pub fn starts_as_gzip(start: &[u8]) -> Result<()> {
    ensure!(!start.is_empty(), "it is empty");
    if start.iter().zip(GZIP_MAGIC).all(|(&one, two)| one == two) {
        return Ok(());
    }
    let text = start.trim_ascii_start();
    if text.starts_with(b"<") {
        let shown = String::from_utf8_lossy(text.get(..15).unwrap_or(text));
        bail!("a web page and not a gzip file: it starts with {shown:?}");
    }
    let shown = hex(start.get(..4).unwrap_or(start));
    bail!("not a gzip file: it starts with {shown}, not with 1f8b")
}

struct Counted<R> {
    inner: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count += read as u64;
        Ok(read)
    }
}

fn hash(mut hasher: impl sha2::Digest, mut source: impl Read) -> io::Result<String> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok(hex(hasher.finalize())),
            Ok(read) => hasher.update(buffer.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn same(what: &str, found: &str, expected: &str) -> Result<()> {
    ensure!(
        found == expected,
        "{what} is {found}; {expected} is expected"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_gzip_is_called_by_its_name() {
        for (start, part) in [
            (&b""[..], "empty"),
            (b"<!DOCTYPE html><title>", "a web page"),
            (b" \r\n<html>", "starts with \"<html>\""),
            (b"\x00\x00\x08\x03\x00", "starts with 00000803"),
            (b"\x1f\x8c", "starts with 1f8c"),
        ] {
            let error = starts_as_gzip(start).unwrap_err().to_string();
            assert!(error.contains(part), "{part}: {error}");
        }
        for start in [&[0x1f][..], &[0x1f, 0x8b], &[0x1f, 0x8b, 8]] {
            starts_as_gzip(start).unwrap();
        }
    }

    #[test]
    fn content_is_the_size_and_the_digest() {
        let file = |size, digest| PublishedFile {
            name: "letters",
            size,
            digest: Digest::ContentSha256(digest),
        };
        // Known to every implementation of SHA-256.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        content(&b"abc"[..], &file(3, abc)).unwrap();
        for (size, bytes, part) in [
            (4, &b"abc"[..], "has 3 bytes; 4 are expected"),
            (2, b"abc", "more than the 2 bytes"),
            (3, b"abd", "SHA-256 is a52d159f"),
        ] {
            let error = format!("{:#}", content(bytes, &file(size, abc)).unwrap_err());
            assert!(error.contains(part), "{error}");
        }
    }
}
