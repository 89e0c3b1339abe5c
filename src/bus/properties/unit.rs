//! A unit as it was at one moment, and the properties that all units have.

use super::row::Row;
use super::{Shown, masked, service, socket, timer, type_rows, unit_rows, usage};
use crate::bus::value::Value;
use crate::bus::{path, scope};
use crate::engine::Timestamp;
use crate::engine::inspect::{CheckView, DEPENDENCY_PROPERTIES, UnitView};
use crate::host::{Usage, View};
use crate::unit::config::{CommandKind, Condition, LoadState, ServiceType, UnitBody};
use crate::unit::directive::{self, PropertyValue};
use crate::unit::name::{UnitName, UnitType};
use std::collections::BTreeMap;

/// The one property that everything has to be looked for that the interface of a unit's type has.
pub(in crate::bus) const OF_TYPE: &str = "ControlGroup";

/// The one property of those told when they change for which something has to be looked for.
pub(in crate::bus) const OF_CHANGES: &str = "FreezerState";

/// Everything that is shown of a unit.
#[derive(Debug, Clone)]
pub(in crate::bus) struct UnitSnapshot {
    /// What the engine shows.
    pub(in crate::bus) view: UnitView,
    /// The dependency properties.
    pub(in crate::bus) dependencies: BTreeMap<&'static str, Vec<UnitName>>,
    /// As /proc/PID/cgroup names it; may be empty.
    pub(in crate::bus) control_group: String,
    /// It was made by a client.
    pub(in crate::bus) transient: bool,
    /// FreezerState, if it can be frozen.
    pub(in crate::bus) freezer: Option<&'static str>,
    /// What its control group has used, where it was asked for.
    pub(in crate::bus) usage: Usage,
    /// UnitFileState and UnitFilePreset, where they were asked for.
    pub(in crate::bus) file_state: Option<(String, String)>,
}

impl UnitSnapshot {
    /// Copies what there is of a loaded unit.
    pub(in crate::bus) fn take(view: &View<'_>, name: &str) -> Option<UnitSnapshot> {
        UnitSnapshot::take_for(view, name, None)
    }

    /// The same, of what has to be looked for only what this property needs, or all but the usage
    /// if `None`. For all of a type's interface [`OF_TYPE`] is enough, for all that is told when it
    /// changes [`OF_CHANGES`].
    pub(in crate::bus) fn take_for(
        view: &View<'_>,
        name: &str,
        wanted: Option<&str>,
    ) -> Option<UnitSnapshot> {
        let unit = view.engine.unit(name)?;
        let mut dependencies: BTreeMap<_, _> = DEPENDENCY_PROPERTIES
            .into_iter()
            .filter(|property| wanted.is_none_or(|wanted| wanted == *property))
            .map(|property| (property, view.engine.dependencies(name, property)))
            .collect();
        if unit.name().unit_type() == UnitType::Slice && wanted.is_none_or(|w| w == "SliceOf") {
            dependencies.insert("SliceOf", members_of(view, unit.name()));
        }
        let is_wanted = |properties: &[&str]| wanted.is_none_or(|it| properties.contains(&it));
        let control_group = match is_wanted(&["ControlGroup"]) {
            true => view.facts.control_group(unit.name()),
            false => String::new(),
        };
        let fragment = unit.config.fragment.as_deref().unwrap_or_default();
        let transient = is_wanted(&["Transient"]) && view.facts.is_transient(fragment);
        let freezer = match is_wanted(&["CanFreeze", "FreezerState"]) {
            true => view.facts.freezer(unit.name()),
            false => None,
        };
        let usage = match wanted.is_some_and(usage::is_usage) {
            true => view.facts.usage(unit.name()),
            false => Usage::default(),
        };
        Some(UnitSnapshot {
            view: unit,
            dependencies,
            control_group,
            transient,
            freezer,
            usage,
            file_state: None,
        })
    }

    /// The unit's type.
    pub(in crate::bus) fn unit_type(&self) -> UnitType {
        self.view.name().unit_type()
    }

    /// The properties of org.freedesktop.systemd1.Unit, in order.
    pub(in crate::bus) fn unit_properties(&self) -> impl Iterator<Item = Shown> {
        self.show(unit_rows(), None)
    }

    /// The properties of the unit type's interface, in order.
    pub(in crate::bus) fn type_properties(&self) -> impl Iterator<Item = Shown> {
        let unit_type = self.unit_type();
        self.show(type_rows(unit_type), Some(unit_type))
    }

    /// Our own settings, which systemd's interfaces have no place for.
    pub(in crate::bus) fn own_properties(&self) -> impl Iterator<Item = Shown> {
        let shown = |property: &'static directive::Property| {
            let value = property.value(&self.view.config);
            let value = Value::from_property(value, property.signature)?;
            Some((property.name, property.signature, value))
        };
        directive::own_properties().filter_map(shown)
    }

    /// One property of a row.
    pub(in crate::bus) fn value(&self, row: &Row, unit_type: Option<UnitType>) -> Option<Value> {
        let live = match unit_type {
            _ if !row.live => None,
            None => self.live(row.name),
            Some(UnitType::Service) => {
                service::live(self, row.name).or_else(|| usage::live(&self.usage, row.name))
            }
            Some(UnitType::Socket) => {
                socket::live(self, row.name).or_else(|| usage::live(&self.usage, row.name))
            }
            Some(UnitType::Slice) if row.name == "ControlGroup" => {
                Some(Value::from(self.control_group.as_str()))
            }
            Some(UnitType::Slice) => usage::live(&self.usage, row.name),
            Some(UnitType::Scope) => self.live_scope(row.name),
            Some(UnitType::Timer) => timer::live(self, row.name),
            Some(UnitType::Path) => self.live_path(row.name),
            Some(_) => None,
        };
        live.or_else(|| self.configured(row))
            .or_else(|| row.default_value())
            .map(|value| masked(row.name, value))
    }

    fn show(
        &self,
        rows: &'static [Row],
        unit_type: Option<UnitType>,
    ) -> impl Iterator<Item = Shown> {
        rows.iter()
            .filter_map(move |row| Some((row.name, row.signature, self.value(row, unit_type)?)))
    }

    fn configured(&self, row: &Row) -> Option<Value> {
        let config = &self.view.config;
        let value = match row.directive {
            Some(property) => property.value(config),
            // Shown by no directive, but following from some.
            None => config.written.get(row.name)?.clone(),
        };
        let value = Value::from_property(value, row.signature);
        if value.is_none() {
            tracing::error!(
                property = row.name,
                "the directive table has another type for it"
            );
        }
        value
    }

    fn live(&self, name: &str) -> Option<Value> {
        let config = &self.view.config;
        let times = &self.view.times;
        if let Some(targets) = self.dependencies.get(name) {
            return Some(Value::strings(targets.iter().map(UnitName::as_str)));
        }
        Some(match name {
            "Id" => Value::from(config.name.as_str()),
            "Names" => self.names(),
            "Description" => Value::from(config.unit.description.as_str()),
            "LoadState" => Value::from(config.load.as_str()),
            "ActiveState" => Value::from(self.view.active.as_str()),
            "SubState" => Value::from(self.view.sub),
            "FragmentPath" => Value::from(config.fragment.clone().unwrap_or_default()),
            "DropInPaths" => Value::strings(config.drop_ins.iter().map(String::as_str)),
            "UnitFileState" => Value::from(self.file_state.as_ref()?.0.as_str()),
            "UnitFilePreset" => Value::from(self.file_state.as_ref()?.1.as_str()),
            "LoadError" => self.load_error(),
            "CanStart" => Value::Bool(self.can_start()),
            "CanStop" => Value::Bool(self.can_stop()),
            "CanIsolate" => Value::Bool(self.can_start() && self.view.config.unit.allow_isolate),
            "Transient" => Value::Bool(self.transient),
            "CanClean" => usage::can_clean(self),
            "CanFreeze" => Value::Bool(self.freezer.is_some()),
            "FreezerState" => Value::from(self.freezer?),
            "CanReload" => Value::Bool(self.can_reload()),
            "Job" => self.job(),
            "ActivationDetails" => details(&self.view.details),
            "InvocationID" => Value::Bytes(self.invocation()),
            "ConditionResult" => Value::Bool(self.view.condition.result),
            "AssertResult" => Value::Bool(self.view.assert.result),
            "Conditions" => checks("Condition", &config.unit.conditions, self.view.condition),
            "Asserts" => checks("Assert", &config.unit.asserts, self.view.assert),
            _ => {
                let (prefix, monotonic) = timestamp_name(name)?;
                let time = match prefix {
                    "StateChange" => times.change,
                    "InactiveExit" => times.inactive_exit,
                    "ActiveEnter" => times.active_enter,
                    "ActiveExit" => times.active_exit,
                    "InactiveEnter" => times.inactive_enter,
                    "Condition" => self.view.condition.time,
                    "Assert" => self.view.assert.time,
                    _ => return None,
                };
                clock(time, monotonic)
            }
        })
    }

    /// What a scope has of its own, and what its processes use.
    fn live_scope(&self, name: &str) -> Option<Value> {
        if name == "ControlGroup" {
            return Some(Value::from(self.control_group.as_str()));
        }
        let own = self.view.scope.as_ref();
        own.and_then(|view| scope::live(view, name))
            .or_else(|| usage::live(&self.usage, name))
    }

    /// What a path has that no file says.
    fn live_path(&self, name: &str) -> Option<Value> {
        let result = self.view.path.filter(|_| name == "Result")?;
        Some(Value::from(result.as_str()))
    }

    fn names(&self) -> Value {
        let config = &self.view.config;
        let own = std::iter::once(&config.name);
        let others = config.aliases.iter().filter(|a| **a != config.name);
        Value::strings(own.chain(others).map(UnitName::as_str))
    }

    fn load_error(&self) -> Value {
        let config = &self.view.config;
        let name = match config.load {
            LoadState::Loaded => return Value::Struct(vec![Value::from(""), Value::from("")]),
            LoadState::NotFound => "org.freedesktop.systemd1.NoSuchUnit",
            LoadState::BadSetting => "org.freedesktop.systemd1.BadUnitSetting",
            LoadState::Error => "org.freedesktop.systemd1.LoadFailed",
            LoadState::Masked => "org.freedesktop.systemd1.UnitMasked",
        };
        let message = config.load_error.clone().unwrap_or_default();
        Value::Struct(vec![Value::from(name), Value::from(message)])
    }

    fn can_start(&self) -> bool {
        let config = &self.view.config;
        let startable = match config.body {
            // It gets its processes once.
            UnitBody::Scope(_) => self.view.times.inactive_exit.monotonic == 0,
            UnitBody::Service(_)
            | UnitBody::Socket(_)
            | UnitBody::Timer(_)
            | UnitBody::Path(_)
            | UnitBody::Target => true,
            UnitBody::Fact | UnitBody::Other => false,
        };
        startable && config.load == LoadState::Loaded && !config.unit.refuse_manual_start
    }

    /// As in systemd a unit can be stopped whatever became of its file.
    fn can_stop(&self) -> bool {
        let kind = match self.unit_type() {
            UnitType::Service
            | UnitType::Socket
            | UnitType::Scope
            | UnitType::Timer
            | UnitType::Path
            | UnitType::Target => true,
            UnitType::Slice
            | UnitType::Mount
            | UnitType::Automount
            | UnitType::Swap
            | UnitType::Device => false,
        };
        let fact = self.view.config.body == UnitBody::Fact;
        kind && !fact && !self.view.config.unit.refuse_manual_stop
    }

    fn can_reload(&self) -> bool {
        self.view.config.service().is_some_and(|service| {
            service.service_type == ServiceType::NotifyReload
                || !service.commands.get(CommandKind::Reload).is_empty()
        })
    }

    fn job(&self) -> Value {
        let (id, path) = match &self.view.job {
            Some(job) => (job.id.0, path::of_job(job.id)),
            None => (0, "/".to_owned()),
        };
        Value::Struct(vec![Value::U32(id), Value::String(path)])
    }

    fn invocation(&self) -> Vec<u8> {
        match self.view.invocation {
            0 => Vec::new(),
            id => id.to_be_bytes().to_vec(),
        }
    }
}

/// The units whose Slice= is this one.
fn members_of(view: &View<'_>, slice: &UnitName) -> Vec<UnitName> {
    let slice = PropertyValue::String(slice.to_string());
    let units = view.engine.listed_units();
    units
        .filter(|unit| unit.config.written.get("Slice") == Some(&slice))
        .map(|unit| unit.config.name.clone())
        .collect()
}

/// A timestamp property's name without `Timestamp` and `Monotonic`, and whether it had that.
pub(super) fn timestamp_name(name: &str) -> Option<(&str, bool)> {
    match name.strip_suffix("Monotonic") {
        Some(rest) => Some((rest.strip_suffix("Timestamp")?, true)),
        None => Some((name.strip_suffix("Timestamp")?, false)),
    }
}

/// One of a timestamp's clocks.
pub(super) fn clock(time: Timestamp, monotonic: bool) -> Value {
    Value::U64(if monotonic {
        time.monotonic
    } else {
        time.realtime
    })
}

/// `a(ss)`: what a unit was started for.
fn details(details: &[(String, String)]) -> Value {
    // Of TRIGGER_UNIT systemd shows `trigger_unit`.
    let shown = details.iter().map(|(name, value)| {
        let name = name.to_lowercase();
        Value::Struct(vec![Value::String(name), Value::from(value.as_str())])
    });
    Value::Array(shown.collect())
}

/// `a(sbbsi)`: name, trigger, negate, parameter, and 1 held, -1 did not, 0 not known.
fn checks(prefix: &str, conditions: &[Condition], last: CheckView) -> Value {
    let state = if last.time == Timestamp::default() {
        0
    } else if last.result {
        1
    } else if conditions.len() == 1 {
        -1
    } else {
        // Only the result of all together is kept.
        0
    };
    let check = |c: &Condition| {
        Value::Struct(vec![
            Value::String(format!("{prefix}{}", c.kind.suffix())),
            Value::Bool(c.trigger),
            Value::Bool(c.negate),
            Value::from(c.parameter.as_str()),
            Value::I32(state),
        ])
    };
    Value::Array(conditions.iter().map(check).collect())
}
