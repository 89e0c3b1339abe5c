//! The manager's methods about unit files.

use super::{Client, decode};
use crate::cli::error::Problem;
use crate::unit::install::{Change, ChangeKind, ListedFile, Plan, PresetMode, Request, Verb};
use zbus::Message;

type RawChange = (String, String, String);

impl Client {
    /// Has a request carried out; the plan comes back without its edits.
    pub(in crate::cli) async fn edit_unit_files(
        &mut self,
        request: &Request,
    ) -> Result<Plan, Problem> {
        let names = &request.names;
        let (runtime, force) = (request.runtime, request.force);
        let both = (names, runtime, force);
        match &request.verb {
            Verb::Enable => with_info(&self.manager("EnableUnitFiles", &both).await?),
            Verb::Reenable => with_info(&self.manager("ReenableUnitFiles", &both).await?),
            Verb::Disable => {
                let method = "DisableUnitFilesWithFlagsAndInstallInfo";
                let flags = u64::from(runtime);
                with_info(&self.manager(method, &(names, flags)).await?)
            }
            Verb::Preset(mode) => {
                let arguments = (names, word(*mode), runtime, force);
                let method = "PresetUnitFilesWithMode";
                with_info(&self.manager(method, &arguments).await?)
            }
            Verb::Mask => changes(&self.manager("MaskUnitFiles", &both).await?),
            Verb::Link => changes(&self.manager("LinkUnitFiles", &both).await?),
            Verb::Unmask => {
                let arguments = (names, runtime);
                changes(&self.manager("UnmaskUnitFiles", &arguments).await?)
            }
            Verb::PresetAll(mode) => {
                let arguments = (word(*mode), runtime, force);
                changes(&self.manager("PresetAllUnitFiles", &arguments).await?)
            }
            Verb::Revert => changes(&self.manager("RevertUnitFiles", names).await?),
            Verb::AddWants(target) => {
                let arguments = (names, target, "Wants", runtime, force);
                changes(&self.manager("AddDependencyUnitFiles", &arguments).await?)
            }
            Verb::AddRequires(target) => {
                let arguments = (names, target, "Requires", runtime, force);
                changes(&self.manager("AddDependencyUnitFiles", &arguments).await?)
            }
            Verb::SetDefault => {
                let target = names.first().map_or("", String::as_str);
                changes(&self.manager("SetDefaultTarget", &(target, true)).await?)
            }
        }
    }

    /// The state of a unit file.
    pub(in crate::cli) async fn unit_file_state(&mut self, name: &str) -> Result<String, Problem> {
        decode(&self.manager("GetUnitFileState", &name).await?)
    }

    /// The links that disabling a unit would remove.
    pub(in crate::cli) async fn unit_file_links(
        &mut self,
        name: &str,
    ) -> Result<Vec<String>, Problem> {
        decode(&self.manager("GetUnitFileLinks", &(name, false)).await?)
    }

    /// The target that default.target stands for.
    pub(in crate::cli) async fn default_target(&mut self) -> Result<String, Problem> {
        decode(&self.manager("GetDefaultTarget", &()).await?)
    }

    /// Unit files: path, state, and what the presets want, empty where they have no say.
    pub(in crate::cli) async fn list_unit_files(
        &mut self,
        states: &[String],
        patterns: &[String],
    ) -> Result<Vec<(String, String, String)>, Problem> {
        let reply = self.own("ListUnitFiles", &(states, patterns)).await?;
        decode(&reply)
    }
}

/// A listed file as the daemon would send it.
pub(in crate::cli) fn row(file: ListedFile) -> (String, String, String) {
    let preset = match file.preset {
        Some(true) => "enabled",
        Some(false) => "disabled",
        None => "",
    };
    (file.path, file.state.to_string(), preset.to_owned())
}

fn word(mode: PresetMode) -> &'static str {
    match mode {
        PresetMode::Full => "full",
        PresetMode::EnableOnly => "enable-only",
        PresetMode::DisableOnly => "disable-only",
    }
}

fn with_info(reply: &Message) -> Result<Plan, Problem> {
    let (carries_install_info, raw): (bool, Vec<RawChange>) = decode(reply)?;
    Ok(Plan {
        carries_install_info,
        ..plan(raw)
    })
}

fn changes(reply: &Message) -> Result<Plan, Problem> {
    decode::<Vec<RawChange>>(reply).map(plan)
}

fn plan(raw: Vec<RawChange>) -> Plan {
    let change = |(kind, path, source): RawChange| {
        let kind = ChangeKind::parse(&kind)?;
        Some(Change { kind, path, source })
    };
    Plan {
        edits: Vec::new(),
        changes: raw.into_iter().filter_map(change).collect(),
        // Who does not say has nothing to complain of.
        carries_install_info: true,
    }
}
