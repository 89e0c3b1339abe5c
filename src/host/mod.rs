//! The one loop: kernel facts become events, effects become system calls.
//!
//! Everything runs on one thread; what may block (name service, conditions on foreign file
//! systems, big reads) goes to a pool thread and comes back as an event. No lock is held
//! across a wait.
//!
//! Invariants: every effect that asks for an answer gets exactly one event; an exit is told
//! before the emptiness of the group it leaves, and after every notify message sent before it;
//! nothing is ever signalled by its number.

mod above;
mod action;
mod bells;
mod bounded;
mod bus_names;
mod client_units;
mod clock;
mod conditions;
mod console;
mod credentials;
mod decisive;
mod directories;
mod disk;
mod dynamic_users;
mod effects;
mod environment;
mod exits;
mod facts;
mod generations;
mod groups;
mod guests;
mod handle;
mod input_data;
mod ipc;
mod isolation;
mod journald;
mod keep;
mod killing;
mod lifecycle;
mod limits;
mod line_rules;
mod lines;
mod listing;
mod loading;
mod log;
mod log_writer;
mod made_directories;
mod main_process;
mod notifications;
mod notify;
mod numa;
mod operations;
mod output;
mod passed;
mod paths;
mod pid_file;
mod placing;
mod probes;
mod process_table;
mod processes;
mod readiness;
mod remembered;
mod requests;
mod run;
mod scopes;
mod sinks;
#[cfg(test)]
pub(crate) mod small_loop_tests;
mod sockets;
mod spare_pipe;
mod spawning;
mod stamps;
mod store;
mod stream;
mod terminal;
mod time_watch;
mod unit_files;
mod view;
mod vitals;
mod wind_up;
mod zones;

pub use crate::cgroup::make_fit as make_group_fit;
pub use crate::cgroup::network::Traffic;
pub use crate::cgroup::usage::{Io, Usage, read as read_usage};
pub use crate::sys::inherited::take as inherited_descriptor;
pub use crate::sys::memory::{be_frugal as be_frugal_with_memory, give_back as give_memory_back};
pub use crate::sys::numbers::make_room as make_room_for_descriptors;
pub use bus_names::{BusNameNews, BusNameOrder};
pub use client_units::ClientUnits;
pub use console::{Console, Form as LogForm, merged_name, message_of, object};
pub use decisive::Outcome;
pub use disk::{DiskSource, LoadSource};
pub use environment::{Mode, base as base_environment, inheritable as inheritable_environment};
pub use facts::gather as gather_facts;
pub use guests::{Guest, GuestTrouble, process_of};
pub use handle::{
    ControlError, Facts, Handle, Held, Job, LogLine, ManagerFacts, News, Startup, Stream, View,
    Vitals,
};
pub use input_data::memory_file;
pub use journald::JournalEntry;
pub use keep::{
    CONTROL, Carried, Keep, KeepError, ReadError, Recovered, check_state, let_signals_through,
    recover, run_keeper,
};
pub use lifecycle::{Happening, What};
pub use log::{LogPlaces, UNIT_TARGET};
pub use operations::Trouble;
pub use passed::receive;
pub use run::{Host, Options};
pub use sockets::ad_hoc as activation;
pub use store::{Filter as LogFilter, Follower as LogFollower, last as last_lines};
pub use stream::HyperStream;
pub use unit_files::{EditError, apply as apply_edits, carry_out as edit_unit_files};
pub use vitals::Histogram;
