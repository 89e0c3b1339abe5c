//! A unit under construction, and the assignment that is being read into it.

use super::row::{Kind, Row};
use crate::unit::config::{
    Commands, DependencyKind, DependencyOrigin, ExecConfig, KillConfig, NotApplied, PathConfig,
    ScopeConfig, ServiceConfig, SocketConfig, TimerConfig, UnitBody, UnitConfig,
};
use crate::unit::diagnostic::{Diagnostic, Position, Rule, Severity};
use crate::unit::name::{UnitName, UnitType};
use crate::unit::specifier::{self, SpecifierContext, SystemFacts};
use crate::unit::syntax::Assignment;
use crate::unit::value::{self, ValueError};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

/// A unit under construction: its configuration and what only the loader needs to finish it.
#[derive(Debug)]
pub struct Draft {
    /// What is known so far; its name and aliases are set from the start.
    pub config: UnitConfig,
    /// The edges so far, each with the first who said so.
    pub dependencies: BTreeMap<(DependencyKind, UnitName), DependencyOrigin>,
    /// Where each directive was last set, by the name of its row.
    pub set: BTreeMap<&'static str, Position>,
    /// Directives with a value that made the unit bad-setting, by the name of their rows.
    pub bad: BTreeSet<&'static str>,
    /// RequiresMountsFor= and WantsMountsFor=: kind of dependency and path.
    pub mounts: Vec<(DependencyKind, String)>,
    /// Unit= of a path or timer.
    pub activates: Option<UnitName>,
    /// PermissionsStartOnly=.
    pub permissions_start_only: bool,
    /// Where each variable of Environment= stands in its list.
    pub variables: BTreeMap<String, usize>,
    /// Where the records of each directive stand in `config.not_applied`.
    records: BTreeMap<&'static str, Vec<usize>>,
    /// Records that later assignments took back; they go when the file is read.
    taken_back: BTreeSet<usize>,
    /// Something came out as it did because of the unit's own name, so that it may be otherwise
    /// for another instance of the same template.
    pub about_instance: Cell<bool>,
}

impl Draft {
    /// A draft of which nothing was read yet.
    pub fn new(config: UnitConfig) -> Draft {
        Draft {
            config,
            dependencies: BTreeMap::new(),
            set: BTreeMap::new(),
            bad: BTreeSet::new(),
            mounts: Vec::new(),
            activates: None,
            permissions_start_only: false,
            variables: BTreeMap::new(),
            records: BTreeMap::new(),
            taken_back: BTreeSet::new(),
            about_instance: Cell::new(false),
        }
    }

    /// Adds an edge unless it leads back to the unit itself; says whether it did.
    ///
    /// A template as target becomes the instance of this unit's own instance, or of its
    /// prefix, as in systemd.
    pub fn depend(
        &mut self,
        kind: DependencyKind,
        target: &UnitName,
        origin: DependencyOrigin,
    ) -> bool {
        let target = self.instantiate(target);
        if target == self.config.name || self.config.aliases.contains(&target) {
            self.about_instance.set(true);
            return false;
        }
        self.dependencies.entry((kind, target)).or_insert(origin);
        true
    }

    fn instantiate(&self, target: &UnitName) -> UnitName {
        if !target.is_template() {
            return target.clone();
        }
        self.about_instance.set(true);
        let name = &self.config.name;
        let instance = name.instance().unwrap_or_else(|| name.prefix());
        target
            .with_instance(instance)
            .unwrap_or_else(|_| target.clone())
    }

    /// Records that a value is not carried out.
    pub fn record(&mut self, record: NotApplied) {
        let list = &mut self.config.not_applied;
        let places = self.records.entry(record.directive).or_default();
        places.push(list.len());
        list.push(record);
    }

    /// Takes back what was recorded of a directive.
    fn take_back(&mut self, directive: &str) {
        let places = self.records.remove(directive).unwrap_or_default();
        self.taken_back.extend(places);
    }

    /// Drops what was taken back, all at once: each by itself would move all behind it.
    pub(super) fn drop_taken_back(&mut self) {
        if self.taken_back.is_empty() {
            return;
        }
        let taken_back = std::mem::take(&mut self.taken_back);
        self.records.clear();
        let records = std::mem::take(&mut self.config.not_applied);
        for (at, record) in records.into_iter().enumerate() {
            if !taken_back.contains(&at) {
                self.record(record);
            }
        }
    }

    /// Whether there is an edge.
    pub fn depends(&self, kind: DependencyKind, target: &UnitName) -> bool {
        self.dependencies.contains_key(&(kind, target.clone()))
    }
}

/// Why a value was not recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The assignment is ignored with a warning; what was set before stays (U8).
    Ignored {
        /// Byte offset in the value.
        offset: usize,
        /// What is wrong.
        message: String,
    },
    /// The unit is bad-setting (U9).
    Fatal {
        /// Byte offset in the value.
        offset: usize,
        /// What is wrong.
        message: String,
    },
    /// Units of this type do not carry the directive out yet.
    NotRun,
}

impl Trouble {
    /// A warning about the whole value.
    pub fn ignored(message: impl Into<String>) -> Trouble {
        Trouble::Ignored {
            offset: 0,
            message: message.into(),
        }
    }

    /// An error about the whole value.
    pub fn fatal(message: impl Into<String>) -> Trouble {
        Trouble::Fatal {
            offset: 0,
            message: message.into(),
        }
    }
}

impl From<ValueError> for Trouble {
    fn from(error: ValueError) -> Trouble {
        Trouble::ignored(error.0)
    }
}

/// One assignment on its way into a draft.
#[derive(Debug)]
pub struct Reading<'a> {
    /// Where it goes.
    pub draft: &'a mut Draft,
    /// The directive.
    pub row: &'static Row,
    /// The assignment.
    pub assignment: &'a Assignment,
    /// For specifiers.
    pub system: &'a SystemFacts,
    /// Findings so far.
    pub findings: Vec<Diagnostic>,
    /// The byte of the value that the last finding is about, and its position.
    pub last: Option<(usize, Position)>,
}

/// The most characters that a finding is about: nobody looks at more, and each of the many in
/// a long word would count it to its end.
const LONGEST_MARK: usize = 1000;

impl Reading<'_> {
    /// Expands specifiers (checklist section 3).
    ///
    /// # Errors
    /// A specifier that is none.
    pub fn expand(&self, text: &str) -> Result<String, ValueError> {
        let config = &self.draft.config;
        if specifier::is_about_instance(text) {
            self.draft.about_instance.set(true);
        }
        let context = SpecifierContext {
            unit: &config.name,
            fragment: config.fragment.as_deref(),
            system: self.system,
        };
        specifier::expand(text, &context)
    }

    /// Adds a finding about the byte of the value at `offset`.
    pub fn report(&mut self, severity: Severity, offset: usize, message: &str) {
        let position = self.assignment.position_from(self.last.as_ref(), offset);
        self.last = Some((offset, position.clone()));
        let finding = Diagnostic::new(
            severity,
            Rule::BadValue,
            position,
            format!("{}=: {message}", self.assignment.key),
        );
        self.findings.push(finding.length(self.length_at(offset)));
    }

    /// How many characters a finding at this byte is about: the word there in what is made of
    /// words, else the rest of the value, but no more than the line.
    fn length_at(&self, offset: usize) -> usize {
        let words = match self.row.kind {
            Kind::List | Kind::Commands | Kind::Dependencies => true,
            Kind::Boolean | Kind::Number | Kind::Span | Kind::Choice(_) => offset > 0,
            Kind::Text | Kind::Condition => false,
        };
        let end = self.assignment.line_end(offset);
        let rest = self.assignment.value.get(offset..end).unwrap_or("");
        let inside = |c: &char| !words || !matches!(c, ' ' | '\t');
        let shown = rest.chars().take(LONGEST_MARK).take_while(inside);
        let text: String = shown.collect();
        text.trim_end().chars().count()
    }

    /// Adds a warning.
    pub fn warn(&mut self, offset: usize, message: &str) {
        self.report(Severity::Warning, offset, message);
    }

    /// The service part.
    ///
    /// # Errors
    /// [`Trouble::NotRun`] for another type of unit.
    pub fn service(&mut self) -> Result<&mut ServiceConfig, Trouble> {
        let UnitBody::Service(service) = &mut self.draft.config.body else {
            return Err(Trouble::NotRun);
        };
        Ok(service)
    }

    /// The socket part.
    ///
    /// # Errors
    /// [`Trouble::NotRun`] for another type of unit.
    pub fn socket(&mut self) -> Result<&mut SocketConfig, Trouble> {
        let UnitBody::Socket(socket) = &mut self.draft.config.body else {
            return Err(Trouble::NotRun);
        };
        Ok(socket)
    }

    /// The scope part.
    ///
    /// # Errors
    /// [`Trouble::NotRun`] for another type of unit.
    pub fn scope(&mut self) -> Result<&mut ScopeConfig, Trouble> {
        let UnitBody::Scope(scope) = &mut self.draft.config.body else {
            return Err(Trouble::NotRun);
        };
        Ok(scope)
    }

    /// The timer part.
    ///
    /// # Errors
    /// [`Trouble::NotRun`] for another type of unit.
    pub fn timer(&mut self) -> Result<&mut TimerConfig, Trouble> {
        let UnitBody::Timer(timer) = &mut self.draft.config.body else {
            return Err(Trouble::NotRun);
        };
        Ok(timer)
    }

    /// The path part.
    ///
    /// # Errors
    /// [`Trouble::NotRun`] for another type of unit.
    pub fn path(&mut self) -> Result<&mut PathConfig, Trouble> {
        let UnitBody::Path(path) = &mut self.draft.config.body else {
            return Err(Trouble::NotRun);
        };
        Ok(path)
    }

    /// The commands of a service or socket.
    ///
    /// # Errors
    /// [`Trouble::NotRun`] for another type of unit.
    pub fn commands(&mut self) -> Result<&mut Commands, Trouble> {
        match &mut self.draft.config.body {
            UnitBody::Service(service) => Ok(&mut service.commands),
            UnitBody::Socket(socket) => Ok(&mut socket.commands),
            UnitBody::Scope(_)
            | UnitBody::Timer(_)
            | UnitBody::Path(_)
            | UnitBody::Target
            | UnitBody::Fact
            | UnitBody::Other => Err(Trouble::NotRun),
        }
    }

    /// The execution environment.
    ///
    /// # Errors
    /// [`Trouble::NotRun`] for a type of unit whose processes are not run yet.
    pub fn exec(&mut self) -> Result<&mut ExecConfig, Trouble> {
        match &mut self.draft.config.body {
            UnitBody::Service(service) => Ok(&mut service.exec),
            UnitBody::Socket(socket) => Ok(&mut socket.exec),
            UnitBody::Scope(_)
            | UnitBody::Timer(_)
            | UnitBody::Path(_)
            | UnitBody::Target
            | UnitBody::Fact
            | UnitBody::Other => Err(Trouble::NotRun),
        }
    }

    /// The kill settings.
    ///
    /// # Errors
    /// As [`Reading::exec`].
    pub fn kill(&mut self) -> Result<&mut KillConfig, Trouble> {
        match &mut self.draft.config.body {
            UnitBody::Service(service) => Ok(&mut service.kill),
            UnitBody::Socket(socket) => Ok(&mut socket.kill),
            UnitBody::Scope(scope) => Ok(&mut scope.kill),
            UnitBody::Timer(_)
            | UnitBody::Path(_)
            | UnitBody::Target
            | UnitBody::Fact
            | UnitBody::Other => Err(Trouble::NotRun),
        }
    }

    /// The type of the unit that is read.
    pub fn unit_type(&self) -> UnitType {
        self.draft.config.name.unit_type()
    }

    /// Keeps a value that is carried out: what acts on it is made from what was kept once all
    /// files are read (`unit::load`).
    ///
    /// # Errors
    /// A value that is none, or a type of unit whose processes are not run yet.
    pub fn applied(&mut self, value: &str) -> Result<(), Trouble> {
        self.exec()?;
        self.check_choice(value)?;
        let kept = self.keep(value)?;
        let row = self.row;
        if !row.kind.adds_up() || value.is_empty() {
            self.draft.take_back(row.name);
        }
        if !kept {
            self.draft.record(NotApplied {
                directive: row.name,
                value: value.to_owned(),
                reason: "this value is of a later systemd, and not carried out",
                refuses_start: true,
            });
        }
        Ok(())
    }

    /// The same of a setting of the control group, which units without processes may have, too.
    ///
    /// # Errors
    /// A value that is none, or a type of unit that has no control group here.
    pub fn of_group(&mut self, value: &str) -> Result<(), Trouble> {
        match self.draft.config.name.unit_type() {
            UnitType::Service | UnitType::Socket | UnitType::Slice | UnitType::Scope => {}
            UnitType::Mount
            | UnitType::Swap
            | UnitType::Target
            | UnitType::Timer
            | UnitType::Path
            | UnitType::Automount
            | UnitType::Device => return Err(Trouble::NotRun),
        }
        self.check_choice(value)?;
        self.keep(value)?;
        Ok(())
    }

    /// Of a directive with a choice of words, that the value is one of them.
    fn check_choice(&self, value: &str) -> Result<(), Trouble> {
        let Kind::Choice(words) = self.row.kind else {
            return Ok(());
        };
        let switch = words.contains(&"yes") && value::parse_boolean(value).is_ok();
        if value.is_empty() || switch || words.contains(&value) {
            return Ok(());
        }
        let words = words.join(", ");
        Err(Trouble::ignored(format!("\"{value}\" is none of {words}")))
    }

    /// Records that the value is not carried out, or that nothing is asked for any more.
    ///
    /// # Errors
    /// A boolean that is none; as in systemd it is ignored.
    pub fn not_applied(
        &mut self,
        value: &str,
        reason: &'static str,
        refuses_start: bool,
    ) -> Result<(), Trouble> {
        let row = self.row;
        let asks = self.asks(value)?;
        self.keep(value)?;
        if !row.kind.adds_up() || value.is_empty() {
            self.draft.take_back(row.name);
        }
        if asks {
            self.draft.record(NotApplied {
                directive: row.name,
                value: value.to_owned(),
                reason,
                refuses_start,
            });
        }
        Ok(())
    }

    /// Keeps the value to be shown. A word that only later versions of systemd know asks for
    /// something all the same, so it is no error here: the answer is whether it was kept.
    fn keep(&mut self, value: &str) -> Result<bool, Trouble> {
        let Some((property, shape)) = self.row.shape else {
            return Ok(true);
        };
        // Taken out rather than copied: a list may grow by a line at a time.
        let mut before = self.draft.config.written.remove(property);
        match shape(self, value, &mut before) {
            Ok(Some(kept)) => {
                self.draft.config.written.insert(property, kept);
            }
            Ok(None) => {}
            Err(trouble) => {
                if let Some(before) = before {
                    self.draft.config.written.insert(property, before);
                }
                let later = matches!(self.row.kind, Kind::Choice(words) if words.contains(&value));
                return if later { Ok(false) } else { Err(trouble) };
            }
        }
        Ok(true)
    }

    /// Whether a value of a directive that is not carried out asks for anything.
    fn asks(&self, value: &str) -> Result<bool, ValueError> {
        if self.row.kind == Kind::Boolean {
            let on_by_default = self.row.neutral.contains(&"yes");
            return Ok(value::parse_boolean(value)? != on_by_default);
        }
        let off = matches!(self.row.kind, Kind::Choice(_))
            && value::parse_boolean(value).is_ok_and(|on| !on);
        Ok(!value.is_empty() && !off && !self.row.neutral.contains(&value))
    }
}
