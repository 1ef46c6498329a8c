//! The curve that the runs are compared with: the article's, or the user's own `accuracy.csv`.

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
    /// For messages: `the article`, or the file's path.
    pub name: String,
    /// In the order of steps.
    points: Vec<Point>,
}

/// The required columns; a file may have more.
#[derive(Debug, Deserialize)]
struct Point {
    step: usize,
    test_accuracy: f64,
    #[serde(default)]
    train_loss: Option<f32>,
}

impl Reference {
    /// The article's 250 accuracies.
    pub(crate) fn article() -> Result<Self> {
        Self::read("the article".to_owned(), ARTICLE)
    }

    /// Reads a CSV file with the columns `step` and `test_accuracy`, such as a run's
    /// `accuracy.csv`.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
        Self::read(name.clone(), file).with_context(|| format!("{name} is not an accuracy.csv"))
    }

    pub(crate) fn read(name: String, bytes: impl Read) -> Result<Self> {
        let mut rows = csv::Reader::from_reader(bytes);
        let points: Vec<Point> = rows.deserialize().collect::<Result<_, _>>()?;
        for point in &points {
            let (step, accuracy) = (point.step, point.test_accuracy);
            ensure!(
                (0.0..=1.0).contains(&accuracy),
                "accuracy {accuracy} after step {step} is not in 0..=1"
            );
        }
        let is_ascending = points.windows(2).all(|pair| pair[0].step < pair[1].step);
        ensure!(
            is_ascending && !points.is_empty(),
            "its steps are not 1, 2, 3 and so on"
        );
        Ok(Self { name, points })
    }

    /// Number of points.
    pub(crate) fn steps(&self) -> usize {
        self.points.len()
    }

    /// The accuracies after the scored `steps` of the runs, up to the end of the shorter curve.
    ///
    /// # Errors
    /// When the curve was scored after other steps.
    pub(crate) fn at(&self, steps: impl Iterator<Item = usize> + Clone) -> Result<Vec<f64>> {
        let own = self.points.iter().map(|point| point.step);
        let both: Vec<_> = self.points.iter().zip(steps.clone()).collect();
        let is_same = both.iter().all(|(point, step)| point.step == *step);
        let (name, own, runs) = (&self.name, summarize_steps(own), summarize_steps(steps));
        ensure!(
            is_same && !both.is_empty(),
            "{name} was scored after steps {own}, the runs after {runs}: compare with a curve \
             that starts with the same steps, or choose another --eval-every"
        );
        Ok(both.iter().map(|(point, _)| point.test_accuracy).collect())
    }

    /// The accuracies after the scored steps of `records`, up to the end of the shorter curve.
    pub(crate) fn beside(&self, records: &[StepRecord]) -> Result<Vec<f64>> {
        self.at(records.iter().map(|record| record.step))
    }

    /// True if this is the curve of the run with these `records`, which has the same steps. Without
    /// losses, the accuracies decide.
    pub(crate) fn is_curve_of(&self, records: &[StepRecord]) -> bool {
        self.points.iter().zip(records).all(|(point, record)| {
            let accuracy = point.test_accuracy.total_cmp(&record.test_accuracy);
            let loss = point.train_loss.unwrap_or(record.train_loss);
            accuracy.is_eq() && loss.total_cmp(&record.train_loss).is_eq()
        })
    }
}

/// The first three steps and the last one.
fn summarize_steps(steps: impl Iterator<Item = usize> + Clone) -> String {
    let first: Vec<String> = steps.clone().take(3).map(|step| step.to_string()).collect();
    let last = steps.skip(3).last();
    first.join(", ") + &last.map_or(String::new(), |last| format!(", ... {last}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_articles_curve_is_in_the_program_and_compared_as_far_as_both_go() {
        let article = Reference::article().unwrap();
        let curve = article.at(1..=300).unwrap();
        assert_eq!((curve.len(), article.steps()), (250, 250));
        let ends = [0, 49, 99, 149, 199, 249].map(|at| format!("{:.4}", curve[at]));
        let expected = ["0.1446", "0.7906", "0.8930", "0.9190", "0.9342", "0.9380"];
        assert_eq!(ends, expected);
        assert_eq!(article.at(1..=50).unwrap(), curve[..50]);
    }

    #[test]
    fn other_steps_are_refused() {
        let article = Reference::article().unwrap();
        let every_second = article.at((2..=250).step_by(2)).unwrap_err();
        let expected = "the article was scored after steps 1, 2, 3, ... 250, \
                        the runs after 2, 4, 6, ... 250: ";
        let error = every_second.to_string();
        assert!(error.starts_with(expected), "{error}");
        // The same start is not enough when both curves continue.
        assert!(article.at([1, 2, 4].into_iter()).is_err());
        assert!(article.at(0..0).is_err());
    }

    #[test]
    fn files_that_are_no_curve_are_errors() {
        let read = |text: &str| Reference::read("x".to_owned(), text.as_bytes());
        assert!(read("step,test_accuracy,more\n1,0.5,a\n3,0.6,b\n").is_ok());
        assert!(read("").is_err() && read("step,accuracy\n1,0.5\n").is_err());
        for rows in ["", "1,1.5\n", "1,NaN\n", "2,0.5\n1,0.6\n", "1\n", "\0\u{1}"] {
            let text = format!("step,test_accuracy\n{rows}");
            assert!(read(&text).is_err(), "{rows:?}");
        }
    }

    #[test]
    fn a_runs_own_curve_is_recognized_by_its_accuracies_and_losses() {
        let read = |text: &str| Reference::read("x".to_owned(), text.as_bytes()).unwrap();
        let own = read("step,train_loss,test_accuracy\n1,2.5,0.1\n2,2.25,0.3\n");
        let without = read("step,test_accuracy\n1,0.1\n2,0.3\n");
        let records = |rows: &[(f64, f32)]| -> Vec<StepRecord> {
            let record = |(step, &(test_accuracy, train_loss))| StepRecord {
                step,
                train_loss,
                test_accuracy,
                ..StepRecord::default()
            };
            (1..).zip(rows).map(record).collect()
        };
        for (rows, expected) in [
            (&[(0.1, 2.5), (0.3, 2.25)][..], [true, true]),
            (&[(0.1, 2.5), (0.3, 2.0)], [false, true]),
            (&[(0.1, 2.5), (0.4, 2.25)], [false, false]),
            // A run with more or fewer epochs has the same first steps.
            (&[(0.1, 2.5), (0.3, 2.25), (0.5, 2.0)], [true, true]),
            (&[(0.1, 2.5)], [true, true]),
        ] {
            let records = records(rows);
            let found = [&own, &without].map(|curve| curve.is_curve_of(&records));
            assert_eq!(found, expected, "{rows:?}");
        }
    }
}
