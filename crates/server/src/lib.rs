//! The Rollcall server: sources, recorder, fleet, journal, monitor, APIs and the embedded dashboard.
//!
//! One stream, three views: a source sends connection events, the recorder folds them into the fleet, appends
//! them to the journal and hands them to the monitor. `docs/ARCHITECTURE.md` has the picture.

pub mod access;
pub mod api;
pub mod arrival;
pub mod bridge;
pub mod clock;
mod codec;
pub mod config;
pub mod data_folder;
pub mod demo;
pub mod devices;
pub mod export;
pub mod fleet;
pub mod identity;
pub mod import;
pub mod journal;
pub mod keys;
pub mod monitor;
pub mod mqtt_port;
pub mod mqtt_tcp;
pub mod mqtt_ws;
pub mod mqtts;
pub mod naming;
pub mod recorder;
mod seldom;
pub mod serve;
pub mod source;
pub mod statistics;
pub mod tls;
pub mod web;
