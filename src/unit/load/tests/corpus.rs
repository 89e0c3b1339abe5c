//! Real unit files: every one of the agent's loads without a complaint about its directives.

use super::*;
use std::path::{Path, PathBuf};

/// The corpus, where developers have it beside the sources.
fn corpus() -> Option<PathBuf> {
    let mut at = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    at.find_map(|directory| {
        let path = directory.join("shared/corpus/datadog");
        path.is_dir().then_some(path)
    })
}

/// All files below a directory.
fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn the_agents_own_units_load() {
    let Some(corpus) = corpus() else {
        println!("SKIP: the corpus of unit files is not here");
        return;
    };
    let mut paths = Vec::new();
    files(&corpus, &mut paths);
    let mut count = 0;
    for path in paths {
        let file = path.file_name().unwrap().to_str().unwrap();
        if UnitName::parse(file).is_err() {
            continue;
        }
        let content = std::fs::read(&path).unwrap();
        let source = MemorySource::new().file(&format!("/usr/u/{file}"), content);
        let units = load(&source, &[file], &settings());
        let unit = &units[file];
        let shown = path.display();
        assert_eq!(
            unit.load,
            LoadState::Loaded,
            "{shown}: {:?}",
            unit.load_error
        );
        assert!(
            unit.diagnostics.is_empty(),
            "{shown}: {}",
            unit.diagnostics[0]
        );
        count += 1;
    }
    assert!(count >= 40, "{count}");
}

#[test]
fn templates_of_the_agents_units_use_known_directives_only() {
    let Some(corpus) = corpus() else {
        println!("SKIP: the corpus of unit files is not here");
        return;
    };
    let mut paths = Vec::new();
    files(&corpus.join("templates"), &mut paths);
    files(&corpus.join("omnibus"), &mut paths);
    let mut count = 0;
    for path in paths {
        let mut section = String::new();
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            if let Some(name) = line.strip_prefix('[') {
                section = name.trim_end_matches(']').to_owned();
            }
            let key = line.split_once('=').map(|(key, _)| key);
            let Some(key) = key.filter(|k| k.chars().all(|c| c.is_ascii_alphanumeric())) else {
                continue;
            };
            let row = crate::unit::directive::find(&section, key);
            assert!(row.is_some(), "{}: [{section}] {key}", path.display());
            count += 1;
        }
    }
    assert!(count > 100);
}

#[test]
fn the_core_agent_as_it_is_installed() {
    let Some(corpus) = corpus() else {
        println!("SKIP: the corpus of unit files is not here");
        return;
    };
    let mut source = MemorySource::new().hold("sys-kernel-debug.mount");
    let mut paths = Vec::new();
    files(&corpus.join("sd-debrpm"), &mut paths);
    for path in paths {
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        source = source.file(&format!("/usr/u/{file}"), std::fs::read(&path).unwrap());
    }
    source = source.link(
        "/etc/u/multi-user.target.wants/datadog-agent.service",
        "/usr/u/datadog-agent.service",
    );
    let names = ["default.target", "datadog-agent-rshell-privileged.socket"];
    let units = load(&source, &names, &settings());
    let agent = units["datadog-agent.service"].service().unwrap();
    assert_eq!(agent.exec.user.as_deref(), Some("dd-agent"));
    let limits = &units["datadog-agent.service"].unit;
    assert_eq!(limits.start_limit_interval.as_micros(), 10_000_000);
    let trace = &units["datadog-agent-trace.service"];
    assert!(targets(trace, DependencyKind::BindsTo).contains(&"datadog-agent.service"));
    let probe = &units["datadog-agent-sysprobe.service"];
    assert!(targets(probe, DependencyKind::Requires).contains(&"sys-kernel-debug.mount"));
    assert_eq!(units["sys-kernel-debug.mount"].body, UnitBody::Fact);
    let shell = &units["datadog-agent-rshell-privileged.service"];
    assert_eq!(shell.not_applied, []);
    let exec = &shell.service().unwrap().exec;
    assert!(exec.isolation.private_network && exec.isolation.protect_control_groups);
    assert!(exec.filters.lock_personality && exec.filters.restrict_realtime);
    assert_eq!(exec.filters.families.as_ref().unwrap().families, [1]);
}
