//! When probes are due and what answers add up to.

use super::*;
use crate::unit::diagnostic::Position;

const SECOND: u64 = 1_000_000;

fn config(success: u32, failure: u32) -> ProbeConfig {
    let mut config = ProbeConfig::new(Position::top("/a"));
    config.initial_delay = TimeSpan::from_secs(3);
    config.success_threshold = success;
    config.failure_threshold = failure;
    config
}

fn at(monotonic: u64) -> Timestamp {
    Timestamp {
        monotonic,
        realtime: 1000 * SECOND + monotonic,
    }
}

fn failure() -> ProbeResult {
    ProbeResult::Failure("refused".to_owned())
}

/// Asks at the deadline and answers half a second later.
fn round(probe: &mut Probe, result: ProbeResult, config: &ProbeConfig) -> Option<Verdict> {
    let now = probe.deadline().unwrap();
    assert!(probe.is_due(now) && !probe.is_due(now - 1));
    probe.ask(now, 1, None, config);
    probe.answer(at(now + SECOND / 2), None, result, config)
}

#[test]
fn the_first_attempt_waits_for_the_delay_and_the_others_for_the_period() {
    let config = config(1, 3);
    let mut probe = Probe::default();
    assert!(probe.is_off() && probe.deadline().is_none());
    probe.begin(100 * SECOND, 99 * SECOND, &config);
    assert_eq!(probe.deadline(), Some(102 * SECOND));
    round(&mut probe, ProbeResult::Success, &config);
    assert_eq!(probe.deadline(), Some(112 * SECOND), "from begin to begin");
    // The program was there long before.
    probe.begin(100 * SECOND, 50 * SECOND, &config);
    assert_eq!(probe.deadline(), Some(100 * SECOND));
}

#[test]
fn an_attempt_that_takes_longer_than_a_period_is_followed_at_once() {
    let mut config = config(1, 3);
    config.timeout = TimeSpan::from_secs(30);
    let mut probe = Probe::default();
    probe.begin(0, 0, &config);
    probe.ask(3 * SECOND, 1, None, &config);
    probe.answer(at(20 * SECOND), Some(7), ProbeResult::Success, &config);
    assert_eq!(probe.deadline(), Some(20 * SECOND));
    assert_eq!(probe.record().last_took, 7);
}

#[test]
fn verdicts_take_as_many_answers_in_a_row_as_the_thresholds_say() {
    let config = config(2, 3);
    let mut probe = Probe::default();
    probe.begin(0, 0, &config);
    let mut told = Vec::new();
    // Success and failure, one letter each.
    for letter in "ffsfffsfssfffsfss".chars() {
        let result = match letter {
            's' => ProbeResult::Success,
            _ => failure(),
        };
        let turned = round(&mut probe, result, &config);
        told.push(match turned {
            None => '.',
            Some(Verdict::Good) => 'G',
            Some(Verdict::Bad) => 'B',
            Some(Verdict::Unknown) => '?',
        });
    }
    assert_eq!(String::from_iter(told), ".....B...G..B...G");
    let record = probe.record();
    assert_eq!((record.successes, record.failures), (7, 10));
    assert_eq!(record.failure, "refused");
    assert!(record.failed.monotonic < record.last.monotonic);
}

#[test]
fn what_was_not_made_says_nothing() {
    let config = config(1, 1);
    let mut probe = Probe::default();
    probe.begin(0, 0, &config);
    assert_eq!(round(&mut probe, ProbeResult::NotMade, &config), None);
    assert_eq!(probe.record(), &ProbeRecord::default());
    assert_eq!(probe.deadline(), Some(13 * SECOND));
}

#[test]
fn a_stop_forgets_the_run_but_not_the_counts() {
    let config = config(1, 1);
    let mut probe = Probe::default();
    probe.begin(0, 0, &config);
    round(&mut probe, failure(), &config);
    probe.ask(14 * SECOND, 9, None, &config);
    assert_eq!(probe.stop().map(|asked| asked.order), Some(9));
    assert!(probe.is_off() && probe.stop().is_none());
    let record = probe.record();
    assert_eq!(
        (record.verdict, record.last_success),
        (Verdict::Unknown, None)
    );
    assert_eq!((record.failures, record.failure.as_str()), (1, "refused"));
    // An answer that comes late finds nobody.
    assert_eq!(
        probe.answer(at(15 * SECOND), None, failure(), &config),
        None
    );
    assert_eq!(probe.record().failures, 1);
}

#[test]
fn how_long_an_answer_is_waited_for() {
    let config = config(1, 1);
    let mut probe = Probe::default();
    probe.begin(0, 0, &config);
    probe.ask(3 * SECOND, 1, Some(ProcessId(1)), &config);
    assert_eq!(
        probe.deadline(),
        Some(4 * SECOND),
        "TimeoutSec= of a process"
    );
    assert!(probe.overdue(4 * SECOND - 1).is_none() && probe.overdue(4 * SECOND).is_some());
    probe.ask(3 * SECOND, 1, None, &config);
    assert_eq!(
        probe.deadline(),
        Some(14 * SECOND),
        "the host times it itself"
    );
    probe.repeat(14 * SECOND);
    assert!(probe.is_due(14 * SECOND));
    probe.finish();
    assert!(probe.deadline().is_none() && !probe.is_off());
}

#[test]
fn texts_of_strangers_are_cut() {
    let config = config(1, 1);
    let mut probe = Probe::default();
    probe.begin(0, 0, &config);
    let text = "é".repeat(400);
    round(&mut probe, ProbeResult::Failure(text), &config);
    let kept = &probe.record().failure;
    assert!(
        kept.len() <= LONGEST_TEXT + 3 && kept.ends_with("é…"),
        "{kept}"
    );
}
