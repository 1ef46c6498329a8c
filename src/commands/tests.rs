use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command};

use super::*;

#[test]
fn clap_finds_no_fault_with_the_definition() {
    CommandLine::command().debug_assert();
}

/// A value that the option takes.
fn value(argument: &Arg) -> String {
    let known = argument.get_possible_values();
    if let Some(known) = known.first() {
        return known.get_name().to_owned();
    }
    let names = argument.get_value_names().unwrap_or_default();
    let value = match names[0].as_str() {
        "N" => "3",
        "X" => "0.5",
        "A..B" => "0..9",
        "I/N" => "1/2",
        "DEVICE" => "cpu",
        "DIR" | "FILE" => "d",
        "URL" => "http://a",
        other => panic!("say here what a {other} may be"),
    };
    value.to_owned()
}

/// Every option of `command` has to be refused beside the words of `line`, or to be one of
/// `effective`.
fn no_option_is_ignored(command: &Command, line: &str, effective: &[&str]) {
    for argument in command.get_arguments() {
        let long = argument.get_long().unwrap();
        let is_in_line = line.contains(&format!("--{long}"));
        if is_in_line || matches!(argument.get_action(), ArgAction::Help | ArgAction::Version) {
            continue;
        }
        let option = match argument.get_action() {
            ArgAction::SetTrue => format!("--{long}"),
            _ => format!("--{long}={}", value(argument)),
        };
        let line = format!("mnist-tch {line} {option}");
        let words: Vec<&str> = line.split_whitespace().collect();
        let refused = CommandLine::try_parse_from(&words).err();
        let refused = refused.is_some_and(|error| error.kind() == ErrorKind::ArgumentConflict);
        assert!(
            refused != effective.contains(&long),
            "{line}: refuse --{long} there (NOT_WITH_...), or let it take effect and list it here"
        );
    }
}

#[test]
fn no_option_is_ignored_beside_resume() {
    let effective = [
        "device",
        "threads",
        "data-dir",
        "mirror",
        "quiet",
        "min-accuracy",
    ];
    no_option_is_ignored(&CommandLine::command(), "--resume d", &effective);
}

#[test]
fn no_option_is_ignored_beside_merge() {
    // Without --dataset, which is refused, a mirror has nothing to say. It cannot be refused
    // itself, because it may come from the environment.
    let effective = ["seeds", "compare", "quiet", "mirror"];
    let command = CommandLine::command();
    let reproduce = command.find_subcommand("reproduce").unwrap();
    no_option_is_ignored(reproduce, "reproduce --merge d --out e", &effective);
}

#[test]
fn every_option_refuses_nonsense_by_its_name() {
    let error = |words: &[&str]| {
        let error = CommandLine::try_parse_from(words).unwrap_err();
        error.to_string()
    };
    // Not a whole number, or far too large a one.
    let count = "-1 1.5 1e3 NaN inf 99999999999999999999 x";
    let share = "-0.5 1.01 90 NaN inf x";
    let range = "5 5..5 6..5 ..0 -1..5 0..-5 1..=5 a..b 0..NaN 0..1e3 valid:0..5";
    for (option, values, more) in [
        ("--epochs", count, "0 1000001"),
        ("--batch-size", count, "0 1000001"),
        ("--threads", count, "0 1025"),
        ("--classes", count, "0 1 257"),
        ("--seed", count, "18446744073709551616"),
        ("--eval-every", count, ""),
        ("--checkpoint-every", count, ""),
        ("--lr", "0 -0.0 -0.1 NaN nan inf -inf 1e999 much", ""),
        ("--min-accuracy", share, ""),
        ("--train-range", range, ""),
        ("--test-range", range, ""),
        ("--init", "zeros 0", ""),
        ("--device", "gpu cuda: cuda:-1 cuda:x cpu:0", ""),
        ("--dataset", "cifar", ""),
        ("--mirror", "example.org", ""),
        ("--shuffle", "x", ""),
        (
            "reproduce --seeds",
            "5 5..5 9..5 -1..5 0..99999999999 a..b",
            "",
        ),
        ("reproduce --shard", "0/2 3/2 1/0 1", ""),
        ("reproduce --jobs", count, "0 1025"),
    ] {
        for value in values
            .split(' ')
            .chain(more.split(' ').filter(|_| option != "--mirror"))
        {
            let words = format!("mnist-tch {option}={value}");
            let words: Vec<&str> = words.split(' ').collect();
            let error = error(&words);
            let line = error.lines().next().unwrap();
            let option = option.trim_start_matches("reproduce ");
            assert!(line.contains(option), "{option}={value}: {error}");
        }
    }
    // These need another.
    assert!(error(&["mnist-tch", "--force"]).contains("--out"));
    assert!(error(&["mnist-tch", "reproduce", "--merge", "a"]).contains("--out"));
    // A number after a blank may be negative too.
    assert!(error(&["mnist-tch", "--epochs", "-1"]).contains("'--epochs"));
}
