//! The subscribers of monitor topics: which there are, and the way from a message of the server to their sessions.
//!
//! The broker's library puts what it forwards into a queue of the session that has no bound, and drops the newest of
//! what a slow subscriber cannot take. So monitor messages go through an [`Outbox`] for each subscriber instead. The
//! hooks tell of subscriptions and of messages that were sent, the monitor brings the messages.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rmqtt::codec::v5::RetainHandling;
use rmqtt::context::ServerContext;
use rmqtt::session::Session;
use rmqtt::types::{
    ClientId, DashMap, From, Id, Message, Publish, Subscribe, SubscriptionOptions, TopicName, Tx,
};

use super::outbox::{Manner, Next, Outbox};
use super::{MonitorMessages, MonitorPublish, server_id, subscriptions, topics};

/// See the module.
pub struct Subscribers {
    messages: Arc<dyn MonitorMessages>,
    /// Set once the broker has been built.
    context: OnceLock<ServerContext>,
    known: DashMap<ClientId, Arc<Subscriber>>,
}

/// One of them. Outlives its connection when its session does.
struct Subscriber {
    state: Mutex<State>,
}

struct State {
    outbox: Outbox,
    /// While it is connected.
    session: Option<(Id, Tx)>,
}

impl Subscriber {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscribers {
    pub fn new(messages: Arc<dyn MonitorMessages>) -> Self {
        Self { messages, context: OnceLock::new(), known: DashMap::default() }
    }

    pub fn serve(&self, context: &ServerContext) {
        // It is set once.
        let _ = self.context.set(context.clone());
    }

    /// Brings a message to every subscriber whose filter matches its topic. Waits for none of them.
    pub async fn publish(self: &Arc<Self>, message: &MonitorPublish) {
        let Some(context) = self.context.get() else { return };
        let topic = TopicName::from(message.topic.as_str());
        for (_, client_id, options, ids, _) in subscriptions(context, server_id(context), &topic).await {
            let Some(subscriber) = self.find_or_add(context, &client_id).await else { continue };
            let manner = Manner {
                keeps_retain: options.retain_as_published() == Some(true),
                subscription_ids: ids.unwrap_or_default(),
            };
            {
                let State { outbox, session } = &mut *subscriber.lock();
                outbox.offer(message, manner, session.is_some(), self.messages.as_ref());
            }
            self.send(&subscriber);
        }
    }

    /// A message can be there between the broker's knowing of a first subscription and the hook's telling of it.
    async fn find_or_add(&self, context: &ServerContext, client_id: &ClientId) -> Option<Arc<Subscriber>> {
        if let Some(known) = self.known.get(client_id) {
            return Some(Arc::clone(&known));
        }
        let id = Id::from(context.node.id(), client_id.clone());
        let session = context.extends.shared().await.entry(id).session()?;
        Some(self.of(&session).await)
    }

    /// The subscriber of a session.
    async fn of(&self, session: &Session) -> Arc<Subscriber> {
        if let Some(known) = self.known.get(&session.id.client_id) {
            return Arc::clone(&known);
        }
        let client_id = session.id.client_id.clone();
        let session = match session.connected().await {
            Ok(true) => sender(session).await,
            _ => None,
        };
        let subscriber = Subscriber { state: Mutex::new(State { outbox: Outbox::default(), session }) };
        Arc::clone(&self.known.entry(client_id).or_insert(Arc::new(subscriber)))
    }

    /// Hands over what the session has room for.
    fn send(self: &Arc<Self>, subscriber: &Arc<Subscriber>) {
        if self.send_some(subscriber) {
            return;
        }
        // The fleet is large, and little of it matches.
        let (this, subscriber) = (Arc::clone(self), Arc::clone(subscriber));
        tokio::spawn(async move {
            while !this.send_some(&subscriber) {
                tokio::task::yield_now().await;
            }
        });
    }

    /// The same, but not for long; `false` when it has to go on.
    fn send_some(&self, subscriber: &Subscriber) -> bool {
        let Some(context) = self.context.get() else { return true };
        let State { outbox, session } = &mut *subscriber.lock();
        while let Some((_, tx)) = session {
            match outbox.next(self.messages.as_ref()) {
                Next::Message(message) => {
                    let from = From::from_system(server_id(context));
                    if tx.unbounded_send(Message::Forward(from, message)).is_err() {
                        *session = None;
                    }
                }
                Next::Unknown => return false,
                Next::Nothing => return true,
            }
        }
        true
    }

    /// A session begins, which has no subscriptions yet.
    pub fn forget(&self, id: &Id) {
        self.known.remove(&id.client_id);
    }

    /// A session goes on with the subscriptions of the one before, and gets what it has missed.
    pub async fn resumed(self: &Arc<Self>, session: &Session) {
        let known = self.known.get(&session.id.client_id).map(|known| Arc::clone(&known));
        let Some(known) = known else { return };
        let sender = sender(session).await;
        {
            let State { outbox, session } = &mut *known.lock();
            outbox.restart();
            *session = sender;
        }
        self.send(&known);
    }

    pub fn disconnected(&self, id: &Id) {
        let Some(known) = self.known.get(&id.client_id) else { return };
        let State { outbox, session } = &mut *known.lock();
        if session.as_ref().is_some_and(|(connected, _)| connected == id) {
            outbox.restart();
            *session = None;
        }
    }

    /// The subscriptions of a session are over.
    pub fn ended(&self, id: &Id) {
        self.known.remove_if(&id.client_id, |_, known| {
            known.lock().session.as_ref().is_none_or(|(connected, _)| connected == id)
        });
    }

    /// Forgets the subscribers whose session is gone without a word.
    pub async fn forget_gone(&self) {
        let Some(context) = self.context.get() else { return };
        let shared = context.extends.shared().await;
        self.known.retain(|client_id, _| shared.exist(client_id));
    }

    pub async fn subscribed(self: &Arc<Self>, session: &Session, subscribe: &Subscribe) {
        if !topics::may_match_reserved(&subscribe.topic_filter) {
            return;
        }
        let subscriber = self.of(session).await;
        {
            let outbox = &mut subscriber.lock().outbox;
            let is_new = outbox.add(&subscribe.topic_filter);
            if wants_retained(&subscribe.opts, is_new) {
                let id = subscribe.opts.subscription_identifier();
                outbox.send_retained(&subscribe.topic_filter, id, self.messages.end());
            }
        }
        self.send(&subscriber);
    }

    pub fn unsubscribed(&self, id: &Id, filter: &str) {
        self.known.remove_if(&id.client_id, |_, known| known.lock().outbox.remove(filter));
    }

    /// A session has sent a message of the server, or could not keep it. `is_settled` says that nothing is owed for it.
    pub fn done(self: &Arc<Self>, id: &Id, message: &Publish, is_settled: bool) {
        if !topics::is_reserved(&message.topic) {
            return;
        }
        let Some(known) = self.known.get(&id.client_id).map(|known| Arc::clone(&known)) else { return };
        {
            let outbox = &mut known.lock().outbox;
            if is_settled {
                outbox.sent();
            } else {
                outbox.dropped(self.messages.numbers_of(&message.topic));
            }
        }
        self.send(&known);
    }
}

/// How to reach a session.
async fn sender(session: &Session) -> Option<(Id, Tx)> {
    let tx = session.context().extends.shared().await.entry(session.id.clone()).tx()?;
    Some((session.id.clone(), tx))
}

/// MQTT 5, section 3.8.3.1. Before, every subscription wants them.
fn wants_retained(options: &SubscriptionOptions, is_new: bool) -> bool {
    match options.retain_handling() {
        Some(RetainHandling::AtSubscribe) | None => true,
        Some(RetainHandling::AtSubscribeNew) => is_new,
        Some(RetainHandling::NoAtSubscribe) => false,
    }
}
