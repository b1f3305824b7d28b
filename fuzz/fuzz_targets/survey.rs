//! Feeds the body of `survey` with whatever libFuzzer thinks of.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| truechimer_fuzz::survey(data));
