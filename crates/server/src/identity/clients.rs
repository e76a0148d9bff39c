//! Who may connect over MQTT as which client.
//!
//! An application presents an API key and its token, every other client `use-token-auth` and the token that it
//! was registered with. While no client is registered, a broker that only this machine can reach takes everybody
//! but applications, so that a first try needs no preparation.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError};

use super::throttle::Subject;
use super::{Caller, Credentials, Found, Holder, Refusal, Role, TOKEN_USER, unanswered};

/// A connection that asks to be let in.
#[derive(Clone)]
pub struct Login {
    pub client_id: String,
    pub user: Option<String>,
    pub password: Option<Vec<u8>>,
    pub from: Option<IpAddr>,
    /// Whether the way it came by is open to this machine only.
    pub may_be_anonymous: bool,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// A connection that may stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    pub holder: Holder,
    /// Not with the key of a viewer, who may read everything and change nothing.
    pub may_publish: bool,
}

impl From<Holder> for Admitted {
    fn from(holder: Holder) -> Self {
        Self { holder, may_publish: true }
    }
}

impl From<Caller> for Admitted {
    fn from(caller: Caller) -> Self {
        Self { may_publish: caller.role > Role::Viewer, holder: caller.holder }
    }
}

/// What the credentials of a connection say: on what its right rests, or why it has none.
pub type Verdict = Result<Admitted, Refusal>;

/// The organisation in the id of an application: `a:{org}:…` or `A:{org}:…`, whatever follows.
pub(super) fn application_org(client_id: &str) -> Option<&str> {
    let rest = client_id.strip_prefix("a:").or_else(|| client_id.strip_prefix("A:"))?;
    rest.split_once(':').map(|(org, _)| org)
}

impl Credentials {
    /// Judges the credentials of a connection.
    ///
    /// # Errors
    /// [`Refusal`] says why not; the caller logs it.
    pub async fn authenticate_client(self: Arc<Self>, login: Login) -> Verdict {
        if let Some(verdict) = self.judge_ephemeral(&login) {
            return verdict;
        }
        match application_org(&login.client_id) {
            Some(org) => self.judge_application(org, &login).await,
            None => self.judge_device(login).await,
        }
    }

    /// Whether this is the id of a client that lives in this process.
    #[must_use]
    pub fn is_ephemeral(&self, client_id: &str) -> bool {
        self.ephemeral.read().unwrap_or_else(PoisonError::into_inner).contains_key(client_id)
    }

    /// Clients of this process guess nothing, so they are not counted when they pretend to.
    fn judge_ephemeral(&self, login: &Login) -> Option<Verdict> {
        let ephemeral = self.ephemeral.read().unwrap_or_else(PoisonError::into_inner);
        let expected = ephemeral.get(&login.client_id)?;
        let is_right = login.user.as_ref() == Some(&expected.user)
            && login.password.as_ref().is_some_and(|token| self.hasher.is_quick_hash(token, &expected.token));
        let refusal = if expected.user == TOKEN_USER { Refusal::Token } else { Refusal::Key };
        Some(if is_right { Ok(Holder::Process.into()) } else { Err(refusal) })
    }

    async fn judge_application(self: &Arc<Self>, org: &str, login: &Login) -> Verdict {
        let (Some(key), Some(token)) = (&login.user, &login.password) else {
            return Err(Refusal::Missing);
        };
        let caller = self.authenticate_key(key, token, login.from).await?;
        if caller.org == org { Ok(caller.into()) } else { Err(Refusal::Organization) }
    }

    async fn judge_device(self: &Arc<Self>, login: Login) -> Verdict {
        let from = login.from;
        match self.ask(move |this| this.find_client(login)).await? {
            Client::Anonymous => Ok(Holder::Nobody.into()),
            Client::Known(found) => self.prove(found, from, Refusal::Token).await.map(Admitted::from),
            Client::Unknown => {
                self.throttle.check(from, &Subject::AnyClient)?;
                self.throttle.failed(from, Subject::AnyClient);
                Err(Refusal::Token)
            }
        }
    }

    fn find_client(&self, login: Login) -> Result<Client, Refusal> {
        let Login { client_id, user, password, may_be_anonymous, .. } = login;
        let Some(stored_hash) = self.device_hash(&client_id).map_err(unanswered)? else {
            if may_be_anonymous && !self.has_devices().map_err(unanswered)? {
                return Ok(Client::Anonymous);
            }
            return if password.is_some() { Ok(Client::Unknown) } else { Err(Refusal::Missing) };
        };
        match password {
            Some(token) if user.as_deref() == Some(TOKEN_USER) => {
                let holder = Holder::Device(client_id.clone());
                Ok(Client::Known(self.claim(Subject::Client(client_id), stored_hash, &token, holder)))
            }
            // Nothing was guessed: the token was not even looked at.
            _ => Err(Refusal::Token),
        }
    }

    /// Whether a connection that rests on this may watch the fleet: applications may, and while nobody has
    /// credentials everybody may, so that a first try with `mosquitto_sub` on this machine shows something.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn may_watch(self: &Arc<Self>, holder: Holder) -> Result<bool, Refusal> {
        match holder {
            Holder::Key(_) | Holder::Session(_) => Ok(true),
            Holder::Nobody => self.ask(|this| this.holds(&Holder::Nobody).map_err(unanswered)).await,
            Holder::Device(_) | Holder::Process => Ok(false),
        }
    }
}

enum Client {
    Known(Found<Holder>),
    Unknown,
    Anonymous,
}
