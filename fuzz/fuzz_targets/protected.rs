//! Feeds the body of `protected` with whatever libFuzzer thinks of.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| truechimer_fuzz::protected(data));
