//! Stand-in for an agent.

fn main() {}
