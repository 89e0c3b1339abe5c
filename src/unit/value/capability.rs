//! Sets of Linux capabilities by name (capabilities(7)).

use super::ValueError;

/// A set of capabilities, bit n for capability number n.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CapabilitySet(pub u64);

impl CapabilitySet {
    /// No capability.
    pub const EMPTY: CapabilitySet = CapabilitySet(0);

    /// Reads blank-separated `CAP_...` names; a leading `~` inverts the set.
    ///
    /// # Errors
    /// A name is not a capability.
    pub fn parse(text: &str) -> Result<CapabilitySet, ValueError> {
        Err(ValueError(format!("\"{text}\" is not a capability")))
    }

    /// The names, lower case, in the order of their numbers.
    pub fn names(self) -> Vec<&'static str> {
        Vec::new()
    }
}
