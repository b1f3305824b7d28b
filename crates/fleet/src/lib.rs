//! What speaks HTTP for Truechimer, in processes of its own: they have no privilege, ask the daemon as everybody may, and it
//! does not notice when they fail.
#![forbid(unsafe_code)]

pub mod exporter;
