//! Reads pictures from a folder for each class, as torchvision's `ImageFolder` does: `3/a.png`. The
//! names of the folders are the classes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, bail, ensure};
use image::{DynamicImage, ImageDecoder, ImageReader};

use crate::data::read_options::invert;
use crate::data::{
    Classes, Dataset, LoadedDataset, MAX_CLASSES, PIXELS, Pictures, Preparation, ReadOptions, SIDE,
    cores, in_parallel, list_first,
};
use crate::photos::{self, PictureFile, Prepared};

/// File extensions of pictures.
pub(super) const ENDINGS: [&str; 8] = ["png", "jpg", "jpeg", "bmp", "gif", "webp", "tif", "tiff"];
/// Sample size for guessing the polarity.
const SAMPLE: usize = 200;

/// A folder with a folder for each class.
#[derive(Default)]
pub(super) struct Tree {
    /// The pictures of each class.
    pub classes: BTreeMap<String, Vec<PathBuf>>,
    /// The number of other files in the class folders.
    others: usize,
}

/// Finds the folders whose own folders hold pictures.
pub(super) fn trees(files: &[PathBuf]) -> BTreeMap<&Path, Tree> {
    let mut trees: BTreeMap<&Path, Tree> = BTreeMap::new();
    for file in files {
        if let Some(class) = file.parent()
            && let (Some(name), Some(place)) = (class.file_name(), class.parent())
        {
            let tree = trees.entry(place).or_default();
            let ending = file.extension().unwrap_or_default().to_ascii_lowercase();
            if ENDINGS.iter().any(|known| ending == *known) {
                let name = name.to_str().map_or_else(
                    || name.as_encoded_bytes().escape_ascii().to_string(),
                    str::to_owned,
                );
                tree.classes.entry(name).or_default().push(file.clone());
            } else {
                tree.others += 1;
            }
        }
    }
    trees
}

/// A picture that was read.
enum Picture {
    /// 28x28 already.
    AsItIs(Prepared),
    Prepared(Prepared),
    /// Nothing is drawn on it.
    Blank,
    Damaged(Error),
}

/// Reads the pictures in `place`, one of the `trees` of a set. The classes are interleaved, so that
/// any range is balanced.
pub(super) fn read(
    place: &Path,
    trees: &BTreeMap<&Path, &Tree>,
    options: &ReadOptions,
) -> Result<LoadedDataset> {
    ensure!(
        !options.invert,
        "--invert: digits in class folders are inverted automatically, other pictures must match \
         those given to predict later"
    );
    let found: BTreeSet<&str> = trees
        .values()
        .flat_map(|tree| tree.classes.keys().map(String::as_str))
        .collect();
    let classes = class_names(&found, &options.classes)?;
    let preparation = options.prepare.unwrap_or_else(|| preparation(&found));
    let tree = trees.get(place).context("the folder is not in the set")?;
    let (inverted, is_light) = match preparation {
        Preparation::Digits => polarity(trees)?,
        _ => (false, None),
    };
    let pictures = in_parallel(take_turns(tree, &classes)?, cores(), |(label, file)| {
        Ok((label, file, read_picture(file, preparation, is_light)))
    })?;
    let mut done = Pictures {
        inverted,
        ..Pictures::default()
    };
    let (mut pixels, mut labels) = (Vec::with_capacity(pictures.len() * PIXELS), Vec::new());
    let (mut blank, mut damaged) = (Vec::new(), Vec::new());
    for (label, file, picture) in pictures {
        let image = match picture {
            Picture::AsItIs(mut image) => {
                done.as_they_are += 1;
                if inverted {
                    invert(&mut image);
                }
                image
            }
            Picture::Prepared(image) => {
                done.prepared += 1;
                image
            }
            Picture::Blank => {
                done.prepared += 1;
                blank.push(file.display().to_string());
                [0; PIXELS]
            }
            Picture::Damaged(error) => {
                damaged.push((label, error));
                continue;
            }
        };
        pixels.extend(image);
        labels.push(label);
    }
    done.skipped = damaged.len();
    check_damage(tree, &classes, &damaged)?;
    let mut notes = vec![
        format!("note: {} classes: {}", classes.len(), list_first(&classes)),
        summary(place, preparation, done, tree.others),
    ];
    if !blank.is_empty() {
        notes.push(format!(
            "warning: nothing is drawn on {} pictures, which become blank images ({}); if they are \
             not ink on paper, use --prepare plain",
            blank.len(),
            list_first(&blank)
        ));
    }
    if !damaged.is_empty() {
        let errors: Vec<String> = damaged
            .iter()
            .map(|(_, error)| format!("{error:#}"))
            .collect();
        notes.push(format!(
            "warning: {} pictures cannot be read and are left out: {}",
            errors.len(),
            list_first(&errors)
        ));
    }
    Ok(LoadedDataset {
        images: Dataset::new([SIDE; 2], pixels, labels)?,
        classes,
        pictures: Some(done),
        preparation: Some(preparation),
        notes,
        ..LoadedDataset::default()
    })
}

/// The label and the file of every picture, with the classes interleaved.
fn take_turns<'a>(tree: &'a Tree, classes: &[String]) -> Result<Vec<(u8, &'a PathBuf)>> {
    let mut files = Vec::new();
    for (class, pictures) in &tree.classes {
        let label = label_of(class, classes).context("the class has no label")?;
        let count = pictures.len() as u64;
        let turns = (0..count).map(|turn| ((2 * turn + 1) << 31) / count);
        files.extend(turns.zip(pictures).map(|(turn, file)| (turn, label, file)));
    }
    files.sort_by_key(|&(turn, label, _)| (turn, label));
    let files = files.into_iter().map(|(_, label, file)| (label, file));
    Ok(files.collect())
}

/// Fails if more than a tenth of the pictures in any class are damaged.
fn check_damage(tree: &Tree, classes: &[String], damaged: &[(u8, Error)]) -> Result<()> {
    for (class, pictures) in &tree.classes {
        let label = label_of(class, classes);
        let mut errors = damaged.iter().filter(|(of, _)| Some(*of) == label);
        let (count, all) = (errors.clone().count(), pictures.len());
        if let Some((_, error)) = errors.next()
            && count * 10 > all
        {
            bail!(
                "class {class}: {count} of {all} pictures cannot be read, more than a tenth: \
                 repair or delete them; the first is {error:#}"
            );
        }
    }
    Ok(())
}

/// A one-line summary of what was read.
fn summary(place: &Path, preparation: Preparation, done: Pictures, others: usize) -> String {
    let how = match preparation {
        Preparation::Digits => "prepared as by predict",
        _ => "scaled to 28x28",
    };
    let inverted = if done.inverted {
        " but inverted (dark on light)"
    } else {
        ""
    };
    format!(
        "note: {}: {} pictures taken as they are{inverted}, {} {how}, {others} other files left out",
        place.display(),
        done.as_they_are,
        done.prepared
    )
}

/// The label of a class folder named by a number.
fn number(name: &str) -> Option<u8> {
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
    name.parse().ok().filter(|_| is_number)
}

/// The class names in the order of labels: the given ones; else numbers, if all folders are named
/// by different ones; else the sorted names of the folders.
fn class_names(found: &BTreeSet<&str>, given: &Classes) -> Result<Vec<String>> {
    let numbers: Option<BTreeSet<u8>> = found.iter().map(|name| number(name)).collect();
    let numbers = numbers.filter(|numbers| numbers.len() == found.len());
    let names: Vec<String> = match (given, numbers) {
        (Classes::Named(names), _) => names.clone(),
        (_, Some(numbers)) => {
            let max = numbers.last().copied().unwrap_or_default();
            (0..=max).map(|number| number.to_string()).collect()
        }
        _ => found.iter().map(|name| (*name).to_owned()).collect(),
    };
    ensure!(
        names.len() <= MAX_CLASSES,
        "{} class folders, the maximum is {MAX_CLASSES}",
        names.len()
    );
    if let Some(other) = found.iter().find(|name| label_of(name, &names).is_none()) {
        bail!(
            "the class folder {other} is not a class of the model: {}",
            list_first(&names)
        );
    }
    Ok(names)
}

/// The label of a class by its name, or by the same number written differently, such as 07.
fn label_of(class: &str, names: &[String]) -> Option<u8> {
    let exact = names.iter().position(|name| name == class);
    let label = exact.or_else(|| {
        let wanted = number(class)?;
        names.iter().position(|name| number(name) == Some(wanted))
    });
    label.and_then(|label| u8::try_from(label).ok())
}

/// How pictures of these classes are prepared: digits as in `predict`, others only scaled.
fn preparation(classes: &BTreeSet<&str>) -> Preparation {
    let mut numbers = classes.iter().map(|name| number(name));
    if numbers.all(|number| number.is_some_and(|number| number <= 9)) {
        Preparation::Digits
    } else {
        Preparation::Plain
    }
}

fn read_picture(file: &Path, preparation: Preparation, is_light: Option<bool>) -> Picture {
    let picture = with_bytes(file, |bytes| {
        if let Some(image) = decode_28x28(bytes) {
            return Ok(Picture::AsItIs(image));
        }
        match photos::prepare(bytes, preparation, is_light) {
            Ok(image) => Ok(Picture::Prepared(image)),
            // It can be decoded, so it must be blank.
            Err(_) if photos::prepare(bytes, Preparation::Plain, None).is_ok() => {
                Ok(Picture::Blank)
            }
            Err(error) => Err(error),
        }
    });
    picture.unwrap_or_else(Picture::Damaged)
}

/// Passes the bytes of a picture to `work`. Errors name the file.
fn with_bytes<T>(path: &Path, work: impl FnOnce(&[u8]) -> Result<T>) -> Result<T> {
    let file = PictureFile::open(path);
    let done = file.and_then(|file| work(file.bytes()));
    done.with_context(|| path.display().to_string())
}

/// The gray values of an opaque picture of 28x28; `None` for any other.
fn decode_28x28(bytes: &[u8]) -> Option<Prepared> {
    let reader = ImageReader::new(Cursor::new(bytes));
    let decoder = reader.with_guessed_format().ok()?.into_decoder().ok()?;
    let side = u32::try_from(SIDE).ok()?;
    if decoder.dimensions() != (side, side) {
        return None;
    }
    let image = DynamicImage::from_decoder(decoder).ok()?.into_luma_alpha8();
    let is_opaque = image.pixels().all(|pixel| pixel.0[1] == u8::MAX);
    let pixels: Vec<u8> = image.pixels().map(|pixel| pixel.0[0]).collect();
    pixels.try_into().ok().filter(|_| is_opaque)
}

/// Guesses the polarity from a sample: true if the 28x28 pictures are dark on light; and whether
/// the other pictures have light ink, if nearly all agree.
fn polarity(trees: &BTreeMap<&Path, &Tree>) -> Result<(bool, Option<bool>)> {
    let files = trees.values().flat_map(|tree| tree.classes.values());
    let files = files.flatten();
    let step = files.clone().count().div_ceil(SAMPLE).max(1);
    let sample: Vec<&PathBuf> = files.step_by(step).collect();
    let looked_at = in_parallel(sample, cores(), |path| {
        let looked_at = with_bytes(path, |bytes| {
            let image = decode_28x28(bytes);
            Ok(image.ok_or_else(|| photos::is_light_on_dark(bytes)))
        });
        // Damaged pictures are reported when all are read.
        Ok(looked_at.unwrap_or(Err(None)))
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
    let inverted = Dataset::unlabeled(pixels).is_dark_on_light();
    Ok((inverted, is_sure.then_some(is_light)))
}
