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
    use crate::commands::source::Named;
    use crate::data::catalog::Published;
    use crate::learn::device::Choice;
    use crate::learn::weights::Init;
    use clap::Parser;

    fn options(line: &str) -> Result<Options, String> {
        #[derive(Parser)]
        struct Whole {
            #[command(flatten)]
            arguments: Arguments,
        }
        let words = std::iter::once("mnist-tch").chain(line.split_whitespace());
        Whole::try_parse_from(words)
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
    fn nonsense_is_refused_by_the_options_name() {
        for (line, option) in [
            ("--epochs 0", "--epochs"),
            ("--epochs -1", "--epochs"),
            ("--epochs 99999999999", "--epochs"),
            ("--batch-size 0", "--batch-size"),
            ("--lr 0", "--lr"),
            ("--lr -0.1", "--lr"),
            ("--lr NaN", "--lr"),
            ("--lr inf", "--lr"),
            ("--lr much", "--lr"),
            ("--threads 0", "--threads"),
            ("--threads 1.5", "--threads"),
            ("--threads 1025", "--threads"),
            ("--train-size 0", "--train-size"),
            ("--test-size x", "--test-size"),
            ("--min-accuracy 90", "--min-accuracy"),
            ("--min-accuracy -0.5", "--min-accuracy"),
            ("--min-accuracy NaN", "--min-accuracy"),
            ("--eval-every -1", "--eval-every"),
            ("--seed -1", "--seed"),
            ("--init zeros", "--init"),
            ("--device gpu", "--device"),
            ("--force", "--out"),
            ("--dataset cifar", "--dataset"),
            ("--mirror example.org", "--mirror"),
        ] {
            let error = options(line).unwrap_err();
            assert!(error.contains(option), "{line}: {error}");
        }
    }

    #[test]
    fn data_sets_have_names_and_mirrors_an_order() {
        let line = "--dataset fashion-mnist --mirror http://a/x/ --mirror https://b";
        let source = options(line).unwrap().source;
        let set = Named::Published(Published::FashionMnist);
        assert_eq!((source.dataset, source.data_dir), (Some(set), None));
        let mirrors: Vec<String> = source.mirrors.iter().map(ToString::to_string).collect();
        assert_eq!(mirrors, ["http://a/x", "https://b"]);
        let source = options("--dataset mnist-10k").unwrap().source;
        assert_eq!(source.dataset, Some(Named::Embedded));
        assert_eq!(options("").unwrap().source.dataset, None);
    }

    #[test]
    fn every_option_arrives() {
        let line = "--device cuda:1 --threads 3 --epochs 2 --batch-size 50 --lr 1e-3 --seed 7 --init glorot --shuffle \
                    --eval-every 10 --data-dir d --train-size 200 --test-size 300 --out o --force --quiet --min-accuracy 0.9";
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
            (options.source.train_size, options.source.test_size),
            (Some(200), Some(300))
        );
        assert_eq!(
            (options.source.data_dir, options.out),
            (Some("d".into()), Some("o".into()))
        );
        assert!(options.force && options.quiet && options.min_accuracy == Some(0.9));
    }
}
