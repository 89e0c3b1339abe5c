//! What rings once when something comes: sockets that wait for traffic, processes that end.
//!
//! All hang on one epoll instance, which is all that the runtime waits on: a process or a socket more
//! is an entry in the kernel and neither a task nor a registration of its own, and who is woken is the
//! loop itself.
//!
//! A bell rings once, and again only when it is asked to: a descriptor that is hung up would be ready
//! for ever. It may still have rung when it is taken down, so a ring says no more than that it is worth
//! a look.

use super::readiness::Readable;
use crate::engine::{ProcessId, UnitId};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

/// What has rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ring {
    /// Something waits at a socket of a unit, by its place.
    Socket(UnitId, usize),
    /// A connection that was taken at a unit's sockets can be looked at.
    Client(UnitId),
    /// A process has ended.
    Process(ProcessId),
}

/// The first two bits say of what kind a ring is.
const KIND: u32 = 62;
const CLIENT: u64 = 1;
const PROCESS: u64 = 2;
/// Where the unit of a socket begins.
const UNIT: u32 = 30;

impl Ring {
    /// As the kernel keeps it; `None` where there are more sockets or processes than it has room for.
    fn number(self) -> Option<u64> {
        let (kind, rest) = match self {
            Ring::Socket(unit, place) => {
                let place = u64::try_from(place).ok()?;
                let room = place < 1 << UNIT;
                (0, room.then_some(u64::from(unit.0) << UNIT | place)?)
            }
            Ring::Client(unit) => (CLIENT, u64::from(unit.0)),
            Ring::Process(process) => (PROCESS, process.0),
        };
        (rest < 1 << KIND).then_some(kind << KIND | rest)
    }

    fn of(number: u64) -> Ring {
        let rest = number & ((1 << KIND) - 1);
        match number >> KIND {
            PROCESS => Ring::Process(ProcessId(rest)),
            CLIENT => Ring::Client(UnitId(rest as u32)),
            _ => Ring::Socket(
                UnitId((rest >> UNIT) as u32),
                (rest & ((1 << UNIT) - 1)) as usize,
            ),
        }
    }
}

/// Rings that are taken from the kernel at once.
const AT_ONCE: usize = 64;

/// All bells.
#[derive(Debug)]
pub(super) struct Bells {
    epoll: Arc<OwnedFd>,
    readable: Readable,
    /// What has rung and is not told of yet.
    rung: VecDeque<Ring>,
    /// Nothing is left in the kernel that it will not tell of.
    is_drained: bool,
}

impl Bells {
    /// None so far; inside the runtime.
    ///
    /// # Errors
    /// No descriptor is left.
    pub(super) fn new() -> io::Result<Bells> {
        let epoll = Arc::new(epoll::create(epoll::CreateFlags::CLOEXEC)?);
        Ok(Bells {
            readable: Readable::new(epoll.clone())?,
            epoll,
            rung: VecDeque::new(),
            is_drained: false,
        })
    }

    /// Hangs one up, which rings for what is there already, too.
    ///
    /// # Errors
    /// The descriptor, which comes back, is of a kind that cannot be waited on, or there is no room
    /// for more.
    pub(super) fn hang<D: AsFd>(
        &self,
        descriptor: D,
        ring: Ring,
    ) -> Result<Bell<D>, (D, io::Error)> {
        let Some(number) = ring.number() else {
            return Err((descriptor, io::ErrorKind::QuotaExceeded.into()));
        };
        let data = epoll::EventData::new_u64(number);
        match epoll::add(&self.epoll, &descriptor, data, ONCE) {
            Ok(()) => Ok(Bell {
                epoll: self.epoll.clone(),
                number,
                descriptor: Some(descriptor),
            }),
            Err(error) => Err((descriptor, error.into())),
        }
    }

    /// The next ring. Nothing is lost when this is dropped before it is there.
    pub(super) async fn next(&mut self) -> Ring {
        loop {
            if let Some(ring) = self.rung.pop_front() {
                return ring;
            }
            if self.is_drained {
                self.readable.wait().await;
            }
            self.look();
        }
    }

    fn look(&mut self) {
        let mut events = Vec::with_capacity(AT_ONCE);
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // It can only be interrupted, and is asked again.
        let count = epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&now));
        self.is_drained = count.is_ok_and(|count| count < AT_ONCE);
        let rings = events
            .iter()
            .map(|event: &epoll::Event| Ring::of(event.data.u64()));
        self.rung.extend(rings);
    }
}

const ONCE: epoll::EventFlags = epoll::EventFlags::IN.union(epoll::EventFlags::ONESHOT);

/// Rings once when its descriptor can be read or is hung up; taken down when it is dropped.
#[derive(Debug)]
pub(super) struct Bell<D: AsFd> {
    epoll: Arc<OwnedFd>,
    number: u64,
    /// Until it is taken down. Others may have the open file, too, and it would ring for theirs.
    descriptor: Option<D>,
}

impl<D: AsFd> Bell<D> {
    /// What was there is taken: it rings for the next.
    pub(super) fn wait_again(&self) {
        let data = epoll::EventData::new_u64(self.number);
        if let Some(descriptor) = &self.descriptor {
            // It cannot fail: it is there.
            let _ = epoll::modify(&self.epoll, descriptor, data, ONCE);
        }
    }

    /// What it hangs on.
    pub(super) fn descriptor(&self) -> Option<&D> {
        self.descriptor.as_ref()
    }

    /// Takes it down, and gives back what it hung on.
    pub(super) fn take_down(mut self) -> Option<D> {
        self.silence()
    }

    fn silence(&mut self) -> Option<D> {
        let descriptor = self.descriptor.take()?;
        // It cannot fail: it is there.
        let _ = epoll::delete(&self.epoll, &descriptor);
        Some(descriptor)
    }
}

impl<D: AsFd> Drop for Bell<D> {
    fn drop(&mut self) {
        self.silence();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::time::Duration;

    #[test]
    fn numbers_are_as_they_were() {
        let most = (1 << UNIT) - 1;
        for ring in [
            Ring::Socket(UnitId(0), 0),
            Ring::Socket(UnitId(u32::MAX), most),
            Ring::Client(UnitId(u32::MAX)),
            Ring::Process(ProcessId(0)),
            Ring::Process(ProcessId((1 << KIND) - 1)),
        ] {
            assert_eq!(ring.number().map(Ring::of), Some(ring));
        }
        assert_eq!(Ring::Socket(UnitId(0), most + 1).number(), None);
        assert_eq!(Ring::Process(ProcessId(1 << KIND)).number(), None);
    }

    /// The next ring, if there is one by now.
    async fn now(bells: &mut Bells) -> Option<Ring> {
        // The runtime has to look at the kernel first.
        tokio::time::timeout(Duration::from_millis(20), bells.next())
            .await
            .ok()
    }

    #[tokio::test]
    async fn one_rings_once_and_again_when_asked_to() {
        let mut bells = Bells::new().unwrap();
        assert_eq!(now(&mut bells).await, None);
        let (mut reader, mut writer) = io::pipe().unwrap();
        let ring = Ring::Client(UnitId(7));
        let bell = bells.hang(reader.try_clone().unwrap(), ring).unwrap();
        assert_eq!(now(&mut bells).await, None);
        writer.write_all(b"ab").unwrap();
        assert_eq!(bells.next().await, ring);
        assert_eq!(now(&mut bells).await, None, "it said so");
        bell.wait_again();
        assert_eq!(bells.next().await, ring, "there is still something");
        reader.read_exact(&mut [0; 2]).unwrap();
        bell.wait_again();
        assert_eq!(now(&mut bells).await, None);
        writer.write_all(b"c").unwrap();
        assert_eq!(bells.next().await, ring);
        // The open file is still there, in `reader`.
        bell.wait_again();
        drop(bell.take_down());
        assert_eq!(now(&mut bells).await, None);
        drop(writer);
        assert_eq!(now(&mut bells).await, None);
    }

    #[tokio::test]
    async fn more_than_are_taken_at_once_all_ring() {
        let mut bells = Bells::new().unwrap();
        assert_eq!(now(&mut bells).await, None);
        let (reader, writer) = io::pipe().unwrap();
        let count = 3 * AT_ONCE + 5;
        let hang = |number| {
            let ring = Ring::Process(ProcessId(number as u64));
            bells.hang(reader.try_clone().unwrap(), ring).unwrap()
        };
        let hung: Vec<_> = (0..count).map(hang).collect();
        drop(writer);
        let mut seen = Vec::new();
        for _ in 0..count {
            match bells.next().await {
                Ring::Process(ProcessId(number)) => seen.push(number as usize),
                other => panic!("{other:?}"),
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..count).collect::<Vec<_>>());
        drop(hung);
    }
}
