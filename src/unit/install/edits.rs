//! The planner: what each verb does.

use super::change::{Change, ChangeKind, Edit, Plan, Trouble};
use super::context::{Context, Depth, FULL, World};
use super::directories::{Role, last, parent};
use super::tree::Tree;
use super::{Request, Verb};
use crate::unit::load::{EntryKind, Settings, Source};
use crate::unit::name::{UnitName, UnitType};

/// A plan in the making.
pub(super) struct Planner<'a> {
    pub(super) world: World<'a>,
    pub(super) request: &'a Request,
    /// The directory that edits go to.
    pub(super) place: String,
    pub(super) plan: Plan,
    pub(super) troubles: Vec<Trouble>,
}

impl<'a> Planner<'a> {
    /// Ready to plan.
    ///
    /// # Errors
    /// The load path has no directory for such edits.
    pub(super) fn new(
        request: &'a Request,
        settings: &'a Settings,
        source: &'a dyn Source,
    ) -> Result<Planner<'a>, Vec<Trouble>> {
        let world = World::new(settings, source);
        let (place, kind) = if request.runtime {
            (world.directories.runtime.clone(), "run-time")
        } else {
            (world.directories.persistent.clone(), "persistent")
        };
        let place = place.ok_or_else(|| {
            let path = settings.path.join(":");
            let text = format!("There is no {kind} directory in the unit path \"{path}\".");
            vec![Trouble::Invalid(text)]
        })?;
        Ok(Planner {
            world,
            request,
            place,
            plan: Plan::default(),
            troubles: Vec::new(),
        })
    }

    pub(super) fn plan(mut self) -> Result<Plan, Vec<Trouble>> {
        let names = &self.request.names;
        let done = match &self.request.verb {
            Verb::Enable => self.enable(names),
            Verb::Disable => self.disable(names),
            Verb::Reenable => self.reenable(names),
            Verb::Mask => self.mask(names),
            Verb::Unmask => self.unmask(names),
            Verb::Link => self.link(names),
            Verb::Preset(mode) => self.preset(names, *mode),
            Verb::PresetAll(mode) => self.preset_all(*mode),
            Verb::Revert => self.revert(names),
            Verb::AddWants(target) => self.add_dependency(names, target, true),
            Verb::AddRequires(target) => self.add_dependency(names, target, false),
            Verb::SetDefault => self.set_default(names),
        };
        self.troubles.extend(done.err());
        if self.troubles.is_empty() {
            Ok(self.plan)
        } else {
            Err(self.troubles)
        }
    }

    pub(super) fn tell(&mut self, kind: ChangeKind, path: &str, source: &str) {
        self.plan.changes.push(Change {
            kind,
            path: path.to_owned(),
            source: source.to_owned(),
        });
    }

    /// Plans a link. One that is there and leads to the same place is left as it is; another
    /// one is only replaced with `force`.
    pub(super) fn create(&mut self, target: &str, path: &str, force: bool) -> Result<(), Trouble> {
        match self.world.tree.kind(path) {
            None => {}
            Some(EntryKind::Link(old)) if self.leads_to(path, &old, target) => return Ok(()),
            Some(EntryKind::Link(_)) if force => self.tell(ChangeKind::Unlink, path, ""),
            Some(EntryKind::Link(old)) => return Err(Trouble::LinkExists(path.to_owned(), old)),
            Some(EntryKind::File | EntryKind::Directory | EntryKind::Other) => {
                return Err(Trouble::FileExists(path.to_owned()));
            }
        }
        self.world.tree.set_link(path, target);
        self.plan.edits.push(Edit::Link {
            path: path.to_owned(),
            target: target.to_owned(),
        });
        self.tell(ChangeKind::Symlink, path, target);
        Ok(())
    }

    fn leads_to(&self, path: &str, old: &str, target: &str) -> bool {
        let old = Tree::destination(path, old);
        let target = Tree::destination(path, target);
        old == target || {
            let tree = &self.world.tree;
            let end = tree.follow(&old);
            end.is_some()
                && end == tree.follow(&target)
                && end.is_some_and(|end| tree.kind(&end).is_some())
        }
    }

    fn enable(&mut self, names: &[String]) -> Result<(), Trouble> {
        let mut context = Context::default();
        for name in names {
            self.world.discover_and_check(&mut context, name, FULL)?;
        }
        self.apply(&mut context, true, false)
    }

    fn disable(&mut self, names: &[String]) -> Result<(), Trouble> {
        let mut context = Context::default();
        for name in names {
            let name = UnitName::parse(name).map_err(|_| Trouble::BadName(name.clone()))?;
            context.add(name, None, false);
        }
        let asked = context.infos.len();
        self.remove_links_of(&mut context)?;
        let has_info = |info: &super::info::Info| info.has_rules() || !info.also.is_empty();
        let found = context.infos.iter().take(asked).any(has_info);
        self.plan.carries_install_info = found || !self.plan.changes.is_empty();
        Ok(())
    }

    /// A unit that is linked from elsewhere stays so: it is enabled by its path again.
    fn reenable(&mut self, names: &[String]) -> Result<(), Trouble> {
        let mut plain = Vec::new();
        let mut files = Vec::new();
        for name in names {
            plain.push(last(name).to_owned());
            files.push(match self.linked_file(name) {
                Some(path) => path,
                None => name.clone(),
            });
        }
        self.disable(&plain)?;
        self.plan.carries_install_info = false;
        self.enable(&files)
    }

    fn linked_file(&self, name: &str) -> Option<String> {
        let mut context = Context::default();
        let at = self.world.discover(&mut context, name, FULL).ok()?;
        let path = context.infos[at].path.clone()?;
        (!self.world.directories.holds(&path)).then_some(path)
    }

    fn mask(&mut self, names: &[String]) -> Result<(), Trouble> {
        for name in names {
            let path = self.path_of(name)?;
            if let Err(trouble) = self.create("/dev/null", &path, self.request.force) {
                self.troubles.push(trouble);
            }
        }
        Ok(())
    }

    fn unmask(&mut self, names: &[String]) -> Result<(), Trouble> {
        let mut marked = super::remove::Marked::default();
        for name in names {
            let path = self.path_of(name)?;
            if self.world.tree.kind(&path).is_some() && self.world.tree.is_null(&path) {
                self.remove(&path, parent(&path));
                marked.insert(path);
            }
        }
        self.remove_marked(&mut marked, &self.place.clone());
        Ok(())
    }

    /// The path of a unit where edits go.
    fn path_of(&self, name: &str) -> Result<String, Trouble> {
        UnitName::parse(name).map_err(|_| Trouble::BadName(name.to_owned()))?;
        Ok(format!("{}/{name}", self.place))
    }

    fn link(&mut self, files: &[String]) -> Result<(), Trouble> {
        for file in files {
            if !file.starts_with('/') {
                let text = format!("\"{file}\" is not an absolute path.");
                return Err(Trouble::Invalid(text));
            }
            let path = self.path_of(last(file))?;
            match self.world.tree.kind(file) {
                None => return Err(Trouble::NotFound(file.clone())),
                Some(EntryKind::File) => {}
                Some(EntryKind::Link(_)) => {
                    let why = "Too many levels of symbolic links".to_owned();
                    return Err(Trouble::Unusable(file.clone(), why));
                }
                Some(EntryKind::Directory | EntryKind::Other) => {
                    let why = "not a regular file".to_owned();
                    return Err(Trouble::Unusable(file.clone(), why));
                }
            }
            if !self.world.directories.holds(file) {
                self.create(file, &path, self.request.force)?;
            }
        }
        Ok(())
    }

    fn revert(&mut self, names: &[String]) -> Result<(), Trouble> {
        let mut marked = super::remove::Marked::default();
        for name in names {
            self.path_of(name)?;
            let mut doomed = Vec::new();
            let path = self.world.directories.path.clone();
            let at = |directory: &String| (format!("{directory}/{name}"), directory.clone());
            for (file, directory) in path.iter().map(at) {
                let drop_ins = format!("{file}.d");
                let ours = self.may_revert(&directory);
                if ours && self.world.tree.kind(&drop_ins) == Some(EntryKind::Directory) {
                    doomed.push(drop_ins);
                }
            }
            let is_file = |file: &str| self.world.tree.kind(file) == Some(EntryKind::File);
            let vendor = path.iter().map(at).any(|(file, directory)| {
                let role = self.world.directories.role(&directory);
                matches!(role, Role::Vendor | Role::Generated) && is_file(&file)
            });
            let configured = path.iter().map(at).filter(|(file, _)| {
                let kind = self.world.tree.kind(file);
                let there = matches!(kind, Some(EntryKind::File | EntryKind::Link(_)));
                there && self.world.is_config(file)
            });
            if vendor {
                doomed.extend(configured.map(|(file, _)| file));
            }
            for path in doomed {
                self.remove(&path, parent(&path));
                marked.insert(path);
            }
        }
        for place in [
            self.world.directories.runtime.clone(),
            self.world.directories.persistent.clone(),
        ] {
            self.remove_marked(&mut marked, &place.unwrap_or_default());
        }
        Ok(())
    }

    /// Whether drop-ins there came from the administrator or from clients.
    fn may_revert(&self, directory: &str) -> bool {
        match self.world.directories.role(directory) {
            Role::Persistent | Role::Runtime | Role::Transient => true,
            Role::Generated | Role::Vendor => false,
        }
    }

    fn add_dependency(
        &mut self,
        names: &[String],
        target: &str,
        wants: bool,
    ) -> Result<(), Trouble> {
        const FOLLOW: Depth = Depth {
            load: false,
            follow: true,
        };
        let target = match self.world.builtin(target) {
            Some(name) => name,
            None => {
                let mut context = Context::default();
                let at = self
                    .world
                    .discover_and_check(&mut context, target, FOLLOW)?;
                context.infos[at].name.clone()
            }
        };
        let mut context = Context::default();
        for name in names {
            let at = self.world.discover_and_check(&mut context, name, FOLLOW)?;
            let info = &mut context.infos[at];
            let list = if wants {
                &mut info.wanted_by
            } else {
                &mut info.required_by
            };
            *list = vec![target.to_string()];
        }
        self.apply(&mut context, false, false)
    }

    fn set_default(&mut self, names: &[String]) -> Result<(), Trouble> {
        let [name] = names else {
            let text = "set-default takes one target.".to_owned();
            return Err(Trouble::Invalid(text));
        };
        let parsed = UnitName::parse(name).map_err(|_| Trouble::BadName(name.clone()))?;
        if parsed.unit_type() != UnitType::Target || name == "default.target" {
            let text = format!("{name} cannot be the default target.");
            return Err(Trouble::Invalid(text));
        }
        const LOOK: Depth = Depth {
            load: false,
            follow: false,
        };
        let mut context = Context::default();
        let found = self.world.discover_and_check(&mut context, name, LOOK);
        let target = match found {
            Ok(at) => context.infos[at].place(),
            // A target that is built in has no file; its name is enough.
            Err(Trouble::NotFound(_)) if self.world.builtin(name).is_some() => name.clone(),
            Err(trouble) => return Err(trouble),
        };
        let path = format!("{}/default.target", self.place);
        self.create(&target, &path, true)
    }
}
