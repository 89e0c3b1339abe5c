//! What state a unit file is in (systemctl(1), is-enabled), the list of all, and the default
//! target.

use super::change::Trouble;
use super::context::{Context, Depth, FULL, Fault, World};
use super::directories::{Role, last, parent};
use super::info::{Info, Mode};
use super::preset::{Presets, Wanted, matches};
use crate::unit::load::{EntryKind, Settings, Source};
use crate::unit::name::UnitName;
use std::collections::BTreeMap;
use std::fmt;

/// The state of a unit file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum FileState {
    Enabled,
    EnabledRuntime,
    Linked,
    LinkedRuntime,
    Alias,
    Masked,
    MaskedRuntime,
    Static,
    Disabled,
    Indirect,
    Generated,
    Transient,
    Bad,
}

impl FileState {
    /// The word people read.
    pub fn as_str(self) -> &'static str {
        match self {
            FileState::Enabled => "enabled",
            FileState::EnabledRuntime => "enabled-runtime",
            FileState::Linked => "linked",
            FileState::LinkedRuntime => "linked-runtime",
            FileState::Alias => "alias",
            FileState::Masked => "masked",
            FileState::MaskedRuntime => "masked-runtime",
            FileState::Static => "static",
            FileState::Disabled => "disabled",
            FileState::Indirect => "indirect",
            FileState::Generated => "generated",
            FileState::Transient => "transient",
            FileState::Bad => "bad",
        }
    }

    /// Whether a word names a state that is-enabled succeeds for.
    pub fn is_enabled(word: &str) -> bool {
        matches!(
            word,
            "enabled" | "enabled-runtime" | "static" | "alias" | "indirect" | "generated"
        )
    }

    /// Whether a preset has a say about a unit in this state.
    fn has_preset(self) -> bool {
        match self {
            FileState::Enabled
            | FileState::EnabledRuntime
            | FileState::Linked
            | FileState::LinkedRuntime
            | FileState::Masked
            | FileState::MaskedRuntime
            | FileState::Disabled
            | FileState::Indirect
            | FileState::Bad => true,
            FileState::Alias | FileState::Static | FileState::Generated | FileState::Transient => {
                false
            }
        }
    }
}

impl fmt::Display for FileState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a state cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// No unit file, or an alias of none.
    #[error("No such file or directory")]
    NotFound,
    /// It leads to an alias of nothing.
    #[error("Link has been severed")]
    Dangling,
    /// Links run in a circle.
    #[error("Too many levels of symbolic links")]
    Loop,
    /// The file is unusable.
    #[error("{0}")]
    Unusable(String),
}

impl From<Fault> for StateError {
    fn from(fault: Fault) -> StateError {
        match fault {
            Fault::NotFound => StateError::NotFound,
            Fault::Dangling => StateError::Dangling,
            Fault::Loop => StateError::Loop,
            Fault::Unusable(why) => StateError::Unusable(why),
        }
    }
}

/// A row of list-unit-files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedFile {
    /// Where it is.
    pub path: String,
    /// Its state.
    pub state: FileState,
    /// Whether the presets want it enabled; `None` where they have no say.
    pub preset: Option<bool>,
}

impl ListedFile {
    /// The unit's name.
    pub fn name(&self) -> &str {
        last(&self.path)
    }
}

/// A link in a unit directory, or in one of its `.wants`, `.requires` and `.upholds`.
struct Link {
    directory: usize,
    name: String,
    /// The last component of the target; nothing for dependency directories, where names count.
    target: Option<String>,
}

/// The unit files as they are; looks at each directory once, however many questions come.
pub struct UnitFiles<'a> {
    world: World<'a>,
    presets: Presets,
    links: Vec<Link>,
    /// Links by their own name, by their template's name and by the name they lead to.
    by_name: BTreeMap<String, Vec<usize>>,
}

impl<'a> UnitFiles<'a> {
    /// Lists the load path.
    pub fn new(settings: &'a Settings, source: &'a dyn Source) -> UnitFiles<'a> {
        let world = World::new(settings, source);
        let presets = Presets::read(&world);
        let mut files = UnitFiles {
            world,
            presets,
            links: Vec::new(),
            by_name: BTreeMap::new(),
        };
        for (index, directory) in files.world.directories.path.clone().iter().enumerate() {
            files.scan(index, directory);
        }
        files
    }

    fn scan(&mut self, index: usize, directory: &str) {
        for (name, kind) in self.world.tree.list(directory).iter() {
            let dependencies = [".wants", ".requires", ".upholds"];
            if dependencies.iter().any(|end| name.ends_with(end)) {
                for (name, kind) in self.world.tree.list(&format!("{directory}/{name}")).iter() {
                    if matches!(kind, EntryKind::Link(_)) {
                        self.add(index, name, None);
                    }
                }
            } else if let EntryKind::Link(target) = kind {
                self.add(index, name, Some(last(target).to_owned()));
            }
        }
    }

    fn add(&mut self, directory: usize, name: &str, target: Option<String>) {
        let at = self.links.len();
        let template = match &target {
            Some(target) => Some(target.clone()),
            None => UnitName::parse(name)
                .ok()
                .and_then(|name| Some(name.template()?.to_string())),
        };
        for key in [Some(name.to_owned()), template].into_iter().flatten() {
            self.by_name.entry(key).or_default().push(at);
        }
        self.links.push(Link {
            directory,
            name: name.to_owned(),
            target,
        });
    }

    /// The state of a unit file.
    ///
    /// # Errors
    /// There is none, or it cannot be told.
    pub fn state(&self, name: &UnitName) -> Result<FileState, StateError> {
        let mut context = Context::default();
        let at = context.add(name.clone(), None, false);
        let at = self.world.traverse(&mut context, at, FULL)?;
        let info = &context.infos[at];
        let path = info.path.as_deref().unwrap_or_default();
        if info.mode == Mode::Masked {
            return Ok(if self.world.directories.is_runtime(path) {
                FileState::MaskedRuntime
            } else {
                FileState::Masked
            });
        }
        if name.as_str() != last(path) && info.name.instance().is_none_or(str::is_empty) {
            return Ok(FileState::Alias);
        }
        match self.world.directories.role(parent(path)) {
            Role::Generated => return Ok(FileState::Generated),
            Role::Transient => return Ok(FileState::Transient),
            Role::Persistent | Role::Runtime | Role::Vendor => {}
        }
        if let Some(state) = self.enabled(info, true) {
            return Ok(state);
        }
        Ok(if self.enabled(info, false).is_some() {
            FileState::Indirect
        } else if info.has_rules() {
            FileState::Disabled
        } else if !info.also.is_empty() {
            FileState::Indirect
        } else {
            FileState::Static
        })
    }

    /// Looks for links that enable a unit; `own`: only those that enabling it would make.
    fn enabled(&self, info: &Info, own: bool) -> Option<FileState> {
        let name = info.name.as_str();
        let path = info.path.as_deref().unwrap_or_default();
        let directories = &self.world.directories;
        // A link of the unit's own name is without effect below the file itself.
        let file_at = directories
            .path
            .iter()
            .position(|directory| directory == parent(path))
            .unwrap_or(usize::MAX);
        let (mut runtime, mut elsewhere, mut linked) = (false, false, None);
        for at in self.by_name.get(name).into_iter().flatten() {
            let link = &self.links[*at];
            let directory = &directories.path[link.directory];
            let role = directories.role(directory);
            if link.name == name && link.target.is_some() {
                if link.directory > file_at {
                    continue;
                }
                // Only a link to a file of the same name is no more than that.
                if link.target.as_deref() == Some(name) {
                    let state = match role {
                        Role::Persistent => Some(FileState::Linked),
                        _ if directories.is_runtime(directory) => Some(FileState::LinkedRuntime),
                        _ => None,
                    };
                    linked = linked.or(state);
                    continue;
                }
            }
            if own && !info.makes(&link.name) {
                continue;
            }
            match role {
                Role::Persistent => return Some(FileState::Enabled),
                _ if directories.is_runtime(directory) => runtime = true,
                _ => elsewhere = true,
            }
        }
        if runtime {
            return Some(FileState::EnabledRuntime);
        }
        let instance = info.name.instance().is_some_and(|i| !i.is_empty());
        if elsewhere && instance {
            return Some(FileState::Static);
        }
        linked
    }

    /// Whether the presets want a unit enabled; `None` where they have no say.
    pub fn preset(&self, name: &UnitName, state: FileState) -> Option<bool> {
        state.has_preset().then(|| self.wants_enabled(name))
    }

    /// Whether the presets want a unit enabled, whatever its state.
    pub fn wants_enabled(&self, name: &UnitName) -> bool {
        self.presets.query(name) != Wanted::Disabled
    }

    /// All unit files, each name once, by type and name; those that match a pattern and are in
    /// one of the states, where any are given.
    pub fn list(&self, states: &[String], patterns: &[String]) -> Vec<ListedFile> {
        let mut found: BTreeMap<UnitName, String> = BTreeMap::new();
        for directory in &self.world.directories.path {
            for (name, kind) in self.world.tree.list(directory).iter() {
                let is_file = matches!(kind, EntryKind::File | EntryKind::Link(_));
                let Ok(name) = UnitName::parse(name) else {
                    continue;
                };
                let wanted =
                    patterns.is_empty() || patterns.iter().any(|p| matches(p, name.as_str()));
                if is_file && wanted {
                    let path = format!("{directory}/{name}");
                    found.entry(name).or_insert(path);
                }
            }
        }
        let mut files: Vec<ListedFile> = found
            .into_iter()
            .map(|(name, path)| self.listed(&name, path))
            .filter(|file| states.is_empty() || states.iter().any(|s| s == file.state.as_str()))
            .collect();
        files.sort_by_key(|file| {
            let name = file.name().to_lowercase();
            let suffix = name.rsplit('.').next().unwrap_or("").to_owned();
            (suffix, name)
        });
        files
    }

    fn listed(&self, name: &UnitName, path: String) -> ListedFile {
        let state = self.state(name).unwrap_or(FileState::Bad);
        let preset = self.preset(name, state);
        ListedFile {
            path,
            state,
            preset,
        }
    }

    /// Where the file of a unit is, aliases followed.
    ///
    /// # Errors
    /// There is none, or it is masked.
    pub fn file_of(&self, name: &str) -> Result<String, Trouble> {
        let mut context = Context::default();
        let at = self.world.discover_and_check(&mut context, name, FULL)?;
        Ok(context.infos[at].place())
    }

    /// The unit that `default.target` is; the built-in choice where no link says otherwise.
    ///
    /// # Errors
    /// It is masked, or leads nowhere.
    pub fn default_target(&self) -> Result<String, Trouble> {
        const GOAL: &str = "multi-user.target";
        let look = Depth {
            load: false,
            follow: true,
        };
        let mut context = Context::default();
        match self.world.discover(&mut context, "default.target", look) {
            Ok(at) if context.infos[at].mode == Mode::Masked => {
                Err(Trouble::Masked(context.infos[at].place()))
            }
            Ok(at) => Ok(context.infos[at].name.to_string()),
            Err(Trouble::DanglingAlias(name)) => {
                let target = context.infos[0].target.as_deref().map(last);
                let known = target.and_then(|target| self.world.builtin(target));
                known
                    .map(|name| name.to_string())
                    .ok_or(Trouble::DanglingAlias(name))
            }
            Err(Trouble::NotFound(_)) if self.world.builtin(GOAL).is_some() => Ok(GOAL.to_owned()),
            Err(trouble) => Err(trouble),
        }
    }
}
