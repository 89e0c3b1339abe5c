//! Makes the managed directories of a unit (RuntimeDirectory= and kin), with their owners, the
//! links to them, and the places behind `private` that those of a dynamic user have. May block.
//!
//! A symbolic link in the place of a directory is never followed: it may lead anywhere.

use super::directories::{Wanted, wanted};
use crate::unit::config::ExecConfig;
use crate::unit::specifier::SystemFacts;
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Stat, Uid, chownat, fchmod, fstat, openat,
    statat,
};
use rustix::io::Errno;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

/// Why a directory cannot be had, and the exit status of the start that wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unmade {
    pub(super) exit_status: u8,
    pub(super) reason: String,
}

/// Set-id bits, which a dynamic user's files must not have: the number may be another's next.
const SET_ID: u32 = 0o6000;

/// Makes everything that a unit's settings ask for; what is there already gets mode and owner.
/// A configuration directory (M13) stays as the administrator made it; one that is made here gets
/// its owner as well, as in systemd 252, whose manual says otherwise.
///
/// # Errors
/// The first that cannot be made.
pub(super) fn make(
    exec: &ExecConfig,
    system: &SystemFacts,
    owner: Option<(u32, u32)>,
) -> Result<(), Unmade> {
    for directory in wanted(exec, system) {
        let made = make_one(&directory, owner, exec.dynamic_user);
        made.map_err(|(attempt, path, error)| Unmade {
            exit_status: directory.exit_status,
            reason: format!("{attempt} {}: {}", path.display(), said(&error)),
        })?;
    }
    Ok(())
}

/// As the steps of a child say it: without the number.
fn said(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => nix::errno::Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    }
}

type Failed = (&'static str, PathBuf, io::Error);

fn failed(attempt: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Failed {
    let path = path.to_owned();
    move |error| (attempt, path, error)
}

fn make_one(wanted: &Wanted, owner: Option<(u32, u32)>, dynamic: bool) -> Result<(), Failed> {
    let (public, hidden) = (wanted.public(), wanted.hidden());
    if wanted.private {
        hide(&public, &hidden, &wanted.private_root())?;
    } else {
        show_again(&public, &hidden)?;
    }
    let place = if wanted.private { &hidden } else { &public };
    make_parents(place)?;
    let made = make_directory(place, wanted.mode).map_err(failed("make directory", place))?;
    if made || !wanted.configuration {
        own(place, wanted.mode, owner, dynamic).map_err(failed("give mode and owner to", place))?;
    }
    if wanted.private {
        link(&public, &hidden)?;
    }
    for name in &wanted.links {
        link(&Path::new(&wanted.base).join(name), &public)?;
    }
    Ok(())
}

/// The directory is to lie where only root gets to: one that lay in the open before goes there.
fn hide(public: &Path, hidden: &Path, root: &Path) -> Result<(), Failed> {
    make_parents(root)?;
    make_directory(root, 0o700)
        .and_then(|_| own(root, 0o700, None, false))
        .map_err(failed("make directory", root))?;
    make_parents(hidden)?;
    let was_open = public.symlink_metadata().is_ok_and(|found| found.is_dir());
    if was_open && hidden.symlink_metadata().is_err() {
        fs::rename(public, hidden).map_err(failed("move what lay in the open:", public))?;
    }
    Ok(())
}

/// The unit had a dynamic user before and has none now: its directory comes back into the open.
fn show_again(public: &Path, hidden: &Path) -> Result<(), Failed> {
    let Ok(target) = fs::read_link(public) else {
        return Ok(());
    };
    let around = public.parent().unwrap_or(Path::new("/"));
    if normal(&around.join(target)) != hidden || !hidden.is_dir() {
        return Ok(());
    }
    fs::remove_file(public).map_err(failed("remove link", public))?;
    fs::rename(hidden, public).map_err(failed("move back", hidden))
}

fn normal(path: &Path) -> PathBuf {
    let mut done = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(done.pop()),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) | Component::Normal(_) => done.push(part),
        }
    }
    done
}

fn make_parents(path: &Path) -> Result<(), Failed> {
    let mut parents: Vec<&Path> = path.ancestors().skip(1).collect();
    // The first is `/`, which is there.
    parents.pop();
    for parent in parents.into_iter().rev() {
        let made = make_directory(parent, 0o755).map_err(failed("make directory", parent))?;
        if made {
            // Whatever our umask is.
            fs::set_permissions(parent, fs::Permissions::from_mode(0o755))
                .map_err(failed("give its mode to", parent))?;
        }
    }
    Ok(())
}

/// Whether it was made, as there was nothing.
fn make_directory(path: &Path, mode: u32) -> io::Result<bool> {
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Gives a directory its mode and owner, and all in it the owner, if the directory has another:
/// otherwise what is in it is taken to be right. Changes only what differs, so that what is
/// right already may lie on a read-only file system.
fn own(path: &Path, mode: u32, owner: Option<(u32, u32)>, dynamic: bool) -> io::Result<()> {
    let directory = openat(CWD, path, DIRECTORY, Mode::empty())?;
    let found = fstat(&directory)?;
    let mode = if dynamic { mode & !SET_ID } else { mode };
    let mut mode_differs = found.st_mode & 0o7777 != mode;
    if let Some((user, group)) = owner.filter(|(u, g)| (found.st_uid, found.st_gid) != (*u, *g)) {
        let owner = (Uid::from_raw(user), Gid::from_raw(group));
        own_contents(directory.as_fd(), owner, dynamic)?;
        own_entry(directory.as_fd(), "", owner)?;
        // A change of owner clears the set-id bits.
        mode_differs |= mode & SET_ID != 0;
    }
    if mode_differs {
        fchmod(&directory, Mode::from_raw_mode(mode))?;
    }
    Ok(())
}

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Everything in a directory, by descriptors: whoever may still write there cannot lead us
/// elsewhere. Not by recursion, and with no more descriptors than the tree is deep.
fn own_contents(top: BorrowedFd<'_>, owner: (Uid, Gid), dynamic: bool) -> io::Result<()> {
    let mut open = vec![Dir::read_from(top)?];
    while let Some(directory) = open.last_mut() {
        let Some(entry) = directory.read() else {
            open.pop();
            continue;
        };
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let around = directory.fd()?;
        let found = match statat(around, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => continue,
            found => found?,
        };
        own_entry(around, name, owner)?;
        if is(&found, FileType::Directory) {
            let inner = openat(around, name, DIRECTORY, Mode::empty())?;
            open.push(Dir::new(inner)?);
        } else if dynamic && found.st_mode & SET_ID != 0 {
            keep_no_set_id(around, name)?;
        }
    }
    Ok(())
}

fn is(found: &Stat, kind: FileType) -> bool {
    FileType::from_raw_mode(found.st_mode) == kind
}

fn own_entry<P: rustix::path::Arg>(
    directory: BorrowedFd<'_>,
    name: P,
    (user, group): (Uid, Gid),
) -> io::Result<()> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH;
    chownat(directory, name, Some(user), Some(group), flags)?;
    Ok(())
}

/// Linux clears set-id bits of an executable file when it gets another owner, but leaves the
/// set-group-id bit of one that the group cannot execute.
fn keep_no_set_id(directory: BorrowedFd<'_>, name: &std::ffi::CStr) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(directory, name, flags, Mode::empty())?;
    let mode = fstat(&file)?.st_mode & 0o7777 & !SET_ID;
    fchmod(&file, Mode::from_raw_mode(mode))?;
    Ok(())
}

/// Makes a relative link at `path`; one that says so already stays.
fn link(path: &Path, target: &Path) -> Result<(), Failed> {
    make_parents(path)?;
    let target = relative(path.parent().unwrap_or(Path::new("/")), target);
    if fs::read_link(path).is_ok_and(|found| found == target) {
        return Ok(());
    }
    symlink(&target, path).map_err(failed("make link", path))
}

/// The way from a directory to a path.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let same = from.components().zip(to.components());
    let same = same.take_while(|(one, other)| one == other).count();
    let up = from.components().skip(same).map(|_| Component::ParentDir);
    up.chain(to.components().skip(same)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::config::{Directories, DirectoryKind, PreserveMode};
    use std::os::unix::fs::MetadataExt;

    fn setup(place: &Path) -> (ExecConfig, SystemFacts) {
        let base = |name: &str| place.join(name).display().to_string();
        let system = SystemFacts {
            runtime_directory: base("run"),
            state_directory: base("state"),
            configuration_directory: base("etc"),
            ..SystemFacts::default()
        };
        let mut exec = ExecConfig::default();
        let directories = Directories {
            paths: vec!["a/b".into(), "c".into()],
            links: vec![("c".into(), "deep/link".into())],
            mode: 0o750,
        };
        exec.directories.insert(DirectoryKind::State, directories);
        (exec, system)
    }

    fn mode(path: &Path) -> u32 {
        path.symlink_metadata().unwrap().mode() & 0o7777
    }

    #[test]
    fn directories_and_links_are_made_and_kept() {
        let place = tempfile::tempdir().unwrap();
        let (mut exec, system) = setup(place.path());
        for _ in 0..2 {
            make(&exec, &system, None).unwrap();
            let state = place.path().join("state");
            assert_eq!((mode(&state), mode(&state.join("a"))), (0o755, 0o755));
            assert_eq!(
                (mode(&state.join("a/b")), mode(&state.join("c"))),
                (0o750, 0o750)
            );
            let link = fs::read_link(state.join("deep/link")).unwrap();
            assert_eq!(link, Path::new("../c"));
        }
        fs::set_permissions(
            place.path().join("state/c"),
            fs::Permissions::from_mode(0o777),
        )
        .unwrap();
        exec.directories
            .get_mut(&DirectoryKind::State)
            .unwrap()
            .mode = 0o2770;
        make(&exec, &system, None).unwrap();
        assert_eq!(mode(&place.path().join("state/c")), 0o2770);
    }

    #[test]
    fn configuration_stays_as_it_is() {
        let place = tempfile::tempdir().unwrap();
        let (mut exec, system) = setup(place.path());
        let directories = exec.directories.remove(&DirectoryKind::State).unwrap();
        exec.directories
            .insert(DirectoryKind::Configuration, directories);
        let old = place.path().join("etc/c");
        fs::create_dir_all(&old).unwrap();
        fs::set_permissions(&old, fs::Permissions::from_mode(0o700)).unwrap();
        let own = old.metadata().unwrap();
        make(&exec, &system, Some((own.uid(), own.gid()))).unwrap();
        assert_eq!(mode(&old), 0o700);
        assert_eq!(mode(&place.path().join("etc/a/b")), 0o750);
    }

    #[test]
    fn a_link_in_the_place_of_a_directory_is_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let (exec, system) = setup(place.path());
        fs::create_dir_all(place.path().join("state")).unwrap();
        symlink("/tmp", place.path().join("state/c")).unwrap();
        let unmade = make(&exec, &system, None).unwrap_err();
        assert_eq!(unmade.exit_status, 238);
        assert!(unmade.reason.contains("state/c: "), "{}", unmade.reason);
    }

    #[test]
    fn what_a_dynamic_user_has_is_hidden_and_comes_back() {
        let place = tempfile::tempdir().unwrap();
        let (mut exec, system) = setup(place.path());
        make(&exec, &system, None).unwrap();
        fs::write(place.path().join("state/c/file"), "kept").unwrap();
        exec.dynamic_user = true;
        for _ in 0..2 {
            make(&exec, &system, None).unwrap();
            let state = place.path().join("state");
            assert_eq!(mode(&state.join("private")), 0o700);
            assert_eq!(
                fs::read_link(state.join("c")).unwrap(),
                Path::new("private/c")
            );
            assert_eq!(
                fs::read_link(state.join("a/b")).unwrap(),
                Path::new("../private/a/b")
            );
            assert_eq!(
                fs::read_to_string(state.join("private/c/file")).unwrap(),
                "kept"
            );
            assert_eq!(
                fs::read_to_string(state.join("deep/link/file")).unwrap(),
                "kept"
            );
        }
        exec.dynamic_user = false;
        make(&exec, &system, None).unwrap();
        assert!(!place.path().join("state/c").is_symlink());
        assert!(place.path().join("state/c/file").exists());
        assert!(!place.path().join("state/private/c").exists());
    }

    #[test]
    fn runtime_directories_are_hidden_only_if_they_stay() {
        let place = tempfile::tempdir().unwrap();
        let (mut exec, system) = setup(place.path());
        exec.dynamic_user = true;
        let directories = exec.directories.remove(&DirectoryKind::State).unwrap();
        exec.directories.insert(DirectoryKind::Runtime, directories);
        make(&exec, &system, None).unwrap();
        assert!(!place.path().join("run/c").is_symlink());
        exec.runtime_directory_preserve = PreserveMode::Restart;
        make(&exec, &system, None).unwrap();
        assert!(place.path().join("run/c").is_symlink());
    }

    #[test]
    fn contents_get_the_owner_only_where_the_directory_has_another() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let place = tempfile::tempdir().unwrap();
        let (mut exec, system) = setup(place.path());
        exec.dynamic_user = true;
        let top = place.path().join("state/private/c");
        fs::create_dir_all(top.join("deep/deeper")).unwrap();
        fs::write(top.join("deep/deeper/file"), "").unwrap();
        let executable = fs::Permissions::from_mode(0o6755);
        fs::set_permissions(top.join("deep/deeper/file"), executable).unwrap();
        symlink("/etc/passwd", top.join("link")).unwrap();
        make(&exec, &system, Some((61_200, 61_201))).unwrap();
        let owner = |path: &str| {
            let found = top.join(path).symlink_metadata().unwrap();
            (found.uid(), found.gid())
        };
        for path in ["", "deep", "deep/deeper/file", "link"] {
            assert_eq!(owner(path), (61_200, 61_201), "{path}");
        }
        assert_eq!(mode(&top.join("deep/deeper/file")), 0o755);
        assert_eq!(fs::metadata("/etc/passwd").unwrap().uid(), 0);
        std::os::unix::fs::chown(top.join("deep"), Some(1), Some(1)).unwrap();
        make(&exec, &system, Some((61_200, 61_201))).unwrap();
        assert_eq!(owner("deep"), (1, 1));
    }
}
