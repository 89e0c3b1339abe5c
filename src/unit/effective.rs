//! What became of the settings of a unit that are about its processes: one line a directive.
//! Pure.

use super::config::UnitConfig;

/// How much of a setting there was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Nothing of it.
    Nothing,
    /// Less than was asked for.
    Part,
}

/// A setting that the last start went without, or could have less of than it asks for, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The directive.
    pub directive: String,
    /// Why, or how far it went.
    pub reason: String,
    /// How much there was.
    pub extent: Extent,
}

/// `DIRECTIVE: applied`, `DIRECTIVE: reduced (HOW)` or `DIRECTIVE: not applied (WHY)`, for
/// everything that is set. Before the first start it is what can be foreseen.
pub fn report(config: &UnitConfig, left_out: &[LeftOut]) -> Vec<String> {
    let line = |directive: &&'static str| {
        let by_build = config.not_applied.iter();
        let by_build = by_build.filter(|record| record.directive == *directive);
        let by_start = left_out.iter().filter(|out| out.directive == *directive);
        let reason = by_build
            .map(|record| (record.reason, Extent::Nothing))
            .chain(by_start.map(|out| (out.reason.as_str(), out.extent)))
            .next();
        match reason {
            Some((reason, Extent::Nothing)) => format!("{directive}: not applied ({reason})"),
            Some((reason, Extent::Part)) => format!("{directive}: reduced ({reason})"),
            None => format!("{directive}: applied"),
        }
    };
    config.requested.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::load::{MemorySource, Settings, load};
    use crate::unit::name::UnitName;

    #[test]
    fn a_line_for_each_setting_of_processes() {
        let text = "[Unit]\nDescription=x\n[Service]\nExecStart=/bin/a\nPrivateTmp=yes\n\
                    User=root\nNice=-5\nPrivatePIDs=yes\nPrivateNetwork=yes\n\
                    [X-Procmgr]\nAllowDegraded=PrivatePIDs PrivateNetwork Nonsense\n";
        let source = MemorySource::new().file("/u/a.service", text);
        let settings = Settings {
            path: vec!["/u".into()],
            ..Settings::default()
        };
        let name = UnitName::parse("a.service").unwrap();
        let names = std::collections::BTreeSet::from([name.clone()]);
        let loaded = load(&names, &Default::default(), &settings, &source);
        let unit = &loaded.units[&name];
        assert_eq!(unit.diagnostics.len(), 1, "{:?}", unit.diagnostics);
        assert_eq!(unit.refusals().count(), 0);
        let left_out = [
            LeftOut {
                directive: "PrivateNetwork".into(),
                reason: "make a namespace: Operation not permitted".into(),
                extent: Extent::Nothing,
            },
            LeftOut {
                directive: "Nice".into(),
                reason: "to 0".into(),
                extent: Extent::Part,
            },
        ];
        let lines = report(unit, &left_out);
        assert_eq!(lines.len(), 5, "{lines:?}");
        assert!(lines.contains(&"Nice: reduced (to 0)".to_owned()));
        assert!(lines.contains(&"PrivateTmp: applied".to_owned()));
        let has = |start: &str| lines.iter().any(|line| line.starts_with(start));
        assert!(has("PrivateNetwork: not applied (make"), "{lines:?}");
        assert!(has("PrivatePIDs: not applied ("), "{lines:?}");
    }
}
