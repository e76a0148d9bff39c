//! `GET /api/v0002/device/types/{typeId}/devices/{deviceId}`: one device.

use axum::Json;
use axum::extract::State;

use super::{Device, client_ids, known_as};
use crate::api::SharedState;
use crate::api::error::{ApiError, ErrorBody};
use crate::api::params::Segments;

/// One device or gateway of this organisation, which was registered or seen.
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
    let known = shared.read(|api| known_as(api, &type_id, &device_id)).await?;
    let known = known.map_err(|error| ApiError::internal(&error))?;
    let [as_device, _] = client_ids(&shared.state.org, &type_id, &device_id);
    let known = known.ok_or_else(|| ApiError::not_found("device", &as_device))?;
    Ok(Json(Device::new(known, type_id, device_id)))
}
