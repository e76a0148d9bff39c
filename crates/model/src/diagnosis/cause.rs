//! How a session ended, as coarse as a diagnosis needs it.

use serde::{Deserialize, Serialize};

use crate::event::{Certainty, Initiator};
use crate::reason;

/// The kinds of end that point to different causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cause {
    /// The client said goodbye, with whatever code.
    Goodbye,
    /// Another connection took the id over.
    TakenOver,
    /// Nothing came for one and a half keep-alives.
    KeepAlive,
    /// The socket was closed or reset without a goodbye.
    Network,
    ServerShutdown,
    Administrator,
    /// The server ended it for another reason.
    Server,
    Unknown,
}

impl Cause {
    /// The cause that the fields of a disconnect name.
    #[must_use]
    pub const fn of(
        initiator: Option<Initiator>,
        mqtt_reason_code: Option<u8>,
        close_code: Option<u16>,
        certainty: Certainty,
    ) -> Self {
        match (initiator, mqtt_reason_code, close_code) {
            // A client may say goodbye with nearly any code.
            (Some(Initiator::Client), ..) => Self::Goodbye,
            _ if reason::is_takeover(mqtt_reason_code, close_code) => Self::TakenOver,
            (_, Some(0x8B), _) | (_, _, Some(reason::CLOSE_SERVER_SHUTDOWN)) => Self::ServerShutdown,
            (_, Some(0x98), _) | (_, _, Some(reason::CLOSE_BY_ADMINISTRATOR)) => Self::Administrator,
            (_, Some(0x8D), _) | (_, _, Some(reason::CLOSE_KEEP_ALIVE)) => Self::KeepAlive,
            _ if matches!(certainty, Certainty::Unknown) => Self::Unknown,
            (Some(Initiator::Network), ..) => Self::Network,
            (Some(Initiator::Server), ..) => Self::Server,
            (None, _, Some(reason::CLOSE_NORMAL | 90)) => Self::Goodbye,
            (None, _, Some(reason::CLOSE_BY_CLIENT_OR_NETWORK)) => Self::Network,
            (None, _, Some(reason::CLOSE_BY_SERVER)) => Self::Server,
            (None, ..) => Self::Unknown,
        }
    }

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Goodbye => "goodbye",
            Self::TakenOver => "takenOver",
            Self::KeepAlive => "keepAlive",
            Self::Network => "network",
            Self::ServerShutdown => "serverShutdown",
            Self::Administrator => "administrator",
            Self::Server => "server",
            Self::Unknown => "unknown",
        }
    }
}
