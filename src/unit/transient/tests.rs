//! What clients send, as it is written and as it is read again.

use super::*;
use crate::unit::config::{CommandKind, LoadState};
use crate::unit::load::{MemorySource, Settings, load_closure};
use crate::unit::name::UnitName;
use PropertyValue::{Array, Bool, I32, String as Text, Strings, Struct, U32, U64};

fn text_of(properties: &[(&str, PropertyValue)]) -> String {
    let properties: Vec<(String, PropertyValue)> = properties
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    let list = assignments(UnitType::Service, &properties, When::Creation);
    text(&list.unwrap())
}

fn text_value(text: &str) -> PropertyValue {
    Text(text.to_owned())
}

fn words(words: &[&str]) -> PropertyValue {
    Strings(words.iter().map(|word| (*word).to_owned()).collect())
}

fn command(path: &str, argv: &[&str], ignore: bool) -> PropertyValue {
    Array(vec![Struct(vec![
        text_value(path),
        words(argv),
        Bool(ignore),
    ])])
}

#[test]
fn what_systemd_run_sends_is_a_unit_file() {
    let text = text_of(&[
        ("Description", text_value("/bin/sleep 100%")),
        ("Slice", text_value("system.slice")),
        ("Type", text_value("exec")),
        ("RemainAfterExit", Bool(true)),
        ("TimeoutStopUSec", U64(5_000_000)),
        ("UMask", U32(0o27)),
        ("Nice", I32(5)),
        ("LimitNOFILE", U64(100)),
        ("LimitNOFILESoft", U64(50)),
        ("LimitCORE", U64(u64::MAX)),
        ("Environment", words(&["A=1", "B=x y", "C=\"%h\""])),
        ("CPUQuotaPerSecUSec", U64(250_000)),
        ("MemoryMaxScale", U32(u32::MAX / 2)),
        ("MemoryHigh", U64(4096)),
        ("CPUWeight", U64(u64::MAX)),
        (
            "SuccessExitStatus",
            Struct(vec![Array(vec![I32(3)]), Array(vec![I32(10)])]),
        ),
        (
            "EnvironmentFiles",
            Array(vec![Struct(vec![text_value("/e"), Bool(true)])]),
        ),
        ("After", words(&["a.service", "b.service"])),
        (
            "ExecStart",
            command(
                "/bin/sh",
                &["/bin/sh", "-c", "echo \"$A\"; true", ";"],
                true,
            ),
        ),
    ]);
    assert_eq!(
        text,
        "[Unit]\nDescription=/bin/sleep 100%%\n\
         [Service]\nSlice=system.slice\nType=exec\nRemainAfterExit=yes\nTimeoutStopSec=5000000us\n\
         UMask=0027\nNice=5\nLimitNOFILE=50:100\nLimitCORE=infinity\n\
         Environment=A=1 \"B=x y\" \"C=\\\"%%h\\\"\"\nCPUQuota=25%\nMemoryMax=50%\nMemoryHigh=4096\n\
         CPUWeight=\nSuccessExitStatus=3 SIGUSR1\nEnvironmentFile=-/e\n\
         [Unit]\nAfter=a.service b.service\n\
         [Service]\nExecStart=-/bin/sh -c \"echo \\\"$A\\\"; true\" \\;\n"
    );
    let source = MemorySource::new().file("/t/x.service", &text);
    let settings = Settings {
        path: vec!["/t".to_owned()],
        ..Settings::default()
    };
    let name = UnitName::parse("x.service").unwrap();
    let units = load_closure(
        &[name.clone()].into(),
        &Default::default(),
        &settings,
        &source,
    );
    let unit = &units[&name];
    assert_eq!(unit.load, LoadState::Loaded);
    assert_eq!(unit.diagnostics, []);
    let service = unit.service().unwrap();
    let command = &service.commands.get(CommandKind::Start)[0];
    assert_eq!(command.argv, ["/bin/sh", "-c", "echo \"$A\"; true", ";"]);
    assert!(command.ignore_failure);
    let value = |name: &str| {
        let variables = service.exec.environment.iter();
        variables
            .clone()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.clone())
    };
    assert_eq!(value("C").as_deref(), Some("\"%h\""));
    assert_eq!(unit.unit.description, "/bin/sleep 100%");
}

#[test]
fn what_cannot_be_set_is_refused() {
    let set = |name: &str, value: PropertyValue, when| {
        let properties = [(name.to_owned(), value)];
        assignments(UnitType::Service, &properties, when)
    };
    let unknown = |name: &str| Err(Trouble::Unknown(name.to_owned()));
    assert_eq!(set("Novel", Bool(true), When::Creation), unknown("Novel"));
    // Only settings of resources can be changed while a unit runs.
    assert_eq!(
        set("Type", text_value("exec"), When::RunTime),
        unknown("Type")
    );
    assert!(set("MemoryMax", U64(1), When::RunTime).is_ok());
    assert!(set("WantedBy", words(&["x.target"]), When::Creation).is_err());
    for value in ["a\nExecStart=/bin/evil", "\u{7}"] {
        assert!(set("Description", text_value(value), When::Creation).is_err());
    }
    assert!(set("ExecStart", Array(vec![Bool(true)]), When::Creation).is_err());
    let evil = command("/bin/x", &["/bin/x", "a\nb"], false);
    let written = set("ExecStart", evil, When::Creation).unwrap();
    assert!(!text(&written).trim_end().contains("a\nb"), "{written:?}");
}

#[test]
fn assignments_are_taken_as_they_are_written() {
    let of = |text: &str, when| written(UnitType::Service, &[text.to_owned()], when);
    let list = of("MemoryMax=50%", When::RunTime).unwrap();
    assert_eq!(text(&list), "[Service]\nMemoryMax=50%\n");
    assert_eq!(
        of("After=a.service", When::Creation).unwrap()[0].section,
        "Unit"
    );
    assert!(of("Novel=1", When::Creation).is_err());
    assert!(of("Nice=1", When::RunTime).is_err());
    assert!(of("Nice", When::Creation).is_err());
    assert!(of("Nice=1\nType=exec", When::Creation).is_err());
    let words = ["/bin/sh", "-c", "echo $A; %h", ";"].map(str::to_owned);
    assert_eq!(command_line(&words), ":/bin/sh -c \"echo $A; %%h\" \\;");
}

#[test]
fn an_empty_list_starts_anew() {
    let list = text_of(&[
        ("Environment", words(&[])),
        ("ExecStart", Array(Vec::new())),
    ]);
    assert_eq!(list, "[Service]\nEnvironment=\nExecStart=\n");
}
