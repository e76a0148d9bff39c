//! The limits of a session: keep-alive, queue length, how long it outlives its connection.
//!
//! The broker's library asks once per connection. Everything that is not decided here is the library's default
//! for the listener.

use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::time::Duration;

use rmqtt::codec::types::Publish;
use rmqtt::fitter::{DefaultFitter, Fitter, FitterManager};
use rmqtt::types::{ConnectInfo, Disconnect, FitterType, Id, ListenerConfig};

/// Messages queued for a client that stays away; they hold memory without a connection.
const PERSISTENT_QUEUE_MAX: usize = 1_000;
/// Messages queued for a client whose session ends with its connection. Subscribing may bring many retained messages
/// at once, faster than any network takes them.
const CONNECTED_QUEUE_MAX: usize = 10_000;

pub struct Limits;

impl FitterManager for Limits {
    fn create(&self, connect: Arc<ConnectInfo>, id: Id, listener: ListenerConfig) -> FitterType {
        Arc::new(SessionLimits {
            outlives_connection: outlives_connection(&connect),
            defaults: DefaultFitter::new(connect, id, listener),
        })
    }
}

fn outlives_connection(connect: &ConnectInfo) -> bool {
    match connect {
        ConnectInfo::V3(_, packet) => !packet.clean_session,
        ConnectInfo::V5(_, packet) => packet.session_expiry_interval_secs > 0,
    }
}

struct SessionLimits {
    outlives_connection: bool,
    defaults: DefaultFitter,
}

impl Fitter for SessionLimits {
    /// The time without a packet after which the server closes the connection, in seconds: one and a half times
    /// the keep-alive (MQTT 5, section 3.1.2.10). Half a second is rounded up. 0 means never.
    fn keep_alive(&self, keep_alive: &mut u16) -> rmqtt::Result<u16> {
        Ok(u16::try_from((u32::from(*keep_alive) * 3).div_ceil(2)).unwrap_or(u16::MAX))
    }

    fn max_mqueue_len(&self) -> usize {
        if self.outlives_connection { PERSISTENT_QUEUE_MAX } else { CONNECTED_QUEUE_MAX }
    }

    fn mqueue_rate_limit(&self) -> (NonZeroU32, Duration) {
        self.defaults.mqueue_rate_limit()
    }

    fn max_inflight(&self) -> NonZeroU16 {
        self.defaults.max_inflight()
    }

    fn session_expiry_interval(&self, disconnect: Option<&Disconnect>) -> Duration {
        self.defaults.session_expiry_interval(disconnect)
    }

    fn message_expiry_interval(&self, publish: &Publish) -> Duration {
        self.defaults.message_expiry_interval(publish)
    }

    fn max_client_topic_aliases(&self) -> u16 {
        self.defaults.max_client_topic_aliases()
    }

    fn max_server_topic_aliases(&self) -> u16 {
        self.defaults.max_server_topic_aliases()
    }
}
