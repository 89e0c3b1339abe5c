//! Methods about many units at once, settings at run time, and the manager itself.

use super::{Client, MANAGER_PATH, Map, PROPERTIES, Properties, decode, read_reply};
use crate::cli::error::Problem;
use serde_json::Value as Json;
use std::os::fd::BorrowedFd;
use zbus::{OwnedObjectPath, OwnedVariant, Variant};

const LOG_PATH: &str = "/org/freedesktop/LogControl1";
const LOG_CONTROL: &str = "org.freedesktop.LogControl1";

/// A row of ListUnits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct UnitRow {
    /// Name.
    pub(in crate::cli) name: String,
    /// Description.
    pub(in crate::cli) description: String,
    /// LoadState.
    pub(in crate::cli) load: String,
    /// ActiveState.
    pub(in crate::cli) active: String,
    /// SubState.
    pub(in crate::cli) sub: String,
    /// What its job does, empty without one.
    pub(in crate::cli) job: String,
}

type RawRow = (
    String,
    String,
    String,
    String,
    String,
    String,
    OwnedObjectPath,
    u32,
    String,
    OwnedObjectPath,
);

impl Client {
    /// Loaded units in any of these states, by any of these patterns; none means all.
    pub(in crate::cli) async fn list_units(
        &mut self,
        states: &[String],
        patterns: &[String],
    ) -> Result<Vec<UnitRow>, Problem> {
        let reply = self
            .manager("ListUnitsByPatterns", &(states, patterns))
            .await?;
        let rows: Vec<RawRow> = decode(&reply)?;
        let row = |(name, description, load, active, sub, _, _, _, job, _): RawRow| UnitRow {
            name,
            description,
            load,
            active,
            sub,
            job,
        };
        Ok(rows.into_iter().map(row).collect())
    }

    /// How units are that match, or without patterns those that count, a row of properties each.
    pub(in crate::cli) async fn health(
        &mut self,
        patterns: &[String],
    ) -> Result<Vec<(String, Properties)>, Problem> {
        let reply = self.own("Health", &patterns).await?;
        let rows: Vec<(String, Map)> = decode(&reply)?;
        Ok(rows.into_iter().map(|(name, map)| (name, map.0)).collect())
    }

    /// Removes directories of a unit.
    pub(in crate::cli) async fn clean(
        &mut self,
        unit: &str,
        kinds: &[String],
    ) -> Result<(), Problem> {
        self.manager("CleanUnit", &(unit, kinds)).await?;
        Ok(())
    }

    /// Freezes a unit or thaws it.
    pub(in crate::cli) async fn freeze(&mut self, unit: &str, freeze: bool) -> Result<(), Problem> {
        let method = if freeze { "FreezeUnit" } else { "ThawUnit" };
        self.manager(method, &unit).await?;
        Ok(())
    }

    /// Changes the environment of services.
    pub(in crate::cli) async fn change_environment(
        &mut self,
        unset: &[String],
        set: &[String],
    ) -> Result<(), Problem> {
        self.manager("UnsetAndSetEnvironment", &(unset, set))
            .await?;
        Ok(())
    }

    /// Changes settings of a unit, written as in unit files.
    pub(in crate::cli) async fn set_settings(
        &mut self,
        unit: &str,
        runtime: bool,
        assignments: &[String],
    ) -> Result<(), Problem> {
        let arguments = (unit, runtime, assignments);
        self.own("SetUnitSettings", &arguments).await?;
        Ok(())
    }

    /// Makes units of these settings and starts the first one, a service on these standard
    /// streams if there are any; returns the job's path.
    pub(in crate::cli) async fn start_transient(
        &mut self,
        units: &[(String, Vec<String>)],
        streams: &[BorrowedFd<'_>],
    ) -> Result<String, Problem> {
        let streams: Vec<zbus::Fd<'_>> = streams.iter().copied().map(zbus::Fd::from).collect();
        let arguments = ("fail", units, streams);
        let reply = self.own("StartTransientUnits", &arguments).await?;
        decode::<OwnedObjectPath>(&reply).map(|path| path.as_str().to_owned())
    }

    /// One property of the manager.
    pub(in crate::cli) async fn manager_property(&mut self, name: &str) -> Result<Json, Problem> {
        let arguments = (super::MANAGER, name);
        let reply = self
            .call(MANAGER_PATH, PROPERTIES, "Get", &arguments)
            .await?;
        let value: OwnedVariant = decode(&reply)?;
        Ok(super::json(&value))
    }

    /// The level of the daemon's log.
    pub(in crate::cli) async fn log_level(&mut self) -> Result<String, Problem> {
        let arguments = (LOG_CONTROL, "LogLevel");
        let reply = self.call(LOG_PATH, PROPERTIES, "Get", &arguments).await?;
        let value: OwnedVariant = decode(&reply)?;
        Ok(super::json(&value).as_str().unwrap_or_default().to_owned())
    }

    /// Changes it.
    pub(in crate::cli) async fn set_log_level(&mut self, level: &str) -> Result<(), Problem> {
        let arguments = (LOG_CONTROL, "LogLevel", Variant::from(level));
        let reply = self.call(LOG_PATH, PROPERTIES, "Set", &arguments).await?;
        read_reply(reply).map(|_| ())
    }
}
