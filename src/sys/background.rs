//! Threads and processes whose work may wait: what they are woken for is done when a processor has
//! time for it, and not in the place of whoever runs there.

use super::scheduling::schedule;

/// From here on the calling thread takes nobody's place when it is woken (sched(7), SCHED_BATCH). Its
/// share of the processors stays what it was. Where that cannot be had it goes on as before.
pub fn enter() {
    let _ = schedule(libc::SCHED_BATCH as u32, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_thread_that_asks_is_in_the_background() {
        // SAFETY: it only asks, of the calling thread.
        let policy = || unsafe { libc::sched_getscheduler(0) };
        let before = policy();
        let there = std::thread::spawn(move || {
            enter();
            policy()
        });
        assert_eq!(there.join().unwrap(), libc::SCHED_BATCH);
        assert_eq!(policy(), before);
    }
}
