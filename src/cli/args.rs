//! The command line as clap reads it.

mod destination;
pub(super) mod more;

pub(super) use destination::Destination;
use destination::DestinationParser;

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Controls the process manager dd-procmgrd.
#[derive(Debug, Parser)]
#[command(name = "dd-procmgr", version, disable_help_subcommand = true)]
pub(super) struct Arguments {
    /// What holds for all commands.
    #[command(flatten)]
    pub(super) common: Common,
    /// What to do.
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
pub(super) struct Common {
    /// Control socket of the daemon [default: DD_PM_SOCKET, else the user's own]
    #[arg(long, global = true, value_name = "PATH")]
    pub(super) socket: Option<PathBuf>,
    /// How to print; with import, the directory to write to
    #[arg(
        short,
        long,
        global = true,
        value_name = "FORMAT",
        value_parser = DestinationParser,
        default_value = "text"
    )]
    pub(super) output: Destination,
    /// Print no column headers
    #[arg(long, global = true)]
    pub(super) no_legend: bool,
    /// Print no answers in words, no account of what was done, and not how long waits go
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
    /// Print through no pager
    #[arg(long, global = true)]
    pub(super) no_pager: bool,
    /// The daemon of this name among those of DD_PM_SOCKET_DIR
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "socket")]
    pub(super) daemon: Option<String>,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// JSON on one line.
    Json,
    /// JSON, indented.
    JsonPretty,
    /// One line a finding; only of verify.
    Short,
    /// SARIF 2.1.0; only of verify.
    Sarif,
    /// A graph for graphviz; only of plan.
    Dot,
}

/// Units to act on.
#[derive(Debug, Clone, Args)]
pub(super) struct Units {
    /// Units or patterns of loaded units; a name without a type is a .service
    #[arg(required = true, value_name = "UNIT")]
    pub(super) units: Vec<String>,
}

/// Units to act on through jobs.
#[derive(Debug, Clone, Args)]
pub(super) struct Jobs {
    /// Units or patterns of loaded units; a name without a type is a .service
    #[arg(required = true, value_name = "UNIT")]
    pub(super) units: Vec<String>,
    /// Do not wait until the job is done
    #[arg(long)]
    pub(super) no_block: bool,
    /// Wait until the units have ended again
    #[arg(long, conflicts_with = "no_block")]
    pub(super) wait: bool,
    /// How to treat jobs that are already queued: replace, fail, replace-irreversibly, isolate,
    /// flush, ignore-dependencies, ignore-requirements, triggering or restart-dependencies
    #[arg(long, value_name = "MODE", default_value = "replace")]
    pub(super) job_mode: String,
}

/// What is shown of what.
#[derive(Debug, Clone, Args)]
pub(super) struct Show {
    /// Units or patterns; none: the manager itself
    #[arg(value_name = "UNIT")]
    pub(super) units: Vec<String>,
    /// Only these properties
    #[arg(short, long = "property", value_name = "NAME", value_delimiter = ',')]
    pub(super) properties: Vec<String>,
    /// Only the values of these properties
    #[arg(
        short = 'P',
        value_name = "NAME",
        value_delimiter = ',',
        conflicts_with = "properties"
    )]
    pub(super) values: Vec<String>,
    /// Values without names
    #[arg(long)]
    pub(super) value: bool,
    /// Empty properties too
    #[arg(short, long)]
    pub(super) all: bool,
    /// Read the files, without asking a daemon
    #[arg(long)]
    pub(super) offline: bool,
    /// Unit directories for --offline, separated by colons [default: DD_PM_UNIT_PATH, else the
    /// user's own]
    #[arg(long, value_name = "PATH", requires = "offline")]
    pub(super) unit_path: Option<String>,
}

/// Units to restart.
#[derive(Debug, Clone, Args)]
pub(super) struct Restart {
    #[command(flatten)]
    pub(super) jobs: Jobs,
    /// Start the new process of a service beside the old one, on the same sockets, and stop the old
    /// one when the new one is ready
    #[arg(long)]
    pub(super) overlap: bool,
}

/// How to run a command for sockets.
#[derive(Debug, Clone, Args)]
pub(super) struct Activation {
    /// Address to listen at, as in ListenStream=; may be given more than once
    #[arg(short, long = "listen", value_name = "ADDR", required = true)]
    pub(super) listen: Vec<String>,
    /// Run the command once for each connection, and hand it the connection
    #[arg(short, long, conflicts_with = "datagram")]
    pub(super) accept: bool,
    /// Listen for datagrams instead of connections
    #[arg(short, long)]
    pub(super) datagram: bool,
    /// Listen for sequential packets instead of a stream
    #[arg(long, conflicts_with = "datagram")]
    pub(super) seqpacket: bool,
    /// Connect standard input and output to the connection, as inetd does
    #[arg(long, requires = "accept")]
    pub(super) inetd: bool,
    /// Names for the sockets, separated by colons
    #[arg(long, value_name = "NAME:NAME")]
    pub(super) fdname: Option<String>,
    /// Set a variable, or pass one of our own on
    #[arg(short = 'E', long = "setenv", value_name = "NAME[=VALUE]")]
    pub(super) environment: Vec<String>,
    /// The command and its arguments
    #[arg(
        value_name = "COMMAND",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub(super) command: Vec<String>,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub(super) enum Command {
    /// List services with their main process and state
    List {
        /// Patterns of unit names
        #[arg(value_name = "PATTERN")]
        patterns: Vec<String>,
        /// List units of all types, also those that are not there
        #[arg(short, long)]
        all: bool,
        /// Show the pod and container of each daemon; done by itself where a daemon has one
        #[arg(long)]
        show_k8s: bool,
    },
    /// List sockets with what they activate, and how many connections they took and refused
    ListSockets {
        /// Patterns of unit names
        #[arg(value_name = "PATTERN")]
        patterns: Vec<String>,
        /// Also sockets that are not active
        #[arg(short, long)]
        all: bool,
    },
    /// List the paths that path units watch
    ListPaths {
        /// Patterns of unit names
        #[arg(value_name = "PATTERN")]
        patterns: Vec<String>,
        /// Also paths of units that are not active
        #[arg(short, long)]
        all: bool,
    },
    /// List timers with the times they elapse at
    ListTimers {
        /// Patterns of unit names
        #[arg(value_name = "PATTERN")]
        patterns: Vec<String>,
        /// Also timers that are not active
        #[arg(short, long)]
        all: bool,
    },
    /// Listen at addresses and run a command when somebody comes, without a unit or a daemon
    SocketActivate(Activation),
    /// Show the state of units with their processes and last lines of log
    Status {
        /// Units or patterns; none: the manager itself
        #[arg(value_name = "UNIT")]
        units: Vec<String>,
        /// Lines of log to show
        #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 10)]
        lines: u32,
        /// Do not shorten lines to the width of the terminal
        #[arg(short = 'l', long)]
        full: bool,
    },
    /// Show the properties of units, or of the manager
    Show(Show),
    /// Show the files of units
    Cat(Units),
    /// Start units; forgets a start limit that was hit
    Start(Jobs),
    /// Stop units
    Stop(Jobs),
    /// Restart units, or start them
    Restart(Restart),
    /// Start a unit and stop all that it does not need
    Isolate {
        /// The unit; a name without a type is a .target
        #[arg(value_name = "UNIT")]
        unit: String,
        /// Do not wait until the job is done
        #[arg(long)]
        no_block: bool,
    },
    /// Ask units to read their configuration again
    Reload(Jobs),
    /// Restart units that are active
    TryRestart(Jobs),
    /// Reload units that can, restart the others
    ReloadOrRestart(Jobs),
    /// Reload or restart units that are active
    TryReloadOrRestart(Jobs),
    /// Send a signal to the processes of units
    Kill {
        /// Units and patterns.
        #[command(flatten)]
        units: Units,
        /// The signal, by name or number
        #[arg(short, long, value_name = "SIGNAL", default_value = "SIGTERM")]
        signal: String,
        /// Which processes
        #[arg(long, visible_alias = "kill-who", value_enum, default_value_t = Whom::All)]
        kill_whom: Whom,
    },
    /// List queued jobs
    ListJobs {
        /// Patterns of unit names
        #[arg(value_name = "PATTERN")]
        patterns: Vec<String>,
    },
    /// Cancel queued jobs; what their units are doing goes on
    Cancel {
        /// Numbers of jobs; none: all
        #[arg(value_name = "JOB")]
        jobs: Vec<u32>,
    },
    /// Forget failures and start counters, of all units if none is named
    ResetFailed {
        /// Units or patterns
        #[arg(value_name = "UNIT")]
        units: Vec<String>,
    },
    /// Tell whether units are active
    IsActive {
        /// Units and patterns.
        #[command(flatten)]
        units: Units,
    },
    /// Tell whether units have failed
    IsFailed {
        /// Units and patterns.
        #[command(flatten)]
        units: Units,
    },
    /// Read all unit files again
    DaemonReload,
    /// Have the daemon execute its program anew, from the file as it is now; units stay as they
    /// are
    DaemonReexec,
    /// Tell what a command would do, without doing it
    Plan {
        /// The command
        #[arg(value_enum, value_name = "COMMAND")]
        verb: PlanVerb,
        /// Units or patterns of loaded units; a name without a type is a .service
        #[arg(
            value_name = "UNIT",
            required_if_eq_any = PlanVerb::WITH_UNITS.map(|word| ("verb", word))
        )]
        units: Vec<String>,
        /// How to treat jobs that are already queued
        #[arg(long, value_name = "MODE", default_value = "replace")]
        job_mode: String,
    },
    /// Show what units wrote
    Logs {
        /// Units or patterns; none: all
        #[arg(value_name = "UNIT")]
        units: Vec<String>,
        /// Go on with new lines as they come
        #[arg(short, long)]
        follow: bool,
        /// Lines to begin with [default: 50, all with --since]
        #[arg(short = 'n', long, value_name = "COUNT")]
        lines: Option<u32>,
        /// Only lines from this time on, as systemd.time(7) writes it: "2026-11-25 10:00",
        /// yesterday, "1h ago"
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// With -o json: take lines that are JSON objects into those that are printed
        #[arg(long)]
        merge_json: bool,
        /// Read the log in this directory; no daemon is asked
        #[arg(short = 'D', long, value_name = "DIR")]
        directory: Option<PathBuf>,
    },
    /// Check unit files without a daemon
    Verify {
        /// Files, directories or units; none: all units of the unit path
        #[arg(value_name = "PATH|UNIT")]
        names: Vec<String>,
        /// Warnings count as failure
        #[arg(long)]
        strict: bool,
        /// Unit directories, separated by colons [default: DD_PM_UNIT_PATH, else the user's own]
        #[arg(long, value_name = "PATH")]
        unit_path: Option<String>,
    },
    /// Make the links that the Install sections of unit files ask for
    Enable(Edits),
    /// Remove all links to unit files that enabling or linking made
    Disable(Edits),
    /// Disable unit files, then enable them again
    Reenable(Edits),
    /// Make it impossible to start units
    Mask(Edits),
    /// Undo masking
    Unmask(Edits),
    /// Make unit files from elsewhere known, by their paths
    Link(Edits),
    /// Enable or disable unit files as the preset files say
    Preset {
        /// Units and options.
        #[command(flatten)]
        edits: Edits,
        /// Which half to carry out
        #[arg(long, value_enum, default_value_t = PresetChoice::Full)]
        preset_mode: PresetChoice,
    },
    /// Enable or disable all unit files as the preset files say
    PresetAll {
        /// Options.
        #[command(flatten)]
        edits: AllEdits,
        /// Which half to carry out
        #[arg(long, value_enum, default_value_t = PresetChoice::Full)]
        preset_mode: PresetChoice,
    },
    /// Go back to the vendor's version of unit files
    Revert(Edits),
    /// Make a target want units
    AddWants {
        /// The unit that is to want the others
        #[arg(value_name = "TARGET")]
        target: String,
        /// Units and options.
        #[command(flatten)]
        edits: Edits,
    },
    /// Make a target require units
    AddRequires {
        /// The unit that is to require the others
        #[arg(value_name = "TARGET")]
        target: String,
        /// Units and options.
        #[command(flatten)]
        edits: Edits,
    },
    /// Print what default.target stands for
    GetDefault,
    /// Choose what default.target stands for
    SetDefault {
        /// The target
        #[arg(value_name = "TARGET")]
        target: String,
        /// Options.
        #[command(flatten)]
        edits: AllEdits,
    },
    /// Tell whether unit files are enabled
    IsEnabled {
        /// Units.
        #[command(flatten)]
        units: Units,
        /// Print the links, too
        #[arg(short = 'l', long)]
        full: bool,
    },
    /// List unit files with their states
    ListUnitFiles {
        /// Patterns of unit names
        #[arg(value_name = "PATTERN")]
        patterns: Vec<String>,
        /// Only those in these states
        #[arg(long = "state", value_name = "STATE", value_delimiter = ',')]
        states: Vec<String>,
        /// Only units of these types
        #[arg(short = 't', long = "type", value_name = "TYPE", value_delimiter = ',')]
        types: Vec<String>,
    },
    /// Write drop-ins for units, or copies of their files
    Edit(EditArguments),
    /// Print the versions of this program and of the daemon
    Version,
    /// Commands about many units, settings at run time, and the manager.
    #[command(flatten)]
    More(more::More),
}

/// What is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum PlanVerb {
    /// Start units.
    Start,
    /// Stop units.
    Stop,
    /// Restart units, or start them.
    Restart,
    /// Ask units to read their configuration again.
    Reload,
    /// Restart units that are active.
    TryRestart,
    /// Reload units that can, restart the others.
    ReloadOrRestart,
    /// Reload or restart units that are active.
    TryReloadOrRestart,
    /// Read all unit files again.
    DaemonReload,
}

impl PlanVerb {
    /// The word of the command.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            PlanVerb::Start => "start",
            PlanVerb::Stop => "stop",
            PlanVerb::Restart => "restart",
            PlanVerb::Reload => "reload",
            PlanVerb::TryRestart => "try-restart",
            PlanVerb::ReloadOrRestart => "reload-or-restart",
            PlanVerb::TryReloadOrRestart => "try-reload-or-restart",
            PlanVerb::DaemonReload => "daemon-reload",
        }
    }

    /// The words of those that are about units.
    const WITH_UNITS: [&'static str; 7] = [
        "start",
        "stop",
        "restart",
        "reload",
        "try-restart",
        "reload-or-restart",
        "try-reload-or-restart",
    ];
}

/// How unit files are changed.
#[derive(Debug, Clone, Args)]
pub(super) struct Edits {
    /// Units; a name without a type is a .service
    #[arg(required = true, value_name = "UNIT")]
    pub(super) units: Vec<String>,
    /// Until the next reboot only
    #[arg(long)]
    pub(super) runtime: bool,
    /// Replace links that are in the way
    #[arg(short, long)]
    pub(super) force: bool,
    /// Start or stop the units, too
    #[arg(long)]
    pub(super) now: bool,
    /// Do not make the daemon read all unit files again
    #[arg(long)]
    pub(super) no_reload: bool,
}

/// The same where no units are named.
#[derive(Debug, Clone, Args)]
pub(super) struct AllEdits {
    /// Until the next reboot only
    #[arg(long)]
    pub(super) runtime: bool,
    /// Replace links that are in the way
    #[arg(short, long)]
    pub(super) force: bool,
    /// Do not make the daemon read all unit files again
    #[arg(long)]
    pub(super) no_reload: bool,
}

impl AllEdits {
    /// With these units.
    pub(super) fn of(&self, units: Vec<String>) -> Edits {
        Edits {
            units,
            runtime: self.runtime,
            force: self.force,
            now: false,
            no_reload: self.no_reload,
        }
    }
}

/// Which half of a preset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum PresetChoice {
    /// Enable and disable.
    Full,
    /// Only enable.
    EnableOnly,
    /// Only disable.
    DisableOnly,
}

/// What is edited, and how.
#[derive(Debug, Clone, Args)]
pub(super) struct EditArguments {
    /// Units; a name without a type is a .service
    #[arg(required = true, value_name = "UNIT")]
    pub(super) units: Vec<String>,
    /// Take the content from standard input instead of an editor
    #[arg(long)]
    pub(super) stdin: bool,
    /// Edit a copy of the whole file instead of a drop-in
    #[arg(short = 'l', long)]
    pub(super) full: bool,
    /// Until the next reboot only
    #[arg(long)]
    pub(super) runtime: bool,
    /// Make what is not there yet
    #[arg(short, long)]
    pub(super) force: bool,
    /// Name of the drop-in
    #[arg(long, value_name = "NAME", default_value = "override")]
    pub(super) drop_in: String,
    /// Do not make the daemon read all unit files again
    #[arg(long)]
    pub(super) no_reload: bool,
}

/// Which processes a signal is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Whom {
    /// All of the unit.
    All,
    /// The main process.
    Main,
    /// The control process.
    Control,
}

impl Whom {
    /// The word on D-Bus.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Whom::All => "all",
            Whom::Main => "main",
            Whom::Control => "control",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(std::iter::once("dd-procmgr").chain(line.split_whitespace()))
    }

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn common_options_go_before_and_behind_the_command() {
        for line in ["-o json --socket /x list", "list -o json --socket /x"] {
            let arguments = parse(line).unwrap();
            assert_eq!(arguments.common.output.format(), Format::Json);
            assert_eq!(arguments.common.socket, Some("/x".into()));
        }
    }

    #[test]
    fn properties_are_split_and_repeated() {
        let Command::Show(Show { properties, .. }) = parse("show a -p A,B -p C").unwrap().command
        else {
            panic!("not show");
        };
        assert_eq!(properties, ["A", "B", "C"]);
    }

    #[test]
    fn units_are_required_where_there_is_no_default() {
        for line in ["start", "stop", "kill", "is-active", "cat"] {
            assert!(parse(line).is_err(), "{line}");
        }
        for line in ["status", "show", "logs", "reset-failed", "list"] {
            assert!(parse(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn logs_and_kill_options() {
        let Command::Logs { follow, lines, .. } = parse("logs x -f -n 3").unwrap().command else {
            panic!("not logs");
        };
        assert!(follow && lines == Some(3));
        let Command::Kill {
            signal, kill_whom, ..
        } = parse("kill -s HUP --kill-whom main x").unwrap().command
        else {
            panic!("not kill");
        };
        assert_eq!((signal.as_str(), kill_whom), ("HUP", Whom::Main));
    }
}
