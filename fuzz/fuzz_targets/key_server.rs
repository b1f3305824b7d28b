//! Feeds the body of `key_server` with whatever libFuzzer thinks of.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| truechimer_fuzz::key_server(data));
