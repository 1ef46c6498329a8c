//! Completions for shells, by clap's own generator.

use clap::{Args, Command, ValueEnum};
use clap_complete::{Shell, generate};

/// The options of `completions`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: ShellName,
}

/// The shells whose scripts are kept in working order.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum ShellName {
    Bash,
    Zsh,
    Fish,
}

impl Arguments {
    /// The script that completes `command`.
    pub fn script(&self, mut command: Command) -> String {
        let shell = match self.shell {
            ShellName::Bash => Shell::Bash,
            ShellName::Zsh => Shell::Zsh,
            ShellName::Fish => Shell::Fish,
        };
        let (name, mut script) = (command.get_name().to_owned(), Vec::new());
        generate(shell, &mut command, name, &mut script);
        String::from_utf8_lossy(&script).into_owned()
    }
}
