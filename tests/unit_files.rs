//! Enabling and its kin beside the real systemctl: the same directories, the same request; the
//! links that result, the lines printed, the states and lists must be the same.

mod common;

use common::{Missing, skip};
use procmgr::host::{DiskSource, EditError, edit_unit_files};
use procmgr::unit::install::{PresetMode, Request, UnitFiles, Verb, links_of};
use procmgr::unit::load::Settings;
use procmgr::unit::name::UnitName;
use procmgr::unit::specifier::SystemFacts;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// systemd's own directories that the cases use, highest first.
const PATH: [&str; 5] = [
    "etc/systemd/system",
    "run/systemd/transient",
    "run/systemd/system",
    "run/systemd/generator",
    "usr/lib/systemd/system",
];

/// A file tree with systemd's directories.
struct Root(tempfile::TempDir);

/// What one side made of a request.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    lines: Vec<String>,
    success: bool,
    tree: BTreeMap<String, String>,
}

impl Root {
    /// Each line of `files` is `path: content` with `\n` as `|`, or `path -> target`.
    fn new(files: &str) -> Root {
        let root = Root(tempfile::tempdir().expect("a directory can be made"));
        for directory in PATH {
            fs::create_dir_all(root.at(directory)).expect("a directory can be made");
        }
        for line in files.lines().map(str::trim).filter(|l| !l.is_empty()) {
            if let Some((path, target)) = line.split_once(" -> ") {
                root.make_room(path);
                symlink(target, root.at(path)).expect("a link can be made");
            } else {
                let (path, text) = line.split_once(':').expect("a path and a text");
                root.make_room(path);
                let text = text.trim().replace('|', "\n");
                fs::write(root.at(path), text).expect("a file can be written");
            }
        }
        root
    }

    /// Our side reads absolute targets as they stand, systemctl below the root.
    fn with_targets_inside(self) -> Root {
        for (path, target) in links(self.0.path()) {
            if target.starts_with('/') && target != "/dev/null" {
                fs::remove_file(&path).expect("it is ours");
                let target = format!("{}{target}", self.0.path().display());
                symlink(target, &path).expect("a link can be made");
            }
        }
        self
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(full(path))
    }

    fn make_room(&self, path: &str) {
        let path = self.at(path);
        let directory = path.parent().expect("it has one");
        fs::create_dir_all(directory).expect("a directory can be made");
    }

    fn text(&self) -> String {
        self.0.path().display().to_string()
    }

    fn settings(&self) -> Settings {
        Settings {
            path: PATH
                .iter()
                .map(|directory| format!("{}/{directory}", self.text()))
                .collect(),
            system: SystemFacts {
                runtime_directory: format!("{}/run", self.text()),
                ..SystemFacts::default()
            },
            // No built-in units: systemctl knows none.
            default_dependencies: false,
            ..Settings::default()
        }
    }

    fn systemctl(&self, arguments: &[&str]) -> (Vec<String>, bool) {
        let (lines, _, success) = self.run(arguments);
        (lines, success)
    }

    /// The lines of both outputs, standard output alone, and whether it succeeded.
    fn run(&self, arguments: &[&str]) -> (Vec<String>, String, bool) {
        let output = Command::new("systemctl")
            .arg(format!("--root={}", self.text()))
            .arg("--no-pager")
            .args(arguments)
            .output()
            .expect("systemctl is there");
        let mut text = String::from_utf8_lossy(&output.stderr).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stdout));
        let lines = text.lines().map(|line| self.plain(line)).collect();
        let output_only = String::from_utf8_lossy(&output.stdout).into_owned();
        (lines, output_only, output.status.success())
    }

    /// Without the root, and without the advice for units that carry no [Install].
    fn plain(&self, line: &str) -> String {
        line.replace(&self.text(), "")
    }

    fn tree(&self) -> BTreeMap<String, String> {
        let mut found: BTreeMap<String, String> = links(self.0.path())
            .into_iter()
            .map(|(path, target)| (self.plain(&path.to_string_lossy()), self.plain(&target)))
            .collect();
        for directory in ["etc/systemd/system", "run/systemd/system"] {
            for entry in fs::read_dir(self.at(directory)).expect("it can be read") {
                let path = entry.expect("an entry").path();
                let kind = if path.is_symlink() { continue } else { "there" };
                found.insert(self.plain(&path.to_string_lossy()), kind.to_owned());
            }
        }
        found
    }
}

/// Short names for the directories.
fn full(path: &str) -> String {
    for (short, long) in [
        ("E/", PATH[0]),
        ("T/", PATH[1]),
        ("R/", PATH[2]),
        ("G/", PATH[3]),
        ("U/", PATH[4]),
    ] {
        if let Some(rest) = path.strip_prefix(short) {
            return format!("{long}/{rest}");
        }
    }
    path.trim_start_matches('/').to_owned()
}

fn links(directory: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("it can be read") {
        let path = entry.expect("an entry").path();
        if path.is_symlink() {
            let target = fs::read_link(&path).expect("a link");
            found.push((path, target.to_string_lossy().into_owned()));
        } else if path.is_dir() {
            found.extend(links(&path));
        }
    }
    found
}

/// From a systemctl command line to a request.
fn request(line: &str, root: &Root) -> Request {
    let mut words = line.split_whitespace();
    let verb = words.next().expect("a verb");
    let mut request = Request::new(Verb::Enable, &[]);
    let mut mode = PresetMode::Full;
    let mut names: Vec<String> = Vec::new();
    for word in words {
        match word {
            "--runtime" => request.runtime = true,
            "--force" => request.force = true,
            "--preset-mode=enable-only" => mode = PresetMode::EnableOnly,
            "--preset-mode=disable-only" => mode = PresetMode::DisableOnly,
            name if name.starts_with('/') => names.push(format!("{}{name}", root.text())),
            name => names.push(name.to_owned()),
        }
    }
    request.verb = match verb {
        "enable" => Verb::Enable,
        "disable" => Verb::Disable,
        "reenable" => Verb::Reenable,
        "mask" => Verb::Mask,
        "unmask" => Verb::Unmask,
        "link" => Verb::Link,
        "preset" => Verb::Preset(mode),
        "preset-all" => Verb::PresetAll(mode),
        "revert" => Verb::Revert,
        "add-wants" => Verb::AddWants(names.remove(0)),
        "add-requires" => Verb::AddRequires(names.remove(0)),
        "set-default" => Verb::SetDefault,
        other => panic!("no verb {other}"),
    };
    request.names = names;
    request
}

/// The words of "Failed to ..." for a verb.
fn attempt(verb: &str) -> &str {
    match verb {
        "add-wants" | "add-requires" => "add dependency on",
        "set-default" => "set default",
        other => other,
    }
}

fn ours(root: &Root, line: &str) -> (Vec<String>, bool) {
    let verb = line.split_whitespace().next().expect("a verb");
    let settings = root.settings();
    let (lines, success) = match edit_unit_files(&request(line, root), &settings) {
        Ok(plan) => (plan.changes.iter().map(ToString::to_string).collect(), true),
        Err(EditError::Refused(troubles)) => {
            let lines = troubles.iter().map(|t| t.line(attempt(verb))).collect();
            (lines, false)
        }
        Err(EditError::Failed(error)) => (vec![error.to_string()], false),
    };
    let lines: Vec<String> = lines;
    (lines.iter().map(|l| root.plain(l)).collect(), success)
}

/// Lines that say what was done, in the order of the file system where they are removals.
fn comparable(lines: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = lines
        .iter()
        .filter(|line| {
            ["Created", "Removed", "Unit ", "Failed"]
                .iter()
                .any(|start| line.starts_with(start))
        })
        .cloned()
        .collect();
    let is_removal = |line: &String| line.starts_with("Removed");
    let mut removals: Vec<String> = lines.iter().filter(|l| is_removal(l)).cloned().collect();
    removals.sort();
    let mut removals = removals.into_iter();
    for line in lines.iter_mut().filter(|line| is_removal(line)) {
        *line = removals.next().expect("as many as before");
    }
    lines
}

/// preset-all goes in the order of the file system, and complains of units that it passes over.
fn unordered(lines: &[String]) -> Vec<String> {
    let mut lines = lines.to_vec();
    lines.retain(|line| !line.starts_with("Failed"));
    lines.sort();
    lines
}

/// Plays the lines on both sides; every step must agree.
fn play(files: &str, lines: &[&str]) {
    let played = std::panic::catch_unwind(|| play_one(files, lines));
    if played.is_err() {
        FAILED.with(|failed| failed.borrow_mut().push(format!("{lines:?} in\n{files}")));
    }
}

thread_local! {
    static FAILED: std::cell::RefCell<Vec<String>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Fails the test if any case failed.
#[track_caller]
fn verdict() {
    let failed = FAILED.with(std::cell::RefCell::take);
    assert!(failed.is_empty(), "these differ:\n{}", failed.join("\n"));
}

#[track_caller]
fn play_one(files: &str, lines: &[&str]) {
    let (theirs, own) = (Root::new(files), Root::new(files).with_targets_inside());
    for line in lines {
        let arguments: Vec<&str> = line.split_whitespace().collect();
        let (their_lines, their_success) = theirs.systemctl(&arguments);
        let (own_lines, own_success) = ours(&own, line);
        let mut wanted = comparable(&their_lines);
        let (their_lines, own_lines) = if line.starts_with("preset-all") {
            (unordered(&their_lines), unordered(&own_lines))
        } else {
            (their_lines, own_lines)
        };
        let failed = wanted.iter().any(|line| line.starts_with("Failed"));
        if !their_success || (failed && !own_success) {
            // Where systemctl does a part and complains of the rest, we do nothing.
            wanted.retain(|line| line.starts_with("Failed"));
            assert_eq!(comparable(&own_lines), wanted, "{line}\nin\n{files}");
            assert!(!own_success, "{line}: systemctl failed: {their_lines:?}");
            return;
        }
        let outcome = |lines: &[String], success, root: &Root| Outcome {
            lines: comparable(lines),
            success,
            tree: root.tree(),
        };
        let their_lines = if line.starts_with("disable") {
            // It removes the links of a unit that is gone, and complains all the same.
            their_lines
                .into_iter()
                .filter(|l| !l.starts_with("Failed"))
                .collect()
        } else {
            their_lines
        };
        assert_eq!(
            outcome(&own_lines, own_success, &own),
            outcome(&their_lines, their_success, &theirs),
            "left ours, right systemctl's after {line} in\n{files}"
        );
        same_states(&own, &theirs, line);
    }
}

/// list-unit-files, and is-enabled of every name it lists.
#[track_caller]
fn same_states(own: &Root, theirs: &Root, after: &str) {
    let (_, text, _) = theirs.run(&["list-unit-files", "-o", "json"]);
    let wanted: serde_json::Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}"));
    let settings = own.settings();
    let disk = DiskSource;
    let files = UnitFiles::new(&settings, &disk);
    let rows: Vec<serde_json::Value> = files
        .list(&[], &[])
        .iter()
        .map(|file| {
            let preset = file.preset.map(|p| if p { "enabled" } else { "disabled" });
            serde_json::json!({
                "unit_file": file.name(), "state": file.state.as_str(), "preset": preset,
            })
        })
        .collect();
    assert_eq!(
        serde_json::Value::from(rows),
        wanted,
        "left ours, right systemctl's list after {after}"
    );
}

fn has_systemctl() -> bool {
    let version = Command::new("systemctl").arg("--version").output();
    let is_252 =
        version.is_ok_and(|out| String::from_utf8_lossy(&out.stdout).starts_with("systemd 252"));
    if !is_252 {
        skip(Missing::Package, "systemctl 252 is not installed");
    }
    is_252
}

#[path = "unit_files/cases.rs"]
mod cases;
