//! \[Service\]: what is known but still to come.

use super::parse::{Choice, absolute, boolean, descriptor_name, service, string, unsigned};
use super::read::{Reading, Trouble};
use super::row::{Kind, PropertyValue, Row, Support};
use super::unit::dropped;
use super::{Parse, SERVICE};
use crate::unit::config::{OpenFile, PreserveMode};

const USB: &str = "USB functions are not served";
const RELOAD: &str = "not built yet; a reload goes without it";
const ROOT: &str = "other root directories are not built yet";

const fn later(name: &'static str, since: u16, kind: Kind, parse: Parse, doc: &'static str) -> Row {
    Row::new(SERVICE, name, since, kind, parse, doc)
}

const PRESERVE: Choice<PreserveMode> = Choice {
    words: &["no", "restart", "yes"],
    values: &[PreserveMode::No, PreserveMode::Restart, PreserveMode::Yes],
};

/// OpenFile=: `PATH[:NAME[:OPTION,OPTION...]]`, one a line.
fn open_file(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    let Some(value) = string(reading, value)? else {
        reading.service()?.open_files.clear();
        return Ok(());
    };
    let mut parts = value.splitn(3, ':');
    let path = absolute(parts.next().unwrap_or_default())?;
    let name = match parts.next().filter(|name| !name.is_empty()) {
        Some(name) => descriptor_name(name)?,
        None => descriptor_name(path.rsplit('/').next().unwrap_or_default())?,
    };
    let mut file = OpenFile {
        path,
        name,
        read_only: false,
        append: false,
        truncate: false,
        graceful: false,
    };
    for word in parts.next().unwrap_or_default().split(',') {
        match word {
            "" => {}
            "read-only" => file.read_only = true,
            "append" => file.append = true,
            "truncate" => file.truncate = true,
            "graceful" => file.graceful = true,
            _ => {
                let known = "read-only, append, truncate, graceful";
                return Err(Trouble::ignored(format!("\"{word}\" is none of {known}")));
            }
        }
    }
    let ways = [file.read_only, file.append, file.truncate];
    if ways.iter().filter(|way| **way).count() > 1 {
        return Err(Trouble::ignored(
            "only one of read-only, append and truncate is possible",
        ));
    }
    reading.service()?.open_files.push(file);
    Ok(())
}

pub(super) static ROWS: &[Row] = &[
    later(
        "RootDirectoryStartOnly",
        33,
        Kind::Boolean,
        |r, v| r.not_applied(v, ROOT, false),
        "Whether RootDirectory= is for ExecStart= alone.",
    )
    .support(Support::Planned(ROOT))
    .off(),
    later(
        "NonBlocking",
        33,
        Kind::Boolean,
        |r, v| {
            r.service()?.non_blocking = boolean(v)?;
            Ok(())
        },
        "Whether passed sockets are set not to block.",
    )
    .show("NonBlocking", "b", |c| {
        PropertyValue::Bool(service(c).non_blocking)
    }),
    later(
        "FileDescriptorStoreMax",
        219,
        Kind::Number,
        |r, v| {
            r.service()?.descriptor_store_max = unsigned(v)?;
            Ok(())
        },
        "How many file descriptors the manager keeps for the service.",
    )
    .show("FileDescriptorStoreMax", "u", |c| {
        PropertyValue::U32(service(c).descriptor_store_max)
    }),
    later(
        "FileDescriptorStorePreserve",
        254,
        Kind::Choice(&["no", "restart", "yes"]),
        |r, v| {
            r.service()?.descriptor_store_preserve = PRESERVE.read(v)?;
            Ok(())
        },
        "How long stored file descriptors are kept.",
    ),
    later(
        "OpenFile",
        253,
        Kind::List,
        open_file,
        "Files that are opened before privileges drop and handed to the service.",
    ),
    later(
        "ExecReloadPost",
        259,
        Kind::Commands,
        |r, v| r.not_applied(v, RELOAD, false),
        "Commands that run when the service has reloaded.",
    )
    .support(Support::Planned(RELOAD)),
    later(
        "RefreshOnReload",
        260,
        Kind::Text,
        |r, v| r.not_applied(v, RELOAD, false),
        "What a reload brings up to date besides the service itself.",
    )
    .neutral(&["no"])
    .support(Support::Planned(RELOAD)),
    later(
        "USBFunctionDescriptors",
        227,
        Kind::Text,
        |r, v| r.not_applied(v, USB, false),
        "The file with the descriptors of a USB function.",
    )
    .support(Support::Accepted(USB))
    .no_text(),
    later(
        "USBFunctionStrings",
        227,
        Kind::Text,
        |r, v| r.not_applied(v, USB, false),
        "The file with the strings of a USB function.",
    )
    .support(Support::Accepted(USB))
    .no_text(),
    dropped(SERVICE, "SysVStartPriority", 218),
    dropped(SERVICE, "BusPolicy", 221),
];
