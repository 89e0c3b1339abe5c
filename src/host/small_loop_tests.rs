//! For tests of what sits on the [`Handle`]: the real engine behind the real channel, with
//! processes that start when told to and end when signalled, and no system underneath.

use super::handle::{
    Facts, Handle, Job, JobEnds, LogLine, ManagerFacts, Message, News, Stream, View,
};
use crate::engine::{
    Effect, Engine, Event, JobId, Outcome, ProcessId, ProcessStatus, RequestId, Timestamp, UnitId,
};
use crate::unit::config::UnitConfig;
use crate::unit::name::UnitName;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{broadcast, mpsc, watch};

/// Starts the loop with these units loaded; `lines` are its log.
pub(crate) fn small_loop(units: Vec<UnitConfig>, lines: Vec<LogLine>) -> Handle {
    let (sender, messages) = mpsc::channel(16);
    let (news, _) = broadcast::channel(1024);
    let (last, job_ends) = (watch::Sender::new(0), JobEnds::default());
    let mut small = SmallLoop {
        engine: Engine::new(1),
        news: news.clone(),
        job_ends: job_ends.clone(),
        last: last.clone(),
        lines: lines.into_iter().map(Arc::new).collect(),
        processes: BTreeMap::new(),
        now: 1_000_000,
        reply: None,
    };
    small.load(units);
    tokio::spawn(small.run(messages));
    Handle {
        sender,
        news: news.downgrade(),
        job_ends,
        lines: last.subscribe(),
    }
}

struct SmallLoop {
    engine: Engine,
    news: broadcast::Sender<News>,
    job_ends: JobEnds,
    lines: Vec<Arc<LogLine>>,
    last: watch::Sender<u64>,
    processes: BTreeMap<ProcessId, UnitId>,
    now: u64,
    reply: Option<Result<Outcome, crate::engine::Refusal>>,
}

struct LineFacts(Vec<Arc<LogLine>>);

impl Facts for LineFacts {
    fn control_group(&self, unit: &UnitName) -> String {
        format!("/small/{unit}")
    }

    fn processes(&self, _: &UnitName) -> Vec<(i32, String)> {
        vec![(77, "/bin/extra".to_owned())]
    }

    fn log(&self, unit: Option<&UnitName>, count: usize) -> Vec<Arc<LogLine>> {
        let of_unit = |line: &&Arc<LogLine>| unit.is_none() || line.unit.as_ref() == unit;
        let lines: Vec<_> = self.0.iter().filter(of_unit).cloned().collect();
        lines[lines.len().saturating_sub(count)..].to_vec()
    }

    fn log_after(&self, unit: Option<&UnitName>, after: u64) -> Vec<Arc<LogLine>> {
        let mut lines = self.log(unit, usize::MAX);
        lines.retain(|line| line.number > after);
        lines
    }

    fn manager(&self) -> ManagerFacts {
        ManagerFacts {
            name: "small".to_owned(),
            environment: vec![("DD_API_KEY".to_owned(), "0123".to_owned())],
            ..ManagerFacts::default()
        }
    }
}

impl SmallLoop {
    async fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        let request = RequestId(1);
        while let Some(message) = messages.recv().await {
            match message {
                Message::Look(look) => self.show(look),
                Message::Load { units, look } => {
                    for unit in &units {
                        self.load_missing(unit);
                    }
                    self.show(look);
                }
                Message::Hold {
                    unit,
                    holder,
                    answer,
                } => {
                    self.load_missing(&unit);
                    let outcome = self.ask(Event::Hold {
                        request,
                        unit,
                        holder,
                    });
                    let _ = answer.send(outcome.map(|_| ()).map_err(Into::into));
                }
                Message::Release {
                    unit,
                    holder,
                    answer,
                } => {
                    let outcome = self.ask(Event::Release {
                        request,
                        unit,
                        holder,
                    });
                    let _ = answer.send(outcome.map(|_| ()).map_err(Into::into));
                }
                Message::HolderGone(holder) => self.tell(Event::HolderGone { holder }),
                Message::Compare(compare) => self.show(|view| compare(view, &[])),
                Message::Job {
                    unit,
                    verb,
                    mode,
                    answer,
                    ..
                } => {
                    self.load_missing(&unit);
                    let outcome = self.ask(Event::Request {
                        request,
                        unit,
                        verb,
                        mode,
                    });
                    let job = outcome.map(|outcome| match outcome {
                        Outcome::Job(job) => Job(job),
                        Outcome::Done => Job(JobId(0)),
                    });
                    let _ = answer.send(job.map_err(Into::into));
                }
                Message::Kill {
                    unit,
                    whom,
                    signal,
                    answer,
                } => {
                    self.log(&unit, "was signalled");
                    let outcome = self.ask(Event::Kill {
                        request,
                        unit,
                        whom,
                        signal,
                    });
                    let _ = answer.send(outcome.map(|_| ()).map_err(Into::into));
                }
                Message::ResetFailed { unit, answer } => {
                    let outcome = self.ask(Event::ResetFailed { request, unit });
                    let _ = answer.send(outcome.map(|_| ()).map_err(Into::into));
                }
                Message::Cancel { job, answer } => {
                    let outcome = self.ask(Event::Cancel { request, job });
                    let _ = answer.send(outcome.map(|_| ()).map_err(Into::into));
                }
                Message::Reload { answer } => {
                    for active in [true, false] {
                        let _ = self.news.send(News::Reloading(active));
                    }
                    let _ = answer.send(Ok(()));
                }
                Message::Abandon { unit, answer } => {
                    let outcome = self.ask(Event::Abandon { request, unit });
                    let _ = answer.send(outcome.map(|_| ()).map_err(Into::into));
                }
                Message::BusName(..) => {}
                Message::Operation(_) | Message::Reexecute { .. } => {}
                Message::Shutdown => return,
            }
        }
    }

    fn show(&self, look: impl FnOnce(&View<'_>)) {
        look(&View {
            engine: &self.engine,
            facts: &LineFacts(self.lines.clone()),
        });
    }

    fn load(&mut self, units: Vec<UnitConfig>) {
        let units = units.into_iter().map(Arc::new).collect();
        self.tell(Event::Load { units });
    }

    fn log(&mut self, unit: &UnitName, text: &str) {
        let number = self.lines.last().map_or(1, |line| line.number + 1);
        self.lines.push(Arc::new(LogLine {
            number,
            realtime: self.now,
            unit: Some(unit.clone()),
            pid: 9,
            stream: Stream::Stdout,
            text: text.to_owned(),
            ..LogLine::default()
        }));
        self.last.send_replace(number);
    }

    fn load_missing(&mut self, unit: &UnitName) {
        if self.engine.unit(unit.as_str()).is_none() {
            self.load(vec![UnitConfig::not_found(unit.clone())]);
        }
    }

    fn ask(&mut self, event: Event) -> Result<Outcome, crate::engine::Refusal> {
        self.tell(event);
        self.reply.take().expect("every request is answered")
    }

    fn tell(&mut self, event: Event) {
        self.now += 1;
        let now = Timestamp {
            monotonic: self.now,
            realtime: self.now,
        };
        self.engine.handle(now, event);
        while let Some(effect) = self.engine.poll_effect() {
            self.carry_out(effect);
        }
    }

    fn name(&self, unit: UnitId) -> UnitName {
        let view = self.engine.unit_by_id(unit).expect("it is loaded");
        view.config.name.clone()
    }

    fn carry_out(&mut self, effect: Effect) {
        let news = match effect {
            Effect::UnitNew { unit } => News::UnitNew(self.name(unit)),
            Effect::Changed { unit } => News::Changed(self.name(unit)),
            Effect::JobNew { job, unit, kind } => News::JobNew(job, self.name(unit), kind),
            Effect::JobRemoved {
                job,
                unit,
                kind,
                result,
            } => News::JobRemoved(job, self.name(unit), kind, result),
            Effect::Reply { result, .. } => {
                self.reply = Some(result);
                return;
            }
            other => return self.answer(other),
        };
        self.job_ends.tell(&news);
        let _ = self.news.send(news);
    }

    fn answer(&mut self, effect: Effect) {
        match effect {
            Effect::Spawn(spawn) => {
                self.processes.insert(spawn.process, spawn.unit);
                self.tell(Event::Spawned {
                    process: spawn.process,
                    pid: 100,
                    executed: true,
                });
            }
            Effect::Check {
                check, conditions, ..
            } => self.tell(Event::Checked {
                check,
                results: vec![true; conditions.len()],
            }),
            Effect::Kill(kill) => {
                self.tell(Event::Killed {
                    unit: kill.unit,
                    order: kill.order,
                    remaining: !self.processes.is_empty(),
                });
                let of_unit = |u: &UnitId| *u == kill.unit;
                let gone: Vec<_> = self.processes.extract_if(.., |_, u| of_unit(u)).collect();
                for (process, _) in gone {
                    let status = ProcessStatus::Killed(kill.signal);
                    self.tell(Event::Exited { process, status });
                }
                self.tell(Event::GroupEmpty { unit: kill.unit });
            }
            _ => {}
        }
    }
}
