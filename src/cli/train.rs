//! The options of a training run, which need no subcommand.

use std::path::PathBuf;

use clap::Args;

use super::Command;
use super::groups::{Images, Machine, Protocol};
use super::values::fraction;
use crate::commands::{resume, train};
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
    #[command(flatten)]
    protocol: Protocol,
    /// Seed of the initial weights and of shuffling
    #[arg(
        long,
        value_name = "N",
        default_value = "0",
        allow_negative_numbers = true
    )]
    seed: u64,
    /// Keep a checkpoint after every N steps and at each epoch's end; 0: at each epoch's end only
    #[arg(
        long,
        value_name = "N",
        default_value = "0",
        allow_negative_numbers = true
    )]
    checkpoint_every: usize,
}

/// What a checkpoint says itself.
const NOT_WITH_RESUME: [&str; 14] = [
    "epochs",
    "batch_size",
    "lr",
    "seed",
    "init",
    "shuffle",
    "eval_every",
    "checkpoint_every",
    "dataset",
    "classes",
    "train_range",
    "test_range",
    "out",
    "force",
];

#[derive(Debug, Args)]
struct Output {
    /// Folder for the files of this run [default: runs/<time stamp>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on with the run in DIR that was stopped; all that decides its numbers comes from its checkpoint
    #[arg(long, value_name = "DIR")]
    #[arg(conflicts_with_all = NOT_WITH_RESUME)]
    resume: Option<PathBuf>,
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

impl From<Arguments> for Command {
    fn from(arguments: Arguments) -> Self {
        match &arguments.output.resume {
            Some(folder) => Self::Resume(resume::Options {
                folder: folder.clone(),
                device: arguments.machine.device,
                threads: arguments.machine.threads(),
                data_dir: arguments.images.files.data_dir,
                quiet: arguments.output.quiet,
                min_accuracy: arguments.output.min_accuracy,
            }),
            None => Self::Train(arguments.into()),
        }
    }
}

impl From<Arguments> for train::Options {
    fn from(arguments: Arguments) -> Self {
        let Arguments {
            machine,
            training,
            images,
            output,
        } = arguments;
        Self {
            config: Config {
                checkpoint_every: training.checkpoint_every,
                ..training.protocol.config(training.seed)
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
    use crate::learn::config::Config;
    use crate::learn::device::Choice;
    use crate::learn::weights::Init;
    use clap::Parser;

    fn command(line: &str) -> Result<Command, String> {
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

    fn options(line: &str) -> Result<train::Options, String> {
        command(line).map(|command| match command {
            Command::Train(options) => options,
            other => panic!("{line}: {other:?}"),
        })
    }

    #[test]
    fn resume_takes_what_changes_no_number_and_refuses_the_rest() {
        let line = "--resume d --device cpu --threads 2 --data-dir e --quiet --min-accuracy 0.5";
        let Command::Resume(options) = command(line).unwrap() else {
            panic!("{line}");
        };
        assert_eq!((options.folder, options.device), ("d".into(), Choice::Cpu));
        assert_eq!(options.data_dir, Some("e".into()));
        assert!(options.quiet && options.min_accuracy == Some(0.5));
        for other in [
            "--epochs 5",
            "--batch-size 100",
            "--lr 0.1",
            "--seed 0",
            "--init flux",
            "--shuffle",
            "--eval-every 1",
            "--checkpoint-every 1",
            "--dataset mnist",
            "--classes 10",
            "--train-range 0..9",
            "--test-range 0..9",
            "--out d",
        ] {
            let error = command(&format!("--resume d {other}")).unwrap_err();
            let name = other.split(' ').next().unwrap();
            let text = format!("'--resume <DIR>' cannot be used with '{name}");
            assert!(error.contains(&text), "{error}");
        }
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
            ("--train-range 5", "--train-range"),
            ("--train-range -5..5", "--train-range"),
            ("--test-range 5..5", "--test-range"),
            ("--test-range valid:0..5", "--test-range"),
            ("--classes 1", "--classes"),
            ("--classes 257", "--classes"),
            ("--classes -3", "--classes"),
            ("--min-accuracy 90", "--min-accuracy"),
            ("--min-accuracy -0.5", "--min-accuracy"),
            ("--min-accuracy NaN", "--min-accuracy"),
            ("--eval-every -1", "--eval-every"),
            ("--checkpoint-every x", "--checkpoint-every"),
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
                    --eval-every 10 --checkpoint-every 7 --data-dir d --classes 26 --train-range 1..200 --test-range train:200.. --out o --force --quiet --min-accuracy 0.9";
        let options = options(line).unwrap();
        let config = &options.config;
        assert_eq!((config.epochs.get(), config.batch_size.get()), (2, 50));
        assert_eq!((config.seed, config.init), (7, Init::Glorot));
        assert_eq!((config.eval_every, config.shuffle), (Some(10), true));
        assert_eq!(config.checkpoint_every, 7);
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
