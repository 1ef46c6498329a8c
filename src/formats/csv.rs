//! Reads labelled images from CSV as Kaggle and others have them: an image a row, 784 grey values
//! and a label, which comes first or stands in a column of that name.
//!
//! Rows are cut here and not by the csv crate, which has no limit to a row's length; nothing in
//! them needs its quotes.

use std::io::{BufRead, Read};

use anyhow::{Context, Result, ensure};

use crate::data::array::{MAX_BYTES, whole};
use crate::data::{Dataset, PIXELS, SIDE};

/// Far more bytes than a row has.
const MAX_ROW: u64 = 1 << 16;
/// Names that the column of labels has.
const LABELS: [&str; 6] = ["label", "labels", "class", "target", "digit", "y"];

/// Reads all images and their labels.
pub(super) fn read(source: &mut dyn BufRead) -> Result<Dataset> {
    let (mut pixels, mut labels, mut label) = (Vec::new(), Vec::new(), 0);
    for place in 1.. {
        let line = line(source)?;
        ensure!(
            (line.len() as u64) < MAX_ROW,
            "row {place}: it is longer than the row of any image"
        );
        let row = fields(&line);
        if line.is_empty() {
            ensure!(place > 1, "the file is empty");
            break;
        } else if place == 1 && is_header(&row) {
            let is_label = |name: &&str| LABELS.contains(&name.to_lowercase().as_str());
            label = row.iter().position(is_label).unwrap_or(0);
        } else if row.len() > 1 || !row[0].is_empty() {
            add(&row, label, &mut pixels, &mut labels).with_context(|| format!("row {place}"))?;
        }
        let count = pixels.len() as u64;
        ensure!(count <= MAX_BYTES, "more than {MAX_BYTES} pixels");
    }
    Dataset::new([SIDE; 2], pixels, labels)
}

/// How many columns the first row has.
pub(super) fn columns(source: &mut dyn BufRead) -> Result<usize> {
    Ok(fields(&line(source)?).len())
}

/// The next line with its end, as far as a row of an image can go; nothing after the last one.
fn line(source: &mut dyn BufRead) -> Result<String> {
    let mut line = Vec::new();
    source.take(MAX_ROW).read_until(b'\n', &mut line)?;
    Ok(String::from_utf8_lossy(&line).into_owned())
}

/// What stands in a line, without quotes. Of three signs the one that is there most separates.
fn fields(line: &str) -> Vec<&str> {
    let count = |sign: &u8| line.bytes().filter(|byte| byte == sign).count();
    let separator = b"\t;,".iter().max_by_key(|sign| count(sign)).copied();
    let separator = char::from(separator.unwrap_or(b','));
    let is_around = |sign: char| sign == '"' || sign.is_ascii_whitespace();
    // A set of one, because the search for a sign alone is slow where it is never far.
    let fields = line.trim_start_matches('\u{feff}').split([separator]);
    fields.map(|field| field.trim_matches(is_around)).collect()
}

/// A row in which most are no pixels: names, or numbers of columns.
fn is_header(row: &[&str]) -> bool {
    let others = row.iter().filter(|field| number(field).is_none()).count();
    2 * others > row.len()
}

/// Adds an image and its label.
fn add(row: &[&str], label: usize, pixels: &mut Vec<u8>, labels: &mut Vec<u8>) -> Result<()> {
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
            let column = column + 1;
            format!("column {column} is \"{field:.20}\", not a whole number from 0 to 255")
        })?);
    }
    Ok(())
}

/// A grey value or a label: `7`, also as `7.0`.
fn number(field: &str) -> Option<u8> {
    let number = field.parse().ok();
    number.or_else(|| whole(field.parse().ok()?))
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
            let set = read(&mut text.as_bytes()).unwrap();
            assert_eq!((set.labels(), set.len()), (&[3, 3][..], 2));
            assert!(set.pixels().iter().all(|&pixel| pixel == 7));
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
