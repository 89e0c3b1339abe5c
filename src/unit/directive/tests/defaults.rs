//! A directive that is set to its own default changes nothing.

use super::*;

/// The default as one would write it; nothing where it is an absence that cannot be written.
fn written(row: &Row, value: &PropertyValue) -> Option<String> {
    let octal = row.name.ends_with("Mode") || row.name == "UMask";
    match (value, row.kind) {
        // Sets are shown as bits and written by names.
        (_, Kind::List) => None,
        (PropertyValue::Bool(value), _) => Some(if *value { "yes" } else { "no" }.to_owned()),
        (PropertyValue::U64(value), Kind::Span) => Some(TimeSpan(*value).to_string()),
        // No share and no quota of its own.
        (PropertyValue::U64(u64::MAX), Kind::Number) => None,
        (PropertyValue::U64(u64::MAX), _) if row.name == "CPUQuota" => None,
        (PropertyValue::U64(u64::MAX), _) => Some("infinity".to_owned()),
        (PropertyValue::U64(value), _) => Some(value.to_string()),
        (PropertyValue::U32(value), _) if octal => Some(format!("{value:04o}")),
        (PropertyValue::U32(value), _) => Some(value.to_string()),
        (PropertyValue::I32(-1), _) if row.name.ends_with("ActionExitStatus") => None,
        // A number that is written as a word.
        (PropertyValue::I32(0), Kind::Text) => None,
        (PropertyValue::I32(value), _) => Some(value.to_string()),
        (PropertyValue::I64(value), _) => Some(value.to_string()),
        (PropertyValue::String(text), _) => Some(text.clone()).filter(|text| !text.is_empty()),
        (
            PropertyValue::Bytes(_)
            | PropertyValue::Strings(_)
            | PropertyValue::Struct(_)
            | PropertyValue::Array(_),
            _,
        ) => None,
    }
}

/// Shown as numbers and written by names.
const BY_NAME: [&str; 5] = [
    "LogLevelMax",
    "MountFlags",
    "NUMAPolicy",
    "SecureBits",
    "SystemCallErrorNumber",
];

/// Whether the row's values are read at all for this unit: what is only recorded as set, by its
/// text, has no default to compare.
fn is_read(row: &Row, section: &str) -> bool {
    row.support == Support::Full
        && !BY_NAME.contains(&row.name)
        && (section != "Socket" || row.sections == ["Socket"])
}

#[test]
fn the_printed_default_is_accepted_and_changes_nothing() {
    let mut seen = 0;
    let mut wrong = Vec::new();
    for (unit, section) in [
        ("a.service", "Unit"),
        ("a.service", "Service"),
        ("a.socket", "Socket"),
    ] {
        let plain = blank(unit).config;
        for row in table().filter(|row| row.sections.contains(&section)) {
            let Some(property) = row.properties[0].filter(|_| is_read(row, section)) else {
                continue;
            };
            let value = (property.get)(&plain);
            let Some(text) = written(row, &value) else {
                continue;
            };
            seen += 1;
            let set = read(unit, &format!("[{section}]\n{}={text}\n", row.name));
            let fine = set.config.diagnostics.is_empty() && set.config.not_applied.is_empty();
            let now = (property.get)(&set.config);
            if !fine || now != value {
                wrong.push(format!("{}={text}: {now:?} {:?}", row.name, messages(&set)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 50, "{seen}");
}
