//! Measuring: from questions and answers to stamps that can be believed as far as the answers can.

pub mod exchange;
pub mod reference;
pub mod sample;
