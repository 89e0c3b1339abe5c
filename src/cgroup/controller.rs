//! The kernel's controllers, by what they are for. Pure.

/// What the kernel counts or limits by control group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Controller {
    Cpu,
    /// Of version 1 only: version 2 counts processor time everywhere.
    CpuAccounting,
    CpuSet,
    /// `blkio` in version 1.
    Io,
    Memory,
    /// `pids`.
    Tasks,
    /// Of version 1 only: version 2 takes programs instead.
    Devices,
}

/// Which kind of hierarchy a controller is in; it is in no more than one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// A hierarchy of its own (Documentation/admin-guide/cgroup-v1).
    One,
    /// The unified hierarchy (Documentation/admin-guide/cgroup-v2.rst).
    Two,
}

impl Controller {
    /// Every controller, in the order in which a process joins their groups.
    pub const ALL: [Controller; 7] = [
        Controller::Cpu,
        Controller::CpuAccounting,
        Controller::CpuSet,
        Controller::Io,
        Controller::Memory,
        Controller::Tasks,
        Controller::Devices,
    ];

    /// Its name in cgroup.controllers, if version 2 has it.
    pub fn unified_name(self) -> Option<&'static str> {
        match self {
            Controller::Cpu => Some("cpu"),
            Controller::CpuSet => Some("cpuset"),
            Controller::Io => Some("io"),
            Controller::Memory => Some("memory"),
            Controller::Tasks => Some("pids"),
            Controller::CpuAccounting | Controller::Devices => None,
        }
    }

    /// Its name among the options of a mount of version 1.
    pub fn legacy_name(self) -> &'static str {
        match self {
            Controller::Cpu => "cpu",
            Controller::CpuAccounting => "cpuacct",
            Controller::CpuSet => "cpuset",
            Controller::Io => "blkio",
            Controller::Memory => "memory",
            Controller::Tasks => "pids",
            Controller::Devices => "devices",
        }
    }

    /// By a name as Delegate= and DisableControllers= have it, of either version.
    pub fn named(name: &str) -> Option<Controller> {
        let mut all = Controller::ALL.into_iter();
        all.find(|c| c.unified_name() == Some(name) || c.legacy_name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_both_versions() {
        assert_eq!(Controller::named("io"), Some(Controller::Io));
        assert_eq!(Controller::named("blkio"), Some(Controller::Io));
        assert_eq!(Controller::named("pids"), Some(Controller::Tasks));
        assert_eq!(Controller::named("bpf-firewall"), None);
        for controller in Controller::ALL {
            let name = controller.legacy_name();
            assert_eq!(Controller::named(name), Some(controller));
        }
    }
}
