//! Decides which columns of a CSV file hold labels, ids and pixels: by the header, by the number of
//! columns, and by the values. If they do not decide, it is an error.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};

use crate::data::PIXELS;
use crate::data::array::round_to_u8;

/// Maximum number of columns besides the pixels.
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

/// The columns of a table of images. Those that may hold labels or ids are kept as text.
pub(super) struct Columns {
    /// The names of the columns; empty without a header.
    pub names: Vec<String>,
    pub width: usize,
    /// The columns that are kept as text, and their cells.
    pub texts: Vec<(usize, Vec<String>)>,
}

fn to_number(field: &str) -> Option<f64> {
    field.parse().ok().filter(|number: &f64| number.is_finite())
}

/// True if a row is a header: most fields are not numbers, or all differ, as column numbers and the
/// names that pandas makes of a row of pixels do (5, 0, 0.1, 0.2).
pub(super) fn is_header(row: &[&str]) -> bool {
    let names = row.iter().filter(|field| to_number(field).is_none());
    2 * names.count() > row.len() || row.iter().collect::<BTreeSet<_>>().len() == row.len()
}

/// What the columns hold.
pub(super) struct Roles {
    pub label: Option<usize>,
    pub ids: Vec<usize>,
    pub pixels: Vec<usize>,
    /// The label column was found by its values.
    pub is_guess: bool,
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
        for &value in &values {
            counts[usize::from(value)] += 1;
        }
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

impl Columns {
    /// Columns without cells, with the names in `row` if it is a header.
    pub(super) fn new(row: &[&str], is_header: bool, label_column: Option<&str>) -> Result<Self> {
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
        })
    }

    /// The text of a column that may hold labels or ids.
    pub(super) fn cells(&self, column: usize) -> &[String] {
        let text = self.texts.iter().find(|(text, _)| *text == column);
        text.map_or(&[], |(_, cells)| cells)
    }

    /// Decides what the columns hold, by `label_column`, the header, and the values.
    pub(super) fn roles(&self, label_column: Option<&str>) -> Result<Roles> {
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
            "{} columns, {} of them with pixels, expected {PIXELS} (28x28)",
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
        let is_it = |column: &String| column.eq_ignore_ascii_case(name);
        let place = match name {
            "first" => Some(0),
            "last" => Some(self.width - 1),
            _ => None,
        };
        let column = self.names.iter().position(is_it).or(place);
        column.with_context(|| {
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
        let rows = self.cells(first).len();
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
