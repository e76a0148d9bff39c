//! The device resources that IBM's SDKs read before they ask for a log, read-only. A device exists once it was
//! registered or seen.

pub mod get;
pub mod list;
mod registered;

use rollcall_model::client_id::encode_path_segment;
use serde::Serialize;
use utoipa::ToSchema;

pub use registered::{Registered, is_known, known_as};

/// A device or gateway, or another client whose id names a device by a pattern of this server.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    #[schema(example = "d:acme01:thermo:t-17")]
    client_id: String,
    #[schema(example = "thermo")]
    type_id: String,
    #[schema(example = "t-17")]
    device_id: String,
    refs: DeviceRefs,
}

/// Where more of a device is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceRefs {
    /// The path of its state.
    #[schema(example = "/api/v0002/clientconnectionstates/d:acme01:thermo:t-17")]
    client_state: String,
}

impl Device {
    fn new(client_id: String, type_id: String, device_id: String) -> Self {
        let client_state = format!("/api/v0002/clientconnectionstates/{}", encode_path_segment(&client_id));
        Self { type_id, device_id, client_id, refs: DeviceRefs { client_state } }
    }
}

/// The client ids that a device of this organisation can have: as a device, as a gateway.
pub fn client_ids(org: &str, type_id: &str, device_id: &str) -> [String; 2] {
    ["d", "g"].map(|kind| format!("{kind}:{org}:{type_id}:{device_id}"))
}
