//! Reads labelled images from CSV as Kaggle and others have them: an image a row, 784 grey values
//! and a label, which comes first or stands in a column of that name.
//!
//! Rows are cut here and not by the csv crate, which has no limit to a row's length; nothing in
//! them needs its quotes.

use std::io::{BufRead, BufReader, Read};

use anyhow::{Context, Result, ensure};

use super::PIXELS;
use super::array::{MAX_BYTES, whole};

/// Far more bytes than a row has.
const MAX_ROW: u64 = 1 << 16;
/// Names that the column of labels has.
const LABELS: [&str; 6] = ["label", "labels", "class", "target", "digit", "y"];

/// Reads the pixels of all images, and their labels.
pub(super) fn read(source: &mut dyn Read) -> Result<(Vec<u8>, Vec<u8>)> {
    let mut source = BufReader::new(source);
    let (mut pixels, mut labels, mut label) = (Vec::new(), Vec::new(), 0);
    for place in 1.. {
        let line = line(&mut source).with_context(|| format!("row {place}"))?;
        let row = fields(&line);
        if line.is_empty() {
            ensure!(place > 1, "the file is empty");
            break;
        } else if place == 1 && is_header(&row) {
            label = row.iter().position(|name| is_label(name)).unwrap_or(0);
        } else if row.len() > 1 || !row[0].is_empty() {
            add(&row, label, &mut pixels, &mut labels).with_context(|| format!("row {place}"))?;
        }
        let count = pixels.len() as u64;
        ensure!(count <= MAX_BYTES, "more than {MAX_BYTES} pixels");
    }
    Ok((pixels, labels))
}

/// How many columns the first row has.
pub(super) fn columns(source: &mut dyn Read) -> Result<usize> {
    let mut line = Vec::new();
    BufReader::new(source)
        .take(MAX_ROW)
        .read_until(b'\n', &mut line)?;
    Ok(fields(&line).len())
}

/// The next line with its end; nothing after the last one.
fn line(source: &mut impl BufRead) -> Result<Vec<u8>> {
    let mut line = Vec::new();
    source.take(MAX_ROW).read_until(b'\n', &mut line)?;
    let length = line.len() as u64;
    ensure!(length < MAX_ROW, "it is longer than the row of any image");
    Ok(line)
}

/// What stands in a line, without quotes. Of three bytes the one that is there most separates.
fn fields(line: &[u8]) -> Vec<&[u8]> {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let count = |separator: &u8| line.split(|byte| byte == separator).count();
    let separator = *b"\t;,"
        .iter()
        .max_by_key(|byte| count(byte))
        .unwrap_or(&b',');
    let fields = line
        .split(|&byte| byte == separator)
        .map(<[u8]>::trim_ascii);
    fields
        .map(|field| field.strip_prefix(b"\"").unwrap_or(field))
        .map(|field| field.strip_suffix(b"\"").unwrap_or(field))
        .collect()
}

/// A row in which most are no pixels: names, or numbers of columns.
fn is_header(row: &[&[u8]]) -> bool {
    let others = row.iter().filter(|field| number(field).is_none()).count();
    2 * others > row.len()
}

fn is_label(name: &[u8]) -> bool {
    LABELS
        .iter()
        .any(|label| name.eq_ignore_ascii_case(label.as_bytes()))
}

/// Adds an image and its label.
fn add(row: &[&[u8]], label: usize, pixels: &mut Vec<u8>, labels: &mut Vec<u8>) -> Result<()> {
    let count = row.len();
    ensure!(
        count != PIXELS,
        "{PIXELS} columns, so no label (the file to be answered at Kaggle?): take the test images \
         out of the training file with --test-range train:A..B"
    );
    ensure!(
        count == PIXELS + 1,
        "{count} columns where a label and {PIXELS} pixels (28x28) are needed"
    );
    for (column, field) in row.iter().enumerate() {
        let values = if column == label {
            &mut *labels
        } else {
            &mut *pixels
        };
        values.push(number(field).with_context(|| {
            let (column, text) = (column + 1, String::from_utf8_lossy(field));
            format!("column {column} is \"{text:.20}\", not a whole number from 0 to 255")
        })?);
    }
    Ok(())
}

/// A grey value or a label: `7`, also as `7.0`.
fn number(field: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(field).ok()?;
    text.parse().ok().or_else(|| whole(text.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of an image of all 7 and the label 3, put together by `row`.
    fn table(header: &str, row: impl Fn(&str, &str) -> String) -> String {
        let pixels = ["7"; PIXELS].join(",");
        let row = row("3", &pixels);
        format!("{header}{row}\r\n{row}\n")
    }

    fn names(first: &str, last: &str) -> String {
        let pixels: Vec<String> = (0..PIXELS).map(|pixel| format!("pixel{pixel}")).collect();
        format!("{first}{}{last}\n", pixels.join(","))
    }

    #[test]
    fn labels_come_first_or_in_a_column_of_that_name() {
        let first = |label: &str, pixels: &str| format!("{label},{pixels}");
        let last = |label: &str, pixels: &str| format!("{pixels},{label}");
        let count: Vec<String> = (0..=PIXELS).map(|place| place.to_string()).collect();
        for text in [
            table("", first),
            table(&names("label,", ""), first),
            table(&names("\"Label\",", ""), first),
            table(&names("", ",class"), last),
            table(&names("what,", ""), first),
            table(&format!("{}\n", count.join(",")), first),
            table(&names("\u{feff}label,", ""), first),
            table("", first) + "\n",
            table("", first).replace(',', ";"),
            table("", first).replace(',', "\t"),
            table("", first).replace('7', "7.0"),
        ] {
            let (pixels, labels) = read(&mut text.as_bytes()).unwrap();
            assert_eq!((labels.as_slice(), pixels.len()), (&[3, 3][..], 2 * PIXELS));
            assert!(pixels.iter().all(|&pixel| pixel == 7));
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_row() {
        let good = table("", |label, pixels| format!("{label},{pixels}"));
        let long = "1,".repeat(65_536);
        for (text, part) in [
            ("", "the file is empty"),
            (
                &(names("", "") + &["7"; PIXELS].join(",")),
                "row 2: 784 columns, so no label",
            ),
            ("1,2,3\n", "3 columns where a label and 784 pixels"),
            (&format!("{good}3,7\n"), "row 3: 2 columns where a label"),
            (
                &format!("{good}{}", good.replace("3,", "x,")),
                "row 3: column 1 is \"x\"",
            ),
            (
                &good.replace(",7\n", ",256\n"),
                "row 2: column 785 is \"256\"",
            ),
            (
                &good.replace(",7\n", ",0.5\n"),
                "\"0.5\", not a whole number from 0 to 255",
            ),
            (&format!("{good}{long}"), "row 3: it is longer than the row"),
        ] {
            let error = format!("{:#}", read(&mut text.as_bytes()).unwrap_err());
            assert!(error.contains(part), "{error}");
        }
    }
}
