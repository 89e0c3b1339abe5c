//! systemd.exec(5): sandbox, security and credentials. A unit that asks for what is not built does
//! not start: a protection is applied or refused, never skipped.

use super::parse::text;
use super::read::{Reading, Trouble};
use super::row::{Kind, PropertyValue, Row, Support};
use super::shape;
use super::{EXEC, Parse};
use crate::unit::config::{Secret, UnitConfig};
use crate::unit::name::UnitType;
use crate::unit::words::unescape;

const SANDBOX: &str =
    "this part of the sandbox is not built yet, and a unit does not start without its own";
const FILTERS: &str = "filters in BPF are not built yet, and a unit does not start without its own";
const CREDENTIALS: &str =
    "encrypted credentials are not decrypted here, and a unit does not start without its own";
const LABELS: &str = "sessions are not opened here, and a unit does not start without its own";
const IMAGES: &str =
    "disk images and extensions are not mounted here, and a unit does not start without its own";

const fn switch(name: &'static str, since: u16, doc: &'static str) -> Row {
    let parse: Parse = |r, v| r.not_applied(v, SANDBOX, true);
    Row::new(EXEC, name, since, Kind::Boolean, parse, doc).support(Support::Planned(SANDBOX))
}

/// A switch that also takes words, which later versions add to.
const fn degree(
    name: &'static str,
    since: u16,
    words: &'static [&'static str],
    doc: &'static str,
) -> Row {
    let parse: Parse = |r, v| r.not_applied(v, SANDBOX, true);
    Row::new(EXEC, name, since, Kind::Choice(words), parse, doc).support(Support::Planned(SANDBOX))
}

const fn list(name: &'static str, since: u16, doc: &'static str) -> Row {
    let parse: Parse = |r, v| r.not_applied(v, SANDBOX, true);
    Row::new(EXEC, name, since, Kind::List, parse, doc).support(Support::Planned(SANDBOX))
}

const fn value(name: &'static str, since: u16, doc: &'static str) -> Row {
    let parse: Parse = |r, v| r.not_applied(v, SANDBOX, true);
    Row::new(EXEC, name, since, Kind::Text, parse, doc).support(Support::Planned(SANDBOX))
}

const fn filter(name: &'static str, since: u16, kind: Kind, doc: &'static str) -> Row {
    let parse: Parse = |r, v| r.not_applied(v, FILTERS, true);
    Row::new(EXEC, name, since, kind, parse, doc).support(Support::Planned(FILTERS))
}

const fn credential(name: &'static str, since: u16, doc: &'static str) -> Row {
    let parse: Parse = |r, v| r.not_applied(v, CREDENTIALS, true);
    Row::new(EXEC, name, since, Kind::List, parse, doc).support(Support::Planned(CREDENTIALS))
}

/// A credential whose value stands in the unit file: only its name is kept, it is a secret.
const fn inline_credential(name: &'static str, since: u16, doc: &'static str) -> Row {
    let parse: Parse = |r, v| {
        let name = v.split_once(':').map_or(v, |(name, _)| name);
        r.not_applied(name, CREDENTIALS, true)
    };
    Row::new(EXEC, name, since, Kind::List, parse, doc).support(Support::Planned(CREDENTIALS))
}

const fn label(name: &'static str, since: u16, doc: &'static str) -> Row {
    let parse: Parse = |r, v| r.not_applied(v, LABELS, true);
    Row::new(EXEC, name, since, Kind::Text, parse, doc).support(Support::Planned(LABELS))
}

const fn image(name: &'static str, since: u16, kind: Kind, doc: &'static str) -> Row {
    let parse: Parse = |r, v| r.not_applied(v, IMAGES, true);
    Row::new(EXEC, name, since, kind, parse, doc).support(Support::Planned(IMAGES))
}

/// `NAME:VALUE`, where the value may hold escapes of C. It is a secret: not kept to be shown.
fn set_credential(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    if value.is_empty() {
        reading.exec()?.credentials.set.clear();
        return Ok(());
    }
    let Some((name, secret)) = value.split_once(':') else {
        return Err(Trouble::ignored("a credential is written NAME:VALUE"));
    };
    let name = reading.expand(name)?;
    if !is_credential_name(&name) {
        return Err(Trouble::ignored("this is not the name of a credential"));
    }
    let secret = Secret(unescape(secret));
    reading.exec()?.credentials.set.insert(name, secret);
    Ok(())
}

/// A name that can be one of a file.
fn is_credential_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && name != "."
        && name != ".."
        && !name.contains(['/', ':'])
}

/// An empty list that forbids what it names: `(bas)`.
fn no_filter(_: &UnitConfig) -> PropertyValue {
    PropertyValue::Struct(vec![
        PropertyValue::Bool(false),
        PropertyValue::Strings(Vec::new()),
    ])
}

/// No label: `(bs)`.
fn no_label(_: &UnitConfig) -> PropertyValue {
    PropertyValue::Struct(vec![PropertyValue::Bool(false), text("")])
}

/// Services have a keyring of their own, other units the manager's.
fn keyring(config: &UnitConfig) -> PropertyValue {
    let service = config.name.unit_type() == UnitType::Service;
    text(if service { "private" } else { "shared" })
}

fn empty(_: &UnitConfig) -> PropertyValue {
    PropertyValue::Array(Vec::new())
}

pub(super) static ROWS: &[Row] = &[
    degree(
        "ProtectSystem",
        214,
        &["no", "yes", "full", "strict"],
        "How much of the operating system's files cannot be written.",
    )
    .show("ProtectSystem", "s", |_| text("no"))
    .kept(shape::degree)
    .carried_out(),
    degree(
        "ProtectHome",
        214,
        &["no", "yes", "read-only", "tmpfs"],
        "How far home directories are out of reach.",
    )
    .show("ProtectHome", "s", |_| text("no"))
    .kept(shape::degree)
    .carried_out(),
    degree(
        "PrivateTmp",
        33,
        &["no", "yes", "disconnected"],
        "Whether the unit has a /tmp and /var/tmp of its own.",
    )
    .off()
    .carried_out(),
    switch(
        "PrivateDevices",
        209,
        "Whether only harmless devices are there.",
    )
    .off()
    .carried_out(),
    switch(
        "PrivateNetwork",
        33,
        "Whether the unit has no network but a loopback of its own.",
    )
    .off()
    .carried_out(),
    degree(
        "PrivateUsers",
        232,
        &["no", "yes", "self", "identity", "full", "managed"],
        "Whether the unit has users of its own.",
    )
    .off()
    .carried_out(),
    switch(
        "PrivateMounts",
        239,
        "Whether mounts of the unit stay its own.",
    )
    .off()
    .carried_out(),
    switch(
        "PrivateIPC",
        248,
        "Whether the unit has IPC objects of its own.",
    )
    .off()
    .carried_out(),
    degree(
        "PrivatePIDs",
        257,
        &["no", "yes"],
        "Whether the unit sees only its own processes.",
    ),
    degree(
        "PrivateBPF",
        258,
        &["no", "yes"],
        "Whether the unit has a BPF file system of its own.",
    ),
    degree(
        "ProtectHostname",
        242,
        &["no", "yes", "private"],
        "Whether the host's name cannot be changed.",
    )
    .off()
    .carried_out(),
    switch("ProtectClock", 245, "Whether clocks cannot be set.")
        .off()
        .carried_out(),
    switch(
        "ProtectKernelTunables",
        232,
        "Whether kernel settings in /proc and /sys cannot be written.",
    )
    .off()
    .carried_out(),
    switch(
        "ProtectKernelModules",
        232,
        "Whether kernel modules cannot be loaded.",
    )
    .off()
    .carried_out(),
    switch(
        "ProtectKernelLogs",
        244,
        "Whether the kernel's log is out of reach.",
    )
    .off()
    .carried_out(),
    degree(
        "ProtectControlGroups",
        232,
        &["no", "yes", "private", "strict"],
        "Whether control groups cannot be written.",
    )
    .off()
    .carried_out(),
    degree(
        "ProtectProc",
        247,
        &["default", "noaccess", "invisible", "ptraceable"],
        "Which processes of others are seen in /proc.",
    )
    .neutral(&["default"])
    .show("ProtectProc", "s", |_| text("default"))
    .kept(shape::word)
    .carried_out(),
    degree(
        "ProcSubset",
        247,
        &["all", "pid"],
        "How much of /proc is there.",
    )
    .neutral(&["all"])
    .show("ProcSubset", "s", |_| text("all"))
    .kept(shape::word)
    .carried_out(),
    filter(
        "RestrictNamespaces",
        233,
        Kind::List,
        "Which kinds of namespace cannot be made.",
    )
    .unlimited("RestrictNamespaces", shape::namespaces)
    .carried_out(),
    degree(
        "DelegateNamespaces",
        258,
        &["no", "yes"],
        "Which namespaces belong to the unit's own users.",
    ),
    list(
        "ReadWritePaths",
        231,
        "Paths that can be written in spite of other settings.",
    )
    .also(&[
        ("Service", "ReadWriteDirectories"),
        ("Socket", "ReadWriteDirectories"),
        ("Mount", "ReadWriteDirectories"),
        ("Swap", "ReadWriteDirectories"),
    ])
    .no_list()
    .kept(shape::paths)
    .carried_out(),
    list("ReadOnlyPaths", 231, "Paths that cannot be written.")
        .also(&[
            ("Service", "ReadOnlyDirectories"),
            ("Socket", "ReadOnlyDirectories"),
            ("Mount", "ReadOnlyDirectories"),
            ("Swap", "ReadOnlyDirectories"),
        ])
        .no_list()
        .kept(shape::paths)
        .carried_out(),
    list("InaccessiblePaths", 231, "Paths that are out of reach.")
        .also(&[
            ("Service", "InaccessibleDirectories"),
            ("Socket", "InaccessibleDirectories"),
            ("Mount", "InaccessibleDirectories"),
            ("Swap", "InaccessibleDirectories"),
        ])
        .no_list()
        .kept(shape::paths)
        .carried_out(),
    list(
        "ExecPaths",
        248,
        "Paths from which programs can be executed in spite of NoExecPaths=.",
    )
    .no_list()
    .kept(shape::paths)
    .carried_out(),
    list(
        "NoExecPaths",
        248,
        "Paths from which nothing can be executed.",
    )
    .no_list()
    .kept(shape::paths)
    .carried_out(),
    list("BindPaths", 233, "Paths that are shown at other places.")
        .show("BindPaths", "a(ssbt)", empty)
        .kept(shape::binds)
        .carried_out(),
    list(
        "BindReadOnlyPaths",
        233,
        "Paths that are shown at other places and cannot be written there.",
    )
    .show("BindReadOnlyPaths", "a(ssbt)", empty)
    .kept(shape::binds)
    .carried_out(),
    list(
        "TemporaryFileSystem",
        238,
        "Paths that hold an empty file system of the unit's own.",
    )
    .show("TemporaryFileSystem", "a(ss)", empty)
    .kept(shape::temporary_file_systems)
    .carried_out(),
    value(
        "MountFlags",
        33,
        "Which way mounts travel between the unit and the rest.",
    )
    .neutral(&["shared"])
    .show("MountFlags", "t", |_| PropertyValue::U64(0))
    .kept(shape::mount_flags)
    .carried_out(),
    switch(
        "MountAPIVFS",
        233,
        "Whether /proc, /sys, /dev and /run are there in another root.",
    )
    .off()
    .carried_out(),
    value(
        "NetworkNamespacePath",
        242,
        "The network namespace that the unit runs in.",
    )
    .no_text()
    .kept(shape::path)
    .carried_out(),
    value(
        "IPCNamespacePath",
        248,
        "The IPC namespace that the unit runs in.",
    )
    .no_text()
    .kept(shape::path)
    .carried_out(),
    value(
        "UserNamespacePath",
        259,
        "The user namespace that the unit runs in.",
    ),
    filter(
        "SystemCallFilter",
        187,
        Kind::List,
        "The system calls that processes may make; with ~ may not make.",
    )
    .show("SystemCallFilter", "(bas)", no_filter)
    .kept(shape::system_calls)
    .carried_out(),
    filter(
        "SystemCallArchitectures",
        209,
        Kind::List,
        "The architectures whose system calls processes may make.",
    )
    .no_list()
    .kept(shape::architectures)
    .carried_out(),
    Row::new(
        EXEC,
        "SystemCallErrorNumber",
        209,
        Kind::Text,
        |r, v| r.applied(v),
        "The error that forbidden system calls give instead of a kill.",
    )
    .show("SystemCallErrorNumber", "i", |_| {
        PropertyValue::I32(i32::MAX - 1)
    })
    .kept(shape::call_error),
    Row::new(
        EXEC,
        "SystemCallLog",
        247,
        Kind::List,
        |r, v| r.applied(v),
        "The system calls that are written to the log.",
    )
    .show("SystemCallLog", "(bas)", no_filter)
    .kept(shape::system_calls),
    filter(
        "MemoryDenyWriteExecute",
        231,
        Kind::Boolean,
        "Whether memory cannot be both written and executed.",
    )
    .off()
    .carried_out(),
    filter(
        "RestrictRealtime",
        231,
        Kind::Boolean,
        "Whether real-time scheduling cannot be had.",
    )
    .off()
    .carried_out(),
    filter(
        "RestrictSUIDSGID",
        242,
        Kind::Boolean,
        "Whether files cannot be made set-user-ID or set-group-ID.",
    )
    .off()
    .carried_out(),
    filter(
        "RestrictAddressFamilies",
        211,
        Kind::List,
        "The address families that sockets may have; with ~ may not have.",
    )
    .show("RestrictAddressFamilies", "(bas)", no_filter)
    .kept(shape::address_families)
    .carried_out(),
    filter(
        "LockPersonality",
        235,
        Kind::Boolean,
        "Whether personality(2) cannot be changed.",
    )
    .off()
    .carried_out(),
    filter(
        "RestrictFileSystems",
        250,
        Kind::List,
        "The kinds of file system that can be opened; with ~ cannot.",
    )
    .show("RestrictFileSystems", "(bas)", no_filter)
    .kept(shape::name_filter),
    filter(
        "BPFDelegateCommands",
        258,
        Kind::Text,
        "The BPF commands that are handed to the unit.",
    ),
    filter(
        "BPFDelegateMaps",
        258,
        Kind::Text,
        "The kinds of BPF map that are handed to the unit.",
    ),
    filter(
        "BPFDelegatePrograms",
        258,
        Kind::Text,
        "The kinds of BPF program that are handed to the unit.",
    ),
    filter(
        "BPFDelegateAttachments",
        258,
        Kind::Text,
        "The BPF attachments that are handed to the unit.",
    ),
    Row::new(
        EXEC,
        "LoadCredential",
        247,
        Kind::List,
        |r, v| r.applied(v),
        "Files that the unit gets as credentials.",
    )
    .show("LoadCredential", "a(ss)", empty)
    .kept(shape::pairs),
    credential(
        "LoadCredentialEncrypted",
        250,
        "Encrypted files that the unit gets as credentials.",
    )
    .show("LoadCredentialEncrypted", "a(ss)", empty)
    .kept(shape::pairs),
    Row::new(
        EXEC,
        "SetCredential",
        247,
        Kind::List,
        set_credential,
        "Credentials that stand in the unit file.",
    )
    .show("SetCredential", "a(say)", empty),
    inline_credential(
        "SetCredentialEncrypted",
        250,
        "Encrypted credentials that stand in the unit file.",
    )
    .show("SetCredentialEncrypted", "a(say)", empty),
    Row::new(
        EXEC,
        "ImportCredential",
        254,
        Kind::List,
        |r, v| {
            let patterns = super::parse::words(r, v)?;
            let list = &mut r.exec()?.credentials.import;
            if v.is_empty() {
                list.clear();
            }
            list.extend(patterns.into_iter().map(|(_, pattern)| pattern));
            Ok(())
        },
        "Credentials of the machine and the manager that the unit gets.",
    ),
    Row::new(
        EXEC,
        "DynamicUser",
        232,
        Kind::Boolean,
        |r, v| r.applied(v),
        "Whether the unit's user exists only while it runs.",
    )
    .off(),
    label(
        "PAMName",
        33,
        "The PAM service that a session of the user is opened with.",
    )
    .no_text(),
    label(
        "SecureBits",
        33,
        "Which special treatment of root is switched off.",
    )
    .show("SecureBits", "i", |_| PropertyValue::I32(0))
    .kept(shape::secure_bits)
    .carried_out(),
    Row::new(
        EXEC,
        "KeyringMode",
        235,
        Kind::Choice(&["inherit", "private", "shared"]),
        |r, v| r.applied(v),
        "Whose kernel keyring processes have.",
    )
    .show("KeyringMode", "s", keyring)
    .kept(shape::word),
    label("SELinuxContext", 209, "The SELinux context of processes.")
        .show("SELinuxContext", "(bs)", no_label)
        .kept(shape::security_label)
        .carried_out(),
    label("AppArmorProfile", 210, "The AppArmor profile of processes.")
        .show("AppArmorProfile", "(bs)", no_label)
        .kept(shape::security_label)
        .carried_out(),
    label("SmackProcessLabel", 218, "The SMACK label of processes.")
        .show("SmackProcessLabel", "(bs)", no_label)
        .kept(shape::security_label)
        .carried_out(),
    image(
        "RootDirectory",
        33,
        Kind::Text,
        "The directory that is the root for processes.",
    )
    .neutral(&["/"])
    .no_text()
    .kept(shape::path)
    .carried_out(),
    image(
        "RootImage",
        233,
        Kind::Text,
        "The disk image that is the root for processes.",
    )
    .no_text(),
    image(
        "RootImageOptions",
        247,
        Kind::List,
        "How RootImage= is mounted.",
    )
    .show("RootImageOptions", "a(ss)", empty),
    image(
        "RootImagePolicy",
        254,
        Kind::Text,
        "Which protections RootImage= must have.",
    ),
    image(
        "RootHash",
        246,
        Kind::Text,
        "The hash that RootImage= is checked by.",
    ),
    image(
        "RootHashSignature",
        246,
        Kind::Text,
        "The signature of RootHash=.",
    ),
    image(
        "RootVerity",
        246,
        Kind::Text,
        "The file that RootImage= is checked by.",
    )
    .no_text(),
    image(
        "RootEphemeral",
        254,
        Kind::Boolean,
        "Whether changes of the root are thrown away.",
    ),
    image(
        "ExtensionDirectories",
        251,
        Kind::List,
        "Directories that are laid over the operating system's.",
    )
    .no_list()
    .kept(shape::paths),
    image(
        "ExtensionImages",
        248,
        Kind::List,
        "Disk images that are laid over the operating system's files.",
    )
    .show("ExtensionImages", "a(sba(ss))", empty),
    image(
        "ExtensionImagePolicy",
        254,
        Kind::Text,
        "Which protections ExtensionImages= must have.",
    ),
    image(
        "MountImages",
        247,
        Kind::List,
        "Disk images that are mounted for the unit.",
    )
    .show("MountImages", "a(ssba(ss))", empty),
    image(
        "MountImagePolicy",
        254,
        Kind::Text,
        "Which protections MountImages= must have.",
    ),
];
