//! Histories with a known cause are found, and their innocent look-alikes are not. Every history is made of
//! connection events, so that state and log are what the fold and the log make of them.

mod calm;
mod innocent;
mod known;
mod mass;
mod order;
mod story;
