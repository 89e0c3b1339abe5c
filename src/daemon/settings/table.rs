//! Every setting: one row with its key in the file, its option and its variable.
//!
//! What the command line says beats the environment, which beats the file. process-manager.conf(5) and
//! the file that the packages install are compared with this table.

use super::{LogTarget, ReadAccess, Settings, assignments, directives};
use crate::daemon::arguments::{Arguments, KeepServices};
use crate::unit::value::{parse_boolean, parse_size};
use clap::ValueEnum;

/// One setting.
pub(in crate::daemon) struct Setting {
    /// Its key in \[Manager\].
    pub(super) key: &'static str,
    /// The option of this name, without dashes.
    pub(super) option: &'static str,
    /// Its variable of the environment.
    pub(super) variable: &'static str,
    /// Takes a value over.
    pub(super) set: fn(&mut Settings, &str) -> Result<(), String>,
    /// What the command line says.
    pub(super) given: fn(&Arguments) -> Option<String>,
}

/// All of them, in the order of process-manager.conf(5).
pub(super) static TABLE: &[Setting] = &[
    Setting {
        key: "LogLevel",
        option: "log-level",
        variable: "DD_PM_LOG_LEVEL",
        set: |settings, value| {
            settings.log_level = Some(value.to_owned());
            Ok(())
        },
        given: |arguments| arguments.log_level.clone(),
    },
    Setting {
        key: "LogTarget",
        option: "log-target",
        variable: "DD_PM_LOG_TARGET",
        set: |settings, value| {
            settings.log_target = LogTarget::parse(value)?;
            Ok(())
        },
        given: |arguments| arguments.log_target.clone(),
    },
    Setting {
        key: "LogMaxUse",
        option: "log-max-use",
        variable: "DD_PM_LOG_MAX_USE",
        set: |settings, value| {
            let wrong = |error| format!("LogMaxUse={value}: {error}");
            settings.log_max_use = Some(parse_size(value).map_err(wrong)?);
            Ok(())
        },
        given: |arguments| arguments.log_max_use.clone(),
    },
    Setting {
        key: "MergeJSON",
        option: "merge-json",
        variable: "DD_PM_MERGE_JSON",
        set: |settings, value| {
            let wrong = |error| format!("MergeJSON={value}: {error}");
            settings.merge_json = parse_boolean(value).map_err(wrong)?;
            Ok(())
        },
        given: |arguments| arguments.merge_json.then(|| "yes".to_owned()),
    },
    Setting {
        key: "DefaultEnvironment",
        option: "default-environment",
        variable: "DD_PM_DEFAULT_ENVIRONMENT",
        set: |settings, value| {
            settings.environment = assignments(value)?;
            Ok(())
        },
        given: |arguments| arguments.default_environment.clone(),
    },
    Setting {
        key: "ReadAccess",
        option: "read-access",
        variable: "DD_PM_READ_ACCESS",
        set: |settings, value| {
            settings.read_access = ReadAccess::parse(value)?;
            Ok(())
        },
        given: |arguments| arguments.read_access.clone(),
    },
    Setting {
        key: "AllowDegraded",
        option: "allow-degraded",
        variable: "DD_PM_ALLOW_DEGRADED",
        set: |settings, value| {
            settings.allow_degraded = directives(value)?;
            Ok(())
        },
        given: |arguments| arguments.allow_degraded.clone(),
    },
    Setting {
        key: "DefaultCPUAccounting",
        option: "default-cpu-accounting",
        variable: "DD_PM_DEFAULT_CPU_ACCOUNTING",
        set: |settings, value| switch(value, &mut settings.accounting.cpu),
        given: |arguments| arguments.accounting.cpu.clone(),
    },
    Setting {
        key: "DefaultMemoryAccounting",
        option: "default-memory-accounting",
        variable: "DD_PM_DEFAULT_MEMORY_ACCOUNTING",
        set: |settings, value| switch(value, &mut settings.accounting.memory),
        given: |arguments| arguments.accounting.memory.clone(),
    },
    Setting {
        key: "DefaultTasksAccounting",
        option: "default-tasks-accounting",
        variable: "DD_PM_DEFAULT_TASKS_ACCOUNTING",
        set: |settings, value| switch(value, &mut settings.accounting.tasks),
        given: |arguments| arguments.accounting.tasks.clone(),
    },
    Setting {
        key: "DefaultIOAccounting",
        option: "default-io-accounting",
        variable: "DD_PM_DEFAULT_IO_ACCOUNTING",
        set: |settings, value| switch(value, &mut settings.accounting.io),
        given: |arguments| arguments.accounting.io.clone(),
    },
    Setting {
        key: "DefaultIPAccounting",
        option: "default-ip-accounting",
        variable: "DD_PM_DEFAULT_IP_ACCOUNTING",
        set: |settings, value| switch(value, &mut settings.accounting.ip),
        given: |arguments| arguments.accounting.ip.clone(),
    },
    Setting {
        key: "KeepServices",
        option: "keep-services",
        variable: "DD_PM_KEEP_SERVICES",
        set: |settings, value| {
            let found = KeepServices::from_str(value, false);
            settings.keep = found.map_err(|_| {
                format!("KeepServices={value} is none of auto, no, keeper, manager")
            })?;
            Ok(())
        },
        given: |arguments| {
            let value = arguments.keep_services?.to_possible_value()?;
            Some(value.get_name().to_owned())
        },
    },
    Setting {
        key: "HTTP",
        option: "http",
        variable: "DD_PM_HTTP",
        set: |settings, value| {
            settings.http = Some(value.to_owned());
            Ok(())
        },
        given: |arguments| arguments.http.clone(),
    },
    Setting {
        key: "NodeMetrics",
        option: "node-metrics",
        variable: "DD_PM_NODE_METRICS",
        set: |settings, value| {
            let wrong = |error| format!("NodeMetrics={value}: {error}");
            settings.node_metrics = parse_boolean(value).map_err(wrong)?;
            Ok(())
        },
        given: |arguments| arguments.node_metrics.then(|| "yes".to_owned()),
    },
    Setting {
        key: "DogStatsD",
        option: "dogstatsd",
        variable: "DD_PM_DOGSTATSD",
        set: |settings, value| {
            settings.dogstatsd = Some(value.to_owned());
            Ok(())
        },
        given: |arguments| arguments.dogstatsd.clone(),
    },
];

fn switch(value: &str, setting: &mut Option<bool>) -> Result<(), String> {
    let read = parse_boolean(value).map_err(|error| format!("\"{value}\": {error}"))?;
    *setting = Some(read);
    Ok(())
}

/// The row of a key.
pub(super) fn find(key: &str) -> Option<&'static Setting> {
    TABLE.iter().find(|setting| setting.key == key)
}

impl Settings {
    /// Takes over what the environment says, then what the command line says.
    ///
    /// # Errors
    /// A value that cannot be: whoever gives it for this start is told at once.
    pub(in crate::daemon) fn overridden(
        mut self,
        arguments: &Arguments,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Settings, String> {
        for setting in TABLE {
            let variable = lookup(setting.variable).filter(|value| !value.is_empty());
            if let Some(value) = variable {
                (setting.set)(&mut self, &value)
                    .map_err(|error| format!("{}: {error}", setting.variable))?;
            }
            if let Some(value) = (setting.given)(arguments) {
                (setting.set)(&mut self, &value)
                    .map_err(|error| format!("--{}: {error}", setting.option))?;
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};
    use std::path::Path;

    fn repository(name: &str) -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn every_setting_has_its_option_its_variable_and_its_place_in_the_manual() {
        let command = Arguments::command();
        let page = repository("man/process-manager.conf.5");
        let documented: Vec<&str> = page
            .lines()
            .filter_map(|line| line.strip_prefix(".It Va ")?.strip_suffix('='))
            .collect();
        let keys: Vec<&str> = TABLE.iter().map(|setting| setting.key).collect();
        assert_eq!(documented, keys, "manual and table");
        for setting in TABLE {
            let mut options = command.get_arguments();
            let found = options.any(|it| it.get_long() == Some(setting.option));
            assert!(found, "--{}", setting.option);
            let said = format!(
                "Option\n.Fl -{} ,\nvariable\n.Ev {} .",
                setting.option, setting.variable
            );
            assert!(page.contains(&said), "{}: {said}", setting.key);
        }
    }

    #[test]
    fn the_file_of_the_packages_shows_every_setting_and_can_be_used() {
        let text = repository("packaging/process-manager.conf");
        let used: String = text
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
                Some(_) | None => format!("{line}\n"),
            })
            .collect();
        for setting in TABLE {
            let key = format!("\n{}=", setting.key);
            assert!(used.contains(&key), "{} is not shown", setting.key);
        }
        let settings = super::super::parse(Path::new("/x"), used).unwrap();
        assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);
        let untouched = super::super::parse(Path::new("/x"), text).unwrap();
        assert_eq!(untouched, Settings::default());
    }

    #[test]
    fn the_command_line_beats_the_environment_which_beats_the_file() {
        let resolve = |file: &str, variable: Option<&str>, more: &[&str]| {
            let file = super::super::parse(Path::new("/x"), format!("[Manager]\n{file}\n"));
            let arguments = Arguments::parse_from([&["dd-procmgrd"], more].concat());
            let lookup = |name: &str| {
                let variable = variable.map(str::to_owned);
                variable.filter(|_| name == "DD_PM_READ_ACCESS")
            };
            let settings = file.unwrap().overridden(&arguments, &lookup);
            settings.map(|settings| settings.read_access)
        };
        let option = ["--read-access", "none"];
        let file = "ReadAccess=group";
        assert_eq!(resolve(file, None, &[]), Ok(ReadAccess::Group));
        assert_eq!(resolve(file, Some("all"), &[]), Ok(ReadAccess::All));
        assert_eq!(resolve(file, Some(""), &[]), Ok(ReadAccess::Group));
        assert_eq!(resolve(file, Some("all"), &option), Ok(ReadAccess::Nobody));
        let error = resolve(file, Some("some"), &[]).unwrap_err();
        assert!(error.starts_with("DD_PM_READ_ACCESS: "), "{error}");
    }
}
