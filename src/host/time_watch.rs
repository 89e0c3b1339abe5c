//! Notices that the clock on the wall was set, and that the machine's time zone changed.

use super::conditions::{self, Surroundings};
use super::readiness::Readable;
use super::run::Host;
use super::zones::LOCAL;
use crate::engine::Event;
use crate::engine::TimePlace;
use crate::unit::specifier::SystemFacts;
use crate::unit::value::{Zone, Zones};
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

const MINUTE: u64 = 60_000_000;
/// A second in the year 2255: what is armed for then ends only by a jump of the clock.
const NEVER: i64 = 9_000_000_000;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeNews {
    /// The clock was set, or the machine has slept.
    Jumped,
    /// Something happened to the zone's file.
    ZoneTouched,
}

/// What times depend on here.
pub(super) fn place(system: &SystemFacts, environment: &[(String, String)]) -> TimePlace {
    let around = Surroundings {
        system: Arc::new(system.clone()),
        environment: Arc::new(environment.to_vec()),
    };
    let [boot, machine] = [&system.boot_id, &system.machine_id].map(|id| halves(id));
    TimePlace {
        zone: system.zones.local(),
        container: conditions::in_container(&around),
        perturbation: (boot[0] ^ boot[1]) % MINUTE,
        identity: machine[0] ^ machine[1] ^ u64::from(system.uid),
    }
}

/// Both halves of 128 bits written as 32 digits; 0 for what is none.
fn halves(id: &str) -> [u64; 2] {
    // As it lies in memory, so that timers elapse where systemd's do on the same machine.
    let half = |digits: Option<&str>| u64::from_str_radix(digits.unwrap_or_default(), 16);
    [half(id.get(..16)), half(id.get(16..32))].map(|half| half.map_or(0, u64::from_be).to_le())
}

/// Watches the clock and the zone.
pub(super) struct TimeWatch {
    clock: (TimerFd, Readable),
    /// None where the zone cannot change.
    zone: Option<(Inotify, Readable)>,
    zones: Zones,
    local: Zone,
}

impl TimeWatch {
    /// Begins to watch; inside a tokio runtime.
    ///
    /// # Errors
    /// A descriptor cannot be had.
    pub(super) fn new(zones: Zones) -> io::Result<TimeWatch> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let clock = TimerFd::new(ClockId::CLOCK_REALTIME, flags)?;
        arm(&clock)?;
        let zone = match zones.is_fixed() {
            true => None,
            false => watch_zone()?,
        };
        let zone = zone.map(|it| Readable::of(&it).map(|ready| (it, ready)));
        let ready = Readable::of(&clock)?;
        Ok(TimeWatch {
            clock: (clock, ready),
            zone: zone.transpose()?,
            local: zones.local(),
            zones,
        })
    }

    /// Waits for news; may be dropped at any time.
    pub(super) async fn changed(&self) -> TimeNews {
        loop {
            let zone = async {
                match &self.zone {
                    Some((_, ready)) => ready.wait().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.clock.1.wait() => if has_jumped(&self.clock.0) {
                    return TimeNews::Jumped;
                },
                () = zone => if self.zone.as_ref().is_some_and(|zone| is_zone_touched(&zone.0)) {
                    return TimeNews::ZoneTouched;
                },
            }
        }
    }
}

impl Host {
    /// Tells the engine of a change of the clock or the zone.
    pub(super) fn time_changed(&mut self, news: TimeNews) {
        match news {
            TimeNews::Jumped => self.tell(Event::ClockJumped),
            TimeNews::ZoneTouched => {
                let zone = self.time.zones.local();
                if zone != self.time.local {
                    self.time.local = zone.clone();
                    self.engine.set_zone(zone);
                    self.tell(Event::ZoneChanged);
                }
            }
        }
    }
}

fn arm(clock: &TimerFd) -> nix::Result<()> {
    clock.set(
        Expiration::OneShot(TimeSpec::new(NEVER, 0)),
        TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET,
    )
}

/// Whether the clock was set since it was armed; arms it again.
fn has_jumped(clock: &TimerFd) -> bool {
    let mut count = [0; 8];
    match nix::unistd::read(clock.as_fd(), &mut count) {
        Err(Errno::ECANCELED) => arm(clock).is_ok(),
        Ok(_) | Err(_) => false,
    }
}

/// Watches the directory of the zone's link: the link itself is replaced. Nothing where there
/// is no such directory.
fn watch_zone() -> io::Result<Option<Inotify>> {
    let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
    let events = AddWatchFlags::IN_CREATE
        | AddWatchFlags::IN_MOVED_TO
        | AddWatchFlags::IN_CLOSE_WRITE
        | AddWatchFlags::IN_DELETE
        | AddWatchFlags::IN_MOVED_FROM;
    let directory = Path::new(LOCAL).parent().unwrap_or(Path::new("/"));
    Ok(inotify
        .add_watch(directory, events)
        .is_ok()
        .then_some(inotify))
}

/// Whether one of the events is about the zone's link.
fn is_zone_touched(inotify: &Inotify) -> bool {
    let name = Path::new(LOCAL).file_name();
    let events = inotify.read_events().unwrap_or_default();
    events
        .iter()
        .any(|event| event.name.as_deref().map(OsStr::new) == name)
}
