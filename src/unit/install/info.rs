//! What installing needs to know of one unit file.

use crate::unit::diagnostic::Severity;
use crate::unit::load::Settings;
use crate::unit::name::{UnitName, UnitType};
use crate::unit::specifier::{self, SpecifierContext};
use crate::unit::{syntax, words};

/// What a name in the load path turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Not looked at yet.
    Unknown,
    /// A file.
    Regular,
    /// A link to a file outside the load path.
    Linked,
    /// A link to another name in the load path.
    Alias,
    /// Empty, or a link to /dev/null.
    Masked,
}

/// A unit file with its `[Install]` section.
#[derive(Debug, Clone)]
pub(super) struct Info {
    pub(super) name: UnitName,
    /// Where the file is.
    pub(super) path: Option<String>,
    pub(super) mode: Mode,
    /// Where a link leads.
    pub(super) target: Option<String>,
    /// Named by an Also= only.
    pub(super) auxiliary: bool,
    pub(super) alias: Vec<String>,
    pub(super) wanted_by: Vec<String>,
    pub(super) required_by: Vec<String>,
    pub(super) upheld_by: Vec<String>,
    /// Names of Also=, specifiers expanded.
    pub(super) also: Vec<String>,
    pub(super) default_instance: Option<String>,
}

impl Info {
    pub(super) fn new(name: UnitName, path: Option<String>, auxiliary: bool) -> Info {
        Info {
            name,
            path,
            mode: Mode::Unknown,
            target: None,
            auxiliary,
            alias: Vec::new(),
            wanted_by: Vec::new(),
            required_by: Vec::new(),
            upheld_by: Vec::new(),
            also: Vec::new(),
            default_instance: None,
        }
    }

    /// The path, or the name where there is none.
    pub(super) fn place(&self) -> String {
        self.path.clone().unwrap_or_else(|| self.name.to_string())
    }

    pub(super) fn has_rules(&self) -> bool {
        !(self.alias.is_empty()
            && self.wanted_by.is_empty()
            && self.required_by.is_empty()
            && self.upheld_by.is_empty())
    }

    /// A template with the instance that DefaultInstance= names; any other unit as it is.
    pub(super) fn default_name(&self) -> UnitName {
        match &self.default_instance {
            Some(instance) if self.name.is_template() => self
                .name
                .with_instance(instance)
                .unwrap_or_else(|_| self.name.clone()),
            Some(_) | None => self.name.clone(),
        }
    }

    /// Expands the specifiers of a name in `[Install]`.
    pub(super) fn expand(&self, text: &str, settings: &Settings) -> Option<String> {
        let name = self.default_name();
        let context = SpecifierContext {
            unit: &name,
            fragment: self.path.as_deref(),
            system: &settings.system,
        };
        specifier::expand_name(text, &context).ok()
    }

    /// Reads `[Install]` of a file or drop-in.
    ///
    /// # Errors
    /// The file is not readable as a unit file.
    pub(super) fn read(
        &mut self,
        path: &str,
        content: &[u8],
        settings: &Settings,
    ) -> Result<(), String> {
        let document = syntax::parse(&path.into(), content);
        let bad = document
            .diagnostics
            .iter()
            .find(|finding| finding.severity == Severity::Error);
        if let Some(finding) = bad {
            return Err(finding.to_string());
        }
        let install = document
            .assignments
            .iter()
            .filter(|assignment| assignment.section == "Install");
        for assignment in install {
            self.assign(&assignment.key, &assignment.value, settings);
        }
        Ok(())
    }

    fn assign(&mut self, key: &str, value: &str, settings: &Settings) {
        let list = match key {
            "Alias" if !may_have_aliases(self.name.unit_type()) => return,
            "Alias" => &mut self.alias,
            "WantedBy" => &mut self.wanted_by,
            "RequiredBy" => &mut self.required_by,
            "UpheldBy" => &mut self.upheld_by,
            "Also" => {
                let names = split(value);
                let names = names.iter().filter_map(|text| self.expand(text, settings));
                let names: Vec<String> = names.collect();
                self.also.extend(names);
                return;
            }
            "DefaultInstance" => return self.set_default_instance(value, settings),
            _ => return,
        };
        if value.is_empty() {
            list.clear();
        }
        list.extend(split(value));
    }

    /// An instance that was asked for is not overridden.
    fn set_default_instance(&mut self, value: &str, settings: &Settings) {
        if !self.name.is_template() {
            return;
        }
        let Some(instance) = self.expand(value, settings) else {
            return;
        };
        if instance.is_empty() {
            self.default_instance = None;
        } else if self.name.with_instance(&instance).is_ok() {
            self.default_instance = Some(instance);
        }
    }

    /// Whether a link of this name is one that enabling would make. Aliases count as they are
    /// written, specifiers and all, as in systemd.
    pub(super) fn makes(&self, link: &str) -> bool {
        link == self.name.as_str()
            || link == self.default_name().as_str()
            || self.alias.iter().any(|alias| alias == link)
    }
}

/// Unit types with other names (systemd.unit(5), Alias=).
fn may_have_aliases(unit_type: UnitType) -> bool {
    match unit_type {
        UnitType::Service
        | UnitType::Socket
        | UnitType::Target
        | UnitType::Device
        | UnitType::Timer
        | UnitType::Path => true,
        UnitType::Slice
        | UnitType::Scope
        | UnitType::Mount
        | UnitType::Automount
        | UnitType::Swap => false,
    }
}

/// The words of a value; none if its quotes do not match.
fn split(value: &str) -> Vec<String> {
    let words = words::split_keeping_escapes(value).unwrap_or_default();
    words.into_iter().map(|word| word.text).collect()
}
