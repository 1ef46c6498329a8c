//! Which pictures a command line means: files, folders of them, stdin.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// The most bytes of one picture.
const MAX_BYTES: u64 = 128 << 20;

/// One picture that is to be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A file.
    File(PathBuf),
    /// What comes through stdin.
    Stdin,
}

/// The pictures of `paths` in their order; a folder stands for the pictures in it (not below), by name. A folder that
/// has none, or cannot be read, is an error in its place.
pub fn find(paths: &[PathBuf]) -> Vec<Result<Input>> {
    let mut inputs = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            inputs.push(Ok(Input::Stdin));
        } else if path.is_dir() {
            match pictures(path) {
                Ok(files) => inputs.extend(files.into_iter().map(|file| Ok(Input::File(file)))),
                Err(error) => inputs.push(Err(error.context(path.display().to_string()))),
            }
        } else {
            inputs.push(Ok(Input::File(path.clone())));
        }
    }
    inputs
}

fn pictures(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).context("cannot be read")? {
        let path = entry.context("cannot be read")?.path();
        let ending = path
            .extension()
            .map(|ending| ending.to_string_lossy().to_lowercase());
        if matches!(ending.as_deref(), Some("png" | "jpg" | "jpeg")) && path.is_file() {
            files.push(path);
        }
    }
    ensure!(
        !files.is_empty(),
        "no .png, .jpg or .jpeg file in this folder"
    );
    files.sort();
    Ok(files)
}

impl Input {
    /// The name for people.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Stdin => "-".to_owned(),
        }
    }

    /// The name of the file that its prepared picture is kept in.
    pub fn prepared_name(&self) -> String {
        let name = match self {
            Self::File(path) => path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned()),
            Self::Stdin => None,
        };
        format!("{}.28x28.png", name.as_deref().unwrap_or("stdin"))
    }

    /// Its bytes.
    ///
    /// # Errors
    /// When it cannot be read, or is larger than any picture should be; the message names it.
    pub fn read(&self) -> Result<Vec<u8>> {
        let read = || {
            let mut bytes = Vec::new();
            let source: Box<dyn Read> = match self {
                Self::File(path) => Box::new(File::open(path)?),
                Self::Stdin => Box::new(io::stdin().lock()),
            };
            source.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
            Ok::<_, io::Error>(bytes)
        };
        let bytes = read().with_context(|| format!("{}: cannot be read", self.name()))?;
        ensure!(
            bytes.len() as u64 <= MAX_BYTES,
            "{}: larger than {MAX_BYTES} bytes",
            self.name()
        );
        Ok(bytes)
    }
}
