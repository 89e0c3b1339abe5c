//! Main processes that we did not start as such: PIDFile=, GuessMainPID=, MAINPID= (row M14).
//!
//! Up to three look-outs run at a time: the search that a state waits for, a MAINPID= message
//! being verified, and the search for a successor of a main process that has just ended.

use super::Context;
use super::bus::Bus;
use super::facts::{self, KillStage};
use super::machine::{Service, changed, log, settings};
use super::process::{Main, MainRecord, Process};
use crate::engine::effect::{Effect, LogLevel, MainSource};
use crate::engine::ids::ProcessId;
use crate::engine::state::{ServiceResult, ServiceState};
use crate::unit::config::{CommandKind, ExitType, ServiceType};
use serde::{Deserialize, Serialize};

/// A search that the present state waits for.
#[derive(Debug, Clone, PartialEq, Copy, Serialize, Deserialize)]
pub(super) struct Search {
    process: ProcessId,
    purpose: Purpose,
    source: Source,
}

/// What is gone on with when the search is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Purpose {
    /// The parent of a forking service has returned.
    Start,
    /// ExecStartPost= is done.
    StartPost,
    /// ExecReload= is done.
    Reload,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Source {
    /// The PID file as it is now.
    PidFile,
    /// The PID file as soon as it names a process of the unit.
    PidFileAwaited,
    /// The only process of the group.
    OnlyProcess,
}

impl Service {
    /// The parent of a forking service has returned well: who is the daemon?
    pub(super) fn search_after_start(&mut self, cx: &mut Context<'_>) {
        if settings(cx).service_type != ServiceType::Forking {
            // A daemon-reload changed the type under the parent; its main process decides.
            return;
        }
        if settings(cx).pid_file.is_some() {
            self.search_for(cx, Purpose::Start, Source::PidFile);
        } else if self.may_guess(cx) {
            self.search_for(cx, Purpose::Start, Source::OnlyProcess);
        } else {
            self.enter_start_post(cx);
        }
    }

    /// ExecStartPost= may have written the PID file; from here on it has to be there.
    pub(super) fn search_after_start_post(&mut self, cx: &mut Context<'_>) {
        if settings(cx).pid_file.is_some() {
            self.search_for(cx, Purpose::StartPost, Source::PidFile);
        } else if self.may_guess(cx) {
            self.search_for(cx, Purpose::StartPost, Source::OnlyProcess);
        } else {
            self.enter_running(cx, ServiceResult::Success);
        }
    }

    /// A reload may have replaced the main process; whether there is anything to look for.
    pub(super) fn search_after_reload(&mut self, cx: &mut Context<'_>) -> bool {
        if settings(cx).pid_file.is_some() {
            self.search_for(cx, Purpose::Reload, Source::PidFile);
        } else if self.may_guess(cx) {
            self.search_for(cx, Purpose::Reload, Source::OnlyProcess);
        } else {
            return false;
        }
        true
    }

    fn may_guess(&self, cx: &Context<'_>) -> bool {
        matches!(self.main, Main::Unknown) && settings(cx).guess_main_pid
    }

    fn search_for(&mut self, cx: &mut Context<'_>, purpose: Purpose, source: Source) {
        let wanted = match source {
            Source::OnlyProcess => MainSource::OnlyProcess,
            Source::PidFile | Source::PidFileAwaited => MainSource::PidFile {
                path: settings(cx).pid_file.clone().unwrap_or_default(),
                wait: source == Source::PidFileAwaited,
            },
        };
        let process = find(cx, wanted);
        self.search = Some(Search {
            process,
            purpose,
            source,
        });
    }

    /// The main process has ended: says whether somebody may have taken its place, and looks.
    pub(super) fn wait_for_successor(&mut self, cx: &mut Context<'_>) -> bool {
        let config = settings(cx);
        if !facts::is_up(self.state) || config.service_type == ServiceType::Oneshot {
            return false;
        }
        // While the state itself waits for the PID file, that answer comes anyway, and a main
        // process that ends meanwhile ends the start.
        if self.successor.is_none()
            && self.search.is_none()
            && let Some(path) = &config.pid_file
        {
            let source = MainSource::PidFile {
                path: path.clone(),
                wait: false,
            };
            self.successor = Some(find(cx, source));
        }
        self.successor.is_some() || self.told.is_some()
    }

    /// MAINPID= in a message: has the process looked at, if it would be a new one.
    pub(super) fn verify_told_main(&mut self, cx: &mut Context<'_>, pid: i32, inode: Option<u64>) {
        if self.main.running().is_some_and(|main| main.pid == pid) || self.is_control_pid(pid) {
            return;
        }
        self.forget_told(cx);
        self.told = Some(find(cx, MainSource::Told { pid, inode }));
    }

    fn is_control_pid(&self, pid: i32) -> bool {
        self.control.as_ref().is_some_and(|c| c.pid == pid)
    }

    /// Takes in the answer that this is the main process now.
    pub fn on_main_found(&mut self, cx: &mut Context<'_>, process: ProcessId, pid: i32) {
        let search = self.search.take_if(|search| search.process == process);
        let told = self.told.take_if(|told| *told == process).is_some();
        let successor = self.successor.take_if(|it| *it == process).is_some();
        let taken = facts::is_up(self.state)
            && (search.is_some() || told || successor)
            && self.take_over(cx, process, pid);
        if !taken {
            cx.out.effects.push(Effect::ForgetMain { process });
        }
        if let Some(search) = search {
            let known = self.main.running().is_some_and(|main| main.pid == pid);
            self.search_over(cx, search, known);
        } else if !taken && (told || successor) {
            self.successor_ruled_out(cx);
        }
    }

    /// Takes in the answer that there is no such process.
    pub fn on_main_not_found(&mut self, cx: &mut Context<'_>, process: ProcessId, reason: &str) {
        if let Some(search) = self.search.take_if(|search| search.process == process) {
            log(cx, LogLevel::Debug, format!("no main process: {reason}"));
            self.search_over(cx, search, false);
        } else if self.told.take_if(|told| *told == process).is_some() {
            let line = format!("MAINPID= ignored: {reason}");
            log(cx, LogLevel::Warning, line);
            self.successor_ruled_out(cx);
        } else if self.successor.take_if(|it| *it == process).is_some() {
            self.successor_ruled_out(cx);
        }
    }

    /// Makes a found process the main process; whether it is another one than before and fit.
    fn take_over(&mut self, cx: &mut Context<'_>, process: ProcessId, pid: i32) -> bool {
        if self.main.running().is_some_and(|main| main.pid == pid) || self.is_control_pid(pid) {
            return false;
        }
        self.forget_successor(cx);
        let was_held = self.held.is_some();
        self.forget_main(cx);
        self.main = Main::Alive(Box::new(Process::found(process, pid)));
        self.populated = true;
        self.main_record = MainRecord {
            pid,
            start: cx.now,
            ..MainRecord::default()
        };
        log(cx, LogLevel::Debug, format!("main process is now {pid}"));
        if was_held {
            self.probe_what_was_held(cx);
        }
        changed(cx);
        true
    }

    /// One of those that could have succeeded a main process did not; if it was the last and
    /// the main process has ended, that end counts.
    fn successor_ruled_out(&mut self, cx: &mut Context<'_>) {
        if self.told.is_none() && self.successor.is_none() {
            self.settle_main(cx);
        }
    }

    fn search_over(&mut self, cx: &mut Context<'_>, search: Search, found: bool) {
        match search.purpose {
            Purpose::Start => self.start_search_over(cx, search.source, found),
            Purpose::StartPost => self.start_post_search_over(cx, search.source, found),
            Purpose::Reload => {
                let guess = !found && search.source == Source::PidFile && self.may_guess(cx);
                if guess {
                    self.search_for(cx, Purpose::Reload, Source::OnlyProcess);
                } else {
                    self.finish_reload(cx);
                }
            }
        }
    }

    fn start_search_over(&mut self, cx: &mut Context<'_>, source: Source, found: bool) {
        let post_may_write = !settings(cx).commands.get(CommandKind::StartPost).is_empty();
        if found || source == Source::OnlyProcess || post_may_write {
            self.enter_start_post(cx);
        } else if source == Source::PidFile && self.may_be_populated() {
            self.search_for(cx, Purpose::Start, Source::PidFileAwaited);
        } else {
            log(cx, LogLevel::Warning, "no main process in the PID file");
            self.enter_signal(cx, KillStage::StopSigterm, ServiceResult::Protocol);
        }
    }

    fn start_post_search_over(&mut self, cx: &mut Context<'_>, source: Source, found: bool) {
        if found || source == Source::OnlyProcess {
            self.enter_running(cx, ServiceResult::Success);
        } else if source == Source::PidFile && self.may_be_populated() {
            self.search_for(cx, Purpose::StartPost, Source::PidFileAwaited);
        } else {
            log(cx, LogLevel::Warning, "no main process in the PID file");
            self.enter_stop(cx, ServiceResult::Protocol);
        }
    }

    /// The group is empty, and no process is known, in the middle of a start.
    pub(super) fn nobody_left_to_start(&mut self, cx: &mut Context<'_>) {
        if self.bus == Bus::Ordered {
            return;
        }
        let protocol = ServiceResult::Protocol;
        let service_type = settings(cx).service_type;
        let notifies = matches!(
            service_type,
            ServiceType::Notify | ServiceType::NotifyReload
        );
        let awaits_file = self
            .search
            .is_some_and(|search| search.source == Source::PidFileAwaited);
        if self.state == ServiceState::Start && notifies && matches!(self.main, Main::Gone) {
            log(cx, LogLevel::Warning, "ended without saying READY=1");
            self.enter_stop_post(cx, protocol);
        } else if awaits_file {
            log(cx, LogLevel::Warning, "the PID file was never written");
            if self.state == ServiceState::Start {
                self.enter_stop_post(cx, protocol);
            } else {
                self.enter_stop(cx, protocol);
            }
        } else if self.state == ServiceState::Start && settings(cx).exit_type == ExitType::Cgroup {
            self.enter_running(cx, ServiceResult::Success);
        } else if self.state == ServiceState::Start && self.search.is_none() {
            // Only a daemon-reload that changed the type under a parent leads here.
            log(cx, LogLevel::Warning, "ended before it was up");
            self.enter_stop_post(cx, protocol);
        }
    }

    /// Calls off the search of the state that is left.
    pub(super) fn forget_search(&mut self, cx: &mut Context<'_>) {
        if let Some(search) = self.search.take() {
            cx.out.effects.push(Effect::ForgetMain {
                process: search.process,
            });
        }
    }

    /// Calls off the check of a MAINPID= message.
    pub(super) fn forget_told(&mut self, cx: &mut Context<'_>) {
        if let Some(process) = self.told.take() {
            cx.out.effects.push(Effect::ForgetMain { process });
        }
    }

    /// Calls off the search for a successor.
    pub(super) fn forget_successor(&mut self, cx: &mut Context<'_>) {
        if let Some(process) = self.successor.take() {
            cx.out.effects.push(Effect::ForgetMain { process });
        }
    }

    /// Takes the main process off the books, whatever it does.
    pub(super) fn forget_main(&mut self, cx: &mut Context<'_>) {
        self.held = None;
        let Some(main) = self.main.process() else {
            return;
        };
        if main.is_found() && main.ended.is_none() {
            cx.out.effects.push(Effect::ForgetMain { process: main.id });
        }
        self.main = Main::Gone;
    }
}

/// Orders a look-out.
fn find(cx: &mut Context<'_>, source: MainSource) -> ProcessId {
    let process = cx.numbers.process();
    cx.out.effects.push(Effect::FindMain {
        process,
        unit: cx.unit,
        source,
    });
    process
}
