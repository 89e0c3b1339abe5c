//! Users that exist only while units use them (systemd.exec(5), DynamicUser=): who has which
//! number.
//!
//! A number is taken by a locked file `DIRECTORY/NUMBER` that holds the name, beside links
//! `direct:NUMBER` and `direct:NAME`, in the directory and the form that systemd has them in:
//! so both can take numbers on one machine. Everything here but [`DynamicUsers::known`] asks
//! the name service, which may block: never on the loop.

use super::ipc;
use crate::exec::identity::{self, Account};
use crate::unit::dynamic_user::numbers;
use rustix::fs::{FlockOperation, flock};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};

/// Numbers that are looked at before giving up: the rest are most likely taken, too.
const MOST_TRIES: usize = 100;

/// All of them, by name.
#[derive(Debug)]
pub(super) struct DynamicUsers {
    directory: PathBuf,
    slots: Mutex<BTreeMap<String, Arc<Slot>>>,
}

/// The user of a name while somebody has it. Locked while it is being made.
type Slot = Mutex<Weak<DynamicUser>>;

/// A number that is taken, as long as anybody has this. User and group of the name.
#[derive(Debug)]
pub(super) struct DynamicUser {
    name: String,
    /// The number of user and group.
    pub(super) id: u32,
    directory: PathBuf,
    /// Locked as long as it is open.
    _file: File,
}

impl Drop for DynamicUser {
    fn drop(&mut self) {
        // What is left would be taken over by the next who gets the number.
        for name in [
            direct(&self.name),
            direct(&self.id.to_string()),
            self.id.to_string(),
        ] {
            let _ = fs::remove_file(self.directory.join(name));
        }
    }
}

fn direct(name: &str) -> String {
    format!("direct:{name}")
}

/// A user or group by its name.
#[derive(Debug, Clone)]
pub(super) enum Found {
    /// The machine knows it.
    Static(Account),
    /// It exists for us.
    Dynamic(Arc<DynamicUser>),
}

impl Found {
    pub(super) fn id(&self) -> u32 {
        match self {
            Found::Static(account) => account.id,
            Found::Dynamic(user) => user.id,
        }
    }
}

impl DynamicUsers {
    /// Numbers are taken in this directory, which is made when it is needed.
    pub(super) fn new(directory: PathBuf) -> DynamicUsers {
        DynamicUsers {
            directory,
            slots: Mutex::default(),
        }
    }

    /// The user of a name, made if there is none. `owners` are those of directories it may have
    /// had before. May block.
    ///
    /// # Errors
    /// There is a group of the name but no user, or no number is free.
    pub(super) fn user(&self, name: &str, owners: &[u32]) -> Result<Found, String> {
        let account = identity::user_account(name);
        if account.is_none() && identity::group_account(name).is_some() {
            return Err(format!("{name} is a group of the machine but no user"));
        }
        self.get(name, account, owners)
    }

    /// The same for a group.
    ///
    /// # Errors
    /// There is a user of the name but no group, or no number is free.
    pub(super) fn group(&self, name: &str) -> Result<Found, String> {
        let account = identity::group_account(name);
        if account.is_none() && identity::user_account(name).is_some() {
            return Err(format!("{name} is a user of the machine but no group"));
        }
        self.get(name, account, &[])
    }

    fn get(&self, name: &str, account: Option<Account>, owners: &[u32]) -> Result<Found, String> {
        if let Some(account) = account {
            return Ok(Found::Static(account));
        }
        let slot = lock(&self.slots)
            .entry(name.to_owned())
            .or_default()
            .clone();
        let mut current = lock(&slot);
        if let Some(user) = current.upgrade() {
            return Ok(Found::Dynamic(user));
        }
        let user = Arc::new(take(&self.directory, name, owners)?);
        *current = Arc::downgrade(&user);
        Ok(Found::Dynamic(user))
    }

    /// Number and name of those there are; one that is just being made may be missing.
    pub(super) fn known(&self) -> Vec<(u32, String)> {
        let mut slots = lock(&self.slots);
        // Nobody else can come by a slot while the map is locked.
        slots.retain(|_, slot| Arc::strong_count(slot) > 1 || lock(slot).strong_count() > 0);
        let users = slots.values().filter_map(|slot| match slot.try_lock() {
            Ok(current) => current.upgrade(),
            Err(TryLockError::Poisoned(current)) => current.into_inner().upgrade(),
            Err(TryLockError::WouldBlock) => None,
        });
        users.map(|user| (user.id, user.name.clone())).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Neither map nor slot is ever left half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take(directory: &Path, name: &str, owners: &[u32]) -> Result<DynamicUser, String> {
    fs::create_dir_all(directory)
        .map_err(|error| format!("cannot make {}: {error}", directory.display()))?;
    for id in numbers(name, owners).take(MOST_TRIES) {
        // Who had it before has it again, whatever else it may have left.
        let before = || {
            let last = fs::read_to_string(directory.join(id.to_string()));
            owners.contains(&id) || last.is_ok_and(|last| last.trim_end() == name)
        };
        if identity::is_number_known(id) || (ipc::has_any(id) && !before()) {
            continue;
        }
        let taken = take_number(directory, name, id)
            .map_err(|error| format!("cannot take user number {id}: {error}"))?;
        if let Some(user) = taken {
            return Ok(user);
        }
    }
    Err(format!("no number is free for user {name}"))
}

/// Takes a number, unless somebody has it.
fn take_number(directory: &Path, name: &str, id: u32) -> io::Result<Option<DynamicUser>> {
    let path = directory.join(id.to_string());
    loop {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            locked => locked?,
        }
        // Whoever had it may have removed it before it let go of the lock.
        let still = |there: fs::Metadata| {
            file.metadata()
                .is_ok_and(|own| (own.dev(), own.ino()) == (there.dev(), there.ino()))
        };
        if !fs::symlink_metadata(&path).is_ok_and(still) {
            continue;
        }
        file.set_len(0)?;
        file.write_all(format!("{name}\n").as_bytes())?;
        for (from, to) in [(id.to_string(), name), (name.to_owned(), &id.to_string())] {
            let link = directory.join(direct(&from));
            let _ = fs::remove_file(&link);
            symlink(to, &link)?;
        }
        return Ok(Some(DynamicUser {
            name: name.to_owned(),
            id,
            directory: directory.to_owned(),
            _file: file,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(found: &Found) -> u32 {
        match found {
            Found::Dynamic(user) => user.id,
            Found::Static(_) => panic!("the machine should not know it"),
        }
    }

    #[test]
    fn a_name_is_one_user_while_anybody_has_it() {
        let place = tempfile::tempdir().unwrap();
        let users = DynamicUsers::new(place.path().join("dynamic-uid"));
        let one = users.user("dd-test-one", &[]).unwrap();
        let same = users.group("dd-test-one").unwrap();
        assert_eq!(id(&one), id(&same));
        let file = place.path().join("dynamic-uid").join(id(&one).to_string());
        assert_eq!(fs::read_to_string(&file).unwrap(), "dd-test-one\n");
        assert_eq!(users.known(), [(id(&one), "dd-test-one".to_owned())]);
        drop(one);
        assert!(file.exists());
        drop(same);
        assert!(!file.exists());
        assert_eq!(users.known(), []);
        let left: Vec<_> = fs::read_dir(file.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 0);
    }

    #[test]
    fn a_number_that_somebody_else_has_is_passed_over() {
        let place = tempfile::tempdir().unwrap();
        let ours = DynamicUsers::new(place.path().to_owned());
        let theirs = DynamicUsers::new(place.path().to_owned());
        let taken = theirs.user("dd-test-two", &[]).unwrap();
        let other = ours.user("dd-test-two", &[]).unwrap();
        assert_ne!(id(&taken), id(&other));
        let before = ours.user("dd-test-three", &[id(&taken), 61_300]).unwrap();
        assert_eq!(id(&before), 61_300);
    }

    #[test]
    fn whom_the_machine_knows_stays_who_it_is() {
        let place = tempfile::tempdir().unwrap();
        let users = DynamicUsers::new(place.path().to_owned());
        let found = users.user("root", &[]).unwrap();
        assert!(matches!(found, Found::Static(_)) && found.id() == 0);
    }
}
