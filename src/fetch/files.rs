//! The files of the published data sets: their mirrors, sizes and digests.

use std::io::Read;

use anyhow::{Context, Result, ensure};
use flate2::read::MultiGzDecoder;
use md5::Md5;
use sha2::{Digest as _, Sha256};

use self::Digest::{ContentSha256, FileMd5};
use crate::data::file_kind::FileKind;
use crate::data::{FILE_NAMES, Published, hex};

/// A digest in lower-case hex.
#[derive(Clone, Copy)]
pub(crate) enum Digest {
    /// SHA-256 of the decompressed content: the content may be compressed differently.
    ContentSha256(&'static str),
    /// MD5 of the `.gz` file, if its publisher offers nothing better.
    FileMd5(&'static str),
}

/// A published file: `size` bytes of IDX, compressed as `name`.gz.
#[derive(Clone, Copy)]
pub(crate) struct PublishedFile {
    pub name: &'static str,
    pub size: u64,
    pub digest: Digest,
}

impl PublishedFile {
    /// Maximum size of the file, raw or compressed: deflate adds about 5 bytes to every 32 KB that
    /// it cannot compress, gzip adds a header and a trailer.
    pub fn max_bytes(&self) -> u64 {
        self.size + self.size / 1_000 + 1_024
    }

    /// Checks that `bytes` are the published file, compressed or raw. The error does not name the
    /// file.
    pub fn check(&self, bytes: &[u8], is_gzip: bool) -> Result<()> {
        let (mut decompressed, size) = (Vec::new(), self.size);
        if is_gzip {
            ensure!(!bytes.is_empty(), "it is empty");
            let text = bytes.trim_ascii_start();
            let page = text.starts_with(b"<").then_some("a web page and ");
            ensure!(
                FileKind::of(bytes) == Some(FileKind::Gzip),
                "{}not a gzip file: it starts with {}",
                page.unwrap_or_default(),
                text.get(..15).unwrap_or(text).escape_ascii()
            );
            if let FileMd5(expected) = self.digest {
                let found = hex(Md5::digest(bytes));
                ensure!(
                    found == expected,
                    "not the published file, or recompressed: its MD5 is {found}, not {expected}"
                );
                return Ok(());
            }
            // One byte more than expected reveals a longer content, and stops a gzip bomb.
            let content = MultiGzDecoder::new(bytes).take(size + 1);
            let read = { content }.read_to_end(&mut decompressed);
            read.with_context(|| format!("broken after {} bytes of content", decompressed.len()))?;
        }
        let content = if is_gzip { &decompressed } else { bytes };
        let length = content.len() as u64;
        ensure!(length >= size, "the content has {length} bytes, not {size}");
        ensure!(length == size, "the content has more than {size} bytes");
        if let ContentSha256(expected) = self.digest {
            let found = hex(Sha256::digest(content));
            ensure!(
                found == expected,
                "the content's SHA-256 is {found}, not {expected}"
            );
        }
        Ok(())
    }
}

/// Public mirrors of the four files of `set`, in the order in which they are asked.
pub(super) fn mirrors(set: Published) -> [&'static str; 2] {
    match set {
        Published::Mnist => [
            "https://ossci-datasets.s3.amazonaws.com/mnist",
            "https://storage.googleapis.com/cvdf-datasets/mnist",
        ],
        Published::FashionMnist => [
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        ],
        Published::Kmnist => [
            "https://codh.rois.ac.jp/kmnist/dataset/kmnist",
            "http://codh.rois.ac.jp/kmnist/dataset/kmnist",
        ],
    }
}

/// The four files of `set`. All sets have the same names and sizes: a header of 16 or 8 bytes, 784
/// bytes per image, one per label.
pub(super) fn files(set: Published) -> [PublishedFile; 4] {
    let sizes = [47_040_016, 60_008, 7_840_016, 10_008];
    let digests = digests(set);
    std::array::from_fn(|index| PublishedFile {
        name: FILE_NAMES[index],
        size: sizes[index],
        digest: digests[index],
    })
}

/// Digests of training images and labels, test images and labels.
fn digests(set: Published) -> [Digest; 4] {
    match set {
        Published::Mnist => [
            ContentSha256("ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
            ContentSha256("65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
            ContentSha256("0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
            ContentSha256("ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
        ],
        Published::FashionMnist => [
            FileMd5("8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
            FileMd5("25c81989df183df01b3e8a0aad5dffbe"),
            FileMd5("bef4ecab320f06d8554ea6380940ec79"),
            FileMd5("bb300cfdad3c16e7a12a480ee83cd310"),
        ],
        Published::Kmnist => [
            FileMd5("bdb82020997e1d708af4cf47b453dcf7"),
            FileMd5("e144d726b3acfaa3e44228e80efcd344"),
            FileMd5("5c965bf0a639b31b8f53240b1b52f4d7"),
            FileMd5("7320c461ea6c1c855c0b718fb2a4b134"),
        ],
    }
}
