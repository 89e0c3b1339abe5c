//! The unit files a request is about: finding them, reading them, following links.

use super::change::Trouble;
use super::directories::{Directories, Role, last, parent};
use super::info::{Info, Mode};
use super::tree::Tree;
use crate::unit::load::{EntryKind, Settings, Source};
use crate::unit::name::UnitName;
use std::collections::BTreeMap;

/// Longest chain of aliases followed.
const LONGEST_CHAIN: usize = 64;

/// Why a unit file could not be found or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// There is none.
    NotFound,
    /// An alias leads to a name without file.
    Dangling,
    /// Links run in a circle, or lead where they may not.
    Loop,
    /// It cannot be read.
    Unusable(String),
}

impl Fault {
    /// The refusal, for a unit or path.
    pub(super) fn about(self, subject: &str) -> Trouble {
        let subject = subject.to_owned();
        match self {
            Fault::NotFound => Trouble::NotFound(subject),
            Fault::Dangling => Trouble::DanglingAlias(subject),
            Fault::Loop => Trouble::Linked(subject),
            Fault::Unusable(why) => Trouble::Unusable(subject, why),
        }
    }
}

/// How much is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Depth {
    /// Read `[Install]`.
    pub(super) load: bool,
    /// Follow aliases that stand where edits go.
    pub(super) follow: bool,
}

/// Everything, as the first look at a unit is.
pub(super) const FULL: Depth = Depth {
    load: true,
    follow: true,
};

/// The units of a request in the order they came up; those before `next` were dealt with.
#[derive(Debug, Default)]
pub(super) struct Context {
    pub(super) infos: Vec<Info>,
    pub(super) next: usize,
    by_name: BTreeMap<UnitName, usize>,
}

impl Context {
    /// The place of a unit, which is added if it is new.
    pub(super) fn add(&mut self, name: UnitName, path: Option<String>, auxiliary: bool) -> usize {
        if let Some(&at) = self.by_name.get(&name) {
            self.infos[at].auxiliary &= auxiliary;
            return at;
        }
        let at = self.infos.len();
        self.by_name.insert(name.clone(), at);
        self.infos.push(Info::new(name, path, auxiliary));
        at
    }

    /// The next unit to deal with.
    pub(super) fn take(&mut self) -> Option<usize> {
        let at = self.next;
        (at < self.infos.len()).then(|| {
            self.next += 1;
            at
        })
    }
}

/// What everything is looked up in.
pub(super) struct World<'a> {
    pub(super) tree: Tree<'a>,
    pub(super) directories: Directories,
    pub(super) settings: &'a Settings,
}

impl<'a> World<'a> {
    pub(super) fn new(settings: &'a Settings, source: &'a dyn Source) -> World<'a> {
        World {
            tree: Tree::new(source),
            directories: Directories::of(settings),
            settings,
        }
    }

    /// Finds a unit by name or path and follows it to its file.
    pub(super) fn discover(
        &self,
        context: &mut Context,
        subject: &str,
        depth: Depth,
    ) -> Result<usize, Trouble> {
        let at = self.mention(context, subject)?;
        self.traverse(context, at, depth)
            .map_err(|fault| fault.about(subject))
    }

    /// Adds a unit by name or absolute path.
    pub(super) fn mention(&self, context: &mut Context, subject: &str) -> Result<usize, Trouble> {
        let path = subject.starts_with('/').then(|| subject.to_owned());
        let name = if path.is_some() {
            last(subject)
        } else {
            subject
        };
        let name = UnitName::parse(name).map_err(|_| Trouble::BadName(name.to_owned()))?;
        Ok(context.add(name, path, false))
    }

    /// As [`World::discover`], and refuses what may not be installed.
    pub(super) fn discover_and_check(
        &self,
        context: &mut Context,
        subject: &str,
        depth: Depth,
    ) -> Result<usize, Trouble> {
        let at = self.discover(context, subject, depth)?;
        let info = &context.infos[at];
        let path = info.place();
        if info.mode == Mode::Masked {
            return Err(Trouble::Masked(path));
        }
        match self.directories.role(parent(&path)) {
            Role::Generated | Role::Transient => Err(Trouble::Generated(path)),
            Role::Persistent | Role::Runtime | Role::Vendor => Ok(at),
        }
    }

    /// Whether a path stands directly in a directory that edits go to.
    pub(super) fn is_config(&self, path: &str) -> bool {
        matches!(
            self.directories.role(parent(path)),
            Role::Persistent | Role::Runtime
        )
    }

    /// Reads a unit and follows links to where its file is.
    pub(super) fn traverse(
        &self,
        context: &mut Context,
        start: usize,
        depth: Depth,
    ) -> Result<usize, Fault> {
        self.search(context, start, depth.load)?;
        let mut at = start;
        for _ in 0..LONGEST_CHAIN {
            let info = &context.infos[at];
            if !matches!(info.mode, Mode::Linked | Mode::Alias) {
                return Ok(at);
            }
            if !depth.follow && self.is_config(&info.place()) {
                return Err(Fault::Loop);
            }
            let target = info.target.clone().unwrap_or_default();
            let same = info.mode == Mode::Linked || last(&target) == info.name.as_str();
            if same || self.is_own_template(info, &target) {
                self.look(&mut context.infos[at], &target, depth.load)?;
                self.add_also(context, at);
                continue;
            }
            let name = alias_target(info, last(&target)).ok_or(Fault::Dangling)?;
            at = context.add(name, None, false);
            self.search(context, at, depth.load).map_err(|f| match f {
                Fault::NotFound => Fault::Dangling,
                other => other,
            })?;
        }
        Err(Fault::Loop)
    }

    /// An instance that is linked to its own template.
    fn is_own_template(&self, info: &Info, target: &str) -> bool {
        info.name
            .template()
            .is_some_and(|template| template.as_str() == last(target))
    }

    /// Finds a unit in the load path, by its own name first, then by its template's.
    fn search(&self, context: &mut Context, at: usize, load: bool) -> Result<(), Fault> {
        let info = &mut context.infos[at];
        if info.mode != Mode::Unknown {
            return Ok(());
        }
        if let Some(path) = info.path.clone() {
            self.look(info, &path, load)?;
        } else {
            self.search_path(info, load)?;
        }
        if info.mode != Mode::Masked && load {
            self.read_drop_ins(info);
        }
        self.add_also(context, at);
        Ok(())
    }

    fn search_path(&self, info: &mut Info, load: bool) -> Result<(), Fault> {
        let names = [Some(info.name.clone()), info.name.template()];
        for name in names.into_iter().flatten() {
            for directory in &self.directories.path {
                let path = format!("{directory}/{name}");
                match self.look(info, &path, load) {
                    Ok(()) => return Ok(()),
                    Err(Fault::NotFound) => {}
                    Err(fault) => return Err(fault),
                }
            }
        }
        Err(Fault::NotFound)
    }

    fn add_also(&self, context: &mut Context, at: usize) {
        for text in context.infos[at].also.clone() {
            if let Ok(name) = UnitName::parse(&text) {
                context.add(name, None, true);
            }
        }
    }

    /// Looks at one path: a file is read, a link remembered with where it leads.
    fn look(&self, info: &mut Info, path: &str, load: bool) -> Result<(), Fault> {
        match self.tree.kind(path) {
            None => return Err(Fault::NotFound),
            Some(EntryKind::Directory) => {
                return Err(Fault::Unusable("Is a directory".to_owned()));
            }
            Some(EntryKind::Other) => {
                return Err(Fault::Unusable("Not a regular file".to_owned()));
            }
            Some(EntryKind::Link(target)) => self.look_at_link(info, path, &target)?,
            Some(EntryKind::File) if self.tree.is_null(path) => info.mode = Mode::Masked,
            Some(EntryKind::File) => {
                info.mode = Mode::Regular;
                if load {
                    let content = self.tree.read(path);
                    let content = content.map_err(|e| Fault::Unusable(e.to_string()))?;
                    let read = info.read(path, &content, self.settings);
                    read.map_err(Fault::Unusable)?;
                }
            }
        }
        info.path = Some(path.to_owned());
        Ok(())
    }

    fn look_at_link(&self, info: &mut Info, path: &str, target: &str) -> Result<(), Fault> {
        if self.tree.is_null(path) {
            info.mode = Mode::Masked;
            return Ok(());
        }
        let next = Tree::destination(path, target);
        if self.directories.contains(&next) {
            let other = UnitName::parse(last(&next)).ok();
            if other.map(|name| name.unit_type()) != Some(info.name.unit_type()) {
                return Err(Fault::Unusable("Invalid argument".to_owned()));
            }
            info.mode = Mode::Alias;
            info.target = Some(next);
        } else {
            info.mode = Mode::Linked;
            info.target = Some(self.tree.follow(path).ok_or(Fault::Loop)?);
        }
        Ok(())
    }

    /// Reads the drop-ins of the unit and its template; a file name counts once, where the
    /// path is highest.
    fn read_drop_ins(&self, info: &mut Info) {
        let names = [Some(info.name.clone()), info.name.template()];
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        for name in names.into_iter().flatten() {
            for directory in &self.directories.path {
                let directory = format!("{directory}/{name}.d");
                for (file, kind) in self.tree.list(&directory).iter() {
                    let counts = matches!(kind, EntryKind::File | EntryKind::Link(_));
                    if counts && file.ends_with(".conf") && !file.starts_with('.') {
                        let path = format!("{directory}/{file}");
                        files.entry(file.clone()).or_insert(path);
                    }
                }
            }
        }
        for path in files.into_values().filter(|path| !self.tree.is_null(path)) {
            if let Ok(content) = self.tree.read(&path) {
                // A drop-in that is broken costs only itself.
                let _ = info.read(&path, &content, self.settings);
            }
        }
    }
}

/// The name that an alias stands for: of a template, the same instance.
fn alias_target(info: &Info, target: &str) -> Option<UnitName> {
    let target = UnitName::parse(target).ok()?;
    match info.name.instance() {
        Some(instance) if target.is_template() && !instance.is_empty() => {
            target.with_instance(instance).ok()
        }
        Some(_) | None => Some(target),
    }
}
