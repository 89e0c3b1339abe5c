//! The tour of the README, typed as it stands there: what comes out is what it says, but for numbers. And no
//! document leads to a file that is not there.

mod common;

use common::skip::{has_program, is_root};
use common::{Missing, namespace, programs, skip};
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
