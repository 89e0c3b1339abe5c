//! Findings for programs: our own JSON, and SARIF 2.1.0 for those that collect findings of many
//! tools.

use crate::unit::diagnostic::{Diagnostic, Rule, Severity};
use serde_json::{Value as Json, json};
use std::fmt::Write;

/// An array of findings; the end column is that of the first character behind.
pub(super) fn json(findings: &[Diagnostic]) -> Json {
    let finding = |f: &Diagnostic| {
        json!({
            "severity": f.severity.as_str(),
            "rule": f.rule.id(),
            "file": &*f.position.file,
            "line": f.position.line,
            "column": f.position.column,
            "end_column": f.position.column.saturating_add(f.length),
            "message": f.message,
            "hint": f.hint,
        })
    };
    findings.iter().map(finding).collect()
}

/// A log of one run, with every rule there is.
pub(super) fn sarif(findings: &[Diagnostic]) -> Json {
    let rules: Json = Rule::ALL
        .iter()
        .map(|rule| {
            json!({
                "id": rule.id(),
                "shortDescription": { "text": rule.describe() },
            })
        })
        .collect();
    let results: Json = findings.iter().map(result).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "dd-procmgr",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn result(finding: &Diagnostic) -> Json {
    let position = &finding.position;
    let text = match &finding.hint {
        Some(hint) => format!("{}; {hint}", finding.message),
        None => finding.message.clone(),
    };
    let level = match finding.severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    };
    let index = Rule::ALL.iter().position(|rule| *rule == finding.rule);
    json!({
        "ruleId": finding.rule.id(),
        "ruleIndex": index,
        "level": level,
        "message": { "text": text },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(&position.file) },
            "region": {
                "startLine": position.line,
                "startColumn": position.column,
                "endColumn": position.column.saturating_add(finding.length),
            },
        }}],
    })
}

/// A path as a URI: absolute ones with the scheme `file`, others relative (RFC 3986).
fn uri(path: &str) -> String {
    let mut uri = String::from(if path.starts_with('/') { "file://" } else { "" });
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/@+".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_escape_what_they_must() {
        assert_eq!(uri("/a b/c@1.service"), "file:///a%20b/c@1.service");
        assert_eq!(uri("ä%"), "%C3%A4%25");
    }
}
