//! HTTP on a port of MQTT: nothing but the way to MQTT over WebSocket, for clients that know this port only. IBM's SDK
//! for Node.js is one.
//!
//! [`super`] hands over what begins like a request. What is asked of a WebSocket client, and how its bytes travel,
//! is [`crate::mqtt_ws`]'s, the same as on the HTTP server's own port. What a reverse proxy may say of the client
//! is not believed here: nothing on this port comes from a proxy that reads HTTP.

use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::header::CONNECTION;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::arrival::Arrival;
use crate::mqtt_ws::{self, Door};

/// What a request's head may take, in bytes: credentials and cookies fit several times.
const HEAD_BYTES_MAX: usize = 32 * 1_024;

/// Answers one request. `head_max` is the time that its head may take.
pub async fn serve<S>(door: Door, arrival: Arrival, stream: S, head_max: Duration)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let app = Router::new()
        .route("/mqtt", get(mqtt))
        .route("/", get(mqtt))
        .fallback(|| async { not_here() })
        .layer(map_response(last))
        .layer(Extension(arrival))
        .with_state(door);
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_max)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app))
        .with_upgrades()
        .await;
    if let Err(error) = served {
        // Everyday, as failed handshakes are: probes, and clients that give up.
        tracing::debug!(client = %arrival.client, %error, "a request on a port of MQTT failed");
    }
}

async fn mqtt(
    State(door): State<Door>,
    Extension(arrival): Extension<Arrival>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    match upgrade {
        Ok(upgrade) => mqtt_ws::accept(door, arrival, &headers, upgrade).await,
        Err(_) => not_here(),
    }
}

/// Who was not let in has nothing more to ask. (Hyper's own switch for this spoils the header of the upgrade.)
async fn last(mut response: Response) -> Response {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn not_here() -> Response {
    let text =
        "This port speaks MQTT, and MQTT over WebSocket at /mqtt. The dashboard and the API are at another.";
    (StatusCode::NOT_FOUND, text).into_response()
}
