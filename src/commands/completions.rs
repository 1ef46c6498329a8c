//! `mnist-tch completions`: what a shell needs to complete this program's options, by clap's own generator.

use anyhow::Result;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Command};
use clap_complete::{Shell, generate};

/// The shells whose scripts are kept in working order.
const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

/// The options of `completions`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The shell
    #[arg(value_name = "SHELL")]
    #[arg(value_parser = PossibleValuesParser::new(SHELLS).try_map(|name| name.parse::<Shell>()))]
    shell: Shell,
}

/// Prints the script that completes `command`.
pub(crate) fn run(options: &Options, mut command: Command) -> Result<()> {
    let (name, mut script) = (command.get_name().to_owned(), Vec::new());
    generate(options.shell, &mut command, name, &mut script);
    let script = String::from_utf8_lossy(&script);
    // For bash clap_complete spells a name with a hyphen in two ways, so that no option of a command would be
    // found (clap-rs/clap#6421). Once that is mended there, nothing is replaced here.
    super::print(&script.replace("mnist__subcmd__tch", "mnist__tch"))
}
