//! Decides whether a curve could be one of the runs.
//!
//! The measure is the deviation of a curve: its mean absolute distance, over the steps, from the
//! median curve. The deviation of a run is measured from the median of the other runs, so that it
//! does not pull the median towards itself. The rank of a curve is the share of runs with a smaller
//! deviation.

use std::fmt::Write;

use anyhow::Result;
use serde::Serialize;

use super::ensemble::{Ensemble, quantile};
use super::reference::Reference;
use crate::report::to_f64;

/// A curve with a higher rank is an outlier, not one of the runs.
pub(crate) const MAX_RANK: f64 = 0.95;
/// With fewer runs, the text warns that the verdict is unreliable.
const FEW_RUNS: usize = 20;

/// The comparison of a curve with the runs, which is also the content of `verdict.json`.
/// Accuracies, shares and ranks are 0..=1.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    /// Name of the curve.
    pub compared: String,
    /// How the runs' initial weights were drawn.
    pub init: String,
    pub runs: usize,
    /// The seed whose run is the curve itself; it is excluded from the runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<u64>,
    /// Scored steps that were compared: those of the shorter curve.
    pub steps: usize,
    /// Scored steps of the curve.
    pub steps_of_curve: usize,
    /// Scored steps of the runs.
    pub steps_of_runs: usize,
    /// Share of the steps at which the curve lies within the runs' 5-95 % band.
    pub share_inside_band: f64,
    /// Deviation of the curve from the median curve.
    pub deviation: f64,
    /// Median of the runs' deviations.
    pub typical_deviation: f64,
    /// Share of the runs with a smaller deviation than the curve.
    pub rank: f64,
    /// The limit for `rank`.
    pub highest_rank: f64,
    pub reproduced: bool,
    pub epochs: Vec<EpochVerdict>,
    pub run_deviations: Vec<RunDeviation>,
}

/// The curve and the quantiles of the runs at the end of an epoch.
#[derive(Debug, Serialize)]
pub(crate) struct EpochVerdict {
    /// From 1.
    pub epoch: usize,
    /// Its last scored step.
    pub step: usize,
    pub compared: f64,
    pub median: f64,
    pub low: f64,
    pub high: f64,
    pub inside: bool,
}

/// The deviation of a run from the others.
#[derive(Debug, Serialize)]
pub(crate) struct RunDeviation {
    pub seed: u64,
    pub deviation: f64,
}

impl Verdict {
    /// Compares `reference` with at least two runs, up to the end of the shorter curve. `init` is
    /// how the runs' initial weights were drawn.
    ///
    /// # Errors
    /// When the curve was scored after other steps than the runs.
    pub(crate) fn compare(ensemble: &Ensemble, reference: &Reference, init: &str) -> Result<Self> {
        let curve = reference.beside(&ensemble.steps)?;
        let (steps, steps_of_runs) = (curve.len(), ensemble.steps.len());
        let ensemble = ensemble.truncated(steps);
        let band = ensemble.band();
        let is_inside = |&at: &usize| (band.low[at]..=band.high[at]).contains(&curve[at]);
        let inside = (0..steps).filter(is_inside).count();
        let distances = curve.iter().zip(&band.median).map(|(a, b)| (a - b).abs());
        let deviation = distances.sum::<f64>() / to_f64(steps);
        let mut deviations = ensemble.deviations();
        let closer = deviations.iter().filter(|&&other| other < deviation);
        let rank = to_f64(closer.count()) / to_f64(deviations.len());
        let seeds = ensemble.curves.iter().map(|curve| curve.seed);
        let run_deviations = seeds
            .zip(&deviations)
            .map(|(seed, &deviation)| RunDeviation { seed, deviation })
            .collect();
        deviations.sort_unstable_by(f64::total_cmp);
        let epoch = |at: usize| EpochVerdict {
            epoch: ensemble.steps[at].epoch,
            step: ensemble.steps[at].step,
            compared: curve[at],
            median: band.median[at],
            low: band.low[at],
            high: band.high[at],
            inside: is_inside(&at),
        };
        Ok(Self {
            compared: reference.name.clone(),
            init: init.to_owned(),
            runs: deviations.len(),
            left_out: None,
            steps,
            steps_of_curve: reference.steps(),
            steps_of_runs,
            share_inside_band: to_f64(inside) / to_f64(steps),
            deviation,
            typical_deviation: quantile(&deviations, 0.5),
            rank,
            highest_rank: MAX_RANK,
            reproduced: rank <= MAX_RANK,
            epochs: ensemble.epoch_ends().map(epoch).collect(),
            run_deviations,
        })
    }

    /// The verdict in one or two words.
    fn word(&self) -> &'static str {
        if self.reproduced {
            "reproduced"
        } else {
            "not reproduced"
        }
    }

    /// True if the curve and the runs have the same steps.
    fn same_length(&self) -> bool {
        self.steps == self.steps_of_curve && self.steps == self.steps_of_runs
    }

    /// The verdict in a line.
    pub(crate) fn line(&self) -> String {
        let first = format!("first {} ", self.steps);
        format!(
            "init {}: {:.1} % of the {}steps within the band, rank {:.2}: {}",
            self.init,
            100.0 * self.share_inside_band,
            if self.same_length() { "" } else { &first },
            self.rank,
            self.word()
        )
    }

    /// The verdict as a paragraph and a table of epochs.
    pub(crate) fn text(&self) -> String {
        let (steps, name) = (self.steps, &self.compared);
        let (own, runs) = (self.steps_of_curve, self.steps_of_runs);
        let steps = if self.same_length() {
            format!("{steps} scored steps")
        } else {
            format!("the first {steps} scored steps: {name} has {own}, the runs have {runs}")
        };
        let left_out = self.left_out.map_or(String::new(), |seed| {
            format!("It is the curve of seed {seed}, which is left out of the runs.\n")
        });
        let mut text = format!(
            "{}: {name} against {} runs (init {}, {steps})\n{left_out}\
             It lies within the runs' 5-95 % band at {:.1} % of the steps. \
             Its mean distance from the median curve is\n\
             {:.4}; that of a typical run from the median of the others is {:.4}. \
             Of the runs, {:.0} % lie closer than it\n\
             does (rank {:.2}; up to {MAX_RANK} counts as reproduced).\n\n\
             epoch   step  compared    5 %  median   95 %\n",
            self.word(),
            self.runs,
            self.init,
            100.0 * self.share_inside_band,
            self.deviation,
            self.typical_deviation,
            100.0 * self.rank,
            self.rank,
        );
        for epoch in &self.epochs {
            let mark = if epoch.inside { "" } else { "  outside" };
            let _ = writeln!(
                text,
                "{:>5}  {:>5}  {:>8.4}  {:.4}  {:.4}  {:.4}{mark}",
                epoch.epoch, epoch.step, epoch.compared, epoch.low, epoch.median, epoch.high
            );
        }
        if self.runs < FEW_RUNS {
            let _ = writeln!(
                text,
                "\nFewer than {FEW_RUNS} runs say little about what is usual: use more --seeds."
            );
        }
        text
    }
}

#[cfg(test)]
mod tests;
