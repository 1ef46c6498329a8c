//! The curve that runs are compared with: the article's, or an `accuracy.csv` of the user's.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::learn::StepRecord;

const ARTICLE: &[u8] = include_bytes!("../../data/article/accuracy.csv");

/// A curve with a name.
#[derive(Debug)]
pub(crate) struct Reference {
    /// For people: `the article`, or the file's path.
    pub name: String,
    /// In the order of steps.
    points: Vec<Point>,
}

/// What is needed of a row; the file may have more columns.
#[derive(Debug, Deserialize)]
struct Point {
    step: usize,
    test_accuracy: f64,
}

impl Reference {
    /// The article's 250 accuracies.
    pub(crate) fn article() -> Result<Self> {
        Self::read("the article".to_owned(), ARTICLE)
    }

    /// A CSV file with the columns `step` and `test_accuracy`, such as a run's `accuracy.csv`.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
        Self::read(name.clone(), file).with_context(|| format!("{name} is not an accuracy.csv"))
    }

    pub(super) fn read(name: String, bytes: impl Read) -> Result<Self> {
        let mut rows = csv::Reader::from_reader(bytes);
        let points: Vec<Point> = rows.deserialize().collect::<Result<_, _>>()?;
        for point in &points {
            let (step, accuracy) = (point.step, point.test_accuracy);
            let wrong = format!("accuracy {accuracy} after step {step} is not in 0..=1");
            ensure!((0.0..=1.0).contains(&accuracy), wrong);
        }
        let ascend = points.windows(2).all(|pair| pair[0].step < pair[1].step);
        let is_curve = ascend && !points.is_empty();
        ensure!(is_curve, "its steps are not 1, 2, 3 and so on");
        Ok(Self { name, points })
    }

    /// The accuracies, one for each of the scored `steps`.
    pub(crate) fn at(&self, steps: impl Iterator<Item = usize> + Clone) -> Result<Vec<f64>> {
        let same = steps.clone().eq(self.points.iter().map(|point| point.step));
        let own = self.points.iter().map(|point| point.step);
        let (own, runs) = (summary(own), summary(steps));
        ensure!(
            same,
            "{} has {own}, the runs have {runs}: compare with a curve of the same steps",
            self.name
        );
        let accuracies = self.points.iter().map(|point| point.test_accuracy);
        Ok(accuracies.collect())
    }

    /// The accuracies, one for each of the scored steps of `records`.
    pub(crate) fn beside(&self, records: &[StepRecord]) -> Result<Vec<f64>> {
        self.at(records.iter().map(|record| record.step))
    }
}

fn summary(steps: impl Iterator<Item = usize> + Clone) -> String {
    let last = steps.clone().last().unwrap_or(0);
    format!("{} scored steps up to step {last}", steps.count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_articles_curve_is_in_the_program_and_other_steps_are_refused() {
        let article = Reference::article().unwrap();
        let curve = article.at(1..=250).unwrap();
        let ends = [0, 49, 99, 149, 199, 249].map(|at| format!("{:.4}", curve[at]));
        let expected = ["0.1446", "0.7906", "0.8930", "0.9190", "0.9342", "0.9380"];
        assert_eq!(ends, expected);
        let error = article.at(1..=6).unwrap_err().to_string();
        let expected = "the article has 250 scored steps up to step 250, \
                        the runs have 6 scored steps up to step 6";
        assert!(error.starts_with(expected), "{error}");
    }

    #[test]
    fn files_that_are_no_curve_are_errors() {
        let read = |text: &str| Reference::read("x".to_owned(), text.as_bytes());
        assert!(read("step,test_accuracy,more\n1,0.5,a\n3,0.6,b\n").is_ok());
        assert!(read("").is_err() && read("step,accuracy\n1,0.5\n").is_err());
        for rows in ["", "1,1.5\n", "1,NaN\n", "2,0.5\n1,0.6\n", "1\n", "\0\u{1}"] {
            assert!(
                read(&format!("step,test_accuracy\n{rows}")).is_err(),
                "{rows:?}"
            );
        }
    }
}
