//! Reads images from CSV files such as Kaggle's: one image per row, 784 gray values,
//! usually a label, and sometimes an id.
//!
//! Rows are split here because the csv crate does not limit the length of a row; no field needs
//! quotes.

use std::io::{BufRead, Chain, Cursor, Read};

use anyhow::{Context, Result, bail, ensure};

use super::csv_columns::{Columns, is_header};
use crate::data::array::{MAX_BYTES, gray_values, round_to_u8};
use crate::data::file_kind::FileKind;
use crate::data::{Dataset, PIXELS, SIDE};

/// Maximum length of a row in bytes; pixels with 17 digits take 16 KB.
const MAX_ROW: u64 = 1 << 16;

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
    let roles = table.columns.roles(label_column)?;
    let Some(label) = roles.label else {
        bail!(
            "no label column: the columns are {PIXELS} pixels{}; mnist-tch predict reads such a \
             file; to train, take test images from the training file with --test-range \
             train:A..B, or name the labels with --label-column",
            if roles.ids.is_empty() { "" } else { " and ids" }
        );
    };
    let cells = table.columns.cells(label).iter().zip(&table.row_numbers);
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
    let roles = table.columns.roles(None)?;
    let is_named = |column: &&usize| {
        let name = table.columns.names.get(**column);
        name.is_some_and(|name| !name.is_empty())
    };
    let id = roles.ids.iter().find(is_named).or(roles.ids.first());
    let ids = id.map(|&id| {
        let name = table.columns.names.get(id).filter(|name| !name.is_empty());
        let name = name.map_or("id", String::as_str).to_owned();
        (name, table.columns.cells(id).to_vec())
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

/// A table of images.
struct Table {
    columns: Columns,
    /// The columns that are not kept as text, row by row.
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
        let row = fields(&first, separator);
        let is_header = is_header(&row);
        let mut table = Self {
            columns: Columns::new(&row, is_header, label_column)?,
            others: Pixels::with_capacity(0),
            row_numbers: Vec::new(),
        };
        if !is_header {
            table.add(&first, separator, 1)?;
        }
        for number in 2_u64.. {
            let line = lines.next_line()?;
            if line.is_empty() {
                break;
            }
            table.add(&line, separator, number)?;
        }
        Ok(table)
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
            row.len() == self.columns.width,
            "row {number}: {} columns, expected {} as in the first row",
            row.len(),
            self.columns.width
        );
        let mut texts = self.columns.texts.iter_mut().peekable();
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

    /// The pixels in these columns, row by row.
    fn pixels(self, columns: &[usize]) -> Result<Vec<u8>> {
        let is_text = |column: &usize| {
            self.columns
                .texts
                .iter()
                .position(|(text, _)| text == column)
        };
        let sources: Vec<Option<usize>> = columns.iter().map(is_text).collect();
        if sources.iter().all(Option::is_none) {
            return self.others.into_gray();
        }
        let mut pixels = Pixels::with_capacity(self.row_numbers.len() * PIXELS);
        let mut index = 0;
        for (row, &number) in self.row_numbers.iter().enumerate() {
            for (source, &column) in sources.iter().zip(columns) {
                if let Some(text) = source {
                    let field = &self.columns.texts[*text].1[row];
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

// Realistic files are tested in tests/labels.rs and tests/folders.rs.
#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        format!("{:#}", read(&mut text.as_bytes(), None).unwrap_err())
    }

    #[test]
    fn errors_name_the_row_and_the_column() {
        let pixels = ["7"; PIXELS].join(",");
        let names: Vec<String> = (0..PIXELS).map(|pixel| format!("p{pixel}")).collect();
        let header = format!("label,{}\n", names.join(","));
        let good = format!("{header}3,{pixels}\r\n\n4,{pixels}\n");
        let long = "1,".repeat(65_536);
        assert_eq!(read(&mut good.as_bytes(), None).unwrap().0.labels(), [3, 4]);
        for (text, part) in [
            ("", "the file is empty"),
            ("1,2,3\n", "3 columns, expected a label and 784 pixels"),
            (&format!("{good}3,7\n"), "row 5: 2 columns, expected 785"),
            (
                &good.replace("4,7", "x,7"),
                "row 4: the label in column 1 is \"x\", expected a whole number from 0 to 255",
            ),
            (
                &good.replace("4,7", "256,7"),
                "row 4: the label in column 1 is \"256\"",
            ),
            (
                &good.replace("4,7", "-1,7"),
                "row 4: the label in column 1 is \"-1\"",
            ),
            (
                &good.replace(",7,7\n", ",7,256\n"),
                "row 4: column 785 is \"256\", expected a number from 0 to 255",
            ),
            (&good.replace("4,7", "4,nan"), "row 4: column 2 is \"nan\""),
            (
                &good.replace("4,7", "4,-0.5"),
                "row 4: column 2 is \"-0.5\"",
            ),
            (&format!("{good}{long}"), "row 5: longer than"),
            (
                &good.replace("p7,", "target,"),
                "the columns label and target may both hold the labels: choose one with",
            ),
        ] {
            let error = error(text);
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn rows_without_labels_have_the_ids_that_the_file_gives_them() {
        let pixels = ["0"; PIXELS].join(",");
        let names: Vec<String> = (0..PIXELS).map(|pixel| format!("p{pixel}")).collect();
        let names = names.join(",");
        let rows = |row: &dyn Fn(usize) -> String| (0..12).map(row).collect::<String>();
        let bare = rows(&|_| format!("{pixels}\n"));
        let numbered = rows(&|row| format!("{},{pixels}\n", row + 1));
        let files = rows(&|row| format!("{pixels},scan{row}.png\n"));
        let labeled = rows(&|row| format!("{},{pixels}\n", row % 2));
        let both = rows(&|row| format!("{row},x{row},{pixels}\n"));
        for (text, ids) in [
            (bare.clone(), None),
            (format!("{names}\n{bare}"), None),
            (numbered.clone(), Some(("id", "1"))),
            (
                format!("ImageId,{names}\n{numbered}"),
                Some(("ImageId", "1")),
            ),
            (
                format!("{names},File\n{files}"),
                Some(("File", "scan0.png")),
            ),
            (format!(",Id,{names}\n{both}"), Some(("Id", "x0"))),
            (format!("label,{names}\n{labeled}"), None),
        ] {
            let found = read_unlabeled(&mut text.as_bytes()).unwrap();
            assert_eq!(found.pixels.len(), 12 * PIXELS);
            let found = found.ids.map(|(name, ids)| (name, ids[0].clone()));
            let ids = ids.map(|(name, id)| (name.to_owned(), id.to_owned()));
            assert_eq!(found, ids, "{text:.40}");
        }
    }
}
