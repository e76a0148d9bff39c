//! `GET /api/v0002/device/types/{typeId}/devices` and `GET /api/v0002/bulk/devices`: devices, paged as states are.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use rollcall_model::StateDoc;
use rollcall_model::query::{Field, Query, Term, Test};

use super::Device;
use crate::api::clientconnectionstates::list::{List, bookmark_refused};
use crate::api::error::{ApiError, ErrorBody};
use crate::api::etag::Tagged;
use crate::api::params::{Pairs, Segments};
use crate::api::schema::{DeviceList, PagingParameters};
use crate::api::{ApiState, Shared, SharedState};

/// The devices and gateways of one type that were registered or seen.
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
    let mut query = devices(&shared, &pairs)?;
    query.filter.terms.push(any_of(Field::DeviceType, vec![type_id]));
    answer(shared, headers, query, pairs).await
}

/// All devices and gateways that were registered or seen.
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
    let query = devices(&shared, &pairs)?;
    answer(shared, headers, query, pairs).await
}

/// Answers with a page of the devices that were seen or are registered.
async fn answer(
    shared: Arc<Shared>,
    headers: HeaderMap,
    query: Query,
    pairs: Pairs,
) -> Result<Response, ApiError> {
    let (now, this) = (shared.now(), Arc::clone(&shared));
    let answered = move |api: &ApiState| -> Result<Tagged, ApiError> {
        let page = this.registered.query(api, &query, now).map_err(|error| ApiError::internal(&error))?;
        let page = page.map_err(|error| bookmark_refused(query.bookmark.as_deref(), error))?;
        this.tags.tagged(&List::new(page, &pairs, device), true)
    };
    Ok(shared.busy(answered).await??.to(&headers))
}

fn device(doc: StateDoc) -> Device {
    Device::new(doc.id, doc.device_type.unwrap_or_default(), doc.device_id.unwrap_or_default())
}

/// The query for devices, gateways and what else is named as a device that the parameters ask for.
fn devices(shared: &Shared, pairs: &Pairs) -> Result<Query, ApiError> {
    let mut query = Query::parse(pairs.iter()).map_err(ApiError::invalid)?;
    query.filter.terms.push(if shared.state.fleet.names_others() {
        Term { field: Field::DeviceId, test: Test::Present(true), negated: false }
    } else {
        any_of(Field::ClientType, ["device", "gateway"].map(str::to_owned).to_vec())
    });
    Ok(query)
}

const fn any_of(field: Field, values: Vec<String>) -> Term {
    Term { field, test: Test::AnyOf(values), negated: false }
}
