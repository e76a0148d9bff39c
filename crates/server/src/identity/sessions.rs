//! Browser sessions: a random secret in a cookie, kept hashed, so that a restart of the server signs nobody out.

use std::sync::Arc;

use rollcall_model::Timestamp;
use rusqlite::OptionalExtension;

use super::hashing::{new_secret, secret_hash};
use super::{Caller, Credentials, Holder, IdentityError, Refusal, Role, SessionId, unanswered};

/// A session that is not used for so long is over.
pub const IDLE_EXPIRY_MS: i64 = 12 * 3_600_000;
/// No session lasts longer.
pub const ABSOLUTE_EXPIRY_MS: i64 = 7 * 24 * 3_600_000;
/// How exactly the last use is known: not every request is worth a write.
const USE_STEP_MS: i64 = 60_000;
/// The oldest make room. Only who has credentials can open one.
const SESSIONS_MAX: i64 = 10_000;

/// A new session and its secret, for the cookie.
#[derive(Clone)]
pub struct NewSession {
    pub secret: String,
    pub caller: Caller,
}

impl std::fmt::Debug for NewSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewSession").field("caller", &self.caller).finish_non_exhaustive()
    }
}

/// A session as it is stored.
#[derive(Clone)]
pub(super) struct Row {
    role: String,
    org: String,
    key: Option<String>,
    name: Option<String>,
    created_ms: i64,
    used_ms: i64,
}

impl Row {
    fn expires_ms(&self) -> i64 {
        (self.used_ms + IDLE_EXPIRY_MS).min(self.created_ms + ABSOLUTE_EXPIRY_MS)
    }
}

impl Credentials {
    /// Opens a session for who has just shown an API key, with its role for as long as the key exists.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn open_session(self: &Arc<Self>, caller: Caller) -> Result<NewSession, Refusal> {
        self.ask(move |this| this.insert_session(caller).map_err(unanswered)).await
    }

    /// Opens a session for an administrator who came by a one-time link.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn open_link_session(self: &Arc<Self>, org: &str) -> Result<NewSession, Refusal> {
        let holder = Holder::Nobody;
        let org = org.to_owned();
        self.open_session(Caller { role: Role::Admin, key: None, name: None, org, holder, expires: None })
            .await
    }

    fn insert_session(&self, caller: Caller) -> Result<NewSession, IdentityError> {
        let (secret, id) = new_secret();
        let now_ms = self.now_ms();
        let store = self.store.lock();
        let removed = store.execute(
            "DELETE FROM sessions WHERE used_ms <= ?1 OR created_ms <= ?2
                OR hash IN (SELECT hash FROM sessions ORDER BY used_ms DESC LIMIT -1 OFFSET ?3)",
            (now_ms - IDLE_EXPIRY_MS, now_ms - ABSOLUTE_EXPIRY_MS, SESSIONS_MAX),
        )?;
        store.execute(
            "INSERT INTO sessions (hash, key, role, org, created_ms, used_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
            (id, &caller.key, caller.role.as_str(), &caller.org, now_ms),
        )?;
        drop(store);
        if removed > 0 {
            self.note_revocation();
        }
        let expires = Some(Timestamp::from_millis(now_ms + IDLE_EXPIRY_MS));
        let caller = Caller { holder: Holder::Session(id), expires, ..caller };
        Ok(NewSession { secret, caller })
    }

    /// Who has this secret in their cookie; `None` when the session is over or never was. Counts as a use.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn authenticate_session(self: &Arc<Self>, secret: &str) -> Result<Option<Caller>, Refusal> {
        let id = secret_hash(secret);
        let is_fresh =
            |row: &Row| self.now_ms() - row.used_ms < USE_STEP_MS && row.expires_ms() > self.now_ms();
        if let Some(row) = self.remembered_session(&id).filter(is_fresh) {
            return self.caller_of(id, row).map_err(unanswered);
        }
        self.ask(move |this| this.use_session(id).map_err(unanswered)).await
    }

    fn use_session(&self, id: SessionId) -> Result<Option<Caller>, IdentityError> {
        let changes = self.changes()?;
        let Some(mut row) = self.session(&id)? else {
            return Ok(None);
        };
        let now_ms = self.now_ms();
        if now_ms - row.used_ms >= USE_STEP_MS {
            row.used_ms = now_ms;
            self.store.lock().execute("UPDATE sessions SET used_ms = ?2 WHERE hash = ?1", (id, now_ms))?;
        }
        self.remember_session(changes, id, row.clone());
        self.caller_of(id, row)
    }

    fn caller_of(&self, id: SessionId, row: Row) -> Result<Option<Caller>, IdentityError> {
        if self.org.get().is_some_and(|org| *org != row.org) {
            return Ok(None);
        }
        let expires = Some(Timestamp::from_millis(row.expires_ms()));
        let role = Role::parse(&row.role)?;
        Ok(Some(Caller {
            role,
            key: row.key,
            name: row.name,
            org: row.org,
            holder: Holder::Session(id),
            expires,
        }))
    }

    /// The session, unless it is over or its key was revoked. Its role is that of its key.
    pub(super) fn session(&self, id: &SessionId) -> Result<Option<Row>, rusqlite::Error> {
        let now_ms = self.now_ms();
        self.store.lock()
            .prepare_cached(
                "SELECT coalesce(keys.role, sessions.role), sessions.org, keys.name, created_ms, used_ms, sessions.key
                 FROM sessions LEFT JOIN keys ON keys.key = sessions.key
                 WHERE hash = ?1 AND used_ms > ?2 AND created_ms > ?3
                    AND (sessions.key IS NULL OR keys.key IS NOT NULL)",
            )?
            .query_row((id, now_ms - IDLE_EXPIRY_MS, now_ms - ABSOLUTE_EXPIRY_MS), |row| {
                Ok(Row {
                    role: row.get(0)?,
                    org: row.get(1)?,
                    name: row.get(2)?,
                    created_ms: row.get(3)?,
                    used_ms: row.get(4)?,
                    key: row.get(5)?,
                })
            })
            .optional()
    }

    /// Ends a session; its MQTT connections end, too.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn close_session(self: &Arc<Self>, id: SessionId) -> Result<(), Refusal> {
        self.ask(move |this| {
            this.store.lock().execute("DELETE FROM sessions WHERE hash = ?1", [id]).map_err(unanswered)?;
            this.note_revocation();
            Ok(())
        })
        .await
    }
}
