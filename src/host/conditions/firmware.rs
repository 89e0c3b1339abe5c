//! ConditionFirmware=: what started the machine (systemd.unit(5)).
//!
//! All places lie below a root that tests choose; a file that is not there is a condition that
//! does not hold.

use super::compare::{Operator, versions};
use glob::Pattern;
use std::fs;
use std::path::Path;

/// Whether the firmware is as the value says; `None` if the value is none of the known forms.
pub(super) fn is(value: &str, root: &Path) -> Option<bool> {
    match value {
        "uefi" => Some(root.join("sys/firmware/efi").exists()),
        "device-tree" => Some(root.join("sys/firmware/devicetree").exists()),
        _ => match call(value)? {
            ("device-tree-compatible", wanted) => Some(is_compatible(wanted, root)),
            ("smbios-field", comparison) => smbios(comparison, root),
            _ => None,
        },
    }
}

/// `name(argument)`.
fn call(value: &str) -> Option<(&str, &str)> {
    value.strip_suffix(')')?.split_once('(')
}

/// The list of what the device tree is compatible with, each ended by a NUL byte.
fn is_compatible(wanted: &str, root: &Path) -> bool {
    fs::read(root.join("proc/device-tree/compatible")).is_ok_and(|list| {
        let mut names = list.split(|byte| *byte == 0);
        names.any(|name| name == wanted.as_bytes())
    })
}

/// `FIELD OPERATOR VALUE`, the field one of /sys/class/dmi/id.
fn smbios(comparison: &str, root: &Path) -> Option<bool> {
    let end = comparison.find(|c: char| !(c.is_ascii_alphanumeric() || "_-".contains(c)))?;
    let (field, rest) = comparison.split_at(end);
    if field.is_empty() {
        return None;
    }
    let test = Test::parse(rest.trim_start())?;
    let file = root.join("sys/class/dmi/id").join(field);
    Some(fs::read_to_string(file).is_ok_and(|actual| test.holds(actual.trim_end_matches('\n'))))
}

/// What a field is compared with.
enum Test<'a> {
    /// `=`, `!=`: literally.
    Same(&'a str, bool),
    /// `$=`, `!$=`: as a pattern of the shell.
    Like(Pattern, bool),
    /// The others: as versions.
    Version(Operator, &'a str),
}

impl Test<'_> {
    fn parse(text: &str) -> Option<Test<'_>> {
        let value = |rest: &'_ str| rest.trim().len();
        for (spelling, wanted) in [("!$=", false), ("$=", true)] {
            if let Some(rest) = text.strip_prefix(spelling).filter(|rest| value(rest) > 0) {
                return Some(Test::Like(Pattern::new(unquoted(rest)).ok()?, wanted));
            }
        }
        let (operator, rest) = Operator::split(text);
        let rest = unquoted(rest);
        Some(match operator? {
            Operator::Equal if !text.starts_with("==") => Test::Same(rest, true),
            Operator::NotEqual if text.starts_with("!=") => Test::Same(rest, false),
            operator => Test::Version(operator, rest),
        })
    }

    fn holds(&self, actual: &str) -> bool {
        match self {
            Test::Same(value, wanted) => (actual == *value) == *wanted,
            Test::Like(pattern, wanted) => pattern.matches(actual) == *wanted,
            Test::Version(operator, value) => operator.holds(versions(actual, value)),
        }
    }
}

/// Without blanks around it and the quotes around what has blanks in it.
fn unquoted(text: &str) -> &str {
    let text = text.trim();
    let inner = text.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    inner.unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("sys/firmware/efi/systab", "");
        write("proc/device-tree/compatible", "acme,board\0acme,soc\0");
        write("sys/class/dmi/id/sys_vendor", "Acme Corp\n");
        write("sys/class/dmi/id/bios_version", "1.10\n");
        root
    }

    #[test]
    fn every_form() {
        let root = machine();
        for (value, wanted) in [
            ("uefi", Some(true)),
            ("device-tree", Some(false)),
            ("device-tree-compatible(acme,soc)", Some(true)),
            ("device-tree-compatible(acme)", Some(false)),
            ("smbios-field(sys_vendor = Acme Corp)", Some(true)),
            ("smbios-field(sys_vendor = \"Acme Corp\")", Some(true)),
            ("smbios-field(sys_vendor != Acme Corp)", Some(false)),
            ("smbios-field(sys_vendor $= Acme*)", Some(true)),
            ("smbios-field(sys_vendor !$= Acme*)", Some(false)),
            ("smbios-field(bios_version >= 1.9)", Some(true)),
            ("smbios-field(bios_version == 1.10)", Some(true)),
            ("smbios-field(bios_version <> 1.10)", Some(false)),
            ("smbios-field(no_such_field = x)", Some(false)),
            ("smbios-field(../../x = x)", None),
            ("smbios-field(sys_vendor)", None),
            ("bios", None),
            ("bios(x)", None),
        ] {
            assert_eq!(is(value, root.path()), wanted, "{value}");
        }
    }
}
