//! `verify`: every kind of finding with its place and words, the formats, the exit statuses,
//! real unit files, and nothing that systemd's own tool finds and we do not.
//!
//! The findings of each directory below `tests/verify` stand in the file of the same name with
//! `.txt`; run with DD_PM_BLESS=1 to write them anew.

mod common;

use common::{Missing, Run, corpus, skip};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const CLIENT: &str = env!("CARGO_BIN_EXE_dd-procmgr");

/// The command line without anything of the machine's own in its unit path.
fn client(arguments: &[&str]) -> Command {
    let mut command = Command::new(CLIENT);
    command
        .args(arguments)
        .env("DD_PM_UNIT_PATH", "/no/such/unit/path")
        .env_remove("NO_COLOR")
        .env("TERM", "xterm")
        .stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Run {
    let output = client(arguments).output().expect("the program is built");
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verify")
}

fn case(name: &str) -> String {
    cases().join(name).display().to_string()
}

/// A directory with these files.
fn units(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory can be made");
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).expect("a file can be written");
    }
    directory
}

fn path(directory: &tempfile::TempDir) -> String {
    directory.path().display().to_string()
}

#[track_caller]
fn assert_as_written(name: &str) {
    let directory = case(name);
    let run = run(&["verify", &directory]);
    assert_eq!(run.stderr, "");
    let found = run.stdout.replace(&directory, "DIR");
    let file = cases().join(format!("{name}.txt"));
    if std::env::var_os("DD_PM_BLESS").is_some() {
        std::fs::write(&file, &found).expect("the file can be written");
    }
    let wanted = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(found, wanted, "\nfound:\n{found}");
}

#[test]
fn findings_about_the_language() {
    assert_as_written("language");
}

#[test]
fn findings_about_the_machine() {
    assert_as_written("machine");
}

#[test]
fn findings_about_dependencies() {
    assert_as_written("dependencies");
}

#[test]
fn findings_about_order() {
    assert_as_written("cycles");
}

#[test]
fn findings_in_drop_ins() {
    assert_as_written("drop-ins");
}

#[test]
fn a_setting_that_is_not_carried_out_is_named_with_the_reason() {
    let directory = units(&[(
        "a.service",
        "[Service]\nExecStart=/bin/true\nPAMName=login\n",
    )]);
    let run = run(&["verify", "-o", "short", &path(&directory)]);
    let place = format!(
        "{}/a.service:3:1: warning: PAMName= keeps",
        path(&directory)
    );
    assert!(run.stdout.starts_with(&place), "{run:?}");
    assert_eq!(run.code, 0, "what another build can do is no error");
}

#[test]
fn exit_statuses() {
    let good = "[Service]\nExecStart=/bin/true\n";
    let directory = units(&[
        ("good.service", good),
        (
            "warns.service",
            "[Service]\nExecStart=/bin/true\nFlying=yes\n",
        ),
        ("fails.service", "[Service]\nExecStart=relative/path\n"),
    ]);
    let file = |name: &str| format!("{}/{name}.service", path(&directory));
    for (name, strict, code) in [
        ("good", false, 0),
        ("good", true, 0),
        ("warns", false, 0),
        ("warns", true, 1),
        ("fails", false, 1),
        ("no-such", false, 1),
    ] {
        let file = file(name);
        let mut arguments = vec!["verify", &file];
        arguments.extend(strict.then_some("--strict"));
        let run = run(&arguments);
        assert_eq!(run.code, code, "{name} {strict}: {run:?}");
        assert_eq!(run.stdout.is_empty(), name == "good", "{run:?}");
    }
    let bad = run(&["list", "-o", "sarif"]);
    assert_eq!(bad.code, 1);
    assert!(bad.stderr.contains("verify only"), "{bad:?}");
}

#[test]
fn what_can_be_named() {
    let directory = units(&[
        (
            "a.service",
            "[Unit]\nWants=b.service\n[Service]\nExecStart=/bin/true\n",
        ),
        ("b.service", "[Service]\nExecStart=/bin/true\nFlying=yes\n"),
        (
            "c.service",
            "[Service]\nExecStart=/bin/true\nSwimming=yes\n",
        ),
    ]);
    let all = path(&directory);
    let short = |arguments: &[&str]| {
        let mut all = vec!["verify", "-o", "short"];
        all.extend(arguments);
        let run = run(&all);
        let keys = ["Flying", "Swimming", "no such unit"];
        let found = keys.into_iter().filter(|key| run.stdout.contains(key));
        found.collect::<Vec<_>>().join(" ")
    };
    // A file with what it names, once; a directory; a unit of the path; all of the path.
    assert_eq!(short(&[&format!("{all}/a.service")]), "Flying");
    assert_eq!(short(&[&all]), "Flying Swimming");
    assert_eq!(short(&["--unit-path", &all, "c"]), "Swimming");
    assert_eq!(short(&["--unit-path", &all]), "Flying Swimming");
    assert_eq!(short(&["--unit-path", &all, "d"]), "no such unit");
    let both = run(&["verify", "-o", "short", &format!("{all}/a.service"), &all]);
    assert_eq!(both.stdout.matches("Flying").count(), 1, "{both:?}");
    // Two files of the same name do not hide each other.
    let other = units(&[("c.service", "[Service]\nExecStart=/bin/true\nWalking=yes\n")]);
    let files = [
        format!("{all}/c.service"),
        format!("{}/c.service", path(&other)),
    ];
    let run = run(&["verify", "-o", "short", &files[0], &files[1]]);
    assert!(
        run.stdout.contains("Swimming") && run.stdout.contains("Walking"),
        "{run:?}"
    );
}

#[test]
fn a_drop_in_is_looked_at_with_its_unit() {
    let file = format!("{}/a.service.d/10-broken.conf", case("drop-ins"));
    let run = run(&["verify", "-o", "short", &file]);
    assert!(
        run.stdout
            .contains("10-broken.conf:2:9: warning: Restart=:"),
        "{run:?}"
    );
}

#[test]
fn a_bad_command_is_one_error() {
    let directory = units(&[("a.service", "[Service]\nExecStart=/bin/true \"open\n")]);
    let run = run(&["verify", "-o", "short", &path(&directory)]);
    assert_eq!(run.stdout.lines().count(), 1, "{run:?}");
}

#[test]
fn json_has_a_finding_each() {
    let run = run(&["verify", "-o", "json", &case("language")]);
    let findings: Vec<Value> = serde_json::from_str(&run.stdout).expect("it is an array");
    let misspelt = findings
        .iter()
        .find(|f| {
            f["line"] == 4
                && f["file"]
                    .as_str()
                    .is_some_and(|f| f.ends_with("/a.service"))
        })
        .expect("the fourth line is wrong");
    assert_eq!(misspelt["severity"], "warning");
    assert_eq!(misspelt["rule"], "unknown-directive");
    assert_eq!(
        (&misspelt["column"], &misspelt["end_column"]),
        (&1.into(), &5.into())
    );
    assert_eq!(misspelt["hint"], "did you mean After=?");
    assert_eq!(
        misspelt["message"],
        "unknown key Aftr= in section [Unit], ignored"
    );
    let text = self::run(&["verify", "-o", "short", &case("language")]);
    assert_eq!(findings.len(), text.stdout.lines().count());
}

/// What the schema of SARIF 2.1.0 asks of what we write: sections 3.13, 3.14, 3.18, 3.19, 3.27,
/// 3.28, 3.29, 3.30 and 3.49 of the standard.
#[test]
fn sarif_has_the_shape_of_its_schema() {
    let run = run(&["verify", "-o", "sarif", &case("language"), &case("cycles")]);
    let log: Value = serde_json::from_str(&run.stdout).expect("it is JSON");
    assert_eq!(log["version"], "2.1.0");
    assert!(
        log["$schema"]
            .as_str()
            .is_some_and(|s| s.ends_with("sarif-2.1.0.json"))
    );
    let runs = log["runs"].as_array().expect("runs are an array");
    assert_eq!(runs.len(), 1);
    let driver = &runs[0]["tool"]["driver"];
    assert_eq!(driver["name"], "dd-procmgr");
    let rules = driver["rules"].as_array().expect("rules are an array");
    let ids: Vec<&str> = rules.iter().filter_map(|r| r["id"].as_str()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), rules.len());
    assert!(
        rules
            .iter()
            .all(|r| r["shortDescription"]["text"].is_string())
    );
    assert_eq!(runs[0]["columnKind"], "unicodeCodePoints");
    let results = runs[0]["results"].as_array().expect("results are an array");
    assert!(results.len() > 10);
    for result in results {
        let index = result["ruleIndex"].as_u64().expect("a number") as usize;
        assert_eq!(result["ruleId"], ids[index]);
        assert!(["warning", "error"].contains(&result["level"].as_str().unwrap_or("")));
        assert!(
            result["message"]["text"]
                .as_str()
                .is_some_and(|t| !t.is_empty())
        );
        let locations = result["locations"].as_array().expect("an array");
        let place = &locations[0]["physicalLocation"];
        let uri = place["artifactLocation"]["uri"].as_str().unwrap_or("");
        assert!(uri.starts_with("file:///"), "{uri}");
        let region = &place["region"];
        let number = |name: &str| region[name].as_u64().unwrap_or(0);
        assert!(
            number("startLine") >= 1 && number("startColumn") >= 1,
            "{region}"
        );
        assert!(number("endColumn") >= number("startColumn"), "{region}");
    }
}

/// What the program prints to a terminal.
fn on_terminal(configure: impl FnOnce(&mut Command)) -> String {
    let pty = nix::pty::openpty(None, None).expect("a terminal can be had");
    let mut command = client(&["verify", &case("language")]);
    command.stdout(Stdio::from(pty.slave));
    configure(&mut command);
    let mut child = command.spawn().expect("the program is built");
    // The command holds our end of the slave, too.
    drop(command);
    let mut printed = Vec::new();
    // A terminal whose other end is gone is an I/O error, after all it had.
    let _ = std::fs::File::from(pty.master).read_to_end(&mut printed);
    child.wait().expect("it ends");
    String::from_utf8_lossy(&printed).into_owned()
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    let escape = "\u{1b}[";
    assert!(on_terminal(|_| {}).contains(escape));
    let plain = on_terminal(|command| {
        command.env("NO_COLOR", "1");
    });
    assert!(plain.contains("unknown key Aftr=") && !plain.contains(escape));
    assert!(!run(&["verify", &case("language")]).stdout.contains(escape));
}

#[test]
fn nothing_reaches_the_terminal_that_could_steer_it() {
    let directory = units(&[(
        "a.service",
        "[Service]\nExecStart=/bin/true\nA\u{1b}]0;x\u{7}=1\n",
    )]);
    for format in ["text", "short"] {
        let run = run(&["verify", "-o", format, &path(&directory)]);
        assert!(!run.stdout.contains(['\u{1b}', '\u{7}']), "{run:?}");
        assert!(run.stdout.contains("unknown key"), "{run:?}");
    }
}

#[test]
fn the_agents_own_units_have_no_errors() {
    let Some(debrpm) = corpus::debrpm() else {
        return;
    };
    // Some directories hold a part of the units that are installed together.
    let root = debrpm.parent().expect("it is below the corpus").to_owned();
    let more = debrpm.display().to_string();
    let mut checked = 0;
    for entry in std::fs::read_dir(root).expect("the corpus can be read") {
        let directory = entry.expect("an entry can be read").path();
        if !directory.is_dir() {
            continue;
        }
        let directory = directory.display().to_string();
        let run = run(&["verify", "-o", "short", "--unit-path", &more, &directory]);
        assert!(!run.stdout.contains(": error: "), "{}", run.stdout);
        assert_eq!(run.code, 0, "{directory}");
        checked += 1;
    }
    assert!(checked >= 4, "{checked}");
}

#[test]
fn systemds_own_units_are_checked_quickly() {
    let directory = "/usr/lib/systemd/system";
    if !Path::new(directory).is_dir() {
        skip(Missing::Data, "no units of systemd on this machine");
        return;
    }
    let start = Instant::now();
    let run = run(&["verify", "-o", "json", directory]);
    let took = start.elapsed();
    assert!([0, 1].contains(&run.code), "{}", run.stderr);
    let findings: Vec<Value> = serde_json::from_str(&run.stdout).expect("it is an array");
    // They are right: only what this machine or this build lacks may be said.
    let wrong: Vec<&Value> = findings
        .iter()
        .filter(|f| {
            let rule = f["rule"].as_str().unwrap_or("");
            [
                "syntax",
                "unknown-section",
                "unknown-directive",
                "misplaced-section",
            ]
            .contains(&rule)
                || ["misplaced-directive", "bad-value", "ordering-cycle"].contains(&rule)
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
}

/// Places, as `file:line`, and units that systemd's own tool complains about.
fn complaints(text: &str) -> Vec<String> {
    let place = |line: &str| {
        let (file, rest) = line.split_once(':')?;
        let number: u32 = rest.split(':').next()?.parse().ok()?;
        let file = file.rsplit('/').next()?;
        Some(format!("{file}:{number}:"))
    };
    text.lines().filter_map(place).collect()
}

#[test]
fn all_that_systemd_finds_is_found() {
    let Ok(version) = Command::new("systemd-analyze").arg("--version").output() else {
        skip(Missing::Package, "systemd-analyze");
        return;
    };
    assert!(version.status.success());
    let mut seen = 0;
    for (name, files) in [
        (
            "language",
            &[
                "a.service",
                "continued.service",
                "header.service",
                "bytes.service",
            ][..],
        ),
        ("drop-ins", &["a.service"]),
    ] {
        for file in files {
            let file = format!("{}/{file}", case(name));
            let theirs = Command::new("systemd-analyze")
                .args(["verify", "--man=no", &file])
                .env("SYSTEMD_LOG_TARGET", "console")
                .output()
                .expect("it was there a moment ago");
            let theirs = String::from_utf8_lossy(&theirs.stderr).into_owned();
            let ours = run(&["verify", "-o", "short", &file]).stdout;
            for place in complaints(&theirs) {
                assert!(
                    ours.contains(&place),
                    "{place}\ntheirs:\n{theirs}\nours:\n{ours}"
                );
                seen += 1;
            }
        }
    }
    assert!(seen >= 8, "{seen} places seen");
}

#[test]
fn what_systemd_refuses_is_an_error() {
    if Command::new("systemd-analyze")
        .arg("--version")
        .output()
        .is_err()
    {
        skip(Missing::Package, "systemd-analyze");
        return;
    }
    for (name, text) in [
        (
            "requires",
            "[Unit]\nRequires=missing.service\n[Service]\nExecStart=/bin/true\n",
        ),
        ("nothing", "[Unit]\nDescription=x\n[Service]\nType=simple\n"),
        (
            "twice",
            "[Service]\nExecStart=/bin/true\nExecStart=/bin/true\n",
        ),
        (
            "restart",
            "[Service]\nType=oneshot\nRestart=always\nExecStart=/bin/true\n",
        ),
        ("header", "[Service\nExecStart=/bin/true\n"),
        (
            "cycle",
            "[Unit]\nWants=b.service\nAfter=b.service\n[Service]\nExecStart=/bin/true\n",
        ),
    ] {
        let directory = units(&[
            ("a.service", text),
            (
                "b.service",
                "[Unit]\nRequires=a.service\nAfter=a.service\n[Service]\nExecStart=/bin/true\n",
            ),
        ]);
        let file = format!("{}/a.service", path(&directory));
        let theirs = Command::new("systemd-analyze")
            .args(["verify", "--man=no", &file])
            .output()
            .expect("it was there a moment ago");
        let said = String::from_utf8_lossy(&theirs.stderr);
        assert!(!said.is_empty(), "{name}: systemd has nothing against it");
        let ours = run(&["verify", "-o", "short", &file]);
        assert_eq!(ours.code, 1, "{name}: {ours:?}\ntheirs: {said}");
    }
}
