//! The library's hooks, one by one: whom each is told, and what is answered.
//!
//! The library calls this inside the tasks of its sessions. What the hooks mean is known to [`super::hooks`],
//! [`super::admission`], [`super::subscribers`] and [`super::backlog`].

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rmqtt::hook::{Handler, HookResult, Parameter, ReturnType};
use rmqtt::types::SubscribeAclResult;
use rollcall_model::ActivityEvent;

use super::hooks::{Hooks, open};

pub struct HookHandler(pub Arc<Hooks>);

// The trait elides the lifetime of `Parameter`; naming it here would make another signature of it.
#[allow(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl Handler for HookHandler {
    async fn hook(&self, parameter: &Parameter, acc: Option<HookResult>) -> ReturnType {
        let hooks = &self.0;
        let answer = match parameter {
            Parameter::ClientConnect(connect) => {
                hooks.connecting(connect);
                None
            }
            Parameter::ClientAuthenticate(connect) => {
                Some(HookResult::AuthResult(hooks.authenticate(connect).await))
            }
            Parameter::ClientConnected(session) => {
                hooks.connected(session).await;
                // Only a session that was there before has subscriptions and anything waiting.
                if session.session_present().await.unwrap_or(false) {
                    hooks.subscribers.resumed(session).await;
                } else {
                    hooks.subscribers.forget(&session.id);
                    hooks.backlogs.forget(&session.id);
                }
                None
            }
            Parameter::ClientDisconnected(session, reason) => {
                hooks.disconnected(session, reason).await;
                hooks.subscribers.disconnected(&session.id);
                None
            }
            Parameter::SessionTerminated(session, _) => {
                hooks.subscribers.ended(&session.id);
                hooks.backlogs.forget(&session.id);
                None
            }
            Parameter::ClientSubscribeCheckAcl(session, subscribe) => {
                let refusal = hooks.refuses(session, &subscribe.topic_filter).await;
                refusal.map(SubscribeAclResult::new_failure).map(HookResult::SubscribeAclResult)
            }
            Parameter::MessagePublishCheckAcl(session, publish) => {
                Some(HookResult::PublishAclResult(hooks.publishes(session, publish).await))
            }
            Parameter::MessageDelivered(session, _, message) => {
                if let Some(open) = open(session).await {
                    open.write_msg.fetch_add(1, Ordering::Relaxed);
                }
                hooks.subscribers.done(&session.id, message, true);
                hooks.backlogs.done(&session.id, message);
                None
            }
            // The library asks whether the message has expired, and drops it if it has.
            Parameter::MessageExpiryCheck(session, _, message) => {
                let is_too_large = open(session).await.is_some_and(|open| open.is_too_large(message));
                is_too_large.then_some(HookResult::MessageExpiry)
            }
            Parameter::MessageDropped(Some(to), _, message, _) => {
                // What is too large for the client is not owed: it would be too large again.
                let is_too_large = hooks.members.get(to).is_some_and(|open| open.is_too_large(message));
                hooks.subscribers.done(to, message, is_too_large);
                hooks.backlogs.done(to, message);
                None
            }
            Parameter::SessionSubscribed(session, subscribe) => {
                hooks.active(session, ActivityEvent::Subscribe).await;
                hooks.subscribers.subscribed(session, subscribe).await;
                None
            }
            Parameter::SessionUnsubscribed(session, unsubscribe) => {
                hooks.active(session, ActivityEvent::Unsubscribe).await;
                hooks.subscribers.unsubscribed(&session.id, &unsubscribe.topic_filter);
                None
            }
            Parameter::ClientKeepalive(session, is_ping) => {
                if *is_ping {
                    hooks.active(session, ActivityEvent::Ping).await;
                }
                None
            }
            _ => None,
        };
        match answer {
            Some(answer) => (false, Some(answer)),
            None => (true, acc),
        }
    }
}
