//! ConditionVirtualization=: in a container, in a virtual machine, or neither. Told from what
//! container managers leave behind and from the firmware's tables; the container counts where
//! both are true, as in systemd-detect-virt(1).

use super::Surroundings;
use std::fs;
use std::path::Path;

/// `None` if the value asks for what cannot be told here.
pub(super) fn is(value: &str, around: &Surroundings) -> Option<bool> {
    let container = container(around);
    let machine = if container.is_none() { machine() } else { None };
    match value {
        "yes" | "true" | "1" | "on" | "y" | "t" => Some(container.is_some() || machine.is_some()),
        "no" | "false" | "0" | "off" | "n" | "f" => Some(container.is_none() && machine.is_none()),
        "container" => Some(container.is_some()),
        "vm" => Some(machine.is_some()),
        "private-users" => fs::read_to_string("/proc/self/uid_map")
            .ok()
            .map(|map| has_private_users(&map)),
        name => Some(container.as_deref() == Some(name) || machine == Some(name)),
    }
}

pub(super) fn container(around: &Surroundings) -> Option<String> {
    if let Some(name) = around.variable("container").filter(|name| !name.is_empty()) {
        return Some(name.to_owned());
    }
    if Path::new("/run/.containerenv").exists() {
        return Some("podman".to_owned());
    }
    if Path::new("/.dockerenv").exists() {
        return Some("docker".to_owned());
    }
    // Every container of a pod is told where the API server is.
    around
        .variable("KUBERNETES_SERVICE_HOST")
        .map(|_| "container-other".to_owned())
}

fn machine() -> Option<&'static str> {
    const VENDORS: [(&str, &str); 9] = [
        ("KVM", "kvm"),
        ("OpenStack", "kvm"),
        ("Amazon EC2", "amazon"),
        ("QEMU", "qemu"),
        ("VMware", "vmware"),
        ("innotek GmbH", "oracle"),
        ("Xen", "xen"),
        ("Microsoft Corporation", "microsoft"),
        ("Google Compute Engine", "google"),
    ];
    let read =
        |name: &str| fs::read_to_string(format!("/sys/class/dmi/id/{name}")).unwrap_or_default();
    let vendors = [
        read("product_name"),
        read("sys_vendor"),
        read("board_vendor"),
        read("bios_vendor"),
    ];
    let known = vendors.iter().find_map(|text| {
        VENDORS
            .iter()
            .find(|(prefix, _)| text.starts_with(prefix))
            .map(|(_, name)| *name)
    });
    known.or_else(|| {
        let flags = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        flags.contains(" hypervisor").then_some("vm-other")
    })
}

/// The whole range mapped onto itself is the machine's own user namespace.
fn has_private_users(map: &str) -> bool {
    map.split_whitespace().collect::<Vec<_>>() != ["0", "0", "4294967295"]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_container_manager_names_itself() {
        let around = Surroundings {
            environment: Arc::new(vec![("container".into(), "podman".into())]),
            ..Surroundings::default()
        };
        assert_eq!(is("container", &around), Some(true));
        assert_eq!(is("podman", &around), Some(true));
        assert_eq!(is("docker", &around), Some(false));
        assert_eq!(is("vm", &around), Some(false));
        assert_eq!(is("no", &around), Some(false));
    }

    #[test]
    fn user_namespaces() {
        assert!(!has_private_users("         0          0 4294967295\n"));
        assert!(has_private_users("0 100000 65536"));
    }
}
