//! A message bus of the test's own.

use super::wait_until;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A message bus of the test's own, ended with it.
pub struct Bus {
    child: Child,
}

impl Bus {
    /// Where its socket is.
    pub fn socket(place: &Path) -> PathBuf {
        place.join("bus.sock")
    }

    /// Its address.
    pub fn address(place: &Path) -> String {
        format!("unix:path={}", Bus::socket(place).display())
    }

    /// Starts it, and waits until it listens. Everybody may do everything on it, and overhear.
    pub fn start(place: &Path) -> Bus {
        let config = place.join("bus.conf");
        let text = format!(
            "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" \
             \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n\
             <busconfig><listen>{}</listen><auth>EXTERNAL</auth>\
             <policy context=\"default\"><allow user=\"*\"/><allow own=\"*\"/>\
             <allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/>\
             <allow receive_sender=\"*\"/></policy></busconfig>\n",
            Bus::address(place)
        );
        fs::write(&config, text).expect("it can be written");
        let _ = fs::remove_file(Bus::socket(place));
        let child = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--nopidfile"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // It complains of limits it may not raise.
            .stderr(Stdio::null())
            .spawn()
            .expect("it is on PATH");
        let bus = Bus { child };
        wait_until("the bus to listen", || Bus::socket(place).exists());
        bus
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
