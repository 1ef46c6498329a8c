use super::*;
use crate::data::Location;
use crate::learn::config::Config;
use crate::learn::device::Choice;
use crate::learn::weights::Init;
use clap::Parser;

fn command(line: &str) -> Result<Command, String> {
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    parsed(&words)
}

fn parsed(words: &[String]) -> Result<Command, String> {
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
        ("--checkpoint-every", &no_count, &[]),
        ("--dataset", &["cifar", ""], &[]),
        ("--mirror", &["example.org"], &[]),
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
fn data_sets_have_names_and_mirrors_an_order() {
    let line = "--dataset fashion-mnist --mirror http://a/x/ --mirror https://b";
    let data_set = |line| options(line).unwrap().images.set;
    let found = data_set(line);
    assert_eq!(found.dataset.unwrap().name(), "fashion-mnist");
    let mirrors: Vec<String> = found.mirrors.all().map(ToString::to_string).collect();
    assert_eq!(mirrors, ["http://a/x", "https://b"]);
    let named = data_set("--dataset mnist-10k").dataset;
    assert_eq!(named, Some(Location::Embedded));
    assert_eq!(data_set("").dataset, None);
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
    let images = options.images;
    assert!((config.learning_rate - 0.001).abs() < 1e-12);
    assert_eq!(
        (options.device, options.threads.get()),
        (Choice::Cuda(1), 3)
    );
    assert_eq!(
        [images.train_range, images.test_range].map(|range| range.unwrap().to_string()),
        ["train:1..200", "train:200.."]
    );
    let data_set = images.set;
    assert_eq!(
        (data_set.data_dir, data_set.classes, options.out),
        (Some("d".into()), 26, Some("o".into()))
    );
    assert!(options.force && options.quiet && options.min_accuracy == Some(0.9));
}
