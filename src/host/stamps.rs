//! When timers with Persistent=yes last elapsed: an empty file a timer, whose time of
//! modification says it (systemd.timer(5), "Persistent="). They outlive the machine's boots, so
//! they are in the state directory: `timers/stamp-NAME`.
//!
//! One after the other and off the loop: a file system may hang.

use super::log::Log;
use super::run::{Fact, Host};
use crate::engine::{Event, LogLevel, UnitId};
use crate::unit::name::UnitName;
use std::fs::{self, File, FileTimes};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

/// What is to be done with a stamp.
enum Order {
    Read(UnitId, u64),
    Write(u64),
    Remove(oneshot::Sender<io::Result<()>>),
}

/// The stamp that was asked for.
#[derive(Debug)]
pub(super) struct Stamp {
    unit: UnitId,
    order: u64,
    time: Option<u64>,
}

/// The stamps of all timers.
pub(super) struct Stamps {
    orders: UnboundedSender<(UnitName, Order)>,
}

impl Stamps {
    /// Stamps below the state directory; inside a tokio runtime.
    pub(super) fn new(state: &Path, log: Arc<Log>, facts: UnboundedSender<Fact>) -> Stamps {
        let (orders, inbox) = unbounded_channel();
        tokio::spawn(carry_out(state.join("timers"), inbox, log, facts));
        Stamps { orders }
    }

    fn order(&self, name: UnitName, order: Order) {
        // The task ends only after this.
        let _ = self.orders.send((name, order));
    }

    /// Removes a stamp; the answer comes when it is gone.
    pub(super) fn remove(&self, name: UnitName) -> oneshot::Receiver<io::Result<()>> {
        let (sender, receiver) = oneshot::channel();
        self.order(name, Order::Remove(sender));
        receiver
    }
}

impl Host {
    /// Finds out when a timer last elapsed.
    pub(super) fn read_stamp(&mut self, unit: UnitId, order: u64) {
        if let Some(name) = self.name(unit) {
            self.stamps.order(name, Order::Read(unit, order));
        }
    }

    /// Writes down when a timer elapsed.
    pub(super) fn write_stamp(&mut self, unit: UnitId, time: u64) {
        if let Some(name) = self.name(unit) {
            self.stamps.order(name, Order::Write(time));
        }
    }

    /// Takes in what a stamp says.
    pub(super) fn stamp_read(&mut self, stamp: &Stamp) {
        self.tell(Event::StampRead {
            unit: stamp.unit,
            order: stamp.order,
            time: stamp.time,
        });
    }
}

async fn carry_out(
    directory: PathBuf,
    mut inbox: UnboundedReceiver<(UnitName, Order)>,
    log: Arc<Log>,
    facts: UnboundedSender<Fact>,
) {
    while let Some((name, order)) = inbox.recv().await {
        let path = directory.join(format!("stamp-{name}"));
        let (log, facts) = (log.clone(), facts.clone());
        let work = move || {
            let complain = |attempt: &str, error: &io::Error| {
                let text = format!("cannot {attempt} {}: {error}", path.display());
                log.manager(LogLevel::Warning, Some(&name), &text);
            };
            match order {
                Order::Read(unit, order) => {
                    let read = read(&path);
                    if let Err(error) = &read {
                        complain("read", error);
                    }
                    let time = read.unwrap_or_default();
                    // Fails only if the loop is gone.
                    let _ = facts.send(Fact::Stamp(Stamp { unit, order, time }));
                }
                Order::Write(time) => {
                    if let Err(error) = write(&path, time) {
                        complain("write", &error);
                    }
                }
                Order::Remove(answer) => {
                    let _ = answer.send(remove(&path));
                }
            }
        };
        // A panic would be a bug; the next order is carried out all the same.
        let _ = tokio::task::spawn_blocking(work).await;
    }
}

fn read(path: &Path) -> io::Result<Option<u64>> {
    let modified = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.modified()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Some(u64::try_from(since.as_micros()).unwrap_or(u64::MAX)))
}

fn write(path: &Path, time: u64) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)?;
    let time: SystemTime = UNIX_EPOCH + Duration::from_micros(time);
    file.set_times(FileTimes::new().set_modified(time).set_accessed(time))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_says_what_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("timers/stamp-a.timer");
        assert_eq!(read(&path).unwrap(), None);
        for time in [1_700_000_000_123_456, 1_600_000_000_000_001] {
            write(&path, time).unwrap();
            assert_eq!(read(&path).unwrap(), Some(time));
        }
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert_eq!(read(&path).unwrap(), None);
    }
}
