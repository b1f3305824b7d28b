//! Truechimer: one binary, many names. What the programs are made of, so that tests and each other can use it.
#![forbid(unsafe_code)]

pub mod apart;
pub mod chrony;
pub mod classic;
pub mod cli;
pub mod command;
pub mod config;
pub mod connections;
pub mod daemon;
pub mod doctor;
pub mod floor;
pub mod happened;
pub mod history;
pub mod leaps;
pub mod measuring;
pub mod metrics;
pub mod page;
pub mod readiness;
pub mod replay;
pub mod service;
pub mod stamps;
pub mod state;
pub mod survey;
pub mod talk;
pub mod timeline;
pub mod ui;
pub mod watch;
pub mod zone;
