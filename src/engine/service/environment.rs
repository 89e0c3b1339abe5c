//! What the engine alone knows of a command's environment (checklist rows E7-E9).

use super::Context;
use super::machine::{Service, settings};
use crate::unit::config::{CommandKind, NotifyAccess};

impl Service {
    /// The variables for a command of this kind. The host adds what only it knows, such as
    /// NOTIFY_SOCKET and WATCHDOG_PID.
    pub(super) fn environment(&self, cx: &Context<'_>, kind: CommandKind) -> Vec<(String, String)> {
        let mut variables = Vec::new();
        let mut set = |name: &str, value: String| variables.push((name.to_owned(), value));
        if let Some(main) = self.main.running().filter(|main| main.pid > 0) {
            set("MAINPID", main.pid.to_string());
        }
        if let Some(path) = &settings(cx).pid_file {
            set("PIDFILE", path.clone());
        }
        if kind == CommandKind::Start {
            let watchdog = self.watchdog_interval(cx);
            if !watchdog.is_infinite() && watchdog.as_micros() > 0 {
                set("WATCHDOG_USEC", watchdog.as_micros().to_string());
            }
        }
        if self.debugging {
            set("DEBUG_INVOCATION", "1".to_owned());
        }
        if tells_result(kind) {
            set("SERVICE_RESULT", self.result.as_str().to_owned());
            if let Some(status) = self.main_record.status {
                set("EXIT_CODE", status.code_word().to_owned());
                set("EXIT_STATUS", status.status_word());
            }
        }
        variables.extend_from_slice(cx.details);
        if tells_monitored(kind) {
            variables.extend_from_slice(cx.monitor);
        }
        variables
    }
}

/// Whether a command of this kind may speak to us.
pub(super) fn gets_notify_socket(access: NotifyAccess, kind: CommandKind) -> bool {
    match access {
        NotifyAccess::None => false,
        NotifyAccess::Main => kind == CommandKind::Start,
        NotifyAccess::Exec | NotifyAccess::All => true,
    }
}

fn tells_result(kind: CommandKind) -> bool {
    match kind {
        CommandKind::Stop | CommandKind::StopPost => true,
        CommandKind::Condition
        | CommandKind::StartPre
        | CommandKind::Start
        | CommandKind::StartPost
        | CommandKind::Reload
        | CommandKind::StopPre => false,
    }
}

/// MONITOR_... goes to ExecStartPre= and ExecStart= (systemd.exec(5), "$MONITOR_SERVICE_RESULT").
fn tells_monitored(kind: CommandKind) -> bool {
    match kind {
        CommandKind::StartPre | CommandKind::Start => true,
        CommandKind::Condition
        | CommandKind::StartPost
        | CommandKind::Reload
        | CommandKind::StopPre
        | CommandKind::Stop
        | CommandKind::StopPost => false,
    }
}
