//! Truechimer: one binary, many names.

fn main() {}
