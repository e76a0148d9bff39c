//! The contract of Rollcall: what a connection event is, how events become the state of a client, how states
//! are asked for, and how both are written on the wire.
//!
//! Used by the server and, compiled to WebAssembly, by the dashboard. It has no I/O, no clock and no async: the
//! time is always an argument.

pub mod client_id;
pub mod time;
