//! The registered devices, for the lists of devices: those that were never seen are in no fleet.
//!
//! The store is read when a registration may have come or gone, and not for every list.

use std::sync::{Mutex, PoisonError};

use rollcall_model::query::{Field, Query, Term, Test};
use rollcall_model::{ClientId, ClientType, Timestamp};

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
/// a pattern gives these names (the first in order), else one that is registered.
///
/// # Errors
/// When the store does not answer.
pub fn known_as(api: &ApiState, type_id: &str, device_id: &str) -> Result<Option<String>, IdentityError> {
    // A name with a colon would make the id of another device, or of no device at all.
    let is_device = |id: &String| ClientId::parse(id).device_id == Some(device_id);
    let ids = super::client_ids(&api.org, type_id, device_id);
    if let Some(seen) = ids.iter().find(|id| is_device(id) && api.fleet.contains(id)) {
        return Ok(Some(seen.clone()));
    }
    if let Some(named) = named_as(api, type_id, device_id) {
        return Ok(Some(named));
    }
    for id in ids.into_iter().filter(is_device) {
        if api.gate.credentials().is_registered(&id)? {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// The client outside Watson's grammar that a pattern gives these names.
fn named_as(api: &ApiState, type_id: &str, device_id: &str) -> Option<String> {
    if !api.fleet.names_others() {
        return None;
    }
    let is = |field, value: &str| Term { field, test: Test::AnyOf(vec![value.to_owned()]), negated: false };
    let mut query = Query { limit: 1, ..Query::default() };
    query.filter.terms = vec![
        is(Field::ClientType, ClientType::Other.as_str()),
        is(Field::DeviceType, type_id),
        is(Field::DeviceId, device_id),
    ];
    // Without a bookmark no query fails; none of these filters asks for the time.
    let page = api.fleet.query(&query, (api.clock)()).ok()?;
    page.results.into_iter().next().map(|doc| doc.id)
}

/// Whether a client of this id was seen or is registered.
///
/// # Errors
/// When the store does not answer.
pub fn is_known(api: &ApiState, client_id: &str) -> Result<bool, IdentityError> {
    Ok(api.fleet.contains(client_id) || api.gate.credentials().is_registered(client_id)?)
}
