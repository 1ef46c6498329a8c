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
        // For bash clap_complete spells a name with a hyphen in two ways, so that no option of a command would be
        // found (clap-rs/clap#6421). Once that is mended there, nothing is replaced here.
        String::from_utf8_lossy(&script).replace("mnist__subcmd__tch", "mnist__tch")
    }
}
