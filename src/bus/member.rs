//! What the tables say of a method or signal. The access it needs and the types of its arguments
//! are checked from here, before anything of it is carried out.

use super::failure::{Failure, names};
use super::table_members;
use crate::unit::name::UnitType;

/// Who may call a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Everybody who may connect.
    Look,
    /// Root and the manager's own user.
    Change,
}

/// A method.
#[derive(Debug, Clone, Copy)]
pub(super) struct Method {
    /// Its name.
    pub(super) name: &'static str,
    /// Types it takes, all in a row.
    pub(super) input: &'static str,
    /// The names of what it takes, with commas between.
    pub(super) input_names: &'static str,
    /// Types it answers with.
    pub(super) output: &'static str,
    /// Their names.
    pub(super) output_names: &'static str,
    /// Who may call it.
    pub(super) access: Access,
    /// Why it is not carried out, if it is not.
    pub(super) refusal: Option<&'static str>,
}

/// A signal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signal {
    /// Its name.
    pub(super) name: &'static str,
    /// Types it carries.
    pub(super) types: &'static str,
    /// Their names, with commas between.
    pub(super) names: &'static str,
}

/// A method that only reads.
pub(super) const fn look(
    name: &'static str,
    input: &'static str,
    input_names: &'static str,
    output: &'static str,
    output_names: &'static str,
) -> Method {
    Method {
        name,
        input,
        input_names,
        output,
        output_names,
        access: Access::Look,
        refusal: None,
    }
}

/// A method that changes something.
pub(super) const fn change(
    name: &'static str,
    input: &'static str,
    input_names: &'static str,
    output: &'static str,
    output_names: &'static str,
) -> Method {
    Method {
        access: Access::Change,
        ..look(name, input, input_names, output, output_names)
    }
}

/// A signal.
pub(super) const fn signal(name: &'static str, types: &'static str, names: &'static str) -> Signal {
    Signal { name, types, names }
}

impl Method {
    /// The same, known but not carried out.
    pub(super) const fn refused(mut self, reason: &'static str) -> Method {
        self.refusal = Some(reason);
        self
    }

    /// Lets a call with arguments of these types pass.
    ///
    /// # Errors
    /// They are others, or the method is not carried out.
    pub(super) fn admit(&self, interface: &str, types: &str) -> Result<(), Failure> {
        if types != self.input {
            let (name, wanted) = (self.name, self.input);
            return Err(Failure::invalid(format!(
                "Invalid arguments '{types}' to call {interface}.{name}(), expecting '{wanted}'."
            )));
        }
        match self.refusal {
            // Clients know what to do without a method, but not with a half one.
            Some(reason) if self.access == Access::Look => Err(Failure::new(
                names::UNKNOWN_METHOD,
                format!("{}() is not offered: {reason}", self.name),
            )),
            Some(reason) => Err(Failure::new(
                names::NOT_SUPPORTED,
                format!("{}() is not supported here: {reason}", self.name),
            )),
            None => Ok(()),
        }
    }
}

/// The methods that a unit type's interface has.
pub(super) fn type_methods(unit_type: UnitType) -> &'static [Method] {
    match unit_type {
        UnitType::Service => table_members::SERVICE,
        UnitType::Scope => table_members::SCOPE,
        UnitType::Socket | UnitType::Slice | UnitType::Mount | UnitType::Swap => {
            table_members::GROUP
        }
        UnitType::Target
        | UnitType::Timer
        | UnitType::Path
        | UnitType::Automount
        | UnitType::Device => &[],
    }
}

/// The signals that a unit type's interface has.
pub(super) fn type_signals(unit_type: UnitType) -> &'static [Signal] {
    match unit_type {
        UnitType::Scope => table_members::SCOPE_SIGNALS,
        _ => &[],
    }
}

/// Types in a row, one by one: `asb(ii)` is `as`, `b`, `(ii)`.
pub(super) fn single_types(types: &str) -> Vec<&str> {
    let mut list = Vec::new();
    let mut rest = types;
    while !rest.is_empty() {
        let (one, behind) = rest.split_at(length_of_first(rest));
        list.push(one);
        rest = behind;
    }
    list
}

/// The length of the first type; zero only of nothing, and never more than there is.
pub(super) fn length_of_first(types: &str) -> usize {
    let mut depth = 0_usize;
    for (index, byte) in types.bytes().enumerate() {
        match byte {
            b'(' | b'{' => depth += 1,
            b')' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && byte != b'a' {
            return index + 1;
        }
    }
    types.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_taken_apart() {
        assert_eq!(single_types(""), [""; 0]);
        assert_eq!(single_types("ssb"), ["s", "s", "b"]);
        assert_eq!(single_types("aas(ib)a{sv}"), ["aas", "(ib)", "a{sv}"]);
        assert_eq!(single_types("uososa(uosos)").len(), 6);
        assert_eq!(single_types("a"), ["a"]);
    }

    #[test]
    fn every_argument_has_a_name() {
        let all = [
            table_members::MANAGER,
            table_members::UNIT,
            table_members::SERVICE,
            table_members::GROUP,
            table_members::SCOPE,
            table_members::JOB,
        ];
        for method in all.into_iter().flatten() {
            for (types, names) in [
                (method.input, method.input_names),
                (method.output, method.output_names),
            ] {
                let named = names.split(',').filter(|name| !name.is_empty()).count();
                assert_eq!(single_types(types).len(), named, "{}", method.name);
            }
        }
    }

    #[test]
    fn wrong_arguments_and_refused_methods() {
        let method = change("StartUnit", "ss", "name,mode", "o", "job");
        assert!(method.admit("x.Y", "ss").is_ok());
        let failure = method.admit("x.Y", "s").unwrap_err();
        assert_eq!(
            failure.message,
            "Invalid arguments 's' to call x.Y.StartUnit(), expecting 'ss'."
        );
        let refused = change("Halt", "", "", "", "").refused("no");
        assert_eq!(
            refused.admit("x.Y", "").unwrap_err().name,
            names::NOT_SUPPORTED
        );
        let refused = look("Dump", "", "", "h", "fd").refused("no");
        assert_eq!(
            refused.admit("x.Y", "").unwrap_err().name,
            names::UNKNOWN_METHOD
        );
    }
}
