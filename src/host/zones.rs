//! The machine's time zones: TZ and /etc/localtime, and the files of the zone database
//! (tzset(3), localtime(5)).

use crate::unit::value::{Zone, ZoneSource, is_zone_name};
use std::fs;
use std::path::{Path, PathBuf};

/// The database where TZDIR names no other one.
const DATABASE: &str = "/usr/share/zoneinfo";
/// The machine's own zone.
pub(super) const LOCAL: &str = "/etc/localtime";

/// The zones of the machine this runs on.
#[derive(Debug, Clone)]
pub(super) struct MachineZones {
    database: PathBuf,
    /// TZ, if it is set: a name, a path or a rule, perhaps behind a colon.
    fixed: Option<String>,
}

impl MachineZones {
    /// As the environment says.
    pub(super) fn of(env: &dyn Fn(&str) -> Option<String>) -> MachineZones {
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        MachineZones {
            database: set("TZDIR").unwrap_or_else(|| DATABASE.to_owned()).into(),
            fixed: set("TZ"),
        }
    }

    fn read(path: &Path, name: &str) -> Option<Zone> {
        let content = fs::read(path).ok()?;
        Zone::from_file(name, &content).ok()
    }

    /// What TZ stands for; UTC if for nothing, as in the C library.
    fn named(&self, text: &str) -> Zone {
        let name = text.strip_prefix(':').unwrap_or(text);
        let zone = match name.starts_with('/') {
            true => MachineZones::read(Path::new(name), name),
            false => self.find(name),
        };
        zone.or_else(|| Zone::from_rule(name).ok())
            .unwrap_or_default()
    }
}

impl ZoneSource for MachineZones {
    fn local(&self) -> Zone {
        if let Some(fixed) = &self.fixed {
            return self.named(fixed);
        }
        let target = fs::read_link(LOCAL).unwrap_or_default();
        let target = target.to_string_lossy();
        let name = target.split_once("zoneinfo/").map_or("", |(_, name)| name);
        MachineZones::read(Path::new(LOCAL), name).unwrap_or_default()
    }

    fn is_fixed(&self) -> bool {
        self.fixed.is_some()
    }

    fn find(&self, name: &str) -> Option<Zone> {
        if !is_zone_name(name) {
            return None;
        }
        MachineZones::read(&self.database.join(name), name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(tz: &str) -> MachineZones {
        MachineZones::of(&|name| (name == "TZ").then(|| tz.to_owned()))
    }

    #[test]
    fn the_environment_may_fix_the_zone() {
        let rule = with("CET-1CEST,M3.5.0,M10.5.0/3").local();
        assert_eq!(rule.abbreviation(1_782_900_000), "CEST");
        assert_eq!(with(":No/Such").local().abbreviation(0), "UTC");
        assert!(with("UTC").is_fixed() && !with("").is_fixed());
        assert_eq!(with("").find("../../../etc/passwd"), None);
        assert_eq!(with("").find("/etc/localtime"), None);
    }
}
