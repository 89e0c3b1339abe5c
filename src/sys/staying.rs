//! Where a child begins: on the processor of the thread that makes it and waits for it.
//!
//! That thread is suspended until the child has executed its program (CLONE_VFORK), so its
//! processor is free, and what they share is in its caches. Left alone, the kernel often takes
//! another processor: one that rests and has to be woken, or one that is busy, where the child
//! waits for the end of somebody else's slice before its first instruction. So the thread may run
//! nowhere else while it clones; the child inherits that and takes it back for both of them before
//! it does anything else.
//!
//! When the child executes its program the thread is woken, and goes on where a processor rests. If
//! none does, it would take the child's place at once and hold it up for as long as the daemon has to
//! do, before the first instruction of the program. So it is of SCHED_BATCH meanwhile, which takes
//! nobody's place (sched(7)); the child is not. A thread with another policy than the common one keeps
//! it. It is set here and not by the child for us: both are queued anew by that, without which the
//! kernel often moves the child at execve (ARCHITECTURE.md has the numbers).
//!
//! That is for a start by itself. Where many follow one another (a thousand services at once) the other
//! processors are wanted: to begin each on ours made such a rush a tenth slower, on two.
//!
//! What either may use afterwards is as before. A thread that was restricted by nobody is given
//! back all processors there can be rather than those it had: the kernel keeps what a thread has
//! asked for (since 6.2) when the cpuset around it grows, and would hold it to the old ones.

use super::call::{Errno, call};
use super::scheduling::schedule;
use nix::sched::sched_getcpu;
use nix::sys::time::TimeValLike;
use nix::time::ClockId;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Processors that are told apart; on a larger machine children begin where the kernel likes.
const MOST: usize = 1024;
const WORDS: usize = MOST / 64;

/// Bit n for processor n.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Processors([u64; WORDS]);

impl Processors {
    const ALL: Processors = Processors([u64::MAX; WORDS]);

    fn one(number: usize) -> Option<Processors> {
        let mut set = Processors([0; WORDS]);
        *set.0.get_mut(number / 64)? = 1 << (number % 64);
        Some(set)
    }

    fn count(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// Those that this thread may use.
    fn now() -> Result<Processors, Errno> {
        let mut set = Processors([0; WORDS]);
        let words = [0, size_of_val(&set.0), set.0.as_mut_ptr() as usize];
        // SAFETY: the set is as long as the call is told, and valid for it.
        unsafe { call(libc::SYS_sched_getaffinity, words) }.map(|_| set)
    }

    /// Lets a thread use these and no others; 0 is the one that calls.
    fn give(&self, thread: i32) -> Result<(), Errno> {
        let words = [
            thread as usize,
            size_of_val(&self.0),
            self.0.as_ptr() as usize,
        ];
        // SAFETY: the set is as long as the call is told, and valid for it.
        unsafe { call(libc::SYS_sched_setaffinity, words) }.map(|_| ())
    }
}

/// What a thread had when it was last looked at, and what gives it that back.
static USUAL: Mutex<Option<(Processors, Processors)>> = Mutex::new(None);

fn back_to(now: Processors) -> Result<Processors, Errno> {
    let mut usual = USUAL.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, back)) = usual.filter(|(had, _)| *had == now) {
        return Ok(back);
    }
    // Whether it could use more is found by asking for everything.
    Processors::ALL.give(0)?;
    let back = match Processors::now() {
        Ok(all) if all == now => Processors::ALL,
        _ => {
            now.give(0)?;
            now
        }
    };
    *usual = Some((now, back));
    Ok(back)
}

/// When a child was made last, in milliseconds of the monotonic clock.
static LAST: AtomicI64 = AtomicI64::new(i64::MIN / 2);

/// Starts that are less than this apart are of one rush.
const APART: i64 = 10;

fn milliseconds() -> i64 {
    // It cannot fail; a start that seems to be alone does no harm.
    let now = ClockId::CLOCK_MONOTONIC.now();
    now.map_or(i64::MAX / 2, |now| now.num_milliseconds())
}

/// Whether the last start was some time ago; this one is the last from here on.
fn is_alone(last: &AtomicI64, now: i64) -> bool {
    now - last.swap(now, Ordering::Relaxed) >= APART
}

const COMMON: u32 = libc::SCHED_OTHER as u32;

/// This thread is woken in nobody's place from here on; false where it has a policy that somebody
/// chose, or where that cannot be had.
fn stand_back() -> bool {
    // SAFETY: takes a number only, the thread that calls.
    let policy = unsafe { call(libc::SYS_sched_getscheduler, [0]) };
    policy == Ok(COMMON as usize) && schedule(libc::SCHED_BATCH as u32, 0).is_ok()
}

/// This thread stays on its processor while this is there, and when it is woken it lets who runs
/// there go on.
#[derive(Debug)]
pub(super) struct Stay {
    thread: i32,
    back: Processors,
    /// The child has let the thread go where it likes.
    is_free: AtomicBool,
    stands_back: bool,
}

impl Stay {
    /// From here on; `None` where that makes no difference or cannot be had.
    pub(super) fn here() -> Option<Stay> {
        if !is_alone(&LAST, milliseconds()) {
            return None;
        }
        let now = Processors::now().ok()?;
        if now.count() < 2 {
            return None;
        }
        let back = back_to(now).ok()?;
        // By glibc, which has the number at hand: rustix looks for the kernel's page of functions, which
        // there is none of under valgrind.
        Processors::one(sched_getcpu().ok()?)?.give(0).ok()?;
        Some(Stay {
            thread: rustix::thread::gettid().as_raw_nonzero().get(),
            back,
            is_free: AtomicBool::new(false),
            stands_back: stand_back(),
        })
    }

    /// In the child: it goes where it likes, and so does the thread that waits for it; that alone
    /// stands back.
    pub(super) fn end(&self) -> Result<(), Errno> {
        // If it fails, that thread does it itself.
        let is_free = self.back.give(self.thread).is_ok();
        self.is_free.store(is_free, Ordering::Release);
        if self.stands_back {
            schedule(COMMON, 0)?;
        }
        self.back.give(0)
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        if self.stands_back {
            // Everybody may.
            let _ = schedule(COMMON, 0);
        }
        // The cpuset around it may have lost all of those.
        if !self.is_free.load(Ordering::Acquire) && self.back.give(0).is_err() {
            let _ = Processors::ALL.give(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_rush_only_the_first_is_alone() {
        let last = AtomicI64::new(0);
        let seen = [100, 101, 109, 118, 128].map(|now| is_alone(&last, now));
        assert_eq!(seen, [true, false, false, false, true]);
    }

    /// What a thread of its own sees.
    fn apart<T: Send>(look: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| scope.spawn(look).join().unwrap())
    }

    #[test]
    fn it_stays_and_gets_back_what_it_had() {
        apart(|| {
            let before = Processors::now().unwrap();
            if let Some(stay) = Stay::here() {
                assert_eq!(Processors::now().unwrap().count(), 1);
                drop(stay);
            }
            assert_eq!(Processors::now().unwrap(), before);
        });
    }

    fn policy() -> i32 {
        // SAFETY: it only asks, of the calling thread.
        unsafe { libc::sched_getscheduler(0) }
    }

    #[test]
    fn it_stands_back_and_the_child_does_not() {
        let seen = apart(|| {
            let stay = Stay {
                thread: rustix::thread::gettid().as_raw_nonzero().get(),
                back: Processors::now().unwrap(),
                is_free: AtomicBool::new(false),
                stands_back: stand_back(),
            };
            let meanwhile = policy();
            // As a child, which has its maker's policy.
            let of_child = std::thread::scope(|scope| {
                let child = scope.spawn(|| (policy(), stay.end().map(|()| policy())));
                child.join().unwrap()
            });
            let is_free = stay.is_free.load(Ordering::Acquire);
            drop(stay);
            (meanwhile, of_child, is_free, policy())
        });
        let (batch, common) = (libc::SCHED_BATCH, libc::SCHED_OTHER);
        assert_eq!(seen, (batch, (batch, Ok(common)), true, common));
    }

    #[test]
    fn a_policy_that_somebody_chose_is_kept() {
        let seen = apart(|| {
            schedule(libc::SCHED_IDLE as u32, 0).unwrap();
            (stand_back(), policy())
        });
        assert_eq!(seen, (false, libc::SCHED_IDLE));
    }

    #[test]
    fn who_is_restricted_stays_so() {
        apart(|| {
            let all = Processors::now().unwrap();
            let first = (0..MOST).find(|n| all.0[n / 64] & 1 << (n % 64) != 0);
            let one = Processors::one(first.unwrap()).unwrap();
            one.give(0).unwrap();
            // With one there is nothing to choose.
            assert!(Stay::here().is_none());
            assert_eq!(
                back_to(one).unwrap(),
                if all == one { Processors::ALL } else { one }
            );
            assert_eq!(Processors::now().unwrap(), one);
        });
    }
}
