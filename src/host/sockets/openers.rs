//! Threads that open sockets: a few for all that are to be opened, since a thread for each of
//! thousands would cost more than the sockets.

use super::super::run::Fact;
use super::{SocketFact, open};
use crate::engine::{OpenFailure, UnitId};
use crate::unit::config::UnitConfig;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc::UnboundedSender;

/// Threads at a time. A path on a file system that hangs holds one of them; the others go on.
const MOST: usize = 16;

/// An order to open the sockets of a unit.
#[derive(Debug)]
pub(super) struct ToOpen {
    pub(super) unit: UnitId,
    pub(super) order: u64,
    pub(super) config: Arc<UnitConfig>,
}

/// Orders that no thread has taken yet, and the threads.
#[derive(Debug, Clone, Default)]
pub(super) struct Openers(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    orders: VecDeque<ToOpen>,
    threads: usize,
}

impl Openers {
    /// Has sockets opened; the answer is a [`SocketFact::Opened`].
    pub(super) fn open(&self, order: ToOpen, facts: &UnboundedSender<Fact>) {
        let mut waiting = self.waiting();
        waiting.orders.push_back(order);
        if waiting.threads == MOST {
            return;
        }
        waiting.threads += 1;
        let (openers, facts) = (self.clone(), facts.clone());
        tokio::task::spawn_blocking(move || {
            while let Some(order) = openers.next() {
                let _ = facts.send(Fact::Socket(carry_out(order)));
            }
        });
    }

    /// The next order; if there is none the thread that asks ends.
    fn next(&self) -> Option<ToOpen> {
        let mut waiting = self.waiting();
        let order = waiting.orders.pop_front();
        if order.is_none() {
            waiting.threads -= 1;
        }
        order
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Every change is one step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn carry_out(to_open: ToOpen) -> SocketFact {
    let ToOpen {
        unit,
        order,
        config,
    } = to_open;
    let result = match config.socket() {
        Some(section) => open::open(section),
        None => Err(OpenFailure::Resources("it is no socket".to_owned())),
    };
    SocketFact::Opened {
        unit,
        order,
        config,
        result,
    }
}
