//! `mnist-tch show`: draws images with their labels.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::data::{Dataset, ImageRange, Part, files};
use crate::report::figures::samples::{MAX_IMAGES, contact_sheet};
use crate::terminal::images::{SetOptions, Sources, print_notes, train_range};
use crate::terminal::print;

const DEFAULT_IMAGES: usize = 100;

#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    set: SetOptions,
    /// Show images A to B - 1 of the training file, or, with test:A..B, of the test file; at most
    /// 1,000 [default: the first 100 of the training file]
    #[arg(long, value_name = "A..B", value_parser = train_range, allow_hyphen_values = true)]
    range: Option<ImageRange>,
    /// Output file
    #[arg(long, value_name = "FILE.png", value_parser = png)]
    #[arg(default_value = "contact_sheet.png")]
    out: PathBuf,
    /// Replace an existing file
    #[arg(long)]
    force: bool,
}

/// Parses the name of a PNG file to write.
fn png(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.extension() {
        Some(ending) if ending.eq_ignore_ascii_case("png") => Ok(path),
        _ => Err("expected a file name that ends in .png".to_owned()),
    }
}

/// Writes the picture and prints the number of images of each class.
pub(crate) fn run(options: &Options, sources: &Sources) -> Result<()> {
    let (out, shown) = (&options.out, options.out.display());
    files::refuse_taken(out, options.force).context("--out")?;
    let location = options.set.find(sources, false)?;
    let asked = options.range;
    let part = asked.map_or(Part::Train, |range| range.part);
    let set = location.read(part, &options.set.read_options(), sources.read_folder)?;
    print_notes(&set.notes);
    let range = asked.unwrap_or(ImageRange {
        part,
        start: 0,
        end: Some(DEFAULT_IMAGES.min(set.images.len())),
    });
    let images = range.select_any(&set.images, "--range")?;
    let taken = ImageRange::covering(part, &images);
    ensure!(
        images.len() <= MAX_IMAGES,
        "--range {taken} is {} images: a contact sheet shows at most {MAX_IMAGES}",
        images.len()
    );
    let title = format!("{} {taken}", location.name());
    files::write(out, &contact_sheet(&images, &set.classes, &title)?, true).context("--out")?;
    print(&class_counts_text(
        &images,
        &set.classes,
        &format!("{shown}: {title}"),
    ))
}

/// Counts the images of each class, a line for each class that occurs.
fn class_counts_text(images: &Dataset, names: &[String], title: &str) -> String {
    let mut text = format!("{title}, {} images\nclass  images\n", images.len());
    for (class, name) in names.iter().enumerate() {
        let labels = images.labels().iter();
        let count = labels.filter(|&&label| usize::from(label) == class).count();
        if count > 0 {
            let _ = writeln!(text, "{name:<5}  {count:>6}");
        }
    }
    text
}
