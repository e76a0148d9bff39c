//! Opening a session while another one with the same client id begins or ends.
//!
//! The broker's library opens a session under a lock for its client id, and first ends the session before. It does not
//! wait: where another handshake has the lock, or the session before is just ending by itself and no longer answers, it
//! refuses the client as if the server were not available. Both are over within milliseconds, and a device that comes
//! back at once meets them. [`PatientEntry`] tries again instead. Everything else is the library's own entry.

use std::time::Duration;

use async_trait::async_trait;
use rmqtt::Result;
use rmqtt::session::Session;
use rmqtt::shared::Entry;
use rmqtt::types::{
    From, Id, IsAdmin, OfflineSession, Publish, Reason, SubsSearchResult, Subscribe, SubscribeReturn, Tx,
    Unsubscribe,
};
use tokio::time::Instant;

/// A little longer than the library waits for a session that does not let go.
const PATIENCE: Duration = Duration::from_secs(6);
const PAUSE_MIN: Duration = Duration::from_millis(2);
const PAUSE_MAX: Duration = Duration::from_millis(100);

pub struct PatientEntry(pub Box<dyn Entry>);

/// The pauses between attempts, until the patience is over.
struct Pauses {
    next: Duration,
    end: Instant,
}

impl Pauses {
    fn new() -> Self {
        Self { next: PAUSE_MIN, end: Instant::now() + PATIENCE }
    }

    /// `false` when there is to be no other attempt.
    async fn pause(&mut self) -> bool {
        if Instant::now() >= self.end {
            return false;
        }
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 2).min(PAUSE_MAX);
        true
    }
}

#[async_trait]
impl Entry for PatientEntry {
    async fn try_lock(&self) -> Result<Box<dyn Entry>> {
        let mut pauses = Pauses::new();
        loop {
            match self.0.try_lock().await {
                Ok(locked) => return Ok(Box::new(Self(locked))),
                Err(error) if !pauses.pause().await => return Err(error),
                Err(_) => {}
            }
        }
    }

    async fn kick(
        &mut self,
        clean_start: bool,
        clear_subscriptions: bool,
        is_admin: IsAdmin,
    ) -> Result<OfflineSession> {
        let mut pauses = Pauses::new();
        loop {
            match self.0.kick(clean_start, clear_subscriptions, is_admin).await {
                Ok(session) => return Ok(session),
                Err(error) if !pauses.pause().await => return Err(error),
                Err(_) => {}
            }
        }
    }

    fn id(&self) -> Id {
        self.0.id()
    }

    fn id_same(&self) -> Option<bool> {
        self.0.id_same()
    }

    async fn set(&mut self, session: Session, tx: Tx) -> Result<()> {
        self.0.set(session, tx).await
    }

    async fn remove(&mut self) -> Result<Option<(Session, Tx)>> {
        self.0.remove().await
    }

    async fn remove_with(&mut self, id: &Id) -> Result<Option<(Session, Tx)>> {
        self.0.remove_with(id).await
    }

    async fn online(&self) -> bool {
        self.0.online().await
    }

    async fn is_connected(&self) -> bool {
        self.0.is_connected().await
    }

    fn session(&self) -> Option<Session> {
        self.0.session()
    }

    fn exist(&self) -> bool {
        self.0.exist()
    }

    fn tx(&self) -> Option<Tx> {
        self.0.tx()
    }

    async fn subscribe(&self, subscribe: &Subscribe) -> Result<SubscribeReturn> {
        self.0.subscribe(subscribe).await
    }

    async fn unsubscribe(&self, unsubscribe: &Unsubscribe) -> Result<bool> {
        self.0.unsubscribe(unsubscribe).await
    }

    async fn publish(
        &self,
        from: From,
        message: Publish,
    ) -> std::result::Result<(), (From, Publish, Reason)> {
        self.0.publish(from, message).await
    }

    async fn subscriptions(&self) -> Option<Vec<SubsSearchResult>> {
        self.0.subscriptions().await
    }
}
