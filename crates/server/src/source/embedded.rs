//! The embedded broker as a source.
