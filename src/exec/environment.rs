//! The environment of a process: who wins (checklist E5, E6). Pure.

use super::identity::Identity;
use crate::unit::config::ExecConfig;
use std::collections::BTreeMap;

/// The parts of an environment, lowest precedence first.
#[derive(Debug, Clone, Default)]
pub struct EnvironmentInput<'a> {
    /// What every service gets: the manager's own in container mode, PATH and LANG in host mode.
    pub base: &'a [(String, String)],
    /// Built-ins known to the engine and host: INVOCATION_ID, MAINPID, RUNTIME_DIRECTORY,
    /// NOTIFY_SOCKET ...
    pub built_in: &'a [(String, String)],
    /// The manager's own environment, for PassEnvironment=.
    pub manager: &'a [(String, String)],
    /// What the environment files hold, in order.
    pub files: &'a [(String, String)],
    /// Who it runs as.
    pub identity: Option<&'a Identity>,
}

/// Puts an environment together; every name once, sorted.
pub fn assemble(exec: &ExecConfig, input: &EnvironmentInput<'_>) -> Vec<(String, String)> {
    let mut variables = BTreeMap::new();
    extend(&mut variables, input.base);
    if !exec.search_path.is_empty() {
        // systemd.exec(5), ExecSearchPath=: it overrides PATH, but not a PATH of the unit's own.
        variables.insert("PATH".to_owned(), exec.search_path.join(":"));
    }
    extend(&mut variables, input.built_in);
    extend(&mut variables, &of_user(input.identity));
    let passed = input
        .manager
        .iter()
        .filter(|(name, _)| exec.pass_environment.contains(name));
    extend(&mut variables, passed);
    extend(&mut variables, &exec.environment);
    extend(&mut variables, input.files);
    variables.retain(|name, value| !is_unset(exec, name, Some(value)));
    variables.into_iter().collect()
}

/// Whether UnsetEnvironment= names a variable, by its name or as this very assignment; a value
/// that is not known yet (`None`) only meets its name.
pub(super) fn is_unset(exec: &ExecConfig, name: &str, value: Option<&str>) -> bool {
    exec.unset_environment
        .iter()
        .any(|entry| match entry.split_once('=') {
            Some((entry_name, entry_value)) => {
                entry_name == name && value.is_some_and(|value| value == entry_value)
            }
            None => entry == name,
        })
}

fn extend<'a>(
    variables: &mut BTreeMap<String, String>,
    more: impl IntoIterator<Item = &'a (String, String)>,
) {
    variables.extend(more.into_iter().cloned());
}

/// USER, LOGNAME, HOME and SHELL, as far as the user has them.
fn of_user(identity: Option<&Identity>) -> Vec<(String, String)> {
    let Some(user) = identity.and_then(|identity| identity.user.as_ref()) else {
        return Vec::new();
    };
    [
        ("USER", &user.name),
        ("LOGNAME", &user.name),
        ("HOME", &user.home),
        ("SHELL", &user.shell),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(name, value)| (name.to_owned(), value.clone()))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::identity::UserEntry;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn later_parts_win() {
        // Each variable is set by one more part than the one before it.
        let names = ["A", "B", "C", "D", "E", "F"];
        let upto = |count: usize, value: &str| {
            pairs(
                &names[count..]
                    .iter()
                    .map(|n| (*n, value))
                    .collect::<Vec<_>>(),
            )
        };
        let exec = ExecConfig {
            environment: upto(3, "unit"),
            pass_environment: vec!["C".into(), "D".into(), "E".into(), "F".into()],
            unset_environment: vec!["F".into(), "E=other".into()],
            ..ExecConfig::default()
        };
        let (base, built_in) = (upto(0, "base"), upto(1, "built-in"));
        let (manager, files) = (upto(0, "manager"), upto(4, "file"));
        let environment = assemble(
            &exec,
            &EnvironmentInput {
                base: &base,
                built_in: &built_in,
                manager: &manager,
                files: &files,
                identity: None,
            },
        );
        let expected = [
            ("A", "base"),
            ("B", "built-in"),
            ("C", "manager"),
            ("D", "unit"),
            ("E", "file"),
        ];
        assert_eq!(environment, pairs(&expected));
    }

    #[test]
    fn an_exact_assignment_is_unset() {
        let exec = ExecConfig {
            environment: pairs(&[("A", "1"), ("B", "2")]),
            unset_environment: vec!["A=1".into(), "B=1".into()],
            ..ExecConfig::default()
        };
        let environment = assemble(&exec, &EnvironmentInput::default());
        assert_eq!(environment, pairs(&[("B", "2")]));
    }

    #[test]
    fn the_user_brings_its_variables() {
        let identity = Identity {
            uid: 1,
            gid: 1,
            groups: vec![],
            user: Some(UserEntry {
                name: "daemon".into(),
                home: "/usr/sbin".into(),
                shell: String::new(),
            }),
        };
        let input = EnvironmentInput {
            identity: Some(&identity),
            ..EnvironmentInput::default()
        };
        let expected = [
            ("HOME", "/usr/sbin"),
            ("LOGNAME", "daemon"),
            ("USER", "daemon"),
        ];
        assert_eq!(assemble(&ExecConfig::default(), &input), pairs(&expected));
        let nobody = Identity {
            user: None,
            ..identity.clone()
        };
        let input = EnvironmentInput {
            identity: Some(&nobody),
            ..EnvironmentInput::default()
        };
        assert!(assemble(&ExecConfig::default(), &input).is_empty());
    }

    #[test]
    fn the_search_path_is_path_unless_the_unit_sets_one() {
        let base = pairs(&[("PATH", "/bin")]);
        let input = EnvironmentInput {
            base: &base,
            ..EnvironmentInput::default()
        };
        let mut exec = ExecConfig {
            search_path: vec!["/opt/bin".into(), "/bin".into()],
            ..ExecConfig::default()
        };
        let path = pairs(&[("PATH", "/opt/bin:/bin")]);
        assert_eq!(assemble(&exec, &input), path);
        exec.environment = pairs(&[("PATH", "/own")]);
        assert_eq!(assemble(&exec, &input), exec.environment);
    }
}
