//! One-time links that sign a browser in: the server prints one when it starts, `rollcall keys link` makes more.
//!
//! The code stands in the fragment of the address, which no browser sends to a server and no server logs. Who can
//! print such a link can read the data folder, so that it signs in an administrator.

use std::net::IpAddr;
use std::sync::Arc;

use rollcall_model::Timestamp;

use super::hashing::{new_secret, secret_hash};
use super::throttle::Subject;
use super::{Credentials, IdentityError, Refusal, unanswered};

pub const LINK_LIFETIME_MS: i64 = 15 * 60_000;

/// What makes a link, once.
#[derive(Clone, PartialEq, Eq)]
pub struct SignInLink {
    pub code: String,
    pub expires: Timestamp,
}

impl SignInLink {
    /// The address to open; `url` is the dashboard's, with its slash at the end.
    #[must_use]
    pub fn url(&self, url: &str) -> String {
        format!("{url}#code={}", self.code)
    }
}

impl std::fmt::Debug for SignInLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignInLink").field("expires", &self.expires).finish_non_exhaustive()
    }
}

impl Credentials {
    /// Makes a link that works once, for a quarter of an hour.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn make_link(&self) -> Result<SignInLink, IdentityError> {
        let (code, hash) = new_secret();
        let now_ms = self.now_ms();
        let expires_ms = now_ms + LINK_LIFETIME_MS;
        let store = self.store.lock();
        store.execute("DELETE FROM links WHERE expires_ms <= ?1", [now_ms])?;
        store.execute("INSERT INTO links (hash, expires_ms) VALUES (?1, ?2)", (hash, expires_ms))?;
        Ok(SignInLink { code, expires: Timestamp::from_millis(expires_ms) })
    }

    /// Uses a link up.
    ///
    /// # Errors
    /// When there is none of that code, or not any more.
    pub async fn use_link(self: &Arc<Self>, code: &str, from: Option<IpAddr>) -> Result<(), Refusal> {
        self.throttle.check(from, &Subject::Link)?;
        let hash = secret_hash(code);
        let used = self
            .ask(move |this| {
                // One statement, so that two who come with the same code cannot both find it.
                this.store
                    .lock()
                    .execute("DELETE FROM links WHERE hash = ?1 AND expires_ms > ?2", (hash, this.now_ms()))
                    .map_err(unanswered)
            })
            .await?;
        if used == 0 {
            self.throttle.failed(from, Subject::Link);
            return Err(Refusal::Link);
        }
        Ok(())
    }
}
