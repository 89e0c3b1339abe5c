//! A stand-in for an agent: what the quickstart set and the tests run as a service.
//!
//! It does nothing useful, but everything a process manager has to cope with: it is ready
//! late, stops slowly or not at all, crashes when told, forks into the background, leaves
//! children around, speaks sd_notify, takes passed sockets and serves `/live` and `/ready`.
//! Installed under the name of a real agent it accepts that agent's arguments; what it then
//! does is said in a file beside it (see `options`).

mod barrier;
mod bus;
mod daemonize;
mod events;
mod net;
mod options;
mod passed;
mod record;

use events::{Event, Events};
use options::Options;
use record::Record;
use std::process::ExitCode;
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    let options = match Options::gather() {
        Ok(options) => options,
        Err(message) => {
            eprintln!("stand-in-agent: {message}");
            return ExitCode::from(2);
        }
    };
    let run = match daemonize::stage() {
        daemonize::Stage::Child => return daemonize::sleep_as_child(&options),
        daemonize::Stage::Session => daemonize::go_on_as_daemon(),
        daemonize::Stage::First if options.fork => daemonize::launch(),
        daemonize::Stage::First | daemonize::Stage::Daemon => Agent::run(&options),
    };
    match run {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("{}: {error}", options.name);
            ExitCode::FAILURE
        }
    }
}

/// The agent between its start and its end.
struct Agent<'a> {
    options: &'a Options,
    record: Record,
    events: Events,
    health: net::Health,
    started: Instant,
}

impl<'a> Agent<'a> {
    fn run(options: &'a Options) -> std::io::Result<u8> {
        let record = Record::open(options)?;
        let events = Events::start(options.ignore_term)?;
        record.write("start");
        let mut agent = Agent {
            options,
            record,
            events,
            health: net::Health::default(),
            started: Instant::now(),
        };
        agent.set_up()?;
        agent.live()
    }

    /// What is there before it is ready.
    fn set_up(&mut self) -> std::io::Result<()> {
        let options = self.options;
        println!("{}: started, pid {}", options.name, std::process::id());
        for line in 1..=options.lines {
            println!("{}: line {line}", options.name);
        }
        if let Some(file) = &options.print_env {
            let mut variables: Vec<_> = std::env::vars_os().collect();
            variables.sort();
            let text: String = variables
                .iter()
                .map(|(name, value)| format!("{}={}\n", name.display(), value.display()))
                .collect();
            std::fs::write(file, text)?;
        }
        daemonize::leave_children(options)?;
        if let Some(file) = &options.pidfile {
            std::fs::write(file, format!("{}\n", std::process::id()))?;
        }
        passed::describe(options)?;
        net::serve(options, &self.health, &self.events.sender())
    }

    /// Waits for what happens, in the order it happens, until the end.
    fn live(&mut self) -> std::io::Result<u8> {
        let mut ready_at = Some(self.started + self.options.ready_after);
        let crash_at = self.options.crash_after.map(|after| self.started + after);
        let end_at = self.options.run_for.map(|after| self.started + after);
        loop {
            let now = Instant::now();
            if ready_at.is_some_and(|at| at <= now) {
                ready_at = None;
                self.become_ready()?;
            }
            if crash_at.is_some_and(|at| at <= now) || self.crash_file_is_there() {
                return Ok(self.crash());
            }
            if end_at.is_some_and(|at| at <= now) {
                return Ok(self.end());
            }
            let next = [ready_at, crash_at, end_at].into_iter().flatten().min();
            match self.events.wait(self.patience(next)) {
                None => {}
                Some(Event::Crash) => return Ok(self.crash()),
                Some(Event::Reload) => self.reload()?,
                Some(Event::Ignored) => self.record.write("ignored"),
                Some(Event::Terminate) => return Ok(self.stop()),
            }
        }
    }

    /// How long it may sleep: until the next moment, or a look at the crash file.
    fn patience(&self, next: Option<Instant>) -> Duration {
        let longest = match self.options.crash_on {
            Some(_) => Duration::from_millis(20),
            None => Duration::from_secs(3600),
        };
        next.map_or(longest, |at| {
            longest.min(at.saturating_duration_since(Instant::now()))
        })
    }

    fn become_ready(&self) -> std::io::Result<()> {
        bus::take_name(self.options)?;
        if let Some(name) = &self.options.store {
            let (reader, _writer) = std::io::pipe()?;
            // Of itself it is hung up; the manager is told not to mind.
            let descriptor = std::os::fd::AsFd::as_fd(&reader);
            sd_notify::notify_with_fds(
                &[
                    sd_notify::NotifyState::FdStore,
                    sd_notify::NotifyState::FdName(name),
                    sd_notify::NotifyState::Custom("FDPOLL=0"),
                ],
                &[descriptor],
            )?;
        }
        if let Some(name) = &self.options.store_until_end {
            let (reader, writer) = std::io::pipe()?;
            sd_notify::notify_with_fds(
                &[
                    sd_notify::NotifyState::FdStore,
                    sd_notify::NotifyState::FdName(name),
                ],
                &[std::os::fd::AsFd::as_fd(&reader)],
            )?;
            // Open until the process ends.
            std::mem::forget(writer);
        }
        self.record.write("ready");
        self.health.set_ready();
        if self.options.notify {
            let status = format!("{} is ready", self.options.name);
            let mut news = vec![
                sd_notify::NotifyState::Ready,
                sd_notify::NotifyState::Status(&status),
            ];
            if self.options.fork {
                news.push(sd_notify::NotifyState::MainPid(std::process::id()));
            }
            sd_notify::notify(&news)?;
        }
        if self.options.barrier {
            barrier::wait_behind("BARRIER=1")?;
            self.record.write("barrier");
            // Nothing else may stand in such a message: this says nothing, but is let go, too.
            barrier::wait_behind("BARRIER=1\nSTATUS=not to be seen")?;
            self.record.write("second-barrier");
        }
        println!("{}: ready", self.options.name);
        daemonize::release_parent()
    }

    fn reload(&self) -> std::io::Result<()> {
        self.record.write("reload");
        println!("{}: reloaded", self.options.name);
        if self.options.notify {
            sd_notify::notify(&[
                sd_notify::NotifyState::Reloading,
                sd_notify::NotifyState::monotonic_usec_now()?,
            ])?;
            sd_notify::notify(&[sd_notify::NotifyState::Ready])?;
        }
        Ok(())
    }

    /// A stop by signal: slow if asked to be.
    fn stop(&self) -> u8 {
        self.record.write("term");
        println!("{}: stopping", self.options.name);
        let until = Instant::now() + self.options.stop_delay;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            // More signals change nothing; a crash while stopping is still a crash.
            if let Some(Event::Crash) = self.events.wait(left) {
                return self.crash();
            }
        }
        self.end()
    }

    /// The end of its own will.
    fn end(&self) -> u8 {
        net::drain();
        if let Some(file) = &self.options.pidfile {
            // It may be gone or another's by now; nothing depends on it.
            let _ = std::fs::remove_file(file);
        }
        self.record.write("stop");
        self.options.exit_code
    }

    fn crash_file_is_there(&self) -> bool {
        self.options
            .crash_on
            .as_ref()
            .is_some_and(|file| file.exists())
    }

    /// An end without any tidying; by signal, it does not return.
    fn crash(&self) -> u8 {
        self.record.write("crash");
        eprintln!("{}: crashing", self.options.name);
        match self.options.crash_with {
            options::CrashWith::Code(code) => code,
            options::CrashWith::Signal(signal) => {
                // Blocked signals would only stay pending.
                let _ = nix::sys::signal::SigSet::empty().thread_set_mask();
                let _ = nix::sys::signal::kill(nix::unistd::getpid(), signal);
                std::process::abort()
            }
        }
    }
}
