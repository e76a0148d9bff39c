//! Going through many states: for checkpoints, exports and retained messages. The lock is held for short stretches,
//! so this is no snapshot: a client that changes meanwhile is seen as it was or as it is.

use rollcall_model::{ClientId, ClientState, ClientType};

use super::Fleet;
use super::columns::unpack_code;
use super::profiles::Profile;

/// How many states are read before the lock is given back.
const STATES: usize = 1_024;

impl Fleet {
    /// Calls `each` with every state.
    pub fn for_each(&self, mut each: impl FnMut(&ClientState)) {
        let mut next = 0_u32;
        loop {
            let states: Vec<_> = {
                let table = self.read();
                (next..next.saturating_add(STATES as u32)).map_while(|slot| table.state(slot)).collect()
            };
            if states.is_empty() {
                return;
            }
            next += states.len() as u32;
            states.iter().for_each(&mut each);
        }
    }

    /// Calls `each` with the states in these slots whose id is `wanted`.
    pub fn for_each_in(
        &self,
        slots: &[u32],
        wanted: impl Fn(&str) -> bool,
        mut each: impl FnMut(&ClientState),
    ) {
        for slots in slots.chunks(STATES) {
            let states: Vec<_> = {
                let table = self.read();
                let wanted = |slot: &&u32| table.ids.find(**slot).is_some_and(&wanted);
                slots.iter().filter(wanted).filter_map(|slot| table.state(*slot)).collect()
            };
            states.iter().for_each(&mut each);
        }
    }

    /// The slots of the clients of these types; the second argument of `wanted` is the device type in their topics, where
    /// none is the default: patterns do not count there. Slots ascend.
    #[must_use]
    pub fn slots_of(&self, wanted: impl Fn(ClientType, Option<&str>) -> bool) -> Vec<u32> {
        let table = self.read();
        let wanted = |profile: &Profile| {
            let device_type = table.profiles.device_types.text(profile.device_type);
            unpack_code(&ClientType::ALL, profile.client_type).is_some_and(|kind| match kind {
                ClientType::Other => wanted(kind, None),
                _ => wanted(kind, device_type),
            })
        };
        let passes: Vec<_> =
            table.profiles.iter().map(|(profile, rows)| rows > 0 && wanted(profile)).collect();
        let rows = (0_u32..).zip(&table.columns.profile);
        rows.filter(|(_, profile)| passes[**profile as usize]).map(|(slot, _)| slot).collect()
    }

    /// The slots of the devices and gateways of that type and device id, one for each organisation and kind at most.
    #[must_use]
    pub fn devices(&self, device_type: &str, device_id: &str) -> Vec<u32> {
        let table = self.read();
        let is_of_type = |origin: &str| {
            let rest = origin.strip_suffix(':').and_then(|origin| origin.strip_suffix(device_type));
            rest.is_some_and(|rest| rest.ends_with(':'))
        };
        let origins = table.profiles.origins.sorted().filter(|(origin, _)| is_of_type(origin));
        let ids = origins.map(|(origin, _)| format!("{origin}{device_id}"));
        let is_device = |id: &String| ClientId::parse(id).device_id == Some(device_id);
        ids.filter(is_device).filter_map(|id| table.slot(&id)).collect()
    }

    /// The slot of a client.
    #[must_use]
    pub fn slot(&self, id: &str) -> Option<u32> {
        self.table.glance().slot(id)
    }
}
