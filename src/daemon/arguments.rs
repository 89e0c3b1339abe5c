//! The command line of the daemon.

use clap::{Args, Parser, ValueEnum};
use std::path::PathBuf;

/// Runs systemd unit files where systemd does not run.
#[derive(Debug, Parser)]
#[command(name = "dd-procmgrd", version)]
pub(super) struct Arguments {
    /// Units to start instead of default.target
    #[arg(value_name = "UNIT")]
    pub(super) units: Vec<String>,

    /// Control socket [default: /run/datadog/process-manager.sock, for other users than root
    /// below $XDG_RUNTIME_DIR; $DD_PM_SOCKET_DIR/NAME.sock if that is set] [env: DD_PM_SOCKET=]
    #[arg(long, value_name = "PATH")]
    pub(super) socket: Option<PathBuf>,

    /// Unit directories, highest priority first, separated by colons; one at the end appends
    /// the default ones [env: DD_PM_UNIT_PATH=]
    #[arg(long, value_name = "DIR:DIR")]
    pub(super) unit_path: Option<String>,

    /// Directory for run-time state [default: /run/datadog/process-manager, for other users
    /// than root below $XDG_RUNTIME_DIR]
    #[arg(long, value_name = "DIR")]
    pub(super) runtime_dir: Option<PathBuf>,

    /// Directory for what outlives a boot: when persistent timers last elapsed [default:
    /// /var/lib/datadog/process-manager, for other users than root below $XDG_STATE_HOME]
    #[arg(long, value_name = "DIR")]
    pub(super) state_dir: Option<PathBuf>,

    /// Settings of the daemon [default: /etc/datadog-agent/process-manager.conf]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Name of this daemon among several on one machine or in one pod
    #[arg(long, value_name = "NAME", env = "DD_PM_NAME", default_value = "main")]
    pub(super) name: String,

    /// Where the daemon runs; found out if not given
    #[arg(long, value_enum, env = "DD_PM_MODE")]
    pub(super) mode: Option<ModeArgument>,

    /// Message bus to be served on, too: system, session, or an address. It is also the one on
    /// which services of Type=dbus take their names [default of that: system for root, session
    /// for other users]
    #[arg(long, value_name = "BUS", env = "DD_PM_BUS")]
    pub(super) bus: Option<String>,

    /// Name to take on that bus; may be repeated [default: com.datadoghq.ProcessManager1]
    #[arg(long, value_name = "NAME", requires = "bus")]
    pub(super) bus_name: Vec<String>,

    /// Make systemd's own paths lead to the control socket, for an unchanged systemctl: /run/
    /// systemd/private and the message bus; refused where a systemd runs
    #[arg(long)]
    pub(super) systemd_facade: bool,

    /// Whether socket units open their sockets and activate services; otherwise their services
    /// start at once [default: off in kubernetes mode, on otherwise]
    #[arg(long, value_enum, value_name = "WHETHER")]
    pub(super) sockets: Option<Switch>,

    /// The unit that the daemon is there for: started with the others; when it has ended for
    /// good, everything is stopped and the daemon exits with its status, 128 and the number for a
    /// signal
    #[arg(long, value_name = "UNIT", env = "DD_PM_EXIT_WITH")]
    pub(super) exit_with: Option<String>,

    /// Where to write why the daemon ended by itself; nowhere if empty [default: in containers
    /// /dev/termination-log, if it is there]
    #[arg(long, value_name = "FILE", env = "DD_PM_TERMINATION_LOG")]
    pub(super) termination_log: Option<PathBuf>,

    /// Who holds the sockets and the output of services while this daemon was killed and is not
    /// back: nobody, a small process of its own, or the store of the service manager that runs it
    /// [default: auto] [env: DD_PM_KEEP_SERVICES=]
    #[arg(long, value_enum, value_name = "WHO")]
    pub(super) keep_services: Option<KeepServices>,

    /// Variables that the environment of services begins with [env: DD_PM_DEFAULT_ENVIRONMENT=]
    #[arg(long, value_name = "NAME=VALUE ...")]
    pub(super) default_environment: Option<String>,

    /// Who besides root and the daemon's user may look: none, group or all [default: group]
    /// [env: DD_PM_READ_ACCESS=]
    #[arg(long, value_name = "WHO")]
    pub(super) read_access: Option<String>,

    /// Settings of units that may be left out where they cannot be carried out
    /// [env: DD_PM_ALLOW_DEGRADED=]
    #[arg(long, value_name = "NAME ...")]
    pub(super) allow_degraded: Option<String>,

    #[command(flatten)]
    pub(super) accounting: DefaultAccounting,

    /// Check the settings, say what is wrong with them, and start nothing
    #[arg(long)]
    pub(super) check_config: bool,

    /// The small process itself
    #[arg(long, hide = true)]
    pub(super) keeper: bool,

    /// Make the control group of a daemon that was killed fit for the next one and end: for
    /// ExecStopPost= of systemd, which could not start it there otherwise
    #[arg(long)]
    pub(super) make_group_fit: bool,

    /// Whether the state on standard input is understood
    #[arg(long, hide = true)]
    pub(super) check_state: bool,

    /// Where health and metrics are served over HTTP: ADDRESS:PORT, :PORT, PORT, unix:PATH, or off
    /// [default: 0.0.0.0:5550 in kubernetes mode, off otherwise] [env: DD_PM_HTTP=]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) http: Option<String>,

    /// Show metrics under the names of node_exporter's collector systemd, too
    /// [env: DD_PM_NODE_METRICS=yes]
    #[arg(long)]
    pub(super) node_metrics: bool,

    /// DogStatsD server to send metrics and events to: HOST:PORT, unix:PATH, or off [default: off]
    /// [env: DD_PM_DOGSTATSD=]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) dogstatsd: Option<String>,

    /// How much is logged: error, warning, info, debug or trace [default: info]
    /// [env: DD_PM_LOG_LEVEL=]
    #[arg(long, value_name = "LEVEL")]
    pub(super) log_level: Option<String>,

    /// Where the log goes besides the disk: console (the standard streams), journal, or auto, which
    /// is the journal where standard error leads there [default: auto] [env: DD_PM_LOG_TARGET=]
    #[arg(long, value_name = "WHERE")]
    pub(super) log_target: Option<String>,

    /// The log on the disk may have so many bytes; 0 keeps lines in memory only [default: 64M]
    /// [env: DD_PM_LOG_MAX_USE=]
    #[arg(long, value_name = "BYTES")]
    pub(super) log_max_use: Option<String>,

    /// Take lines of services that are JSON objects into those of the log, with --log-format=json
    /// [env: DD_PM_MERGE_JSON=yes]
    #[arg(long)]
    pub(super) merge_json: bool,

    /// How lines are logged: text on standard error, or json on standard output [default: json
    /// in kubernetes mode, text otherwise]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(super) log_format: Option<LogFormat>,
}

/// The values of `--mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ModeArgument {
    /// On a host; services get a clean environment
    Host,
    /// In a container; services get the daemon's environment
    Container,
    /// In a container of a pod; logs are JSON
    Kubernetes,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Switch {
    /// Yes
    On,
    /// No
    Off,
}

/// The values of `--keep-services` and KeepServices=.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum KeepServices {
    /// On a host the manager's store if it offers one, else a process; in a container nobody:
    /// its services end with it
    #[default]
    Auto,
    /// Nobody
    No,
    /// A small process of its own
    Keeper,
    /// The store of the service manager
    Manager,
}

/// The values of `--log-format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

/// What is counted of units that do not say (systemd-system.conf(5)).
#[derive(Debug, Default, Args)]
pub(super) struct DefaultAccounting {
    /// Whether processor time is counted of units that do not say [env: DD_PM_DEFAULT_CPU_ACCOUNTING=]
    #[arg(
        long = "default-cpu-accounting",
        id = "default-cpu-accounting",
        value_name = "SWITCH"
    )]
    pub(super) cpu: Option<String>,

    /// Whether memory is counted of units that do not say [env: DD_PM_DEFAULT_MEMORY_ACCOUNTING=]
    #[arg(
        long = "default-memory-accounting",
        id = "default-memory-accounting",
        value_name = "SWITCH"
    )]
    pub(super) memory: Option<String>,

    /// Whether tasks are counted of units that do not say [env: DD_PM_DEFAULT_TASKS_ACCOUNTING=]
    #[arg(
        long = "default-tasks-accounting",
        id = "default-tasks-accounting",
        value_name = "SWITCH"
    )]
    pub(super) tasks: Option<String>,

    /// Whether input and output of block devices are counted of units that do not say [env: DD_PM_DEFAULT_IO_ACCOUNTING=]
    #[arg(
        long = "default-io-accounting",
        id = "default-io-accounting",
        value_name = "SWITCH"
    )]
    pub(super) io: Option<String>,

    /// Whether traffic of the network is counted of units that do not say [env: DD_PM_DEFAULT_IP_ACCOUNTING=]
    #[arg(
        long = "default-ip-accounting",
        id = "default-ip-accounting",
        value_name = "SWITCH"
    )]
    pub(super) ip: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn units_and_options_mix() {
        let arguments =
            Arguments::parse_from(["dd-procmgrd", "a.service", "--socket", "/s", "b.socket"]);
        assert_eq!(arguments.units, ["a.service", "b.socket"]);
        assert_eq!(arguments.socket, Some("/s".into()));
    }
}
