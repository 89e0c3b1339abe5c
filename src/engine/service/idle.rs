//! Type=idle: up at once, as with Type=simple, but the program is only executed when there are
//! no jobs any more, or after five seconds (systemd.service(5), "Type=").

use super::Context;
use super::machine::{Service, deadline_after, settings};
use super::process::{Main, Process};
use crate::engine::process::Role;
use crate::engine::state::ServiceResult;
use crate::unit::config::CommandKind;
use crate::unit::value::TimeSpan;

/// The longest wait.
const LONGEST: TimeSpan = TimeSpan::from_secs(5);

impl Service {
    /// Puts the main process on the books without ordering it yet; `false` if there is no
    /// command.
    pub(super) fn hold_main(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(command) = settings(cx).commands.get(CommandKind::Start).first() else {
            return false;
        };
        let process = cx.numbers.process();
        let main = Process::ordered(process, CommandKind::Start, 0, command.clone());
        self.main = Main::Alive(Box::new(main));
        self.held = deadline_after(cx.now.monotonic, LONGEST);
        cx.out.held = true;
        if super::probes::holds_back(settings(cx)) {
            // The start goes on, and so may take too long.
            self.arm(cx, settings(cx).timeout_start);
        } else {
            self.enter_start_post(cx);
        }
        true
    }

    /// Orders the main process that was held back: there are no jobs, or it has waited long
    /// enough. Does nothing if there is none.
    pub fn release(&mut self, cx: &mut Context<'_>) {
        if self.held.take().is_none() {
            return;
        }
        let Some((id, index)) = self.main.process().map(|main| (main.id, main.index)) else {
            return;
        };
        let ordered = index
            .is_some_and(|index| self.order_spawn(cx, id, Role::Main, CommandKind::Start, index));
        if !ordered {
            // A daemon-reload took the command away meanwhile.
            self.main = Main::Gone;
            return self.after_main(cx, ServiceResult::Resources);
        }
        self.probe_what_was_held(cx);
    }
}
