//! `GET /api/v0002/device/types/{typeId}/devices` and `GET /api/v0002/bulk/devices`: devices, paged as states are.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use rollcall_model::query::{Field, Query, Term, Test};

use super::Device;
use crate::api::SharedState;
use crate::api::clientconnectionstates::list::answer;
use crate::api::error::{ApiError, ErrorBody};
use crate::api::params::{Pairs, Segments};
use crate::api::schema::{DeviceList, PagingParameters};

/// The devices and gateways of one type.
#[utoipa::path(
    get,
    path = "/api/v0002/device/types/{typeId}/devices",
    operation_id = "listDevicesOfType",
    tag = "Devices",
    params(("typeId" = String, Path, description = "The device type.", example = "thermo"), PagingParameters),
    responses(
        (
            status = 200, description = "One page of devices.", body = DeviceList,
            headers(("ETag" = String, description = "For `If-None-Match`."))
        ),
        (status = 304, description = "The page is still the one that the caller holds."),
        (status = 400, description = "A parameter has a value that it cannot have.", body = ErrorBody),
    ),
)]
pub async fn list(
    State(shared): SharedState,
    Segments(type_id): Segments<String>,
    pairs: Pairs,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let mut query = devices(&pairs)?;
    query.filter.terms.push(any_of(Field::DeviceType, vec![type_id]));
    answer(&shared, &headers, "devices", query, Device::new).await
}

/// All devices and gateways.
#[utoipa::path(
    get,
    path = "/api/v0002/bulk/devices",
    operation_id = "listDevices",
    tag = "Devices",
    params(PagingParameters),
    responses(
        (
            status = 200, description = "One page of devices.", body = DeviceList,
            headers(("ETag" = String, description = "For `If-None-Match`."))
        ),
        (status = 304, description = "The page is still the one that the caller holds."),
        (status = 400, description = "A parameter has a value that it cannot have.", body = ErrorBody),
    ),
)]
pub async fn bulk(
    State(shared): SharedState,
    pairs: Pairs,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    answer(&shared, &headers, "devices", devices(&pairs)?, Device::new).await
}

/// The query for devices and gateways that the parameters ask for.
fn devices(pairs: &Pairs) -> Result<Query, ApiError> {
    let mut query = Query::parse(pairs.iter()).map_err(ApiError::invalid)?;
    let kinds = ["device", "gateway"].map(str::to_owned).to_vec();
    query.filter.terms.push(any_of(Field::ClientType, kinds));
    Ok(query)
}

const fn any_of(field: Field, values: Vec<String>) -> Term {
    Term { field, test: Test::AnyOf(values), negated: false }
}
