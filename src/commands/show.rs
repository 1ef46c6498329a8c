//! `mnist-tch show`: a picture of the images with their labels.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use super::source::DataSet;
use crate::data::Dataset;
use crate::data::selection::{Part, Selection};
use crate::report::figures::contact_sheet::{MOST, contact_sheet};
use crate::report::folders::file;

/// How many images are shown unless said.
const USUAL: usize = 100;

/// What the command line asks for.
#[derive(Debug, Clone)]
pub struct Options {
    /// The files.
    pub data_set: DataSet,
    /// The images; `None` means the first hundred of the training file.
    pub range: Option<Selection>,
    /// The picture.
    pub out: PathBuf,
    /// Whether the picture may be replaced.
    pub force: bool,
}

/// Writes the picture and prints how many images of each class it shows.
///
/// # Errors
/// When the images cannot be read or the picture cannot be written.
pub fn run(options: &Options) -> Result<()> {
    let (out, shown) = (&options.out, options.out.display());
    file::refuse_taken(out, options.force).context("--out")?;
    let files = options.data_set.open(false)?;
    let part = options
        .range
        .as_ref()
        .map_or(Part::Train, |range| range.part);
    let file = files.read(part, options.data_set.classes)?;
    let range = options.range.clone().unwrap_or_else(|| Selection {
        part,
        start: 0,
        end: Some(USUAL.min(file.len())),
    });
    let images = range.of(&file, "--range")?;
    let taken = Selection::taken(part, &images);
    ensure!(
        images.len() <= MOST,
        "--range {taken} is {} images: a contact sheet shows at most {MOST}",
        images.len()
    );
    let names = files.class_names(options.data_set.classes);
    let title = format!("{} {taken}", files.name());
    file::write(out, &contact_sheet(&images, &names, &title)?).context("--out")?;
    super::print(&text(&images, &names, &format!("{shown}: {title}")))
}

/// What is in the picture: a line a class that has images, in the order of classes.
fn text(images: &Dataset, names: &[String], title: &str) -> String {
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
