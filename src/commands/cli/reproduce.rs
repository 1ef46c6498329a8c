//! The options of `mnist-tch reproduce`.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;

use clap::Args;

use super::groups::Protocol;
use super::values::{seed_range, shard, threads};
use crate::commands::images::ImageOptions;
use crate::commands::reproduce::{Options, Run, Shard, Task};
use crate::learn::device::Choice;
use crate::learn::weights::Init;

/// All of them.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten, next_help_heading = "Seeds")]
    seeds: Seeds,
    #[command(flatten, next_help_heading = "Machine")]
    machine: Machine,
    #[command(flatten, next_help_heading = "Training")]
    protocol: Protocol,
    #[command(flatten, next_help_heading = "Data")]
    images: ImageOptions,
    #[command(flatten, next_help_heading = "Output")]
    output: Output,
}

/// What the runs were made with.
const NOT_WITH_MERGE: [&str; 14] = [
    "shard",
    "device",
    "jobs",
    "epochs",
    "batch_size",
    "lr",
    "init",
    "shuffle",
    "eval_every",
    "dataset",
    "data_dir",
    "classes",
    "train_range",
    "test_range",
];

#[derive(Debug, Args)]
struct Seeds {
    /// Seeds A to B - 1 [default: 0..40; with --merge those that are there]
    #[arg(long = "seeds", value_name = "A..B", value_parser = seed_range, allow_hyphen_values = true)]
    range: Option<Range<u64>>,
    /// Do only part I of N parts of the seeds, for example on one of N machines
    #[arg(long, value_name = "I/N", value_parser = shard, allow_hyphen_values = true)]
    shard: Option<Shard>,
    /// Run nothing: put together what the parts left in these folders
    #[arg(long, value_name = "DIR", num_args = 1.., conflicts_with_all = NOT_WITH_MERGE)]
    #[arg(requires = "out")]
    merge: Option<Vec<PathBuf>>,
}

#[derive(Debug, Args)]
struct Machine {
    /// Device to use: auto (a GPU if CUDA is usable, else the CPU), cpu, cuda, cuda:N or mps
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: Choice,
    /// Runs at once, each on one thread; the numbers do not depend on it [default: the cores this
    /// process may use; on a GPU 1]
    #[arg(long, value_name = "N", value_parser = threads, allow_negative_numbers = true)]
    jobs: Option<NonZeroUsize>,
}

#[derive(Debug, Args)]
struct Output {
    /// Folder for the runs and what is made of them; runs that are there are not made again
    /// [default: runs/reproduce-flux, or what --init says]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Compare this accuracy.csv with the runs, in the article's place
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Print nothing but errors
    #[arg(long, short)]
    quiet: bool,
}

impl From<Arguments> for Options {
    fn from(arguments: Arguments) -> Self {
        let Arguments {
            seeds,
            machine,
            protocol,
            images,
            output,
        } = arguments;
        let config = protocol.config(0);
        let usual = || format!("runs/reproduce-{}", name(config.init)).into();
        let out = output.out.unwrap_or_else(usual);
        let task = match seeds.merge {
            Some(folders) => Task::Merge {
                folders,
                seeds: seeds.range,
            },
            None => Task::Run(Box::new(Run {
                config,
                images,
                device: machine.device,
                seeds: seeds.range.unwrap_or(0..40),
                shard: seeds.shard,
                jobs: machine.jobs,
            })),
        };
        Self {
            task,
            out,
            compare: output.compare,
            quiet: output.quiet,
        }
    }
}

fn name(init: Init) -> &'static str {
    match init {
        Init::Flux => "flux",
        Init::Glorot => "glorot",
        Init::Kaiming => "kaiming",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn options(line: &str) -> Result<Options, String> {
        #[derive(Parser)]
        struct Whole {
            #[command(flatten)]
            arguments: Arguments,
        }
        let words = std::iter::once("reproduce").chain(line.split_whitespace());
        Whole::try_parse_from(words)
            .map(|whole| whole.arguments.into())
            .map_err(|error| error.to_string())
    }

    fn run(line: &str) -> Run {
        match options(line).unwrap().task {
            Task::Run(run) => *run,
            Task::Merge { .. } => panic!("{line} is not a run"),
        }
    }

    #[test]
    fn the_default_is_forty_seeds_of_the_articles_job() {
        let run = run("");
        assert_eq!(run.config, crate::learn::config::Config::default());
        assert_eq!((run.seeds, run.shard, run.jobs), (0..40, None, None));
        assert_eq!(
            options("").unwrap().out,
            PathBuf::from("runs/reproduce-flux")
        );
        let glorot = options("--init glorot").unwrap();
        assert_eq!(glorot.out, PathBuf::from("runs/reproduce-glorot"));
    }

    #[test]
    fn parts_of_the_seeds_are_named_from_one() {
        let run = run("--seeds 10..30 --shard 2/4 --jobs 3");
        let shard = Shard { part: 2, of: 4 };
        assert_eq!((run.seeds, run.shard), (10..30, Some(shard)));
        assert_eq!(run.jobs, NonZeroUsize::new(3));
    }

    #[test]
    fn merging_takes_folders_and_no_training_options() {
        let merged = options("--merge a b --out c --seeds 0..9").unwrap();
        let Task::Merge { folders, seeds } = merged.task else {
            panic!("it is not a merge");
        };
        assert_eq!(folders, [PathBuf::from("a"), PathBuf::from("b")]);
        assert_eq!((seeds, merged.out), (Some(0..9), PathBuf::from("c")));
        for wrong in [
            "--merge a",
            "--merge --out c",
            "--merge a --out c --shard 1/2",
        ] {
            assert!(options(wrong).is_err(), "{wrong}");
        }
        for option in [
            "--epochs 3",
            "--init glorot",
            "--jobs 2",
            "--device cpu",
            "--data-dir d",
        ] {
            let error = options(&format!("--merge a --out c {option}")).unwrap_err();
            assert!(error.contains("--merge"), "{error}");
        }
    }

    #[test]
    fn nonsense_is_refused_by_the_options_name() {
        for (line, option) in [
            ("--seeds 5", "--seeds"),
            ("--seeds 5..5", "--seeds"),
            ("--seeds 9..5", "--seeds"),
            ("--seeds -1..5", "--seeds"),
            ("--seeds 0..99999999999", "--seeds"),
            ("--seeds a..b", "--seeds"),
            ("--shard 0/2", "--shard"),
            ("--shard 3/2", "--shard"),
            ("--shard 1/0", "--shard"),
            ("--shard 1", "--shard"),
            ("--jobs 0", "--jobs"),
            ("--jobs -2", "--jobs"),
            ("--epochs 0", "--epochs"),
        ] {
            let error = options(line).unwrap_err();
            assert!(error.contains(option), "{line}: {error}");
        }
    }
}
