//! Feeds the body of `import` with whatever libFuzzer thinks of.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| truechimer_fuzz::import(data));
