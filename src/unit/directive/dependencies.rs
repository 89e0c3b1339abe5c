//! The directives of \[Unit\] that name other units. The engine shows them on D-Bus, together
//! with their inverses.

use super::UNIT;
use super::parse::{absolute, depend, words};
use super::read::{Reading, Trouble};
use super::row::{Kind, Parse, Row};
use crate::unit::config::DependencyKind;

const fn edge(name: &'static str, since: u16, parse: Parse, doc: &'static str) -> Row {
    Row::new(UNIT, name, since, Kind::Dependencies, parse, doc)
}

pub(super) static ROWS: &[Row] = &[
    edge(
        "Requires",
        33,
        |r, v| depend(r, v, DependencyKind::Requires),
        "Units that are started with this one; it does not start when one of them fails and \
         ordering says that it waits, and it stops when one of them is stopped.",
    )
    .also(&[("Unit", "RequiresOverridable")]),
    edge(
        "Requisite",
        33,
        |r, v| depend(r, v, DependencyKind::Requisite),
        "Units that must be active already when this one starts.",
    )
    .also(&[("Unit", "RequisiteOverridable")]),
    edge(
        "Wants",
        33,
        |r, v| depend(r, v, DependencyKind::Wants),
        "Units that are started with this one, whatever becomes of them.",
    ),
    edge(
        "BindsTo",
        187,
        |r, v| depend(r, v, DependencyKind::BindsTo),
        "As Requires=, and this unit also stops when one of them goes by itself.",
    )
    .also(&[("Unit", "BindTo")]),
    edge(
        "PartOf",
        188,
        |r, v| depend(r, v, DependencyKind::PartOf),
        "Units whose stop or restart on request takes this one along.",
    ),
    edge(
        "Upholds",
        249,
        |r, v| depend(r, v, DependencyKind::Upholds),
        "As Wants=, and they are started again whenever they are found down while this one \
         is up.",
    ),
    edge(
        "Conflicts",
        33,
        |r, v| depend(r, v, DependencyKind::Conflicts),
        "Units that cannot run beside this one: starting either stops the other.",
    ),
    edge(
        "Before",
        33,
        |r, v| depend(r, v, DependencyKind::Before),
        "Units that wait with their start until this one is up, and stop before it.",
    ),
    edge(
        "After",
        33,
        |r, v| depend(r, v, DependencyKind::After),
        "Units that this one waits for when both start, and outlives when both stop.",
    ),
    edge(
        "OnFailure",
        33,
        |r, v| depend(r, v, DependencyKind::OnFailure),
        "Units that are started when this one has failed for good.",
    ),
    edge(
        "OnSuccess",
        249,
        |r, v| depend(r, v, DependencyKind::OnSuccess),
        "Units that are started when this one has ended well.",
    ),
    edge(
        "PropagatesReloadTo",
        187,
        |r, v| depend(r, v, DependencyKind::PropagatesReloadTo),
        "Units that are reloaded when this one is.",
    )
    .also(&[("Unit", "PropagateReloadTo")]),
    edge(
        "ReloadPropagatedFrom",
        187,
        |r, v| depend(r, v, DependencyKind::ReloadPropagatedFrom),
        "Units whose reload also reloads this one.",
    )
    .also(&[("Unit", "PropagateReloadFrom")]),
    edge(
        "PropagatesStopTo",
        249,
        |r, v| depend(r, v, DependencyKind::PropagatesStopTo),
        "Units that are stopped when this one is.",
    ),
    edge(
        "StopPropagatedFrom",
        249,
        |r, v| depend(r, v, DependencyKind::StopPropagatedFrom),
        "Units whose stop also stops this one.",
    ),
    edge(
        "JoinsNamespaceOf",
        209,
        |r, v| depend(r, v, DependencyKind::JoinsNamespaceOf),
        "Units whose private /tmp, network and IPC this one shares, where both have them.",
    ),
    edge(
        "RequiresMountsFor",
        183,
        |r, v| mounts(r, v, DependencyKind::Requires),
        "Paths whose mount points this unit needs and waits for.",
    ),
    edge(
        "WantsMountsFor",
        256,
        |r, v| mounts(r, v, DependencyKind::Wants),
        "Paths whose mount points this unit would like to have and waits for.",
    ),
];

fn mounts(reading: &mut Reading<'_>, value: &str, kind: DependencyKind) -> Result<(), Trouble> {
    for (offset, word) in words(reading, value)? {
        match absolute(&word) {
            Ok(path) => reading.draft.mounts.push((kind, path)),
            Err(_) => reading.warn(
                offset,
                &format!("\"{word}\" is not an absolute path, ignored"),
            ),
        }
    }
    Ok(())
}
