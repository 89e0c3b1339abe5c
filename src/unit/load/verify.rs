//! What is decided when all files of a unit are read: defaults that depend on other settings,
//! and settings that make no sense together (systemd.service(5); checklist X11, X12, M8).

mod probes;

use crate::unit::config::{
    CommandKind, DependencyKind, ExitType, JobMode, KillMode, Listen, ListenKind, LoadState,
    NotifyAccess, OomPolicy, PathConfig, Privileges, Restart, ServiceConfig, ServiceType,
    SocketConfig, SystemAction, TimerConfig, UnitBody,
};
use crate::unit::diagnostic::{Diagnostic, Position, Rule, Severity};
use crate::unit::directive::{Draft, PropertyValue, fail};
use crate::unit::value::TimeSpan;

/// Fills in dependent defaults, then checks.
pub(super) fn settle(draft: &mut Draft) {
    let type_set = draft.set.contains_key("Type");
    let start_set =
        draft.set.contains_key("TimeoutStartSec") || draft.set.contains_key("TimeoutSec");
    let oom_policy_set = draft.set.contains_key("OOMPolicy");
    let delegated = draft.config.written.get("Delegate") == Some(&PropertyValue::Bool(true));
    let start_only = draft.permissions_start_only;
    // What stands behind a bad line was not read, and a bad command is said already: that one
    // is missing then is no news.
    let lost = draft.config.load == LoadState::Error
        || ["ExecStart", "ExecStop"]
            .iter()
            .any(|name| draft.bad.contains(name));
    let problems = match &mut draft.config.body {
        UnitBody::Service(service) => {
            if !type_set {
                service.service_type = default_type(service);
            }
            if service.service_type == ServiceType::Oneshot && !start_set {
                service.timeout_start = TimeSpan::INFINITY;
            }
            imply_notify_access(service);
            if !oom_policy_set && delegated {
                // What is left to itself is left to itself in this, too.
                service.oom_policy = OomPolicy::Continue;
            }
            service.permissions_start_only = start_only;
            if start_only {
                lift_permissions(service);
            }
            let acts = draft.config.unit.success_action != SystemAction::None;
            check_service(service, acts, lost)
        }
        UnitBody::Socket(_) | UnitBody::Timer(_) | UnitBody::Path(_)
            if draft.config.load == LoadState::Error =>
        {
            Vec::new()
        }
        UnitBody::Path(path) => check_path(path),
        UnitBody::Timer(timer) => check_timer(timer),
        UnitBody::Socket(socket) => check_socket(socket),
        UnitBody::Scope(scope) => {
            if !oom_policy_set && delegated {
                scope.oom_policy = OomPolicy::Continue;
            }
            Vec::new()
        }
        UnitBody::Target | UnitBody::Fact | UnitBody::Other => Vec::new(),
    };
    for problem in problems.into_iter().chain(check_isolation(draft)) {
        report(draft, &problem);
    }
    probes::check(draft);
}

/// The mode isolate leaves one unit, so that an end can start no more than one with it
/// (systemd.unit(5), OnFailureJobMode=).
fn check_isolation(draft: &Draft) -> Vec<Problem> {
    let several = |kind| {
        let edges = draft.dependencies.keys();
        edges.filter(|(of, _)| *of == kind).count() > 1
    };
    let section = &draft.config.unit;
    let mut problems = Vec::new();
    if section.on_failure_job_mode == JobMode::Isolate && several(DependencyKind::OnFailure) {
        problems.push(Problem::error(
            &["OnFailureJobMode", "OnFailureIsolate", "OnFailure"],
            "OnFailureJobMode=isolate: OnFailure= can only name one unit then",
        ));
    }
    if section.on_success_job_mode == JobMode::Isolate && several(DependencyKind::OnSuccess) {
        problems.push(Problem::error(
            &["OnSuccessJobMode", "OnSuccess"],
            "OnSuccessJobMode=isolate: OnSuccess= can only name one unit then",
        ));
    }
    problems
}

/// Something that does not fit together, and the directives it is about.
struct Problem {
    severity: Severity,
    about: &'static [&'static str],
    message: &'static str,
}

impl Problem {
    fn error(about: &'static [&'static str], message: &'static str) -> Problem {
        Problem {
            severity: Severity::Error,
            about,
            message,
        }
    }

    fn warning(about: &'static [&'static str], message: &'static str) -> Problem {
        Problem {
            severity: Severity::Warning,
            about,
            message,
        }
    }
}

/// Puts a problem where the first of its directives was set last, or at the top of the file.
fn report(draft: &mut Draft, problem: &Problem) {
    let set = problem.about.iter().find_map(|name| draft.set.get(name));
    let name = problem
        .about
        .iter()
        .find(|name| draft.set.contains_key(*name));
    let top = || Position::top(draft.config.fragment.as_deref().unwrap_or_default());
    let finding = Diagnostic::new(
        problem.severity,
        Rule::Contradiction,
        set.cloned().unwrap_or_else(top),
        problem.message,
    )
    .length(name.map_or(0, |name| name.len()));
    if problem.severity == Severity::Error {
        fail(draft, LoadState::BadSetting, &finding);
    }
    draft.config.diagnostics.push(finding);
}

fn default_type(service: &ServiceConfig) -> ServiceType {
    if service.bus_name.is_some() {
        ServiceType::Dbus
    } else if service.commands.get(CommandKind::Start).is_empty() {
        ServiceType::Oneshot
    } else {
        ServiceType::Simple
    }
}

/// Who has to send messages may send them.
fn imply_notify_access(service: &mut ServiceConfig) {
    let needed = match service.service_type {
        ServiceType::Notify | ServiceType::NotifyReload => true,
        ServiceType::Simple
        | ServiceType::Exec
        | ServiceType::Forking
        | ServiceType::Oneshot
        | ServiceType::Dbus
        | ServiceType::Idle => {
            service.watchdog != TimeSpan::ZERO || service.descriptor_store_max > 0
        }
    };
    if needed && service.notify_access == NotifyAccess::None {
        service.notify_access = NotifyAccess::Main;
    }
}

/// PermissionsStartOnly=: all commands but ExecStart= run as with the prefix `+`.
fn lift_permissions(service: &mut ServiceConfig) {
    for kind in CommandKind::ALL {
        if kind != CommandKind::Start {
            for command in service.commands.get_mut(kind) {
                command.privileges = Privileges::Full;
            }
        }
    }
}

/// A path unit needs something to watch.
fn check_path(path: &PathConfig) -> Vec<Problem> {
    if !path.paths.is_empty() {
        return Vec::new();
    }
    vec![Problem::error(
        &["PathExists"],
        "a path unit needs PathExists=, PathChanged= or another path to watch",
    )]
}

/// A timer needs something to wait for.
fn check_timer(timer: &TimerConfig) -> Vec<Problem> {
    if !timer.values.is_empty() || timer.on_clock_change || timer.on_timezone_change {
        return Vec::new();
    }
    vec![Problem::error(
        &["OnCalendar"],
        "a timer needs OnCalendar=, OnActiveSec= or another time to elapse at",
    )]
}

/// What makes a service impossible. Since systemd 256 RestartForceExitStatus= may be used
/// with Type=oneshot; before it was refused (X12).
fn check_service(service: &ServiceConfig, acts: bool, lost: bool) -> Vec<Problem> {
    let oneshot = service.service_type == ServiceType::Oneshot;
    let starts = service.commands.get(CommandKind::Start).len();
    let stops = !service.commands.get(CommandKind::Stop).is_empty();
    let mut problems = Vec::new();
    if starts == 0 && !acts && !lost {
        problems.extend(check_without_start(service, oneshot, stops));
    }
    if starts > 1 && !oneshot {
        problems.push(Problem::error(
            &["ExecStart"],
            "ExecStart=: more than one command is only possible with Type=oneshot",
        ));
    }
    if oneshot && matches!(service.restart, Restart::Always | Restart::OnSuccess) {
        problems.push(Problem::error(
            &["Restart"],
            "Restart=always and Restart=on-success are not possible with Type=oneshot",
        ));
    }
    if oneshot && service.exit_type == ExitType::Cgroup {
        problems.push(Problem::error(
            &["ExitType"],
            "ExitType=cgroup is not possible with Type=oneshot",
        ));
    }
    if service.service_type == ServiceType::Dbus && service.bus_name.is_none() {
        problems.push(Problem::error(&["Type"], "Type=dbus needs BusName="));
    }
    if service.service_type != ServiceType::Dbus && service.bus_name.is_some() {
        problems.push(Problem::warning(
            &["BusName"],
            "BusName= has no effect unless Type=dbus",
        ));
    }
    if oneshot && !service.runtime_max.is_infinite() {
        problems.push(Problem::warning(
            &["RuntimeMaxSec"],
            "RuntimeMaxSec= has no effect with Type=oneshot",
        ));
    }
    if service.kill.mode == KillMode::None {
        problems.push(Problem::warning(
            &["KillMode"],
            "KillMode=none leaves processes behind when the unit stops",
        ));
    }
    problems
}

/// What makes a socket impossible.
fn check_socket(socket: &SocketConfig) -> Vec<Problem> {
    let nodes = socket.listen.iter().filter(|listen| match listen.kind {
        ListenKind::Special | ListenKind::UsbFunction => false,
        ListenKind::Stream
        | ListenKind::Datagram
        | ListenKind::SequentialPacket
        | ListenKind::Fifo
        | ListenKind::Netlink
        | ListenKind::MessageQueue => listen.path().is_some(),
    });
    let options = &socket.options;
    let one_size = (options.queue_messages > 0) != (options.queue_message_size > 0);
    let queue = |listen: &Listen| listen.kind == ListenKind::MessageQueue;
    let connects = socket.listen.iter().all(Listen::takes_connections);
    let accept = socket.accept;
    let checks: [(bool, &'static [&'static str], &'static str); 6] = [
        (
            socket.listen.is_empty(),
            &[],
            "Listen...=: a socket unit needs at least one address, such as ListenStream=",
        ),
        (
            accept && !connects,
            &["Accept"],
            "Accept=yes is for ListenStream= and ListenSequentialPacket= only",
        ),
        (
            accept && socket.max_connections == 0,
            &["MaxConnections"],
            "MaxConnections=0 lets no connection in",
        ),
        (
            accept && socket.service.is_some(),
            &["Service", "Accept"],
            "Service= cannot be set with Accept=yes: each connection has its own instance",
        ),
        (
            !socket.symlinks.is_empty() && nodes.count() != 1,
            &["Symlinks"],
            "Symlinks= needs exactly one address with a node in the file system to lead to",
        ),
        (
            one_size && socket.listen.iter().any(queue),
            &["MessageQueueMaxMessages", "MessageQueueMessageSize"],
            "MessageQueueMaxMessages= and MessageQueueMessageSize= go together",
        ),
    ];
    let found = checks.into_iter().filter(|(wrong, _, _)| *wrong);
    found
        .map(|(_, about, message)| Problem::error(about, message))
        .collect()
}

/// Why a service without ExecStart= is impossible, if it is (X11).
fn check_without_start(service: &ServiceConfig, oneshot: bool, stops: bool) -> Option<Problem> {
    let message = if !stops {
        "the service has neither ExecStart= nor ExecStop= nor SuccessAction="
    } else if !oneshot {
        "a service without ExecStart= must have Type=oneshot"
    } else if !service.remain_after_exit {
        "a service without ExecStart= must have RemainAfterExit=yes"
    } else {
        return None;
    };
    Some(Problem::error(&["Type", "ExecStop"], message))
}
