//! What the table says of one directive.

use super::read::{Reading, Trouble};
use super::shape;
use crate::unit::config::UnitConfig;

/// A value as D-Bus carries it, without knowing D-Bus.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum PropertyValue {
    Bool(bool),
    I32(i32),
    U32(u32),
    I64(i64),
    U64(u64),
    String(String),
    /// `ay`.
    Bytes(Vec<u8>),
    /// `as`.
    Strings(Vec<String>),
    /// A struct, field by field.
    Struct(Vec<PropertyValue>),
    /// An array; the element signature stands in the property's own.
    Array(Vec<PropertyValue>),
}

/// Reads a property from a configuration.
pub type Get = fn(&UnitConfig) -> PropertyValue;

/// A D-Bus property that a directive is shown as.
#[derive(Debug, Clone, Copy)]
pub struct Property {
    /// The property's name, as systemd 252 has it.
    pub name: &'static str,
    /// Its D-Bus signature.
    pub signature: &'static str,
    /// Reads it from a configuration; for a directive with a [`Shape`] its default.
    pub get: Get,
}

impl Property {
    /// The property's value: what was written and is only kept, else what `get` says.
    pub fn value(&self, config: &UnitConfig) -> PropertyValue {
        match config.written.get(self.name) {
            Some(written) => written.clone(),
            None => (self.get)(config),
        }
    }
}

/// Reads the value of a directive that is kept to be shown, given what earlier assignments
/// made of it; `None` is the default again.
///
/// # Errors
/// A value that systemd 252 does not take: the assignment is ignored.
pub type Shape = fn(
    &mut Reading<'_>,
    &str,
    &mut Option<PropertyValue>,
) -> Result<Option<PropertyValue>, Trouble>;

/// How far this build carries a directive out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// As in systemd.
    Full,
    /// Parsed and shown; without effect here, for the reason given.
    Accepted(&'static str),
    /// Parsed and kept; the part named is still to come.
    Planned(&'static str),
    /// A unit that sets it does not start, for the reason given.
    Refused(&'static str),
}

impl Support {
    /// The reason that is not [`Support::Full`], else nothing.
    pub fn reason(self) -> &'static str {
        match self {
            Support::Full => "",
            Support::Accepted(reason) | Support::Planned(reason) | Support::Refused(reason) => {
                reason
            }
        }
    }
}

/// What a directive's value looks like, and what several assignments of it do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// yes or no; the last one counts.
    Boolean,
    /// A number; the last one counts.
    Number,
    /// A length of time; the last one counts.
    Span,
    /// One of these words; the last one counts.
    Choice(&'static [&'static str]),
    /// Any text; the last one counts, an empty one unsets.
    Text,
    /// Assignments add up; an empty one starts anew (U10).
    List,
    /// Unit names that add up; an empty one does nothing (U10).
    Dependencies,
    /// Command lines that add up; an empty one starts anew.
    Commands,
    /// A check that adds up; an empty one drops those of every kind (U11).
    Condition,
}

impl Kind {
    /// Whether several assignments add up.
    pub(super) fn adds_up(self) -> bool {
        match self {
            Kind::List | Kind::Commands | Kind::Dependencies | Kind::Condition => true,
            Kind::Boolean | Kind::Number | Kind::Span | Kind::Choice(_) | Kind::Text => false,
        }
    }
}

/// Records one value in the unit under construction.
pub type Parse = fn(&mut Reading<'_>, &str) -> Result<(), Trouble>;

/// One directive.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The sections it may stand in; one for most, several for those that unit types share.
    pub sections: &'static [&'static str],
    /// Its name.
    pub name: &'static str,
    /// Other spellings: section and name.
    pub aliases: &'static [(&'static str, &'static str)],
    /// The first systemd version that knows it; 33 stands for older ones, too.
    pub since: u16,
    /// What its value looks like.
    pub kind: Kind,
    /// Values besides an empty one and `no` that ask for nothing, for directives that are
    /// not carried out; a boolean with `yes` here is on by default.
    pub neutral: &'static [&'static str],
    /// Records a value.
    pub parse: Parse,
    /// How its value is kept to be shown, and the property that shows it; for directives that
    /// are not carried out, or that are carried out from what is kept.
    pub shape: Option<(&'static str, Shape)>,
    /// How D-Bus shows it.
    pub properties: [Option<Property>; 2],
    /// Whether it can be set while the unit runs (`systemctl set-property`).
    pub settable: bool,
    /// How far it is carried out.
    pub support: Support,
    /// What it does, in a sentence.
    pub doc: &'static str,
}

impl Row {
    /// A directive that is carried out as in systemd.
    pub(super) const fn new(
        sections: &'static [&'static str],
        name: &'static str,
        since: u16,
        kind: Kind,
        parse: Parse,
        doc: &'static str,
    ) -> Row {
        Row {
            sections,
            name,
            aliases: &[],
            since,
            kind,
            neutral: &[],
            parse,
            shape: None,
            properties: [None, None],
            settable: false,
            support: Support::Full,
            doc,
        }
    }

    /// The row with other spellings.
    pub(super) const fn also(mut self, aliases: &'static [(&'static str, &'static str)]) -> Row {
        self.aliases = aliases;
        self
    }

    /// The row with one more property.
    pub(super) const fn show(
        mut self,
        name: &'static str,
        signature: &'static str,
        get: Get,
    ) -> Row {
        let property = Some(Property {
            name,
            signature,
            get,
        });
        if self.properties[0].is_none() {
            self.properties[0] = property;
        } else {
            self.properties[1] = property;
        }
        self
    }

    /// The row with its value kept for a property.
    pub(super) const fn reads(mut self, property: &'static str, shape: Shape) -> Row {
        self.shape = Some((property, shape));
        self
    }

    /// The row with its value kept for its first property, whose default is there already.
    pub(super) const fn kept(self, shape: Shape) -> Row {
        match self.properties[0] {
            Some(property) => self.reads(property.name, shape),
            None => self,
        }
    }

    /// The row with values that ask for nothing.
    pub(super) const fn neutral(mut self, words: &'static [&'static str]) -> Row {
        self.neutral = words;
        self
    }

    /// The row as settable while the unit runs.
    pub(super) const fn settable(mut self) -> Row {
        self.settable = true;
        self
    }

    /// The row as carried out, from its value as it is kept.
    pub(super) const fn carried_out(mut self) -> Row {
        self.parse = |r, v| r.applied(v);
        self.support = Support::Full;
        self
    }

    /// The row as one that cannot be set while the unit runs, as others of its kind can.
    pub(super) const fn fixed(mut self) -> Row {
        self.settable = false;
        self
    }

    /// The row as not carried out, unlike others of its kind.
    pub(super) const fn left_out(mut self, parse: Parse, support: Support) -> Row {
        self.parse = parse;
        self.support = support;
        self
    }

    /// The row with another level of support.
    pub(super) const fn support(mut self, support: Support) -> Row {
        self.support = support;
        self
    }

    /// Shown under its own name as `b`, no unless written.
    pub(super) const fn off(self) -> Row {
        let name = self.name;
        self.show(name, "b", |_| PropertyValue::Bool(false))
            .kept(shape::boolean)
    }

    /// Shown under its own name as `s`, empty unless written.
    pub(super) const fn no_text(self) -> Row {
        let name = self.name;
        self.show(name, "s", |_| PropertyValue::String(String::new()))
            .kept(shape::text)
    }

    /// Shown under its own name as `as`, empty unless written.
    pub(super) const fn no_list(self) -> Row {
        let name = self.name;
        self.show(name, "as", |_| PropertyValue::Strings(Vec::new()))
            .kept(shape::words)
    }

    /// Shown as a `t`, 2^64-1 unless written: systemd's way to say unset or infinite.
    pub(super) const fn unlimited(self, name: &'static str, shape: Shape) -> Row {
        self.show(name, "t", |_| PropertyValue::U64(u64::MAX))
            .kept(shape)
    }
}
