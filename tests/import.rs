//! `import`: the agent's own process definitions become units that load, as one would run it.

mod common;

use common::corpus;
use std::path::Path;
use std::process::{Command, Output};

const CLIENT: &str = env!("CARGO_BIN_EXE_dd-procmgr");

fn import(arguments: &[&str], to: &Path) -> Output {
    let mut command = Command::new(CLIENT);
    command.arg("import").args(arguments).arg("-o").arg(to);
    command.env_remove("DD_PID_DIR");
    command.output().expect("the program is built")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_agents_definitions_become_units_that_load() {
    let Some(definitions) = corpus::definitions() else {
        return;
    };
    let definitions = definitions.display().to_string();
    let directory = tempfile::tempdir().expect("a directory can be made");
    let units = directory.path().join("units");
    let places = [
        "-D",
        "DD_CONF_DIR=/etc/datadog-agent",
        "-D",
        "DD_INSTALL_DIR=/opt/datadog-agent",
    ];
    let arguments = [&places[..], &[&definitions]].concat();
    let first = import(&arguments, &units);
    let found = text(&first.stdout);
    assert_eq!(first.status.code(), Some(1), "{found}");
    assert!(
        found.contains("the variable DD_PID_DIR is not set"),
        "{found}"
    );
    assert!(!units.join("datadog-agent-ddot.service").exists());
    assert!(units.join("datadog-agent-action.service").exists());

    let more = ["-D", "DD_PID_DIR=/opt/datadog-agent", "--force"];
    let second = import(&[&arguments[..], &more].concat(), &units);
    assert_eq!(second.status.code(), Some(0), "{}", text(&second.stdout));
    let made = std::fs::read_dir(&units).expect("the directory was made");
    let services = made
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".service"));
    assert_eq!(services.count(), 5);
    let mut verify = Command::new(CLIENT);
    verify
        .args(["verify", "-o", "json", "--unit-path"])
        .arg(&units);
    let verified = verify.output().expect("the program is built");
    let findings: Vec<serde_json::Value> =
        serde_json::from_slice(&verified.stdout).expect("findings are JSON");
    // The agent is not installed here; nothing else is wrong.
    for finding in &findings {
        assert_eq!(finding["rule"], "missing-program", "{finding}");
    }
}

#[test]
fn a_directory_to_write_to_is_needed_and_other_commands_take_none() {
    let place = tempfile::tempdir().expect("a directory can be made");
    let file = place.path().join("a.yaml");
    std::fs::write(&file, "command: /bin/true\nshoe_size: 44\n").expect("a file can be written");
    let file = file.display().to_string();
    let mut without = Command::new(CLIENT);
    let without = without.args(["import", &file]).output().expect("it runs");
    assert_eq!(without.status.code(), Some(1));
    assert!(text(&without.stderr).contains("the directory to write to is needed"));

    let mut list = Command::new(CLIENT);
    let list = list
        .args(["list", "-o", "units"])
        .output()
        .expect("it runs");
    assert_eq!(list.status.code(), Some(1));
    assert!(text(&list.stderr).contains("-o units: there is no such format"));

    let units = place.path().join("units");
    let strict = import(&[&file, "--strict", "--report", "short"], &units);
    assert_eq!(strict.status.code(), Some(1));
    assert!(text(&strict.stdout).contains("a.yaml:2:1: error: shoe_size has no equivalent"));
    assert!(!units.exists());
    assert_eq!(import(&[&file], &units).status.code(), Some(0));
    let again = import(&[&file], &units);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("a.service is there already"));
}
