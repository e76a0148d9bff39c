//! What the status call of the API tells about this server.

use std::net::SocketAddr;
use std::sync::Arc;

use rollcall_model::Timestamp;

use crate::api::{ServerStatus, Status};
use crate::clock;
use crate::config::Config;
use crate::fleet::Fleet;
use crate::recorder::RecorderHealth;
use crate::source::EventSink;

/// See the module.
pub struct ServerHealth {
    org: String,
    demo_clients: u32,
    mqtt_addr: SocketAddr,
    fleet: Arc<Fleet>,
    recorder: Arc<RecorderHealth>,
    sink: EventSink,
    started: Timestamp,
}

impl ServerHealth {
    pub fn new(
        config: &Config,
        mqtt_addr: SocketAddr,
        fleet: &Arc<Fleet>,
        recorder: &Arc<RecorderHealth>,
        sink: EventSink,
    ) -> Self {
        Self {
            org: config.org.clone(),
            demo_clients: config.demo_clients,
            mqtt_addr,
            fleet: Arc::clone(fleet),
            recorder: Arc::clone(recorder),
            sink,
            started: clock::now(),
        }
    }
}

impl ServerStatus for ServerHealth {
    fn status(&self) -> Status {
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            org: self.org.clone(),
            demo_clients: self.demo_clients,
            mqtt_addr: Some(self.mqtt_addr.to_string()),
            feed_lost: self.fleet.feed_lost(),
            lost_events: self.sink.lost(),
            journal_error: self.recorder.journal_error(),
            started: self.started,
        }
    }
}
