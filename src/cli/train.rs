//! The options of a training run, which need no subcommand.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use super::groups::{Images, InitName, Machine};
use super::values::{count, fraction, rate};
use crate::commands::train::Options;
use crate::learn::config::Config;

/// All of them.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten, next_help_heading = "Machine")]
    machine: Machine,
    #[command(flatten, next_help_heading = "Training")]
    training: Training,
    #[command(flatten, next_help_heading = "Data")]
    images: Images,
    #[command(flatten, next_help_heading = "Output")]
    output: Output,
}

#[derive(Debug, Args)]
struct Training {
    /// Times to go through the training images
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    #[arg(default_value = "5")]
    epochs: NonZeroUsize,
    /// Images per step
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    #[arg(default_value = "100")]
    batch_size: NonZeroUsize,
    /// Adam's learning rate
    #[arg(long, value_name = "X", value_parser = rate, allow_negative_numbers = true)]
    #[arg(default_value = "0.005")]
    lr: f64,
    /// Seed of the initial weights and of shuffling
    #[arg(
        long,
        value_name = "N",
        default_value = "0",
        allow_negative_numbers = true
    )]
    seed: u64,
    /// How the initial weights are drawn
    #[arg(long, value_enum, default_value = "flux")]
    init: InitName,
    /// Go through the images in another order in each epoch
    #[arg(long)]
    shuffle: bool,
    /// Score the test images after every N steps and at each epoch's end; 0: at the very end only
    /// [default: 50 times an epoch, or after every step where there are fewer]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    eval_every: Option<usize>,
}

#[derive(Debug, Args)]
struct Output {
    /// Folder for the files of this run [default: runs/<time stamp>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace the results that --out holds; nothing else in it is touched
    #[arg(long, requires = "out")]
    force: bool,
    /// Print nothing but errors
    #[arg(long, short)]
    quiet: bool,
    /// Exit with status 1 if the final accuracy is below X (0 to 1); the files are written anyway
    #[arg(long, value_name = "X", value_parser = fraction, allow_negative_numbers = true)]
    min_accuracy: Option<f64>,
}

impl From<Arguments> for Options {
    fn from(arguments: Arguments) -> Self {
        let Arguments {
            machine,
            training,
            images,
            output,
        } = arguments;
        Self {
            config: Config {
                epochs: training.epochs,
                batch_size: training.batch_size,
                learning_rate: training.lr,
                seed: training.seed,
                init: training.init.into(),
                eval_every: training.eval_every,
                shuffle: training.shuffle,
            },
            device: machine.device,
            threads: machine.threads(),
            source: images.into(),
            out: output.out,
            force: output.force,
            quiet: output.quiet,
            min_accuracy: output.min_accuracy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::device::Choice;
    use crate::learn::weights::Init;
    use clap::Parser;

    fn options(line: &str) -> Result<Options, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parsed(&words)
    }

    fn parsed(words: &[String]) -> Result<Options, String> {
        #[derive(Parser)]
        struct Whole {
            #[command(flatten)]
            arguments: Arguments,
        }
        let program = std::iter::once("mnist-tch");
        Whole::try_parse_from(program.chain(words.iter().map(String::as_str)))
            .map(|whole| whole.arguments.into())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_are_the_articles_protocol() {
        let options = options("").unwrap();
        assert_eq!(options.config, Config::default());
        assert_eq!(options.device, Choice::Auto);
    }

    #[test]
    fn every_option_refuses_nonsense_by_its_name() {
        // Not a whole number, or far too large a one.
        let no_count = [
            "-1",
            "1.5",
            "1e3",
            "NaN",
            "inf",
            "99999999999999999999",
            "x",
            "",
        ];
        let no_rate = [
            "0", "-0.0", "-0.1", "NaN", "nan", "inf", "-inf", "1e999", "much", "",
        ];
        let no_share = ["-0.5", "1.01", "90", "NaN", "inf", "x", ""];
        let no_range = [
            "5",
            "5..5",
            "6..5",
            "..0",
            "-1..5",
            "0..-5",
            "1..=5",
            "a..b",
            "0..NaN",
            "0..1e3",
            "valid:0..5",
            "",
        ];
        for (option, values, more) in [
            ("--epochs", &no_count[..], &["0", "1000001"][..]),
            ("--batch-size", &no_count, &["0", "1000001"]),
            ("--threads", &no_count, &["0", "1025"]),
            ("--classes", &no_count, &["0", "1", "257"]),
            ("--seed", &no_count, &["18446744073709551616"]),
            ("--eval-every", &no_count, &[]),
            ("--lr", &no_rate, &[]),
            ("--min-accuracy", &no_share, &[]),
            ("--train-range", &no_range, &[]),
            ("--test-range", &no_range, &[]),
            ("--init", &["zeros", "0", ""], &[]),
            (
                "--device",
                &["gpu", "cuda:", "cuda:-1", "cuda:x", "cpu:0", ""],
                &[],
            ),
            ("--data-dir", &[""], &[]),
            ("--out", &[""], &[]),
            ("--shuffle", &["x"], &[]),
            ("--force", &["x"], &[]),
            ("--quiet", &["x"], &[]),
        ] {
            for value in values.iter().chain(more) {
                let error = parsed(&[format!("{option}={value}")]).unwrap_err();
                let line = error.lines().next().unwrap();
                assert!(line.contains(option), "{option}={value}: {error}");
            }
        }
        // These need another.
        assert!(options("--force").unwrap_err().contains("--out"));
        // A number after a blank may be negative too.
        assert!(options("--epochs -1").unwrap_err().contains("--epochs"));
    }

    #[test]
    fn every_option_arrives() {
        let line = "--device cuda:1 --threads 3 --epochs 2 --batch-size 50 --lr 1e-3 --seed 7 --init glorot --shuffle \
                    --eval-every 10 --data-dir d --classes 26 --train-range 1..200 --test-range train:200.. --out o --force --quiet --min-accuracy 0.9";
        let options = options(line).unwrap();
        let config = &options.config;
        assert_eq!((config.epochs.get(), config.batch_size.get()), (2, 50));
        assert_eq!((config.seed, config.init), (7, Init::Glorot));
        assert_eq!((config.eval_every, config.shuffle), (Some(10), true));
        assert!((config.learning_rate - 0.001).abs() < 1e-12);
        assert_eq!(
            (options.device, options.threads.get()),
            (Choice::Cuda(1), 3)
        );
        assert_eq!(
            [options.source.train, options.source.test].map(|selection| selection.to_string()),
            ["train:1..200", "train:200.."]
        );
        let data_set = options.source.data_set;
        assert_eq!(
            (data_set.data_dir, data_set.classes, options.out),
            (Some("d".into()), 26, Some("o".into()))
        );
        assert!(options.force && options.quiet && options.min_accuracy == Some(0.9));
    }
}
