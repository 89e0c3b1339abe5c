//! `cat`: the files of a unit, read here: the daemon names them, it does not hand them out.

use super::client::Client;
use super::error::{FAILURE, Problem};
use super::fields::Fields;
use super::names;
use super::output::{FAINT, Output, complain};
use super::pager;
use crate::offline::unit_files::files_of;
use crate::unit::load::Settings;
use crate::unit::name::UnitName;
use serde_json::{Value as Json, json};

/// Prints the fragment and drop-ins of each unit.
pub(super) async fn run(
    client: &mut Client,
    output: &Output,
    units: &[String],
) -> Result<u8, Problem> {
    let mut status = 0;
    let mut files = Vec::new();
    for unit in names::expand(client, units).await? {
        let properties = client.unit(&unit).await?;
        let fragment = properties.text("FragmentPath");
        let drop_ins = properties.texts("DropInPaths");
        if fragment.is_empty() && drop_ins.is_empty() {
            complain(&format!("No files found for {unit}."));
            status = FAILURE;
            continue;
        }
        let paths = std::iter::once(fragment).filter(|path| !path.is_empty());
        for path in paths.chain(drop_ins) {
            match std::fs::read(path) {
                Ok(bytes) => files.push((path.to_owned(), bytes)),
                Err(error) => {
                    complain(&format!("Failed to read {path}: {error}"));
                    status = FAILURE;
                }
            }
        }
        if properties.truth("NeedDaemonReload") {
            complain(&format!(
                "Warning: {unit} changed on disk; the manager knows it as it was. Run \
                 \"dd-procmgr daemon-reload\"."
            ));
        }
    }
    print(output, &files);
    Ok(status)
}

/// The same without a daemon.
///
/// # Errors
/// A name is no unit name.
pub(super) fn offline(
    output: &Output,
    units: &[String],
    settings: &Settings,
) -> Result<u8, Problem> {
    let mut status = 0;
    let mut files = Vec::new();
    for unit in units {
        let unit = names::complete(unit);
        let name = UnitName::parse(&unit).map_err(|e| Problem::local(e.to_string()))?;
        let (fragment, drop_ins) = files_of(&name, settings);
        if fragment.is_none() && drop_ins.is_empty() {
            complain(&format!("No files found for {unit}."));
            status = FAILURE;
        }
        for path in fragment.into_iter().chain(drop_ins) {
            match std::fs::read(&path) {
                Ok(bytes) => files.push((path, bytes)),
                Err(error) => {
                    complain(&format!("Failed to read {path}: {error}"));
                    status = FAILURE;
                }
            }
        }
    }
    print(output, &files);
    Ok(status)
}

fn print(output: &Output, files: &[(String, Vec<u8>)]) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if !output.is_text() {
        let object =
            |(path, bytes): &(String, Vec<u8>)| json!({"path": path, "content": text(bytes)});
        output.json(&files.iter().map(object).collect::<Vec<Json>>());
        return;
    }
    let mut whole = String::new();
    for (index, (path, bytes)) in files.iter().enumerate() {
        let gap = if index == 0 { "" } else { "\n" };
        let content = text(bytes);
        let end = if content.ends_with('\n') { "" } else { "\n" };
        let header = output.painted(&format!("# {path}"), FAINT);
        whole.push_str(&format!("{gap}{header}\n{content}{end}"));
    }
    pager::show(output, &whole);
}
