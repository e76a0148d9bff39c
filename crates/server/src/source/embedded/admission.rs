//! Who is let in, and who may watch the fleet.
//!
//! The hooks call this inside the tasks of the sessions. It asks the credentials, which may take a while, and
//! reports and logs whom it refuses; the log never holds a secret.

use std::sync::Arc;

use rmqtt::session::Session;
use rmqtt::types::{AuthResult, ConnectInfo, Id, LastWill};

use super::hooks::{Attempt, Hooks, Stage, open};
use super::topics;
use crate::access::shown;
use crate::identity::{Login, Refusal};

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
            log(id, "it came to the internal listener, and not over a bridge");
            return AuthResult::NotAuthorized;
        }
        if let Some(topic) = will_topic(connect).filter(|topic| topics::is_reserved(topic)) {
            self.attempts.remove(id);
            log(id, "the topic of its will message is reserved");
            let text = format!("The topic of the will message is reserved for the server: {topic}");
            self.refused(id, attempt.time, attempt.peer, 0x87, &text);
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
            log(id, "a dashboard without a session");
            return AuthResult::NotAuthorized;
        };
        self.accept(id, caller.holder);
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
            Ok(holder) => {
                self.accept(id, holder);
                AuthResult::Allow(false, None)
            }
            Err(refusal) => {
                self.attempts.remove(id);
                let reason = refusal.to_string();
                log(id, &reason);
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

    /// Whether the client may subscribe to the filter. Who could match a monitor topic watches the fleet.
    pub async fn may_subscribe(&self, session: &Session, filter: &str) -> bool {
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
            log(&session.id, "it may not subscribe to monitor topics");
        }
        may_watch
    }
}

fn log(id: &Id, reason: &str) {
    let client: String = id.client_id.chars().take(ID_CHARS_MAX).collect();
    let address = shown(id.remote_addr.map(|address| address.ip()));
    tracing::warn!(?client, address, reason, "refused an MQTT client");
}

fn will_topic(connect: &ConnectInfo) -> Option<String> {
    connect.last_will().map(|will| match will {
        LastWill::V3(will) => will.topic.to_string(),
        LastWill::V5(will) => will.topic.to_string(),
    })
}
