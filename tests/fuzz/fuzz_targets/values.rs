//! Environment files, time spans, sizes and the other values, one by the first byte.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| dd_procmgr_fuzz::values::check(input));
