//! ansible-core with its modules for services, on this machine: the playbook is beside this.

use super::{Session, there, with};
use std::process::Command;

#[test]
fn ansible_manages_services() {
    if !there(&["ansible-playbook"]) {
        return;
    }
    let playbook = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/services.yml");
    with(Session::Plain, |daemon| {
        let home = daemon.file("ansible");
        let output = Command::new("ansible-playbook")
            .args(["-i", "localhost,", playbook])
            .args(["-e", "ansible_python_interpreter=/usr/bin/python3"])
            .env("HOME", &home)
            .env("ANSIBLE_LOCAL_TEMP", home.join("local"))
            .env("ANSIBLE_REMOTE_TEMP", home.join("remote"))
            .env("ANSIBLE_NOCOLOR", "1")
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("LANG", "C.UTF-8")
            .output()
            .expect("it is on PATH");
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        let success = output.status.success();
        assert!(success, "{text}{errors}\n{}", daemon.log());
    });
}
