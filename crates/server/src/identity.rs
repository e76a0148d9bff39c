//! Who may ask, and who may connect as which client: API keys, browser sessions, and the tokens of devices.
//!
//! The HTTP server asks for every request (through [`crate::access`]), the embedded broker for every connection.
//! The command line adds, lists and removes, also from a second process beside a running server: what it changes
//! in `identity.db` holds from the next question on. Tokens are kept as Argon2id hashes, the random secrets of
//! sessions and sign-in links as SHA-256 hashes; each is shown once, when it is made. When the store does not
//! answer, nobody new gets in.

mod clients;
mod devices;
mod hashing;
mod keys;
mod links;
mod remembered;
mod sessions;
mod store;
mod throttle;

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock, RwLock};

use parking_lot::Mutex;
use rollcall_model::Timestamp;
use rusqlite::Connection;

pub use clients::{Admitted, Login, Verdict};
pub use devices::{Device, NewDevice};
pub use keys::{Key, NewKey, Role};
pub use links::{LINK_LIFETIME_MS, SignInLink};
pub use sessions::{ABSOLUTE_EXPIRY_MS, IDLE_EXPIRY_MS, NewSession};

use hashing::{Hasher, QuickHash};
use remembered::Remembered;
use throttle::{Subject, Throttle};

/// The user name of a device that presents its token; source: the MQTT page of Watson IoT Platform.
pub const TOKEN_USER: &str = "use-token-auth";

/// Tells the time; tests bring their own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("cannot open the identity store {path}: {source}")]
    Open { path: PathBuf, source: rusqlite::Error },
    #[error("cannot open the identity store {path} for writing: {source}")]
    Create { path: PathBuf, source: std::io::Error },
    #[error("the identity store does not answer: {0}")]
    Store(#[from] rusqlite::Error),
    #[error("{0} is registered already: remove it first to give it a new token")]
    Registered(String),
    #[error(
        "“{0}” is no id of a device: organisation, type and device id must not be empty, and only letters, digits and - _ . are allowed (: too, in the device id)"
    )]
    NotADevice(String),
    #[error("“{0}” is the id of an application, which presents an API key: rollcall keys add")]
    Application(String),
    #[error("a client id must not be empty")]
    NoClientId,
    #[error("“{0}” is no role; the roles are viewer, operator and admin")]
    NotARole(String),
    #[error("the token could not be hashed: {0}")]
    Hash(String),
}

/// Why somebody is not let in. The texts go into the connection log and never name a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Watson's words.
    #[error("Device/gateway token is invalid")]
    Token,
    #[error("API key or token is invalid")]
    Key,
    #[error("The sign-in link was used already or is too old")]
    Link,
    #[error("No credentials were presented")]
    Missing,
    #[error("The API key belongs to another organization")]
    Organization,
    /// With the seconds to wait.
    #[error("Too many failed attempts; the next one is possible in {0} s")]
    TooMany(u64),
    #[error("The identity store does not answer")]
    Store,
}

impl Refusal {
    /// The code of the CONNACK.
    #[must_use]
    pub const fn mqtt_reason_code(self) -> u8 {
        match self {
            Self::Token | Self::Key | Self::Link | Self::Missing => 0x86,
            // The library has no way to send a better one for the last two.
            Self::Organization | Self::TooMany(_) | Self::Store => 0x87,
        }
    }
}

/// What somebody's right to be here rests on. When it is gone, so is the right.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Holder {
    /// No device is registered.
    Nobody,
    /// The registration of this client id.
    Device(String),
    /// An API key.
    Key(String),
    /// A browser session, by the hash of its secret.
    Session(SessionId),
    /// A client that lives in this process.
    Process,
}

/// The hash of a session's secret: names the session without giving it away.
pub type SessionId = [u8; 32];

/// Somebody who has proved who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub role: Role,
    /// The API key that it is, or that opened the session; none for a session of a sign-in link.
    pub key: Option<String>,
    /// The name of the API key, where it has one.
    pub name: Option<String>,
    pub org: String,
    pub holder: Holder,
    /// When a browser session ends if it is not used until then.
    pub expires: Option<Timestamp>,
}

pub struct Credentials {
    store: Mutex<Connection>,
    ephemeral: RwLock<HashMap<String, Ephemeral>>,
    hasher: Hasher,
    throttle: Throttle,
    clock: Clock,
    /// The organisation that this server serves; keys of others are not honoured.
    org: OnceLock<String>,
    /// Counts what this process takes away.
    revocations: AtomicU64,
    remembered: Remembered,
}

/// The credentials of a client that lives in this process.
struct Ephemeral {
    user: String,
    token: QuickHash,
}

impl Credentials {
    /// Opens `identity.db` in a directory that exists, creating the file where there is none.
    ///
    /// # Errors
    /// When the file cannot be created or is no identity store.
    pub fn open(directory: &Path) -> Result<Self, IdentityError> {
        Ok(Self::with(store::open(directory)?, Arc::new(crate::clock::now)))
    }

    /// Credentials that are gone with the process.
    ///
    /// # Errors
    /// When SQLite cannot allocate.
    pub fn in_memory() -> Result<Self, IdentityError> {
        Self::in_memory_at(Arc::new(crate::clock::now))
    }

    /// Credentials that are gone with the process, for which it is as late as this clock says.
    ///
    /// # Errors
    /// When SQLite cannot allocate.
    pub fn in_memory_at(clock: Clock) -> Result<Self, IdentityError> {
        Ok(Self::with(store::in_memory()?, clock))
    }

    fn with(store: Connection, clock: Clock) -> Self {
        Self {
            store: Mutex::new(store),
            ephemeral: RwLock::default(),
            hasher: Hasher::new(),
            throttle: Throttle::default(),
            clock,
            org: OnceLock::new(),
            revocations: AtomicU64::new(0),
            remembered: Remembered::default(),
        }
    }

    fn now_ms(&self) -> i64 {
        (self.clock)().millis()
    }
}

/// A token that was presented and has to be compared with a stored hash, which is expensive on purpose.
struct Claim {
    subject: Subject,
    stored_hash: String,
    token: Vec<u8>,
}

/// What the store says of credentials.
enum Found<T> {
    /// Right: the token was compared before.
    Proven(T),
    /// Right if the claim is.
    Claimed(T, Claim),
}

impl Credentials {
    /// Decides about what was found. Few hashes are computed at a time, off the runtime's workers, and nobody who
    /// has failed often gets to have one computed soon.
    async fn prove<T>(
        self: &Arc<Self>,
        found: Found<T>,
        from: Option<IpAddr>,
        wrong: Refusal,
    ) -> Result<T, Refusal> {
        let (value, claim) = match found {
            Found::Proven(value) => return Ok(value),
            Found::Claimed(value, claim) => (value, claim),
        };
        self.throttle.check(from, &claim.subject)?;
        tokio::time::sleep(self.throttle.slowness(&claim.subject)).await;
        let _turn = self.hasher.turn().await.ok_or(Refusal::Store)?;
        // Many may have been waiting when the first of them failed.
        self.throttle.check(from, &claim.subject)?;
        let this = Arc::clone(self);
        let (is_right, subject) = tokio::task::spawn_blocking(move || {
            let is_right = this.hasher.verify(&claim.subject, claim.stored_hash, &claim.token);
            (is_right, claim.subject)
        })
        .await
        .map_err(unanswered)?;
        if is_right {
            Ok(value)
        } else {
            self.throttle.failed(from, subject);
            Err(wrong)
        }
    }

    /// Compares with what was verified before, without an expensive hash.
    fn claim<T>(&self, subject: Subject, stored_hash: String, token: &[u8], value: T) -> Found<T> {
        if self.hasher.remembers(&subject, &stored_hash, token) {
            // A right token is honoured however many wrong ones came from the same address: thousands of devices
            // share one, and one of them being wrong must not keep the others out. It helps no guesser: there
            // are 144 random bits to guess.
            Found::Proven(value)
        } else {
            Found::Claimed(value, Claim { subject, stored_hash, token: token.to_vec() })
        }
    }

    /// Runs work on the store off the runtime's workers.
    async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let this = Arc::clone(self);
        tokio::task::spawn_blocking(move || work(&this)).await.map_err(unanswered)?
    }
}

/// Fails closed: who it is, is not known.
fn unanswered(error: impl std::fmt::Display) -> Refusal {
    tracing::error!(%error, "the identity store does not answer");
    Refusal::Store
}

#[cfg(test)]
mod tests;
