//! The units that are loaded: services as packages ship them, in groups that depend on each
//! other, half of them with a drop-in of their own, all below one target.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

/// The target that wants all of them.
pub(crate) const TARGET: &str = "bench.target";
/// A target that only names that one: once it is active, all of them stay loaded.
pub(crate) const HOLDER: &str = "holder.target";
/// How many services follow each other.
const CHAIN: usize = 10;

/// Writes `count` services, their drop-ins and the target with its links into a directory.
pub(crate) fn write(directory: &Path, count: usize) -> io::Result<()> {
    let wants = directory.join(format!("{TARGET}.wants"));
    fs::create_dir_all(&wants)?;
    fs::write(directory.join(TARGET), "[Unit]\nDescription=All of them\n")?;
    let holder = format!("[Unit]\nDescription=Names them\nAfter={TARGET}\n");
    fs::write(directory.join(HOLDER), holder)?;
    for number in 0..count {
        let name = name(number);
        let file = directory.join(&name);
        fs::write(&file, service(number))?;
        symlink(&file, wants.join(&name))?;
        if number % 2 == 1 {
            let drop_ins = directory.join(format!("{name}.d"));
            fs::create_dir(&drop_ins)?;
            fs::write(drop_ins.join("10-local.conf"), DROP_IN)?;
        }
    }
    Ok(())
}

fn name(number: usize) -> String {
    format!("bench{number:05}.service")
}

fn service(number: usize) -> String {
    let before = match number % CHAIN {
        0 => "network.target".to_owned(),
        _ => name(number - 1),
    };
    format!(
        "# A service like many.\n\
         [Unit]\nDescription=Service {number}, one of many\nDocumentation=man:bench(8)\n\
         After=network-online.target {before}\nWants=network-online.target {before}\n\
         ConditionPathExists=!/etc/bench/off\n\
         RequiresMountsFor=/var/lib/bench/{number}\n\n\
         [Service]\nType=simple\nUser=nobody\nEnvironment=\"NUMBER={number}\" MODE=plain\n\
         EnvironmentFile=-/etc/default/bench\nStateDirectory=bench/%N\n\
         ExecStartPre=/bin/mkdir -p /run/bench\n\
         ExecStart=/usr/bin/bench --number {number} --config /etc/bench/%N.yaml $OPTIONS\n\
         ExecReload=/bin/kill -HUP $MAINPID\nKillMode=mixed\nTimeoutStopSec=20s\n\
         Restart=on-failure\nRestartSec=5s\nLimitNOFILE=65536\nNoNewPrivileges=yes\n\n\
         [Install]\nWantedBy=multi-user.target\n"
    )
}

const DROP_IN: &str = "[Unit]\nAfter=time-sync.target\n\n\
                       [Service]\nEnvironment=MODE=local\nRestartSec=10s\nLimitNOFILE=131072\n";
