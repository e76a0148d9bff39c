//! HTTPS, `wss` and MQTT over TLS as clients meet them: OpenSSL, curl, Mosquitto and rustls against the real
//! listeners, some in this process and some in the real binary.

// Here a failure is a panic; helpers outside test functions are not recognised as tests.
#![allow(clippy::unwrap_used)]

mod binary;
mod carried;
mod certificates;
#[allow(dead_code)]
#[path = "../broker/harness.rs"]
mod harness;
mod plain;
mod refusals;
mod renewal;
mod self_signed;
mod websocket;
