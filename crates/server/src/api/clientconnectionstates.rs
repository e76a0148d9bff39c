//! The State API: `/api/v0002/clientconnectionstates`.

pub mod get;
pub mod list;
