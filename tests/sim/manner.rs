//! How a process behaves: decided when it begins, from the seed and its place.

use super::dice::Dice;
use procmgr::engine::{ProcessStatus, Role};
use procmgr::unit::config::{CommandKind, ServiceConfig, ServiceType};
use procmgr::unit::value::Signal;

const MILLISECOND: u64 = 1000;
const SECOND: u64 = 1_000_000;

/// What a process does, in microseconds from its beginning.
#[derive(Debug, Clone, Default)]
pub(crate) struct Manner {
    /// Ends by itself then, so; `None` stays.
    pub(crate) end: Option<(u64, ProcessStatus)>,
    /// Ends by itself even in calm times, because that is what it is for.
    pub(crate) ends_well: bool,
    /// What it says, and when.
    pub(crate) words: Vec<(u64, Words)>,
    /// When it forks, and what comes of it.
    pub(crate) children: Vec<(u64, Manner)>,
    /// When it writes its unit's PID file, and whom it names.
    pub(crate) pid_file: Option<(u64, Named)>,
    /// How long it takes to end when it is asked to; `None` does not listen.
    pub(crate) obeys: Option<u64>,
    /// Its children end with it.
    pub(crate) takes_children_along: bool,
}

/// Whom a PID file or MAINPID= names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    Itself,
    /// Its youngest child that lives.
    Child,
    /// Nobody that exists.
    Nobody,
    /// A process of another unit, if there is one.
    Stranger,
}

/// A notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Words {
    Ready,
    Stopping,
    /// RELOADING=1 and, a moment later, READY=1.
    Reloading,
    ReloadingForEver,
    Status,
    Feed,
    TriggerWatchdog,
    Extend,
    MainPid(Named),
    /// FDSTORE=1, with so many descriptors.
    Store {
        name: &'static str,
        count: u64,
        poll: bool,
    },
    /// FDSTOREREMOVE=1.
    TakeBack(&'static str),
    /// A descriptor that nobody asked for.
    Stray,
    /// It takes the unit's name on the bus.
    TakeName,
    /// It gives that up again.
    LoseName,
    /// Not its own words: the bus was away.
    BusComesBack,
}

/// Decides on a process that a unit's configuration orders.
pub(crate) fn of_command(
    dice: &mut Dice,
    service: &ServiceConfig,
    role: Role,
    kind: CommandKind,
    trouble: u64,
) -> Manner {
    let mut manner = match (role, kind) {
        (Role::Main, _) if service.service_type == ServiceType::Oneshot => task(dice, trouble),
        (Role::Main, _) => daemon(dice, service, trouble),
        (Role::Control(_), CommandKind::Start) => parent(dice, service, trouble),
        (Role::Control(_) | Role::Probe(_), _) => task(dice, trouble),
    };
    manner.obeys = obedience(dice, trouble);
    manner.takes_children_along = dice.one_in(2);
    manner
}

fn obedience(dice: &mut Dice, trouble: u64) -> Option<u64> {
    if dice.percent(trouble) {
        return None;
    }
    Some(dice.pick(&[0, 0, MILLISECOND, 100 * MILLISECOND, 3 * SECOND]))
}

/// Something that does its work and ends.
fn task(dice: &mut Dice, trouble: u64) -> Manner {
    let after = dice.pick(&[
        0,
        MILLISECOND,
        20 * MILLISECOND,
        700 * MILLISECOND,
        3 * SECOND,
    ]);
    let status = if dice.percent(trouble) {
        bad_end(dice)
    } else {
        ProcessStatus::Exited(0)
    };
    let hangs = dice.percent(trouble / 2);
    let mut manner = Manner {
        end: (!hangs).then_some((after, status)),
        ends_well: true,
        ..Manner::default()
    };
    if dice.one_in(8) {
        manner.children.push((0, member(dice, trouble)));
    }
    manner
}

fn bad_end(dice: &mut Dice) -> ProcessStatus {
    dice.pick(&[
        ProcessStatus::Exited(1),
        ProcessStatus::Exited(2),
        ProcessStatus::Exited(255),
        ProcessStatus::Killed(Signal::TERM),
        ProcessStatus::Killed(Signal::KILL),
        ProcessStatus::Dumped(Signal(11)),
    ])
}

/// A process of the group that nobody waits for.
pub(crate) fn member(dice: &mut Dice, trouble: u64) -> Manner {
    let ends = dice.one_in(2);
    Manner {
        end: ends.then_some((dice.roll(5 * SECOND), ProcessStatus::Exited(0))),
        obeys: obedience(dice, trouble),
        ..Manner::default()
    }
}

/// A long-running process.
fn daemon(dice: &mut Dice, service: &ServiceConfig, trouble: u64) -> Manner {
    let mut manner = Manner {
        obeys: obedience(dice, trouble),
        ..Manner::default()
    };
    if dice.percent(5 + trouble * 2) {
        let when = dice.pick(&[0, 0, MILLISECOND, 500 * MILLISECOND, 4 * SECOND]);
        let status = if dice.one_in(3) {
            ProcessStatus::Exited(0)
        } else {
            bad_end(dice)
        };
        manner.end = Some((when, status));
    }
    let notifies = matches!(
        service.service_type,
        ServiceType::Notify | ServiceType::NotifyReload
    );
    if notifies && !dice.percent(trouble) {
        let when = dice.pick(&[0, MILLISECOND, 300 * MILLISECOND, 2 * SECOND]);
        manner.words.push((when, Words::Ready));
    }
    if service.service_type == ServiceType::Dbus {
        on_the_bus(dice, &mut manner, trouble);
    }
    let interval = service.watchdog.as_micros();
    if interval > 0 && !dice.percent(trouble) {
        manner
            .words
            .extend((1..20).map(|n| (n * (interval / 2), Words::Feed)));
    }
    chatter(dice, &mut manner, trouble);
    for _ in 0..dice.weighted(&[(0, 3), (1, 1), (2, 1)]) {
        let when = dice.roll(3 * SECOND);
        manner.children.push((when, member(dice, trouble)));
    }
    if service.pid_file.is_some() && dice.one_in(3) {
        let whom = dice.pick(&[Named::Itself, Named::Child, Named::Child]);
        manner.pid_file = Some((dice.roll(SECOND), whom));
    }
    manner
}

fn on_the_bus(dice: &mut Dice, manner: &mut Manner, trouble: u64) {
    let when = dice.pick(&[0, MILLISECOND, 300 * MILLISECOND, 2 * SECOND]);
    if !dice.percent(trouble) {
        manner.words.push((when, Words::TakeName));
    }
    if dice.percent(trouble) {
        let later = when + dice.roll(4 * SECOND);
        let words = dice.pick(&[Words::LoseName, Words::BusComesBack]);
        manner.words.push((later, words));
    }
}

fn chatter(dice: &mut Dice, manner: &mut Manner, trouble: u64) {
    for _ in 0..dice.weighted(&[(0, 6), (1, 2), (3, 1)]) {
        let words = dice.weighted(&[
            (Words::Status, 3),
            (Words::Reloading, 2),
            (Words::Extend, 2),
            (Words::MainPid(Named::Child), 2),
            (Words::MainPid(Named::Itself), 1),
            (Words::MainPid(Named::Stranger), 1),
            (Words::Stopping, trouble / 4),
            (Words::ReloadingForEver, trouble / 4),
            (Words::TriggerWatchdog, trouble / 8),
        ]);
        manner.words.push((dice.roll(6 * SECOND), words));
    }
}

/// The parent of a forking service.
fn parent(dice: &mut Dice, service: &ServiceConfig, trouble: u64) -> Manner {
    let back = dice.pick(&[0, MILLISECOND, 200 * MILLISECOND, SECOND]);
    let mut manner = task(dice, trouble);
    if let Some(end) = &mut manner.end {
        end.0 = back;
    }
    manner.ends_well = true;
    let mut daemon = daemon(dice, service, trouble);
    let late = dice.percent(trouble * 2);
    let whom = if dice.percent(trouble) {
        dice.pick(&[Named::Nobody, Named::Stranger])
    } else {
        Named::Child
    };
    if service.pid_file.is_some() && !dice.percent(trouble) {
        if late {
            let itself = if whom == Named::Child {
                Named::Itself
            } else {
                whom
            };
            daemon.pid_file = Some((back + dice.roll(2 * SECOND), itself));
        } else {
            manner.pid_file = Some((back / 2, whom));
        }
    }
    if !dice.percent(trouble / 2) {
        manner.children.push((0, daemon));
    }
    manner
}

/// A process that does what it should: what all that begin in calm times are.
pub(crate) fn calm(service: &ServiceConfig, role: Role, kind: CommandKind) -> Manner {
    let stays = role == Role::Main && service.service_type != ServiceType::Oneshot;
    let mut manner = Manner {
        end: (!stays).then_some((MILLISECOND, ProcessStatus::Exited(0))),
        ends_well: true,
        obeys: Some(MILLISECOND),
        ..Manner::default()
    };
    if stays {
        manner.words.push((MILLISECOND, Words::Ready));
        if service.service_type == ServiceType::Dbus {
            manner.words.push((MILLISECOND, Words::TakeName));
        }
        let named = service.pid_file.is_some();
        manner.pid_file = named.then_some((10, Named::Itself));
    }
    if matches!(role, Role::Control(_)) && kind == CommandKind::Start {
        let daemon = Manner {
            obeys: Some(MILLISECOND),
            ..Manner::default()
        };
        manner.children.push((0, daemon));
        manner.pid_file = service.pid_file.is_some().then_some((10, Named::Child));
    }
    manner
}
