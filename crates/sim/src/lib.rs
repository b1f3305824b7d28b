//! placeholder for the module map
