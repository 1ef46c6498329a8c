//! Verdicts on small ensembles. The numbers were worked out by hand and agree with `NumPy`.

use super::super::ensemble::tests::ensemble;
use super::*;

fn reference(accuracies: &[f64]) -> Reference {
    let rows = (1..).zip(accuracies);
    let rows = rows.map(|(step, accuracy)| format!("{step},{accuracy}\n"));
    let text = format!("step,test_accuracy\n{}", rows.collect::<String>());
    Reference::read("the curve".to_owned(), text.as_bytes()).unwrap()
}

fn compare(curves: &[&[f64]], compared: &[f64]) -> Verdict {
    Verdict::compare(&ensemble(curves), &reference(compared), "flux").unwrap()
}

fn assert_close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
}

/// Two epochs of two scored steps. The medians are 0.25, 0.4, 0.55, 0.7, the 5 % quantiles 0.115,
/// 0.23, 0.33, 0.43, and the 95 % quantiles 0.47, 0.57, 0.77, 0.8.
const RUNS: [&[f64]; 4] = [
    &[0.1, 0.2, 0.3, 0.4],
    &[0.2, 0.4, 0.5, 0.6],
    &[0.3, 0.4, 0.6, 0.8],
    &[0.5, 0.6, 0.8, 0.8],
];

#[test]
fn rank_deviation_and_share_inside_the_band_are_those_worked_out_by_hand() {
    // From the medians of the other three; for the first run 0.3, 0.4, 0.6, 0.8.
    let deviations = [0.275, 0.1, 0.1, 0.25];
    for (compared, inside, deviation, rank) in [
        // The distances are 0.15, 0.2, 0.05, 0.1; the second point is above the band.
        ([0.4, 0.6, 0.6, 0.6], 0.75, 0.125, 0.5),
        // The median itself.
        ([0.25, 0.4, 0.55, 0.7], 1.0, 0.0, 0.0),
        // 0, 0.2, 0.3, 0.3; only the first point is in the band.
        ([0.25, 0.2, 0.25, 0.4], 0.25, 0.2, 0.5),
        // 0.25, 0.3, 0.25, 0.25; only the last point is in the band.
        ([0.0, 0.1, 0.3, 0.45], 0.25, 0.2625, 0.75),
        // 0.25, 0.3, 0.35, 0.4.
        ([0.0, 0.1, 0.2, 0.3], 0.0, 0.325, 1.0),
    ] {
        let verdict = compare(&RUNS, &compared);
        assert_close(verdict.share_inside_band, inside);
        assert_close(verdict.deviation, deviation);
        assert_close(verdict.rank, rank);
        assert_close(verdict.typical_deviation, 0.175);
        assert_eq!(verdict.reproduced, rank < 1.0, "{compared:?}");
        assert_eq!(verdict.run_deviations.len(), deviations.len());
        for (run, expected) in verdict.run_deviations.iter().zip(deviations) {
            assert_close(run.deviation, expected);
        }
    }
}

#[test]
fn a_curve_further_out_than_19_of_20_runs_is_reproduced_and_one_further_than_all_is_not() {
    let mut runs = vec![&[0.5; 4][..]; 19];
    let outside = compare(&runs, &[0.8; 4]);
    assert_close(outside.rank, 1.0);
    assert!(!outside.reproduced && outside.text().starts_with("not reproduced: "));
    let warning = "Fewer than 20 runs say little about what is usual: use more --seeds.";
    assert!(outside.text().contains(warning));

    runs.push(&[0.9; 4]);
    let limit = compare(&runs, &[0.8; 4]);
    assert_close(limit.rank, 0.95);
    assert!(limit.reproduced && limit.text().starts_with("reproduced: "));
    assert!(!limit.text().contains("Fewer than"));
}

#[test]
fn runs_as_far_out_as_the_curve_are_not_closer() {
    // 0.375 from the median, as are the first and the last run from that of the others.
    let verdict = compare(&[&[0.25], &[0.5], &[0.75]], &[0.875]);
    assert_close(verdict.rank, 1.0 / 3.0);
    assert!(verdict.reproduced);
}

#[test]
fn the_verdict_in_words() {
    let verdict = compare(&RUNS, &[0.4, 0.6, 0.6, 0.6]);
    let line = "init flux: 75.0 % of the steps within the band, rank 0.50: reproduced";
    assert_eq!(verdict.line(), line);
    let text = "\
reproduced: the curve against 4 runs (init flux, 4 scored steps)
It lies within the runs' 5-95 % band at 75.0 % of the steps. Its mean distance from the median curve is
0.1250; that of a typical run from the median of the others is 0.1750. Of the runs, 50 % lie closer than it
does (rank 0.50; up to 0.95 counts as reproduced).

epoch   step  compared    5 %  median   95 %
    1      2    0.6000  0.2300  0.4000  0.5700  outside
    2      4    0.6000  0.4300  0.7000  0.8000

Fewer than 20 runs say little about what is usual: use more --seeds.
";
    assert_eq!(verdict.text(), text);
}

#[test]
fn curves_of_different_lengths_are_compared_as_far_as_both_go() {
    // The first two points of the case above: 0.15 and 0.2 from the medians.
    let short = compare(&RUNS, &[0.4, 0.6]);
    assert_close(short.deviation, 0.175);
    assert_close(short.share_inside_band, 0.5);
    assert_eq!(
        (short.steps, short.steps_of_curve, short.steps_of_runs),
        (2, 2, 4)
    );
    let scope = "(init flux, the first 2 scored steps: the curve has 2, the runs have 4)";
    assert!(short.text().contains(scope), "{}", short.text());
    assert!(
        short.line().contains("50.0 % of the first 2 steps"),
        "{}",
        short.line()
    );

    let long = compare(&RUNS, &[0.4, 0.6, 0.6, 0.6, 0.1, 0.1]);
    assert_close(long.deviation, 0.125);
    assert!(long.text().contains("the curve has 6, the runs have 4"));
}
