//! `rollcall serve`: builds the house from its parts, runs it, and takes it down in order.

pub use http::crowd::Limits;

mod doors;
mod files;
mod health;
mod http;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use axum::routing::get;
use rollcall_model::ConnectionEvent;
use tokio::sync::{mpsc, oneshot};
use tower::util::MapResponseLayer;

use crate::access::Gate;
use crate::api::{self, ApiState, ObserverRegistry};
use crate::arrival::Arrival;
use crate::config::Config;
use crate::demo::{self, DemoConfig};
use crate::fleet::Fleet;
use crate::identity::{Credentials, IdentityError, SignInLink};
use crate::journal::sqlite::SqliteJournal;
use crate::journal::{Journal, JournalError};
use crate::recorder::{self, Recorder, RecorderHealth};
use crate::source;
use crate::source::embedded::{EmbeddedBroker, EmbeddedConfig, EmbeddedError};
use crate::statistics::{self, Statistics};
use crate::tls::TlsError;
use crate::{clock, monitor, mqtt_ws, web};
use doors::Doors;
use health::{MqttWays, ServerHealth};

/// Events between the sources and the recorder. At 5,000 events a second this is 20 seconds of a stuck disk.
const QUEUE_CAPACITY: usize = 100_000;
/// Batches between the recorder and the monitor.
const MONITOR_CAPACITY: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("cannot use {path} as the data folder: {reason}")]
    Data { path: String, reason: std::io::Error },
    #[error("another Rollcall is already running on the data folder {0}")]
    Locked(String),
    #[error("cannot listen on {address} for {purpose}: {reason}{}", port_hint(.reason, .flag))]
    Listen { address: SocketAddr, purpose: &'static str, flag: &'static str, reason: std::io::Error },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Broker(#[from] EmbeddedError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("the HTTP server failed: {0}")]
    Serve(std::io::Error),
}

fn port_hint(reason: &std::io::Error, flag: &str) -> String {
    if reason.kind() == std::io::ErrorKind::AddrInUse {
        format!("; choose another with {flag}, or stop what uses it")
    } else {
        String::new()
    }
}

/// Runs the server until it is interrupted.
///
/// # Errors
/// When a part cannot be started; the message names the part and what to do.
pub async fn serve(config: Config) -> Result<(), ServeError> {
    serve_with(config, Box::new(|_, _| {})).await
}

/// Gets the queue that a source puts its events into, and the fleet that they end up in.
pub type Attach = Box<dyn FnOnce(source::EventSink, Arc<Fleet>) + Send>;

/// As [`serve`], with one more source: `attach` is called before the doors open.
///
/// # Errors
/// As [`serve`].
pub async fn serve_with(config: Config, attach: Attach) -> Result<(), ServeError> {
    let files_max = files::make_room();
    let _lock = lock_data(&config.data)?;
    let doors = Doors::open(&config).await?;

    let journal: Arc<dyn Journal> = Arc::new(SqliteJournal::open(&config.data, config.retention)?);
    let fleet = Arc::new(Fleet::named_by(config.naming.clone()));
    let mut inheritance = recorder::restore(&fleet, journal.as_ref())?;
    tracing::info!(clients = fleet.len(), ended = inheritance.ends.len(), "restored the fleet");
    let (unfinished, log_is_whole) = std::sync::mpsc::channel();
    inheritance.unfinished = Some(unfinished);
    let statistics = start_statistics(&fleet, &journal, log_is_whole);

    let observers = Arc::new(ObserverRegistry::new());
    let credentials = Arc::new(Credentials::open(&config.data)?);
    credentials.serve(&config.org, &doors.url())?;
    let (sink, stream) = source::queue(QUEUE_CAPACITY);
    attach(sink.clone(), Arc::clone(&fleet));
    let is_exposed = doors.is_exposed();
    let embedded = EmbeddedConfig { mqtt: config.mqtt, is_exposed, ..EmbeddedConfig::default() };
    let broker = Arc::new(
        EmbeddedBroker::start(
            embedded.clone(),
            sink.clone(),
            Arc::new(monitor::FleetMessages(Arc::clone(&fleet))),
            Arc::<ObserverRegistry>::clone(&observers),
            Arc::clone(&credentials),
        )
        .await?,
    );

    let health = Arc::new(RecorderHealth::default());
    let recording = Recording::start(&fleet, &journal, &statistics, &broker, stream, &health, inheritance);
    let ways = MqttWays {
        plain: broker.mqtt_addr(),
        secure: doors.secure.as_ref().map(|secure| secure.mqtts),
        is_local: embedded.is_local(),
    };
    let status = ServerHealth::new(&config, ways, &credentials, &fleet, &health, sink);
    let gate = Gate::new(Arc::clone(&credentials), doors.secure.is_some());
    let state = ApiState {
        fleet: Arc::clone(&fleet),
        journal: Arc::clone(&journal),
        statistics,
        clock: clock::now,
        org: config.org.clone(),
        status: Arc::new(status),
        observers,
        gate: gate.clone(),
    };
    let is_local = doors.http.ip().to_canonical().is_loopback();
    let bridge = broker.bridge(doors.http.port());
    let app = app(state, mqtt_ws::Door { bridge, gate: gate.clone(), is_local });
    let demo = start_demo(&config, broker.mqtt_addr(), &credentials);
    let accepts_anonymous = embedded.is_local() && !credentials.has_devices()?;
    let notices = Notices { link: credentials.make_link()?, accepts_anonymous, files_max };
    announce(&config, &doors, broker.mqtt_addr(), &notices);

    tokio::select! {
        result = doors.serve(app, &broker, gate) => result?,
        () = interrupted() => {}
    }
    say("Stopping …");
    broker.shutdown().await;
    recording.stop().await;
    // Those that did not end in time.
    recorder::end_open_sessions(&fleet, journal.as_ref())?;
    if let Some(demo) = demo {
        demo.stop().await;
    }
    Ok(())
}

/// Statistics that count from this moment, and are filled from the journal in the background.
///
/// The past is counted when the ends of the sessions of earlier runs are in the log, too.
fn start_statistics(
    fleet: &Fleet,
    journal: &Arc<dyn Journal>,
    log_is_whole: std::sync::mpsc::Receiver<()>,
) -> Arc<Statistics> {
    let statistics = Arc::new(Statistics::new(clock::now(), fleet.connected()));
    let (seeded, journal) = (Arc::clone(&statistics), Arc::clone(journal));
    // A thread of its own: a long log takes its time, and nobody waits for it.
    std::thread::spawn(move || {
        // Nothing is ever sent: that the other end has gone is the signal.
        let _ = log_is_whole.recv();
        if let Err(error) = statistics::seed(&seeded, journal.as_ref()) {
            tracing::warn!(%error, "the statistics begin with this start: the journal cannot be read");
        }
    });
    statistics
}

/// The recorder and what hangs on it.
struct Recording {
    stop: oneshot::Sender<()>,
    recorder: tokio::task::JoinHandle<()>,
}

impl Recording {
    fn start(
        fleet: &Arc<Fleet>,
        journal: &Arc<dyn Journal>,
        statistics: &Arc<Statistics>,
        broker: &Arc<EmbeddedBroker>,
        stream: source::EventStream,
        health: &Arc<RecorderHealth>,
        inheritance: recorder::Inheritance,
    ) -> Self {
        let (monitor_tx, monitor_rx) = mpsc::channel::<Vec<ConnectionEvent>>(MONITOR_CAPACITY);
        let (reconcile_tx, mut reconcile_rx) = mpsc::channel::<Vec<String>>(4);
        tokio::spawn(monitor::run(Arc::clone(fleet), Arc::clone(broker), monitor_rx));
        let reconciler = Arc::clone(broker);
        tokio::spawn(async move {
            while let Some(client_ids) = reconcile_rx.recv().await {
                reconciler.reconcile(client_ids).await;
            }
        });
        let recorder = Recorder::new(
            Arc::clone(fleet),
            Arc::clone(journal),
            Arc::clone(statistics),
            monitor_tx,
            reconcile_tx,
            Arc::clone(health),
            inheritance,
        );
        let (stop, stopped) = oneshot::channel();
        Self { stop, recorder: tokio::spawn(recorder.run(stream, stopped)) }
    }

    /// Records what is in the queue and nothing more.
    async fn stop(self) {
        // The receiver is gone only when the recorder has already ended.
        let _ = self.stop.send(());
        if let Err(error) = self.recorder.await {
            tracing::error!(%error, "the recorder failed");
        }
    }
}

fn app(state: ApiState, door: mqtt_ws::Door) -> Router {
    let (api, _) = api::router(state);
    let root = Router::new().route("/", get(root)).with_state(door.clone());
    Router::new()
        .route("/{*path}", get(web::asset))
        .merge(root)
        .merge(api)
        .merge(mqtt_ws::router(door))
        .method_not_allowed_fallback(api::method_not_allowed)
        .layer(MapResponseLayer::new(with_security_headers))
}

/// The headers that every answer carries. One layer for all of them: each layer costs every request allocations.
fn with_security_headers(mut response: Response) -> Response {
    const HEADERS: [(HeaderName, &str); 5] = [
        (header::CONTENT_SECURITY_POLICY, web::CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    let headers = response.headers_mut();
    headers.reserve(HEADERS.len());
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// The page or, for MQTT clients that know no path, the same as `/mqtt`.
async fn root(
    State(door): State<mqtt_ws::Door>,
    arrival: Arrival,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    headers: HeaderMap,
) -> Response {
    match upgrade {
        Ok(upgrade) => mqtt_ws::accept(door, arrival, &headers, upgrade).await,
        // Every browser that asks for the page: it does not ask for an upgrade.
        Err(_) => web::index(headers).await,
    }
}

/// Makes the data folder if need be and takes it for this process.
///
/// # Errors
/// When another process has it, or it cannot be made.
pub(crate) fn lock_data(path: &Path) -> Result<std::fs::File, ServeError> {
    let failed = |reason| ServeError::Data { path: path.display().to_string(), reason };
    std::fs::create_dir_all(path).map_err(failed)?;
    let lock = std::fs::File::create(path.join("rollcall.lock")).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(std::fs::TryLockError::WouldBlock) => Err(ServeError::Locked(path.display().to_string())),
        Err(std::fs::TryLockError::Error(reason)) => Err(failed(reason)),
    }
}

fn start_demo(config: &Config, broker: SocketAddr, credentials: &Credentials) -> Option<demo::DemoHandle> {
    if config.demo_clients == 0 {
        return None;
    }
    let demo = DemoConfig {
        clients: config.demo_clients,
        broker,
        org: config.org.clone(),
        seed: DEMO_SEED,
        token: format!("{:032x}", rand::random::<u128>()),
    };
    let fleet = demo::spawn(&demo, |client_id, user| {
        if let Err(error) = credentials.add_ephemeral(client_id, user, &demo.token) {
            tracing::warn!(%error, client_id, "a demo client has no token");
        }
    });
    Some(fleet)
}

/// The demo fleet has the same clients at every start.
const DEMO_SEED: u64 = 17;

/// What the start has to tell of who may come in.
struct Notices {
    link: SignInLink,
    accepts_anonymous: bool,
    /// How many files can be open, where that is limited.
    files_max: Option<u64>,
}

fn announce(config: &Config, doors: &Doors, mqtt: SocketAddr, notices: &Notices) {
    let (http, url) = (doors.http, doors.url());
    say(&format!("Dashboard  {url}"));
    say(&format!("Sign in    {}", notices.link.url(&url)));
    say(&format!("MQTT       {mqtt}"));
    if let Some(secure) = &doors.secure {
        say(&format!("MQTT TLS   {}", secure.mqtts));
        if let Some(ca) = secure.tls.ca() {
            say(&format!(
                "CA         {} (for trying out: browsers and clients must be told to trust it)",
                ca.display()
            ));
        }
    }
    say(&format!("Data       {}", config.data.display()));
    if config.demo_clients > 0 {
        say(&format!("Demo       {} clients; --demo 0 runs without them", config.demo_clients));
    }
    let plain_http = doors.secure.is_none().then_some(http);
    for address in plain_http.into_iter().chain([mqtt]) {
        if !address.ip().to_canonical().is_loopback() {
            say(&format!("Warning    {address} is open to the network, and tokens travel there unencrypted"));
        }
    }
    if notices.accepts_anonymous {
        say(
            "Anonymous devices are accepted: none is registered. Register with: rollcall devices add TYPE ID",
        );
    }
    if let Some(files) = notices.files_max.filter(|files| *files < files::FEW) {
        let clients = files / files::PER_MQTT_CLIENT;
        say(&format!(
            "Warning    this process may open {files} files, enough for about {clients} MQTT clients; “ulimit -Hn” gives more"
        ));
    }
    if !web::has_dashboard() {
        say("Warning    this binary was built without the dashboard; build it with: cargo xtask build");
    }
    say("Ctrl-C stops it.");
}

/// Writes a line for the person who started the server. A closed output is no reason to stop.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

/// Waits for Ctrl-C or a request to terminate.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(error) => {
                tracing::warn!(%error, "cannot listen for SIGTERM");
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        result = tokio::signal::ctrl_c() => {
            if let Err(error) = result {
                tracing::warn!(%error, "cannot listen for Ctrl-C");
                std::future::pending::<()>().await;
            }
        }
        () = terminate => {}
    }
}
