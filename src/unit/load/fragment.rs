//! Loads one unit: its main file, drop-ins and dependency links.

use super::index::{Found, Index, normal};
use super::readings::{Listed, Listings, MadeOf, Readings, Units};
use super::{Entry, EntryKind, Settings, Source, Stamp, builtin, context, implicit, verify};
use crate::unit::config::{
    Cold, Dependency, DependencyKind, DependencyOrigin, DirectoryKind, ExecConfig, LoadState,
    ResourceConfig, UnitBody, UnitConfig,
};
use crate::unit::diagnostic::{Diagnostic, Position, Rule, Severity};
use crate::unit::directive::{Draft, apply, is_about_processes};
use crate::unit::escape::escape_path;
use crate::unit::name::{UnitName, UnitType};
use crate::unit::syntax;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// What a link in a link directory means, in the order of [`index::Places`] (L8).
///
/// [`index::Places`]: super::index::Places
const LINKS: [DependencyKind; 3] = [
    DependencyKind::Wants,
    DependencyKind::Requires,
    DependencyKind::Upholds,
];

/// Names of the last unit that those of the next one are compared with.
const NEAR: usize = 16;

/// The mount unit of a path.
#[derive(Debug, Clone)]
pub(super) struct MountAt {
    pub(super) name: UnitName,
    /// Its name stands for something in the load path.
    pub(super) has_file: bool,
    /// That, or the kernel has the mount.
    pub(super) is_there: bool,
}

/// Loads units one by one from an indexed load path.
pub(super) struct Loader<'a> {
    settings: &'a Settings,
    source: &'a dyn Source,
    index: &'a Index,
    /// What the machine gives to all, once somebody needs it.
    shared: OnceCell<context::Shared>,
    /// What the last unit may use.
    resource: Cold<ResourceConfig>,
    /// How its processes are run.
    exec: Cold<ExecConfig>,
    /// What it depends on, as far as it is worth to look through them.
    near: Vec<UnitName>,
    /// Directories beside unit files; many units share some.
    listings: Listings<'a>,
    /// What was read before.
    units: &'a mut Units,
    /// The mount units of directories on the way to paths that units need.
    mounts: BTreeMap<String, Option<MountAt>>,
}

impl<'a> Loader<'a> {
    /// A loader that finds files by `index`.
    pub(super) fn new(
        index: &'a Index,
        settings: &'a Settings,
        source: &'a dyn Source,
        readings: &'a mut Readings,
    ) -> Loader<'a> {
        let (units, directories) = readings.begin(index);
        Loader {
            settings,
            source,
            index,
            shared: OnceCell::new(),
            resource: Cold::default(),
            exec: Cold::default(),
            near: Vec::new(),
            listings: Listings::new(source, directories, index.unreadable()),
            units,
            mounts: BTreeMap::new(),
        }
    }

    fn shared(&self) -> &context::Shared {
        let system = &self.settings.system;
        self.shared.get_or_init(|| context::Shared::of(system))
    }

    /// A warning for each directory that could not be read.
    pub(super) fn into_unreadable(self) -> Vec<Diagnostic> {
        self.listings.into_unreadable()
    }

    /// The name of its own of the unit that `name` stands for.
    pub(super) fn id_of(&self, name: &UnitName) -> UnitName {
        self.index.resolve(name).0
    }

    /// The mount unit of a path; none if there is no such name, and so none of a longer path. What
    /// many are likely to ask for is looked for once.
    pub(super) fn mount_at(&mut self, path: &str, asked_once: bool) -> Option<MountAt> {
        if asked_once {
            return self.find_mount(path);
        }
        if let Some(known) = self.mounts.get(path) {
            return known.clone();
        }
        let found = self.find_mount(path);
        self.mounts.insert(path.to_owned(), found.clone());
        found
    }

    fn find_mount(&self, path: &str) -> Option<MountAt> {
        let stem = escape_path(path).ok()?;
        let name = UnitName::parse(&format!("{stem}.mount")).ok()?;
        let has_file = self.index.resolve(&name).1.is_some();
        Some(MountAt {
            has_file,
            is_there: has_file || self.holds(&name),
            name,
        })
    }

    /// Where the managed directories of a kind lie.
    pub(super) fn base_of(&self, kind: DirectoryKind) -> &str {
        let system = &self.settings.system;
        match kind {
            DirectoryKind::Runtime => &system.runtime_directory,
            DirectoryKind::State => &system.state_directory,
            DirectoryKind::Cache => &system.cache_directory,
            DirectoryKind::Logs => &system.logs_directory,
            DirectoryKind::Configuration => &system.configuration_directory,
        }
    }

    /// Whether a unit without a file holds by itself. Slices need none and make no difference
    /// here, so every one does.
    fn holds(&self, name: &UnitName) -> bool {
        let unit_type = name.unit_type();
        unit_type == UnitType::Slice || unit_type.needs_no_file() && self.source.holds(name)
    }

    /// Loads the unit that `name` stands for; as it was read last, if nothing of that is different.
    pub(super) fn load(&mut self, name: &UnitName) -> Arc<UnitConfig> {
        let (id, found) = self.index.resolve(name);
        if let Some(Found::File(path)) = found
            && let Some(config) = self.units.get(&id, path, self.index, &mut self.listings)
        {
            return config;
        }
        let mut made_of = MadeOf::default();
        let config = Arc::new(self.read(id, found.cloned(), &mut made_of));
        self.units.keep(&config, made_of);
        config
    }

    /// Reads a unit.
    fn read(&mut self, id: UnitName, found: Option<Found>, made_of: &mut MadeOf) -> UnitConfig {
        let aliases = self.index.aliases_of(&id);
        let mut draft = match self.start(id, found) {
            Ok(draft) => draft,
            Err(mut unusable) => {
                unusable.aliases = aliases;
                context::unusable(&mut unusable, self.shared());
                return *unusable;
            }
        };
        draft.config.aliases = aliases;
        if let Some(path) = draft.config.fragment.clone() {
            match self.source.read_stamped(&path) {
                Ok((content, _)) if content.is_empty() => {
                    let mut unit = masked(draft.config, path);
                    context::unusable(&mut unit, self.shared());
                    return unit;
                }
                Ok((content, stamp)) => {
                    made_of.begin(stamp);
                    self.parse_main(&path, &content, &mut draft);
                }
                Err(error) => return unreadable(draft.config, &path, &error),
            }
        }
        let [drop_ins, links @ ..] = self.index.directories_of(&draft.config.name);
        let drop_ins = self.listings.of_all(&drop_ins, made_of);
        self.add_drop_ins(&drop_ins, &mut draft, made_of);
        for (kind, directories) in LINKS.into_iter().zip(links) {
            let listed = self.listings.of_all(&directories, made_of);
            add_links(kind, &listed, &mut draft);
        }
        hold_back_target(&mut draft);
        verify::settle(&mut draft);
        let set = draft.set.keys().copied();
        draft.config.requested = set.filter(|name| is_about_processes(name)).collect();
        if let Some(exec) = draft.config.exec_mut() {
            let allowed = self.settings.allow_degraded.iter().cloned();
            exec.allow_degraded.extend(allowed);
        }
        context::settle(&mut draft.config, self.settings, self.shared());
        implicit::add(self, &mut draft, self.settings.default_dependencies);
        made_of.end(draft.about_instance.get());
        let mut config = finish(draft);
        // Neighbours mostly have the same.
        config.resource.share(&mut self.resource);
        self.share_names(&mut config);
        if let Some(exec) = config.kept_exec_mut() {
            exec.share(&mut self.exec);
        }
        config
    }

    /// Names that the last unit depended on, too, are there once.
    fn share_names(&mut self, config: &mut UnitConfig) {
        for dependency in &mut config.dependencies {
            let mut near = self.near.iter();
            if let Some(name) = near.find(|name| **name == dependency.target) {
                dependency.target = name.clone();
            }
        }
        let names = config.dependencies.iter().take(NEAR);
        self.near.clear();
        self.near.extend(names.map(|it| it.target.clone()));
    }

    /// What a unit starts from: its file to be read, or what is built in or in the kernel; a
    /// finished configuration if there is nothing to read.
    fn start(&self, id: UnitName, found: Option<Found>) -> Result<Draft, Box<UnitConfig>> {
        if id.is_template() {
            let reason = format!("Unit name {id} is missing the instance name.");
            return Err(Box::new(without_files(id, LoadState::Error, reason)));
        }
        match found {
            // Without processes to hold there is nothing that a file could begin.
            Some(Found::File(path))
                if id.unit_type() == UnitType::Scope && !self.is_made(&path) =>
            {
                Err(Box::new(UnitConfig::not_found(id)))
            }
            Some(Found::File(path)) => Ok(self.draft(id, Some(path))),
            Some(Found::Masked(path)) => Err(Box::new(masked(UnitConfig::not_found(id), path))),
            Some(Found::Alias(_)) | None => match builtin::find(&id) {
                Some(draft) => Ok(draft),
                None if self.holds(&id) => Ok(self.draft(id, None)),
                None => Err(Box::new(UnitConfig::not_found(id))),
            },
        }
    }

    /// Whether a file is that of a unit that a client has made.
    fn is_made(&self, path: &str) -> bool {
        let directory = self
            .settings
            .transient
            .as_deref()
            .filter(|it| !it.is_empty());
        let inside = directory.and_then(|directory| path.strip_prefix(directory));
        inside.is_some_and(|rest| rest.starts_with('/'))
    }

    /// A unit of which nothing was read yet.
    fn draft(&self, id: UnitName, fragment: Option<String>) -> Draft {
        let holds = self.holds(&id);
        let mut config = without_files(id, LoadState::Loaded, String::new());
        config.load_error = None;
        config.fragment = fragment;
        config.body = match config.name.unit_type() {
            UnitType::Service => UnitBody::Service(Box::default()),
            UnitType::Socket => UnitBody::Socket(Box::default()),
            UnitType::Scope => UnitBody::Scope(Box::default()),
            UnitType::Timer => UnitBody::Timer(Box::default()),
            UnitType::Path => UnitBody::Path(Box::default()),
            UnitType::Target => UnitBody::Target,
            UnitType::Mount | UnitType::Device | UnitType::Swap | UnitType::Slice if holds => {
                UnitBody::Fact
            }
            UnitType::Mount
            | UnitType::Device
            | UnitType::Swap
            | UnitType::Slice
            | UnitType::Automount => UnitBody::Other,
        };
        Draft::new(config)
    }

    fn parse_main(&self, path: &str, content: &[u8], draft: &mut Draft) {
        let document = syntax::parse(&path.into(), content);
        apply(&document, draft, &self.settings.system, true);
    }

    /// Applies the drop-ins of all directories in the order of their file names (L2). A name
    /// counts once, in the most specific directory (L3), and not at all if it is empty there
    /// or a link to /dev/null (L5).
    fn add_drop_ins(&self, directories: &[Listed<'_>], draft: &mut Draft, made_of: &mut MadeOf) {
        let mut files: BTreeMap<&str, Option<String>> = BTreeMap::new();
        for (directory, entry) in entries(directories) {
            if !entry.name.ends_with(".conf") || entry.name.starts_with('.') {
                continue;
            }
            let path = format!("{directory}/{}", entry.name);
            let file = match &entry.kind {
                EntryKind::File => Some(path),
                EntryKind::Link(target) if is_null(directory, target) => None,
                EntryKind::Link(_) => Some(path),
                EntryKind::Directory | EntryKind::Other => continue,
            };
            files.entry(&entry.name).or_insert(file);
        }
        for path in files.into_values().flatten() {
            let stamp = self.add_drop_in(path.clone(), draft);
            made_of.add_drop_in(path, stamp);
        }
    }

    /// What tells whether the file is as it was.
    fn add_drop_in(&self, path: String, draft: &mut Draft) -> Option<Stamp> {
        match self.source.read_stamped(&path) {
            Ok((content, stamp)) => {
                if !content.is_empty() {
                    let document = syntax::parse(&path.as_str().into(), &content);
                    apply(&document, draft, &self.settings.system, false);
                    draft.config.drop_ins.push(path);
                }
                stamp
            }
            Err(error) => {
                let message = format!("the drop-in cannot be read: {error}");
                warn(draft, Rule::Unreadable, &path, message);
                None
            }
        }
    }
}

/// The entries of some directories, each with the path of its directory.
fn entries<'a>(directories: &'a [Listed<'_>]) -> impl Iterator<Item = (&'a str, &'a Entry)> {
    let directories = directories.iter();
    directories.flat_map(|(path, entries)| entries.iter().map(|entry| (*path, entry)))
}

/// Adds the dependencies that links stand for: the name of the link counts, not where it leads
/// to (L8).
fn add_links(kind: DependencyKind, directories: &[Listed<'_>], draft: &mut Draft) {
    let mut targets: BTreeMap<&str, (&str, &EntryKind)> = BTreeMap::new();
    for (directory, entry) in entries(directories) {
        let found = (directory, &entry.kind);
        targets.entry(&entry.name).or_insert(found);
    }
    for (name, (directory, entry)) in targets {
        add_link(draft, kind, directory, name, entry);
    }
}

/// Something hangs on a target that holds at once: it has to be started like any other.
fn hold_back_target(draft: &mut Draft) {
    let pulls = |(kind, _): &(DependencyKind, UnitName)| super::PULLS.contains(kind);
    let target = draft.config.name.unit_type() == UnitType::Target;
    if target && draft.dependencies.keys().any(pulls) {
        draft.config.body = UnitBody::Target;
    }
}

fn add_link(
    draft: &mut Draft,
    kind: DependencyKind,
    directory: &str,
    name: &str,
    entry: &EntryKind,
) {
    let path = format!("{directory}/{name}");
    match entry {
        EntryKind::Link(target) if is_null(directory, target) => {}
        EntryKind::Link(_) => match UnitName::parse(name) {
            Ok(target) => {
                draft.depend(kind, &target, DependencyOrigin::Link);
            }
            Err(error) => warn(draft, Rule::BadLink, &path, format!("{error}, ignored")),
        },
        EntryKind::File | EntryKind::Directory | EntryKind::Other => {
            let message = "not a symbolic link, ignored".to_owned();
            warn(draft, Rule::BadLink, &path, message);
        }
    }
}

fn is_null(directory: &str, target: &str) -> bool {
    let full = if target.starts_with('/') {
        normal(target)
    } else {
        normal(&format!("{directory}/{target}"))
    };
    full == "/dev/null"
}

fn warn(draft: &mut Draft, rule: Rule, path: &str, message: String) {
    let finding = Diagnostic::new(Severity::Warning, rule, Position::top(path), message);
    draft.config.diagnostics.push(finding);
}

fn without_files(id: UnitName, load: LoadState, reason: String) -> UnitConfig {
    let mut config = UnitConfig::not_found(id);
    config.load = load;
    config.load_error = Some(reason);
    config
}

/// The unit with its file masked.
fn masked(named: UnitConfig, path: String) -> UnitConfig {
    let reason = format!("Unit {} is masked.", named.name);
    let mut config = without_files(named.name, LoadState::Masked, reason);
    config.aliases = named.aliases;
    config.fragment = Some(path);
    config
}

/// The unit without its file, which is not there or cannot be read.
fn unreadable(named: UnitConfig, path: &str, error: &io::Error) -> UnitConfig {
    let mut config = UnitConfig::not_found(named.name);
    config.aliases = named.aliases;
    if error.kind() != io::ErrorKind::NotFound {
        config.load = LoadState::Error;
        config.load_error = Some(format!("Failed to read {path}: {error}"));
        let message = format!("the unit file cannot be read: {error}");
        let top = Position::top(path);
        let finding = Diagnostic::new(Severity::Error, Rule::Unreadable, top, message);
        config.diagnostics.push(finding);
        config.fragment = Some(path.to_owned());
    }
    config
}

/// The configuration with its edges in order.
fn finish(draft: Draft) -> UnitConfig {
    let mut config = draft.config;
    config.written.shrink();
    if let Some(commands) = config.commands_mut() {
        commands.shrink();
    }
    let edges = draft.dependencies.into_iter();
    config.dependencies = edges
        .map(|((kind, target), origin)| Dependency {
            kind,
            target,
            origin,
        })
        .collect();
    config
}
