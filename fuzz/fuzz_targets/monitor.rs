//! Feeds the body of `monitor` with whatever libFuzzer thinks of.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| truechimer_fuzz::monitor(data));
