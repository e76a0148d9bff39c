//! The HTTP APIs: State API, Connection Logs API, the device resources that IBM's SDKs read, and Rollcall's own:
//! diagnosis, incidents, statistics, status. They read the fleet, the journal and the statistics and never write.
//!
//! The web server mounts [`router`]. Everything under `/api` answers in JSON, errors included. Who may ask is
//! decided in front of the handlers, for all of them in one place: `auth`.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::{OriginalUri, State};
use axum::http::Method;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use rollcall_model::Timestamp;
use tokio::sync::{Semaphore, SemaphorePermit};
use tower::util::MapResponseLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Gate;
use crate::fleet::Fleet;
use crate::journal::Journal;
use crate::statistics::Statistics;

mod auth;
mod clientconnectionstates;
mod clientstate_config;
mod connection_logs;
mod devices;
mod diagnosis;
pub(crate) mod error;
mod etag;
mod export;
mod incidents;
mod observers;
mod openapi;
mod params;
mod schema;
mod session;
mod span;
mod statistics;
mod status;

pub use error::ApiError;
pub use observers::ObserverRegistry;
pub use status::{ServerStatus, Status};

/// What the handlers need.
#[derive(Clone)]
pub struct ApiState {
    pub fleet: Arc<Fleet>,
    pub journal: Arc<dyn Journal>,
    pub statistics: Arc<Statistics>,
    pub clock: fn() -> Timestamp,
    /// The organisation in the ids of devices that are named by type and id alone.
    pub org: String,
    pub status: Arc<dyn ServerStatus>,
    pub observers: Arc<ObserverRegistry>,
    /// Who may ask.
    pub gate: Gate,
}

/// [`ApiState`] and what the handlers share among themselves.
struct Shared {
    state: ApiState,
    tags: etag::Tags,
    /// The devices that are registered, for the lists of devices.
    registered: devices::Registered,
    /// A query keeps a core busy for some milliseconds; more at once than there are cores only wait for each other.
    queries: Semaphore,
    /// Places for those who wait for one of these.
    waiting: Semaphore,
    /// The routes where nothing can be changed, as they are written in [`router`].
    only_read: HashSet<String>,
}

/// How many requests may wait for a core. They are answered within seconds; who comes later is told to try again.
const WAITING_MAX: usize = 256;

type SharedState = State<Arc<Shared>>;

impl Shared {
    fn now(&self) -> Timestamp {
        (self.state.clock)()
    }

    /// Runs work that keeps a thread busy (a scan of the fleet) where it does not stall the runtime: on a thread for such
    /// work, which keeps the memory that one scan after the other needs.
    async fn busy<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&ApiState) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let permit = self.core().await?;
        let shared = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || work(&shared.state)).await;
        drop(permit);
        done.map_err(
            |error| if error.is_cancelled() { ApiError::stopping() } else { ApiError::internal(&error) },
        )
    }

    /// Runs a read that is over soon but may wait for a disk. Another thread takes over what else this one had to do:
    /// handing the read over would take longer than most reads.
    async fn read<T>(&self, work: impl FnOnce(&ApiState) -> T) -> Result<T, ApiError> {
        let permit = self.core().await?;
        let done = tokio::task::block_in_place(|| work(&self.state));
        drop(permit);
        Ok(done)
    }

    /// Waits for a core.
    async fn core(&self) -> Result<SemaphorePermit<'_>, ApiError> {
        let _place = self.waiting.try_acquire().map_err(|_| ApiError::overloaded())?;
        self.queries.acquire().await.map_err(|error| ApiError::internal(&error))
    }
}

/// The routes, and their description as it is served at `/api/openapi.json`.
pub fn router(state: ApiState) -> (axum::Router, utoipa::openapi::OpenApi) {
    let (router, description) = OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(clientconnectionstates::list::list))
        .routes(routes!(clientconnectionstates::get::get))
        .routes(routes!(diagnosis::get))
        .routes(routes!(incidents::list))
        .routes(routes!(statistics::get))
        .routes(routes!(export::states))
        .routes(routes!(clientstate_config::get))
        .routes(routes!(connection_logs::list))
        .routes(routes!(devices::get::get))
        .routes(routes!(devices::list::list))
        .routes(routes!(devices::list::bulk))
        .routes(routes!(status::get))
        .routes(routes!(session::sign_in, session::who_am_i, session::sign_out))
        .split_for_parts();
    let description = openapi::complete(description);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let shared = Arc::new(Shared {
        state,
        tags: etag::Tags::default(),
        registered: devices::Registered::default(),
        queries: Semaphore::new(cores.max(2)),
        waiting: Semaphore::new(WAITING_MAX),
        only_read: only_read(&description),
    });
    let json: Arc<str> = description.to_json().unwrap_or_default().into();
    let router = router
        .route("/api/openapi.json", axum::routing::get(|| async move { description_answer(&json) }))
        // IBM's SDK for Python asks for the devices of a type with a slash at the end.
        .route(WITH_SLASH, axum::routing::get(devices::list::list));
    let router = NOTHING
        .into_iter()
        .fold(router, |router, path| router.route(path, axum::routing::any(no_such_path)))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&shared), auth::admit))
        .layer(MapResponseLayer::new(without_caching))
        .with_state(shared);
    (router, description)
}

const WITH_SLASH: &str = "/api/v0002/device/types/{typeId}/devices/";
/// Where there is nothing.
const NOTHING: [&str; 3] = ["/api", "/api/", "/api/{*path}"];

/// The routes of which the description names no method that could change something, and those that it leaves out.
fn only_read(description: &utoipa::openapi::OpenApi) -> HashSet<String> {
    let described = description.paths.paths.iter().filter(|(_, item)| {
        let changing = [&item.put, &item.post, &item.delete, &item.patch];
        item.get.is_some() && changing.into_iter().all(Option::is_none)
    });
    let others = ["/api/openapi.json", WITH_SLASH].into_iter().chain(NOTHING).map(str::to_owned);
    described.map(|(path, _)| path.clone()).chain(others).collect()
}

fn description_answer(json: &Arc<str>) -> Response {
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")], json.to_string()).into_response()
}

async fn no_such_path(OriginalUri(uri): OriginalUri) -> ApiError {
    ApiError::no_such_path(uri.path())
}

pub(crate) async fn method_not_allowed(method: Method) -> ApiError {
    ApiError::method_not_allowed(method.as_str())
}

/// What a handler says nothing about is not for any cache.
fn without_caching(mut response: Response) -> Response {
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
