//! The thread that writes lines where it may have to wait: on the disk, to the daemon's standard
//! streams, to the journal.
//!
//! Work is done in the order it comes. Who must not lose a line waits for the word that it is
//! written; that is what holds up a service that writes faster than its log is taken.

use super::console::Console;
use super::line_rules::LineRules;
use super::sinks::Sinks;
use super::store::Segments;
use super::store::batch::Batch;
use crate::sys::background;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// Bytes on their way; whoever does not wait adds no more.
const BEHIND: usize = 1024 * 1024;

/// So many orders wait for the end of a turn.
const GATHERED: usize = 256;

/// What is to be written.
#[derive(Debug)]
enum Order {
    Write {
        batch: Arc<Batch>,
        /// How the unit wants it; `None` for the manager's own lines, which are shown already.
        rules: Option<Arc<LineRules>>,
        /// It is to go to the daemon's standard streams.
        show: bool,
        done: Option<oneshot::Sender<()>>,
    },
    /// Word of when everything before is written.
    Mark(oneshot::Sender<()>),
    MarkForThread(Sender<()>),
    /// The standard streams did not take everything.
    Flush,
}

/// How to reach the thread. It ends when this is dropped and everything is written.
#[derive(Debug)]
pub(super) struct Writer {
    orders: Sender<Order>,
    /// What waits for [`Writer::pass_on`]; `None`: nothing is to wait.
    gathered: Mutex<Option<Vec<Order>>>,
    behind: Arc<AtomicUsize>,
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// None can be had.
    pub(super) fn start(console: Arc<Console>, store: Option<Segments>) -> io::Result<Writer> {
        let (orders, inbox) = mpsc::channel();
        let behind = Arc::new(AtomicUsize::new(0));
        let worker = Worker {
            console: console.clone(),
            store,
            sinks: Sinks::default(),
            behind: behind.clone(),
            text: Vec::new(),
        };
        let waking = orders.clone();
        console.set_waker(move || drop(waking.send(Order::Flush)));
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || {
                background::enter();
                worker.run(&inbox);
            })?;
        Ok(Writer {
            orders,
            gathered: Mutex::default(),
            behind,
        })
    }

    fn gathered(&self) -> MutexGuard<'_, Option<Vec<Order>>> {
        // Every change is one step.
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be written some time waits from here on.
    pub(super) fn gather(&self) {
        self.gathered().get_or_insert_default();
    }

    /// Passes on what has waited; nothing waits any more.
    pub(super) fn pass_on(&self) {
        let waited = self.gathered().take();
        self.pass_on_all(waited.unwrap_or_default());
    }

    fn pass_on_all(&self, waited: Vec<Order>) {
        for order in waited {
            // As below.
            let _ = self.orders.send(order);
        }
    }

    /// Has an order carried out, behind all that were given before.
    fn order(&self, order: Order) {
        let waited = self.gathered().as_mut().map(std::mem::take);
        self.pass_on_all(waited.unwrap_or_default());
        // The thread ends only after this; if it did, nobody would wait for an answer.
        let _ = self.orders.send(order);
    }

    /// Whether it is so far behind that nothing should be added but by who waits.
    pub(super) fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Relaxed) > BEHIND
    }

    /// Whether nothing is on its way, so that nothing can be overtaken.
    pub(super) fn is_idle(&self) -> bool {
        self.behind.load(Ordering::Acquire) == 0
    }

    /// Writes a batch; the answer comes when it is written.
    pub(super) fn write(
        &self,
        batch: Arc<Batch>,
        rules: Option<Arc<LineRules>>,
        show: bool,
    ) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.order(self.writing(batch, rules, show, Some(sender)));
        receiver
    }

    /// Writes a batch some time.
    pub(super) fn write_later(&self, batch: Arc<Batch>, rules: Option<Arc<LineRules>>, show: bool) {
        let order = self.writing(batch, rules, show, None);
        let mut gathered = self.gathered();
        match gathered.as_mut() {
            Some(waiting) if waiting.len() < GATHERED => waiting.push(order),
            Some(_) | None => {
                drop(gathered);
                self.order(order);
            }
        }
    }

    fn writing(
        &self,
        batch: Arc<Batch>,
        rules: Option<Arc<LineRules>>,
        show: bool,
        done: Option<oneshot::Sender<()>>,
    ) -> Order {
        self.behind.fetch_add(batch.size(), Ordering::Relaxed);
        Order::Write {
            batch,
            rules,
            show,
            done,
        }
    }

    /// Word of when everything so far is written.
    pub(super) fn mark(&self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.order(Order::Mark(sender));
        receiver
    }

    /// Waits until everything so far is written, but not for ever; whether it is.
    pub(super) fn wait(&self, patience: Duration) -> bool {
        let (sender, receiver) = mpsc::channel();
        self.order(Order::MarkForThread(sender));
        receiver.recv_timeout(patience).is_ok()
    }
}

struct Worker {
    console: Arc<Console>,
    store: Option<Segments>,
    sinks: Sinks,
    behind: Arc<AtomicUsize>,
    text: Vec<u8>,
}

impl Worker {
    fn run(mut self, inbox: &Receiver<Order>) {
        while let Ok(order) = inbox.recv() {
            match order {
                Order::Write {
                    batch,
                    rules,
                    show,
                    done,
                } => {
                    self.write(&batch, rules.as_deref(), show);
                    self.behind.fetch_sub(batch.size(), Ordering::Release);
                    if let Some(done) = done {
                        // Whoever waited may have gone.
                        let _ = done.send(());
                    }
                }
                Order::Mark(sender) => drop(sender.send(())),
                Order::MarkForThread(sender) => drop(sender.send(())),
                Order::Flush => self.console.write(&[]),
            }
        }
    }

    fn write(&mut self, batch: &Batch, rules: Option<&LineRules>, show: bool) {
        if let Some(store) = &mut self.store
            && let Err(error) = store.append(batch)
        {
            let directory = store.directory().display();
            tracing::warn!("cannot write the log in {directory}: {error}");
        }
        let taken = rules.is_some_and(|rules| self.sinks.take(batch, rules));
        if show && !taken {
            self.text.clear();
            self.console.render(batch, rules, &mut self.text);
            self.console.write(&self.text);
            self.text.shrink_to(1024 * 1024);
        }
    }
}
