//! The tour of the README, typed as it stands there: what comes out is what it says, but for numbers. And no
//! document leads to a file that is not there.

mod common;

use common::daemon::Place;
use common::skip::{has_program, is_root};
use common::{Missing, namespace, programs, skip, wait_until};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const MARK: &str = "--- the next command ---";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A command of the tour and what the README says comes out.
#[derive(Debug, Default, PartialEq)]
struct Step {
    command: String,
    output: String,
}

/// The steps of a chapter: indented lines, `$ ` before a command, `> ` before more of it.
fn steps(text: &str, chapter: &str) -> Vec<Step> {
    let begin = text.find(chapter).expect("there is a tour");
    let text = &text[begin + chapter.len()..];
    let text = &text[..text.find("\n## ").unwrap_or(text.len())];
    let mut steps: Vec<Step> = Vec::new();
    for line in text.lines() {
        let Some(line) = line.strip_prefix("    ") else {
            continue;
        };
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step {
                command: format!("{command}\n"),
                output: String::new(),
            });
        } else if let (Some(more), Some(step)) = (line.strip_prefix("> "), steps.last_mut()) {
            step.command.push_str(&format!("{more}\n"));
        } else if let Some(step) = steps.last_mut() {
            step.output.push_str(&format!("{line}\n"));
        }
    }
    steps
}

/// Numbers are all the same, and how wide a column is does not count.
fn normal(text: &str) -> Vec<String> {
    let line = |line: &str| {
        let mut out = String::new();
        for c in line.chars() {
            let c = if c.is_ascii_digit() { '0' } else { c };
            let again = ['0', ' '].contains(&c) && out.ends_with(c);
            if !again {
                out.push(c);
            }
        }
        out.trim_end().to_owned()
    };
    text.lines().map(line).filter(|it| !it.is_empty()).collect()
}

/// Types all of them into one shell; what each gave.
fn typed(steps: &[Step]) -> Vec<String> {
    let place = tempfile::tempdir().expect("a directory can be made");
    let mut script = String::from("exec 2>&1\n");
    for step in steps {
        script.push_str(&format!("{}echo '{MARK}'\n", step.command));
    }
    // Whatever went wrong, nobody stays.
    script.push_str("kill $(jobs -p) 2>/dev/null; wait\n");
    let directory = Path::new(programs::DAEMON)
        .parent()
        .expect("it has a directory");
    let output = Command::new("bash")
        .args(["--noprofile", "--norc", "-c", &script])
        .current_dir(place.path())
        .env_clear()
        .env(
            "PATH",
            format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", directory.display()),
        )
        .env("LC_ALL", "C.UTF-8")
        .env("HOME", place.path())
        .stdin(Stdio::null())
        .output()
        .expect("bash is there");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut parts: Vec<String> = text
        .split(&format!("{MARK}\n"))
        .map(str::to_owned)
        .collect();
    parts.pop();
    parts
}

#[test]
fn the_tour_is_what_happens() {
    if !is_root() {
        return skip(
            Missing::Privilege,
            "the tour has a container, which needs root",
        );
    }
    if !has_program("systemctl") {
        return skip(Missing::Package, "systemctl is of systemd");
    }
    namespace::private_network(|| {
        let text = fs::read_to_string(root().join("README.md")).expect("it is here");
        let steps = steps(&text, "\n## Five minutes\n");
        assert!(steps.len() >= 12, "{steps:#?}");
        let seen = typed(&steps);
        if std::env::var_os("DD_PM_SHOW_TOUR").is_some() {
            for (step, seen) in steps.iter().zip(&seen) {
                println!("$ {}{seen}", step.command);
            }
        }
        assert_eq!(seen.len(), steps.len(), "{seen:#?}");
        for (step, seen) in steps.iter().zip(&seen) {
            assert_eq!(
                normal(seen),
                normal(&step.output),
                "{}\n{seen}",
                step.command
            );
        }
    });
}

#[test]
fn the_reading_of_the_tour_can_fail() {
    let text = "\n## Tour\ntext\n\n    $ a <<END\n    > b\n    > END\n    out 12   x\n    $ c\n\n## More\n\n    $ d\n";
    let found = steps(text, "\n## Tour\n");
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].command, "a <<END\nb\nEND\n");
    assert_eq!(normal(&found[0].output), normal("out 7 x"));
    assert_ne!(normal("running 1"), normal("failed 1"));
}

/// The commands of a manual page's examples.
fn examples(page: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join("man").join(page)).expect("it is here");
    let lines = text.lines();
    lines
        .filter_map(|line| line.strip_prefix(".Dl $ "))
        .map(|line| line.replace("\\&", ""))
        .collect()
}

/// Types a command, in the place of a daemon or of none; exit status and all that came out.
fn type_one(command: &str, place: &Place) -> (Option<i32>, String) {
    let directory = Path::new(programs::DAEMON).parent();
    let directory = directory.expect("it has a directory").display();
    let output = Command::new("bash")
        .args(["--noprofile", "--norc", "-c"])
        .arg(format!("exec 2>&1\n{command}"))
        .current_dir(place.path())
        .env_clear()
        .env("PATH", format!("{directory}:/usr/sbin:/usr/bin:/sbin:/bin"))
        .env("LC_ALL", "C.UTF-8")
        .env("HOME", place.path())
        .env("XDG_RUNTIME_DIR", place.file("xdg"))
        .env("DD_PM_SOCKET", place.socket())
        .stdin(Stdio::null())
        .output();
    let output = output.expect("bash is there");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), text)
}

const TRACE: &str = "[Service]\nExecStart=/bin/sh -c 'echo here it is; exec sleep 1000'\n";

#[test]
fn the_examples_of_the_command_line_do_what_the_manual_says() {
    let place = Place::new();
    place.write_unit("trace.service", TRACE);
    fs::write(place.file("trace.service"), TRACE).expect("it can be written");
    let daemon = place.start();
    daemon.ok(&["start", "trace"]);
    wait_until("its line", || daemon.log().contains("here it is"));
    let pid = daemon.main_pid("trace.service").to_string();
    let expected = [
        ("list", vec!["trace.service", &pid, "running"]),
        (
            "status",
            vec!["Active: active (running)", &pid, "here it is"],
        ),
        ("show", vec!["\"MainPID\"", &pid, "\"NRestarts\""]),
        ("logs", vec!["here it is"]),
        ("verify", vec![]),
    ];
    let commands = examples("dd-procmgr.1");
    assert_eq!(commands.len(), expected.len(), "{commands:?}");
    for (command, (verb, parts)) in commands.iter().zip(expected) {
        assert!(command.contains(verb), "{command}");
        // It goes on until it is interrupted.
        let follows = command.ends_with(" -f");
        let typed = match follows {
            true => format!("timeout 3 {command}"),
            false => command.clone(),
        };
        let (status, text) = type_one(&typed, daemon.place());
        let wanted = if follows { 124 } else { 0 };
        assert_eq!(status, Some(wanted), "{command}: {text}");
        for part in parts {
            assert!(text.contains(part), "{command}: {part} is not in {text}");
        }
    }
}

#[test]
fn the_examples_of_the_daemon_do_what_the_manual_says() {
    if !is_root() {
        return skip(
            Missing::Privilege,
            "one has units in /usr, which is the machine's",
        );
    }
    namespace::private_network(|| {
        let place = Place::new();
        place.write_unit("trace.service", TRACE);
        let units = PathBuf::from("/opt/units");
        fs::create_dir(&units).expect("our /opt can be written");
        let job = "[Service]\nExecStart=/bin/sh -c 'exit 7'\n";
        fs::write(units.join("job.service"), job).expect("it can be written");
        let commands = examples("dd-procmgrd.8");
        let [check, ends, by_hand] = commands.as_slice() else {
            panic!("{commands:?}");
        };
        let (status, text) = type_one(check, &place);
        assert_eq!(
            (status, text.contains("in order")),
            (Some(0), true),
            "{text}"
        );
        let ends = ends.replace("/usr/lib/units", "/opt/units");
        let (status, text) = type_one(&ends, &place);
        assert_eq!(status, Some(7), "{text}");
        let ask = "exec 3<>/dev/tcp/127.0.0.1/5550; printf 'GET /healthz/ready HTTP/1.0\\r\\n\\r\\n' >&3; \
                   head -1 <&3";
        let typed = format!(
            "{by_hand} >/dev/null 2>&1 & for i in $(seq 100); do ({ask}) 2>/dev/null | grep 200 && break; \
             sleep 0.1; done; dd-procmgr is-active trace; kill $!; wait $!"
        );
        let (status, text) = type_one(&typed, &place);
        assert_eq!(status, Some(0), "{text}");
        assert!(
            text.contains(" 200 ") && text.contains("\nactive\n"),
            "{text}"
        );
    });
}

#[test]
fn clients_of_systemd_work_as_the_readme_says() {
    for program in ["systemctl", "busctl"] {
        if !has_program(program) {
            return skip(Missing::Package, "systemctl and busctl are of systemd");
        }
    }
    namespace::private(|| {
        let text = fs::read_to_string(root().join("README.md")).expect("it is here");
        let (_, chapter) = text
            .split_once("\n## With systemctl\n")
            .expect("there is such a chapter");
        let chapter = chapter.split("\n## ").next().unwrap_or_default();
        let commands: Vec<&str> = chapter
            .lines()
            .filter_map(|line| line.strip_prefix("    "))
            .collect();
        let [daemon, systemctl, busctl] = commands.as_slice() else {
            panic!("{commands:?}");
        };
        let daemon = daemon.split('#').next().unwrap_or_default();
        // The usual socket, which the others name, in a /run of our own.
        let place = Place::new().with_socket(Path::new("/run/datadog/process-manager.sock"));
        let typed = format!(
            "{daemon} >log 2>&1 & until dd-procmgr list >/dev/null 2>&1; do sleep 0.05; done; \
             systemctl is-active multi-user.target; {systemctl} && {busctl}; status=$?; kill %1; wait %1; exit $status"
        );
        let (status, text) = type_one(&format!("set -m; {typed}"), &place);
        assert_eq!(status, Some(0), "{text}");
        for part in [
            "active\n",
            "multi-user.target",
            "loaded units listed",
            "org.freedesktop.systemd1.Manager",
            ".ListUnits",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    });
}

/// Files that a document leads to and that are not there.
fn dead_links(document: &Path, text: &str) -> Vec<String> {
    let directory = document.parent().expect("it has a directory");
    let links = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'));
    links
        .map(|(target, _)| target.split('#').next().unwrap_or_default())
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .filter(|target| !directory.join(target).exists())
        .map(str::to_owned)
        .collect()
}

fn documents() -> Vec<PathBuf> {
    let patterns = [
        "*.md",
        "units/*.md",
        "compat/*.md",
        "packaging/*.md",
        "packaging/*/*.md",
    ];
    let found = patterns.iter().flat_map(|pattern| {
        let pattern = root().join(pattern).display().to_string();
        glob::glob(&pattern)
            .expect("it is a pattern")
            .filter_map(Result::ok)
    });
    found.collect()
}

#[test]
fn no_document_leads_nowhere() {
    let documents = documents();
    assert!(documents.len() >= 8, "{documents:?}");
    for document in documents {
        let text = fs::read_to_string(&document).expect("it can be read");
        let dead = dead_links(&document, &text);
        assert!(dead.is_empty(), "{}: {dead:?}", document.display());
    }
    let wrong = dead_links(
        &root().join("README.md"),
        "[a](no/such/file.md) [b](LICENSE)",
    );
    assert_eq!(wrong, ["no/such/file.md"], "it can fail");
}

/// Lines of code of a chapter that are not in the file named before them.
fn unfound(chapter: &str) -> Vec<String> {
    let mut missing = Vec::new();
    let mut text = String::new();
    for line in chapter.lines() {
        let code = line.strip_prefix("       ").map(str::trim);
        if let Some(code) = code.filter(|code| !code.is_empty()) {
            if !text.lines().any(|it| it.trim().starts_with(code)) {
                missing.push(code.to_owned());
            }
            continue;
        }
        let named = line
            .split('`')
            .find(|it| it.contains('/') && !it.contains(' '));
        if let Some(found) = named.and_then(|it| fs::read_to_string(root().join(it)).ok()) {
            text = found;
        }
    }
    missing
}

#[test]
fn how_to_add_something_is_how_it_was_done() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("it is here");
    let (_, chapter) = text
        .split_once("\n## How to add something\n")
        .expect("it is there");
    let chapter = chapter.split("\n## ").next().unwrap_or_default();
    assert!(chapter.matches("\n       ").count() >= 12);
    assert_eq!(unfound(chapter), [""; 0]);
    let wrong = chapter.replace("ignore_empty_connections: bool", "ignore: bool");
    assert_eq!(unfound(&wrong).len(), 1, "it can fail");
}
