//! The HTTP APIs from outside: every line of the contract that names something on the wire.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics, in its helpers too")]

#[path = "api/access.rs"]
mod access;
#[path = "api/app.rs"]
mod app;
#[path = "api/devices.rs"]
mod devices;
#[path = "api/diagnosis.rs"]
mod diagnosis;
#[path = "api/errors.rs"]
mod errors;
#[path = "api/ids.rs"]
mod ids;
#[path = "api/logs.rs"]
mod logs;
#[path = "api/naming.rs"]
mod naming;
#[path = "api/openapi.rs"]
mod openapi;
#[path = "api/paging.rs"]
mod paging;
#[path = "api/sessions.rs"]
mod sessions;
#[path = "api/states.rs"]
mod states;
#[path = "api/status.rs"]
mod status;
