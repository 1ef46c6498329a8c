//! The published data sets of the MNIST family: names, classes, files, digests and where they are served.
//!
//! Facts only. How files are fetched stands in [`super::fetch`], how they are read in [`super::folder`].

use serde::{Deserialize, Serialize};

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

/// One file as it is published: IDX, compressed by gzip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishedFile {
    /// The name of the content, such as `train-images-idx3-ubyte`; the file's own name has `.gz` after it.
    pub name: &'static str,
    /// Bytes of the content, decompressed.
    pub size: u64,
    /// What the file is recognised by.
    pub digest: Digest,
}

/// A digest in lower-case hex, and of what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digest {
    /// SHA-256 of the decompressed content: any compression of the right content passes.
    ContentSha256(&'static str),
    /// MD5 of the `.gz` file, where its publisher gives nothing better: only the published file itself passes.
    FileMd5(&'static str),
}

impl PublishedFile {
    /// The name under which mirrors serve the file and folders hold it.
    #[must_use]
    pub fn gz_name(&self) -> String {
        format!("{}.gz", self.name)
    }

    /// The most bytes a gzip file of this content can have: deflate adds 5 bytes to every 32 KB or so that it
    /// cannot compress, gzip a header and a trailer.
    #[must_use]
    pub fn most_compressed(&self) -> u64 {
        self.size + self.size / 1_000 + 1_024
    }
}

impl Published {
    /// The name that is typed, and that the folder of its files has.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mnist => "mnist",
            Self::FashionMnist => "fashion-mnist",
            Self::Kmnist => "kmnist",
        }
    }

    /// The name its authors gave it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Mnist => "MNIST",
            Self::FashionMnist => "Fashion-MNIST",
            Self::Kmnist => "KMNIST",
        }
    }

    /// What the images show, and how many there are.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Mnist => "Handwritten digits: 60,000 to train on, 10,000 to test on",
            Self::FashionMnist => "Articles of clothing, as many",
            Self::Kmnist => "Cursive hiragana, as many",
        }
    }

    /// What the labels 0 to 9 stand for.
    #[must_use]
    pub fn class_names(self) -> [&'static str; 10] {
        match self {
            Self::Mnist => ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
            Self::FashionMnist => [
                "T-shirt/top",
                "Trouser",
                "Pullover",
                "Dress",
                "Coat",
                "Sandal",
                "Shirt",
                "Sneaker",
                "Bag",
                "Ankle boot",
            ],
            Self::Kmnist => ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"],
        }
    }

    /// Addresses of public folders that hold the four `.gz` files, in the order in which they are tried.
    #[must_use]
    pub fn mirrors(self) -> &'static [&'static str] {
        match self {
            Self::Mnist => &[
                "https://ossci-datasets.s3.amazonaws.com/mnist",
                "https://storage.googleapis.com/cvdf-datasets/mnist",
            ],
            Self::FashionMnist => &[
                "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
            ],
            Self::Kmnist => &[
                "https://codh.rois.ac.jp/kmnist/dataset/kmnist",
                "http://codh.rois.ac.jp/kmnist/dataset/kmnist",
            ],
        }
    }

    /// Where torchvision puts its files, seen from the folder that it is given.
    #[must_use]
    pub fn torchvision_folder(self) -> &'static str {
        match self {
            Self::Mnist => "MNIST/raw",
            Self::FashionMnist => "FashionMNIST/raw",
            Self::Kmnist => "KMNIST/raw",
        }
    }

    /// Its four files: training images and labels, test images and labels.
    #[must_use]
    pub fn files(self) -> [PublishedFile; 4] {
        match self {
            Self::Mnist => files(
                [
                    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
                ]
                .map(Digest::ContentSha256),
            ),
            Self::FashionMnist => files(
                [
                    "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                    "25c81989df183df01b3e8a0aad5dffbe",
                    "bef4ecab320f06d8554ea6380940ec79",
                    "bb300cfdad3c16e7a12a480ee83cd310",
                ]
                .map(Digest::FileMd5),
            ),
            Self::Kmnist => files(
                [
                    "bdb82020997e1d708af4cf47b453dcf7",
                    "e144d726b3acfaa3e44228e80efcd344",
                    "5c965bf0a639b31b8f53240b1b52f4d7",
                    "7320c461ea6c1c855c0b718fb2a4b134",
                ]
                .map(Digest::FileMd5),
            ),
        }
    }
}

/// The family shares names and sizes: a header of 16 or 8 bytes, 784 bytes an image, one a label.
fn files(digests: [Digest; 4]) -> [PublishedFile; 4] {
    let [train_images, train_labels, test_images, test_labels] = digests;
    let file = |name, size, digest| PublishedFile { name, size, digest };
    [
        file("train-images-idx3-ubyte", 47_040_016, train_images),
        file("train-labels-idx1-ubyte", 60_008, train_labels),
        file("t10k-images-idx3-ubyte", 7_840_016, test_images),
        file("t10k-labels-idx1-ubyte", 10_008, test_labels),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_have_the_length_and_the_digits_of_their_kind() {
        let sets = [Published::Mnist, Published::FashionMnist, Published::Kmnist];
        for file in sets.into_iter().flat_map(Published::files) {
            let (hex, length) = match file.digest {
                Digest::ContentSha256(hex) => (hex, 64),
                Digest::FileMd5(hex) => (hex, 32),
            };
            assert_eq!(hex.len(), length, "{hex}");
            let lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            assert!(hex.bytes().all(lower_hex), "{hex}");
        }
    }
}
