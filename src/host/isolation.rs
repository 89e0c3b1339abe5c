//! What the processes of a unit share while it is not dead: namespaces, a /tmp of its own.
//! Made when a process first needs it, on a pool thread; gone with the unit.
//!
//! Units that JoinsNamespaceOf= binds together get the same [`Spaces`]: which a unit has is
//! decided in [`Isolations::of`] alone. Each uses of them what its own settings ask for, so that
//! something is shared only where both ask for it.

use super::dynamic_users::{DynamicUsers, Found as User};
use super::ipc::Owner;
use super::keep::custody::{Custody, Kept};
use super::keep::saved::IsolationState;
use crate::engine::UnitId;
use crate::exec::mounts::{Files, Found, MountTable, Sources};
use crate::exec::plan::Entered;
use crate::sys::own_namespace::{self, Kind};
use crate::unit::config::{ExecConfig, Isolation};
use crate::unit::name::UnitName;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// All units that have something of the kind.
#[derive(Debug, Default)]
pub(super) struct Isolations {
    units: BTreeMap<UnitId, Arc<Shared>>,
    last: u64,
}

impl Isolations {
    /// What a unit's processes share. When the first of them comes, the unit joins the first of
    /// its `peers` that has something already, unless it names namespaces of its own.
    pub(super) fn of(
        &mut self,
        unit: UnitId,
        isolation: &Isolation,
        peers: impl FnOnce() -> Vec<UnitId>,
    ) -> Arc<Shared> {
        if let Some(shared) = self.units.get(&unit) {
            return shared.clone();
        }
        let apart = isolation.network_path.is_some() || isolation.ipc_path.is_some();
        let mut there = peers().into_iter().filter_map(|peer| self.units.get(&peer));
        let spaces = match there.next() {
            Some(peer) if !apart => peer.spaces.clone(),
            Some(_) | None => {
                self.last += 1;
                Arc::new(Spaces::of_number(self.last))
            }
        };
        let shared = Arc::new(Shared {
            spaces,
            ..Shared::default()
        });
        self.units.insert(unit, shared.clone());
        shared
    }

    /// What a unit's processes share, for a daemon that takes over; `None` if that is nothing.
    pub(super) fn state(&self, unit: UnitId) -> Option<IsolationState> {
        let shared = self.units.get(&unit)?;
        let spaces = &shared.spaces;
        let state = IsolationState {
            spaces: spaces.number,
            tmp: spaces.tmp.get().cloned().and_then(Result::ok),
            network: spaces.network.get().is_some_and(Result::is_ok),
            ipc: spaces.ipc.get().is_some_and(Result::is_ok),
            credentials: shared.credentials.get().cloned().and_then(Result::ok),
        };
        let any = state.network || state.ipc;
        (any || state.tmp.is_some() || state.credentials.is_some()).then_some(state)
    }

    /// Units that have something of the kind.
    pub(super) fn units(&self) -> impl Iterator<Item = UnitId> {
        self.units.keys().copied()
    }

    /// Puts the namespaces of a unit into custody that are not there yet.
    pub(super) fn put_in_custody(&self, unit: UnitId, custody: &Arc<Custody>) {
        if let Some(shared) = self.units.get(&unit) {
            shared.spaces.put_in_custody(custody);
        }
    }

    /// What an earlier daemon has made for a unit; `find` gives back what was in custody.
    pub(super) fn take_over(
        &mut self,
        unit: UnitId,
        state: IsolationState,
        find: &mut dyn FnMut(&str) -> Option<OwnedFd>,
        custody: &Arc<Custody>,
    ) {
        self.last = self.last.max(state.spaces);
        let mut there = self.units.values().map(|shared| &shared.spaces);
        let joined = there.find(|spaces| spaces.number == state.spaces).cloned();
        let spaces = joined.unwrap_or_else(|| {
            let spaces = Spaces::of_number(state.spaces);
            for (name, space) in spaces.namespaces() {
                if let Some(found) = find(&spaces.key(name)) {
                    // It was just made, and is empty.
                    let _ = space.set(Ok(Arc::new(found)));
                }
            }
            spaces.put_in_custody(custody);
            Arc::new(spaces)
        });
        if let Some(tmp) = state.tmp {
            let _ = spaces.tmp.set(Ok(tmp));
        }
        let credentials = state
            .credentials
            .map_or_else(OnceLock::new, |path| Ok(path).into());
        let shared = Shared {
            spaces,
            credentials,
            ..Shared::default()
        };
        self.units.insert(unit, Arc::new(shared));
    }

    /// The unit is dead: what nobody else shares goes by its removal, with RemoveIPC= also what
    /// its user left in memory, unless another unit has the same user (systemd.exec(5)).
    pub(super) fn release(&mut self, unit: UnitId, remove_ipc: bool) -> Left {
        let Some(shared) = self.units.remove(&unit).and_then(Arc::into_inner) else {
            return Left::default();
        };
        let ipc = shared.identity.get().filter(|_| remove_ipc);
        let ipc = ipc.map(|(user, group)| {
            let others = || self.units.values().filter_map(|other| other.identity.get());
            Owner {
                user: Some(*user).filter(|id| others().all(|(other, _)| other != id)),
                group: Some(*group).filter(|id| others().all(|(_, other)| other != id)),
            }
        });
        Left {
            ipc,
            ..shared.left()
        }
    }
}

/// What the processes of a unit share. Each part is made once; a failure is kept for the
/// unit's next processes.
#[derive(Debug, Default)]
pub(super) struct Shared {
    spaces: Arc<Spaces>,
    credentials: OnceLock<Result<String, String>>,
    accounts: OnceLock<Result<Arc<Accounts>, String>>,
    /// User and group that processes run as, if the unit names them.
    identity: OnceLock<(u32, u32)>,
}

/// User and group of a unit with DynamicUser=: taken as long as this is there.
#[derive(Debug)]
pub(super) struct Accounts {
    pub(super) user: User,
    pub(super) group: User,
}

/// What a dead unit leaves to be removed.
#[derive(Debug, Default)]
pub(super) struct Left {
    pub(super) directories: Vec<String>,
    /// Whose IPC objects are to go.
    pub(super) ipc: Option<Owner>,
    /// To be let go of at last.
    pub(super) accounts: Option<Arc<Accounts>>,
}

/// The part that other units may share, too.
#[derive(Debug, Default)]
struct Spaces {
    /// Tells it from all others.
    number: u64,
    network: Space,
    ipc: Space,
    tmp: OnceLock<Result<(String, String), String>>,
    /// Those that are in custody.
    kept: Mutex<BTreeMap<&'static str, Kept>>,
}

/// A namespace, once it is made.
type Space = OnceLock<Result<Arc<OwnedFd>, String>>;

impl Shared {
    /// The namespaces to enter. May block.
    pub(super) fn entered(&self, isolation: &Isolation) -> Entered<'_> {
        let network = namespace(
            &self.spaces.network,
            Kind::Network,
            isolation.private_network,
            isolation.network_path.as_deref(),
        );
        let ipc = namespace(
            &self.spaces.ipc,
            Kind::Ipc,
            isolation.private_ipc,
            isolation.ipc_path.as_deref(),
        );
        Entered { network, ipc }
    }

    /// The directories for /tmp and /var/tmp. May block.
    ///
    /// # Errors
    /// They cannot be made.
    pub(super) fn tmp(&self, unit: &UnitName) -> Result<(String, String), String> {
        let made = self.spaces.tmp.get_or_init(|| {
            let make = |place: &str| {
                private_directory(place, unit)
                    .map_err(|error| format!("cannot make a private directory in {place}: {error}"))
            };
            Ok((make("/tmp")?, make("/var/tmp")?))
        });
        made.clone()
    }

    /// The directory of credentials, made by `make` if it is not there yet. May block.
    pub(super) fn credentials(
        &self,
        directory: &str,
        make: impl FnOnce() -> Result<(), String>,
    ) -> Result<String, String> {
        let made = self
            .credentials
            .get_or_init(|| make().map(|()| directory.to_owned()));
        made.clone()
    }

    /// User and group with DynamicUser=, taken when they are first asked for. `owners` are
    /// those of the unit's directories. May block.
    ///
    /// # Errors
    /// See [`DynamicUsers`].
    pub(super) fn accounts(
        &self,
        users: &DynamicUsers,
        exec: &ExecConfig,
        owners: impl FnOnce() -> Vec<u32>,
    ) -> Result<Arc<Accounts>, String> {
        let name = |of: &Option<String>| of.clone().unwrap_or_default();
        let take = || {
            let user = users.user(&name(&exec.user), &owners())?;
            let group = users.group(&name(&exec.group))?;
            Ok(Arc::new(Accounts { user, group }))
        };
        self.accounts.get_or_init(take).clone()
    }

    /// Notes who the unit's processes are.
    pub(super) fn is(&self, user: u32, group: u32) {
        // What the first process found out holds for all.
        let _ = self.identity.set((user, group));
    }

    fn left(mut self) -> Left {
        let credentials = self.credentials.take().and_then(Result::ok);
        let spaces = Arc::into_inner(self.spaces);
        let mut directories = spaces.map(Spaces::directories).unwrap_or_default();
        directories.extend(credentials);
        Left {
            directories,
            ipc: None,
            accounts: self.accounts.take().and_then(Result::ok),
        }
    }
}

impl Spaces {
    fn of_number(number: u64) -> Spaces {
        Spaces {
            number,
            ..Spaces::default()
        }
    }

    fn namespaces(&self) -> [(&'static str, &Space); 2] {
        [("network", &self.network), ("ipc", &self.ipc)]
    }

    fn key(&self, name: &str) -> String {
        format!("space-{}-{name}", self.number)
    }

    fn put_in_custody(&self, custody: &Arc<Custody>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, space) in self.namespaces() {
            if let Some(Ok(descriptor)) = space.get() {
                kept.entry(name)
                    .or_insert_with(|| custody.keep(self.key(name), descriptor));
            }
        }
    }

    fn directories(self) -> Vec<String> {
        let (tmp, var_tmp) = match self.tmp.into_inner() {
            Some(Ok(pair)) => pair,
            Some(Err(_)) | None => return Vec::new(),
        };
        let around = |path: &String| path.trim_end_matches("/tmp").to_owned();
        vec![around(&tmp), around(&var_tmp)]
    }
}

fn namespace<'a>(
    made: &'a Space,
    kind: Kind,
    private: bool,
    path: Option<&str>,
) -> Option<Result<std::os::fd::BorrowedFd<'a>, String>> {
    if !private && path.is_none() {
        return None;
    }
    let made = made.get_or_init(|| match path {
        Some(path) => fs::File::open(path)
            .map(|file| Arc::new(OwnedFd::from(file)))
            .map_err(|error| format!("open the namespace {path}: {error}")),
        None => own_namespace::make(kind)
            .map(Arc::new)
            .map_err(|error| format!("make a namespace ({kind:?}): {error}")),
    });
    Some(made.as_ref().map(AsFd::as_fd).map_err(Clone::clone))
}

/// A directory of nobody else's, and the one in it that is shown: its name cannot be guessed,
/// and who may not pass the outer one cannot reach the inner.
fn private_directory(place: &str, unit: &UnitName) -> io::Result<String> {
    let template = format!("{place}/dd-procmgr-private-{unit}-XXXXXX");
    let outer: PathBuf = nix::unistd::mkdtemp(Path::new(&template))?;
    let inner = outer.join("tmp");
    fs::create_dir(&inner)?;
    fs::set_permissions(&inner, fs::Permissions::from_mode(0o1777))?;
    Ok(inner.display().to_string())
}

/// What mounts are made from, for one start.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) table: MountTable,
    pub(super) sources: Sources,
    pub(super) place: String,
}

impl Ground {
    /// Looks at the machine and makes what is needed; `None` where the unit has no mounts of
    /// its own. May block.
    ///
    /// # Errors
    /// /proc cannot be read, or the daemon's directory cannot be written.
    pub(super) fn prepare(
        exec: &ExecConfig,
        place: &Path,
        sources: impl FnOnce() -> Result<Sources, String>,
    ) -> Result<Option<Ground>, String> {
        if exec.isolation.is_common() || exec.isolation.mount_settings().is_empty() {
            return Ok(None);
        }
        let text = fs::read_to_string("/proc/self/mountinfo")
            .map_err(|error| format!("cannot see what is mounted: {error}"))?;
        make_place(place).map_err(|error| {
            format!("cannot make {} ready for mounts: {error}", place.display())
        })?;
        Ok(Some(Ground {
            table: MountTable::parse(&text),
            sources: sources()?,
            place: place.display().to_string(),
        }))
    }
}

/// The directory that roots are put together in, and what is shown where nothing may be seen.
fn make_place(place: &Path) -> io::Result<()> {
    fs::create_dir_all(place.join("root"))?;
    let closed = fs::Permissions::from_mode(0o000);
    let directory = place.join("inaccessible");
    let file = place.join("inaccessible-file");
    if !directory.exists() {
        fs::create_dir(&directory)?;
    }
    fs::set_permissions(&directory, closed.clone())?;
    if !file.exists() {
        fs::File::create(&file)?;
    }
    fs::set_permissions(&file, closed)
}

/// The files of the machine.
#[derive(Debug)]
pub(super) struct MachineFiles;

/// As many links as the kernel follows.
const MOST_LINKS: usize = 40;

impl Files for MachineFiles {
    fn find(&self, root: &str, path: &str) -> (String, Found) {
        let root = Path::new(root);
        let path = resolve(root, path);
        let relative = path.strip_prefix("/").unwrap_or(&path);
        let found = match fs::metadata(root.join(relative)) {
            Ok(found) if found.is_dir() => Found::Directory,
            Ok(_) => Found::File,
            Err(_) => Found::Missing,
        };
        (path.display().to_string(), found)
    }
}

/// Follows links within a root; what is not there stays as it is written.
fn resolve(root: &Path, path: &str) -> PathBuf {
    let mut done = PathBuf::from("/");
    let mut ahead: Vec<std::ffi::OsString> = parts(Path::new(path));
    let mut links = 0;
    while let Some(part) = ahead.pop() {
        if part == ".." {
            done.pop();
            continue;
        }
        let next = done.join(&part);
        let inside = root.join(next.strip_prefix("/").unwrap_or(&next));
        match fs::read_link(&inside) {
            Ok(target) if links < MOST_LINKS => {
                links += 1;
                if target.is_absolute() {
                    done = PathBuf::from("/");
                }
                ahead.extend(parts(&target));
            }
            Ok(_) | Err(_) => done = next,
        }
    }
    done
}

/// The parts of a path, the first one last.
fn parts(path: &Path) -> Vec<std::ffi::OsString> {
    let parts = path.components().rev();
    parts
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_stay_within_the_root() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir_all(at("usr/lib")).unwrap();
        fs::write(at("usr/file"), "").unwrap();
        symlink("usr/lib", at("lib")).unwrap();
        symlink("/usr", at("absolute")).unwrap();
        symlink("../../../../usr/file", at("usr/up")).unwrap();
        symlink("loop", at("loop")).unwrap();
        let find = |path: &str| MachineFiles.find(root.path().to_str().unwrap(), path);
        assert_eq!(find("/lib/x"), ("/usr/lib/x".into(), Found::Missing));
        assert_eq!(find("/absolute/lib"), ("/usr/lib".into(), Found::Directory));
        assert_eq!(find("/usr/up"), ("/usr/file".into(), Found::File));
        assert_eq!(find("/loop").1, Found::Missing);
    }

    #[test]
    fn who_joins_shares_all_but_credentials_until_the_last_is_gone() {
        let mut all = Isolations::default();
        let (a, b, c) = (UnitId(1), UnitId(2), UnitId(3));
        let open = Isolation::default();
        let apart = Isolation {
            ipc_path: Some("/proc/1/ns/ipc".to_owned()),
            ..Isolation::default()
        };
        let of_a = all.of(a, &open, || vec![b]);
        let of_b = all.of(b, &open, || vec![a]);
        let of_c = all.of(c, &apart, || vec![a]);
        assert!(Arc::ptr_eq(&of_a.spaces, &of_b.spaces));
        assert!(!Arc::ptr_eq(&of_a.spaces, &of_c.spaces));
        let pair = ("/x/tmp".to_owned(), "/y/tmp".to_owned());
        of_a.spaces.tmp.set(Ok(pair)).unwrap();
        of_a.credentials.set(Ok("/run/a".to_owned())).unwrap();
        assert_eq!(of_b.credentials.get(), None);
        drop((of_a, of_b));
        assert_eq!(all.release(a, false).directories, ["/run/a"]);
        assert_eq!(all.release(b, false).directories, ["/x", "/y"]);
    }

    #[test]
    fn what_a_user_left_goes_with_its_last_unit() {
        let mut all = Isolations::default();
        let open = Isolation::default();
        let (a, b, c) = (UnitId(1), UnitId(2), UnitId(3));
        for (unit, group) in [(a, 7), (b, 8), (c, 8)] {
            all.of(unit, &open, Vec::new).is(5, group);
        }
        let owner = |user, group| Some(Owner { user, group });
        assert_eq!(all.release(a, true).ipc, owner(None, Some(7)));
        assert_eq!(all.release(b, false).ipc, None);
        assert_eq!(all.release(c, true).ipc, owner(Some(5), Some(8)));
    }

    #[test]
    fn private_directories_are_closed_and_unique() {
        let place = tempfile::tempdir().unwrap();
        let place = place.path().to_str().unwrap();
        let unit = UnitName::parse("a@b.service").unwrap();
        let one = private_directory(place, &unit).unwrap();
        let other = private_directory(place, &unit).unwrap();
        assert_ne!(one, other);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(Path::new(&one)), 0o1777);
        assert_eq!(mode(Path::new(&one).parent().unwrap()), 0o700);
    }
}
