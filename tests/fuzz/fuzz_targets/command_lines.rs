//! A value of Exec...=.
#![no_main]

libfuzzer_sys::fuzz_target!(|value: &str| dd_procmgr_fuzz::commands::check(value));
