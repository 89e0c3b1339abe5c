//! The manual pages name every command and option that the programs have, and no other.

mod common;

use common::skip::has_program;
use common::{Missing, skip};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

const DAEMON: &str = env!("CARGO_BIN_EXE_dd-procmgrd");
const CLIENT: &str = env!("CARGO_BIN_EXE_dd-procmgr");

fn help(program: &str, command: Option<&str>) -> String {
    let output = Command::new(program)
        .args(command)
        .arg("--help")
        .output()
        .expect("the program is built");
    assert!(output.status.success(), "{program} {command:?} --help");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("man").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `--long` options that clap's help describes: first word, or second behind a short one.
fn options_of_help(help: &str) -> BTreeSet<String> {
    help.lines()
        .map(str::trim_start)
        .filter(|line| line.starts_with('-'))
        .filter_map(|line| {
            let word = line
                .split_whitespace()
                .find(|word| word.starts_with("--"))?;
            let name: String = word
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
                .collect();
            Some(name)
        })
        .collect()
}

/// Commands that clap's help lists.
fn commands_of_help(help: &str) -> BTreeSet<String> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        // A wrapped description is indented further.
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

/// What the items of a page's lists name with this mdoc macro.
fn items(page: &str, r#macro: &str) -> BTreeSet<String> {
    page.lines()
        .filter_map(|line| line.strip_prefix(".It "))
        .flat_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words
                .windows(2)
                .filter(|pair| pair[0] == r#macro)
                .map(|pair| pair[1].to_owned())
                .collect::<Vec<_>>()
        })
        .collect()
}

/// `Fl -long` is how mdoc writes `--long`.
fn options_of_page(page: &str) -> BTreeSet<String> {
    items(page, "Fl")
        .into_iter()
        .filter(|name| name.starts_with('-'))
        .map(|name| format!("-{name}"))
        .collect()
}

#[test]
fn the_page_of_the_command_line_is_complete() {
    let page = page("dd-procmgr.1");
    let main = help(CLIENT, None);
    let commands = commands_of_help(&main);
    assert!(commands.contains("list"), "no commands in\n{main}");
    assert_eq!(items(&page, "Cm"), commands, "commands of page and help");
    let mut options = options_of_help(&main);
    for command in &commands {
        options.extend(options_of_help(&help(CLIENT, Some(command))));
    }
    assert_eq!(options_of_page(&page), options, "options of page and help");
}

#[test]
fn the_page_of_the_daemon_is_complete() {
    let options = options_of_help(&help(DAEMON, None));
    assert!(options.contains("--socket"), "{options:?}");
    assert_eq!(options_of_page(&page("dd-procmgrd.8")), options);
}

#[test]
fn the_reading_can_fail() {
    let help = "Commands:\n  list  List\n          more of it\n  stop  Stop\n\nOptions:\n  \
                -o, --output <FORMAT>  How\n      --socket <PATH>    Where\n";
    let expected = |names: &[&str]| {
        names
            .iter()
            .map(|n| (*n).to_owned())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(commands_of_help(help), expected(&["list", "stop"]));
    assert_eq!(options_of_help(help), expected(&["--output", "--socket"]));
    let page = ".It Cm list Oo Fl -all Oc\n.It Fl o , Fl -output Ar FORMAT\ntext Fl -no\n";
    assert_eq!(items(page, "Cm"), expected(&["list"]));
    assert_eq!(options_of_page(page), expected(&["--all", "--output"]));
}

/// mandoc has nothing to say about any page; it would about a wrong one.
#[test]
fn every_page_is_well_formed() {
    if !has_program("mandoc") {
        return skip(Missing::Package, "mandoc is of mandoc");
    }
    let lint = |path: &Path| {
        let output = Command::new("mandoc")
            .args(["-T", "lint", "-W", "warning"])
            .arg(path)
            .output()
            .expect("it is there");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let pages = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("man"));
    let pages: Vec<_> = pages
        .expect("they are here")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    assert_eq!(pages.len(), 5, "{pages:?}");
    for path in pages {
        assert_eq!(lint(&path), "", "{}", path.display());
    }
    let place = tempfile::tempdir().expect("a directory can be made");
    let wrong = place.path().join("wrong.1");
    std::fs::write(&wrong, ".Dd now\n.Sh NAME\n.Bl\n").expect("it can be written");
    assert_ne!(lint(&wrong), "");
}
