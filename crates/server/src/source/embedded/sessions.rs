//! Sessions that end their connection when the client says so.
//!
//! After DISCONNECT the broker's library waits for the client to close the socket; until then, with keep-alive 0
//! for ever, nobody would hear that the client has gone. The server must close it (MQTT 5, section 3.14.4). The
//! session is told of the DISCONNECT first of all, and an error from there makes the library close at once.
//! The library also forgets that a client may ask for its will message with its DISCONNECT, and it closes before it sends
//! its own, so the bridge is told why. Everything else is the library's own session.

use std::sync::Arc;

use async_trait::async_trait;
use rmqtt::Result;
use rmqtt::codec::v5::DisconnectReasonCode;
use rmqtt::context::ServerContext;
use rmqtt::session::{DefaultSessionManager, SessionLike, SessionManager, SessionState};
use rmqtt::types::{
    ConnectInfo, ConnectInfoType, Disconnect, DisconnectInfo, FitterType, From, Id, IsPing, ListenerConfig,
    MessageQueueType, OutInflightType, Password, Publish, Reason, SessionSubs, SubscriptionOptions,
    Subscriptions, TimestampMillis, TopicFilter, UserName,
};

use super::hooks::Hooks;

pub struct PromptSessions(pub Arc<Hooks>);

/// Follows the client's DISCONNECT in the list of reasons; only the first of them counts.
#[derive(Debug, thiserror::Error)]
#[error("closing after DISCONNECT")]
struct Disconnected;

#[async_trait]
impl SessionManager for PromptSessions {
    async fn create(
        &self,
        id: Id,
        context: ServerContext,
        listener: ListenerConfig,
        fitter: FitterType,
        subscriptions: SessionSubs,
        deliver_queue: MessageQueueType,
        out_inflight: OutInflightType,
        connect: ConnectInfoType,
        created_at: TimestampMillis,
        connected_at: TimestampMillis,
        session_present: bool,
        superuser: bool,
        connected: bool,
        disconnect_info: Option<DisconnectInfo>,
        last_id: Option<Id>,
    ) -> Result<Arc<dyn SessionLike>> {
        let session = DefaultSessionManager
            .create(
                id,
                context,
                listener,
                fitter,
                subscriptions,
                deliver_queue,
                out_inflight,
                connect,
                created_at,
                connected_at,
                session_present,
                superuser,
                connected,
                disconnect_info,
                last_id,
            )
            .await?;
        Ok(Arc::new(PromptSession { inner: session, hooks: Arc::clone(&self.0) }))
    }
}

struct PromptSession {
    inner: Arc<dyn SessionLike>,
    hooks: Arc<Hooks>,
}

impl PromptSession {
    /// MQTT 5, section 3.14.2.1, reason code 0x04. A will delay is not observed: the client is not lost, it asks.
    async fn publish_will(&self) -> Result<()> {
        let connect = self.inner.connect_info().await?;
        if let Some(will) = connect.last_will() {
            let message = Publish::try_from(will)?;
            let from = From::from_lastwill(self.inner.id().clone());
            SessionState::forwards(self.inner.context(), from, message, false, None).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl SessionLike for PromptSession {
    async fn disconnected_set(&self, disconnect: Option<Disconnect>, reason: Option<Reason>) -> Result<()> {
        let Some(disconnect) = disconnect else {
            return self.inner.disconnected_set(None, reason).await;
        };
        let wants_will = disconnect.reason_code() == Some(DisconnectReasonCode::DisconnectWithWillMessage);
        self.inner.disconnected_set(Some(disconnect), reason).await?;
        if wants_will {
            self.publish_will().await?;
        }
        Err(Disconnected.into())
    }

    fn id(&self) -> &Id {
        self.inner.id()
    }

    fn context(&self) -> &ServerContext {
        self.inner.context()
    }

    fn listen_cfg(&self) -> &ListenerConfig {
        self.inner.listen_cfg()
    }

    fn deliver_queue(&self) -> &MessageQueueType {
        self.inner.deliver_queue()
    }

    fn out_inflight(&self) -> &OutInflightType {
        self.inner.out_inflight()
    }

    async fn subscriptions(&self) -> Result<SessionSubs> {
        self.inner.subscriptions().await
    }

    async fn subscriptions_add(
        &self,
        topic_filter: TopicFilter,
        options: SubscriptionOptions,
    ) -> Result<Option<SubscriptionOptions>> {
        self.inner.subscriptions_add(topic_filter, options).await
    }

    async fn subscriptions_remove(
        &self,
        topic_filter: &str,
    ) -> Result<Option<(TopicFilter, SubscriptionOptions)>> {
        self.inner.subscriptions_remove(topic_filter).await
    }

    async fn subscriptions_drain(&self) -> Result<Subscriptions> {
        self.inner.subscriptions_drain().await
    }

    async fn subscriptions_extend(&self, other: Subscriptions) -> Result<()> {
        self.inner.subscriptions_extend(other).await
    }

    async fn created_at(&self) -> Result<TimestampMillis> {
        self.inner.created_at().await
    }

    async fn session_present(&self) -> Result<bool> {
        self.inner.session_present().await
    }

    async fn connect_info(&self) -> Result<Arc<ConnectInfo>> {
        self.inner.connect_info().await
    }

    fn username(&self) -> Option<&UserName> {
        self.inner.username()
    }

    fn password(&self) -> Option<&Password> {
        self.inner.password()
    }

    async fn protocol(&self) -> Result<u8> {
        self.inner.protocol().await
    }

    async fn superuser(&self) -> Result<bool> {
        self.inner.superuser().await
    }

    async fn connected(&self) -> Result<bool> {
        self.inner.connected().await
    }

    async fn connected_at(&self) -> Result<TimestampMillis> {
        self.inner.connected_at().await
    }

    async fn disconnected_at(&self) -> Result<TimestampMillis> {
        self.inner.disconnected_at().await
    }

    async fn disconnected_reasons(&self) -> Result<Vec<Reason>> {
        self.inner.disconnected_reasons().await
    }

    async fn disconnected_reason(&self) -> Result<Reason> {
        self.inner.disconnected_reason().await
    }

    async fn disconnected_reason_has(&self) -> bool {
        self.inner.disconnected_reason_has().await
    }

    async fn disconnected_reason_add(&self, reason: Reason) -> Result<()> {
        // Only the first reason counts, and one is there when the client has said goodbye.
        if !self.inner.disconnected_reason_has().await {
            self.hooks.say_why(self.inner.id(), &reason);
        }
        self.inner.disconnected_reason_add(reason).await
    }

    async fn disconnected_reason_take(&self) -> Result<Reason> {
        self.inner.disconnected_reason_take().await
    }

    async fn disconnect(&self) -> Result<Option<Disconnect>> {
        self.inner.disconnect().await
    }

    async fn on_drop(&self) -> Result<()> {
        self.inner.on_drop().await
    }

    async fn keepalive(&self, is_ping: IsPing) {
        self.inner.keepalive(is_ping).await;
    }
}
