//! The registered devices, for the lists of devices: those that were never seen are in no fleet.
//!
//! The store is read when a registration may have come or gone, and not for every list.

use std::sync::{Mutex, PoisonError};

use rollcall_model::Timestamp;
use rollcall_model::query::Query;

use crate::api::ApiState;
use crate::fleet::{BookmarkError, Page, Roster};
use crate::identity::IdentityError;

/// Changes when a registration may have come or gone.
type Changes = (i64, u64);

#[derive(Debug, Default)]
pub struct Registered(Mutex<Option<(Changes, Roster)>>);

impl Registered {
    /// Answers a query about the fleet and the registered devices of this organisation. Lists wait for each other
    /// here: each keeps a core busy anyway.
    ///
    /// # Errors
    /// When the store does not answer; within that, when the query's bookmark cannot be used.
    pub fn query(
        &self,
        api: &ApiState,
        query: &Query,
        now: Timestamp,
    ) -> Result<Result<Page, BookmarkError>, IdentityError> {
        let credentials = api.gate.credentials();
        // Asked for before the ids are read: what changes in between is read again the next time.
        let changes = credentials.changes()?;
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, roster) = match held.take() {
            Some(current) if current.0 == changes => held.insert(current),
            _ => held.insert((changes, Roster::new(credentials.registered_ids(&api.org)?))),
        };
        Ok(api.fleet.query_with(roster, query, now))
    }
}

/// The client id under which a device or gateway of this organisation is known: one that was seen, else one that
/// is registered.
///
/// # Errors
/// When the store does not answer.
pub fn known_as(api: &ApiState, type_id: &str, device_id: &str) -> Result<Option<String>, IdentityError> {
    let ids = super::client_ids(&api.org, type_id, device_id);
    if let Some(seen) = ids.iter().find(|id| api.fleet.contains(id)) {
        return Ok(Some(seen.clone()));
    }
    for id in ids {
        if api.gate.credentials().is_registered(&id)? {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// Whether a client of this id was seen or is registered.
///
/// # Errors
/// When the store does not answer.
pub fn is_known(api: &ApiState, client_id: &str) -> Result<bool, IdentityError> {
    Ok(api.fleet.contains(client_id) || api.gate.credentials().is_registered(client_id)?)
}
