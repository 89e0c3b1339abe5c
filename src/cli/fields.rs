//! Reading properties by name and type.

use super::client::Properties;
use serde_json::Value as Json;

/// Reads properties; what is missing or of another type is empty, zero or false.
pub(super) trait Fields {
    /// The value.
    fn value(&self, name: &str) -> Option<&Json>;

    /// A string.
    fn text(&self, name: &str) -> &str {
        self.value(name).and_then(Json::as_str).unwrap_or("")
    }

    /// A number.
    fn number(&self, name: &str) -> u64 {
        self.value(name).and_then(Json::as_u64).unwrap_or(0)
    }

    /// A number that may be negative.
    fn signed(&self, name: &str) -> i64 {
        self.value(name).and_then(Json::as_i64).unwrap_or(0)
    }

    /// A truth.
    fn truth(&self, name: &str) -> bool {
        self.value(name).and_then(Json::as_bool).unwrap_or(false)
    }

    /// The elements of an array or struct.
    fn items(&self, name: &str) -> &[Json] {
        self.value(name)
            .and_then(Json::as_array)
            .map_or(&[], Vec::as_slice)
    }

    /// The strings of an array.
    fn texts(&self, name: &str) -> Vec<&str> {
        self.items(name).iter().filter_map(Json::as_str).collect()
    }
}

impl Fields for Properties {
    fn value(&self, name: &str) -> Option<&Json> {
        self.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }
}

impl Fields for Json {
    fn value(&self, name: &str) -> Option<&Json> {
        self.get(name)
    }
}
