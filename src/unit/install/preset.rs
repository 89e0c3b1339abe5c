//! Presets: which units the distribution or the administrator wants enabled
//! (systemd.preset(5)).
//!
//! The files `*.preset` stand beside each unit directory, in the directory of the same name
//! with `-preset` behind: `/etc/systemd/system-preset` for `/etc/systemd/system`, and by default
//! `/etc/datadog-agent/process-manager/units-preset`. They are read in the order of their names;
//! one name counts once, where the path is highest. The first rule that matches decides, and
//! without one a unit is enabled.

use super::change::Trouble;
use super::context::{Context, Depth, FULL, World};
use super::edits::Planner;
use crate::unit::load::EntryKind;
use crate::unit::name::UnitName;
use std::collections::{BTreeMap, BTreeSet};

/// Which half of a preset is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PresetMode {
    /// Enable and disable.
    Full,
    /// Only enable.
    EnableOnly,
    /// Only disable.
    DisableOnly,
}

impl PresetMode {
    /// Reads `full`, `enable-only` or `disable-only`; empty is `full`.
    pub fn parse(word: &str) -> Option<PresetMode> {
        Some(match word {
            "" | "full" => PresetMode::Full,
            "enable-only" => PresetMode::EnableOnly,
            "disable-only" => PresetMode::DisableOnly,
            _ => return None,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    enable: bool,
    pattern: String,
    /// Of a template: which ones.
    instances: Vec<String>,
}

/// All rules, the first that matches decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Presets(Vec<Rule>);

/// What is wanted of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    Enabled,
    /// A template: these instances.
    Instances(Vec<String>),
    Disabled,
}

impl Presets {
    /// Reads the preset files.
    pub(super) fn read(world: &World<'_>) -> Presets {
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        for directory in &world.directories.path {
            let directory = format!("{directory}-preset");
            for (name, kind) in world.tree.list(&directory).iter() {
                let counts = matches!(kind, EntryKind::File | EntryKind::Link(_));
                if counts && name.ends_with(".preset") {
                    let path = format!("{directory}/{name}");
                    files.entry(name.clone()).or_insert(path);
                }
            }
        }
        let mut rules = Vec::new();
        for path in files.into_values() {
            let content = world.tree.read(&path).unwrap_or_default();
            let text = String::from_utf8_lossy(&content).into_owned();
            rules.extend(text.lines().filter_map(rule));
        }
        Presets(rules)
    }

    /// What is wanted of a unit.
    pub(super) fn query(&self, name: &UnitName) -> Wanted {
        for rule in &self.0 {
            if let Some(wanted) = rule.query(name) {
                return wanted;
            }
        }
        Wanted::Enabled
    }
}

impl Rule {
    fn query(&self, name: &UnitName) -> Option<Wanted> {
        let own = matches(&self.pattern, name.as_str());
        let plain = if self.enable {
            Wanted::Enabled
        } else {
            Wanted::Disabled
        };
        if self.instances.is_empty() || name.instance().is_none() {
            return own.then_some(plain);
        }
        if name.is_template() {
            let names = self.instances.iter();
            let names = names.filter_map(|i| name.with_instance(i).ok());
            let names = names.map(|name| name.to_string()).collect();
            return (own && self.enable).then_some(Wanted::Instances(names));
        }
        let template = name
            .template()
            .is_some_and(|t| matches(&self.pattern, t.as_str()));
        let instance = name.instance().unwrap_or_default();
        let listed = self.instances.iter().any(|i| i == instance);
        (own || (template && listed)).then_some(plain)
    }
}

/// `enable PATTERN [INSTANCE...]` or `disable PATTERN`; anything else says nothing.
fn rule(line: &str) -> Option<Rule> {
    let mut words = line.split_whitespace();
    let enable = match words.next()? {
        "enable" => true,
        "disable" => false,
        _ => return None,
    };
    let pattern = words.next()?.to_owned();
    let instances = words.map(str::to_owned).collect();
    Some(Rule {
        enable,
        pattern,
        instances,
    })
}

/// fnmatch(3) without escapes: `*`, `?` and `[...]`.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let mut pattern = pattern.to_owned();
    // `**` means directories to the glob crate; in a name it means what `*` means.
    while pattern.contains("**") {
        pattern = pattern.replace("**", "*");
    }
    glob::Pattern::new(&pattern).is_ok_and(|p| p.matches(text))
}

impl Planner<'_> {
    pub(super) fn preset(&mut self, names: &[String], mode: PresetMode) -> Result<(), Trouble> {
        let presets = Presets::read(&self.world);
        let (mut plus, mut minus) = (Context::default(), Context::default());
        for name in names {
            self.prepare(&presets, name, &mut plus, &mut minus)?;
        }
        self.execute(plus, minus, mode)
    }

    /// All unit files; those that cannot be enabled or disabled are passed over.
    pub(super) fn preset_all(&mut self, mode: PresetMode) -> Result<(), Trouble> {
        let presets = Presets::read(&self.world);
        let (mut plus, mut minus) = (Context::default(), Context::default());
        let mut seen = BTreeSet::new();
        for directory in self.world.directories.path.clone() {
            for (name, kind) in self.world.tree.list(&directory).iter() {
                let file = matches!(kind, EntryKind::File | EntryKind::Link(_));
                if file && UnitName::parse(name).is_ok() && seen.insert(name.clone()) {
                    // What cannot be preset is none of this request's business.
                    let _ = self.prepare(&presets, name, &mut plus, &mut minus);
                }
            }
        }
        self.execute(plus, minus, mode)
    }

    fn prepare(
        &self,
        presets: &Presets,
        name: &str,
        plus: &mut Context,
        minus: &mut Context,
    ) -> Result<(), Trouble> {
        let look = Depth {
            load: false,
            follow: true,
        };
        let mut context = Context::default();
        let at = self.world.discover(&mut context, name, look)?;
        let info = &context.infos[at];
        if info.name.as_str() != name {
            // An alias: the unit itself counts.
            return Ok(());
        }
        match presets.query(&info.name) {
            Wanted::Enabled => {
                self.world.discover_and_check(plus, name, FULL)?;
            }
            Wanted::Instances(names) => {
                for name in names {
                    self.world.discover_and_check(plus, &name, FULL)?;
                }
            }
            Wanted::Disabled => {
                self.world.discover(minus, name, look)?;
            }
        }
        Ok(())
    }

    fn execute(
        &mut self,
        mut plus: Context,
        mut minus: Context,
        mode: PresetMode,
    ) -> Result<(), Trouble> {
        if mode != PresetMode::EnableOnly {
            self.remove_links_of(&mut minus)?;
        }
        if mode != PresetMode::DisableOnly {
            self.apply(&mut plus, true, true)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_matches_decides() {
        let lines = "# enable x\nenable a*.service\ndisable a@.service\nenable t@.service x y\n\
                     nonsense\ndisable *";
        let presets = Presets(lines.lines().filter_map(rule).collect());
        assert_eq!(presets.0.len(), 4);
        let query = |name: &str| presets.query(&UnitName::parse(name).unwrap());
        assert_eq!(query("abc.service"), Wanted::Enabled);
        assert_eq!(query("b.service"), Wanted::Disabled);
        assert_eq!(
            query("t@.service"),
            Wanted::Instances(vec!["t@x.service".into(), "t@y.service".into()])
        );
        assert_eq!(query("t@x.service"), Wanted::Enabled);
        assert_eq!(query("t@z.service"), Wanted::Disabled);
        let none = Presets::default();
        assert_eq!(
            none.query(&UnitName::parse("a.service").unwrap()),
            Wanted::Enabled
        );
    }
}
