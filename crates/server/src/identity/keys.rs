//! API keys: for programs, for applications on MQTT, and for people at the sign-in page.

use std::net::IpAddr;
use std::sync::Arc;

use rand::Rng as _;
use rollcall_model::Timestamp;
use rusqlite::OptionalExtension;

use super::throttle::Subject;
use super::{Caller, Claim, Credentials, Found, Holder, IdentityError, Refusal, hashing, unanswered};

/// What somebody may do; each role includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May read everything.
    Viewer,
    /// May act on clients.
    Operator,
    /// May do everything.
    Admin,
}

impl Role {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, IdentityError> {
        [Self::Viewer, Self::Operator, Self::Admin]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| IdentityError::NotARole(text.to_owned()))
    }
}

/// A key as [`Credentials::list_keys`] tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub key: String,
    pub role: Role,
    pub org: String,
    pub name: Option<String>,
    pub added: Timestamp,
}

/// A new key and its token, which nobody can read again.
#[derive(Clone, PartialEq, Eq)]
pub struct NewKey {
    pub key: String,
    pub token: String,
}

impl std::fmt::Debug for NewKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewKey").field("key", &self.key).finish_non_exhaustive()
    }
}

/// A key as it is stored.
#[derive(Clone)]
pub(super) struct KeyRow {
    stored_hash: String,
    role: String,
    org: String,
    name: Option<String>,
}

impl KeyRow {
    fn caller(&self, key: &str) -> Result<Caller, IdentityError> {
        Ok(Caller {
            role: Role::parse(&self.role)?,
            key: Some(key.to_owned()),
            name: self.name.clone(),
            org: self.org.clone(),
            holder: Holder::Key(key.to_owned()),
            expires: None,
        })
    }
}

/// The letters and digits after `a-{org}-`.
const RANDOM_CHARS: usize = 10;

impl Credentials {
    /// Makes a key. Its token is in the answer and nowhere else.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn add_key(&self, org: &str, role: Role, name: Option<&str>) -> Result<NewKey, IdentityError> {
        let mut rng = rand::rng();
        let random: String = (0..RANDOM_CHARS)
            .map(|_| char::from_digit(rng.random_range(0..36), 36).unwrap_or_default())
            .collect();
        let key = format!("a-{org}-{random}");
        let (token, hash) = hashing::new_token()?;
        self.store.lock().execute(
            "INSERT INTO keys (key, token_hash, role, org, name, added_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (&key, &hash, role.as_str(), org, name, self.now_ms()),
        )?;
        Ok(NewKey { key, token })
    }

    /// Forgets a key and the browser sessions that it opened. `false` when there was none. The server ends the
    /// connections that rest on it.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn revoke_key(&self, key: &str) -> Result<bool, IdentityError> {
        let mut store = self.store.lock();
        let change = store.transaction()?;
        change.execute("DELETE FROM sessions WHERE key = ?1", [key])?;
        let revoked = change.execute("DELETE FROM keys WHERE key = ?1", [key])?;
        change.commit()?;
        drop(store);
        self.note_revocation();
        Ok(revoked > 0)
    }

    /// The keys, oldest first.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn list_keys(&self) -> Result<Vec<Key>, IdentityError> {
        let store = self.store.lock();
        let mut query =
            store.prepare_cached("SELECT key, role, org, name, added_ms FROM keys ORDER BY added_ms, key")?;
        let rows = query.query_map([], |row| {
            Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        })?;
        rows.map(|row| {
            let (key, role, org, name, added_ms) = row?;
            let added = Timestamp::from_millis(added_ms);
            Ok(Key { key, role: Role::parse(&role)?, org, name, added })
        })
        .collect()
    }

    /// Judges key and token of a request or a connection from this address.
    ///
    /// # Errors
    /// [`Refusal`] says why not; the caller logs it.
    pub async fn authenticate_key(
        self: &Arc<Self>,
        key: &str,
        token: &[u8],
        from: Option<IpAddr>,
    ) -> Result<Caller, Refusal> {
        if let Some(caller) = self.recognised(key, token) {
            return self.of_this_org(caller);
        }
        let (key, presented) = (key.to_owned(), token.to_vec());
        let found = self.ask(move |this| this.find_key(key, &presented)).await?;
        let Some(found) = found else {
            // As slow as a wrong token for a key that there is, so that the time does not tell which there are.
            let claim = Claim {
                subject: Subject::AnyKey,
                stored_hash: hashing::NOBODYS_HASH.to_owned(),
                token: token.to_vec(),
            };
            return self.prove(Found::Claimed((), claim), from, Refusal::Key).await.and(Err(Refusal::Key));
        };
        let caller = self.prove(found, from, Refusal::Key).await?;
        self.of_this_org(caller)
    }

    /// Only who has the token learns whose key it is.
    fn of_this_org(&self, caller: Caller) -> Result<Caller, Refusal> {
        match self.org.get() {
            Some(org) if *org != caller.org => Err(Refusal::Organization),
            _ => Ok(caller),
        }
    }

    /// Who has this key and token, if both were seen before and nothing has changed since.
    fn recognised(&self, key: &str, token: &[u8]) -> Option<Caller> {
        let row = self.remembered_key(key)?;
        let caller = row.caller(key).ok()?;
        match self.claim(Subject::Key(key.to_owned()), row.stored_hash, token, caller) {
            Found::Proven(caller) => Some(caller),
            Found::Claimed(..) => None,
        }
    }

    fn find_key(&self, key: String, token: &[u8]) -> Result<Option<Found<Caller>>, Refusal> {
        let changes = self.changes().map_err(unanswered)?;
        let row = self
            .store
            .lock()
            .prepare_cached("SELECT token_hash, role, org, name FROM keys WHERE key = ?1")
            .and_then(|mut query| {
                query
                    .query_row([&key], |row| {
                        let (stored_hash, role) = (row.get(0)?, row.get(1)?);
                        Ok(KeyRow { stored_hash, role, org: row.get(2)?, name: row.get(3)? })
                    })
                    .optional()
            })
            .map_err(unanswered)?;
        let Some(row) = row else {
            return Ok(None);
        };
        let caller = row.caller(&key).map_err(unanswered)?;
        self.remember_key(changes, key.clone(), row.clone());
        Ok(Some(self.claim(Subject::Key(key), row.stored_hash, token, caller)))
    }

    pub(super) fn has_key(&self, key: &str) -> Result<bool, rusqlite::Error> {
        self.store
            .lock()
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM keys WHERE key = ?1)")?
            .query_row([key], |row| row.get(0))
    }
}
