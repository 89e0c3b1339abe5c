//! Nothing: the benchmark stands in `pure.rs`.
