//! Commands about many units at once, about settings at run time, and about the manager itself.

use super::{Format, Units};
use clap::{Args, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;

/// See the module.
#[derive(Debug, Clone, Subcommand)]
pub(in crate::cli) enum More {
    /// List loaded units with their states
    ListUnits(ListUnits),
    /// Show what units need, or who needs them, as a tree
    ListDependencies(ListDependencies),
    /// Tell whether units are well; without names, those that the daemon was told to run and what
    /// they pull in
    Health(HealthOf),
    /// Open the manual pages that units name
    Help(Units),
    /// Remove directories of units that are down
    Clean {
        /// Units and patterns.
        #[command(flatten)]
        units: Units,
        /// Which: runtime, state, cache, logs, configuration or all
        #[arg(
            long,
            value_name = "KIND",
            value_delimiter = ',',
            default_value = "cache,runtime"
        )]
        what: Vec<String>,
    },
    /// Freeze all processes of units
    Freeze(Units),
    /// Let frozen units go on
    Thaw(Units),
    /// Tell whether the manager is up and no unit has failed
    IsSystemRunning {
        /// Wait until it is up
        #[arg(long)]
        wait: bool,
    },
    /// Change settings of a unit while it runs
    SetProperty {
        /// The unit
        #[arg(value_name = "UNIT")]
        unit: String,
        /// Settings as in unit files
        #[arg(required = true, value_name = "NAME=VALUE")]
        assignments: Vec<String>,
        /// Until the next reboot only
        #[arg(long)]
        runtime: bool,
    },
    /// Run a command as a service made for it
    Run(Box<Run>),
    /// Print the environment that services begin with
    ShowEnvironment,
    /// Add variables to the environment of services
    SetEnvironment {
        /// Variables
        #[arg(required = true, value_name = "NAME=VALUE")]
        assignments: Vec<String>,
    },
    /// Take variables out of the environment of services
    UnsetEnvironment {
        /// Names
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// Add variables of one's own environment to that of services
    ImportEnvironment {
        /// Names
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// Print or set how much the daemon logs
    LogLevel {
        /// error, warning, info or debug
        #[arg(value_name = "LEVEL")]
        level: Option<String>,
    },
    /// Show how the units came up
    #[command(subcommand)]
    Analyze(Analyze),
    /// Watch units on the terminal, start and stop them with keys
    Top,
    /// Make unit files of process definitions in YAML, without a daemon
    Import(Import),
    /// Print what a shell needs to complete command lines
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
}

/// What is listed.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct ListUnits {
    /// Patterns of unit names
    #[arg(value_name = "PATTERN")]
    pub(in crate::cli) patterns: Vec<String>,
    /// Those that are not there or not active, too
    #[arg(short, long)]
    pub(in crate::cli) all: bool,
    /// Only units of these types
    #[arg(short = 't', long = "type", value_name = "TYPE", value_delimiter = ',')]
    pub(in crate::cli) types: Vec<String>,
    /// Only units in these states, of any kind
    #[arg(long = "state", value_name = "STATE", value_delimiter = ',')]
    pub(in crate::cli) states: Vec<String>,
    /// Only units that failed
    #[arg(long)]
    pub(in crate::cli) failed: bool,
    /// No marks in front
    #[arg(long)]
    pub(in crate::cli) plain: bool,
}

/// Whose health is asked for.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct HealthOf {
    /// Units and patterns
    #[arg(value_name = "UNIT")]
    pub(in crate::cli) units: Vec<String>,
    /// Wait until all are well, or one is given up
    #[arg(long)]
    pub(in crate::cli) wait: bool,
    /// The longest wait, such as 30s or 2min [default: for ever]
    #[arg(long, value_name = "TIME", requires = "wait")]
    pub(in crate::cli) timeout: Option<String>,
}

/// What is drawn.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct ListDependencies {
    /// Units [default: default.target]
    #[arg(value_name = "UNIT")]
    pub(in crate::cli) units: Vec<String>,
    /// Who needs them
    #[arg(long)]
    pub(in crate::cli) reverse: bool,
    /// What they come after
    #[arg(long, conflicts_with_all = ["reverse", "before"])]
    pub(in crate::cli) after: bool,
    /// What they come before
    #[arg(long, conflicts_with = "reverse")]
    pub(in crate::cli) before: bool,
    /// All units as trees, not targets only
    #[arg(short, long)]
    pub(in crate::cli) all: bool,
    /// As a list, without lines
    #[arg(long)]
    pub(in crate::cli) plain: bool,
}

/// Options that have a timer or a path unit made: nobody waits for its command.
const TIMES: [&str; 9] = [
    "path_properties",
    "on_active",
    "on_boot",
    "on_startup",
    "on_unit_active",
    "on_unit_inactive",
    "on_calendar",
    "on_timezone_change",
    "on_clock_change",
];

/// What is run, and how.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct Run {
    /// Run the command in the place of this one, within a scope, instead of as a service
    #[arg(
        long,
        conflicts_with_all = ["service_type", "remain_after_exit", "wait", "pipe", "pty", "no_block"]
    )]
    pub(in crate::cli) scope: bool,
    /// Name of the unit [default: run-NUMBER.service, or run-NUMBER.scope]
    #[arg(short, long, value_name = "UNIT")]
    pub(in crate::cli) unit: Option<String>,
    /// Settings as in unit files
    #[arg(short, long = "property", value_name = "NAME=VALUE")]
    pub(in crate::cli) properties: Vec<String>,
    /// What it is, for people
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) description: Option<String>,
    /// Type= of the service
    #[arg(long, value_name = "TYPE")]
    pub(in crate::cli) service_type: Option<String>,
    /// User to run as
    #[arg(long, value_name = "USER")]
    pub(in crate::cli) uid: Option<String>,
    /// Group to run as
    #[arg(long, value_name = "GROUP")]
    pub(in crate::cli) gid: Option<String>,
    /// Directory to run in
    #[arg(long, value_name = "PATH")]
    pub(in crate::cli) working_directory: Option<String>,
    /// Variables; a name alone takes the value from here
    #[arg(short = 'E', long = "setenv", value_name = "NAME[=VALUE]")]
    pub(in crate::cli) environment: Vec<String>,
    /// Stay active when the command has ended
    #[arg(short, long)]
    pub(in crate::cli) remain_after_exit: bool,
    /// Run it so long from now
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) on_active: Vec<String>,
    /// Run it so long after the machine was started
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) on_boot: Vec<String>,
    /// Run it so long after the manager was started
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) on_startup: Vec<String>,
    /// Run it again so long after it was last started
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) on_unit_active: Vec<String>,
    /// Run it again so long after it last ended
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) on_unit_inactive: Vec<String>,
    /// Run it at these times of the calendar
    #[arg(long, value_name = "TIMES")]
    pub(in crate::cli) on_calendar: Vec<String>,
    /// Run it when the time zone changes
    #[arg(long)]
    pub(in crate::cli) on_timezone_change: bool,
    /// Run it when the clock is set
    #[arg(long)]
    pub(in crate::cli) on_clock_change: bool,
    /// Run it when a path is there or changes: settings of a path unit, such as PathExists=/x
    #[arg(long = "path-property", value_name = "NAME=VALUE")]
    pub(in crate::cli) path_properties: Vec<String>,
    /// Settings of the timer as in unit files
    #[arg(long = "timer-property", value_name = "NAME=VALUE")]
    pub(in crate::cli) timer_properties: Vec<String>,
    /// Wait until it has ended, and end with its exit status
    #[arg(long, conflicts_with_all = TIMES)]
    pub(in crate::cli) wait: bool,
    /// Wait; it reads and writes what this command would
    #[arg(short = 'P', long, conflicts_with_all = TIMES)]
    pub(in crate::cli) pipe: bool,
    /// Wait; it has a terminal of its own, shown on this one
    #[arg(short = 't', long, conflicts_with = "pipe", conflicts_with_all = TIMES)]
    pub(in crate::cli) pty: bool,
    /// Do not wait until it has started
    #[arg(long)]
    pub(in crate::cli) no_block: bool,
    /// The command and its arguments
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "COMMAND"
    )]
    pub(in crate::cli) command: Vec<String>,
}

/// What is imported, and how.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct Import {
    /// Definitions, or directories of them: NAME.yaml, NAME.socket.yaml
    #[arg(required = true, value_name = "FILE|DIR")]
    pub(in crate::cli) files: Vec<PathBuf>,
    /// What ${NAME} in them stands for [default: the environment]
    #[arg(short = 'D', long = "define", value_name = "NAME=VALUE")]
    pub(in crate::cli) define: Vec<String>,
    /// Replace unit files that are there
    #[arg(long)]
    pub(in crate::cli) force: bool,
    /// Write nothing of a file that has something without equivalent
    #[arg(long)]
    pub(in crate::cli) strict: bool,
    /// How to print what was found
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    pub(in crate::cli) report: Format,
}

/// What is analyzed.
#[derive(Debug, Clone, Subcommand)]
pub(in crate::cli) enum Analyze {
    /// How long the first start of everything took
    Time,
    /// Units by the time they took to start
    Blame,
    /// What a unit had to wait for, slowest first
    CriticalChain {
        /// Units [default: default.target]
        #[arg(value_name = "UNIT")]
        units: Vec<String>,
    },
    /// The start as a picture: SVG on standard output
    Plot,
    /// When calendar expressions come next
    Calendar {
        /// Expressions as OnCalendar= takes them
        #[arg(required = true, value_name = "EXPRESSION")]
        expressions: Vec<String>,
        /// How many times to show
        #[arg(long, value_name = "COUNT", default_value_t = 1)]
        iterations: u32,
        /// Count from this time instead of now: @SECONDS since the epoch, or a full date and time
        #[arg(long, value_name = "TIME")]
        base_time: Option<String>,
    },
    /// What time spans amount to
    Timespan {
        /// Spans as unit files take them
        #[arg(required = true, value_name = "SPAN")]
        spans: Vec<String>,
    },
    /// Dependencies as a graph for dot(1)
    Dot {
        /// Patterns: only edges that touch these
        #[arg(value_name = "PATTERN")]
        patterns: Vec<String>,
        /// Which dependencies
        #[arg(long, value_enum, default_value_t = Edges::All)]
        edges: Edges,
    },
}

/// Dependencies of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Edges {
    /// All.
    All,
    /// Only those that order.
    Order,
    /// Only those that pull in or push out.
    Require,
}
