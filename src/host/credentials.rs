//! Credentials of a unit: a directory of its own with a file each, which the unit's user and
//! root can read and nobody can write (systemd.exec(5), "CREDENTIALS").
//!
//! The values themselves are shown and logged nowhere.

use crate::unit::config::Credentials;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// As much as one unit may have, as in systemd.
const MOST_BYTES: u64 = 1 << 20;

/// Where credentials of the machine are looked for by name, the strongest first.
const STORES: [&str; 4] = [
    "/etc/credstore",
    "/run/credstore",
    "/usr/local/lib/credstore",
    "/usr/lib/credstore",
];

/// Makes the directory anew. `inherited` is the manager's own directory of credentials. May
/// block.
///
/// # Errors
/// One that is asked for by its path is not there, or there is too much.
pub(super) fn make(
    directory: &Path,
    credentials: &Credentials,
    inherited: Option<&str>,
    owner: Option<(u32, u32)>,
) -> Result<(), String> {
    let values = gather(credentials, inherited)?;
    let size: usize = values.values().map(Vec::len).sum();
    if size as u64 > MOST_BYTES {
        return Err(format!(
            "the credentials are {size} bytes, more than {MOST_BYTES}"
        ));
    }
    store(directory, &values, owner)
        .map_err(|error| format!("cannot make {}: {error}", directory.display()))
}

/// The values by name: what is loaded wins over what stands in the unit, the first over later
/// ones.
fn gather(
    credentials: &Credentials,
    inherited: Option<&str>,
) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let mut values = BTreeMap::new();
    for (name, from) in &credentials.load {
        if values.contains_key(name) {
            continue;
        }
        if from.starts_with('/') && Path::new(from).is_dir() {
            gather_directory(name, Path::new(from), &mut values)
                .map_err(|error| format!("cannot read the credentials in {from}: {error}"))?;
        } else if from.starts_with('/') {
            match read(Path::new(from)) {
                Ok(value) => drop(values.insert(name.clone(), value)),
                Err(_) if credentials.set.contains_key(name) => {}
                Err(error) => return Err(format!("cannot read the credential {from}: {error}")),
            }
        } else if let Some(value) = find(from, inherited) {
            values.insert(name.clone(), value);
        }
    }
    for pattern in &credentials.import {
        import(pattern, inherited, &mut values);
    }
    for (name, secret) in &credentials.set {
        values
            .entry(name.clone())
            .or_insert_with(|| secret.0.clone());
    }
    Ok(values)
}

/// Everything below a directory, as NAME_FILE, of what lies deeper NAME_DIRECTORY_FILE.
fn gather_directory(
    name: &str,
    directory: &Path,
    values: &mut BTreeMap<String, Vec<u8>>,
) -> io::Result<()> {
    let mut ahead = vec![(name.to_owned(), directory.to_owned())];
    while let Some((name, directory)) = ahead.pop() {
        let mut entries: Vec<_> = fs::read_dir(&directory)?.collect::<Result<_, _>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let own = entry.file_name();
            let Some(own) = own.to_str() else { continue };
            let name = format!("{name}_{own}");
            // Links are followed to files, not to directories: those may go round.
            if entry.file_type()?.is_dir() {
                ahead.push((name, entry.path()));
            } else if !values.contains_key(&name) && !entry.path().is_dir() {
                values.insert(name, read(&entry.path())?);
            }
            let size: usize = values.values().map(Vec::len).sum();
            if size as u64 > MOST_BYTES {
                // Told of when everything is stored.
                return Ok(());
            }
        }
    }
    Ok(())
}

fn places(inherited: Option<&str>) -> impl Iterator<Item = PathBuf> {
    inherited.into_iter().chain(STORES).map(PathBuf::from)
}

/// A credential by its name; that there is none is no error.
fn find(name: &str, inherited: Option<&str>) -> Option<Vec<u8>> {
    if name.contains('/') || name == ".." {
        return None;
    }
    places(inherited).find_map(|place| read(&place.join(name)).ok())
}

/// Everything whose name the pattern fits.
fn import(pattern: &str, inherited: Option<&str>, values: &mut BTreeMap<String, Vec<u8>>) {
    let Ok(pattern) = glob::Pattern::new(pattern) else {
        return;
    };
    for place in places(inherited) {
        let entries = fs::read_dir(&place).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            if pattern.matches(&name)
                && !values.contains_key(&name)
                && let Ok(value) = read(&entry.path())
            {
                values.insert(name, value);
            }
        }
    }
}

/// A file, or what is said on a socket.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut value = Vec::new();
    match fs::File::open(path) {
        // What open(2) says of a socket.
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => {
            let stream = UnixStream::connect(path)?;
            stream.take(MOST_BYTES + 1).read_to_end(&mut value)?;
        }
        file => {
            file?.take(MOST_BYTES + 1).read_to_end(&mut value)?;
        }
    }
    Ok(value)
}

fn store(
    directory: &Path,
    values: &BTreeMap<String, Vec<u8>>,
    owner: Option<(u32, u32)>,
) -> io::Result<()> {
    if let Some(parent) = directory.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    fs::DirBuilder::new().mode(0o700).create(directory)?;
    for (name, value) in values {
        let path = directory.join(name);
        let mut options = fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o400)
            .open(&path)?;
        file.write_all(value)?;
        if let Some((user, group)) = owner {
            chown(&path, Some(user), Some(group))?;
        }
    }
    // Who is not root could not remove it again.
    if nix::unistd::geteuid().is_root() {
        let closed = std::os::unix::fs::PermissionsExt::from_mode(0o500);
        fs::set_permissions(directory, closed)?;
    }
    if let Some((user, group)) = owner {
        chown(directory, Some(user), Some(group))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::config::Secret;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_loaded_wins_over_what_is_set() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name).display().to_string();
        fs::write(path("a"), "loaded").unwrap();
        fs::create_dir(path("own")).unwrap();
        fs::write(path("own/inherited.x"), "from above").unwrap();
        let mut credentials = Credentials {
            load: vec![
                ("one".into(), path("a")),
                ("two".into(), path("none")),
                ("three".into(), "no-such-name".into()),
            ],
            import: vec!["inherited.*".into()],
            ..Credentials::default()
        };
        let own = path("own");
        let make = |credentials: &Credentials| {
            make(&place.path().join("made"), credentials, Some(&own), None)
        };
        let error = make(&credentials).unwrap_err();
        assert!(error.contains("none: No such file"), "{error}");
        for name in ["one", "two"] {
            credentials.set.insert(name.into(), Secret(b"set".to_vec()));
        }
        make(&credentials).unwrap();
        make(&credentials).unwrap();
        let read = |name: &str| fs::read_to_string(place.path().join("made").join(name)).ok();
        assert_eq!(read("one").as_deref(), Some("loaded"));
        assert_eq!(read("two").as_deref(), Some("set"));
        assert_eq!(read("three"), None);
        assert_eq!(read("inherited.x").as_deref(), Some("from above"));
        let mode = |name: &str| fs::metadata(path(name)).unwrap().permissions().mode() & 0o777;
        let closed = if nix::unistd::geteuid().is_root() {
            0o500
        } else {
            0o700
        };
        assert_eq!((mode("made"), mode("made/one")), (closed, 0o400));
    }

    #[test]
    fn a_directory_is_taken_with_all_in_it() {
        let place = tempfile::tempdir().unwrap();
        let from = place.path().join("from");
        fs::create_dir_all(from.join("sub")).unwrap();
        fs::write(from.join("a"), "1").unwrap();
        fs::write(from.join("sub/b"), "2").unwrap();
        std::os::unix::fs::symlink(&from, from.join("sub/round")).unwrap();
        let credentials = Credentials {
            load: vec![("all".into(), from.display().to_string())],
            ..Credentials::default()
        };
        let made = place.path().join("made");
        make(&made, &credentials, None, None).unwrap();
        let names: std::collections::BTreeMap<_, _> = fs::read_dir(&made)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|e| (e.file_name(), fs::read_to_string(e.path()).unwrap()))
            .collect();
        assert_eq!(names.len(), 2, "{names:?}");
        assert_eq!(names[std::ffi::OsStr::new("all_sub_b")], "2");
    }

    #[test]
    fn too_much_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let mut credentials = Credentials::default();
        let large = Secret(vec![b'x'; 1 << 20 | 1]);
        credentials.set.insert("large".into(), large);
        assert!(make(&place.path().join("made"), &credentials, None, None).is_err());
    }
}
