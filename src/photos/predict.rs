//! `mnist-tch predict`: a trained model's answers to people's own pictures, one line per digit, and
//! to files of images without labels.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::Serialize;

use super::{PictureFile, Prepared, detect, to_png};
use crate::data::file_kind::FileKind;
use crate::data::{Dataset, PIXELS, Preparation, Unlabeled, content, files, idx, in_parallel};
use crate::learn::{DeviceChoice, Prediction, score};
use crate::report::run_dir::RunDir;
use crate::terminal::images::{Prepare, Sources, print_notes};
use crate::terminal::model::{self, ModelOptions};
use crate::terminal::options::{Machine, fraction};
use crate::terminal::{note, print, printable};

/// Number of files that are answered together; small, so that the first line appears soon.
const GROUP: usize = 64;

/// The argument that means stdin.
const STDIN: &str = "-";

/// Extensions of the files in a folder that are read. The last four are not supported; their errors
/// say what to do.
const EXTENSIONS: [&str; 12] = [
    "png", "jpg", "jpeg", "webp", "bmp", "gif", "tif", "tiff", "heic", "heif", "avif", "pdf",
];

/// Name of the id column of `--csv` for pictures.
const FILE_COLUMN: &str = "file";
/// Name of the id column of `--csv` for a file of images that has no ids, as on Kaggle.
const NUMBER_COLUMN: &str = "ImageId";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Pictures (PNG, JPEG, WebP, BMP, GIF, TIFF) of one or more digits, dark on light or light on
    /// dark; folders of pictures; - for stdin; or files of images without labels (CSV, .npy, .npz,
    /// IDX)
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<PathBuf>,
    #[command(flatten)]
    model: ModelOptions,
    /// How pictures are prepared [default: as for the model's training images]
    #[arg(long, value_name = "HOW", value_enum)]
    prepare: Option<Prepare>,
    /// Answers below this probability (0 to 1) are marked as unsure
    #[arg(long, value_name = "X", value_parser = fraction, allow_negative_numbers = true)]
    #[arg(default_value_t = 0.8)]
    min_probability: f64,
    /// Print one JSON object per line: the probability of every class, and the bounding box
    #[arg(long)]
    json: bool,
    /// Write the answers to this file, an id and a label per line: for a file of images as Kaggle
    /// takes them (ImageId,Label), for pictures their names and classes
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    csv: Option<PathBuf>,
    /// Keep the prepared pictures, the network's input, in this folder as NAME.28x28.png
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace existing files
    #[arg(long)]
    force: bool,
    #[command(flatten, next_help_heading = "Machine")]
    machine: Machine,
}

/// A digit, or whatever the model knows, to be answered.
struct DetectedDigit {
    file: String,
    /// Its number in the file, from 1, if there are several.
    number: Option<usize>,
    /// Its id in the output of `--csv`.
    id: String,
    image: Prepared,
    /// Left, top, width and height in pixels of the picture; `None` for a file of images.
    bounding_box: Option<[u32; 4]>,
}

/// The digits of one file.
struct FileContent {
    path: PathBuf,
    digits: Vec<DetectedDigit>,
    /// What their ids are called.
    id_column: String,
}

/// Answers all files that can be read. Reports the others in their place and fails at the end.
pub(crate) fn run(options: &Options, sources: &Sources) -> Result<()> {
    let model = model::open(&options.model.model, false)?;
    let (device, threads) = options.machine.select(DeviceChoice::Cpu, false)?;
    let (_, preparation, classes) = model.trained_on(&options.model)?;
    let preparation = options.prepare.map_or(preparation, Into::into);
    let out = options.out.as_deref();
    let out = out.map(|path| OutputFolder::create(path, options.force));
    let mut out = out.transpose()?;
    let inputs = find_files(&options.images);
    let csv = options.csv.as_deref();
    let csv = csv.map(|path| CsvFile::create(path, options.force, &inputs));
    let mut csv = csv.transpose()?;
    let (count, mut failed) = (inputs.len(), 0);
    let mut inputs = inputs.into_iter().peekable();
    while inputs.peek().is_some() {
        let group = inputs.by_ref().take(GROUP).collect();
        let mut digits = Vec::new();
        let read =
            |path: Result<PathBuf>| Ok(path.and_then(|path| read(path, preparation, sources)));
        for content in in_parallel(group, threads, read)? {
            let saved = content.and_then(|content| {
                if let Some(out) = &mut out {
                    out.save(&content)?;
                }
                Ok(content)
            });
            match saved {
                Ok(content) => {
                    if let Some(csv) = &mut csv {
                        csv.id_column = content.id_column;
                    }
                    digits.extend(content.digits);
                }
                // Nothing else could be answered.
                Err(error) if count == 1 => return Err(error),
                Err(error) => {
                    note(&format!("error: {error:#}"));
                    failed += 1;
                }
            }
        }
        if digits.is_empty() {
            continue;
        }
        let pixels = digits.iter().flat_map(|digit| digit.image);
        let images = Dataset::unlabeled(pixels.collect());
        let answers = score(&model.weights, &images, device, threads)?.predictions();
        let mut text = String::new();
        for (digit, answer) in digits.iter().zip(&answers) {
            // False for NaN, too.
            let is_sure = answer.best().1 >= options.min_probability;
            if let Some(csv) = &mut csv {
                csv.add(digit, answer, is_sure, &classes);
            } else if options.json {
                text += &digit.json(answer, is_sure, &classes)?;
            } else {
                text += &digit.line(answer, is_sure, &classes);
            }
        }
        print(&text)?;
    }
    if let Some(csv) = csv {
        csv.write()?;
    }
    ensure!(failed == 0, "{failed} of {count} files have no answer");
    Ok(())
}

/// The files in `paths`, in this order. A folder stands for the pictures in it, sorted by name.
fn find_files(paths: &[PathBuf]) -> Vec<Result<PathBuf>> {
    let files = |path: &PathBuf| {
        if path.as_os_str() == STDIN || !path.is_dir() {
            return vec![Ok(path.clone())];
        }
        match pictures_in(path).with_context(|| path.display().to_string()) {
            Ok(files) => files.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        }
    };
    paths.iter().flat_map(files).collect()
}

fn pictures_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut pictures, mut others) = (Vec::new(), 0);
    for entry in fs::read_dir(folder).context("cannot read the folder")? {
        let path = entry.context("cannot read the folder")?.path();
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        if !path.is_file() {
            continue;
        }
        if EXTENSIONS.iter().any(|known| extension == *known) {
            pictures.push(path);
        } else {
            others += 1;
        }
    }
    ensure!(
        !pictures.is_empty(),
        "no picture in this folder: no name ends in .{}",
        EXTENSIONS.join(", .")
    );
    if others > 0 {
        let folder = folder.display();
        note(&format!(
            "note: {folder}: files ignored, not pictures by their names: {others}"
        ));
    }
    pictures.sort();
    Ok(pictures)
}

fn read(path: PathBuf, preparation: Preparation, sources: &Sources) -> Result<FileContent> {
    let file = path.display().to_string();
    if is_file_of_images(&path) {
        let read = sources.read_unlabeled.unwrap_or(read_idx);
        let Unlabeled { images, ids, notes } = read(&path)?;
        print_notes(&notes);
        ensure!(!images.is_empty(), "{file}: no image in this file");
        let (id_column, ids) = ids.unwrap_or_else(|| {
            let numbers = (1..=images.len()).map(|number| number.to_string());
            (NUMBER_COLUMN.to_owned(), numbers.collect())
        });
        let (images, _) = images.pixels().as_chunks::<PIXELS>();
        let digits = (1..)
            .zip(images.iter().zip(ids))
            .map(|(number, (image, id))| DetectedDigit {
                file: file.clone(),
                number: Some(number),
                id,
                image: *image,
                bounding_box: None,
            });
        return Ok(FileContent {
            digits: digits.collect(),
            id_column,
            path,
        });
    }
    let detections = read_picture(&path).and_then(|bytes| detect(bytes, preparation));
    let detections = detections.with_context(|| file.clone())?;
    let has_several = detections.len() > 1;
    let digits = (1..)
        .zip(detections)
        .map(|(number, detection)| DetectedDigit {
            id: if has_several {
                format!("{file}[{number}]")
            } else {
                file.clone()
            },
            number: has_several.then_some(number),
            file: file.clone(),
            image: detection.image,
            bounding_box: Some(detection.bounding_box),
        });
    Ok(FileContent {
        digits: digits.collect(),
        id_column: FILE_COLUMN.to_owned(),
        path,
    })
}

fn read_picture(path: &Path) -> Result<PictureFile> {
    if path.as_os_str() == STDIN {
        PictureFile::from_stream(io::stdin().lock())
    } else {
        PictureFile::open(path)
    }
}

/// True for a file of images, recognized by its first bytes, CSV by its name.
fn is_file_of_images(path: &Path) -> bool {
    // Pipes can only be read once.
    if !path.is_file() {
        return false;
    }
    let mut start = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut start));
    let is_idx = read.is_ok() && matches!(start, [0, 0, 0x08..=0x0e, 1..=4]);
    let extension = path.extension().unwrap_or_default();
    is_idx
        || extension.eq_ignore_ascii_case("csv")
        || matches!(
            content::kind(path),
            Some(FileKind::Npy | FileKind::Npz | FileKind::Gzip)
        )
}

/// Reads an IDX file of images, the one format of the core.
fn read_idx(path: &Path) -> Result<Unlabeled> {
    let (size, pixels) = content::open_maybe_gzip(path, |bytes| idx::read(bytes)?.images())?;
    let labels = vec![0; pixels.len() / PIXELS];
    let images = Dataset::new(size, pixels, labels);
    Ok(Unlabeled {
        images: images.with_context(|| path.display().to_string())?,
        ids: None,
        notes: Vec::new(),
    })
}

/// The folder that keeps the prepared pictures.
struct OutputFolder {
    folder: RunDir,
    force: bool,
    /// Names used by this run; files of the same name from two folders get a number.
    used: HashSet<String>,
}

impl OutputFolder {
    fn create(path: &Path, force: bool) -> Result<Self> {
        Ok(Self {
            folder: RunDir::beside(path, &[], true)?,
            force,
            used: HashSet::new(),
        })
    }

    /// Writes the digits of a picture.
    fn save(&mut self, content: &FileContent) -> Result<()> {
        let file_name = match content.path.file_name() {
            Some(name) if name != STDIN => printable(&name.to_string_lossy(), &[]),
            _ => "stdin".to_owned(),
        };
        let mut name = file_name.clone();
        for number in 2.. {
            if self.used.insert(name.clone()) {
                break;
            }
            name = format!("{file_name}-{number}");
        }
        for digit in content
            .digits
            .iter()
            .filter(|digit| digit.bounding_box.is_some())
        {
            let number = digit.number_suffix();
            let path = self.folder.path().join(format!("{name}{number}.28x28.png"));
            let png = to_png(&digit.image)?;
            // An unchanged file does not need --force.
            if fs::read(&path).ok().as_ref() != Some(&png) {
                files::refuse_taken(&path, self.force)?;
                files::write(&path, &png, true)?;
            }
        }
        Ok(())
    }
}

/// The file that `--csv` writes.
struct CsvFile<'a> {
    path: &'a Path,
    id_column: String,
    rows: Vec<[String; 2]>,
    unsure: usize,
}

impl<'a> CsvFile<'a> {
    fn create(path: &'a Path, force: bool, inputs: &[Result<PathBuf>]) -> Result<Self> {
        files::refuse_taken(path, force)?;
        let mut paths = inputs.iter().flatten();
        ensure!(
            inputs.len() == 1 || !paths.any(|path| is_file_of_images(path)),
            "--csv: ids of several files would be mixed: name one file of images, or pictures only"
        );
        Ok(Self {
            path,
            id_column: FILE_COLUMN.to_owned(),
            rows: Vec::new(),
            unsure: 0,
        })
    }

    fn add(
        &mut self,
        digit: &DetectedDigit,
        answer: &Prediction,
        is_sure: bool,
        classes: &[String],
    ) {
        let (best, _) = answer.best();
        // Files of images have numbers as labels, pictures have classes.
        let label = match digit.bounding_box {
            Some(_) => classes[best].clone(),
            None => best.to_string(),
        };
        self.rows.push([digit.id.clone(), label]);
        self.unsure += usize::from(!is_sure);
    }

    fn write(self) -> Result<()> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record([&self.id_column, "Label"])?;
        for row in &self.rows {
            writer.write_record(row)?;
        }
        files::write(self.path, &writer.into_inner()?, true)?;
        let (path, count, unsure) = (self.path.display(), self.rows.len(), self.unsure);
        print(&format!("{path}: {count} answers, {unsure} unsure\n"))
    }
}

impl DetectedDigit {
    fn number_suffix(&self) -> String {
        let number = self.number.map(|number| format!("[{number}]"));
        number.unwrap_or_default()
    }

    fn line(&self, answer: &Prediction, is_sure: bool, classes: &[String]) -> String {
        let ((best, probability), (second, rest)) = (answer.best(), answer.runner_up());
        let (best, second) = (&classes[best], &classes[second]);
        let unsure = if is_sure { "" } else { ", unsure" };
        let number = self.number_suffix();
        let line = format!(
            "{}{number}: {best} {probability:.4}, else {second} {rest:.4}{unsure}",
            self.file
        );
        // A line break in a file's name must not look like another answer.
        printable(&line, &[]) + "\n"
    }

    fn json(&self, answer: &Prediction, is_sure: bool, classes: &[String]) -> Result<String> {
        /// In the order in which the fields are printed. Probabilities that are NaN become null.
        #[derive(Serialize)]
        struct Line<'a> {
            file: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            number: Option<usize>,
            predicted: usize,
            class: &'a str,
            probability: f64,
            unsure: bool,
            runner_up: usize,
            runner_up_class: &'a str,
            runner_up_probability: f64,
            probabilities: &'a [f64],
            #[serde(rename = "box", skip_serializing_if = "Option::is_none")]
            bounding_box: Option<[u32; 4]>,
        }
        let ((predicted, probability), (runner_up, second)) = (answer.best(), answer.runner_up());
        let line = Line {
            file: &self.file,
            number: self.number,
            predicted,
            class: &classes[predicted],
            probability,
            unsure: !is_sure,
            runner_up,
            runner_up_class: &classes[runner_up],
            runner_up_probability: second,
            probabilities: answer.probabilities(),
            bounding_box: self.bounding_box,
        };
        Ok(serde_json::to_string(&line)? + "\n")
    }
}
