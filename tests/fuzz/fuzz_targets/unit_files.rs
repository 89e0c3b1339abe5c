//! A unit file with drop-ins, as `units` reads it.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| dd_procmgr_fuzz::units::check(input));
