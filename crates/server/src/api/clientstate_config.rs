//! `GET /api/v0002/config/clientstate`: whether the State API is switched on. Here it always is.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// Whether the State API is switched on.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClientStateConfig {
    /// Always true; IBM's SDKs ask before they use the State API.
    enabled: bool,
}

/// Whether the State API is switched on.
#[utoipa::path(
    get,
    path = "/api/v0002/config/clientstate",
    operation_id = "getClientStateConfig",
    tag = "State API",
    responses((status = 200, description = "It is.", body = ClientStateConfig)),
)]
pub async fn get() -> Json<ClientStateConfig> {
    Json(ClientStateConfig { enabled: true })
}
