//! The published data sets of the MNIST family: names, classes, files, by what these are known, and
//! where they are served. How they are fetched stands in [`super::download`].

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use etcetera::BaseStrategy;
use flate2::read::MultiGzDecoder;
use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use self::Digest::{ContentSha256, FileMd5};
use super::content::GZIP;
use super::hex;
use super::picture::Preparation;

/// A published set of 60,000 training and 10,000 test images in ten classes, 28x28, grey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Published {
    /// Handwritten digits, by Y. LeCun, C. Cortes and C. Burges.
    Mnist,
    /// Zalando's articles of clothing.
    FashionMnist,
    /// Kuzushiji-MNIST: cursive hiragana, by ROIS-DS CODH.
    Kmnist,
}

pub(crate) struct Facts {
    /// The name that is typed, and that the folder of its files has in the cache.
    pub name: &'static str,
    /// The name its authors gave it.
    pub title: &'static str,
    /// What the images show, and how many there are.
    pub about: &'static str,
    /// What the labels 0 to 9 stand for, with ", " between them.
    pub classes: &'static str,
    /// Addresses of public folders with the four files, in the order in which they are tried.
    pub mirrors: [&'static str; 2],
    /// How a picture has to be prepared to be like the images.
    pub preparation: Preparation,
    /// Training images and labels, test images and labels.
    digests: [Digest; 4],
}

/// A digest in lower-case hex, and of what it is.
#[derive(Clone, Copy)]
pub(crate) enum Digest {
    /// SHA-256 of the decompressed content: any compression of the right content passes.
    ContentSha256(&'static str),
    /// MD5 of the `.gz` file, where its publisher gives nothing better: only that file passes.
    FileMd5(&'static str),
}

/// One file as it is published: `size` bytes of IDX in a gzip file, `name`.gz.
#[derive(Clone, Copy)]
pub(crate) struct PublishedFile {
    pub name: &'static str,
    pub size: u64,
    pub digest: Digest,
}

impl PublishedFile {
    /// The most bytes the file, raw or gzip, can have: deflate adds 5 bytes to every 32 KB or
    /// so that it cannot compress, gzip a header and a trailer.
    pub fn most_bytes(&self) -> u64 {
        self.size + self.size / 1_000 + 1_024
    }

    /// Whether these bytes are the published file, `packed` as it is served or raw; the message
    /// says what is wrong, not which file.
    pub fn check(&self, bytes: &[u8], packed: bool) -> Result<()> {
        let (mut unpacked, size) = (Vec::new(), self.size);
        if packed {
            ensure!(!bytes.is_empty(), "it is empty");
            let text = bytes.trim_ascii_start();
            let page = text.starts_with(b"<").then_some("a web page and ");
            ensure!(
                bytes.starts_with(&GZIP),
                "{}not a gzip file: it starts with {}",
                page.unwrap_or_default(),
                text.get(..15).unwrap_or(text).escape_ascii()
            );
            if let FileMd5(expected) = self.digest {
                let found = hex(Md5::digest(bytes));
                ensure!(
                    found == expected,
                    "not the published file, or compressed anew: its MD5 is {found}; {expected} is \
                     expected"
                );
                return Ok(());
            }
            // One byte more than expected, so that more shows; a gzip bomb goes no further.
            let content = MultiGzDecoder::new(bytes).take(size + 1);
            let read = { content }.read_to_end(&mut unpacked);
            read.with_context(|| format!("broken after {} bytes of content", unpacked.len()))?;
        }
        let content = if packed { &unpacked } else { bytes };
        let length = content.len() as u64;
        ensure!(
            length >= size,
            "the content has {length} bytes; {size} are expected"
        );
        ensure!(
            length == size,
            "the content has more than the {size} bytes that are expected"
        );
        if let ContentSha256(expected) = self.digest {
            let found = hex(Sha256::digest(content));
            ensure!(
                found == expected,
                "the content's SHA-256 is {found}; {expected} is expected"
            );
        }
        Ok(())
    }
}

impl Published {
    pub(crate) const ALL: [Self; 3] = [Self::Mnist, Self::FashionMnist, Self::Kmnist];

    pub(crate) fn facts(self) -> &'static Facts {
        &FACTS[self as usize]
    }

    /// The names of its classes, in the order of labels.
    pub(crate) fn class_names(self) -> Vec<String> {
        let names = self.facts().classes.split(", ");
        names.map(str::to_owned).collect()
    }

    /// Its four files. The family shares names and sizes: a header of 16 or 8 bytes, 784 bytes an
    /// image, one a label.
    pub(crate) fn files(self) -> [PublishedFile; 4] {
        let [train_images, train_labels, test_images, test_labels] = self.facts().digests;
        let file = |name, size, digest| PublishedFile { name, size, digest };
        [
            file("train-images-idx3-ubyte", 47_040_016, train_images),
            file("train-labels-idx1-ubyte", 60_008, train_labels),
            file("t10k-images-idx3-ubyte", 7_840_016, test_images),
            file("t10k-labels-idx1-ubyte", 10_008, test_labels),
        ]
    }

    /// The folder of its files: in `data_dir` where torchvision has put them, else `data_dir`
    /// itself; without one `mnist-tch/NAME` in the user's cache, which is `XDG_CACHE_HOME` or
    /// `~/.cache`, and on Windows the local application data.
    pub(crate) fn folder(self, data_dir: Option<&Path>) -> Result<PathBuf> {
        let facts = self.facts();
        if let Some(path) = data_dir {
            let theirs = path.join(facts.title.replace('-', "")).join("raw");
            let found = Some(theirs).filter(|theirs| theirs.is_dir());
            return Ok(found.unwrap_or_else(|| path.to_owned()));
        }
        let base = etcetera::choose_base_strategy()
            .context("no home folder, so no cache to fetch into: name a folder with --data-dir")?;
        Ok(base.cache_dir().join("mnist-tch").join(facts.name))
    }
}

/// The names of the classes of a set that is one of EMNIST's by its own name, in the order of
/// labels; none where it has no letters.
pub(super) fn emnist_classes(set: &str) -> Option<Vec<String>> {
    const UPPER: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let set = set.to_lowercase();
    let has = |word| set.contains(word);
    let (first, others) = match () {
        () if !has("emnist") => return None,
        () if has("byclass") => (UPPER, "abcdefghijklmnopqrstuvwxyz"),
        // Small letters that look like large ones are taken together with them.
        () if has("bymerge") || has("balanced") => (UPPER, "abdefghnqrt"),
        // The first letter has the label 1.
        () if has("letters") => ("-", &UPPER[10..]),
        () => ("", ""),
    };
    let all = first.chars().chain(others.chars());
    Some(all.map(String::from).collect())
}

/// Those of all sets, in the order of [`Published::ALL`].
const FACTS: [Facts; 3] = [
    Facts {
        name: "mnist",
        title: "MNIST",
        about: "Handwritten digits: 60,000 to train on, 10,000 to test on",
        classes: "0, 1, 2, 3, 4, 5, 6, 7, 8, 9",
        mirrors: [
            "https://ossci-datasets.s3.amazonaws.com/mnist",
            "https://storage.googleapis.com/cvdf-datasets/mnist",
        ],
        preparation: Preparation::Digits,
        digests: [
            ContentSha256("ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
            ContentSha256("65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
            ContentSha256("0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
            ContentSha256("ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
        ],
    },
    Facts {
        name: "fashion-mnist",
        title: "Fashion-MNIST",
        about: "Articles of clothing, as many",
        classes: "T-shirt/top, Trouser, Pullover, Dress, Coat, Sandal, Shirt, Sneaker, Bag, \
                  Ankle boot",
        mirrors: [
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        ],
        preparation: Preparation::Article,
        digests: [
            FileMd5("8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
            FileMd5("25c81989df183df01b3e8a0aad5dffbe"),
            FileMd5("bef4ecab320f06d8554ea6380940ec79"),
            FileMd5("bb300cfdad3c16e7a12a480ee83cd310"),
        ],
    },
    Facts {
        name: "kmnist",
        title: "KMNIST",
        about: "Cursive hiragana, as many",
        classes: "o, ki, su, tsu, na, ha, ma, ya, re, wo",
        mirrors: [
            "https://codh.rois.ac.jp/kmnist/dataset/kmnist",
            "http://codh.rois.ac.jp/kmnist/dataset/kmnist",
        ],
        preparation: Preparation::Character,
        digests: [
            FileMd5("bdb82020997e1d708af4cf47b453dcf7"),
            FileMd5("e144d726b3acfaa3e44228e80efcd344"),
            FileMd5("5c965bf0a639b31b8f53240b1b52f4d7"),
            FileMd5("7320c461ea6c1c855c0b718fb2a4b134"),
        ],
    },
];
