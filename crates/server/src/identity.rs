//! Who may connect as which client: the tokens of devices.
//!
//! The embedded broker asks for every connection; the command line adds, lists and removes devices, also from a
//! second process beside a running server. An id with a registered token must present it; any other id is
//! accepted without. Tokens are kept as Argon2id hashes and shown once, when they are made.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rollcall_model::{ClientId, ClientType, Timestamp};
use rusqlite::{Connection, OptionalExtension};
use tokio::sync::Semaphore;

/// The user name of a device that presents its token; source: the MQTT page of Watson IoT Platform.
pub const TOKEN_USER: &str = "use-token-auth";

const FILE: &str = "identity.db";
/// A second process may hold the write lock for a moment.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Argon2id takes 19 MiB and tens of milliseconds: more at a time would starve the rest of the server.
const HASHES_AT_A_TIME: usize = 2;
/// Tokens remembered as verified. Beyond that, all are forgotten and hashed again.
const VERIFIED_MAX: usize = 100_000;

#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("cannot open the identity store {path}: {source}")]
    Open { path: PathBuf, source: rusqlite::Error },
    #[error("cannot create the identity store {path}: {source}")]
    Create { path: PathBuf, source: std::io::Error },
    #[error("the identity store does not answer: {0}")]
    Store(#[from] rusqlite::Error),
    #[error("{0} is registered already: remove it first to give it a new token")]
    Registered(String),
    #[error(
        "“{0}” is no id of a device: organisation, type and device id must not be empty, and only letters, digits and - _ . are allowed (: too, in the device id)"
    )]
    NotADevice(String),
    #[error("the token could not be hashed: {0}")]
    Hash(String),
}

/// What the credentials of a connection say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The id has no token: accepted, whoever it is.
    Anonymous,
    /// The id has a token and the client presented it.
    Authenticated,
    Refused(Refusal),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("Device/gateway token is invalid")]
    Token,
    #[error("The identity store does not answer")]
    Store,
}

impl Refusal {
    /// The code of the CONNACK.
    #[must_use]
    pub const fn mqtt_reason_code(self) -> u8 {
        match self {
            Self::Token => 0x86,
            Self::Store => 0x87,
        }
    }
}

/// A device as [`Credentials::list`] tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    pub client_id: String,
    pub added: Timestamp,
}

/// A new device and its token, which nobody can read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDevice {
    pub client_id: String,
    pub token: String,
}

/// A fast hash of a token: enough in memory, because tokens are random and the salt is gone with the process.
type QuickHash = [u8; 32];

struct Verified {
    stored_hash: String,
    token: QuickHash,
}

pub struct Credentials {
    store: Mutex<Connection>,
    ephemeral: RwLock<HashMap<String, QuickHash>>,
    verified: Mutex<HashMap<String, Verified>>,
    quick_salt: [u8; 16],
    hashing: Semaphore,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Credentials {
    /// Opens `identity.db` in a directory that exists, creating the file where there is none.
    ///
    /// # Errors
    /// When the file cannot be created or is no identity store.
    pub fn open(directory: &Path) -> Result<Self, IdentityError> {
        let path = directory.join(FILE);
        create_private(&path).map_err(|source| IdentityError::Create { path: path.clone(), source })?;
        Connection::open(&path).and_then(Self::with).map_err(|source| IdentityError::Open { path, source })
    }

    /// Credentials that are gone with the process.
    ///
    /// # Errors
    /// When SQLite cannot allocate.
    pub fn in_memory() -> Result<Self, IdentityError> {
        Ok(Self::with(Connection::open_in_memory()?)?)
    }

    fn with(store: Connection) -> Result<Self, rusqlite::Error> {
        store.busy_timeout(BUSY_TIMEOUT)?;
        store.pragma_update(None, "journal_mode", "WAL")?;
        store.execute_batch(
            "CREATE TABLE IF NOT EXISTS devices (
                client_id TEXT PRIMARY KEY,
                token_hash TEXT NOT NULL,
                added_ms INTEGER NOT NULL
            ) WITHOUT ROWID;",
        )?;
        Ok(Self {
            store: Mutex::new(store),
            ephemeral: RwLock::default(),
            verified: Mutex::default(),
            quick_salt: rand::random(),
            hashing: Semaphore::new(HASHES_AT_A_TIME),
        })
    }

    /// Registers a device. Its token is in the answer and nowhere else.
    ///
    /// # Errors
    /// When the names make no device id, the device is registered already, or the store does not answer.
    pub fn add_device(
        &self,
        device_type: &str,
        device_id: &str,
        org: &str,
    ) -> Result<NewDevice, IdentityError> {
        let client_id = format!("d:{org}:{device_type}:{device_id}");
        let parsed = ClientId::parse(&client_id);
        if parsed.client_type != ClientType::Device || parsed.device_type != Some(device_type) {
            return Err(IdentityError::NotADevice(client_id));
        }
        let token = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 18]>());
        let hash = Argon2::default()
            .hash_password(token.as_bytes())
            .map_err(|error| IdentityError::Hash(error.to_string()))?
            .to_string();
        let added = lock(&self.store).execute(
            "INSERT INTO devices (client_id, token_hash, added_ms) VALUES (?1, ?2, ?3)
             ON CONFLICT DO NOTHING",
            (&client_id, &hash, now_ms()),
        )?;
        if added == 0 {
            return Err(IdentityError::Registered(client_id));
        }
        Ok(NewDevice { client_id, token })
    }

    /// Forgets the token of a client. `false` when there was none. Connections that are open stay open.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn remove(&self, client_id: &str) -> Result<bool, IdentityError> {
        let removed = lock(&self.store).execute("DELETE FROM devices WHERE client_id = ?1", [client_id])?;
        Ok(removed > 0)
    }

    /// The registered devices by id.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn list(&self) -> Result<Vec<Device>, IdentityError> {
        let store = lock(&self.store);
        let mut query = store.prepare_cached("SELECT client_id, added_ms FROM devices ORDER BY client_id")?;
        let devices = query
            .query_map([], |row| {
                Ok(Device { client_id: row.get(0)?, added: Timestamp::from_millis(row.get(1)?) })
            })?
            .collect::<Result<_, _>>()?;
        Ok(devices)
    }

    /// Gives a client a token until the process ends, for clients that live in it.
    ///
    /// # Errors
    /// When the token cannot be hashed.
    pub fn add_ephemeral(&self, client_id: &str, token: &str) -> Result<(), IdentityError> {
        let hash = self.quick_hash(token.as_bytes())?;
        self.ephemeral.write().unwrap_or_else(PoisonError::into_inner).insert(client_id.to_owned(), hash);
        Ok(())
    }

    /// Judges the credentials of a connection. Reads the store and may hash, which takes tens of milliseconds:
    /// inside the runtime call [`Self::authenticate`].
    #[must_use]
    pub fn verify(&self, client_id: &str, user: Option<&str>, password: Option<&[u8]>) -> Verdict {
        match self.look_up(client_id, user, password) {
            Looked::Decided(verdict) => verdict,
            Looked::MustHash { stored_hash, token } => self.verify_hash(client_id, stored_hash, &token),
        }
    }

    /// [`Self::verify`] off the runtime's workers, with few hashes at a time.
    pub async fn authenticate(
        self: Arc<Self>,
        client_id: String,
        user: Option<String>,
        password: Option<Vec<u8>>,
    ) -> Verdict {
        let this = Arc::clone(&self);
        let looked = tokio::task::spawn_blocking(move || {
            let looked = this.look_up(&client_id, user.as_deref(), password.as_deref());
            (looked, client_id)
        })
        .await;
        match looked {
            Ok((Looked::Decided(verdict), _)) => verdict,
            Ok((Looked::MustHash { stored_hash, token }, client_id)) => {
                let Ok(_permit) = self.hashing.acquire().await else {
                    return Verdict::Refused(Refusal::Store);
                };
                let this = Arc::clone(&self);
                tokio::task::spawn_blocking(move || this.verify_hash(&client_id, stored_hash, &token))
                    .await
                    .unwrap_or(Verdict::Refused(Refusal::Store))
            }
            Err(error) => {
                tracing::error!(%error, "the identity store could not be asked");
                Verdict::Refused(Refusal::Store)
            }
        }
    }

    fn look_up(&self, client_id: &str, user: Option<&str>, password: Option<&[u8]>) -> Looked {
        let refused = Looked::Decided(Verdict::Refused(Refusal::Token));
        let authenticated = Looked::Decided(Verdict::Authenticated);
        let presented = password.filter(|_| user == Some(TOKEN_USER));
        let ephemeral = self.ephemeral.read().unwrap_or_else(PoisonError::into_inner).get(client_id).copied();
        if let Some(expected) = ephemeral {
            return match presented {
                Some(token) if self.is_quick_hash(token, &expected) => authenticated,
                _ => refused,
            };
        }
        let stored_hash = match self.stored_hash(client_id) {
            Ok(Some(hash)) => hash,
            Ok(None) => return Looked::Decided(Verdict::Anonymous),
            Err(error) => {
                // Fail closed: whether the id has a token is not known.
                tracing::error!(%error, "the identity store does not answer");
                return Looked::Decided(Verdict::Refused(Refusal::Store));
            }
        };
        let Some(token) = presented else {
            return refused;
        };
        let remembered = lock(&self.verified)
            .get(client_id)
            .filter(|verified| verified.stored_hash == stored_hash)
            .map(|verified| verified.token);
        if remembered.is_some_and(|expected| self.is_quick_hash(token, &expected)) {
            return authenticated;
        }
        Looked::MustHash { stored_hash, token: token.to_vec() }
    }

    fn stored_hash(&self, client_id: &str) -> Result<Option<String>, rusqlite::Error> {
        lock(&self.store)
            .prepare_cached("SELECT token_hash FROM devices WHERE client_id = ?1")?
            .query_row([client_id], |row| row.get(0))
            .optional()
    }

    fn verify_hash(&self, client_id: &str, stored_hash: String, token: &[u8]) -> Verdict {
        let is_right = PasswordHash::new(&stored_hash)
            .is_ok_and(|hash| Argon2::default().verify_password(token, &hash).is_ok());
        if !is_right {
            return Verdict::Refused(Refusal::Token);
        }
        if let Ok(token) = self.quick_hash(token) {
            let mut verified = lock(&self.verified);
            if verified.len() >= VERIFIED_MAX {
                verified.clear();
            }
            verified.insert(client_id.to_owned(), Verified { stored_hash, token });
        }
        Verdict::Authenticated
    }

    /// Argon2id with the least cost, keyed by this process.
    fn quick_hash(&self, token: &[u8]) -> Result<QuickHash, IdentityError> {
        let error = |error: argon2::Error| IdentityError::Hash(error.to_string());
        let params = Params::new(Params::MIN_M_COST, Params::MIN_T_COST, 1, None).map_err(error)?;
        let mut hash = QuickHash::default();
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(token, &self.quick_salt, &mut hash)
            .map_err(error)?;
        Ok(hash)
    }

    fn is_quick_hash(&self, token: &[u8], expected: &QuickHash) -> bool {
        // Without an early end, so that the time says nothing of how much was right.
        self.quick_hash(token).is_ok_and(|hash| {
            hash.iter().zip(expected).fold(0, |differences, (a, b)| differences | (a ^ b)) == 0
        })
    }
}

/// What can be said without an expensive hash.
enum Looked {
    Decided(Verdict),
    MustHash { stored_hash: String, token: Vec<u8> },
}

/// Creates the file for its owner only; an existing one is left as it is.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path).map(drop)
}

fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|age| i64::try_from(age.as_millis()).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: Verdict = Verdict::Refused(Refusal::Token);

    fn check(credentials: &Credentials, id: &str, user: &str, token: &str, expect: Verdict) {
        let verdict = credentials.verify(id, Some(user), Some(token.as_bytes()));
        assert_eq!(verdict, expect, "{id} {user} {token}");
    }

    #[test]
    fn a_registered_device_must_present_its_token_and_others_need_none() {
        let credentials = Credentials::in_memory().unwrap();
        let NewDevice { client_id, token } = credentials.add_device("thermo", "t-17", "acme01").unwrap();
        assert_eq!(client_id, "d:acme01:thermo:t-17");
        check(&credentials, &client_id, TOKEN_USER, &token, Verdict::Authenticated);
        // The second time the token is remembered; a wrong one still is not.
        check(&credentials, &client_id, TOKEN_USER, &token, Verdict::Authenticated);
        check(&credentials, &client_id, TOKEN_USER, "wrong", REFUSED);
        check(&credentials, &client_id, "someone", &token, REFUSED);
        assert_eq!(credentials.verify(&client_id, None, None), REFUSED);
        assert_eq!(credentials.verify("other", None, None), Verdict::Anonymous);
        check(&credentials, "other", "user", "password", Verdict::Anonymous);
    }

    #[test]
    fn a_token_of_this_process_works_without_a_store() {
        let credentials = Credentials::in_memory().unwrap();
        credentials.add_ephemeral("demo-1", "secret").unwrap();
        check(&credentials, "demo-1", TOKEN_USER, "secret", Verdict::Authenticated);
        check(&credentials, "demo-1", TOKEN_USER, "wrong", REFUSED);
        assert_eq!(credentials.verify("demo-1", None, None), REFUSED);
        assert_eq!(credentials.list().unwrap(), []);
    }

    #[test]
    fn another_process_can_add_and_remove_devices_while_the_server_runs() {
        let directory = tempfile::tempdir().unwrap();
        let server = Credentials::open(directory.path()).unwrap();
        let command = Credentials::open(directory.path()).unwrap();
        let NewDevice { client_id, token } = command.add_device("thermo", "t-17", "acme01").unwrap();
        assert_eq!(server.verify(&client_id, None, None), REFUSED);
        check(&server, &client_id, TOKEN_USER, &token, Verdict::Authenticated);
        assert_eq!(server.list().unwrap()[0].client_id, client_id);
        assert!(command.remove(&client_id).unwrap());
        assert!(!command.remove(&client_id).unwrap());
        assert_eq!(server.verify(&client_id, None, None), Verdict::Anonymous);
    }

    #[test]
    fn the_token_itself_is_not_in_the_file_and_the_file_is_private() {
        let directory = tempfile::tempdir().unwrap();
        let credentials = Credentials::open(directory.path()).unwrap();
        let device = credentials.add_device("thermo", "t-17", "acme01").unwrap();
        drop(credentials);
        for entry in std::fs::read_dir(directory.path()).unwrap() {
            let path = entry.unwrap().path();
            let content = std::fs::read(&path).unwrap();
            let token = device.token.as_bytes();
            assert!(!content.windows(token.len()).any(|window| window == token));
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                let mode = std::fs::metadata(&path).unwrap().permissions().mode();
                assert_eq!(mode & 0o077, 0, "{}", path.display());
            }
        }
    }

    #[test]
    fn a_device_is_registered_once_and_only_under_a_valid_id() {
        let credentials = Credentials::in_memory().unwrap();
        credentials.add_device("thermo", "t-17", "acme01").unwrap();
        let again = credentials.add_device("thermo", "t-17", "acme01").unwrap_err();
        assert!(matches!(again, IdentityError::Registered(_)), "{again}");
        for (device_type, device_id) in [("", "x"), ("a:b", "x"), ("a/b", "x"), ("a", "")] {
            let error = credentials.add_device(device_type, device_id, "acme01").unwrap_err();
            assert!(matches!(error, IdentityError::NotADevice(_)), "{error}");
        }
    }
}
