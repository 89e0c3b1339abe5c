//! The simulation: a random scenario, a faulty world, the real engine, and what always holds.
//!
//! `dice` decides everything from the seed; `units`, `activating`, `overlaps` and `scenario` make
//! units and requests, `manner` the ways of processes; `world` has the time, `acts` are what people do, and
//! `orders`, `processes`, `bus`, `sockets`, `descriptors`, `times`, `paths` and `scopes` carry the
//! engine's orders out and let things go wrong; `picture` is what an observer knows; `checks`
//! say what holds; `run` is one life from the first event to rest. Now and then `restore` takes
//! the engine down and up again.

pub(crate) mod activating;
pub(crate) mod acts;
pub(crate) mod bus;
pub(crate) mod checks;
pub(crate) mod descriptors;
pub(crate) mod dice;
pub(crate) mod manner;
pub(crate) mod orders;
pub(crate) mod overlaps;
pub(crate) mod paths;
pub(crate) mod picture;
pub(crate) mod processes;
pub(crate) mod restore;
pub(crate) mod run;
pub(crate) mod scenario;
pub(crate) mod scopes;
pub(crate) mod sockets;
pub(crate) mod times;
pub(crate) mod units;
pub(crate) mod world;
