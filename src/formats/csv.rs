//! Reads images from CSV files as Kaggle and others have them: one image per row, 784 gray values,
//! usually a label, and sometimes an id.
//!
//! Rows are split here because the csv crate does not limit the length of a row; no field needs
//! quotes.

use std::io::{BufRead, Chain, Cursor, Read};

use anyhow::{Context, Result, bail, ensure};

use crate::data::array::{MAX_BYTES, gray_values, round_to_u8};
use crate::data::file_kind::FileKind;
use crate::data::{Dataset, PIXELS, SIDE};

/// Maximum length of a row in bytes; pixels with 17 digits take 16 KB.
const MAX_ROW: u64 = 1 << 16;
/// Maximum number of columns beside the pixels.
const MAX_OTHERS: usize = 3;
/// Names of label columns.
const LABELS: [&str; 6] = ["label", "labels", "class", "target", "digit", "y"];
/// Names of id columns; pandas names an index column with nothing or `Unnamed: 0`.
const IDS: [&str; 8] = [
    "id",
    "imageid",
    "image_id",
    "index",
    "idx",
    "row",
    "",
    "unnamed: 0",
];
/// Columns that count up are taken as ids only if they have more rows than this; fewer may be the
/// labels 0 to 9.
const MAX_COUNTING_LABELS: usize = 10;
/// With fewer rows, two columns that both look like labels cannot be told apart.
const MIN_ROWS: usize = 20;
/// Maximum number of values in a column that counts as labels against one with gaps.
const MAX_FEW: usize = 64;

/// Images without their labels, and the id column: its name, and the id of each image.
pub(super) struct Rows {
    pub pixels: Vec<u8>,
    pub ids: Option<(String, Vec<String>)>,
}

/// Reads images and labels. Returns a note as well if the label column was found by its values.
pub(super) fn read(
    source: &mut dyn BufRead,
    label_column: Option<&str>,
) -> Result<(Dataset, Option<String>)> {
    let table = Table::read(source, label_column)?;
    let roles = table.roles(label_column)?;
    let Some(label) = roles.label else {
        bail!(
            "no label column: the columns are {PIXELS} pixels{}; mnist-tch predict reads such a \
             file; to train, take test images from the training file with --test-range \
             train:A..B, or name the labels with --label-column",
            if roles.ids.is_empty() { "" } else { " and ids" }
        );
    };
    let cells = table.cells(label).iter().zip(&table.row_numbers);
    let labels = cells.map(|(cell, row)| {
        let number = cell.parse().ok().and_then(round_to_u8);
        number.with_context(|| {
            let column = label + 1;
            format!(
                "row {row}: the label in column {column} is \"{cell:.20}\", expected a whole \
                 number from 0 to 255"
            )
        })
    });
    let labels = labels.collect::<Result<_>>()?;
    let note = (roles.is_guess && label > 0)
        .then(|| format!("note: the labels are in column {}", label + 1));
    let images = Dataset::new([SIDE; 2], table.pixels(&roles.pixels)?, labels)?;
    Ok((images, note))
}

/// Reads images, and ids if there are any. A label column is ignored.
pub(super) fn read_unlabeled(source: &mut dyn BufRead) -> Result<Rows> {
    let table = Table::read(source, None)?;
    let roles = table.roles(None)?;
    let is_named = |column: &&usize| {
        table
            .names
            .get(**column)
            .is_some_and(|name| !name.is_empty())
    };
    let id = roles.ids.iter().find(is_named).or(roles.ids.first());
    let ids = id.map(|&id| {
        let name = table.names.get(id).filter(|name| !name.is_empty());
        let name = name.map_or("id", String::as_str).to_owned();
        (name, table.cells(id).to_vec())
    });
    let pixels = table.pixels(&roles.pixels)?;
    Ok(Rows { pixels, ids })
}

/// Counts the columns of the first row.
pub(super) fn columns(source: &mut dyn BufRead) -> Result<usize> {
    let line = Lines::new(source)?.next_line()?;
    Ok(fields(&line, separator(&line)).len())
}

/// The lines of a text, which end in LF, CRLF or, as on old Macs, CR.
struct Lines<'a> {
    source: Chain<Cursor<Vec<u8>>, &'a mut dyn BufRead>,
    end: u8,
}

impl<'a> Lines<'a> {
    fn new(source: &'a mut dyn BufRead) -> Result<Self> {
        let mut start = Vec::new();
        source.take(MAX_ROW).read_to_end(&mut start)?;
        let is_zero = |offset| {
            let bytes = start.iter().skip(offset).step_by(2).take(8);
            bytes.len() > 1 && bytes.copied().all(|byte| byte == 0)
        };
        let is_utf_16 = is_zero(0) || is_zero(1);
        let kind = FileKind::of(&start).or(is_utf_16.then_some(FileKind::Utf16));
        if let Some(kind) = kind {
            bail!(kind.describe_as_images());
        }
        let is_cr = start.contains(&b'\r') && !start.contains(&b'\n');
        Ok(Self {
            source: Cursor::new(start).chain(source),
            end: if is_cr { b'\r' } else { b'\n' },
        })
    }

    /// Reads a line with its end, at most [`MAX_ROW`] bytes of it; empty at the end of the text.
    fn next_line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        let source = self.source.by_ref().take(MAX_ROW);
        { source }.read_until(self.end, &mut line)?;
        Ok(String::from_utf8_lossy(&line).into_owned())
    }
}

/// The separator: whichever of tab, semicolon and comma is most frequent; `None` for white space.
fn separator(line: &str) -> Option<char> {
    let count = |&sign: &char| line.matches(sign).count();
    let most = ['\t', ';', ','].into_iter().max_by_key(count)?;
    (count(&most) > 0).then_some(most)
}

/// The fields of a line, without quotes and white space.
fn fields(line: &str, separator: Option<char>) -> Vec<&str> {
    let line = line.trim_start_matches('\u{feff}');
    let is_around = |sign: char| sign == '"' || sign.is_ascii_whitespace();
    match separator {
        // An array is searched faster than a single char, for which memchr is called every time.
        Some(separator) => line
            .split([separator])
            .map(|field| field.trim_matches(is_around))
            .collect(),
        None => line
            .split_ascii_whitespace()
            .map(|field| field.trim_matches(is_around))
            .collect(),
    }
}

fn to_number(field: &str) -> Option<f64> {
    field.parse().ok().filter(|number: &f64| number.is_finite())
}

/// True if the first row holds names or numbers of columns.
fn is_header(first: &[&str], second: &[&str]) -> bool {
    let is_most = |count: usize| 2 * count > first.len();
    let count = |test: fn(&&&str) -> bool| first.iter().filter(test).count();
    let has_fraction = |row: &[&str]| {
        let mut numbers = row.iter().filter_map(|field| to_number(field));
        numbers.any(|number| number.fract() != 0.0)
    };
    is_most(count(|field| to_number(field).is_none()))
        || is_most(count(|field| to_number(field).is_some_and(|number| number > 255.0)))
        // pandas makes unique names of a row of pixels: 5, 0, 0.1, 0.2.
        || second.len() == first.len() && has_fraction(first) && !has_fraction(second)
}

/// Pixels, as bytes until the first fraction.
enum Pixels {
    Bytes(Vec<u8>),
    Floats(Vec<f32>),
}

impl Pixels {
    fn with_capacity(capacity: usize) -> Self {
        Self::Bytes(Vec::with_capacity(capacity))
    }

    /// Adds a pixel; `None` if it is not a number from 0 to 255.
    fn push(&mut self, field: &str) -> Option<()> {
        if let Self::Bytes(bytes) = self
            && let Ok(byte) = field.parse()
        {
            bytes.push(byte);
            return Some(());
        }
        let number = field.parse().ok();
        self.push_number(number.filter(|number| (0.0..=255.0).contains(number))?);
        Some(())
    }

    fn push_number(&mut self, number: f32) {
        if let Self::Bytes(bytes) = self {
            if let Some(byte) = round_to_u8(number.into()) {
                return bytes.push(byte);
            }
            *self = Self::Floats(bytes.iter().copied().map(f32::from).collect());
        }
        if let Self::Floats(floats) = self {
            floats.push(number);
        }
    }

    fn get(&self, index: usize) -> f32 {
        match self {
            Self::Bytes(bytes) => bytes[index].into(),
            Self::Floats(floats) => floats[index],
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Floats(floats) => floats.len(),
        }
    }

    fn into_gray(self) -> Result<Vec<u8>> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Floats(floats) => gray_values(floats.into_iter().map(f64::from), true),
        }
    }
}

/// A table of images. Columns that may hold labels or ids are kept as text, the others as pixels.
struct Table {
    /// The names of the columns; empty without a header.
    names: Vec<String>,
    width: usize,
    /// The columns that are kept as text, and their cells.
    texts: Vec<(usize, Vec<String>)>,
    /// The other columns, row by row.
    others: Pixels,
    /// The number of each row in the file, from 1.
    row_numbers: Vec<u64>,
}

impl Table {
    fn read(source: &mut dyn BufRead, label_column: Option<&str>) -> Result<Self> {
        let mut lines = Lines::new(source)?;
        let first = lines.next_line()?;
        ensure!(!first.is_empty(), "the file is empty");
        let separator = separator(&first);
        let mut next = lines.next_line()?;
        let row = fields(&first, separator);
        let is_header = is_header(&row, &fields(&next, separator));
        let mut table = Self::with_header(&row, is_header, label_column)?;
        if !is_header {
            table.add(&first, separator, 1)?;
        }
        let mut number = 1_u64;
        while !next.is_empty() {
            number += 1;
            table.add(&next, separator, number)?;
            next = lines.next_line()?;
        }
        Ok(table)
    }

    /// An empty table with the columns of this row.
    fn with_header(row: &[&str], is_header: bool, label_column: Option<&str>) -> Result<Self> {
        let width = row.len();
        ensure!(
            (PIXELS..=PIXELS + MAX_OTHERS).contains(&width),
            "{width} columns, expected a label and {PIXELS} pixels (28x28)"
        );
        let names: Vec<String> = row.iter().map(|name| (*name).to_owned()).collect();
        let names = if is_header { names } else { Vec::new() };
        let extra = width - PIXELS;
        let is_text = |column: &usize| {
            let name = names.get(*column).map(|name| name.to_lowercase());
            let is_named = name.is_some_and(|name| {
                LABELS.contains(&&*name)
                    || IDS.contains(&&*name)
                    || label_column.is_some_and(|label| label.to_lowercase() == name)
            });
            is_named || *column < extra || *column >= width - extra
        };
        let texts = (0..width)
            .filter(is_text)
            .map(|column| (column, Vec::new()));
        Ok(Self {
            texts: texts.collect(),
            names,
            width,
            others: Pixels::with_capacity(0),
            row_numbers: Vec::new(),
        })
    }

    fn add(&mut self, line: &str, separator: Option<char>, number: u64) -> Result<()> {
        ensure!(
            (line.len() as u64) < MAX_ROW,
            "row {number}: longer than {MAX_ROW} bytes"
        );
        if line.trim().is_empty() {
            return Ok(());
        }
        let row = fields(line, separator);
        ensure!(
            row.len() == self.width,
            "row {number}: {} columns, expected {} as in the first row",
            row.len(),
            self.width
        );
        let mut texts = self.texts.iter_mut().peekable();
        for (column, field) in row.into_iter().enumerate() {
            if let Some((_, cells)) = texts.next_if(|(text, _)| *text == column) {
                cells.push(field.to_owned());
            } else {
                self.others
                    .push(field)
                    .with_context(|| bad_pixel(number, column, field))?;
            }
        }
        self.row_numbers.push(number);
        ensure!(
            self.others.len() as u64 <= MAX_BYTES,
            "more than {MAX_BYTES} pixels"
        );
        Ok(())
    }

    /// The text of a column that may hold labels or ids.
    fn cells(&self, column: usize) -> &[String] {
        let text = self.texts.iter().find(|(text, _)| *text == column);
        text.map_or(&[], |(_, cells)| cells)
    }

    /// The pixels in these columns, row by row.
    fn pixels(self, columns: &[usize]) -> Result<Vec<u8>> {
        let is_text = |column: &usize| self.texts.iter().position(|(text, _)| text == column);
        let sources: Vec<Option<usize>> = columns.iter().map(is_text).collect();
        if sources.iter().all(Option::is_none) {
            return self.others.into_gray();
        }
        let mut pixels = Pixels::with_capacity(self.row_numbers.len() * PIXELS);
        let mut index = 0;
        for (row, &number) in self.row_numbers.iter().enumerate() {
            for (source, &column) in sources.iter().zip(columns) {
                if let Some(text) = source {
                    let field = &self.texts[*text].1[row];
                    pixels
                        .push(field)
                        .with_context(|| bad_pixel(number, column, field))?;
                } else {
                    pixels.push_number(self.others.get(index));
                    index += 1;
                }
            }
        }
        pixels.into_gray()
    }
}

fn bad_pixel(row: u64, column: usize, field: &str) -> String {
    let column = column + 1;
    format!("row {row}: column {column} is \"{field:.20}\", expected a number from 0 to 255")
}

/// What the columns hold.
struct Roles {
    label: Option<usize>,
    ids: Vec<usize>,
    pixels: Vec<usize>,
    /// The label column was found by its values.
    is_guess: bool,
}

/// What a column may hold, by its values.
#[derive(Clone, Copy, PartialEq)]
enum Evidence {
    /// Text, large numbers, or row numbers.
    Id,
    /// Nearly constant, or fractions.
    Pixels,
    /// Integers, but with gaps: labels or pixels.
    Unclear,
    /// Integers from this many values that leave few gaps.
    Labels(usize),
}

impl Evidence {
    fn of(cells: &[String]) -> Self {
        let number =
            |cell: &String| to_number(cell).filter(|number| (0.0..=255.0).contains(number));
        let Some(numbers) = cells.iter().map(number).collect::<Option<Vec<f64>>>() else {
            return Self::Id;
        };
        let Some(values) = numbers
            .into_iter()
            .map(round_to_u8)
            .collect::<Option<Vec<u8>>>()
        else {
            return Self::Pixels;
        };
        let counts_up = values
            .windows(2)
            .all(|pair| pair[0].checked_add(1) == Some(pair[1]));
        if counts_up && values.len() > MAX_COUNTING_LABELS {
            return Self::Id;
        }
        let mut counts = [0; 256];
        values
            .iter()
            .for_each(|&value| counts[usize::from(value)] += 1);
        let distinct = counts.iter().filter(|&&count| count > 0).count();
        let top = counts.iter().max().copied().unwrap_or_default();
        let max = values.iter().max().copied().map_or(0, usize::from);
        if distinct < 2 || top * 10 > values.len() * 9 {
            Self::Pixels
        } else if distinct * 2 > max {
            Self::Labels(distinct)
        } else {
            Self::Unclear
        }
    }

    fn may_be_labels(self) -> bool {
        matches!(self, Self::Unclear | Self::Labels(_))
    }
}

impl Table {
    /// Decides what the columns hold, by `label_column`, the header, and the values.
    fn roles(&self, label_column: Option<&str>) -> Result<Roles> {
        let named = |words: &[&str]| -> Vec<usize> {
            let columns = (0..self.names.len()).zip(&self.names);
            let columns = columns.filter(|(_, name)| words.contains(&&*name.to_lowercase()));
            columns.map(|(column, _)| column).collect()
        };
        let labels = named(&LABELS);
        let mut label = match (label_column, &labels[..]) {
            (Some(name), _) => Some(self.named_column(name)?),
            (None, []) => None,
            (None, [label]) => Some(*label),
            (None, [one, other, ..]) => bail!(
                "the columns {} and {} may both hold the labels: choose one with --label-column",
                self.names[*one],
                self.names[*other]
            ),
        };
        let mut ids = named(&IDS);
        ids.retain(|&id| Some(id) != label);
        let is_rest = |column: &usize| {
            Some(*column) != label && !ids.contains(column) && !labels.contains(column)
        };
        let mut rest: Vec<usize> = (0..self.width).filter(is_rest).collect();
        let is_id = |column: &usize| Evidence::of(self.cells(*column)) == Evidence::Id;
        // Beside the label there may be an id that has no name.
        while rest.len() > PIXELS + usize::from(label.is_none()) {
            let edges = [rest[0], rest[rest.len() - 1]];
            let id = edges.into_iter().find(is_id);
            let id = id.with_context(|| {
                format!(
                    "{} columns, expected a label and {PIXELS} pixels (28x28)",
                    self.width
                )
            })?;
            rest.retain(|&column| column != id);
            ids.push(id);
        }
        let mut is_guess = false;
        if rest.len() > PIXELS {
            let (column, is_label) = self.find_label(&rest)?;
            rest.retain(|&other| other != column);
            is_guess = true;
            if is_label {
                label = Some(column);
            } else {
                ids.push(column);
            }
        }
        ensure!(
            rest.len() == PIXELS,
            "{} columns, of which {} hold pixels, expected {PIXELS} (28x28)",
            self.width,
            rest.len()
        );
        Ok(Roles {
            label,
            ids,
            pixels: rest,
            is_guess,
        })
    }

    /// The column that the user names.
    fn named_column(&self, name: &str) -> Result<usize> {
        let mut names = self.names.iter();
        let named = names.position(|column| column.eq_ignore_ascii_case(name));
        match name {
            _ if named.is_some() => {}
            "first" => return Ok(0),
            "last" => return Ok(self.width - 1),
            _ => {}
        }
        named.with_context(|| {
            let ends = match &self.names[..] {
                [one, two, .., last] => format!("the columns are {one}, {two}, ..., {last}"),
                _ => "the file has no header".to_owned(),
            };
            format!("--label-column {name}: no such column; {ends}; use a name, first or last")
        })
    }

    /// Decides which of the first and the last of these columns, one too many for pixels, holds the
    /// labels (`true`), or, if neither does, ids (`false`).
    fn find_label(&self, columns: &[usize]) -> Result<(usize, bool)> {
        let edges @ [first, last] = [columns[0], columns[columns.len() - 1]];
        let evidence = edges.map(|column| Evidence::of(self.cells(column)));
        // Numbered names of pixels differ from the names of other columns.
        let stem = |column: usize| {
            let name = self.names.get(column);
            name.map(|name| name.replace(|sign: char| sign.is_ascii_digit(), ""))
        };
        let inner = [stem(columns[1]), stem(columns[columns.len() - 2])];
        let is_odd = [stem(first) != inner[0], stem(last) != inner[1]];
        let rows = self.row_numbers.len();
        let is_label = match (is_odd, evidence) {
            ([true, false], [evidence, _]) => [evidence != Evidence::Id, false],
            ([false, true], [_, evidence]) => [false, evidence != Evidence::Id],
            (_, [one, other]) if one.may_be_labels() != other.may_be_labels() => {
                [one.may_be_labels(), other.may_be_labels()]
            }
            (_, [Evidence::Labels(one), Evidence::Labels(other)]) if rows >= MIN_ROWS => {
                [one * 4 <= other, other * 4 <= one]
            }
            (_, [Evidence::Labels(few), Evidence::Unclear]) if rows >= MIN_ROWS => {
                [few <= MAX_FEW, false]
            }
            (_, [Evidence::Unclear, Evidence::Labels(few)]) if rows >= MIN_ROWS => {
                [false, few <= MAX_FEW]
            }
            _ => [false, false],
        };
        if is_label.contains(&true) {
            return Ok((edges[usize::from(is_label[1])], true));
        }
        let id = evidence
            .iter()
            .position(|evidence| *evidence == Evidence::Id);
        let id = id.with_context(|| {
            format!(
                "{} columns, and the values do not show whether the first or the last one holds \
                 the labels: say --label-column first or --label-column last",
                self.width
            )
        })?;
        Ok((edges[id], false))
    }
}
