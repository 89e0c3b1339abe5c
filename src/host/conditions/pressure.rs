//! ConditionMemoryPressure=, ConditionCPUPressure=, ConditionIOPressure= (systemd.unit(5)):
//! whether the pressure is at most a share of time. Where the kernel does not measure it, the
//! condition holds, as in systemd.

use crate::unit::name::UnitName;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the kernel tells of the machine's pressure, and of that of control groups.
const MACHINE: &str = "/proc/pressure";
const GROUPS: &str = "/sys/fs/cgroup";

/// Whether `[SLICE:]SHARE%[/TIME]` holds for `memory`, `cpu` or `io`; `None` if it is none.
pub(super) fn is_below(resource: &str, value: &str) -> Option<bool> {
    let (slice, value) = match value.split_once(':') {
        Some((slice, rest)) => (Some(slice.trim()), rest.trim()),
        None => (None, value),
    };
    let limit = Limit::parse(value)?;
    let file = match slice {
        Some(slice) => group_of(slice)?.join(format!("{resource}.pressure")),
        None => Path::new(MACHINE).join(resource),
    };
    Some(fs::read_to_string(file).map_or(true, |table| limit.holds(&table)))
}

/// `a-b.slice` lies in `a.slice/a-b.slice`.
fn group_of(slice: &str) -> Option<PathBuf> {
    let slices = UnitName::parse(slice).ok()?.slices()?;
    let path: PathBuf = slices.iter().map(UnitName::as_str).collect();
    Some(Path::new(GROUPS).join(path))
}

/// A share of time over one of the kernel's three spans.
#[derive(Debug, PartialEq, Eq)]
struct Limit {
    /// Hundredths of a per cent.
    most: u32,
    /// The kernel's name of the span.
    span: &'static str,
}

impl Limit {
    fn parse(value: &str) -> Option<Limit> {
        let (share, span) = match value.split_once('/') {
            Some((share, span)) => (share.trim(), span.trim()),
            None => (value.trim(), "5min"),
        };
        let span = match span {
            "10sec" => "avg10",
            "1min" => "avg60",
            "5min" => "avg300",
            _ => return None,
        };
        let most = hundredths(share.strip_suffix('%')?)?;
        (most <= 10_000).then_some(Limit { most, span })
    }

    /// `full` counts where there is such a line, else `some`. A table without the span is none
    /// of the kernel's, and nothing is known.
    fn holds(&self, table: &str) -> bool {
        let line = |name: &str| table.lines().find_map(|line| line.strip_prefix(name));
        let fields = line("full ").or_else(|| line("some ")).unwrap_or("");
        let current = fields.split_whitespace().find_map(|field| {
            let (name, value) = field.split_once('=')?;
            (name == self.span).then_some(value)
        });
        let current = current.and_then(hundredths);
        current.is_none_or(|current| current <= self.most)
    }
}

/// A number with at most two places behind the point.
fn hundredths(text: &str) -> Option<u32> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || part.len() > 2 || !digits(whole) || !digits(part) {
        return None;
    }
    let part: u32 = format!("{part:0<2}").parse().ok()?;
    whole
        .parse::<u32>()
        .ok()?
        .checked_mul(100)?
        .checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "some avg10=9.00 avg60=8.00 avg300=7.00 total=1\n\
                         full avg10=3.25 avg60=2.00 avg300=0.00 total=1\n";

    #[test]
    fn shares_and_spans() {
        let parsed = |value| Limit::parse(value).unwrap();
        assert!(parsed("3.25%/10sec").holds(TABLE));
        assert!(!parsed("3.24%/10sec").holds(TABLE));
        assert!(!parsed("1%/1min").holds(TABLE));
        assert!(parsed("0%").holds(TABLE));
        let some = TABLE.lines().next().unwrap();
        assert!(!parsed("6%").holds(some));
        assert!(parsed("7%").holds(some));
        assert!(parsed("0%").holds("nothing the kernel would say"));
        for wrong in ["7", "7%/2min", "x%", "101%", "1.234%", "%", "-1%", ""] {
            assert_eq!(Limit::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn slices_lie_in_each_other() {
        let path = |slice: &str| group_of(slice).map(|path| path.display().to_string());
        assert_eq!(path("-.slice").unwrap(), "/sys/fs/cgroup/");
        assert_eq!(
            path("a-b.slice").unwrap(),
            "/sys/fs/cgroup/a.slice/a-b.slice"
        );
        assert_eq!(path("a.service"), None);
        assert_eq!(path("../x.slice"), None);
    }

    #[test]
    fn the_machine_is_asked() {
        assert_eq!(is_below("memory", "100%"), Some(true));
        assert_eq!(is_below("memory", "no-such.slice:0%"), Some(true));
        assert_eq!(is_below("memory", "many"), None);
    }
}
