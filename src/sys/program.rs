//! What a child does between clone and execve, as data: kernel operations in order, then the
//! image to execute. All memory they need is made before the clone.
//!
//! Knows the kernel only; which operations a unit needs is the business of its plan.

use super::filter::Instruction;
use std::ffi::{CStr, CString};
use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

/// Everything a child does.
#[derive(Debug)]
pub struct Program<'fd> {
    /// In order.
    pub steps: Vec<Step<'fd>>,
    /// From which step on the child may make no call but those of the steps themselves and
    /// execve: filters of system calls may forbid any other.
    pub sealed_from: usize,
    /// What is executed at last.
    pub image: Image,
}

/// One operation and what its failure means.
#[derive(Debug)]
pub struct Step<'fd> {
    /// What is done.
    pub operation: Operation<'fd>,
    /// The child's exit status if that ends it.
    pub exit_status: u8,
    /// What a failure leads to.
    pub on_failure: OnFailure,
}

/// What the failure of a step leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The child ends.
    End,
    /// This step and so many behind it are left out, which is reported.
    Skip(usize),
}

/// What execve gets.
#[derive(Debug)]
pub struct Image {
    /// Absolute paths; the first that can be executed is.
    pub candidates: Vec<CString>,
    /// What to call the program in messages.
    pub name: String,
    /// argv.
    pub arguments: Vec<CString>,
    /// `NAME=value` entries.
    pub environment: Vec<CString>,
    /// Names of variables that hold the child's own pid; added to the environment.
    pub pid_variables: Vec<CString>,
    /// The child's exit status if nothing can be executed.
    pub exit_status: u8,
    /// The same if none of the candidates is an executable file. Only looked at before
    /// [`Program::sealed_from`], and only if it is another status.
    pub missing_status: u8,
}

/// A kernel operation on the child itself. Descriptor numbers are those of the child's table; what
/// is borrowed is one of ours, and known to [`Program::descriptors_end`].
#[derive(Debug)]
pub enum Operation<'fd> {
    /// Always fails, for this reason.
    Refuse(String),
    /// setsid(2).
    NewSession,
    /// Goes into a control group of version 1 by writing to its file `tasks`: a thread that moves
    /// itself waits for nobody.
    Join(CString),
    /// Copies a descriptor of ours to a number, close-on-exec.
    Stash {
        /// Which.
        from: BorrowedFd<'fd>,
        /// Its number for the steps to come.
        onto: i32,
    },
    /// Copies a number to another that survives execve.
    Pass {
        /// Which.
        from: i32,
        /// As what.
        onto: i32,
    },
    /// Opens a file as a descriptor that survives execve.
    Open {
        /// Absolute path.
        path: CString,
        /// O_ flags.
        flags: i32,
        /// Mode of a file that is made.
        mode: u32,
        /// Its number.
        onto: i32,
    },
    /// Opens a terminal as a descriptor that survives execve, and makes it the session's own.
    Terminal {
        /// Absolute path.
        path: CString,
        /// Takes it away from a session that has it.
        force: bool,
        /// Its number.
        onto: i32,
    },
    /// Gives a terminal to a user, as login programs do, as far as that is possible: whoever has
    /// it open can use it anyway.
    OwnTerminal {
        /// Its number.
        number: i32,
        /// The user.
        user: u32,
    },
    /// Makes a terminal that this number is, if it is one and nobody else's, the session's own.
    AdoptTerminal(i32),
    /// Closes this number and all above.
    CloseFrom(i32),
    /// Writes /proc/self/oom_score_adj; without the privilege it stays as it is, as in
    /// systemd, which takes that for a container.
    OomScoreAdjust(String),
    /// Sets the nice value, or without the privilege the nearest to it that is allowed.
    Nice(i32),
    /// sched_setscheduler(2).
    Schedule {
        /// SCHED_ number, perhaps with SCHED_RESET_ON_FORK.
        policy: u32,
        /// Priority.
        priority: i32,
    },
    /// sched_setaffinity(2): bit n for processor n.
    Processors(Vec<u64>),
    /// set_mempolicy(2); a kernel without has one node only.
    MemoryPolicy {
        /// MPOL_ number.
        mode: i32,
        /// Bit n for node n.
        nodes: Vec<u64>,
    },
    /// ioprio_set(2).
    IoPriority(u32),
    /// PR_SET_TIMERSLACK, in nanoseconds.
    TimerSlack(u64),
    /// Writes /proc/self/coredump_filter.
    CoreDumpFilter(String),
    /// Makes a session keyring, as this user and group if given.
    Keyring {
        /// Links the user's own keyring into it.
        shared: bool,
        /// User and group it belongs to.
        owner: Option<(u32, u32)>,
    },
    /// unshare(2).
    Unshare(u64),
    /// setns(2), while descriptors of ours are open.
    Enter {
        /// Which.
        namespace: BorrowedFd<'fd>,
        /// CLONE_NEW... of its kind.
        kind: u64,
    },
    /// A user namespace with these maps, as user_namespaces(7) has them.
    UserNamespace {
        /// Users.
        users: String,
        /// Groups.
        groups: String,
    },
    /// Changes how mounts at and below the root travel: MS_SHARED, MS_SLAVE or MS_PRIVATE.
    Propagation(u64),
    /// Makes a directory, or an empty file, unless there is one.
    MountPoint {
        /// Directories above it, outermost first.
        parents: Vec<CString>,
        /// Absolute path.
        path: CString,
        /// What it is to be.
        directory: bool,
    },
    /// Shows a file or directory at another place.
    Bind {
        /// Absolute path.
        from: CString,
        /// Absolute path of something of the same kind.
        to: CString,
        /// With what is mounted below.
        recursive: bool,
    },
    /// Mounts a file system without a device.
    Mount {
        /// Its kind.
        kind: CString,
        /// Its own options.
        options: CString,
        /// MS_ flags.
        flags: u64,
        /// Absolute path.
        to: CString,
    },
    /// Gives a mount point these MS_ flags; one that is gone meanwhile needs none.
    Remount {
        /// Absolute path.
        path: CString,
        /// All of them.
        flags: u64,
    },
    /// Makes a character device, or without the privilege shows the machine's own.
    Device {
        /// The machine's own.
        from: CString,
        /// Absolute path.
        path: CString,
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// symlink(2), unless there is something.
    SymbolicLink {
        /// What it says.
        target: CString,
        /// Absolute path.
        path: CString,
    },
    /// Makes a mount point the root, and lets go of the one before.
    PivotRoot(CString),
    /// umask(2).
    Umask(u32),
    /// Sets a resource limit, or without the privilege the nearest to it below our hard one.
    Limit {
        /// RLIMIT_ number.
        resource: u32,
        /// Soft limit; `u64::MAX` is infinity.
        soft: u64,
        /// Hard limit.
        hard: u64,
    },
    /// setgroups(2); without the privilege, we must be in all of them already.
    Groups(Vec<u32>),
    /// setresgid(2), all three.
    Group(u32),
    /// setresuid(2), all three.
    User(u32),
    /// Drops every other capability from the bounding set.
    KeepBounding(u64),
    /// Adds to the inheritable set and lets the permitted set survive a change of user.
    PrepareAmbient(u64),
    /// Makes the ambient set this one.
    SetAmbient(u64),
    /// PR_SET_NO_NEW_PRIVS.
    NoNewPrivileges,
    /// The same, unless we have CAP_SYS_ADMIN, with which filters can be installed without.
    ImplyNoNewPrivileges,
    /// Writes into the first of these files of /proc that there is.
    Attribute {
        /// Absolute paths.
        paths: Vec<CString>,
        /// What is written.
        value: String,
    },
    /// PR_SET_SECUREBITS.
    SecureBits(u32),
    /// personality(2).
    Personality(u32),
    /// Installs a filter of system calls.
    Filter(Vec<Instruction>),
    /// chdir(2).
    ChangeDirectory {
        /// Absolute path.
        path: CString,
        /// Stay where we are if it cannot be entered.
        optional: bool,
    },
    /// Ignores a signal; all others are at their defaults.
    IgnoreSignal(i32),
}

impl Program<'_> {
    /// The number behind those of our descriptors that a child makes use of; the standard streams
    /// are always among them.
    pub(super) fn descriptors_end(&self) -> RawFd {
        let used = self.steps.iter().filter_map(|step| match &step.operation {
            Operation::Stash { from, .. } => Some(from.as_raw_fd()),
            Operation::Enter { namespace, .. } => Some(namespace.as_raw_fd()),
            _ => None,
        });
        used.max().unwrap_or(0).max(libc::STDERR_FILENO) + 1
    }
}

impl fmt::Display for Operation<'_> {
    /// What was attempted, and on what.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operation::Refuse(reason) => f.write_str(reason),
            Operation::NewSession => f.write_str("make a session"),
            Operation::Join(tasks) => write!(f, "join the control group of {}", text(tasks)),
            Operation::Stash { onto, .. } => write!(f, "copy a descriptor to {onto}"),
            Operation::Pass { from, onto } => write!(f, "pass descriptor {from} as {onto}"),
            Operation::Open { path, onto, .. } => {
                write!(f, "open {} as descriptor {onto}", text(path))
            }
            Operation::Terminal { path, .. } => write!(f, "take terminal {}", text(path)),
            Operation::OwnTerminal { user, .. } => write!(f, "give the terminal to user {user}"),
            Operation::AdoptTerminal(number) => {
                write!(f, "take the terminal that descriptor {number} is")
            }
            Operation::CloseFrom(first) => write!(f, "close descriptors from {first} on"),
            Operation::OomScoreAdjust(value) => write!(f, "set the OOM score to {value}"),
            Operation::Nice(value) => write!(f, "set the nice value to {value}"),
            Operation::Schedule { policy, priority } => {
                write!(f, "set scheduling policy {policy} with priority {priority}")
            }
            Operation::Processors(_) => f.write_str("set the processors to run on"),
            Operation::MemoryPolicy { mode, .. } => write!(f, "set memory policy {mode}"),
            Operation::IoPriority(value) => write!(f, "set the I/O priority to {value:#x}"),
            Operation::TimerSlack(value) => write!(f, "set the timer slack to {value} ns"),
            Operation::CoreDumpFilter(value) => write!(f, "set the core dump filter to {value}"),
            Operation::Keyring { .. } => f.write_str("make a session keyring"),
            Operation::Unshare(flags) => write!(f, "make a namespace ({flags:#x})"),
            Operation::Enter { kind, .. } => write!(f, "enter a namespace ({kind:#x})"),
            Operation::UserNamespace { .. } => f.write_str("make a user namespace"),
            Operation::Propagation(flags) => {
                write!(f, "set the propagation of mounts to {flags:#x}")
            }
            Operation::MountPoint { path, .. } => write!(f, "make {} to mount on", text(path)),
            Operation::Bind {
                from,
                to,
                recursive,
            } => {
                let all = if *recursive { " with all below" } else { "" };
                write!(f, "show {}{all} at {}", text(from), text(to))
            }
            Operation::Mount {
                kind, options, to, ..
            } => write!(
                f,
                "mount {} ({}) on {}",
                text(kind),
                text(options),
                text(to)
            ),
            Operation::Remount { path, flags } => {
                write!(f, "mount {} with flags {flags:#x}", text(path))
            }
            Operation::Device { path, .. } => write!(f, "make device {}", text(path)),
            Operation::SymbolicLink { path, .. } => write!(f, "make link {}", text(path)),
            Operation::PivotRoot(path) => write!(f, "make {} the root", text(path)),
            Operation::Umask(mask) => write!(f, "set the umask to {mask:04o}"),
            Operation::Limit {
                resource,
                soft,
                hard,
            } => write!(f, "set resource limit {resource} to {soft}:{hard}"),
            Operation::Groups(groups) => write!(f, "set supplementary groups to {groups:?}"),
            Operation::Group(id) => write!(f, "become group {id}"),
            Operation::User(id) => write!(f, "become user {id}"),
            Operation::KeepBounding(set) => {
                write!(f, "limit the capability bounding set to {set:#x}")
            }
            Operation::PrepareAmbient(set) => {
                write!(f, "make capabilities {set:#x} inheritable")
            }
            Operation::SetAmbient(set) => write!(f, "set ambient capabilities to {set:#x}"),
            Operation::NoNewPrivileges | Operation::ImplyNoNewPrivileges => {
                f.write_str("set no_new_privs")
            }
            Operation::Attribute { value, .. } => write!(f, "be labelled {value}"),
            Operation::SecureBits(bits) => write!(f, "set the secure bits to {bits:#x}"),
            Operation::Personality(value) => write!(f, "set the personality to {value:#x}"),
            Operation::Filter(_) => f.write_str("install a filter of system calls"),
            Operation::ChangeDirectory { path, .. } => {
                write!(f, "change to directory {}", text(path))
            }
            Operation::IgnoreSignal(signal) => write!(f, "ignore signal {signal}"),
        }
    }
}

fn text(path: &CStr) -> std::borrow::Cow<'_, str> {
    path.to_string_lossy()
}
