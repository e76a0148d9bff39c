//! Profiles: the fields of a state that have few values, together. A row holds one number for all of them, because
//! a million clients have only some thousand combinations.
//!
//! So a filter on these fields looks at each profile once and then at one column, a facet over them is one
//! histogram (of the whole fleet it is there already: each profile counts its rows), and a sort by them is a rank
//! for each profile. Profiles that no row has any more are forgotten: whoever can choose a field's values can make
//! as many profiles as there are rows, and no more.

use ahash::RandomState;
use hashbrown::HashTable;
use rollcall_model::query::Field;

use super::symbols::Symbols;

/// Codes are those of [`super::columns::code_text`]; of texts these are the numbers of symbols.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Profile {
    /// What the ids of devices and gateways begin with: everything before the device id. Of others absent.
    pub origin: u32,
    pub device_type: u32,
    pub reason: u32,
    /// Plus one; 0 is absent.
    pub close_code: u32,
    /// Plus one; 0 is absent.
    pub reason_code: u16,
    pub client_type: u8,
    pub status: u8,
    pub certainty: u8,
    pub activity_event: u8,
    pub protocol: u8,
    pub initiator: u8,
    pub secure: u8,
}

impl Profile {
    /// Whether a field is one of the profile.
    pub fn has(field: Field) -> bool {
        let any = Self::default();
        matches!(field, Field::DeviceType | Field::Reason)
            || any.code(field).is_some()
            || any.number(field).is_some()
    }

    /// The code in a field that has codes.
    pub const fn code(&self, field: Field) -> Option<u8> {
        Some(match field {
            Field::ClientType => self.client_type,
            Field::ConnectionStatus => self.status,
            Field::Certainty => self.certainty,
            Field::LastActivityEvent => self.activity_event,
            Field::MqttConnectProtocol => self.protocol,
            Field::DisconnectInitiator => self.initiator,
            Field::Secure => self.secure,
            _ => return None,
        })
    }

    /// The number in a field that has numbers, plus one; 0 is absent.
    pub const fn number(&self, field: Field) -> Option<u32> {
        Some(match field {
            Field::MqttReasonCode => self.reason_code as u32,
            Field::CloseCode => self.close_code,
            _ => return None,
        })
    }

    pub const fn is_connected(&self) -> bool {
        self.status == 1
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    profile: Profile,
    /// How many rows have it; 0 where the number is free.
    rows: u32,
}

/// The profiles that rows have, by number.
#[derive(Debug, Default)]
pub struct Profiles {
    entries: Vec<Entry>,
    index: HashTable<u32>,
    hasher: RandomState,
    free: Vec<u32>,
    pub origins: Symbols,
    pub device_types: Symbols,
    pub reasons: Symbols,
}

impl Profiles {
    /// The profile of that number, which a row must have.
    pub fn get(&self, number: u32) -> &Profile {
        &self.entries[number as usize].profile
    }

    /// One more than the greatest number.
    pub const fn bound(&self) -> usize {
        self.entries.len()
    }

    /// Every number up to the greatest, with its profile and how many rows have it, which can be none.
    pub fn iter(&self) -> impl Iterator<Item = (&Profile, u32)> + Clone {
        self.entries.iter().map(|entry| (&entry.profile, entry.rows))
    }

    /// The number of a profile for one more row. Its symbols must be held by the caller, who lets go of them
    /// afterwards: a profile that is new holds them itself.
    pub fn acquire(&mut self, profile: Profile) -> u32 {
        let hash = self.hasher.hash_one(profile);
        let entries = &mut self.entries;
        if let Some(&number) = self.index.find(hash, |number| entries[*number as usize].profile == profile) {
            entries[number as usize].rows += 1;
            return number;
        }
        let entry = Entry { profile, rows: 1 };
        let number = if let Some(number) = self.free.pop() {
            entries[number as usize] = entry;
            number
        } else {
            entries.push(entry);
            entries.len() as u32 - 1
        };
        let hasher = &self.hasher;
        self.index.insert_unique(hash, number, |number| hasher.hash_one(entries[*number as usize].profile));
        self.origins.hold(profile.origin);
        self.device_types.hold(profile.device_type);
        self.reasons.hold(profile.reason);
        number
    }

    /// Notes that one row less has the profile.
    pub fn release(&mut self, number: u32) {
        let Some(entry) = self.entries.get_mut(number as usize).filter(|entry| entry.rows > 0) else {
            return;
        };
        entry.rows -= 1;
        if entry.rows > 0 {
            return;
        }
        let profile = entry.profile;
        let hash = self.hasher.hash_one(profile);
        if let Ok(found) = self.index.find_entry(hash, |other| *other == number) {
            found.remove();
        }
        self.free.push(number);
        self.origins.release(profile.origin);
        self.device_types.release(profile.device_type);
        self.reasons.release(profile.reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_and_its_texts_are_forgotten_with_its_last_row() {
        let mut profiles = Profiles::default();
        let make = |profiles: &mut Profiles, text: &str| {
            let reason = profiles.reasons.acquire(Some(text));
            let number = profiles.acquire(Profile { reason, ..Profile::default() });
            profiles.reasons.release(reason);
            number
        };
        let (first, again, other) =
            (make(&mut profiles, "rain"), make(&mut profiles, "rain"), make(&mut profiles, "snow"));
        assert_eq!(first, again);
        assert_ne!(first, other);
        profiles.release(first);
        assert_eq!(profiles.reasons.number("rain"), Some(profiles.get(again).reason));
        profiles.release(again);
        assert_eq!(profiles.reasons.number("rain"), None);
        for text in ["hail", "fog", "rain"] {
            let number = make(&mut profiles, text);
            assert_eq!(profiles.reasons.text(profiles.get(number).reason), Some(text));
            profiles.release(number);
        }
        assert_eq!((profiles.bound(), profiles.reasons.len()), (2, 1), "numbers are used again");
    }
}
