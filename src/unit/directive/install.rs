//! \[Install\]: read by enable and its kin, without effect at run time (U12).

use super::INSTALL;
use super::parse::raw_words;
use super::read::Trouble;
use super::row::{Kind, Row};

/// Appends the words as written; specifiers are expanded when the unit is enabled.
fn append(list: &mut Vec<String>, value: &str) -> Result<(), Trouble> {
    if value.is_empty() {
        list.clear();
    }
    list.extend(raw_words(value)?.into_iter().map(|(_, word)| word));
    Ok(())
}

pub(super) static ROWS: &[Row] = &[
    Row::new(
        INSTALL,
        "Alias",
        33,
        Kind::List,
        |r, v| append(&mut r.draft.config.install.alias, v),
        "Other names that enabling gives the unit.",
    ),
    Row::new(
        INSTALL,
        "WantedBy",
        33,
        Kind::List,
        |r, v| append(&mut r.draft.config.install.wanted_by, v),
        "Units that want this one once it is enabled.",
    ),
    Row::new(
        INSTALL,
        "RequiredBy",
        183,
        Kind::List,
        |r, v| append(&mut r.draft.config.install.required_by, v),
        "Units that require this one once it is enabled.",
    ),
    Row::new(
        INSTALL,
        "UpheldBy",
        254,
        Kind::List,
        |r, v| append(&mut r.draft.config.install.upheld_by, v),
        "Units that uphold this one once it is enabled.",
    ),
    Row::new(
        INSTALL,
        "Also",
        33,
        Kind::List,
        |r, v| append(&mut r.draft.config.install.also, v),
        "Units that are enabled and disabled together with this one.",
    ),
    Row::new(
        INSTALL,
        "DefaultInstance",
        215,
        Kind::Text,
        |r, v| {
            let value = Some(v.to_owned()).filter(|text| !text.is_empty());
            r.draft.config.install.default_instance = value;
            Ok(())
        },
        "The instance that enabling a template without one means.",
    ),
];
