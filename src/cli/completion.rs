//! `completions`: what a shell needs to complete command lines. clap_complete knows commands and
//! options; names of units are asked of the daemon as they are typed.

use super::args::Arguments;
use super::output::say;
use clap::CommandFactory;
use clap_complete::{Shell, generate};

/// Where the shells get names of units from.
const UNITS: &str = "dd-procmgr list-units --all --no-legend --plain 2>/dev/null";

/// Commands whose arguments are units.
const VERBS: &[&str] = &[
    "start",
    "stop",
    "restart",
    "reload",
    "try-restart",
    "reload-or-restart",
    "try-reload-or-restart",
    "status",
    "show",
    "cat",
    "kill",
    "reset-failed",
    "is-active",
    "is-failed",
    "is-enabled",
    "enable",
    "disable",
    "reenable",
    "mask",
    "unmask",
    "preset",
    "revert",
    "edit",
    "logs",
    "list-dependencies",
    "help",
    "clean",
    "freeze",
    "thaw",
    "set-property",
    "isolate",
];

/// Prints the script.
pub(super) fn run(shell: Shell) -> u8 {
    say(&script(shell));
    0
}

fn script(shell: Shell) -> String {
    let mut command = Arguments::command();
    let mut bytes = Vec::new();
    generate(shell, &mut command, "dd-procmgr", &mut bytes);
    let mut script = String::from_utf8_lossy(&bytes).into_owned();
    let verbs = VERBS.join("|");
    match shell {
        Shell::Bash => script.push_str(&format!(
            r#"
_dd_procmgr_units() {{
    local verb
    for verb in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case "$verb" in
            {verbs})
                if [[ ${{COMP_WORDS[COMP_CWORD]}} != -* ]]; then
                    COMPREPLY=( $(compgen -W "$({UNITS} | awk '{{print $1}}')" -- "${{COMP_WORDS[COMP_CWORD]}}") )
                    return 0
                fi ;;
        esac
    done
    _dd__procmgr "$@"
}}
complete -F _dd_procmgr_units -o bashdefault -o default dd-procmgr
"#
        )),
        Shell::Fish => script.push_str(&format!(
            "complete -c dd-procmgr -f -n \"__fish_seen_subcommand_from {}\" \
             -a \"({UNITS} | awk '{{print \\$1}}')\"\n",
            VERBS.join(" ")
        )),
        Shell::Zsh => {
            script = script.lines().map(with_units).collect();
            script.push_str(&format!(
                "\n_dd_procmgr_units() {{\n    local -a units\n    units=(${{(f)\"$({UNITS} | \
                 awk '{{print $1}}')\"}})\n    compadd -a units\n}}\n"
            ));
        }
        _ => {}
    }
    script
}

/// A line of the script for zsh, with arguments that are units completed by our own function.
fn with_units(line: &str) -> String {
    let is_units = line.starts_with("'*::units --");
    let line = match line.split_once(":_default'") {
        Some((before, behind)) if is_units => {
            format!("{before}:_dd_procmgr_units'{behind}")
        }
        _ => line.to_owned(),
    };
    line + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_know_commands_and_ask_for_units() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = script(shell);
            assert!(script.contains("daemon-reload"), "{shell}");
            assert!(script.contains("list-units --all"), "{shell}");
        }
        assert!(script(Shell::Zsh).contains(":_dd_procmgr_units' "));
        assert!(script(Shell::Bash).starts_with("_dd__procmgr() {"));
        for shell in [Shell::Bash, Shell::Zsh] {
            assert!(script(shell).contains("_dd_procmgr_units() {"), "{shell}");
        }
    }

    #[test]
    fn every_verb_is_a_command() {
        let command = Arguments::command();
        for verb in VERBS.iter().filter(|verb| **verb != "isolate") {
            assert!(command.find_subcommand(verb).is_some(), "{verb}");
        }
    }
}
