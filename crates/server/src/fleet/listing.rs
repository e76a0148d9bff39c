//! Going through many states: for checkpoints, exports and retained messages. The lock is held for short stretches,
//! so this is no snapshot: a client that changes meanwhile is seen as it was or as it is.

use std::ops::Range;

use rollcall_model::{ClientId, ClientState, ClientType};

use super::Fleet;
use super::columns::unpack_code;

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

    /// The first client in these slots that is of a wanted type and has a wanted id. Looks at a thousand at most, and
    /// returns where to go on; `None` when these were all. The second argument of `of_type` is the device type in the
    /// client's topics, where none is the default: patterns do not count there.
    pub fn first_of(
        &self,
        slots: Range<u32>,
        of_type: impl Fn(ClientType, Option<&str>) -> bool,
        wanted: impl Fn(&str) -> bool,
    ) -> (Option<ClientState>, Option<u32>) {
        let table = self.read();
        let is_of_type = |slot: u32| {
            let profile = table.profile(slot as usize);
            let device_type = table.profiles.device_types.text(profile.device_type);
            unpack_code(&ClientType::ALL, profile.client_type).is_some_and(|kind| match kind {
                ClientType::Other => of_type(kind, None),
                _ => of_type(kind, device_type),
            })
        };
        let end = slots.end.min(u32::try_from(table.len()).unwrap_or(u32::MAX));
        let looked_at = end.min(slots.start.saturating_add(STATES as u32));
        let found = (slots.start..looked_at)
            .find(|slot| is_of_type(*slot) && table.ids.find(*slot).is_some_and(&wanted));
        let next = found.map_or(looked_at, |slot| slot + 1);
        (found.and_then(|slot| table.state(slot)), (next < end).then_some(next))
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
