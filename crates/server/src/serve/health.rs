//! What the status call of the API tells about this server.

use std::net::SocketAddr;
use std::sync::Arc;

use rollcall_model::Timestamp;

use crate::api::{ServerStatus, Status};
use crate::clock;
use crate::config::Config;
use crate::fleet::Fleet;
use crate::identity::Credentials;
use crate::recorder::RecorderHealth;
use crate::source::EventSink;

/// How MQTT clients reach the broker.
pub struct MqttWays {
    pub plain: SocketAddr,
    pub secure: Option<SocketAddr>,
    /// From this machine only, on every way.
    pub is_local: bool,
}

/// See the module.
pub struct ServerHealth {
    org: String,
    demo_clients: u32,
    had_demo: bool,
    ways: MqttWays,
    credentials: Arc<Credentials>,
    fleet: Arc<Fleet>,
    recorder: Arc<RecorderHealth>,
    sink: EventSink,
    started: Timestamp,
}

impl ServerHealth {
    pub fn new(
        config: &Config,
        ways: MqttWays,
        credentials: &Arc<Credentials>,
        fleet: &Arc<Fleet>,
        recorder: &Arc<RecorderHealth>,
        sink: EventSink,
    ) -> Self {
        Self {
            org: config.org.clone(),
            demo_clients: config.demo_clients,
            had_demo: had_demo(config),
            ways,
            credentials: Arc::clone(credentials),
            fleet: Arc::clone(fleet),
            recorder: Arc::clone(recorder),
            sink,
            started: clock::now(),
        }
    }
}

/// Whether a demo fleet runs on this data, or did: a file in the folder tells of it from then on.
fn had_demo(config: &Config) -> bool {
    let mark = config.data.join("demo");
    if config.demo_clients == 0 {
        return mark.exists();
    }
    if let Err(error) = std::fs::write(&mark, "") {
        tracing::warn!(%error, file = %mark.display(), "later starts will not know that there was a demo");
    }
    true
}

impl ServerStatus for ServerHealth {
    fn status(&self) -> Status {
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            org: self.org.clone(),
            demo_clients: self.demo_clients,
            had_demo: self.had_demo,
            mqtt_addr: Some(self.ways.plain.to_string()),
            mqtts_addr: self.ways.secure.map(|address| address.to_string()),
            // A store that does not answer lets nobody new in.
            accepts_anonymous: self.ways.is_local && !self.credentials.has_devices().unwrap_or(true),
            feed_lost: self.fleet.feed_lost(),
            lost_events: self.sink.lost(),
            journal_error: self.recorder.journal_error(),
            started: self.started,
        }
    }
}
