//! Whether a curve is what the runs of many seeds give, or something else.
//!
//! The measure: a curve's deviation is its mean absolute distance, over the steps, from the median
//! curve. A run's own deviation is taken from the median of the others, so that it does not pull
//! the median towards itself. The rank of a curve is the share of runs that lie closer than it
//! does.

use std::fmt::Write;

use anyhow::{Result, ensure};
use serde::Serialize;

use super::ensemble::{Ensemble, quantile};
use super::reference::Reference;
use crate::report::to_f64;

/// A curve further out than this share of the runs is not one of them.
pub(crate) const HIGHEST_RANK: f64 = 0.95;

/// The comparison of a curve with the runs; as JSON, `verdict.json`. Accuracies, shares and ranks
/// are 0..=1.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    /// Name of the curve.
    pub compared: String,
    /// How the runs drew their initial weights.
    pub init: String,
    pub runs: usize,
    /// Scored steps that were compared: as many as both have.
    pub steps: usize,
    /// Scored steps of the curve, and of the runs.
    pub steps_of_curve: usize,
    pub steps_of_runs: usize,
    /// Share of the steps at which the curve lies within the runs' 5-95 % band.
    pub share_inside_band: f64,
    /// The curve's mean absolute distance from the median curve.
    pub deviation: f64,
    /// The median of the runs' own deviations.
    pub typical_deviation: f64,
    /// Share of the runs whose deviation is smaller than the curve's.
    pub rank: f64,
    pub highest_rank: f64,
    pub reproduced: bool,
    pub epochs: Vec<EpochVerdict>,
    /// The runs' own deviations, in the order of seeds.
    pub run_deviations: Vec<RunDeviation>,
}

/// The end of an epoch, which begin at 1; the curve's accuracy, and what of the runs lies below.
#[derive(Debug, Serialize)]
pub(crate) struct EpochVerdict {
    pub epoch: usize,
    /// Its last scored step.
    pub step: usize,
    pub compared: f64,
    pub median: f64,
    pub low: f64,
    pub high: f64,
    pub inside: bool,
}

/// How far a run lies from the others.
#[derive(Debug, Serialize)]
pub(crate) struct RunDeviation {
    pub seed: u64,
    pub deviation: f64,
}

impl Verdict {
    /// Compares `reference` with the runs, whose weights were drawn as `init` says, as far as both
    /// go.
    pub(crate) fn of(ensemble: &Ensemble, reference: &Reference, init: &str) -> Result<Self> {
        let runs = ensemble.curves.len();
        ensure!(runs >= 2, "a verdict needs at least two seeds");
        let curve = reference.beside(&ensemble.steps)?;
        let (steps, steps_of_runs) = (curve.len(), ensemble.steps.len());
        let ensemble = ensemble.first(steps);
        let band = ensemble.band();
        let is_inside = |&at: &usize| (band.low[at]..=band.high[at]).contains(&curve[at]);
        let inside = (0..steps).filter(is_inside).count();
        let distances = curve.iter().zip(&band.median).map(|(a, b)| (a - b).abs());
        let deviation = distances.sum::<f64>() / to_f64(steps);
        let mut deviations = ensemble.deviations();
        let closer = deviations.iter().filter(|&&other| other < deviation);
        let rank = to_f64(closer.count()) / to_f64(runs);
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
            runs,
            steps,
            steps_of_curve: reference.steps(),
            steps_of_runs,
            share_inside_band: to_f64(inside) / to_f64(steps),
            deviation,
            typical_deviation: quantile(&deviations, 0.5),
            rank,
            highest_rank: HIGHEST_RANK,
            reproduced: rank <= HIGHEST_RANK,
            epochs: ensemble.epoch_ends().map(epoch).collect(),
            run_deviations,
        })
    }

    /// The verdict in a word.
    pub(crate) fn word(&self) -> &'static str {
        if self.reproduced {
            "reproduced"
        } else {
            "not reproduced"
        }
    }

    /// Whether the curve and the runs have the same steps.
    fn is_whole(&self) -> bool {
        self.steps == self.steps_of_curve && self.steps == self.steps_of_runs
    }

    /// The verdict in a line.
    pub(crate) fn line(&self) -> String {
        let first = format!("first {} ", self.steps);
        format!(
            "init {}: {:.1} % of the {}steps within the band, rank {:.2}: {}",
            self.init,
            100.0 * self.share_inside_band,
            if self.is_whole() { "" } else { &first },
            self.rank,
            self.word()
        )
    }

    /// The verdict for people: a paragraph and a table of epochs.
    pub(crate) fn text(&self) -> String {
        let (steps, name) = (self.steps, &self.compared);
        let (own, runs) = (self.steps_of_curve, self.steps_of_runs);
        let steps = if self.is_whole() {
            format!("{steps} scored steps")
        } else {
            format!("the first {steps} scored steps: {name} has {own}, the runs have {runs}")
        };
        let mut text = format!(
            "{}: {name} against {} runs (init {}, {steps})\n\
             It lies within the runs' 5-95 % band at {:.1} % of the steps. \
             Its mean distance from the median curve is\n\
             {:.4}; that of a typical run from the median of the others is {:.4}. \
             Of the runs {:.0} % lie closer than it\n\
             does (rank {:.2}; up to {HIGHEST_RANK} counts as reproduced).\n\n\
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
            let place = if epoch.inside { "" } else { "  outside" };
            let _ = writeln!(
                text,
                "{:>5}  {:>5}  {:>8.4}  {:.4}  {:.4}  {:.4}{place}",
                epoch.epoch, epoch.step, epoch.compared, epoch.low, epoch.median, epoch.high
            );
        }
        let few = "\nFewer than 20 runs say little about what is usual: use more --seeds.\n";
        text + if self.runs < 20 { few } else { "" }
    }
}
