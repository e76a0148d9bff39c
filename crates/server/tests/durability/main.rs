//! What is promised of the journal when a process is killed and when the disk does not do its part. Each test starts
//! this program again as the process that suffers, with the real recorder, journal and disk.

#![allow(clippy::unwrap_used)]

mod child;
mod disk;
mod events;
mod kill;
