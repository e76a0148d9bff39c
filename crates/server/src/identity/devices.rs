//! The tokens of devices, gateways and other clients, by client id.

use rollcall_model::{ClientId, ClientType, Timestamp};
use rusqlite::OptionalExtension;

use super::{Credentials, Ephemeral, IdentityError, clients, hashing};

/// A device as [`Credentials::list`] tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    pub client_id: String,
    pub added: Timestamp,
}

/// A new device and its token, which nobody can read again.
#[derive(Clone, PartialEq, Eq)]
pub struct NewDevice {
    pub client_id: String,
    pub token: String,
}

impl std::fmt::Debug for NewDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewDevice").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

impl Credentials {
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
        self.add_typed("d", ClientType::Device, device_type, device_id, org)
    }

    /// Registers a gateway, as [`Self::add_device`].
    ///
    /// # Errors
    /// As [`Self::add_device`].
    pub fn add_gateway(
        &self,
        device_type: &str,
        device_id: &str,
        org: &str,
    ) -> Result<NewDevice, IdentityError> {
        self.add_typed("g", ClientType::Gateway, device_type, device_id, org)
    }

    fn add_typed(
        &self,
        prefix: &str,
        client_type: ClientType,
        device_type: &str,
        device_id: &str,
        org: &str,
    ) -> Result<NewDevice, IdentityError> {
        let client_id = format!("{prefix}:{org}:{device_type}:{device_id}");
        let parsed = ClientId::parse(&client_id);
        if parsed.client_type != client_type || parsed.device_type != Some(device_type) {
            return Err(IdentityError::NotADevice(client_id));
        }
        self.add_client(&client_id)
    }

    /// Registers a client by its id, whatever that looks like.
    ///
    /// # Errors
    /// When it is the id of an application, or is registered already, or the store does not answer.
    pub fn add_client(&self, client_id: &str) -> Result<NewDevice, IdentityError> {
        if client_id.is_empty() {
            return Err(IdentityError::NoClientId);
        }
        if clients::application_org(client_id).is_some() {
            return Err(IdentityError::Application(client_id.to_owned()));
        }
        let (token, hash) = hashing::new_token()?;
        let added = self.store.lock().execute(
            "INSERT INTO devices (client_id, token_hash, added_ms) VALUES (?1, ?2, ?3)
             ON CONFLICT DO NOTHING",
            (client_id, &hash, self.now_ms()),
        )?;
        if added == 0 {
            return Err(IdentityError::Registered(client_id.to_owned()));
        }
        // The first one ends the time in which anonymous clients are accepted.
        self.note_revocation();
        Ok(NewDevice { client_id: client_id.to_owned(), token })
    }

    /// Forgets the token of a client. `false` when there was none. The server ends its connection.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn remove(&self, client_id: &str) -> Result<bool, IdentityError> {
        let removed = self.store.lock().execute("DELETE FROM devices WHERE client_id = ?1", [client_id])?;
        self.note_revocation();
        Ok(removed > 0)
    }

    /// The registered devices by id.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn list(&self) -> Result<Vec<Device>, IdentityError> {
        let store = self.store.lock();
        let mut query = store.prepare_cached("SELECT client_id, added_ms FROM devices ORDER BY client_id")?;
        let devices = query
            .query_map([], |row| {
                Ok(Device { client_id: row.get(0)?, added: Timestamp::from_millis(row.get(1)?) })
            })?
            .collect::<Result<_, _>>()?;
        Ok(devices)
    }

    /// Gives a client user name and token until the process ends, for clients that live in it.
    ///
    /// # Errors
    /// When the token cannot be hashed.
    pub fn add_ephemeral(&self, client_id: &str, user: &str, token: &str) -> Result<(), IdentityError> {
        let ephemeral = Ephemeral { user: user.to_owned(), token: self.hasher.quick_hash(token.as_bytes())? };
        self.ephemeral
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .insert(client_id.to_owned(), ephemeral);
        Ok(())
    }

    /// Whether anybody is registered, so that everybody has to be.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn has_devices(&self) -> Result<bool, IdentityError> {
        Ok(self
            .store
            .lock()
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM devices)")?
            .query_row([], |row| row.get(0))?)
    }

    /// Whether a client of this id is registered.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn is_registered(&self, client_id: &str) -> Result<bool, IdentityError> {
        Ok(self.device_hash(client_id)?.is_some())
    }

    /// The ids of the registered devices and gateways of an organisation.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn registered_ids(&self, org: &str) -> Result<Vec<String>, IdentityError> {
        let store = self.store.lock();
        // The ids that begin with `d:{org}:`, found by the primary key: `;` follows `:`.
        let mut query =
            store.prepare_cached("SELECT client_id FROM devices WHERE client_id > ?1 AND client_id < ?2")?;
        let mut ids = Vec::new();
        for kind in ["d", "g"] {
            let range = (format!("{kind}:{org}:"), format!("{kind}:{org};"));
            for id in query.query_map(range, |row| row.get(0))? {
                ids.push(id?);
            }
        }
        Ok(ids)
    }

    pub(super) fn device_hash(&self, client_id: &str) -> Result<Option<String>, rusqlite::Error> {
        self.store
            .lock()
            .prepare_cached("SELECT token_hash FROM devices WHERE client_id = ?1")?
            .query_row([client_id], |row| row.get(0))
            .optional()
    }
}
