//! The device resources that IBM's SDKs read before they ask for a log, read-only. A device exists once it was seen.

pub mod get;
pub mod list;

use rollcall_model::StateDoc;
use rollcall_model::client_id::encode_path_segment;
use serde::Serialize;
use utoipa::ToSchema;

/// A device or gateway.
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
    fn new(doc: StateDoc) -> Self {
        let client_state = format!("/api/v0002/clientconnectionstates/{}", encode_path_segment(&doc.id));
        Self {
            type_id: doc.device_type.unwrap_or_default(),
            device_id: doc.device_id.unwrap_or_default(),
            client_id: doc.id,
            refs: DeviceRefs { client_state },
        }
    }
}

/// The client ids that a device of this organisation can have: as a device, as a gateway.
pub fn client_ids(org: &str, type_id: &str, device_id: &str) -> [String; 2] {
    ["d", "g"].map(|kind| format!("{kind}:{org}:{type_id}:{device_id}"))
}
