//! The unit directories that only clients write to: transient units, and settings that were
//! changed while units ran. They stand in front of all others in the unit path.

use super::handle::{Answer, ControlError, Handle, Message, parse};
use super::loading::After;
use super::operations::Operation;
use super::run::Host;
use crate::unit::name::UnitName;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where they are; empty paths where there are none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientUnits {
    /// Settings that outlive a reboot.
    pub persistent: PathBuf,
    /// Settings that do not.
    pub runtime: PathBuf,
    /// Transient units.
    pub transient: PathBuf,
}

impl ClientUnits {
    /// Below a directory for run-time state, and beside the first persistent unit directory.
    pub fn new(state: &Path, first: Option<&str>) -> ClientUnits {
        let mut persistent = first.unwrap_or_default().trim_end_matches('/').to_owned();
        if !persistent.is_empty() {
            persistent.push_str(".control");
        }
        ClientUnits {
            persistent: persistent.into(),
            runtime: state.join("control"),
            transient: state.join("transient"),
        }
    }

    /// What to put in front of the unit path, highest first.
    pub fn path(&self) -> Vec<String> {
        [&self.persistent, &self.runtime, &self.transient]
            .into_iter()
            .filter(|path| !path.as_os_str().is_empty())
            .filter_map(|path| Some(path.to_str()?.to_owned()))
            .collect()
    }

    /// Whether a unit file is that of a transient unit.
    pub fn is_transient(&self, fragment: &str) -> bool {
        !self.transient.as_os_str().is_empty() && Path::new(fragment).starts_with(&self.transient)
    }

    /// A unit is gone, and with it the file of a transient one.
    pub(super) fn forget(&self, unit: &UnitName) {
        if !self.transient.as_os_str().is_empty() {
            // Most units have none. The directory is our own: nothing there blocks.
            let _ = fs::remove_file(self.transient.join(unit.as_str()));
        }
    }

    /// Forgets what an earlier run has left, or this one at its end.
    pub fn clear(&self) {
        for directory in [&self.runtime, &self.transient] {
            if !directory.as_os_str().is_empty() {
                // What is not there is gone already.
                let _ = fs::remove_dir_all(directory);
            }
        }
    }

    /// Writes the file of a transient unit.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn write_transient(&self, unit: &UnitName, text: String) -> io::Result<()> {
        let note = "# A transient unit, made by a client. It goes with the unit.\n";
        let path = self.transient.join(unit.as_str());
        write(path, format!("{note}{text}")).await
    }

    /// Removes the file of a transient unit.
    ///
    /// # Errors
    /// It cannot be removed.
    pub async fn remove_transient(&self, unit: &UnitName) -> io::Result<()> {
        let path = self.transient.join(unit.as_str());
        blocking(move || fs::remove_file(path)).await
    }

    /// Writes a drop-in with one setting.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn write_drop_in(
        &self,
        unit: &UnitName,
        directive: &str,
        text: String,
        runtime: bool,
    ) -> io::Result<()> {
        let directory = match runtime {
            true => &self.runtime,
            false => &self.persistent,
        };
        if directory.as_os_str().is_empty() {
            return Err(io::Error::other("there is no directory for such settings"));
        }
        let note = "# Set while the unit was there; `revert` removes it.\n";
        let file = format!("{unit}.d/50-{directive}.conf");
        write(directory.join(file), format!("{note}{text}")).await
    }
}

async fn write(path: PathBuf, text: String) -> io::Result<()> {
    blocking(move || {
        let failed = |error: io::Error| {
            io::Error::new(
                error.kind(),
                format!("cannot write {}: {error}", path.display()),
            )
        };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        // As a whole or not at all, for whoever reads at the same time.
        let mut aside = path.as_os_str().to_owned();
        aside.push(".new");
        fs::write(&aside, text).map_err(failed)?;
        fs::rename(&aside, &path).map_err(failed)
    })
    .await
}

async fn blocking(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(io::Error::other(error)))
}

impl Handle {
    /// Reads one unit's files again, and only these; answered when it is done.
    ///
    /// # Errors
    /// The name is bad, or the loop is gone.
    pub async fn refresh(&self, unit: &str) -> Result<(), ControlError> {
        let unit = parse(unit)?;
        self.ask(|answer| Message::Operation(Operation::Refresh { unit, answer }))
            .await
    }
}

impl Host {
    /// Reads a unit again. What it names is read only if it is not there.
    pub(super) fn refresh(&mut self, unit: UnitName, answer: Answer<()>) {
        let mut known = self.engine.loaded_names();
        if let Some(view) = self.engine.unit(unit.as_str()) {
            known.remove(view.name());
            for alias in &view.config.aliases {
                known.remove(alias);
            }
        }
        known.remove(&unit);
        let names: BTreeSet<UnitName> = [unit.clone()].into();
        let done = After::Refreshed { unit, answer };
        self.load(names, known, done);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_written_where_they_belong_and_go_again() {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let dir = tempfile::tempdir().unwrap();
        let first = dir.path().join("units").to_str().unwrap().to_owned();
        let units = ClientUnits::new(&dir.path().join("state"), Some(&first));
        let name = UnitName::parse("a.service").unwrap();
        runtime.unwrap().block_on(async {
            let text = || "[Service]\nNice=1\n".to_owned();
            units.write_transient(&name, text()).await.unwrap();
            units
                .write_drop_in(&name, "Nice", text(), true)
                .await
                .unwrap();
            units
                .write_drop_in(&name, "Nice", text(), false)
                .await
                .unwrap();
        });
        let file = units.transient.join("a.service");
        assert!(units.is_transient(file.to_str().unwrap()));
        assert!(!units.is_transient("/etc/a.service"));
        let setting = dir.path().join("units.control/a.service.d/50-Nice.conf");
        assert!(fs::read_to_string(&setting).unwrap().ends_with("Nice=1\n"));
        assert!(units.runtime.join("a.service.d/50-Nice.conf").exists());
        units.clear();
        assert!(!file.exists() && !units.runtime.exists() && setting.exists());
        assert_eq!(units.path().len(), 3);
        assert_eq!(ClientUnits::default().path(), [""; 0]);
    }
}
