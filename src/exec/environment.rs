//! The environment of a process: who wins (checklist E5, E6). Pure.

use super::identity::Identity;
use crate::unit::config::ExecConfig;
use std::borrow::Cow;

/// A name and its value. There are dozens at each start, most of them known before.
pub type Variable<'a> = (Cow<'a, str>, Cow<'a, str>);

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
pub fn assemble<'a>(exec: &'a ExecConfig, input: &EnvironmentInput<'a>) -> Vec<Variable<'a>> {
    let mut variables = Vec::with_capacity(input.base.len() + input.built_in.len() + 8);
    extend(&mut variables, input.base);
    if !exec.search_path.is_empty() {
        // systemd.exec(5), ExecSearchPath=: it overrides PATH, but not a PATH of the unit's own.
        variables.push(("PATH".into(), exec.search_path.join(":").into()));
    }
    extend(&mut variables, input.built_in);
    add_user(&mut variables, input.identity);
    let passed = input
        .manager
        .iter()
        .filter(|(name, _)| exec.pass_environment.contains(name));
    extend(&mut variables, passed);
    extend(&mut variables, &exec.environment);
    extend(&mut variables, input.files);
    // Those of one name stay in their order, and the last one is taken.
    variables.sort_by(|(a, _), (b, _)| a.cmp(b));
    variables.dedup_by(|later, earlier| {
        let same = later.0 == earlier.0;
        if same {
            std::mem::swap(later, earlier);
        }
        same
    });
    variables.retain(|(name, value)| !is_unset(exec, name, Some(value)));
    variables
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
    variables: &mut Vec<Variable<'a>>,
    more: impl IntoIterator<Item = &'a (String, String)>,
) {
    let more = more.into_iter();
    variables.extend(more.map(|(name, value)| (name.into(), value.into())));
}

/// An environment that somebody else keeps.
pub fn borrowed(variables: &[(String, String)]) -> Vec<Variable<'_>> {
    let mut all = Vec::with_capacity(variables.len() + 1);
    extend(&mut all, variables);
    all
}

/// USER, LOGNAME, HOME and SHELL, as far as the user has them.
fn add_user<'a>(variables: &mut Vec<Variable<'a>>, identity: Option<&'a Identity>) {
    let Some(user) = identity.and_then(|identity| identity.user.as_ref()) else {
        return;
    };
    let all = [
        ("USER", &user.name),
        ("LOGNAME", &user.name),
        ("HOME", &user.home),
        ("SHELL", &user.shell),
    ];
    let those = all.into_iter().filter(|(_, value)| !value.is_empty());
    variables.extend(those.map(|(name, value)| (name.into(), value.into())));
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

    fn variables<'a>(list: &[(&'a str, &'a str)]) -> Vec<Variable<'a>> {
        let list = list.iter();
        list.map(|(name, value)| ((*name).into(), (*value).into()))
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
        assert_eq!(environment, variables(&expected));
    }

    #[test]
    fn an_exact_assignment_is_unset() {
        let exec = ExecConfig {
            environment: pairs(&[("A", "1"), ("B", "2")]),
            unset_environment: vec!["A=1".into(), "B=1".into()],
            ..ExecConfig::default()
        };
        let environment = assemble(&exec, &EnvironmentInput::default());
        assert_eq!(environment, variables(&[("B", "2")]));
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
        assert_eq!(
            assemble(&ExecConfig::default(), &input),
            variables(&expected)
        );
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
        let path = [("PATH", "/opt/bin:/bin")];
        assert_eq!(assemble(&exec, &input), variables(&path));
        exec.environment = pairs(&[("PATH", "/own")]);
        assert_eq!(assemble(&exec, &input), variables(&[("PATH", "/own")]));
    }
}
