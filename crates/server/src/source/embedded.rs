//! The embedded broker as a source: a complete MQTT broker in this process, so that Rollcall runs without any
//! other.
//!
//! The server starts it once, gives it the recorder's queue, and publishes monitor messages through it. It never
//! reads the fleet or the journal: what it must know of them it asks through [`MonitorMessages`] and
//! [`Observers`]. Clients come over a [`Bridge`] to its internal listeners: those of its public port
//! ([`crate::mqtt_tcp`]), of the HTTP server's `/mqtt` ([`crate::mqtt_ws`]) and of MQTT over TLS ([`crate::mqtts`]).

mod admission;
mod backlog;
mod end;
mod entry;
mod eviction;
mod handler;
mod hooks;
mod limits;
mod outbox;
mod packet_size;
mod retained;
mod routes;
mod sessions;
mod subscribers;
pub(crate) mod topics;

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rmqtt::context::ServerContext;
use rmqtt::net::{Builder, Listener};
use rmqtt::server::MqttServer;
use rmqtt::types::{
    ClientId, DashMap, Id, ListenerId, Message, Reason, SubRelations, SubRelationsMap, TopicName,
};
use rollcall_model::{Certainty, Counters, End, EventKind, Peer, Timestamp};
use tokio::task::JoinHandle;

use self::backlog::{Backlogs, BoundedShared};
use self::end::{Cause, SERVER_SHUTDOWN};
use self::hooks::{Hooks, now};
use self::subscribers::Subscribers;
use crate::access::Gate;
use crate::bridge::{Bridge, FIRST_BYTES_MAX, Traffic};
use crate::identity::{Caller, Credentials};
use crate::mqtt_tcp;
use crate::mqtt_ws::Door;
use crate::source::EventSink;

/// One address has some 28,000 ports to connect to another from, which bounds the clients of one listener.
const INTERNAL: [ListenerId; 4] = [1, 2, 3, 4];
/// The largest packet either way, in bytes. A CONNECT with the longest client id, will and password fits.
pub const PACKET_BYTES_MAX: u32 = 1024 * 1024;
/// How long a session may outlive its connection.
const SESSION_EXPIRY_MAX: Duration = Duration::from_secs(3_600);
/// How long sessions may take to say goodbye when the server stops.
const SHUTDOWN_MAX: Duration = Duration::from_secs(3);
const PROXY_HEADER_MAX: Duration = Duration::from_secs(2);
const CARE_INTERVAL: Duration = Duration::from_secs(1);
/// How long a connection may take from its announcement to its CONNACK.
const YOUNG_MAX: Duration = Duration::from_secs(15);
/// Whom the server's own messages come from, inside the broker.
const SERVER_ID: &str = "$rollcall";

#[derive(Debug, Clone)]
pub struct EmbeddedConfig {
    /// Where MQTT clients connect. Port 0 takes a free one.
    pub mqtt: SocketAddr,
    /// Clients that may have a session at the same time, connected or not.
    pub max_sessions: usize,
    /// Others than this machine can reach the broker by another way than `mqtt`: over TLS, or through a proxy.
    pub is_exposed: bool,
}

impl EmbeddedConfig {
    /// Whether only this machine can reach the broker.
    #[must_use]
    pub fn is_local(&self) -> bool {
        !self.is_exposed && self.mqtt.ip().to_canonical().is_loopback()
    }
}

impl Default for EmbeddedConfig {
    fn default() -> Self {
        Self {
            mqtt: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 1883)),
            max_sessions: 100_000,
            is_exposed: false,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    #[error(
        "cannot listen for MQTT on {addr}: {reason}. Another broker may be running there; stop it or choose another address"
    )]
    Listen { addr: SocketAddr, reason: String },
}

/// A message of the server on the monitor topic of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitorPublish {
    pub client_id: String,
    pub topic: String,
    pub payload: Bytes,
    /// It is the client's retained message from now on.
    pub retain: bool,
    /// It tells a connect or a disconnect: who cannot take it in time gets [`MonitorMessages::newest`] later. Others are
    /// left out then.
    pub is_state: bool,
}

/// Makes monitor messages from the states of the clients, which have numbers that never change, from 0 on. What takes
/// them asks for one at a time, so each call has to be quick.
pub trait MonitorMessages: Send + Sync {
    /// The number of a client.
    fn number(&self, client_id: &str) -> Option<u32>;

    /// The numbers of the clients with this monitor topic, as far as they are quickly found.
    fn numbers_of(&self, topic: &str) -> Vec<u32>;

    /// Behind the last number.
    fn end(&self) -> u32;

    /// What the state of a client tells: its last connect or disconnect.
    fn newest(&self, client: u32) -> Option<MonitorPublish>;

    /// The first of these clients that has a retained message whose topic matches the filter. It looks at some hundred
    /// clients and returns with or without one where to go on; `None` when these were all.
    fn retained(&self, topic_filter: &str, clients: Range<u32>) -> (Option<MonitorPublish>, Option<u32>);
}

/// Knows this server's own dashboards, which are no clients of the fleet.
pub trait Observers: Send + Sync {
    /// Whether it is the id of one of this server's dashboards. Asked once per WebSocket connection; `has_session` says
    /// that a browser session came with it.
    fn is_observer(&self, client_id: &str, has_session: bool) -> bool;
}

/// The way by which a client came in.
#[derive(Debug, Clone)]
pub(crate) struct Entrance {
    /// The port of this server that the client came to.
    pub server_port: u16,
    /// Over TLS, this server's or a trusted proxy's.
    pub secure: bool,
    pub websocket: bool,
    /// Whose credentials came with the request for the WebSocket, where it had any.
    pub caller: Option<Caller>,
    /// Came by a way that is open to this machine only.
    pub is_local: bool,
    /// What the connection carries. Each connection has its own.
    pub traffic: Arc<Traffic>,
}

/// The clients that a bridge is about to connect: their address, and the way by which they came. Any process on
/// this machine can reach the internal listener and claim any address there; only an address that was announced
/// is believed, once.
#[derive(Debug, Default)]
pub(crate) struct Announced {
    clients: DashMap<SocketAddr, Entrance>,
    /// Connections whose bytes are being carried.
    carried: AtomicUsize,
}

impl Announced {
    /// Whether the address was free to be announced: what is announced for another connection stays.
    pub fn announce(&self, client: SocketAddr, entrance: Entrance) -> bool {
        let mut is_free = false;
        self.clients.entry(client).or_insert_with(|| {
            is_free = true;
            entrance
        });
        if is_free {
            self.carried.fetch_add(1, Ordering::AcqRel);
        }
        is_free
    }

    pub fn take(&self, client: SocketAddr) -> Option<Entrance> {
        self.clients.remove(&client).map(|(_, entrance)| entrance)
    }

    /// The connection that was announced has ended. An announcement that nobody has taken is taken back; one of
    /// another connection stays.
    pub fn withdraw(&self, client: SocketAddr, traffic: &Arc<Traffic>) {
        self.clients.remove_if(&client, |_, announced| Arc::ptr_eq(&announced.traffic, traffic));
        self.carried.fetch_sub(1, Ordering::AcqRel);
    }
}

pub struct EmbeddedBroker {
    context: ServerContext,
    hooks: Arc<Hooks>,
    subscribers: Arc<Subscribers>,
    announced: Arc<Announced>,
    mqtt: SocketAddr,
    internal: Arc<[SocketAddr]>,
    /// The accept loops and the care of connections; they end with [`Self::shutdown`].
    tasks: Vec<JoinHandle<()>>,
}

impl EmbeddedBroker {
    /// Listens and serves, on the runtime this is called in.
    ///
    /// # Errors
    /// When an address cannot be listened on.
    pub async fn start(
        config: EmbeddedConfig,
        sink: EventSink,
        messages: Arc<dyn MonitorMessages>,
        observers: Arc<dyn Observers>,
        credentials: Arc<Credentials>,
    ) -> Result<Self, EmbeddedError> {
        let failed =
            |reason: std::io::Error| EmbeddedError::Listen { addr: config.mqtt, reason: reason.to_string() };
        let public = mqtt_tcp::listen(config.mqtt).map_err(failed)?;
        let mqtt = public.local_addr().map_err(failed)?;

        let context = ServerContext::new()
            // A full handshake queue or a busy machine is no reason to turn clients away.
            .busy_check_enable(false)
            .mqtt_max_sessions(isize::try_from(config.max_sessions).unwrap_or(isize::MAX))
            .build()
            .await;
        let backlogs = Arc::new(Backlogs::default());
        *context.extends.router_mut().await = Box::new(routes::Routes::new(&context));
        *context.extends.shared_mut().await = Box::new(BoundedShared::new(&context, Arc::clone(&backlogs)));
        let subscribers = Arc::new(Subscribers::new(messages));
        subscribers.serve(&context);
        *context.extends.retain_mut().await = Box::new(retained::Retained::default());
        *context.extends.fitter_mgr_mut().await = Box::new(limits::Limits);
        let announced = Arc::new(Announced::default());
        let hooks = Arc::new(Hooks::new(
            sink,
            observers,
            Arc::clone(&credentials),
            Arc::clone(&announced),
            Arc::clone(&subscribers),
            backlogs,
            config.is_local(),
        ));
        *context.extends.session_mgr_mut().await = Box::new(sessions::PromptSessions(Arc::clone(&hooks)));
        hooks.register(context.extends.hook_mgr().register().as_ref()).await;

        let mut server = MqttServer::new(context.clone());
        let mut internal = Vec::new();
        for id in INTERNAL {
            let (listener, address) = listen()?;
            server = server.listener_by_id(listener, id);
            internal.push(address);
        }
        let (server, internal) = (server.build(), Arc::<[SocketAddr]>::from(internal));
        let serve = tokio::spawn(async move {
            if let Err(error) = server.run().await {
                tracing::error!(%error, "the embedded broker has stopped");
            }
        });
        let care = tokio::spawn(care(context.clone(), Arc::clone(&hooks)));
        let door = Door {
            bridge: Bridge::new(Arc::clone(&internal), Arc::clone(&announced), mqtt.port()),
            // Cookies of a server that speaks TLS never come over this port.
            gate: Gate::new(Arc::clone(&credentials), false),
            is_local: mqtt.ip().to_canonical().is_loopback(),
        };
        let accept = tokio::spawn(mqtt_tcp::run(public, door, FIRST_BYTES_MAX));
        let evict = tokio::spawn(eviction::run(context.clone(), Arc::clone(&hooks), credentials));
        let tasks = vec![accept, serve, care, evict];
        Ok(Self { context, hooks, subscribers, announced, mqtt, internal, tasks })
    }

    /// Where MQTT clients connect, with the real port.
    #[must_use]
    pub const fn mqtt_addr(&self) -> SocketAddr {
        self.mqtt
    }

    /// What carries the clients that come to this server's `server_port` to this broker.
    #[must_use]
    pub fn bridge(&self, server_port: u16) -> Bridge {
        Bridge::new(Arc::clone(&self.internal), Arc::clone(&self.announced), server_port)
    }

    /// Publishes a message of the server at QoS 0 to every matching subscriber. A slow subscriber does not hold this
    /// up: it gets the newest message of each client in the place of every one. A retained message is not stored: the
    /// fleet answers for it.
    pub async fn publish(&self, message: &MonitorPublish) {
        self.subscribers.publish(message).await;
    }

    /// Tells the recorder which of these clients are connected now and which are not, as inferred events. For
    /// states of which an event was lost.
    pub async fn reconcile(&self, client_ids: impl IntoIterator<Item = String> + Send) {
        for client_id in client_ids {
            // The order matters: a client that starts its handshake after this moment connects after it.
            let time = now();
            if self.hooks.is_connecting(&client_id) {
                continue;
            }
            match self.open_session(&client_id).await {
                Some(open) if open.is_observer() => {}
                Some(open) => {
                    let kind = EventKind::Connect { session: open.key, certainty: Certainty::Inferred };
                    self.hooks.offer(&client_id, time, open.peer.clone(), kind);
                }
                None => {
                    let kind = gone(time.plus_ms(-1));
                    self.hooks.offer(&client_id, time, Peer::default(), kind);
                }
            }
        }
    }

    async fn open_session(&self, client_id: &str) -> Option<Arc<hooks::Open>> {
        let id = Id::from(self.context.node.id(), ClientId::from(client_id));
        let session = self.context.extends.shared().await.entry(id).session()?;
        hooks::open(&session).await.filter(|open| !open.is_ended())
    }

    /// Ends every connection with "server shutting down" and waits, not for long, until the recorder has been
    /// told of each.
    pub async fn shutdown(&self) {
        for task in &self.tasks {
            task.abort();
        }
        let senders: Vec<_> = {
            let shared = self.context.extends.shared().await;
            shared.iter().filter_map(|entry| entry.tx()).collect()
        };
        for sender in senders {
            // A session that has just ended no longer listens, which is as good.
            let _ = sender.unbounded_send(Message::Closed(Reason::from(SERVER_SHUTDOWN)));
        }
        let all_ended = async {
            // What the broker says last is still on its way to the client when its session has ended.
            while self.hooks.open_connections() > 0 || self.announced.carried.load(Ordering::Acquire) > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(SHUTDOWN_MAX, all_ended).await.is_err() {
            let open = self.hooks.open_connections();
            tracing::warn!(open, "connections were still open when the broker stopped");
        }
    }
}

fn server_id(context: &ServerContext) -> Id {
    Id::from(context.node.id(), ClientId::from_static(SERVER_ID))
}

/// The subscriptions of this broker whose filters match a topic.
async fn subscriptions(context: &ServerContext, from: Id, topic: &TopicName) -> SubRelations {
    let mut relations = context.extends.router().await.matches(from, topic).await.unwrap_or_else(|error| {
        tracing::warn!(%topic, %error, "a message was not forwarded");
        SubRelationsMap::default()
    });
    relations.remove(&context.node.id()).unwrap_or_default()
}

/// A listener that only the bridge knows of.
fn listen() -> Result<(Listener, SocketAddr), EmbeddedError> {
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let error = |error: rmqtt::Error| EmbeddedError::Listen { addr, reason: error.to_string() };
    let listener = Builder::new()
        .name("mqtt-bridged")
        .laddr(addr)
        .backlog(4_096)
        .nodelay(true)
        .reuseaddr(Some(true))
        // The bridge does not vanish without a word.
        .tcp_keepalive(false)
        .proxy_protocol(true)
        // The bridge writes the header at once; whoever does not holds up the accept loop for so long.
        .proxy_protocol_timeout(PROXY_HEADER_MAX)
        // Every connection is to be authenticated by the hook, also one without a user name.
        .allow_anonymous(false)
        .max_packet_size(PACKET_BYTES_MAX)
        .max_clientid_len(usize::from(u16::MAX))
        .session_expiry_interval(SESSION_EXPIRY_MAX)
        .max_session_expiry_interval(SESSION_EXPIRY_MAX)
        // 0: messages expire when their sender says so and not otherwise.
        .message_expiry_interval(Duration::ZERO)
        .max_subscriptions(1_000)
        // The hooks see to it: the library would refuse a `$` at the beginning of a level.
        .max_topic_levels(0)
        .bind()
        .and_then(Listener::tcp)
        .map_err(error)?;
    let bound = listener.local_addr().map_err(error)?;
    Ok((listener, bound))
}

/// "Not connected, and nothing is known of why."
fn gone(time: Timestamp) -> EventKind {
    EventKind::Disconnect {
        session: None,
        end: End {
            certainty: Certainty::Inferred,
            time,
            initiator: None,
            mqtt_reason_code: None,
            close_code: None,
            reason: None,
            counters: Counters::default(),
        },
    }
}

/// Finds what the library drops without telling a hook: handshakes that it gave up, and sessions that were
/// announced but whose client was gone before its CONNACK could be sent.
async fn care(context: ServerContext, hooks: Arc<Hooks>) {
    let mut interval = tokio::time::interval(CARE_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        hooks.report_abandoned_attempts();
        let mut still_young = Vec::new();
        for young in hooks.take_young() {
            if young.open.is_ended() {
                continue;
            }
            let mut entry = context.extends.shared().await.entry(young.id.clone());
            let is_own = entry.id_same() == Some(true);
            let is_dead = is_own && entry.tx().is_some_and(|sender| sender.is_closed());
            let is_old = young.since.elapsed() > YOUNG_MAX;
            // Replaced by a newer one, it would have been told to end, and would have by now.
            if is_dead || (is_old && !is_own) {
                let certainty = Certainty::Inferred;
                hooks.ended(&young.id, &young.open, now(), Cause::NETWORK, certainty);
            }
            if is_dead && let Err(error) = entry.remove_with(&young.id).await {
                tracing::debug!(%error, "a dead session could not be removed");
            }
            if !is_dead && !is_old {
                still_young.push(young);
            }
        }
        hooks.keep_young(still_young);
        hooks.subscribers.forget_gone().await;
        hooks.backlogs.forget_gone(&context).await;
    }
}
