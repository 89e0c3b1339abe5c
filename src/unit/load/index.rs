//! What the load path holds, listed once: which file a name stands for (L1), which names are
//! aliases (L7), masked (L6) or linked from elsewhere (L9), and where drop-in and dependency
//! directories are.

use super::{EntryKind, Source};
use crate::unit::diagnostic::{Diagnostic, Position, Rule, Severity};
use crate::unit::name::{UnitName, UnitType};
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// Longest chain of alias links; longer ones run in a circle.
const LONGEST_CHAIN: usize = 16;

/// Directories beside unit files, by the end of their name: drop-ins, and links of three kinds.
const DIRECTORIES: [&str; 4] = [".d", ".wants", ".requires", ".upholds"];

/// Paths of directories, for each of these ends.
pub(super) type Places<T> = [Vec<T>; DIRECTORIES.len()];

/// What a name in the load path stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// A file at this path.
    File(String),
    /// Nothing, on purpose: the path is a link to /dev/null.
    Masked(String),
    /// Another name.
    Alias(UnitName),
}

/// The load path.
#[derive(Debug, Default)]
pub(super) struct Index {
    files: BTreeMap<UnitName, Found>,
    /// Paths of drop-in and link directories by what they are beside (`a.service`), in search
    /// order.
    directories: BTreeMap<String, Places<String>>,
    /// The alias links that lead to a name.
    aliases: BTreeMap<UnitName, BTreeSet<UnitName>>,
    /// What names of mount units stand for.
    mounts: Vec<(UnitName, Found)>,
    /// Directories of the load path that could not be read.
    unreadable: Vec<Diagnostic>,
}

impl Index {
    /// Lists the directories, highest priority first. One that cannot be read counts
    /// as empty and is remembered.
    pub(super) fn scan(path: &[String], source: &dyn Source) -> Index {
        let path: Vec<String> = path.iter().map(|directory| normal(directory)).collect();
        let mut index = Index::default();
        for directory in &path {
            let entries = source.list(directory).unwrap_or_else(|error| {
                index.unreadable.push(unreadable(directory, &error));
                Vec::new()
            });
            for entry in entries {
                index.add(&path, directory, &entry.name, &entry.kind);
            }
        }
        index.aliases = index.reverse();
        let files = index.files.iter();
        let mounts = files.filter(|(name, _)| name.unit_type() == UnitType::Mount);
        index.mounts = mounts
            .map(|(name, found)| (name.clone(), found.clone()))
            .collect();
        index
    }

    /// A warning for each directory that could not be read.
    pub(super) fn unreadable(&self) -> &[Diagnostic] {
        &self.unreadable
    }

    /// Makes one name an alias of another unless the load path has it already.
    pub(super) fn add_alias(&mut self, alias: UnitName, target: UnitName) {
        self.files.entry(alias).or_insert(Found::Alias(target));
        self.aliases = self.reverse();
    }

    fn add(&mut self, path: &[String], directory: &str, name: &str, kind: &EntryKind) {
        let full = format!("{directory}/{name}");
        let ends = DIRECTORIES.iter().enumerate();
        let mut beside = ends.filter_map(|(at, end)| Some((at, name.strip_suffix(end)?)));
        if let Some((at, stem)) = beside.next() {
            match kind {
                EntryKind::Directory | EntryKind::Link(_) => {
                    self.directories.entry(stem.to_owned()).or_default()[at].push(full);
                }
                EntryKind::File | EntryKind::Other => {}
            }
            return;
        }
        let Ok(name) = UnitName::parse(name) else {
            return;
        };
        let found = match kind {
            EntryKind::File => Some(Found::File(full)),
            EntryKind::Link(target) => link(path, directory, &name, target),
            EntryKind::Directory | EntryKind::Other => None,
        };
        if let Some(found) = found {
            self.files.entry(name).or_insert(found);
        }
    }

    fn reverse(&self) -> BTreeMap<UnitName, BTreeSet<UnitName>> {
        let mut aliases: BTreeMap<UnitName, BTreeSet<UnitName>> = BTreeMap::new();
        for (name, found) in &self.files {
            if matches!(found, Found::Alias(_)) {
                let (id, _) = self.resolve(name);
                if id != *name {
                    aliases.entry(id).or_default().insert(name.clone());
                }
            }
        }
        aliases
    }

    /// All names that are files or links.
    pub(super) fn names(&self) -> BTreeSet<UnitName> {
        self.files.keys().cloned().collect()
    }

    /// The unit's own name, and what stands for it in the load path, itself or its template.
    pub(super) fn resolve(&self, name: &UnitName) -> (UnitName, Option<&Found>) {
        let mut current = name.clone();
        for _ in 0..LONGEST_CHAIN {
            let own = self.files.get(&current);
            let found = match own {
                // An instance that is linked to its own template.
                Some(Found::Alias(target)) if instance_of(target, &current) == current => {
                    self.of_template(&current)
                }
                Some(_) => own,
                None => self.of_template(&current),
            };
            match found {
                Some(Found::Alias(target)) => current = instance_of(target, &current),
                Some(Found::File(_) | Found::Masked(_)) | None => return (current, found),
            }
        }
        (name.clone(), None)
    }

    fn of_template(&self, name: &UnitName) -> Option<&Found> {
        self.files.get(&name.template()?)
    }

    /// The other names of a unit.
    pub(super) fn aliases_of(&self, id: &UnitName) -> BTreeSet<UnitName> {
        let mut names = self.aliases.get(id).cloned().unwrap_or_default();
        let templates = id
            .template()
            .and_then(|template| self.aliases.get(&template));
        if let (Some(templates), Some(instance)) = (templates, id.instance()) {
            let instances = templates
                .iter()
                .filter_map(|t| t.with_instance(instance).ok());
            names.extend(instances.filter(|name| self.resolve(name).0 == *id));
        }
        names.remove(id);
        names
    }

    /// The directories for drop-ins and links of a unit: the most specific first, and among
    /// equally specific ones in search order (L3, L4).
    pub(super) fn directories_of(&self, id: &UnitName) -> Places<&str> {
        let mut found = Places::default();
        if self.directories.is_empty() {
            return found;
        }
        let mut stems: Vec<(usize, String)> = specific_names(id);
        for alias in self.aliases_of(id) {
            stems.extend(specific_names(&alias));
        }
        stems.sort_by_key(|(rank, _)| *rank);
        stems.push((usize::MAX, id.unit_type().to_string()));
        let mut seen = BTreeSet::new();
        for (_, stem) in stems {
            let Some(places) = self.directories.get(&stem).filter(|_| seen.insert(stem)) else {
                continue;
            };
            for (found, paths) in found.iter_mut().zip(places) {
                found.extend(paths.iter().map(String::as_str));
            }
        }
        found
    }

    /// What names of mount units stand for.
    pub(super) fn mounts(&self) -> &[(UnitName, Found)] {
        &self.mounts
    }
}

/// The warning about a directory that could not be read.
pub(super) fn unreadable(directory: &str, error: &io::Error) -> Diagnostic {
    let message = format!("the directory cannot be read and counts as empty: {error}");
    let top = Position::top(directory);
    Diagnostic::new(Severity::Warning, Rule::Unreadable, top, message)
}

/// The names whose directories count for a unit, with how far each is from the full name: the
/// name itself; its template, and that without `@` cut behind each dash; then the name with
/// the part before `@` cut behind each dash, and the template of that (in this order on
/// systemd 252: for `a-b@i` first `a-b@i`, `a-b@`, `a-`, then `a-@i`, `a-@`).
fn specific_names(name: &UnitName) -> Vec<(usize, String)> {
    let unit_type = name.unit_type();
    let mut names = vec![name.to_string()];
    if let Some(template) = name.template() {
        names.push(template.to_string());
        let cuts = cut_at_dashes(name.prefix()).into_iter();
        names.extend(cuts.map(|prefix| format!("{prefix}.{unit_type}")));
    }
    for prefix in cut_at_dashes(name.prefix()) {
        match name.instance() {
            Some(instance) => {
                names.push(format!("{prefix}@{instance}.{unit_type}"));
                names.push(format!("{prefix}@.{unit_type}"));
            }
            None => names.push(format!("{prefix}.{unit_type}")),
        }
    }
    names.into_iter().enumerate().collect()
}

/// `a-b-` and `a-` for `a-b-c`.
fn cut_at_dashes(prefix: &str) -> Vec<&str> {
    let mut cuts = Vec::new();
    let mut rest = prefix;
    while let Some(dash) = rest.trim_end_matches('-').rfind('-').filter(|at| *at > 0) {
        rest = &rest[..=dash];
        cuts.push(rest);
    }
    cuts
}

/// What a link is: a mask, an alias where it leads to another name in the load path, and
/// otherwise the file it leads to. Nothing if it is an alias that cannot be.
fn link(path: &[String], directory: &str, name: &UnitName, target: &str) -> Option<Found> {
    let full = format!("{directory}/{name}");
    let destination = if target.starts_with('/') {
        normal(target)
    } else {
        normal(&format!("{directory}/{target}"))
    };
    if destination == "/dev/null" {
        return Some(Found::Masked(full));
    }
    let inside = path.iter().any(|directory| {
        let rest = destination.strip_prefix(directory.as_str());
        rest.is_some_and(|rest| rest.starts_with('/'))
    });
    let last = destination.rsplit('/').next().unwrap_or("");
    if !inside || last == name.as_str() {
        return Some(Found::File(full));
    }
    let target = UnitName::parse(last).ok()?;
    may_alias(name, &target).then_some(Found::Alias(target))
}

/// Whether a name may stand for another: same type, and plain for plain, template for
/// template, instance for the same instance or for a template (L7).
fn may_alias(name: &UnitName, target: &UnitName) -> bool {
    if name.unit_type() != target.unit_type() {
        return false;
    }
    match (name.instance(), target.instance()) {
        (None, None) => true,
        (Some(own), Some(other)) => own == other || (!own.is_empty() && other.is_empty()),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// The target of an alias for the instance that `name` is.
fn instance_of(target: &UnitName, name: &UnitName) -> UnitName {
    match name.instance() {
        Some(instance) if target.is_template() && !instance.is_empty() => target
            .with_instance(instance)
            .unwrap_or_else(|_| target.clone()),
        Some(_) | None => target.clone(),
    }
}

/// An absolute path without `.`, `..`, doubled slashes and a slash at the end.
pub(in crate::unit) fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    format!("/{}", parts.join("/"))
}
