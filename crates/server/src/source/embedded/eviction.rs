//! Ends connections whose credentials were taken back: revoked keys, removed devices, ended browser sessions, and
//! those who came without credentials before the first device was registered.
//!
//! Runs beside the broker. The store tells when something may have been taken away, so that the fleet is looked
//! through only then.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rmqtt::context::ServerContext;
use rmqtt::types::{Id, Message, Reason};

use super::end::CREDENTIALS_GONE;
use super::hooks::Hooks;
use crate::identity::{Credentials, Holder, IdentityError};

const INTERVAL: Duration = Duration::from_secs(1);
/// Browser sessions also end by themselves, which no change tells of; and a client whose handshake was under way
/// when its key was revoked is found by then.
const ROUNDS_TO_REVIEW: u32 = 10;

pub async fn run(context: ServerContext, hooks: Arc<Hooks>, credentials: Arc<Credentials>) {
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut review = Review { seen: None, rounds: 0, is_unsettled: false };
    loop {
        interval.tick().await;
        let (asked, hooks) = (Arc::clone(&credentials), Arc::clone(&hooks));
        let looked = tokio::task::spawn_blocking(move || {
            let unwelcome = review.round(&asked, &hooks);
            (review, unwelcome)
        });
        let unwelcome = match looked.await {
            Ok((next, unwelcome)) => {
                review = next;
                unwelcome
            }
            Err(error) => {
                tracing::error!(%error, "connections are no longer ended when their credentials are taken back");
                return;
            }
        };
        match unwelcome {
            Ok(ids) => {
                for id in ids {
                    end(&context, id).await;
                }
            }
            // Who is in stays in: that the store does not answer takes nothing back. Nobody new gets in.
            Err(error) => tracing::error!(%error, "cannot look for credentials that were taken back"),
        }
    }
}

struct Review {
    /// The last change of the store that was acted upon.
    seen: Option<(i64, u64)>,
    rounds: u32,
    /// Something changed since the last round in which all were looked through regardless.
    is_unsettled: bool,
}

impl Review {
    fn round(&mut self, credentials: &Credentials, hooks: &Hooks) -> Result<Vec<Id>, IdentityError> {
        let changes = Some(credentials.changes()?);
        let is_changed = self.seen != changes;
        self.rounds = (self.rounds + 1) % ROUNDS_TO_REVIEW;
        let is_review = self.rounds == 0;
        if !is_changed && !is_review {
            return Ok(Vec::new());
        }
        let also_devices = is_changed || self.is_unsettled;
        let mut answers = HashMap::new();
        let mut unwelcome = Vec::new();
        for (id, holder) in hooks.holders() {
            if matches!(holder, Holder::Device(_)) && !also_devices {
                continue;
            }
            let is_welcome = match answers.get(&holder) {
                Some(answer) => *answer,
                None => {
                    let answer = credentials.holds(&holder)?;
                    answers.insert(holder, answer);
                    answer
                }
            };
            if !is_welcome {
                unwelcome.push(id);
            }
        }
        self.is_unsettled = is_changed || (self.is_unsettled && !is_review);
        self.seen = changes;
        Ok(unwelcome)
    }
}

async fn end(context: &ServerContext, id: Id) {
    let entry = context.extends.shared().await.entry(id.clone());
    if entry.id_same() != Some(true) {
        return;
    }
    if let Some(sender) = entry.tx() {
        tracing::warn!(client = ?id.client_id, reason = CREDENTIALS_GONE, "ended an MQTT connection");
        // A session that has just ended no longer listens, which is as good.
        let _ = sender.unbounded_send(Message::Closed(Reason::from(CREDENTIALS_GONE)));
    }
}
