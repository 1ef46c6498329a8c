//! Unsupported file kinds that users commonly pass, recognized by their first bytes, each with a
//! hint how to convert it. Data files and weight files share this table.

/// Number of bytes at the start of a file that [`FileKind::of`] looks at.
pub(crate) const START_BYTES: usize = 512;

/// A common kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Archive,
    Arrow,
    Checkpoint,
    Excel,
    GitLfsPointer,
    Gzip,
    Hdf5,
    Html,
    Json,
    Keras,
    Matlab,
    MessagePack,
    Npy,
    Npz,
    Onnx,
    Parquet,
    Picture,
    Pickle,
    Safetensors,
    SafetensorsIndex,
    Sqlite,
    TorchSave,
    Utf16,
    Zip,
}

/// Kinds with a fixed signature at the start of the file.
const SIGNATURES: [(&[u8], FileKind); 29] = [
    (b"\x1f\x8b", FileKind::Gzip),
    (b"\x93NUMPY", FileKind::Npy),
    (b"\x89HDF\r\n\x1a\n", FileKind::Hdf5),
    (b"MATLAB ", FileKind::Matlab),
    (b"PAR1", FileKind::Parquet),
    (b"ARROW1", FileKind::Arrow),
    (b"FEA1", FileKind::Arrow),
    (b"SQLite format 3", FileKind::Sqlite),
    (b"version https://git-lfs", FileKind::GitLfsPointer),
    (b"{\"format\":\"mnist-tch checkpoint", FileKind::Checkpoint),
    // Excel before 2007.
    (b"\xd0\xcf\x11\xe0", FileKind::Excel),
    (b"\xff\xfe", FileKind::Utf16),
    (b"\xfe\xff", FileKind::Utf16),
    (b"BZh", FileKind::Archive),
    (b"\xfd7zXZ", FileKind::Archive),
    (b"7z\xbc\xaf\x27\x1c", FileKind::Archive),
    (b"Rar!", FileKind::Archive),
    (b"\x28\xb5\x2f\xfd", FileKind::Archive),
    (b"\x89PNG", FileKind::Picture),
    (b"\xff\xd8\xff", FileKind::Picture),
    (b"GIF8", FileKind::Picture),
    // The format of torch.save before PyTorch 1.6 is a pickle that starts with this number.
    (b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9", FileKind::TorchSave),
    (b"\x80\x02", FileKind::Pickle),
    (b"\x80\x03", FileKind::Pickle),
    (b"\x80\x04", FileKind::Pickle),
    (b"\x80\x05", FileKind::Pickle),
    // Burn's own container, in either byte order.
    (b"BURN", FileKind::MessagePack),
    (b"NRUB", FileKind::MessagePack),
    // An empty zip archive.
    (b"PK\x05\x06", FileKind::Zip),
];

impl FileKind {
    /// The kind of a file that starts with these bytes ([`START_BYTES`] of them are enough);
    /// `None` if unknown.
    pub(crate) fn of(start: &[u8]) -> Option<Self> {
        // The length of the header, then the header, which is JSON.
        let header = start
            .first_chunk()
            .map(|&length| u64::from_le_bytes(length));
        if start.get(8) == Some(&b'{') && header.is_some_and(|length| length <= 100_000_000) {
            return Some(Self::Safetensors);
        }
        let signature = |(bytes, _): &&(&[u8], Self)| start.starts_with(bytes);
        if let Some((_, kind)) = SIGNATURES.iter().find(signature) {
            return Some(*kind);
        }
        if start.get(257..262) == Some(b"ustar") {
            return Some(Self::Archive);
        }
        match start {
            [b'P', b'K', 3, 4, rest @ ..] => Some(Self::of_zip(rest)),
            // Protocol buffers: the version, then the producer or the graph.
            [0x08, 1..=31, 0x12 | 0x3a, ..] => Some(Self::Onnx),
            // A map with a short string as its first key, as burn and Flax write it.
            [0x81..=0x8f, 0xa1..=0xbf, ..] => Some(Self::MessagePack),
            _ => Self::of_text(start),
        }
    }

    /// The kind of a zip archive, by the name of its first file. `header` follows the
    /// signature of that file.
    fn of_zip(header: &[u8]) -> Self {
        let length = header.get(22..24).map_or(0, |bytes| {
            usize::from(u16::from_le_bytes([bytes[0], bytes[1]]))
        });
        let name = header.get(26..).unwrap_or_default();
        let name = &name[..length.min(name.len())];
        let ends_with = |endings: &[&[u8]]| endings.iter().any(|ending| name.ends_with(ending));
        if ends_with(&[b".npy"]) {
            Self::Npz
        } else if name.starts_with(b"archive/") || ends_with(&[b"/data.pkl", b"/byteorder"]) {
            Self::TorchSave
        } else if ends_with(&[b"config.json", b"metadata.json", b".h5"]) {
            Self::Keras
        } else if name == b"[Content_Types].xml" {
            Self::Excel
        } else {
            Self::Zip
        }
    }

    fn of_text(start: &[u8]) -> Option<Self> {
        let text = start.trim_ascii_start();
        let contains = |word: &[u8]| text.windows(word.len()).any(|window| window == word);
        match text.first()? {
            b'<' => Some(Self::Html),
            b'{' if contains(b"\"weight_map\"") || contains(b"\"total_size\"") => {
                Some(Self::SafetensorsIndex)
            }
            b'{' | b'[' => Some(Self::Json),
            _ => None,
        }
    }

    /// Names the kind and explains how to get images from it, for errors about data files.
    pub(crate) fn describe_as_images(self) -> String {
        let (name, [hint, _]) = self.describe();
        format!("{name}: {hint}")
    }

    /// Names the kind and explains how to get weights from it, for errors about models.
    pub(crate) fn describe_as_weights(self) -> String {
        let (name, [_, hint]) = self.describe();
        format!("{name}: {hint}")
    }

    /// The name of the kind with its article, a hint for data files, and a hint for models.
    fn describe(self) -> (&'static str, [&'static str; 2]) {
        const SAVEZ: &str = "save the arrays as x_train, y_train, x_test and y_test with \
                             numpy.savez";
        const SAVE_FILE: &str = "save the weights with safetensors.torch.save_file";
        const NUMPY_SAVE_FILE: &str = "save the weights, in the shapes that PyTorch has, with \
                                       safetensors.numpy.save_file";
        const UNPACK: &str = "unpack it";
        const NAME_DATA: &str = "name a folder or a file with images";
        const NAME_MODEL: &str = "name a safetensors file or the folder of a run";
        match self {
            Self::Archive => ("a compressed file or archive", [UNPACK; 2]),
            Self::Arrow => ("an Arrow file", [SAVEZ, NAME_MODEL]),
            Self::Checkpoint => (
                "a checkpoint of this program",
                [NAME_DATA, "name the folder of its run"],
            ),
            Self::Excel => ("an Excel workbook", ["save it as CSV", NAME_MODEL]),
            Self::GitLfsPointer => (
                "a Git LFS pointer, not the file itself",
                ["fetch the file with git lfs pull"; 2],
            ),
            Self::Gzip => ("a gzip file", [UNPACK; 2]),
            Self::Hdf5 => ("an HDF5 file", [SAVEZ, NUMPY_SAVE_FILE]),
            Self::Html => (
                "a web page, perhaps an error page",
                ["download the file itself"; 2],
            ),
            Self::Json => ("a JSON file", [SAVEZ, NAME_MODEL]),
            Self::Keras => ("a Keras model", [NAME_DATA, NUMPY_SAVE_FILE]),
            Self::Matlab => (
                "a MATLAB file",
                [
                    "read it with scipy.io.loadmat (h5py for version 7.3) and save the arrays as \
                     x_train, y_train, x_test and y_test with numpy.savez",
                    NUMPY_SAVE_FILE,
                ],
            ),
            Self::MessagePack => (
                "a MessagePack file, as burn and Flax write it",
                [
                    NAME_DATA,
                    "save the weights, in the shapes that PyTorch has, as a safetensors file",
                ],
            ),
            Self::Npy => ("a NumPy array (.npy)", [SAVEZ, NUMPY_SAVE_FILE]),
            Self::Npz => ("a NumPy archive (.npz)", [SAVEZ, NUMPY_SAVE_FILE]),
            Self::Onnx => (
                "an ONNX model, which this program writes but does not read",
                [
                    NAME_DATA,
                    "pass the model.safetensors that it was exported from",
                ],
            ),
            Self::Parquet => (
                "a Parquet file",
                [
                    "read it with pandas.read_parquet and save the images and labels as x_train, \
                     y_train, x_test and y_test with numpy.savez",
                    NAME_MODEL,
                ],
            ),
            Self::Picture => (
                "a picture",
                [
                    "name a folder with a folder of pictures for each class",
                    NAME_MODEL,
                ],
            ),
            Self::Pickle => (
                "a pickle, which can run code when it is read",
                [SAVEZ, SAVE_FILE],
            ),
            Self::Safetensors => ("a safetensors file", [NAME_DATA, "it is damaged"]),
            Self::SafetensorsIndex => (
                "an index of safetensors files",
                [NAME_DATA, "name the safetensors file itself"],
            ),
            Self::Sqlite => ("an SQLite database", [SAVEZ, NAME_MODEL]),
            Self::TorchSave => (
                "a file of torch.save, which can run code when it is read",
                [SAVEZ, SAVE_FILE],
            ),
            Self::Utf16 => ("a text in UTF-16", ["save it as UTF-8", NAME_MODEL]),
            Self::Zip => (
                "a zip archive",
                [
                    "unpack it",
                    "unpack it, or, if torch.save wrote it, save the weights with \
                     safetensors.torch.save_file",
                ],
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A zip archive whose first file has this name.
    fn zip(name: &str) -> Vec<u8> {
        let length = [u8::try_from(name.len()).unwrap(), 0, 0, 0];
        [b"PK\x03\x04", &[0; 22][..], &length, name.as_bytes()].concat()
    }

    #[test]
    fn common_files_are_known_by_their_first_bytes_and_cut_ones_do_not_panic() {
        let tar = [&[b'a'; 257][..], b"ustar\0"].concat();
        let safetensors = [&640_u64.to_le_bytes()[..], b"{\"a\":"].concat();
        for (start, kind) in [
            (zip("0/a.png"), FileKind::Zip),
            (zip("x_train.npy"), FileKind::Npz),
            (zip("archive/data.pkl"), FileKind::TorchSave),
            (zip("model/data.pkl"), FileKind::TorchSave),
            (zip("config.json"), FileKind::Keras),
            (zip("[Content_Types].xml"), FileKind::Excel),
            (b"PK\x03\x04".to_vec(), FileKind::Zip),
            (
                b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9 ".to_vec(),
                FileKind::TorchSave,
            ),
            (b"\x80\x04\x95".to_vec(), FileKind::Pickle),
            // 640 is 0x280: a safetensors file may start as a pickle does.
            (safetensors, FileKind::Safetensors),
            (b"\x89HDF\r\n\x1a\n".to_vec(), FileKind::Hdf5),
            (b"MATLAB 5.0 MAT-file".to_vec(), FileKind::Matlab),
            (b"\x08\x08\x12\x07pytorch".to_vec(), FileKind::Onnx),
            (b"\x83\xa8metadata".to_vec(), FileKind::MessagePack),
            (b" \n<!DOCTYPE html>".to_vec(), FileKind::Html),
            (b"{\"weight_map\":{}}".to_vec(), FileKind::SafetensorsIndex),
            (b"{\"a\":1}".to_vec(), FileKind::Json),
            (
                b"version https://git-lfs.github.com".to_vec(),
                FileKind::GitLfsPointer,
            ),
            (tar, FileKind::Archive),
        ] {
            assert_eq!(FileKind::of(&start), Some(kind), "{}", start.escape_ascii());
            for end in 0..start.len() {
                FileKind::of(&start[..end]);
            }
            for text in [kind.describe_as_images(), kind.describe_as_weights()] {
                assert!(text.contains(": ") && text.len() < 200, "{text}");
            }
        }
        // IDX, CSV, and text.
        for other in [
            &b"\0\0\x08\x03"[..],
            b"label,pixel0",
            b"5,0,0",
            b"",
            b"\x08",
        ] {
            assert_eq!(FileKind::of(other), None);
        }
    }
}
