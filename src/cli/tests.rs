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
        "N,N.." => "4,8",
        "X" => "0.5",
        "A..B" => "0..9",
        "DEVICE" => "cpu",
        "DIR" | "FILE" | "FILE|RUN_DIR" | "NAME" | "NAME|first|last" => "d",
        "URL" => "http://a",
        other => panic!("say here what a {other} may be"),
    };
    value.to_owned()
}

/// Each option of `command` has to be refused beside the words of `line`, or to be `effective`.
fn no_option_is_ignored(command: &Command, line: &str, effective: &str) {
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
            refused != effective.split(' ').any(|name| name == long),
            "{line}: refuse --{long} there (NOT_WITH_...), or let it take effect and list it here"
        );
    }
}

#[test]
fn no_option_is_ignored_beside_resume() {
    let command = CommandLine::command();
    let effective = "device threads epochs data-dir split mirror quiet min-accuracy";
    no_option_is_ignored(&command, "--resume d", effective);
}

#[test]
fn every_option_refuses_nonsense_by_its_name() {
    let error = |line: &str| {
        let words = line.split(' ');
        CommandLine::try_parse_from(words).unwrap_err().to_string()
    };
    // Not a whole number, or far too large a one.
    let count = "-1 1.5 1e3 NaN inf 99999999999999999999 x";
    let range = "5 5..5 6..5 ..0 -1..5 0..-5 1..=5 a..b 0..NaN 0..1e3 valid:0..5";
    let (train, seeds) = ("mnist-tch", "mnist-tch reproduce");
    for (command, options, values) in [
        (train, "--epochs", &*format!("{count} 0 1000001")),
        (train, "--batch-size", &format!("{count} 0 1000001")),
        (train, "--threads", &format!("{count} 0 1025")),
        (seeds, "--jobs", &format!("{count} 0 1025")),
        (train, "--classes", &format!("{count} 0 1 257")),
        (train, "--seed", &format!("{count} 18446744073709551616")),
        (train, "--eval-every --checkpoint-every", count),
        (train, "--augment", &format!("{count} 9")),
        (train, "--channels", "0 -1 513 8,,8 1,2,3,4,5 8;8 x"),
        (train, "--lr", "0 -0.0 -0.1 NaN nan inf -inf 1e999 much"),
        (train, "--lr-final", "-0.1 NaN inf -inf 1e999 much"),
        (train, "--keep", "none 1"),
        (train, "--min-accuracy", "-0.5 1.01 90 NaN inf x"),
        (train, "--train-range --test-range", range),
        (train, "--init", "zeros 0"),
        (
            train,
            "--device",
            "gpu CPU cuda: cuda:-1 cuda:+1 cuda:x cpu:0",
        ),
        (train, "--dataset", "cifar"),
        (train, "--shuffle", "x"),
        (seeds, "--seeds", "5 5..5 9..5 -1..5 0..99999999999 a..b"),
    ] {
        for option in options.split(' ') {
            for value in values.split(' ') {
                let error = error(&format!("{command} {option}={value}"));
                let line = error.lines().next().unwrap();
                assert!(line.contains(option), "{option}={value}: {error}");
            }
        }
    }
    // These need another; and a number after a blank may be negative too.
    assert!(error("mnist-tch --force").contains("--out"));
    assert!(error("mnist-tch --epochs -1").contains("'--epochs"));
}
