//! Making the links that `[Install]` asks for.

use super::change::{ChangeKind, Trouble};
use super::context::{Context, Depth, World};
use super::directories::last;
use super::edits::Planner;
use super::info::{Info, Mode};
use crate::unit::load;
use crate::unit::name::UnitName;

/// Whose name may be an instance's or a template's only.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Targets {
    Any,
    Templated,
}

impl Planner<'_> {
    /// Makes the links of all units of the context, and of those that Also= adds on the way.
    /// `lenient`: units that cannot be enabled without an instance are passed over.
    pub(super) fn apply(
        &mut self,
        context: &mut Context,
        load: bool,
        lenient: bool,
    ) -> Result<(), Trouble> {
        let depth = Depth {
            load,
            follow: !load,
        };
        while let Some(at) = context.take() {
            let name = context.infos[at].name.to_string();
            if let Err(fault) = self.world.traverse(context, at, depth) {
                if context.infos[at].auxiliary {
                    self.tell(ChangeKind::AuxiliaryFailed, &name, "");
                    continue;
                }
                return Err(fault.about(&name));
            }
            let info = context.infos[at].clone();
            match info.mode {
                Mode::Masked => {
                    self.tell(ChangeKind::Masked, &info.place(), "");
                    self.plan.carries_install_info = true;
                }
                Mode::Regular => self.apply_one(&info, lenient)?,
                Mode::Unknown | Mode::Linked | Mode::Alias => {}
            }
        }
        Ok(())
    }

    fn apply_one(&mut self, info: &Info, lenient: bool) -> Result<(), Trouble> {
        self.link_from_elsewhere(info);
        self.make_aliases(info);
        for (list, suffix) in [
            (&info.wanted_by, "wants"),
            (&info.required_by, "requires"),
            (&info.upheld_by, "upholds"),
        ] {
            self.make_dependencies(info, list, suffix, lenient)?;
        }
        Ok(())
    }

    /// A file outside the load path is linked into it.
    fn link_from_elsewhere(&mut self, info: &Info) {
        let file = info.place();
        if !self.world.directories.holds(&file) {
            let path = format!("{}/{}", self.place, info.name);
            let made = self.create(&file, &path, self.request.force);
            self.troubles.extend(made.err());
        }
    }

    fn make_aliases(&mut self, info: &Info) {
        for text in &info.alias {
            let alias = self.alias_name(info, text);
            let made = alias.and_then(|alias| match alias {
                // A name that is an alias of itself is there already.
                None => Ok(()),
                Some(alias) => self.make_alias(info, &alias),
            });
            self.troubles.extend(made.err());
        }
    }

    fn make_alias(&mut self, info: &Info, alias: &str) -> Result<(), Trouble> {
        self.plan.carries_install_info = true;
        let path = format!("{}/{alias}", self.place);
        self.create(&info.place(), &path, self.request.force)
    }

    /// Checks an alias; `None` if it is the unit's own name.
    fn alias_name(&self, info: &Info, text: &str) -> Result<Option<String>, Trouble> {
        let expanded = info.expand(text, self.world.settings);
        let alias = expanded.ok_or_else(|| Trouble::Specifier(text.to_owned()))?;
        let wrong = || Trouble::CannotAlias(info.name.to_string(), alias.clone());
        if let Some((directory, name)) = alias.rsplit_once('/') {
            let unit = directory
                .strip_suffix(".wants")
                .or_else(|| directory.strip_suffix(".requires"))
                .and_then(|unit| UnitName::parse(unit).ok());
            let unit = unit.ok_or_else(|| Trouble::BadReference(alias.clone()))?;
            let template = info.name.template();
            let fits = name == info.name.as_str()
                || (unit.is_template() && template.is_some_and(|t| t.as_str() == name));
            return if fits { Ok(Some(alias)) } else { Err(wrong()) };
        }
        let mut name = UnitName::parse(&alias).map_err(|_| wrong())?;
        let own = info.name.instance().filter(|instance| !instance.is_empty());
        if let (true, Some(instance)) = (name.is_template(), own) {
            name = name.with_instance(instance).map_err(|_| wrong())?;
        }
        if name == info.name {
            return Ok(None);
        }
        if !may_alias(&name, &info.name) {
            let name = name.to_string();
            return Err(Trouble::CannotAlias(info.name.to_string(), name));
        }
        Ok(Some(name.to_string()))
    }

    fn make_dependencies(
        &mut self,
        info: &Info,
        list: &[String],
        suffix: &str,
        lenient: bool,
    ) -> Result<(), Trouble> {
        if list.is_empty() {
            return Ok(());
        }
        let name = info.default_name();
        if name != info.name {
            self.check_instance(&name)?;
        }
        let targets = if name.is_template() {
            Targets::Templated
        } else {
            Targets::Any
        };
        for text in list {
            let made = self.make_dependency(info, &name, text, targets, suffix);
            match made {
                Err(Trouble::NonTemplate(..) | Trouble::BadName(_)) if lenient => {}
                Err(trouble) => self.troubles.push(trouble),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    /// The default instance must not be masked.
    fn check_instance(&mut self, name: &UnitName) -> Result<(), Trouble> {
        let mut context = Context::default();
        let depth = Depth {
            load: false,
            follow: true,
        };
        let at = self.world.discover(&mut context, name.as_str(), depth)?;
        let info = &context.infos[at];
        if info.mode == Mode::Masked {
            return Err(Trouble::Masked(info.place()));
        }
        Ok(())
    }

    fn make_dependency(
        &mut self,
        info: &Info,
        name: &UnitName,
        text: &str,
        targets: Targets,
        suffix: &str,
    ) -> Result<(), Trouble> {
        let expanded = info.expand(text, self.world.settings);
        let target = expanded.ok_or_else(|| Trouble::Specifier(text.to_owned()))?;
        let target = UnitName::parse(&target).map_err(|_| Trouble::BadName(target))?;
        if targets == Targets::Templated && target.instance().is_none() {
            let (target, unit) = (target.to_string(), name.to_string());
            return Err(Trouble::NonTemplate(target, unit));
        }
        self.plan.carries_install_info = true;
        let file = info.place();
        let path = format!("{}/{target}.{suffix}/{name}", self.place);
        self.create(&file, &path, true)?;
        if !self.world.exists(&target) {
            self.tell(ChangeKind::DestinationNotPresent, target.as_str(), &file);
        }
        Ok(())
    }
}

impl World<'_> {
    /// Whether something hangs together under this name: a file, a link, or a built-in unit.
    pub(super) fn exists(&self, name: &UnitName) -> bool {
        let names = [Some(name.clone()), name.template()];
        let in_path = |name: UnitName| {
            let mut paths = self.directories.path.iter();
            paths.any(|directory| {
                let path = format!("{directory}/{name}");
                self.tree.kind(&path).is_some()
            })
        };
        names.into_iter().flatten().any(in_path) || self.builtin(name.as_str()).is_some()
    }

    /// A unit that is there without a file, unless a file has its name.
    pub(super) fn builtin(&self, name: &str) -> Option<UnitName> {
        let parsed = UnitName::parse(last(name)).ok()?;
        let in_path = |directory: &String| {
            let path = format!("{directory}/{parsed}");
            self.tree.kind(&path).is_some()
        };
        let known = self.settings.default_dependencies && load::is_builtin(&parsed);
        (known && !self.directories.path.iter().any(in_path)).then_some(parsed)
    }
}

/// Whether a name may be an alias of a unit: of the same type, and plain for plain, template for
/// template, instance for the same instance or for a template.
fn may_alias(alias: &UnitName, unit: &UnitName) -> bool {
    if alias.unit_type() != unit.unit_type() {
        return false;
    }
    match (alias.instance(), unit.instance()) {
        (None, None) => true,
        (Some(own), Some(other)) => own == other || (!own.is_empty() && other.is_empty()),
        (None, Some(_)) | (Some(_), None) => false,
    }
}
