//! How much waits for each session of what clients publish, so that nobody who reads slowly can fill the memory.
//!
//! The broker's library puts what it forwards into a queue of the session that has no bound, and bounds only the one
//! behind it. [`BoundedShared`] forwards what there is room for and drops the rest. Monitor messages have their own way
//! ([`super::subscribers`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use rmqtt::Result;
use rmqtt::context::ServerContext;
use rmqtt::session::Session;
use rmqtt::shared::{DefaultShared, Entry, RetainLoadCallback, Shared};
use rmqtt::types::{
    ClientId, DashMap, ForwardedCount, ForwardedRecipients, From, Id, MsgID, NodeId, Publish, Reason,
    SessionStatus, SubRelations, SubRelationsMap, SubsSearchParams, SubsSearchResult, To, TopicFilter,
};

use super::entry::PatientEntry;
use super::{packet_size, subscriptions, topics};

/// Messages that may wait for one session.
const MESSAGES_MAX: usize = 10_000;
/// Their bytes.
const BYTES_MAX: usize = 16 << 20;
/// Bytes that may wait for all of them.
const ALL_BYTES_MAX: usize = 512 << 20;
/// What a message takes beside what its sender has put into it.
const OVERHEAD: usize = 256;

/// What waits, for each client.
#[derive(Debug, Default)]
pub struct Backlogs {
    waiting: DashMap<ClientId, Waiting>,
    bytes: AtomicUsize,
}

#[derive(Debug, Default)]
struct Waiting {
    messages: usize,
    bytes: usize,
    /// The log has been told that something was dropped; again only when nothing waits any more.
    was_told: bool,
}

fn bytes(message: &Publish) -> usize {
    packet_size::sent_bytes(message) + OVERHEAD
}

impl Backlogs {
    /// Whether there is room for a message, which counts as waiting from then on. One always has room.
    fn take(&self, client_id: &ClientId, message: &Publish) -> bool {
        let bytes = bytes(message);
        let mut waiting = self.waiting.entry(client_id.clone()).or_default();
        let has_room = waiting.messages < MESSAGES_MAX
            && waiting.bytes + bytes <= BYTES_MAX
            && self.bytes.load(Ordering::Relaxed) + bytes <= ALL_BYTES_MAX;
        if !has_room && waiting.messages > 0 {
            if !std::mem::replace(&mut waiting.was_told, true) {
                tracing::warn!(
                    client = &**client_id,
                    waiting = waiting.messages,
                    "a client reads more slowly than messages come for it: some are dropped"
                );
            }
            return false;
        }
        waiting.messages += 1;
        waiting.bytes += bytes;
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        true
    }

    /// A session has sent a message, or dropped it.
    pub fn done(&self, id: &Id, message: &Publish) {
        if topics::is_reserved(&message.topic) {
            return;
        }
        if let Some(mut waiting) = self.waiting.get_mut(&id.client_id) {
            // Retained messages are not counted when they come.
            let bytes = bytes(message).min(waiting.bytes);
            waiting.messages = waiting.messages.saturating_sub(1);
            waiting.bytes -= bytes;
            waiting.was_told &= waiting.messages > 0;
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// Nothing waits for a session any more.
    pub fn forget(&self, id: &Id) {
        if let Some((_, waiting)) = self.waiting.remove(&id.client_id) {
            self.bytes.fetch_sub(waiting.bytes, Ordering::Relaxed);
        }
    }

    /// Forgets the clients whose session is gone without a word.
    pub async fn forget_gone(&self, context: &ServerContext) {
        let shared = context.extends.shared().await;
        self.waiting.retain(|client_id, waiting| {
            let is_there = shared.exist(client_id);
            if !is_there {
                self.bytes.fetch_sub(waiting.bytes, Ordering::Relaxed);
            }
            is_there
        });
    }
}

/// The library's own table of sessions, but for what is forwarded and for the patience with which one is opened.
pub struct BoundedShared {
    inner: DefaultShared,
    context: ServerContext,
    backlogs: Arc<Backlogs>,
}

impl BoundedShared {
    pub fn new(context: &ServerContext, backlogs: Arc<Backlogs>) -> Self {
        Self { inner: DefaultShared::new(Some(context.clone())), context: context.clone(), backlogs }
    }
}

type Failed = Vec<(To, From, Publish, Reason)>;

#[async_trait]
impl Shared for BoundedShared {
    async fn forwards(
        &self,
        id: Option<MsgID>,
        from: From,
        publish: Publish,
    ) -> std::result::Result<ForwardedCount, (ForwardedCount, Failed)> {
        let relations = subscriptions(&self.context, from.id.clone(), &publish.topic).await;
        match self.forwards_to(from, &publish, relations, id).await {
            Ok(reached) => Ok(reached.len()),
            Err((reached, failed)) => Err((reached.len(), failed)),
        }
    }

    async fn forwards_and_get_shareds(
        &self,
        from: From,
        publish: Publish,
    ) -> std::result::Result<(SubRelationsMap, ForwardedRecipients), (ForwardedRecipients, Failed)> {
        self.inner.forwards_and_get_shareds(from, publish).await
    }

    async fn forwards_to(
        &self,
        from: From,
        publish: &Publish,
        mut relations: SubRelations,
        id: Option<MsgID>,
    ) -> std::result::Result<ForwardedRecipients, (ForwardedRecipients, Failed)> {
        relations.retain(|(_, client_id, ..)| self.backlogs.take(client_id, publish));
        self.inner.forwards_to(from, publish, relations, id).await
    }

    fn entry(&self, id: Id) -> Box<dyn Entry> {
        Box::new(PatientEntry(self.inner.entry(id)))
    }

    fn exist(&self, client_id: &str) -> bool {
        self.inner.exist(client_id)
    }

    fn iter(&self) -> Box<dyn Iterator<Item = Box<dyn Entry>> + Sync + Send + '_> {
        self.inner.iter()
    }

    fn random_session(&self) -> Option<Session> {
        self.inner.random_session()
    }

    async fn session_status(&self, client_id: &str) -> Option<SessionStatus> {
        self.inner.session_status(client_id).await
    }

    async fn client_states_count(&self) -> usize {
        self.inner.client_states_count().await
    }

    fn sessions_count(&self) -> usize {
        self.inner.sessions_count()
    }

    async fn query_subscriptions(&self, query: &SubsSearchParams) -> Vec<SubsSearchResult> {
        self.inner.query_subscriptions(query).await
    }

    async fn subscriptions_count(&self) -> usize {
        self.inner.subscriptions_count().await
    }

    async fn retain_load_with(
        &self,
        topic_filter: &TopicFilter,
        callback: Arc<dyn RetainLoadCallback>,
    ) -> Result<Vec<(NodeId, MsgID)>> {
        self.inner.retain_load_with(topic_filter, callback).await
    }
}

#[cfg(test)]
mod tests {
    use rmqtt::codec::v5::PublishProperties;
    use rmqtt::types::{CodecPublish, QoS};

    use super::*;

    /// Only topic and payload counted, and a megabyte of user properties waited for nothing.
    #[test]
    fn properties_take_room_too() {
        let backlogs = Backlogs::default();
        let user_properties = vec![("name".into(), "x".repeat(60_000).into()); 17];
        let message = Publish::from(CodecPublish {
            dup: false,
            retain: false,
            qos: QoS::AtMostOnce,
            topic: "plant/1".into(),
            packet_id: None,
            payload: "x".into(),
            properties: Some(PublishProperties { user_properties, ..PublishProperties::default() }),
        });
        let client = ClientId::from("slow");
        let fits = (0..100).take_while(|_| backlogs.take(&client, &message)).count();
        assert_eq!(fits, BYTES_MAX / bytes(&message));
        assert!(fits < 20);
        let id = Id::from(1, client);
        (0..fits).for_each(|_| backlogs.done(&id, &message));
        assert_eq!(backlogs.bytes.load(Ordering::Relaxed), 0);
    }
}
