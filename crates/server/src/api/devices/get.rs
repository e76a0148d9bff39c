//! `GET /api/v0002/device/types/{typeId}/devices/{deviceId}`: one device.

use axum::Json;
use axum::extract::State;

use super::{Device, client_ids};
use crate::api::SharedState;
use crate::api::error::{ApiError, ErrorBody};
use crate::api::params::Segments;

/// One device or gateway of this organisation.
#[utoipa::path(
    get,
    path = "/api/v0002/device/types/{typeId}/devices/{deviceId}",
    operation_id = "getDevice",
    tag = "Devices",
    params(
        ("typeId" = String, Path, description = "The device type.", example = "thermo"),
        ("deviceId" = String, Path, description = "The device id.", example = "t-17"),
    ),
    responses(
        (status = 200, description = "The device.", body = Device),
        (status = 400, description = "Type or id are not UTF-8.", body = ErrorBody),
        (
            status = 404, body = ErrorBody,
            description = "No such device is known; `exception.properties` is the client id it would have."
        ),
    ),
)]
pub async fn get(
    State(shared): SharedState,
    Segments((type_id, device_id)): Segments<(String, String)>,
) -> Result<Json<Device>, ApiError> {
    let ids = client_ids(&shared.state.org, &type_id, &device_id);
    let now = shared.now();
    let [as_device, _] = ids.clone();
    let doc = shared.busy(move |api| ids.iter().find_map(|id| api.fleet.doc(id, now))).await?;
    let doc = doc.filter(|doc| doc.device_id.as_deref() == Some(&device_id));
    doc.map(|doc| Json(Device::new(doc))).ok_or_else(|| ApiError::not_found("device", &as_device))
}
