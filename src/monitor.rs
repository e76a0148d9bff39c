//! The monitor feed: MQTT over WebSocket on the page's own origin, reconnecting by itself.
//!
//! The feed store starts it and is told events and states. MQTT 5 is tried first; where it is refused, 3.1.1 is.
//! Frames are read once per animation frame within a time budget, so that a storm of messages never freezes the
//! page. It interprets no event.

mod backoff;
mod packet;
mod session;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use leptos::prelude::{TimeoutHandle, request_animation_frame, set_timeout_with_handle};
use rollcall_model::ConnectionEvent;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;
use web_sys::{BinaryType, MessageEvent, WebSocket};

pub use backoff::Backoff;
use packet::MqttVersion;
use session::{Output, Session};

use crate::browser::{steady_ms, wall_ms};

/// How the feed is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FeedState {
    /// Not wanted: before the start, and while the page is hidden.
    Off,
    Connecting,
    /// Every event is told. The time of a ping to the server and back, once measured.
    Live {
        round_trip_ms: Option<f64>,
    },
    /// Lost since, and when the next attempt is made, both in wall-clock milliseconds.
    Down {
        since_ms: i64,
        retry_at_ms: i64,
    },
}

/// What the feed tells its owner.
pub enum Tell {
    State(FeedState),
    /// Events in the order of their arrival, and whether each was retained.
    Events(Vec<(ConnectionEvent, bool)>),
}

/// Longer than this at a time the page is not kept from answering its reader.
const BUDGET_MS: f64 = 6.0;
/// Beyond this, frames are read as they come instead of waiting for the next paint.
const MAX_WAITING_BYTES: usize = 1 << 20;
const PING_EVERY: Duration = Duration::from_secs(10);
/// The first comes at once.
const LIVED_PONGS: u32 = 2;
/// Without a sign of life for this long after a ping, the feed is dead whatever the socket says.
const PONG_WITHIN: Duration = Duration::from_secs(8);
/// An attempt that takes longer has failed.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// A handle; clones are the same feed.
#[derive(Clone)]
pub struct Monitor {
    inner: Rc<RefCell<Inner>>,
    tell: Rc<dyn Fn(Tell)>,
}

struct Inner {
    client_id: String,
    /// User and password, where the page's cookie does not do.
    login: Option<(String, String)>,
    /// Whether the server tells activity, too.
    has_activity: bool,
    version: MqttVersion,
    attempt: Option<Attempt>,
    backoff: Backoff,
    waiting: VecDeque<Vec<u8>>,
    waiting_bytes: usize,
    is_frame_asked: bool,
    down_since_ms: Option<i64>,
    /// The timer that matters now: retry, time limit, next ping or missing pong.
    timer: Option<TimeoutHandle>,
    ping_sent_ms: Option<f64>,
    /// When the server last sent anything.
    heard_ms: i64,
}

/// What happens after how long.
type Timer = (Duration, fn(&Monitor));

/// One connection, from its opening to its end.
struct Attempt {
    socket: Socket,
    session: Session,
    is_live: bool,
    was_open: bool,
    /// How often the server has answered a ping.
    pongs: u32,
}

impl Monitor {
    #[must_use]
    pub fn new(tell: Rc<dyn Fn(Tell)>) -> Self {
        let inner = Inner {
            client_id: String::new(),
            login: None,
            has_activity: false,
            version: MqttVersion::V5,
            attempt: None,
            backoff: Backoff::new(js_sys::Math::random),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            is_frame_asked: false,
            down_since_ms: None,
            timer: None,
            ping_sent_ms: None,
            heard_ms: 0,
        };
        Self { inner: Rc::new(RefCell::new(inner)), tell }
    }

    /// Starts the feed under a client id, with user and password if the cookie does not do, or starts it again.
    /// `has_activity` where the server knows the topics of activity: another one may hang up on who subscribes to them.
    pub fn start(&self, client_id: String, login: Option<(String, String)>, has_activity: bool) {
        {
            let mut inner = self.inner.borrow_mut();
            inner.client_id = client_id;
            inner.login = login;
            inner.has_activity = has_activity;
        }
        self.connect();
    }

    /// Stops the feed and everything it costs.
    pub fn stop(&self) {
        self.drop_attempt();
        self.set_timer(None);
        self.inner.borrow_mut().down_since_ms = None;
        (self.tell)(Tell::State(FeedState::Off));
    }

    fn connect(&self) {
        self.drop_attempt();
        let is_first = self.inner.borrow().down_since_ms.is_none();
        if is_first {
            (self.tell)(Tell::State(FeedState::Connecting));
        }
        let Some(socket) = Socket::open(self) else { return self.fail() };
        let mut inner = self.inner.borrow_mut();
        let session = Session::new(inner.version, inner.has_activity);
        inner.attempt = Some(Attempt { socket, session, is_live: false, was_open: false, pongs: 0 });
        drop(inner);
        self.set_timer(Some((CONNECT_WITHIN, Self::fail)));
    }

    fn on_open(&self) {
        let output = {
            let mut inner = self.inner.borrow_mut();
            let Inner { attempt: Some(attempt), client_id, login, .. } = &mut *inner else { return };
            attempt.was_open = true;
            attempt.session.connect(client_id, login.as_ref())
        };
        self.handle(vec![output]);
    }

    fn on_bytes(&self, bytes: Vec<u8>) {
        let reads_now = {
            let mut inner = self.inner.borrow_mut();
            inner.heard_ms = wall_ms();
            inner.waiting_bytes += bytes.len();
            inner.waiting.push_back(bytes);
            // Until the feed is live there is nothing to paint, and a hidden page paints nothing.
            let is_live = inner.attempt.as_ref().is_some_and(|attempt| attempt.is_live);
            !is_live || inner.waiting_bytes > MAX_WAITING_BYTES
        };
        if reads_now { self.read() } else { self.ask_frame() }
    }

    fn ask_frame(&self) {
        let is_asked = std::mem::replace(&mut self.inner.borrow_mut().is_frame_asked, true);
        if !is_asked {
            let this = self.clone();
            request_animation_frame(move || {
                this.inner.borrow_mut().is_frame_asked = false;
                this.read();
            });
        }
    }

    /// Reads what is waiting, as far as the budget goes; the rest in the next frame.
    fn read(&self) {
        let until_ms = steady_ms() + BUDGET_MS;
        let mut outputs = Vec::new();
        let has_more = loop {
            let mut inner = self.inner.borrow_mut();
            let Inner { attempt: Some(attempt), waiting, waiting_bytes, .. } = &mut *inner else { return };
            let Some(bytes) = waiting.pop_front() else { break false };
            *waiting_bytes -= bytes.len();
            outputs.extend(attempt.session.receive(&bytes));
            if steady_ms() > until_ms {
                break !waiting.is_empty();
            }
        };
        self.handle(outputs);
        if has_more {
            self.ask_frame();
        }
    }

    fn handle(&self, outputs: Vec<Output>) {
        let mut events = Vec::new();
        let mut has_failed = false;
        for output in outputs {
            match output {
                Output::Send(bytes) => self.send(&bytes),
                Output::Told { event, retained } => events.push((*event, retained)),
                Output::Subscribed => self.on_live(),
                Output::Pong => self.on_pong(),
                Output::Failed => has_failed = true,
            }
        }
        if !events.is_empty() {
            (self.tell)(Tell::Events(events));
        }
        if has_failed {
            self.fail();
        }
    }

    fn send(&self, bytes: &[u8]) {
        let inner = self.inner.borrow();
        if let Some(attempt) = &inner.attempt {
            // A socket that cannot send is about to report its end.
            let _ = attempt.socket.socket.send_with_u8_array(bytes);
        }
    }

    fn on_live(&self) {
        {
            let mut inner = self.inner.borrow_mut();
            if let Some(attempt) = &mut inner.attempt {
                attempt.is_live = true;
            }
            inner.down_since_ms = None;
        }
        (self.tell)(Tell::State(FeedState::Live { round_trip_ms: None }));
        self.ping();
    }

    fn ping(&self) {
        self.inner.borrow_mut().ping_sent_ms = Some(steady_ms());
        self.handle(vec![Session::ping()]);
        self.set_timer(Some((PONG_WITHIN, Self::fall_silent)));
    }

    fn on_pong(&self) {
        let sent_ms = {
            let mut inner = self.inner.borrow_mut();
            let Inner { attempt, backoff, .. } = &mut *inner;
            if let Some(attempt) = attempt {
                attempt.pongs += 1;
                // A feed that is cut off as soon as it lives is not tried again and again at once.
                if attempt.pongs == LIVED_PONGS {
                    backoff.reset();
                }
            }
            inner.ping_sent_ms.take()
        };
        let round_trip_ms = sent_ms.map(|sent_ms| steady_ms() - sent_ms);
        (self.tell)(Tell::State(FeedState::Live { round_trip_ms }));
        self.set_timer(Some((PING_EVERY, Self::ping)));
    }

    /// Nothing came, not even what was asked for: there have been no events since the server was last heard of.
    fn fall_silent(&self) {
        let heard_ms = self.inner.borrow().heard_ms;
        self.inner.borrow_mut().down_since_ms.get_or_insert(heard_ms);
        self.fail();
    }

    /// The attempt is over; another one follows.
    fn fail(&self) {
        let (since_ms, delay) = {
            let mut inner = self.inner.borrow_mut();
            let attempt = inner.attempt.take();
            if attempt.is_some_and(|attempt| attempt.was_open && !attempt.is_live) {
                // Refused by a server that answers: perhaps the other version is welcome.
                inner.version = match inner.version {
                    MqttVersion::V5 => MqttVersion::V311,
                    MqttVersion::V311 => MqttVersion::V5,
                };
            }
            let since_ms = *inner.down_since_ms.get_or_insert_with(wall_ms);
            (since_ms, inner.backoff.wait())
        };
        self.drop_attempt();
        let retry_at_ms = wall_ms() + delay.as_millis() as i64;
        (self.tell)(Tell::State(FeedState::Down { since_ms, retry_at_ms }));
        self.set_timer(Some((delay, Self::connect)));
    }

    fn drop_attempt(&self) {
        let mut inner = self.inner.borrow_mut();
        let attempt = inner.attempt.take();
        inner.waiting.clear();
        inner.waiting_bytes = 0;
        drop(inner);
        drop(attempt);
    }

    /// Sets the one timer that runs, or none.
    fn set_timer(&self, timer: Option<Timer>) {
        let handle = timer.and_then(|(after, then)| {
            let this = self.clone();
            set_timeout_with_handle(move || then(&this), after).ok()
        });
        if let Some(old) = std::mem::replace(&mut self.inner.borrow_mut().timer, handle) {
            old.clear();
        }
    }
}

/// A WebSocket that is closed, and calls nobody any more, when it is dropped.
struct Socket {
    socket: WebSocket,
    _on_open: Closure<dyn Fn()>,
    _on_message: Closure<dyn Fn(MessageEvent)>,
    _on_close: Closure<dyn Fn()>,
}

impl Socket {
    fn open(monitor: &Monitor) -> Option<Self> {
        let location = web_sys::window()?.location();
        let scheme = if location.protocol().ok()? == "https:" { "wss" } else { "ws" };
        let address = format!("{scheme}://{}/mqtt", location.host().ok()?);
        let socket = WebSocket::new_with_str(&address, "mqtt").ok()?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let this = monitor.clone();
        let on_open = Closure::<dyn Fn()>::new(move || this.on_open());
        let this = monitor.clone();
        let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
            if let Ok(buffer) = event.data().dyn_into::<js_sys::ArrayBuffer>() {
                this.on_bytes(js_sys::Uint8Array::new(&buffer).to_vec());
            }
        });
        let this = monitor.clone();
        // Dropping the closure while it runs is what `fail` would do: it is put off to the next task.
        let on_close =
            Closure::<dyn Fn()>::new(move || this.set_timer(Some((Duration::ZERO, Monitor::fail))));
        socket.set_onopen(Some(on_open.as_ref().unchecked_ref()));
        socket.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        socket.set_onclose(Some(on_close.as_ref().unchecked_ref()));
        Some(Self { socket, _on_open: on_open, _on_message: on_message, _on_close: on_close })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        // Closing twice, or before it is open, is no error that matters here.
        let _ = self.socket.close();
    }
}
