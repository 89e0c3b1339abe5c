//! What clients ask for. A request that needs units to be read waits for that, and those
//! behind it wait with it, so that they are carried out in the order they came.

use super::handle::{Answer, ControlError, Job, Message, News};
use super::loading::After;
use super::run::Host;
use super::view::HostFacts;
use crate::engine::{Event, JobId, LogLevel, Outcome, Refusal, RequestId, Verb};
use crate::unit::config::{JobMode, LoadState};
use crate::unit::name::UnitName;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Who waits for the answer of a request.
enum Waiting {
    Job(Answer<Job>),
    Done(Answer<()>),
    Nobody,
}

/// Requests under way.
#[derive(Default)]
pub(super) struct Requests {
    last: u64,
    waiting: BTreeMap<RequestId, Waiting>,
    /// Units are being read for a request.
    pub(super) loading: bool,
    /// Behind the one that is loading.
    queue: VecDeque<Message>,
}

impl Requests {
    fn number(&mut self, waiting: Waiting) -> RequestId {
        self.last += 1;
        let request = RequestId(self.last);
        self.waiting.insert(request, waiting);
        request
    }

    /// Passes the engine's answer on. An asker who went away misses nothing.
    pub(super) fn reply(&mut self, request: RequestId, result: Result<Outcome, Refusal>) {
        let result = result.map_err(ControlError::Refused);
        match self.waiting.remove(&request) {
            Some(Waiting::Job(answer)) => {
                let job = result.map(|outcome| match outcome {
                    Outcome::Job(job) => Job(job),
                    // Nothing was to be done: no job has the number 0.
                    Outcome::Done => Job(JobId(0)),
                });
                let _ = answer.send(job);
            }
            Some(Waiting::Done(answer)) => {
                let _ = answer.send(result.map(|_| ()));
            }
            Some(Waiting::Nobody) | None => {}
        }
    }
}

impl Host {
    /// Takes a message in, or puts it behind those that wait for a load.
    pub(super) fn message(&mut self, message: Message) {
        match message {
            Message::Look(look) => look(&HostFacts(self).view()),
            Message::Shutdown => {
                self.tell_stopping();
                self.tell(Event::Shutdown);
                self.limit_for_phase();
            }
            Message::BusName(watch, news) => self.bus_name_news(watch, news),
            Message::Reexecute { answer } => self.reexecute = Some(answer),
            message if self.requests.loading => self.requests.queue.push_back(message),
            message => self.ask(message),
        }
    }

    /// The load that held the others up is done.
    pub(super) fn next_requests(&mut self) {
        while !self.requests.loading {
            let Some(message) = self.requests.queue.pop_front() else {
                return;
            };
            self.ask(message);
        }
    }

    fn ask(&mut self, message: Message) {
        match message {
            Message::Job {
                unit,
                verb,
                mode,
                reset,
                stays,
                answer,
            } => {
                let after = After::Job {
                    unit: unit.clone(),
                    verb,
                    mode,
                    reset,
                    stays,
                    answer,
                };
                self.with_loaded([unit].into(), after);
            }
            Message::Load { units, look } => self.with_loaded(units, After::Look(look)),
            Message::Hold {
                unit,
                holder,
                answer,
            } => {
                let after = After::Hold {
                    unit: unit.clone(),
                    holder,
                    answer,
                };
                self.with_loaded([unit].into(), after);
            }
            Message::Release {
                unit,
                holder,
                answer,
            } => {
                let request = self.requests.number(Waiting::Done(answer));
                self.tell(Event::Release {
                    request,
                    unit,
                    holder,
                });
            }
            Message::HolderGone(holder) => self.tell(Event::HolderGone { holder }),
            Message::Kill {
                unit,
                whom,
                signal,
                answer,
            } => {
                let request = self.requests.number(Waiting::Done(answer));
                self.tell(Event::Kill {
                    request,
                    unit,
                    whom,
                    signal,
                });
            }
            Message::ResetFailed { unit, answer } => {
                let request = self.requests.number(Waiting::Done(answer));
                self.tell(Event::ResetFailed { request, unit });
            }
            Message::Cancel { job, answer } => {
                let request = self.requests.number(Waiting::Done(answer));
                self.tell(Event::Cancel { request, job });
            }
            Message::Abandon { unit, answer } => {
                let request = self.requests.number(Waiting::Done(answer));
                self.tell(Event::Abandon { request, unit });
            }
            Message::Reload { answer } => {
                let _ = self.news.send(News::Reloading(true));
                self.tell_reloading("Reading unit files again");
                self.load_again(After::Reloaded(answer));
            }
            Message::Compare(compare) => self.load_again(After::Compare(compare)),
            Message::Operation(operation) => self.operate(operation),
            Message::Look(_)
            | Message::BusName(..)
            | Message::Reexecute { .. }
            | Message::Shutdown => self.message(message),
        }
    }

    /// Goes on once the units are loaded, at once if they are.
    fn with_loaded(&mut self, mut units: BTreeSet<UnitName>, after: After) {
        units.retain(|unit| {
            let view = self.engine.unit(unit.as_str());
            view.is_none_or(|view| view.load() == LoadState::NotFound)
        });
        if units.is_empty() {
            return self.go_on(after);
        }
        // A unit that was not found may have come.
        let known = self.engine.loaded_names();
        self.load(units, known, after);
    }

    /// Reads the files of all units.
    fn load_again(&mut self, after: After) {
        let names: BTreeSet<UnitName> = self.engine.unit_names().into_iter().collect();
        self.load(names, BTreeSet::new(), after);
    }

    /// What was waited for is loaded.
    pub(super) fn go_on(&mut self, after: After) {
        match after {
            After::Job {
                unit,
                verb,
                mode,
                reset,
                stays,
                answer,
            } => {
                let kept = stays.then(|| unit.clone());
                self.request_job(unit, verb, mode, reset, answer);
                // Not before: whoever takes over asks for what is not kept.
                if let Some(unit) = kept {
                    self.tell(Event::Keep { unit });
                }
            }
            After::Hold {
                unit,
                holder,
                answer,
            } => {
                let request = self.requests.number(Waiting::Done(answer));
                self.tell(Event::Hold {
                    request,
                    unit,
                    holder,
                });
            }
            After::Look(look) => look(&HostFacts(self).view()),
            After::Refreshed { unit, answer } => self.answer_when_limited(unit, answer),
            // Nothing was taken in: `loaded` answers it.
            After::Compare(_) => {}
            After::Reloaded(answer) => {
                let _ = self.news.send(News::Reloading(false));
                self.tell_ready();
                self.log
                    .manager(LogLevel::Info, None, "unit files were read again");
                let _ = answer.send(Ok(()));
            }
        }
    }

    fn request_job(
        &mut self,
        unit: UnitName,
        verb: Verb,
        mode: JobMode,
        reset: bool,
        answer: Answer<Job>,
    ) {
        if reset && self.has_hit_start_limit(&unit) {
            let text = "the start limit that was hit is forgotten for this request";
            self.log.manager(LogLevel::Info, Some(&unit), text);
            let request = self.requests.number(Waiting::Nobody);
            let unit = Some(unit.clone());
            self.tell(Event::ResetFailed { request, unit });
        }
        let request = self.requests.number(Waiting::Job(answer));
        self.tell(Event::Request {
            request,
            unit,
            verb,
            mode,
        });
    }

    fn has_hit_start_limit(&self, unit: &UnitName) -> bool {
        let view = self.engine.unit(unit.as_str());
        view.is_some_and(|view| view.start_limit_hit)
    }
}
