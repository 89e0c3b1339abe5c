//! What became of the settings of a unit that are about its processes: one line a directive.
//! Pure.

use super::config::UnitConfig;

/// A setting that the last start went without, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The directive.
    pub directive: String,
    /// Why, in a sentence.
    pub reason: String,
}

/// `DIRECTIVE: applied`, or `DIRECTIVE: not applied (WHY)`, for everything that is set. Before
/// the first start, what the build carries out counts as applied.
pub fn report(config: &UnitConfig, left_out: &[LeftOut]) -> Vec<String> {
    let line = |directive: &&'static str| {
        let by_build = config.not_applied.iter();
        let by_build = by_build.filter(|record| record.directive == *directive);
        let by_start = left_out.iter().filter(|out| out.directive == *directive);
        let reason = by_build
            .map(|record| record.reason.to_owned())
            .chain(by_start.map(|out| out.reason.clone()))
            .next();
        match reason {
            Some(reason) => format!("{directive}: not applied ({reason})"),
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
                    User=root\nPrivatePIDs=yes\nPrivateNetwork=yes\n\
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
        let left_out = [LeftOut {
            directive: "PrivateNetwork".into(),
            reason: "make a namespace: Operation not permitted".into(),
        }];
        let lines = report(unit, &left_out);
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert!(lines.contains(&"PrivateTmp: applied".to_owned()));
        assert!(lines[0].starts_with("PrivateNetwork: not applied (make"));
        assert!(lines[1].starts_with("PrivatePIDs: not applied ("));
    }
}
