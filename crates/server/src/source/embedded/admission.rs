//! Who is let in, and who may watch the fleet.
//!
//! The hooks call this inside the tasks of the sessions. It asks the credentials, which may take a while, and
//! reports and logs whom it refuses; the log never holds a secret.

use std::sync::Arc;

use rmqtt::codec::v5::SubscribeAckReason;
use rmqtt::session::Session;
use rmqtt::types::{AuthResult, ConnectInfo, Id, LastWill};
use rollcall_model::Peer;

use super::hooks::{Attempt, Hooks, Stage, open};
use super::topics;
use crate::access::shown;
use crate::identity::{Admitted, Login, Refusal};

/// The characters of a stranger's client id that are logged; it may have 65,535 bytes.
const ID_CHARS_MAX: usize = 100;

impl Hooks {
    pub async fn authenticate(&self, connect: &ConnectInfo) -> AuthResult {
        let id = connect.id();
        let Some(attempt) = self.attempts.get_mut(id).map(|mut attempt| {
            attempt.enter(Stage::Authenticating);
            attempt.clone()
        }) else {
            return AuthResult::NotAuthorized;
        };
        if !attempt.is_genuine {
            self.attempts.remove(id);
            self.log_refusal(id, "its connection has ended already, or came to an internal port");
            return AuthResult::NotAuthorized;
        }
        if id.username.as_ref().is_some_and(|user| topics::has_null(user)) {
            self.attempts.remove(id);
            self.log_refusal(id, "its user name has U+0000");
            // The name is no text of MQTT, and of no use to whoever reads the log.
            let peer = Peer { user: None, ..attempt.peer };
            self.refused(id, attempt.time, peer, 0x81, "The user name has U+0000.");
            return AuthResult::NotAuthorized;
        }
        if let Some(topic) = will_topic(connect).filter(|topic| topics::is_reserved(topic)) {
            self.attempts.remove(id);
            self.log_refusal(id, "the topic of its will message is reserved");
            let text = format!("The topic of the will message is reserved for the server: {topic}");
            self.refused(id, attempt.time, attempt.peer, 0x87, &text);
            return AuthResult::NotAuthorized;
        }
        if let Some(problem) = will_topic(connect).and_then(|topic| topics::problem(&topic)) {
            self.attempts.remove(id);
            self.log_refusal(id, "the topic of its will message is not valid");
            self.refused(id, attempt.time, attempt.peer, 0x90, &format!("The will message: {problem}"));
            return AuthResult::NotAuthorized;
        }
        if attempt.is_observer {
            return self.admit_observer(id, attempt);
        }
        self.admit_client(connect, attempt).await
    }

    /// A dashboard: the browser has shown its session, or a program its API key, when it asked for the WebSocket.
    fn admit_observer(&self, id: &Id, attempt: Attempt) -> AuthResult {
        let Some(caller) = attempt.caller else {
            self.attempts.remove(id);
            // No event: a dashboard is no client of the fleet, not even one that was refused.
            self.log_refusal(id, "a dashboard without a session");
            return AuthResult::NotAuthorized;
        };
        self.accept(id, caller.into());
        AuthResult::Allow(false, None)
    }

    async fn admit_client(&self, connect: &ConnectInfo, attempt: Attempt) -> AuthResult {
        let id = connect.id();
        let login = Login {
            client_id: id.client_id.to_string(),
            user: id.username.as_ref().map(ToString::to_string),
            password: connect.password().map(|password| password.to_vec()),
            from: id.remote_addr.map(|address| address.ip()),
            may_be_anonymous: attempt.is_local,
        };
        match Arc::clone(&self.credentials).authenticate_client(login).await {
            Ok(Admitted { may_publish: false, .. }) if connect.last_will().is_some() => {
                self.attempts.remove(id);
                let reason =
                    "The role of the API key may not publish, and that is what a will message is for";
                self.log_refusal(id, reason);
                self.refused(id, attempt.time, attempt.peer, 0x87, reason);
                AuthResult::NotAuthorized
            }
            Ok(admitted) => {
                self.accept(id, admitted);
                AuthResult::Allow(false, None)
            }
            Err(refusal) => {
                self.attempts.remove(id);
                let reason = refusal.to_string();
                self.log_refusal(id, &reason);
                self.refused(id, attempt.time, attempt.peer, refusal.mqtt_reason_code(), &reason);
                match refusal {
                    Refusal::Token | Refusal::Key | Refusal::Link | Refusal::Missing => {
                        AuthResult::BadUsernameOrPassword
                    }
                    Refusal::Organization | Refusal::TooMany(_) | Refusal::Store => AuthResult::NotAuthorized,
                }
            }
        }
    }

    pub fn log_refusal(&self, id: &Id, reason: &str) {
        let client: String = id.client_id.chars().take(ID_CHARS_MAX).collect();
        let from = id.remote_addr.map(|address| address.ip());
        let address = shown(from);
        // The demo fleet is refused now and then on purpose, and nobody has to look after that.
        if self.credentials.is_ephemeral(&id.client_id)
            && from.is_some_and(|from| from.to_canonical().is_loopback())
        {
            tracing::debug!(?client, address, reason, "refused a client of the demo fleet");
        } else {
            tracing::warn!(?client, address, reason, "refused an MQTT client");
        }
    }

    /// Why the client cannot subscribe to the filter; `None` when it can.
    pub async fn refuses(&self, session: &Session, filter: &str) -> Option<SubscribeAckReason> {
        if topics::is_shared(filter) {
            Some(SubscribeAckReason::SharedSubscriptionNotSupported)
        } else if topics::is_too_deep(filter) || topics::has_null(filter) {
            Some(SubscribeAckReason::TopicFilterInvalid)
        } else if self.may_subscribe(session, filter).await {
            None
        } else {
            Some(SubscribeAckReason::NotAuthorized)
        }
    }

    /// Whether the client may subscribe to the filter. Who could match a monitor topic watches the fleet.
    async fn may_subscribe(&self, session: &Session, filter: &str) -> bool {
        if !topics::may_match_reserved(filter) {
            return true;
        }
        if !topics::may_subscribe(filter) {
            return false;
        }
        let Some(open) = open(session).await else {
            return false;
        };
        let answer = self.credentials.may_watch(open.holder.clone()).await;
        let may_watch = matches!(answer, Ok(true));
        if !may_watch {
            self.log_refusal(&session.id, "it may not subscribe to monitor topics");
        }
        may_watch
    }
}

fn will_topic(connect: &ConnectInfo) -> Option<String> {
    connect.last_will().map(|will| match will {
        LastWill::V3(will) => will.topic.to_string(),
        LastWill::V5(will) => will.topic.to_string(),
    })
}
