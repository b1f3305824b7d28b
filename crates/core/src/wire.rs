//! Bytes on the wire, apart from what they mean.

pub mod mac;
