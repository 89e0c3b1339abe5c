//! start, stop and the like: queue a job per unit, then wait until all have ended.

use super::args::Jobs;
use super::client::{Client, Signal};
use super::error::{FAILURE, Problem};
use super::fields::Fields;
use super::names;
use super::output::{Output, complain};
use super::progress::Progress;
use serde_json::{Value as Json, json};

/// What is asked of the units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// start, with a reset of the start limit.
    Start,
    /// restart with a new process beside the old one: a method of our own.
    Overlap,
    /// Any other: the manager's method and the word for messages.
    Other(&'static str, &'static str),
}

impl Verb {
    fn word(self) -> &'static str {
        match self {
            Verb::Start => "start",
            Verb::Overlap => "restart",
            Verb::Other(_, word) => word,
        }
    }
}

/// How far back in the log a reason is looked for.
const LINES_LOOKED_AT: u32 = 20;

struct Waiting {
    unit: String,
    job: String,
}

/// Does it; the exit status is the first failure's.
pub(super) async fn run(
    client: &mut Client,
    output: &Output,
    verb: Verb,
    jobs: &Jobs,
) -> Result<u8, Problem> {
    let mut status = 0;
    let mut ended = Vec::new();
    let mut waiting = Vec::new();
    for unit in names::expand(client, &jobs.units).await? {
        match queue(client, verb, &unit, &jobs.job_mode).await {
            Ok(job) if jobs.no_block => ended.push(report(&unit, Some(&job), "queued", None)),
            Ok(job) => waiting.push(Waiting { unit, job }),
            Err(problem) => {
                let message = format!("Failed to {} {unit}: {problem}", verb.word());
                complain(&message);
                first(&mut status, problem.job_status());
                ended.push(report(&unit, None, "refused", Some(&message)));
            }
        }
    }
    let mut progress = Progress::new(output);
    let mut started = Vec::new();
    // What ended while nobody was there to tell.
    let mut missed = false;
    while !waiting.is_empty() {
        let ended_now = if missed {
            ended_meanwhile(client, &waiting).await?
        } else {
            None
        };
        missed = ended_now.is_some();
        let (job, result) = match ended_now {
            Some(ended) => ended,
            None => {
                let units = waiting.iter().map(|w| w.unit.as_str());
                match progress.next_signal(client, verb.word(), units).await {
                    Ok(Signal::JobRemoved { job, result }) => (job, result),
                    Ok(_) => continue,
                    // Jobs go on when the daemon is executed anew, or another one takes over.
                    Err(_) => {
                        client.reconnect().await?;
                        missed = true;
                        continue;
                    }
                }
            }
        };
        let Some(index) = waiting.iter().position(|w| w.job == job) else {
            continue;
        };
        let done = waiting.swap_remove(index);
        let mut message = explain(client, &done.unit, &result).await?;
        if result == "failed"
            && let Some(reason) = last_reason(client, &done.unit, &["the new generation is"]).await
        {
            message = message.map(|text| format!("{text}\n{reason}"));
        }
        if let Some(message) = &message {
            complain(message);
            first(&mut status, FAILURE);
        }
        ended.push(report(&done.unit, Some(&job), &result, message.as_deref()));
        started.push(done.unit);
    }
    progress.clear();
    if jobs.wait {
        let failed = wait_for_ends(client, &started).await?;
        first(&mut status, if failed { FAILURE } else { 0 });
    }
    if !output.is_text() {
        output.json(&ended);
    }
    Ok(status)
}

/// One of these jobs that is not there any more, and how it seems to have ended: nobody has told.
async fn ended_meanwhile(
    client: &mut Client,
    waiting: &[Waiting],
) -> Result<Option<(String, String)>, Problem> {
    let there = client.jobs().await?;
    let is_there = |job: &str| {
        let number = job.rsplit('/').next();
        there
            .iter()
            .any(|(id, ..)| Some(id.to_string().as_str()) == number)
    };
    let Some(gone) = waiting.iter().find(|it| !is_there(&it.job)) else {
        return Ok(None);
    };
    let unit = client.unit(&gone.unit).await?;
    let result = match unit.text("ActiveState") {
        "failed" => "failed",
        _ => "done",
    };
    Ok(Some((gone.job.clone(), result.to_owned())))
}

async fn queue(client: &mut Client, verb: Verb, unit: &str, mode: &str) -> Result<String, Problem> {
    match verb {
        Verb::Start => {
            let (job, reset) = client.start(unit, mode).await?;
            if reset {
                complain(&format!(
                    "{unit} had been started too often; its start limit was reset."
                ));
            }
            Ok(job)
        }
        Verb::Overlap => client.restart_overlapping(unit, mode).await,
        Verb::Other(method, _) => client.job(method, unit, mode).await,
    }
}

/// Waits for the end of one job; says what is to be said of it. Its exit status.
pub(super) async fn wait_for(client: &mut Client, unit: &str, wanted: &str) -> Result<u8, Problem> {
    loop {
        let Signal::JobRemoved { job, result } = client.next_signal().await? else {
            continue;
        };
        if job != wanted {
            continue;
        }
        let message = explain(client, unit, &result).await?;
        if let Some(message) = &message {
            complain(message);
        }
        return Ok(if message.is_some() { FAILURE } else { 0 });
    }
}

/// Waits until units are down again; whether any failed.
async fn wait_for_ends(client: &mut Client, units: &[String]) -> Result<bool, Problem> {
    let mut failed = false;
    for unit in units {
        loop {
            let properties = client.unit(unit).await?;
            let job = properties.items("Job").first().and_then(Json::as_u64);
            match properties.text("ActiveState") {
                "inactive" | "failed" if job == Some(0) => {
                    failed |= properties.text("ActiveState") == "failed";
                    break;
                }
                _ => {}
            }
            // Whatever it is: the state is looked at again.
            client.next_signal().await?;
        }
    }
    Ok(failed)
}

fn first(status: &mut u8, new: u8) {
    if *status == 0 {
        *status = new;
    }
}

fn report(unit: &str, job: Option<&str>, result: &str, message: Option<&str>) -> Json {
    let id = job
        .and_then(|job| job.rsplit('/').next())
        .and_then(|id| id.parse::<u32>().ok());
    json!({ "unit": unit, "job": id, "result": result, "message": message })
}

/// What to say of a job's result; nothing if it went well.
async fn explain(client: &mut Client, unit: &str, result: &str) -> Result<Option<String>, Problem> {
    let failed = match result {
        "failed" if unit.ends_with(".service") => {
            client.unit(unit).await?.text("Result").to_owned()
        }
        _ => String::new(),
    };
    let Some(mut text) = sentence(unit, result, &failed) else {
        return Ok(None);
    };
    if result == "unsupported"
        && let Some(reason) = last_reason(client, unit, &["not started: "]).await
    {
        text.push_str(&format!("\n{reason}"));
    }
    Ok(Some(text))
}

/// Why a job of a unit came to nothing, as the manager said it last in a line that begins so.
async fn last_reason(client: &mut Client, unit: &str, words: &[&str]) -> Option<String> {
    // A log that cannot be read is no reason to fail: this is a courtesy.
    let lines = client
        .log(&[unit.to_owned()], LINES_LOOKED_AT, false)
        .await
        .ok()?;
    let mut lines = lines.into_iter().rev();
    let is_reason = |text: &str| words.iter().any(|words| text.starts_with(words));
    let line = lines.find(|line| line.stream == "manager" && is_reason(&line.text))?;
    Some(line.text)
}

/// The sentence for a job's result and, if it is `failed`, the service's.
fn sentence(unit: &str, result: &str, service_result: &str) -> Option<String> {
    let hint =
        format!("See \"dd-procmgr status {unit}\" and \"dd-procmgr logs {unit}\" for details.");
    Some(match result {
        "done" | "skipped" => return None,
        "failed" => match reason(service_result) {
            Some(reason) => format!("Job for {unit} failed because {reason}.\n{hint}"),
            None => format!("Job for {unit} failed.\n{hint}"),
        },
        "canceled" => format!("Job for {unit} canceled."),
        "timeout" => format!("Job for {unit} timed out."),
        "dependency" => {
            format!("A dependency job for {unit} failed. See \"dd-procmgr logs\" for details.")
        }
        "invalid" => format!("{unit} is not active, cannot reload."),
        "assert" => format!("Assertion failed on job for {unit}."),
        "unsupported" => format!("Operation on {unit} is not supported here.\n{hint}"),
        "collected" => format!("Queued job for {unit} was dropped with its unit."),
        "once" => format!("{unit} was started already and runs only once."),
        other => format!("Job for {unit} ended with result \"{other}\"."),
    })
}

fn reason(service_result: &str) -> Option<&'static str> {
    Some(match service_result {
        "resources" => "a needed resource was not available or the system reported an error",
        "protocol" => "the service did not do what its Type= asks for",
        "timeout" => "a timeout was exceeded",
        "exit-code" => "a process of the service exited with an error code",
        "signal" => "a process of the service was killed by a signal",
        "core-dump" => "a process of the service was killed by a signal and dumped core",
        "watchdog" => "the service missed its watchdog",
        "start-limit-hit" => "the service was started too often in a short time",
        "oom-kill" => "the kernel killed a process of the service for lack of memory",
        "exec-condition" => "a condition command of the service said no",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_results_say_nothing() {
        assert_eq!(sentence("a.service", "done", ""), None);
        assert_eq!(sentence("a.service", "skipped", ""), None);
    }

    #[test]
    fn failures_say_why_and_where_to_look() {
        let text = sentence("a.service", "failed", "exit-code").unwrap();
        assert!(text.starts_with("Job for a.service failed because a process"));
        assert!(text.contains("dd-procmgr logs a.service"));
        let text = sentence("a.target", "failed", "").unwrap();
        assert!(text.starts_with("Job for a.target failed.\n"));
        for result in [
            "canceled",
            "timeout",
            "dependency",
            "invalid",
            "assert",
            "unsupported",
            "collected",
            "once",
            "novel",
        ] {
            let text = sentence("a.service", result, "").unwrap();
            assert!(text.contains("a.service"), "{result}: {text}");
        }
    }

    #[test]
    fn the_first_failure_decides() {
        let mut status = 0;
        first(&mut status, 5);
        first(&mut status, 1);
        assert_eq!(status, 5);
    }
}
