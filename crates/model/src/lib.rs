//! The contract of Rollcall: what a connection event is, how events become the state of a client, how states
//! are asked for, and how both are written on the wire.
//!
//! Used by the server and, compiled to WebAssembly, by the dashboard. It has no I/O, no clock and no async: the
//! time is always an argument.

pub mod client_id;
pub mod diagnosis;
pub mod event;
pub mod fold;
pub mod log;
pub mod monitor;
pub mod query;
pub mod reason;
pub mod state;
pub mod statistics;
pub mod time;

pub use client_id::{ClientId, ClientType};
pub use event::{
    ActivityEvent, Certainty, ConnectionEvent, Counters, End, EventKind, Initiator, Peer, Protocol,
    SessionKey,
};
pub use fold::fold;
pub use state::{ClientState, ConnectionStatus, Session, StateDoc};
pub use time::Timestamp;
