//! What the embedded broker does and sees, turned into connection events.
//!
//! The broker's library calls the hooks inside the tasks of its sessions, so they never wait for the recorder:
//! an event is offered and that is all. The only hooks that wait are those of [`super::admission`], which asks the
//! credentials.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use rmqtt::codec::types::{MQTT_LEVEL_5, MQTT_LEVEL_31};
use rmqtt::codec::v5::PublishAckReason;
use rmqtt::hook::{Register, Type};
use rmqtt::session::Session;
use rmqtt::types::{ConnectInfo, DashMap, Id, Publish, PublishAclResult, PublishResult, Reason};
use rmqtt::utils::timestamp_millis;
use rollcall_model::event::MqttVersion;
use rollcall_model::{
    ActivityEvent, Certainty, ConnectionEvent, Counters, End, EventKind, Initiator, Peer, Protocol,
    SessionKey, Timestamp, reason,
};
use tokio::time::Instant;

use super::backlog::Backlogs;
use super::end::{Cause, cause};
use super::handler::HookHandler;
use super::subscribers::Subscribers;
use super::{Announced, Entrance, Observers, packet_size, topics};
use crate::bridge::Traffic;
use crate::identity::{Admitted, Caller, Credentials, Holder};
use crate::source::EventSink;

/// Where a session keeps its [`Open`].
const OPEN: &str = "rollcall";
/// A stage of a handshake that lasts longer was given up by the library, which tells no hook.
const ADMISSION_MAX: Duration = Duration::from_secs(5);
const AUTHENTICATION_MAX: Duration = Duration::from_secs(600);
const ACCEPTANCE_MAX: Duration = Duration::from_secs(20);
/// The characters of a user name that are reported; it may have 65,535 bytes and comes with every event.
const USER_CHARS_MAX: usize = 256;

/// What is kept of a connection while it is open.
pub struct Open {
    pub key: SessionKey,
    pub peer: Peer,
    /// On what its right to be here rests.
    pub holder: Holder,
    may_publish: bool,
    /// The log has been told that it publishes all the same.
    was_told: AtomicBool,
    /// One of this server's own dashboards: produces no events.
    is_observer: bool,
    is_ended: AtomicBool,
    /// The largest packet that the client takes, where it has said so (MQTT 5).
    packet_bytes_max: Option<usize>,
    read_msg: AtomicU64,
    pub write_msg: AtomicU64,
    pub traffic: Option<Arc<Traffic>>,
    /// Millisecond and kind of the last activity; the same kind within a millisecond is one event.
    last_activity: [AtomicI64; ActivityEvent::ALL.len()],
}

/// A handshake under way.
#[derive(Clone)]
pub struct Attempt {
    /// When its stage began.
    since: Instant,
    stage: Stage,
    pub time: Timestamp,
    pub peer: Peer,
    /// Came over a bridge, so that its address can be believed.
    pub is_genuine: bool,
    /// Has the id of a dashboard, and came over WebSocket.
    pub is_observer: bool,
    /// Whose credentials the request for the WebSocket had.
    pub caller: Option<Caller>,
    /// Came by a way that is open to this machine only.
    pub is_local: bool,
    traffic: Option<Arc<Traffic>>,
    /// Once it has been accepted.
    admitted: Admitted,
}

#[derive(Clone, Copy)]
pub enum Stage {
    /// The library looks whether there is room for the session.
    Arriving,
    /// The token is being verified: when many clients come at once, each waits for its turn.
    Authenticating,
    /// The library ends the session before, if there is one, and opens the new one.
    Accepted,
}

impl Attempt {
    pub fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.since = Instant::now();
    }
}

impl Stage {
    /// How long the stage may last, and what to report when it lasted longer.
    const fn limit(self) -> (Duration, &'static str) {
        match self {
            Self::Arriving => (ADMISSION_MAX, "The server has no room for another session."),
            Self::Authenticating => (AUTHENTICATION_MAX, "The server did not complete the authentication."),
            Self::Accepted => (ACCEPTANCE_MAX, "The server did not complete the handshake."),
        }
    }
}

/// A connection that was announced and whose session may not have come to life.
pub struct Young {
    pub since: Instant,
    pub id: Id,
    pub open: Arc<Open>,
}

pub struct Hooks {
    sink: EventSink,
    observers: Arc<dyn Observers>,
    pub credentials: Arc<Credentials>,
    announced: Arc<Announced>,
    pub subscribers: Arc<Subscribers>,
    pub backlogs: Arc<Backlogs>,
    /// Only this machine can reach the broker.
    is_local: bool,
    pub attempts: DashMap<Id, Attempt>,
    pub members: DashMap<Id, Arc<Open>>,
    connections: AtomicU64,
    open: AtomicUsize,
    young: std::sync::Mutex<Vec<Young>>,
}

pub fn now() -> Timestamp {
    Timestamp::from_millis(timestamp_millis())
}

impl Hooks {
    pub fn new(
        sink: EventSink,
        observers: Arc<dyn Observers>,
        credentials: Arc<Credentials>,
        announced: Arc<Announced>,
        subscribers: Arc<Subscribers>,
        backlogs: Arc<Backlogs>,
        is_local: bool,
    ) -> Self {
        Self {
            sink,
            observers,
            credentials,
            announced,
            subscribers,
            backlogs,
            is_local,
            attempts: DashMap::default(),
            members: DashMap::default(),
            connections: AtomicU64::new(0),
            open: AtomicUsize::new(0),
            young: std::sync::Mutex::default(),
        }
    }

    pub async fn register(self: &Arc<Self>, register: &dyn Register) {
        for hook in [
            Type::ClientConnect,
            Type::ClientAuthenticate,
            Type::ClientConnected,
            Type::ClientDisconnected,
            Type::ClientSubscribeCheckAcl,
            Type::ClientKeepalive,
            Type::SessionSubscribed,
            Type::SessionUnsubscribed,
            Type::SessionTerminated,
            Type::MessagePublishCheckAcl,
            Type::MessageExpiryCheck,
            Type::MessageDelivered,
            Type::MessageDropped,
        ] {
            register.add(hook, Box::new(HookHandler(Arc::clone(self)))).await;
        }
        register.start().await;
    }

    /// Connections that were announced and have not ended.
    pub fn open_connections(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// The open connections and on what the right of each rests.
    pub fn holders(&self) -> Vec<(Id, Holder)> {
        self.members.iter().map(|member| (member.key().clone(), member.holder.clone())).collect()
    }

    pub fn take_young(&self) -> Vec<Young> {
        let mut young = self.young.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        std::mem::take(&mut *young)
    }

    pub fn keep_young(&self, young: impl IntoIterator<Item = Young>) {
        self.young.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(young);
    }

    /// Whether a client with this id is in the middle of its handshake.
    pub fn is_connecting(&self, client_id: &str) -> bool {
        self.attempts.iter().any(|attempt| attempt.key().client_id == client_id)
    }

    /// Reports the handshakes that the library has given up without a word.
    pub fn report_abandoned_attempts(&self) {
        let mut abandoned = Vec::new();
        self.attempts.retain(|id, attempt| {
            let (limit, text) = attempt.stage.limit();
            let is_abandoned = attempt.since.elapsed() > limit;
            if is_abandoned && attempt.is_genuine && !attempt.is_observer {
                abandoned.push((id.clone(), attempt.time, attempt.peer.clone(), text));
            }
            !is_abandoned
        });
        for (id, time, peer, text) in abandoned {
            self.refused(&id, time, peer, 0x88, text);
        }
    }

    pub fn offer(&self, client_id: &str, time: Timestamp, peer: Peer, kind: EventKind) {
        self.sink.offer(ConnectionEvent { client_id: client_id.to_owned(), time, peer, kind });
    }

    pub fn refused(&self, id: &Id, time: Timestamp, peer: Peer, code: u8, reason: &str) {
        let kind = EventKind::FailedConnect {
            mqtt_reason_code: Some(code),
            close_code: Some(reason::close_code(Initiator::Server, code)),
            reason: Some(reason.to_owned()),
        };
        self.offer(&id.client_id, time, peer, kind);
    }

    pub fn connecting(&self, connect: &ConnectInfo) {
        let id = connect.id();
        // Only the bridge knows which addresses it announced; whoever else finds an internal port is refused.
        let entrance = id.remote_addr.and_then(|addr| self.announced.take(addr));
        let attempt = Attempt {
            since: Instant::now(),
            stage: Stage::Arriving,
            time: now(),
            peer: self.peer(connect, entrance.as_ref()),
            is_genuine: entrance.is_some(),
            is_observer: entrance.as_ref().is_some_and(|entrance| {
                let caller = entrance.caller.as_ref();
                let has_session = caller.is_some_and(|caller| matches!(caller.holder, Holder::Session(..)));
                entrance.websocket && self.observers.is_observer(&id.client_id, has_session)
            }),
            is_local: self.is_local && entrance.as_ref().is_some_and(|entrance| entrance.is_local),
            traffic: entrance.as_ref().map(|entrance| Arc::clone(&entrance.traffic)),
            caller: entrance.and_then(|entrance| entrance.caller),
            admitted: Holder::Nobody.into(),
        };
        // No event: this is no client id, and no client of the fleet can have it. Who has no attempt is refused.
        if topics::has_null(&id.client_id) {
            self.log_refusal(id, "its client id has U+0000");
            return;
        }
        if connect.auth_method().is_some() && attempt.is_genuine {
            let text = "Enhanced authentication is not supported.";
            self.refused(id, attempt.time, attempt.peer, 0x8C, text);
            return;
        }
        self.attempts.insert(id.clone(), attempt);
    }

    fn peer(&self, connect: &ConnectInfo, entrance: Option<&Entrance>) -> Peer {
        let id = connect.id();
        let version = match connect.proto_ver() {
            MQTT_LEVEL_31 => MqttVersion::V31,
            MQTT_LEVEL_5 => MqttVersion::V5,
            _ => MqttVersion::V311,
        };
        let websocket = entrance.is_some_and(|entrance| entrance.websocket);
        Peer {
            addr: id.remote_addr.map(|addr| addr.ip().to_canonical().to_string()),
            port: id.remote_addr.as_ref().map(SocketAddr::port),
            server_port: entrance.map(|entrance| entrance.server_port),
            protocol: Some(Protocol { version, websocket }),
            secure: Some(entrance.is_some_and(|entrance| entrance.secure)),
            user: id.username.as_ref().map(|user| user.chars().take(USER_CHARS_MAX).collect()),
        }
    }

    /// The handshake may go on.
    pub fn accept(&self, id: &Id, admitted: Admitted) {
        if let Some(mut attempt) = self.attempts.get_mut(id) {
            attempt.enter(Stage::Accepted);
            attempt.admitted = admitted;
        }
    }

    pub async fn connected(&self, session: &Session) {
        let attempt = self.attempts.remove(&session.id).map(|(_, attempt)| attempt);
        let (peer, is_observer, admitted, traffic) = attempt.map_or_else(
            || (Peer::default(), false, Holder::Nobody.into(), None),
            |attempt| (attempt.peer, attempt.is_observer, attempt.admitted, attempt.traffic),
        );
        let start = session.connected_at().await.map_or_else(|_| now(), Timestamp::from_millis);
        let open = Arc::new(Open {
            key: SessionKey { start, connection: self.connections.fetch_add(1, Ordering::Relaxed) + 1 },
            peer,
            holder: admitted.holder,
            may_publish: admitted.may_publish,
            was_told: AtomicBool::new(false),
            is_observer,
            is_ended: AtomicBool::new(false),
            packet_bytes_max: packet_bytes_max(session).await,
            read_msg: AtomicU64::new(0),
            write_msg: AtomicU64::new(0),
            traffic,
            last_activity: [const { AtomicI64::new(0) }; ActivityEvent::ALL.len()],
        });
        session.extra_attrs.write().await.insert(OPEN.into(), Arc::clone(&open));
        self.open.fetch_add(1, Ordering::AcqRel);
        self.members.insert(session.id.clone(), Arc::clone(&open));
        self.keep_young([Young { since: Instant::now(), id: session.id.clone(), open: Arc::clone(&open) }]);
        if !is_observer {
            let kind = EventKind::Connect { session: open.key, certainty: Certainty::Reported };
            self.offer(&session.id.client_id, start, open.peer.clone(), kind);
        }
    }

    pub async fn disconnected(&self, session: &Session, reason: &Reason) {
        let Some(open) = open(session).await else {
            return;
        };
        // The time of the DISCONNECT packet, where there was one: its socket may have stayed open for a while.
        let time = match session.disconnected_at().await {
            Ok(ms) if ms > 0 => Timestamp::from_millis(ms),
            _ => now(),
        };
        self.ended(&session.id, &open, time, cause(reason), Certainty::Reported);
    }

    /// Reports the end of a connection, once.
    pub fn ended(&self, id: &Id, open: &Open, time: Timestamp, cause: Cause, certainty: Certainty) {
        if open.is_ended.swap(true, Ordering::AcqRel) {
            return;
        }
        self.open.fetch_sub(1, Ordering::AcqRel);
        self.members.remove(id);
        if open.is_observer {
            return;
        }
        let end = End {
            certainty,
            time,
            initiator: Some(cause.initiator),
            mqtt_reason_code: Some(cause.mqtt_reason_code),
            close_code: Some(cause.close_code()),
            reason: cause.reason,
            counters: Counters {
                read_msg: Some(open.read_msg.load(Ordering::Relaxed)),
                write_msg: Some(open.write_msg.load(Ordering::Relaxed)),
                read_bytes: open.traffic.as_ref().map(|traffic| traffic.read_bytes()),
                write_bytes: open.traffic.as_ref().map(|traffic| traffic.write_bytes()),
            },
        };
        let kind = EventKind::Disconnect { session: Some(open.key), end };
        self.offer(&id.client_id, time, open.peer.clone(), kind);
    }

    /// The peer is left out: the session is known by its key, and this is the most frequent event.
    pub async fn active(&self, session: &Session, event: ActivityEvent) {
        let Some(open) = open(session).await.filter(|open| !open.is_observer) else {
            return;
        };
        let time = now();
        let previous =
            open.last_activity.get(event as usize).map(|last| last.swap(time.millis(), Ordering::Relaxed));
        if previous == Some(time.millis()) {
            return;
        }
        let kind = EventKind::Activity { session: Some(open.key), event };
        self.offer(&session.id.client_id, time, Peer::default(), kind);
    }

    /// A client publishes. Called for neither wills nor what the server publishes.
    pub async fn publishes(&self, session: &Session, publish: &Publish) -> PublishAclResult {
        if let Some(violation) = topics::alias_violation(publish) {
            let code = PublishAckReason::ImplementationSpecificError;
            return PublishAclResult(PublishResult::reason_code(code, Some(violation.into()), true));
        }
        if let Some(open) = open(session).await {
            open.read_msg.fetch_add(1, Ordering::Relaxed);
        }
        self.active(session, ActivityEvent::Publish).await;
        if let Some(problem) = topics::problem(&publish.topic) {
            let code = PublishAckReason::TopicNameInvalid;
            PublishAclResult(PublishResult::reason_code(code, Some(problem.into()), false))
        } else if topics::is_reserved(&publish.topic) {
            PublishAclResult::rejected(false, Some("The topic is reserved for the server.".into()))
        } else if self.may_publish(session).await {
            PublishAclResult::allow()
        } else {
            PublishAclResult::rejected(false, Some("The role of the API key may not publish.".into()))
        }
    }

    async fn may_publish(&self, session: &Session) -> bool {
        let Some(open) = open(session).await else {
            return false;
        };
        if !open.may_publish && !open.was_told.swap(true, Ordering::Relaxed) {
            self.log_refusal(&session.id, "the role of its API key may not publish");
        }
        open.may_publish
    }
}

/// What is kept of the session's connection.
pub async fn open(session: &Session) -> Option<Arc<Open>> {
    session.extra_attrs.read().await.get::<Arc<Open>>(OPEN).cloned()
}

impl Open {
    pub fn is_observer(&self) -> bool {
        self.is_observer
    }

    pub fn is_ended(&self) -> bool {
        self.is_ended.load(Ordering::Acquire)
    }

    /// Whether the message is too large for the client. It is as if it had been sent then (MQTT 5, section 3.1.2.11.4).
    pub fn is_too_large(&self, message: &Publish) -> bool {
        self.packet_bytes_max.is_some_and(|max| packet_size::publish_bytes(message) > max)
    }
}

async fn packet_bytes_max(session: &Session) -> Option<usize> {
    let connect = session.connect_info().await.ok()?;
    connect.max_packet_size().map(|bytes| bytes.get() as usize)
}
