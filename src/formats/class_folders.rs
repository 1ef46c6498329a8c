//! Folders of pictures, one for each class, as torchvision's `ImageFolder` takes them: `3/a.png`.
//! The sorted names of the folders are the classes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use image::{ImageReader, Limits};

use crate::data::read_options::invert;
use crate::data::{
    Classes, Dataset, LoadedDataset, MAX_CLASSES, PIXELS, Pictures, SIDE, content, cores,
    in_parallel,
};
use crate::photos::{self, Prepared};

/// Endings of the names of pictures.
const ENDINGS: [&str; 8] = ["png", "jpg", "jpeg", "bmp", "gif", "webp", "tif", "tiff"];
/// The most bytes of one picture.
const MAX_BYTES: u64 = 128 << 20;
/// So many pictures show whether a set is dark on light.
const SAMPLE: usize = 200;

/// A folder with a folder for each class.
#[derive(Default)]
pub(super) struct Tree {
    /// The pictures of each.
    classes: BTreeMap<String, Vec<PathBuf>>,
    /// So many other files are in these folders.
    others: usize,
}

/// The folders among whose own folders at least two hold pictures.
pub(super) fn trees(files: &[PathBuf]) -> BTreeMap<&Path, Tree> {
    let mut trees: BTreeMap<&Path, Tree> = BTreeMap::new();
    for file in files {
        if let Some(class) = file.parent()
            && let (Some(name), Some(place)) = (class.file_name(), class.parent())
        {
            let tree = trees.entry(place).or_default();
            let ending = file.extension().unwrap_or_default().to_ascii_lowercase();
            if ENDINGS.iter().any(|known| ending == *known) {
                let name = name.to_string_lossy().into_owned();
                tree.classes.entry(name).or_default().push(file.clone());
            } else {
                tree.others += 1;
            }
        }
    }
    trees.retain(|_, tree| tree.classes.len() > 1);
    trees
}

/// Reads the pictures in `place`, one of the `trees` of a set. The classes take turns, so that any
/// range has its share of each.
pub(super) fn read(
    place: &Path,
    trees: &BTreeMap<&Path, &Tree>,
    classes: &Classes,
) -> Result<LoadedDataset> {
    let classes = names(trees, classes)?;
    let tree = trees.get(place).context("it is none of them")?;
    let mut files = Vec::new();
    for (class, pictures) in &tree.classes {
        let label = classes.iter().position(|name| name == class);
        let label = u8::try_from(label.context("a class has a name")?)?;
        let count = pictures.len() as u64;
        let turns = (0..count).map(|place| ((2 * place + 1) << 31) / count);
        files.extend(turns.zip(pictures).map(|(turn, file)| (turn, label, file)));
    }
    files.sort_by_key(|&(turn, label, _)| (turn, label));
    let (inverted, is_light) = polarity(trees)?;
    let paths = files.iter().map(|&(_, _, file)| file).collect();
    let images = in_parallel(paths, cores(), |file: &PathBuf| {
        with_bytes(file, |bytes| match plain(bytes) {
            Some(image) => Ok((image, true)),
            None => Ok((photos::prepare(bytes, is_light)?, false)),
        })
    })?;
    let mut pixels = Vec::with_capacity(images.len() * PIXELS);
    let mut as_they_are = 0;
    for (mut image, is_plain) in images {
        as_they_are += usize::from(is_plain);
        if is_plain && inverted {
            invert(&mut image);
        }
        pixels.extend(image);
    }
    let labels: Vec<u8> = files.iter().map(|&(_, label, _)| label).collect();
    let prepared = labels.len() - as_they_are;
    let but = inverted.then_some(" but inverted, being dark on light");
    let note = format!(
        "note: {}: {as_they_are} pictures taken as they are{}, {prepared} prepared as by \
         predict, {} other files left out",
        place.display(),
        but.unwrap_or_default(),
        tree.others
    );
    Ok(LoadedDataset {
        images: Dataset::new([SIDE; 2], pixels, labels)?,
        classes,
        pictures: Some(Pictures {
            as_they_are,
            prepared,
            inverted,
        }),
        notes: vec![note],
        ..LoadedDataset::default()
    })
}

/// The names of the classes in the order of labels: those that are given, else those of the
/// folders. Folders named by numbers keep them, where there are to be more classes than folders.
fn names(trees: &BTreeMap<&Path, &Tree>, given: &Classes) -> Result<Vec<String>> {
    let found = trees.values().flat_map(|tree| tree.classes.keys());
    let found: BTreeSet<&String> = found.collect();
    let is_below = |count: usize| {
        let mut numbers = found.iter().map(|name| name.parse::<usize>());
        count > found.len() && numbers.all(|number| number.is_ok_and(|number| number < count))
    };
    let names: Vec<String> = match given {
        Classes::Named(names) => names.clone(),
        Classes::Number(count) if is_below(*count) => (0..*count).map(|n| n.to_string()).collect(),
        _ => found.iter().copied().cloned().collect(),
    };
    let (count, most) = (names.len(), MAX_CLASSES);
    ensure!(
        count <= most,
        "{count} class folders: at most {most} classes are told apart"
    );
    if let Some(other) = found.into_iter().find(|name| !names.contains(name)) {
        let names = names.join(", ");
        bail!("the class folder {other} is none of those the model knows: {names}");
    }
    Ok(names)
}

/// What `work` makes of the bytes of a picture; errors name its file.
fn with_bytes<T>(path: &Path, work: impl FnOnce(&[u8]) -> Result<T>) -> Result<T> {
    content::raw(path, |file| {
        let mut bytes = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut bytes)?;
        work(&bytes)
    })
}

/// The grey values of a picture that is 28x28 already; none of what shows through.
fn plain(bytes: &[u8]) -> Option<Prepared> {
    let reader = ImageReader::new(Cursor::new(bytes));
    let mut reader = reader.with_guessed_format().ok()?;
    let mut limits = Limits::default();
    limits.max_image_width = u32::try_from(SIDE).ok();
    limits.max_image_height = limits.max_image_width;
    reader.limits(limits);
    let image = reader.decode().ok()?.into_luma_alpha8();
    let is_opaque = image.pixels().all(|pixel| pixel.0[1] == u8::MAX);
    let pixels: Vec<u8> = image.pixels().map(|pixel| pixel.0[0]).collect();
    pixels.try_into().ok().filter(|_| is_opaque)
}

/// Whether the pictures of a set that are taken as they are show dark ink on light paper; and
/// whether the ink of the others is light, where nearly all agree.
fn polarity(trees: &BTreeMap<&Path, &Tree>) -> Result<(bool, Option<bool>)> {
    let files = trees.values().flat_map(|tree| tree.classes.values());
    let files = files.flatten();
    let step = files.clone().count().div_ceil(SAMPLE).max(1);
    let sample: Vec<&PathBuf> = files.step_by(step).collect();
    let looked_at = in_parallel(sample, cores(), |path| {
        with_bytes(path, |bytes| {
            let image = plain(bytes);
            let is_light = || photos::is_light_on_dark(bytes);
            Ok(image.ok_or_else(is_light))
        })
    })?;
    let (mut pixels, mut found) = (Vec::new(), [0, 0]);
    for picture in looked_at {
        match picture {
            Ok(image) => pixels.extend(image),
            Err(Some(is_light)) => found[usize::from(is_light)] += 1,
            Err(None) => {}
        }
    }
    let is_light = found[1] > found[0];
    let is_sure = found[usize::from(!is_light)] * 10 <= found[usize::from(is_light)];
    let inverted = Dataset::unlabelled(pixels).is_dark_on_light();
    Ok((inverted, is_sure.then_some(is_light)))
}
