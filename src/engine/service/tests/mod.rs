//! Tests of the life cycle: a small world plays the host, each test reads as a story.

mod end;
mod find;
mod limits;
mod notify;
mod random;
mod reload;
mod restart;
mod start;
mod stop;
mod world;
