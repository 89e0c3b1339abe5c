//! The Datadog Agent's own unit files: data to run against that are not part of the project.

use super::data;
use std::path::PathBuf;

/// The directory with the unit files as the deb and rpm packages install them, or a skip.
pub fn debrpm() -> Option<PathBuf> {
    data::find("DD_PM_CORPUS", "corpus/datadog", "sd-debrpm").map(|root| root.join("sd-debrpm"))
}

/// The directory with the agent's definitions of processes, or a skip.
pub fn definitions() -> Option<PathBuf> {
    data::find("DD_PM_CORPUS", "corpus/datadog", "processes.d").map(|root| root.join("processes.d"))
}
