//! Checklist X1-X4, X9, X10 and U9.

use super::*;
use crate::unit::syntax;
use proptest::prelude::*;
use std::sync::Arc;

fn start() -> Position {
    Position {
        file: Arc::from("x.service"),
        line: 7,
        column: 11,
    }
}

/// `%n` is `unit name`, everything else behind `%` an error.
fn expand(word: &str) -> Result<String, ValueError> {
    let text = word.replace("%n", "unit name");
    match text.find('%') {
        Some(_) => Err(ValueError("unknown specifier".to_owned())),
        None => Ok(text),
    }
}

fn read(value: &str) -> Result<ParsedCommands, CommandError> {
    parse(value, &start(), &expand)
}

fn one(value: &str) -> Command {
    let mut commands = read(value).unwrap().commands;
    assert_eq!(commands.len(), 1, "{value}");
    commands.remove(0)
}

fn argv(value: &str) -> Vec<String> {
    one(value).argv
}

fn error(value: &str) -> (usize, bool) {
    let error = read(value).unwrap_err();
    (error.offset, error.ignorable)
}

#[test]
fn x1_quotes_and_escapes() {
    assert_eq!(
        argv(r#"/bin/x a"b c"d 'e  f' "" \x41\ts"#),
        ["/bin/x", "ab cd", "e  f", "", "A\ts"]
    );
    assert_eq!(argv(r#""/bin/x" a"#), ["/bin/x", "a"]);
    assert_eq!(argv("'-/bin/x'"), ["/bin/x"]);
}

#[test]
fn x2_unknown_escapes_are_kept_with_a_warning() {
    let parsed = read(r"/bin/x foo\ bar \$ONE").unwrap();
    assert_eq!(parsed.commands[0].argv, ["/bin/x", r"foo\ bar", r"\$ONE"]);
    let offsets: Vec<usize> = parsed.warnings.iter().map(|(at, _)| *at).collect();
    assert_eq!(offsets, [10, 16]);
    assert_eq!(parsed.warnings[1].1, "unknown escape \"\\$\" kept as it is");
}

#[test]
fn x3_semicolons() {
    let programs = |value: &str| -> Vec<String> {
        let commands = read(value).unwrap().commands;
        commands.into_iter().map(|c| c.argv.join(" ")).collect()
    };
    assert_eq!(programs("/bin/a x ; /bin/b ;"), ["/bin/a x", "/bin/b"]);
    assert_eq!(programs("; /bin/a ;; ; /bin/b"), ["/bin/a ;;", "/bin/b"]);
    assert_eq!(programs("/bin/a x; y ;z"), ["/bin/a x; y ;z"]);
    assert_eq!(programs(r"/bin/a \; b"), ["/bin/a ; b"]);
    assert_eq!(programs(r#"/bin/a ";" b"#), ["/bin/a ; b"]);
    assert_eq!(programs(r"/bin/a \\; b"), [r"/bin/a \; b"]);
    assert_eq!(programs(";"), [""; 0]);
    let parsed = read("/bin/a x ; -/bin/b").unwrap();
    assert_eq!(parsed.offsets, [0, 11]);
    assert!(!parsed.commands[0].ignore_failure);
    assert!(parsed.commands[1].ignore_failure);
}

#[test]
fn x4_specifiers_come_after_splitting() {
    assert_eq!(
        argv("/bin/x '%n' $A \"${B}\""),
        ["/bin/x", "unit name", "$A", "${B}"]
    );
    assert_eq!(one("/opt/%n/x").program, "/opt/unit name/x");
    assert_eq!(argv(r"/bin/x \x25n"), ["/bin/x", "unit name"]);
}

#[test]
fn x9_prefixes() {
    let command = one("-@:/bin/x name a");
    assert!(command.ignore_failure && command.no_expand);
    assert_eq!(command.program, "/bin/x");
    assert_eq!(command.argv, ["name", "a"]);
    for (value, privileges) in [
        ("/bin/x", Privileges::Normal),
        ("+/bin/x", Privileges::Full),
        ("!/bin/x", Privileges::NoUser),
        ("!!/bin/x", Privileges::Ambient),
        ("!-!/bin/x", Privileges::Ambient),
        (":+-/bin/x", Privileges::Full),
    ] {
        assert_eq!(one(value).privileges, privileges, "{value}");
    }
    // Each once: the second belongs to the path.
    for (value, ignorable) in [
        ("--/bin/x", true),
        ("@@/bin/x a", false),
        ("::/bin/x", false),
        ("+!/bin/x", false),
        ("!+/bin/x", false),
        ("!!!/bin/x", false),
        ("|/bin/x", false),
    ] {
        assert_eq!(error(value), (0, ignorable), "{value}");
    }
    assert_eq!(one("--x").program, "-x");
}

#[test]
fn x10_programs() {
    assert_eq!(one("sleep 5").program, "sleep");
    assert_eq!(one("sleep 5").argv, ["sleep", "5"]);
    // The path is made simple, argv[0] stays as it was written.
    let command = one("/bin//./x");
    assert_eq!(command.program, "/bin/x");
    assert_eq!(command.argv, ["/bin//./x"]);
    assert_eq!(one("$BIN").program, "$BIN");
}

#[test]
fn u9_errors_with_offsets() {
    for (value, offset) in [
        ("/bin/x 'a", 7),
        ("/bin/x a \"b c", 9),
        ("/bin/x a %Z", 9),
        ("/bin/%Z", 0),
        ("bin/x", 0),
        ("./x", 0),
        ("..", 0),
        ("/bin/", 0),
        ("/bin/a\\\\b", 0),
        ("/bin/a\\nb", 0),
        ("@/bin/x", 0),
        ("\"\" a", 0),
        ("+", 0),
        ("/bin/x ; bin/y", 9),
        (r"/bin/x a\xff", 8),
    ] {
        assert_eq!(error(value), (offset, false), "{value}");
    }
    for (value, offset) in [
        ("-/bin/x 'a", 8),
        ("-/bin/x %Z", 8),
        ("-", 0),
        ("-@/bin/x", 0),
    ] {
        assert_eq!(error(value), (offset, true), "{value}");
    }
    let long = format!("/{}", "x/".repeat(2048));
    assert_eq!(error(&format!("{long}x")), (0, false));
    assert_eq!(error(&"x".repeat(256)), (0, false));
    assert_eq!(one(&"x".repeat(255)).argv.len(), 1);
}

#[test]
fn u9_what_systemd_only_warns_about() {
    // An open quote in the first word drops the line without failing the unit.
    let parsed = read("\"/bin/x").unwrap();
    assert!(parsed.commands.is_empty());
    assert_eq!(parsed.warnings[0].0, 0);
    // An ignorable command behind `;` leaves the ones before it.
    let parsed = read("/bin/a ; -bin/x ; /bin/b").unwrap();
    assert_eq!(parsed.commands.len(), 1);
    assert_eq!(parsed.commands[0].program, "/bin/a");
    assert_eq!(parsed.warnings[0].0, 9);
    assert!(read("").unwrap().commands.is_empty());
}

#[test]
fn positions_of_commands_in_a_continued_value() {
    let text = "[Service]\nExecStart=/bin/a ; \\\n  -/bin/b \\\n  c ; /bin/d\n";
    let document = syntax::parse(&Arc::from("x.service"), text.as_bytes());
    let parsed = parse_assignment(&document.assignments[0], &expand).unwrap();
    let places: Vec<(u32, u32)> = parsed
        .commands
        .iter()
        .map(|c| (c.position.line, c.position.column))
        .collect();
    assert_eq!(places, [(2, 11), (3, 3), (4, 7)]);
    assert_eq!(read("/bin/a").unwrap().commands[0].position, start());
}

proptest! {
    #[test]
    fn any_value_is_answered(value in r#"[-@:+!/a ;%n'"\\\t]{0,40}|.*"#) {
        match read(&value) {
            Ok(parsed) => {
                prop_assert_eq!(parsed.commands.len(), parsed.offsets.len());
                prop_assert!(parsed.commands.iter().all(|c| !c.argv.is_empty()));
            }
            Err(error) => prop_assert!(value.is_char_boundary(error.offset)),
        }
    }
}
