//! Samples to a model, a model to a verdict.

pub mod drift;
pub mod estimator;
pub mod follower;
pub mod gauge;
pub mod holdover;
pub mod joint;
pub mod oscillator;
pub mod select;
pub mod servo;

pub use truechimer_model::{bracket, model};
