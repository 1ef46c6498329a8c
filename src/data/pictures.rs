//! Folders of pictures, one for each class, as torchvision's `ImageFolder` takes them: `3/a.png`.
//! The sorted names of the folders are the classes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use image::{ImageReader, Limits};

use super::content;
use super::picture::{self, Prepared};
use super::reading::{Classes, Labelled, Pictures, invert};
use super::{Dataset, MOST_CLASSES, PIXELS, SIDE};

/// Endings of the names of pictures.
const ENDINGS: [&str; 8] = ["png", "jpg", "jpeg", "bmp", "gif", "webp", "tif", "tiff"];
/// The most bytes of one picture.
const MAX_BYTES: u64 = 128 << 20;
/// So many pictures show whether a set is dark on light.
const SAMPLE: usize = 200;

/// The pictures of each class.
pub(super) type Tree<'a> = BTreeMap<String, Vec<&'a Path>>;

/// The folders among whose own folders at least two hold pictures.
pub(super) fn trees(files: &[PathBuf]) -> BTreeMap<&Path, Tree<'_>> {
    let mut trees: BTreeMap<&Path, Tree> = BTreeMap::new();
    for file in files.iter().filter(|file| is_picture(file)) {
        if let Some(class) = file.parent()
            && let (Some(name), Some(tree)) = (class.file_name(), class.parent())
        {
            let classes = trees.entry(tree).or_default();
            let name = name.to_string_lossy().into_owned();
            classes.entry(name).or_default().push(file);
        }
    }
    trees.retain(|_, tree| tree.len() > 1);
    trees
}

fn is_picture(file: &Path) -> bool {
    let ending = file.extension().unwrap_or_default();
    ENDINGS
        .iter()
        .any(|known| ending.eq_ignore_ascii_case(known))
}

/// Reads the pictures of one of the trees of a set, out of the `files` in the folder `root`. The
/// classes take turns, so that any range has its share of each.
pub(super) fn read(
    root: &Path,
    files: &[PathBuf],
    set: &[&Path],
    one: &Path,
    classes: &Classes,
) -> Result<Labelled> {
    let all = trees(files);
    let trees: Vec<Tree> = set
        .iter()
        .filter_map(|path| all.get(path).cloned())
        .collect();
    let is_left_out =
        |file: &&PathBuf| !is_picture(file) && file.parent().and_then(Path::parent) == Some(one);
    let left_out = files.iter().filter(is_left_out).count();
    let classes = names(&trees, classes)?;
    let mut files = Vec::new();
    for (class, pictures) in all.get(one).into_iter().flatten() {
        let label = classes.iter().position(|name| name == class);
        let label = u8::try_from(label.context("a class has a name")?)?;
        let count = pictures.len() as u64;
        let turns = (0..count).map(|place| ((2 * place + 1) << 31) / count);
        files.extend(turns.zip(pictures).map(|(turn, file)| (turn, label, *file)));
    }
    files.sort_by_key(|&(turn, label, _)| (turn, label));
    let (inverted, is_light) = polarity(root, &trees)?;
    let images = in_parallel(&files, |(_, _, file)| image_of(&root.join(file), is_light))?;
    let as_they_are = images.iter().filter(|(_, is_plain)| *is_plain).count();
    let done = Pictures {
        as_they_are,
        prepared: images.len() - as_they_are,
        inverted,
    };
    let mut pixels = Vec::with_capacity(images.len() * PIXELS);
    for (mut image, is_plain) in images {
        if is_plain && done.inverted {
            invert(&mut image);
        }
        pixels.extend(image);
    }
    let labels = files.iter().map(|&(_, label, _)| label).collect();
    let dataset = Dataset::new([SIDE; 2], pixels, labels)?;
    let name = root.join(one).display().to_string();
    let inverted = if done.inverted {
        " but inverted, being dark on light"
    } else {
        ""
    };
    let note = format!(
        "note: {name}: {as_they_are} pictures taken as they are{inverted}, {} prepared as by \
         predict, {left_out} other files left out",
        done.prepared
    );
    let mut labelled = Labelled::new(dataset, classes, name);
    labelled.notes.push(note);
    labelled.pictures = Some(done);
    Ok(labelled)
}

/// The names of the classes in the order of labels: those that are given, else those of the
/// folders. Folders named by numbers keep them, where there are to be more classes than folders.
fn names(trees: &[Tree], given: &Classes) -> Result<Vec<String>> {
    let found: BTreeSet<&String> = trees.iter().flat_map(BTreeMap::keys).collect();
    let is_below = |count: usize| {
        let mut numbers = found.iter().map(|name| name.parse::<usize>());
        count > found.len() && numbers.all(|number| number.is_ok_and(|number| number < count))
    };
    let names: Vec<String> = match given {
        Classes::Named(names) => names.clone(),
        Classes::Number(count) if is_below(*count) => (0..*count).map(|n| n.to_string()).collect(),
        _ => found.iter().copied().cloned().collect(),
    };
    let (count, most) = (names.len(), MOST_CLASSES);
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

/// A picture as the network takes it, and whether it was so already. Of ink it may be known whether
/// it is light.
fn image_of(path: &Path, is_light: Option<bool>) -> Result<(Prepared, bool)> {
    let named = || path.display().to_string();
    let bytes = bytes_of(path).with_context(named)?;
    match plain(&bytes) {
        Some(image) => Ok((image, true)),
        None => Ok((
            picture::prepare(&bytes, is_light).with_context(named)?,
            false,
        )),
    }
}

fn bytes_of(path: &Path) -> Result<Vec<u8>> {
    let (file, mut bytes) = content::open(path)?;
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The grey values of a picture that is 28x28 already; none of what shows through.
fn plain(bytes: &[u8]) -> Option<Prepared> {
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .ok()?;
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
fn polarity(root: &Path, trees: &[Tree]) -> Result<(bool, Option<bool>)> {
    let files = trees.iter().flat_map(BTreeMap::values).flatten();
    let step = files.clone().count().div_ceil(SAMPLE).max(1);
    let sample: Vec<PathBuf> = files.step_by(step).map(|file| root.join(file)).collect();
    let looked_at = in_parallel(&sample, |path| {
        let bytes = bytes_of(path).with_context(|| path.display().to_string())?;
        Ok(plain(&bytes).ok_or_else(|| picture::is_light_on_dark(&bytes)))
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

/// What `work` makes of each, in their order, on all cores.
fn in_parallel<T: Sync, R: Clone + Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let shares = items.chunks(items.len().div_ceil(threads).max(1));
    let work = |share: &[T]| share.iter().map(&work).collect::<Result<Vec<R>>>();
    thread::scope(|scope| {
        let started = shares.map(|share| scope.spawn(|| work(share)));
        let started: Vec<_> = started.collect();
        let ended = started.into_iter().map(|share| {
            share
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        Ok(ended.collect::<Result<Vec<_>>>()?.concat())
    })
}
