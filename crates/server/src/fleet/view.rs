//! A look at the table for one query: the rows as they are at `now`, field by field.

use std::borrow::Cow;
use std::cmp::Ordering;

use rollcall_model::query::{Field, SortKey};
use rollcall_model::state::RECENT_CONNECTS_MS;
use rollcall_model::{ClientType, StateDoc, Timestamp};

use super::columns::{NO_TIME, code_text, recent, unpack_code, unpack_time};
use super::packed_addr;
use super::table::Table;

/// A field's value; the owned form of [`rollcall_model::query::SortValue`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    Absent,
    Number(i64),
    Text(Cow<'a, str>),
}

impl Value<'_> {
    fn from_text(text: Option<&str>) -> Value<'_> {
        text.map_or(Value::Absent, |text| Value::Text(Cow::Borrowed(text)))
    }

    const fn from_time(ms: i64) -> Self {
        if ms == NO_TIME { Self::Absent } else { Self::Number(ms) }
    }

    /// Orders as [`rollcall_model::query::compare`] does: absent last in either direction.
    pub fn compare(&self, other: &Self, descending: bool) -> Ordering {
        let order = match (self, other) {
            (Self::Absent, Self::Absent) => return Ordering::Equal,
            (Self::Absent, _) => return Ordering::Greater,
            (_, Self::Absent) => return Ordering::Less,
            (Self::Number(a), Self::Number(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Number(_), Self::Text(_)) => Ordering::Less,
            (Self::Text(_), Self::Number(_)) => Ordering::Greater,
        };
        if descending { order.reverse() } else { order }
    }
}

#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    pub table: &'a Table,
    pub now: Timestamp,
}

impl<'a> View<'a> {
    pub fn doc(self, slot: u32) -> Option<StateDoc> {
        let mut doc = self.table.state(slot)?.doc(self.now, self.table.feed_lost);
        if self.table.names_others() && doc.client_type == ClientType::Other {
            let device_type = self.table.profile(slot as usize).device_type;
            doc.device_type = self.table.profiles.device_types.text(device_type).map(str::to_owned);
            doc.device_id = self.device_id(slot).map(str::to_owned);
        }
        Some(doc)
    }

    /// The device id: the end of the id of a device or gateway, or what a pattern finds in another id.
    pub fn device_id(self, slot: u32) -> Option<&'a str> {
        let profile = self.table.profile(slot as usize);
        if self.table.names_others()
            && unpack_code(&ClientType::ALL, profile.client_type) == Some(ClientType::Other)
        {
            return self.table.named_id(slot);
        }
        let origin = self.table.profiles.origins.text(profile.origin)?;
        self.table.ids.get(slot).get(origin.len()..)
    }

    /// The newest connect of a row with recent connects is later than this, except in few odd rows
    /// ([`Table::odd_recent`]).
    pub const fn recent_since(self) -> i64 {
        self.now.plus_ms(-RECENT_CONNECTS_MS).millis()
    }

    pub fn recent_connects(self, slot: u32) -> i64 {
        let at = slot as usize;
        let columns = &self.table.columns;
        let since = self.now.plus_ms(-RECENT_CONNECTS_MS);
        let (count, newest) = (columns.recent[at], columns.connect_time[at]);
        if count & recent::LISTED == 0 {
            return if newest > since.millis() { i64::from(count) } else { 0 };
        }
        let (count, span_s) = (i64::from(count & recent::COUNT), columns.recent_span_s[at]);
        if span_s != recent::UNKNOWN_SPAN {
            // The first start is in the second that ends at `latest`.
            let latest = newest.saturating_sub(i64::from(span_s) * 1_000);
            if newest <= since.millis() {
                return 0;
            }
            if latest.saturating_sub(1_000) >= since.millis() {
                return count;
            }
            if count == 2 && latest <= since.millis() {
                return 1;
            }
        }
        self.table.recent_list(slot).iter().rev().take_while(|time| **time > since).count() as i64
    }

    /// When the count of recent connects of this row will be one less; `None` where there are none.
    pub fn recent_until(self, slot: u32) -> Option<Timestamp> {
        let (at, since) = (slot as usize, self.now.plus_ms(-RECENT_CONNECTS_MS));
        let columns = &self.table.columns;
        let oldest = if columns.recent[at] & recent::LISTED == 0 {
            unpack_time(columns.connect_time[at]).filter(|time| columns.recent[at] > 0 && *time > since)
        } else {
            self.table.recent_list(slot).into_iter().rev().take_while(|time| *time > since).last()
        };
        oldest.map(|time| time.plus_ms(RECENT_CONNECTS_MS))
    }

    pub fn addr(self, slot: u32) -> Option<String> {
        let packed = self.table.columns.addr[slot as usize];
        if packed_addr::is_long(packed) { self.long_addr(slot) } else { packed_addr::unpack(packed) }
    }

    /// An address that is too long for its column.
    pub fn long_addr(self, slot: u32) -> Option<String> {
        self.table.state(slot)?.current?.peer.addr
    }

    pub fn value(self, field: Field, slot: u32) -> Value<'a> {
        let at = slot as usize;
        let columns = &self.table.columns;
        if let Some(times) = columns.times(field) {
            return Value::from_time(times[at]);
        }
        let (profiles, profile) = (&self.table.profiles, self.table.profile(at));
        match field {
            Field::Id => Value::Text(Cow::Borrowed(self.table.ids.get(slot))),
            Field::DeviceId => Value::from_text(self.device_id(slot)),
            Field::DeviceType => Value::from_text(profiles.device_types.text(profile.device_type)),
            Field::Reason => Value::from_text(profiles.reasons.text(profile.reason)),
            Field::Secure => number(i64::from(profile.secure)),
            Field::StaleSince => Value::from_time(self.table.stale_since(at)),
            Field::RecentConnects => Value::Number(self.recent_connects(slot)),
            Field::ClientAddr => self.addr(slot).map_or(Value::Absent, |addr| Value::Text(Cow::Owned(addr))),
            _ => match profile.number(field) {
                Some(packed) => number(i64::from(packed)),
                None => Value::from_text(profile.code(field).and_then(|code| code_text(field, code))),
            },
        }
    }

    /// The order of two rows under a sort, as [`rollcall_model::query::compare`].
    pub fn compare(self, a: u32, b: u32, sort: &[SortKey]) -> Ordering {
        let order =
            |key: &SortKey| self.value(key.field, a).compare(&self.value(key.field, b), key.descending);
        let order = sort.iter().map(order).find(|order| order.is_ne());
        order.unwrap_or_else(|| self.table.order.label(a).cmp(&self.table.order.label(b)))
    }
}

/// Numbers lie in their columns plus one.
const fn number(packed: i64) -> Value<'static> {
    if packed == 0 { Value::Absent } else { Value::Number(packed - 1) }
}
