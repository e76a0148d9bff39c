//! What is promised of the journal when a process is killed and when the disk does not do its part. Most tests start
//! this program again as the process that suffers, with the real recorder, journal and disk; some start the server.

#![allow(clippy::unwrap_used)]

mod child;
mod disk;
mod events;
mod kill;
mod server;
mod soak;
