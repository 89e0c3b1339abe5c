//! Random unit configurations.

use super::dice::Dice;
use procmgr::unit::config::{
    CollectMode, Command, CommandKind, Condition, ConditionKind, Dependency, DependencyKind,
    DependencyOrigin, DescriptorVariable, ExitType, JobMode, KillMode, Listen, ListenKind,
    LoadState, NotApplied, NotifyAccess, OomPolicy, Place, PreserveMode, Privileges, ProbeAddress,
    ProbeKind, ReadyWhen, Restart, RestartMode, ServiceConfig, ServiceType, SocketConfig,
    SystemAction, TimeoutFailure, UnitBody, UnitConfig,
};
use procmgr::unit::diagnostic::Position;
use procmgr::unit::name::{UnitName, UnitType};
use procmgr::unit::value::{Signal, TimeSpan};

/// A unit whose files were found and say nothing yet.
pub(crate) fn loaded(name: UnitName) -> UnitConfig {
    let mut config = UnitConfig::not_found(name);
    config.load = LoadState::Loaded;
    config.load_error = None;
    config
}

/// A unit that its files describe.
pub(crate) fn random(
    dice: &mut Dice,
    name: &UnitName,
    index: usize,
    names: &[UnitName],
) -> UnitConfig {
    if name.as_str().starts_with("none") {
        return UnitConfig::not_found(name.clone());
    }
    let mut config = loaded(name.clone());
    config.body = match name.as_str().rsplit('.').next() {
        Some("service") => UnitBody::Service(Box::new(service(dice, name))),
        Some("target") => UnitBody::Target,
        _ => UnitBody::Fact,
    };
    section(dice, &mut config);
    if !matches!(config.body, UnitBody::Fact) {
        config.dependencies = dependencies(dice, index, names);
    }
    config
}

/// Settings that came to the simulation later than most, by chances of their own.
pub(crate) fn settle_later(dice: &mut Dice, config: &mut UnitConfig) {
    if config.load == LoadState::NotFound {
        return;
    }
    if dice.one_in(3) {
        config.unit.collect_mode = CollectMode::InactiveOrFailed;
    }
    config.procmgr.restart_with_dependency = dice.one_in(3);
    let name = config.name.as_str().replace('.', "_");
    let UnitBody::Service(service) = &mut config.body else {
        return;
    };
    service.oom_policy = dice.pick(&[OomPolicy::Stop, OomPolicy::Kill, OomPolicy::Continue]);
    if service.service_type == ServiceType::Simple && dice.one_in(3) {
        service.service_type = ServiceType::Dbus;
        service.bus_name = Some(format!("org.example.{name}"));
    }
}

/// What a unit says of descriptors.
pub(crate) fn settle_descriptors(dice: &mut Dice, config: &mut UnitConfig) {
    let socket_name = config.name.with_type(UnitType::Socket);
    match &mut config.body {
        UnitBody::Service(service) => {
            service.descriptor_store_max = dice.pick(&[0, 0, 1, 3]);
            service.descriptor_store_preserve =
                dice.pick(&[PreserveMode::No, PreserveMode::Restart, PreserveMode::Yes]);
            if dice.one_in(2) {
                service.descriptor_variables.push(DescriptorVariable {
                    name: socket_name.to_string(),
                    variable: "A_FD".to_owned(),
                });
            }
        }
        UnitBody::Socket(socket) => {
            socket.accept = dice.one_in(2);
            socket.ignore_empty_connections = dice.one_in(2);
            socket.max_connections = dice.pick(&[1, 2, 64]);
            socket.max_connections_per_source = dice.pick(&[0, 0, 1]);
            if socket.accept {
                let own = |edge: &Dependency| edge.target.prefix() == socket_name.prefix();
                config.dependencies.retain(|edge| !own(edge));
            }
        }
        UnitBody::Scope(_)
        | UnitBody::Timer(_)
        | UnitBody::Path(_)
        | UnitBody::Target
        | UnitBody::Fact
        | UnitBody::Other => {}
    }
}

/// The service of one connection.
pub(crate) fn instance(dice: &mut Dice, name: &UnitName, names: &[UnitName]) -> UnitConfig {
    let mut config = loaded(name.clone());
    config.body = UnitBody::Service(Box::new(service(dice, name)));
    section(dice, &mut config);
    config.unit.collect_mode = dice.pick(&[CollectMode::Inactive, CollectMode::InactiveOrFailed]);
    if dice.one_in(3) {
        let other = &names[dice.roll(names.len() as u64) as usize];
        let kind = dice.pick(&[
            DependencyKind::Requires,
            DependencyKind::Wants,
            DependencyKind::PartOf,
            DependencyKind::BindsTo,
            DependencyKind::Conflicts,
        ]);
        config.dependencies = [kind, DependencyKind::After]
            .into_iter()
            .map(|kind| Dependency {
                kind,
                target: other.clone(),
                origin: DependencyOrigin::File,
            })
            .collect();
    }
    settle_descriptors(dice, &mut config);
    config
}

/// A socket unit that activates a service.
pub(crate) fn socket(dice: &mut Dice, service: &UnitName, names: &[UnitName]) -> UnitConfig {
    let mut config = loaded(service.with_type(UnitType::Socket));
    section(dice, &mut config);
    config.not_applied.clear();
    let mut edges = vec![
        (DependencyKind::Triggers, service.clone()),
        (DependencyKind::Before, service.clone()),
    ];
    if dice.one_in(3) {
        let other = &names[dice.roll(names.len() as u64) as usize];
        let kind = dice.pick(&[
            DependencyKind::Requires,
            DependencyKind::PartOf,
            DependencyKind::Conflicts,
            DependencyKind::BindsTo,
        ]);
        if other != service {
            edges.push((kind, other.clone()));
            edges.push((DependencyKind::After, other.clone()));
        }
    }
    let edges = edges.into_iter().map(|(kind, target)| Dependency {
        kind,
        target,
        origin: DependencyOrigin::Implicit,
    });
    config.dependencies = edges.collect();
    let mut socket = SocketConfig {
        listen: vec![Listen {
            kind: ListenKind::Fifo,
            address: "/run/fifo".to_owned(),
            place: Place::Path("/run/fifo".to_owned()),
        }],
        flush_pending: dice.one_in(4),
        timeout: TimeSpan::from_secs(dice.pick(&[1, 5, 90])),
        ..SocketConfig::default()
    };
    for kind in [
        CommandKind::StartPre,
        CommandKind::StartPost,
        CommandKind::StopPre,
        CommandKind::StopPost,
    ] {
        let count = dice.weighted(&[(0, 5), (1, 2), (2, 1)]);
        *socket.commands.get_mut(kind) = (0..count).map(|n| command(dice, kind, n)).collect();
    }
    if dice.one_in(4) {
        socket.pause = TimeSpan::from_secs(dice.pick(&[1, 5]));
    }
    if dice.one_in(4) {
        socket.poll_limit.interval = TimeSpan::from_secs(1);
        socket.poll_limit.burst = Some(2);
    }
    socket.kill.mode = dice.pick(&[KillMode::ControlGroup, KillMode::Mixed, KillMode::Process]);
    config.body = UnitBody::Socket(Box::new(socket));
    config
}

pub(crate) fn section(dice: &mut Dice, config: &mut UnitConfig) {
    for list in [&mut config.unit.conditions, &mut config.unit.asserts] {
        while dice.one_in(8) {
            list.push(Condition {
                kind: ConditionKind::PathExists,
                parameter: format!("/{}", dice.roll(1000)),
                trigger: dice.one_in(4),
                negate: dice.one_in(4),
            });
        }
    }
    config.unit.start_limit_interval = TimeSpan::from_secs(dice.pick(&[0, 1, 10, 10, 60]));
    config.unit.start_limit_burst = dice.pick(&[0, 1, 2, 3, 5, 5]);
    // Not ignore-requirements: it would make whatever they name an exception to the laws.
    let modes = [JobMode::Replace, JobMode::Fail];
    config.unit.on_failure_job_mode = dice.pick(&modes);
    config.unit.on_success_job_mode = dice.pick(&modes);
    config.unit.allow_isolate = dice.one_in(2);
    config.unit.ignore_on_isolate = Some(dice.one_in(6));
    if dice.one_in(8) {
        config.unit.job_timeout = TimeSpan::from_millis(dice.pick(&[100, 1000, 10_000]));
    }
    if dice.one_in(8) {
        let limit = TimeSpan::from_millis(dice.pick(&[100, 1000, 10_000]));
        config.unit.job_running_timeout = Some(limit);
    }
    if dice.one_in(8) {
        config.unit.failure_action = SystemAction::Exit;
        config.unit.start_limit_action = SystemAction::Reboot;
    }
    if dice.one_in(12) {
        config.procmgr.ready_when = ReadyWhen::Probe;
    }
    config.unit.refuse_manual_start = dice.one_in(30);
    config.unit.refuse_manual_stop = dice.one_in(30);
    if dice.one_in(40) {
        config.not_applied.push(NotApplied {
            directive: "PrivateUsers",
            value: "yes".to_owned(),
            reason: "not in this build",
            refuses_start: true,
        });
    }
}

/// Edges to other units. What a unit comes after is mostly of a lower number, so that cycles
/// are there but rare; what an end starts is always of a higher one, or two units that end by
/// themselves would start each other for ever, here as in systemd.
fn dependencies(dice: &mut Dice, index: usize, names: &[UnitName]) -> Vec<Dependency> {
    use DependencyKind as D;
    let mut edges = Vec::new();
    let wanted = dice.weighted(&[(0, 2), (1, 4), (2, 4), (3, 2), (6, 1)]);
    for _ in 0..wanted {
        let other = dice.roll(names.len() as u64) as usize;
        if other == index {
            continue;
        }
        let kind = dice.weighted(&[
            (D::Requires, 5),
            (D::Requisite, 1),
            (D::Wants, 4),
            (D::BindsTo, 4),
            (D::PartOf, 2),
            (D::Upholds, 1),
            (D::Conflicts, 3),
            (D::OnFailure, 2),
            (D::OnSuccess, 1),
            (D::PropagatesReloadTo, 1),
            (D::ReloadPropagatedFrom, 1),
            (D::PropagatesStopTo, 1),
            (D::StopPropagatedFrom, 1),
            (D::After, 3),
            (D::Before, 1),
        ]);
        if matches!(kind, D::OnFailure | D::OnSuccess) && other < index {
            continue;
        }
        edges.push((kind, other));
        if !matches!(kind, D::OnFailure | D::OnSuccess) && dice.percent(70) {
            let backwards = dice.one_in(25);
            let after = (other < index) != backwards;
            edges.push((if after { D::After } else { D::Before }, other));
        }
    }
    edges.sort();
    edges.dedup();
    edges
        .into_iter()
        .map(|(kind, other)| Dependency {
            kind,
            target: names[other].clone(),
            origin: DependencyOrigin::File,
        })
        .collect()
}

fn service(dice: &mut Dice, name: &UnitName) -> ServiceConfig {
    use ServiceType as T;
    let mut service = ServiceConfig {
        service_type: dice.weighted(&[
            (T::Simple, 5),
            (T::Exec, 2),
            (T::Oneshot, 4),
            (T::Notify, 4),
            (T::NotifyReload, 2),
            (T::Forking, 4),
            (T::Idle, 1),
        ]),
        ..ServiceConfig::default()
    };
    commands(dice, &mut service);
    restarting(dice, &mut service);
    times(dice, &mut service);
    service.remain_after_exit = dice.one_in(4);
    service.guess_main_pid = !dice.one_in(4);
    if service.service_type == T::Forking || dice.one_in(12) {
        service.pid_file = dice.percent(60).then(|| format!("/run/{name}.pid"));
    }
    let speaks = matches!(service.service_type, T::Notify | T::NotifyReload)
        || service.watchdog > TimeSpan::ZERO;
    service.notify_access = dice.pick(&[
        NotifyAccess::Main,
        NotifyAccess::Main,
        NotifyAccess::Exec,
        NotifyAccess::All,
    ]);
    if !speaks && dice.one_in(2) {
        service.notify_access = NotifyAccess::None;
    }
    service.kill.mode = dice.weighted(&[
        (KillMode::ControlGroup, 12),
        (KillMode::Mixed, 5),
        (KillMode::Process, 3),
        (KillMode::None, 1),
    ]);
    service.kill.signal = dice.weighted(&[(Signal::TERM, 8), (Signal::INT, 1), (Signal::QUIT, 1)]);
    service.kill.restart_signal = dice.one_in(10).then_some(Signal::USR2);
    service.kill.send_sigkill = !dice.one_in(20);
    service.kill.send_sighup = dice.one_in(10);
    if service.kill.mode == KillMode::None || !service.kill.send_sigkill {
        // What nobody ends would be waited for without end, as it says.
        service.timeout_stop = TimeSpan::from_secs(2);
    }
    if dice.one_in(6) {
        probes(dice, &mut service);
    }
    service
}

fn probes(dice: &mut Dice, service: &mut ServiceConfig) {
    for kind in ProbeKind::ALL {
        if dice.one_in(2) {
            continue;
        }
        let exec = dice
            .one_in(3)
            .then(|| command(dice, CommandKind::StartPost, 9));
        let position = Position {
            file: "sim".into(),
            line: 1,
            column: 1,
        };
        let probe = service.probes.section_mut(kind, &position);
        probe.tcp = match exec {
            Some(_) => None,
            None => Some(ProbeAddress::Unix("/run/sim".to_owned())),
        };
        probe.exec = exec;
        probe.initial_delay = TimeSpan::from_secs(dice.pick(&[0, 0, 2]));
        probe.period = TimeSpan::from_secs(dice.pick(&[1, 3, 10]));
        probe.failure_threshold = dice.pick(&[1, 2, 3]);
    }
}

fn commands(dice: &mut Dice, service: &mut ServiceConfig) {
    let oneshot = service.service_type == ServiceType::Oneshot;
    for kind in CommandKind::ALL {
        let count = match kind {
            CommandKind::Start if oneshot => 1 + dice.roll(3),
            CommandKind::Start => 1,
            CommandKind::Reload => dice.roll(2),
            CommandKind::StopPre => 0,
            CommandKind::Condition
            | CommandKind::StartPre
            | CommandKind::StartPost
            | CommandKind::Stop
            | CommandKind::StopPost => dice.weighted(&[(0, 8), (1, 2), (2, 1)]),
        };
        *service.commands.get_mut(kind) = (0..count).map(|n| command(dice, kind, n)).collect();
    }
}

fn command(dice: &mut Dice, kind: CommandKind, number: u64) -> Command {
    let program = format!("/{}-{number}-{}", kind.directive(), dice.roll(4));
    Command {
        argv: vec![program.clone()],
        program,
        ignore_failure: dice.one_in(8),
        no_expand: false,
        privileges: Privileges::Normal,
        position: Position {
            file: "sim".into(),
            line: 1,
            column: 1,
        },
    }
}

fn restarting(dice: &mut Dice, service: &mut ServiceConfig) {
    use Restart as R;
    let oneshot = service.service_type == ServiceType::Oneshot;
    service.restart = dice.weighted(&[
        (R::No, 6),
        (R::OnFailure, 5),
        (R::Always, if oneshot { 0 } else { 4 }),
        (R::OnSuccess, if oneshot { 0 } else { 1 }),
        (R::OnAbnormal, 1),
        (R::OnWatchdog, 1),
        (R::OnAbort, 1),
    ]);
    service.restart_sec = TimeSpan::from_millis(dice.pick(&[0, 100, 100, 1000, 5000]));
    if dice.one_in(5) {
        service.restart_max_delay = TimeSpan::from_secs(20);
        service.restart_steps = dice.pick(&[0, 3]);
    }
    service.restart_mode = dice.weighted(&[
        (RestartMode::Normal, 8),
        (RestartMode::Direct, 2),
        (RestartMode::Debug, 1),
    ]);
    for set in [
        &mut service.success_exit_status,
        &mut service.restart_prevent_exit_status,
        &mut service.restart_force_exit_status,
    ] {
        if dice.one_in(12) {
            set.codes.insert(dice.pick(&[1, 2, 3]));
            set.signals.insert(Signal::KILL);
        }
    }
}

fn times(dice: &mut Dice, service: &mut ServiceConfig) {
    let never = TimeSpan::INFINITY;
    let some = |dice: &mut Dice| TimeSpan::from_secs(dice.pick(&[1, 2, 5, 90]));
    service.timeout_start = some(dice);
    if service.service_type == ServiceType::Oneshot || dice.one_in(10) {
        service.timeout_start = never;
    }
    service.timeout_stop = if dice.one_in(12) { never } else { some(dice) };
    if dice.one_in(10) {
        service.runtime_max = TimeSpan::from_secs(dice.pick(&[1, 10, 60]));
        service.runtime_random_extra = TimeSpan::from_secs(dice.pick(&[0, 5]));
    }
    let failure = |dice: &mut Dice| {
        dice.weighted(&[
            (TimeoutFailure::Terminate, 6),
            (TimeoutFailure::Abort, 1),
            (TimeoutFailure::Kill, 1),
        ])
    };
    service.timeout_start_failure = failure(dice);
    service.timeout_stop_failure = failure(dice);
    if service.service_type != ServiceType::Oneshot && dice.one_in(10) {
        service.exit_type = ExitType::Cgroup;
    }
    if dice.one_in(6) {
        service.watchdog = TimeSpan::from_secs(dice.pick(&[1, 3, 20]));
    }
}
