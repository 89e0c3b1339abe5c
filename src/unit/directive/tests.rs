//! The table as a whole, the checklist's rules for values, and directives one by one.

mod checklist;
mod defaults;
mod probes;
mod table;
mod values;

use super::*;
use crate::unit::config::*;
use crate::unit::diagnostic::Severity;
use crate::unit::name::UnitName;
use crate::unit::specifier::SystemFacts;
use crate::unit::syntax;
use crate::unit::value::{Signal, TimeSpan};

fn blank(name: &str) -> Draft {
    let name = UnitName::parse(name).unwrap();
    let body = match name.unit_type() {
        UnitType::Service => UnitBody::Service(Box::default()),
        UnitType::Socket => UnitBody::Socket(Box::default()),
        UnitType::Timer => UnitBody::Timer(Box::default()),
        UnitType::Path => UnitBody::Path(Box::default()),
        _ => UnitBody::Other,
    };
    let mut config = UnitConfig::not_found(name);
    config.load = LoadState::Loaded;
    config.load_error = None;
    config.body = body;
    Draft::new(config)
}

fn read(name: &str, text: &str) -> Draft {
    let mut draft = blank(name);
    let system = SystemFacts {
        runtime_directory: "/run".to_owned(),
        ..SystemFacts::default()
    };
    let document = syntax::parse(&"/u/a".into(), text.as_bytes());
    apply(&document, &mut draft, &system, true);
    draft
}

fn service(text: &str) -> Draft {
    read("a.service", &format!("[Service]\n{text}"))
}

fn config(draft: &Draft) -> &ServiceConfig {
    draft.config.service().unwrap()
}

fn messages(draft: &Draft) -> Vec<String> {
    let findings = draft.config.diagnostics.iter();
    findings.map(ToString::to_string).collect()
}
