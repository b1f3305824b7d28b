//! Samples to a model, a model to a verdict.

pub mod bracket;
pub mod drift;
pub mod estimator;
pub mod follower;
pub mod gauge;
pub mod holdover;
pub mod joint;
pub mod model;
pub mod oscillator;
pub mod select;
pub mod servo;
