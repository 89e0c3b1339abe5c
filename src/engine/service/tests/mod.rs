//! Tests of the life cycle: a small world plays the host, each test reads as a story.

mod bus;
mod end;
mod environment;
mod failure_mode;
mod find;
mod idle;
mod limits;
mod memory;
mod notify;
mod overlap;
mod probes;
mod random;
mod reload;
mod restart;
mod restart_mode;
mod start;
mod stop;
mod world;
