//! The log of a server that knows Watson's API only: of devices and gateways, by type and id, twenty entries at a time, and
//! the way on is reckoned here, because no header says it. Called by [`super::log`] and by the stores of the open client.

use rollcall_model::Timestamp;
use rollcall_model::client_id::ClientId;
use rollcall_model::log::LogEntry;

use super::LOGS;
use crate::url::{decode_pairs, encode_pairs};

/// The most entries that one question gets, and the most that it may pass over.
const PAGE: usize = 20;
const MAX_OFFSET: usize = 1_000;
const TYPE: &str = "typeId";
const OFFSET: &str = "offset";
const TO: &str = "toTime";

/// The address of the newest page of a log; `None` for a client that is neither device nor gateway, which has none.
#[must_use]
pub fn log_address(id: &str, from: Option<Timestamp>, to: Option<Timestamp>) -> Option<String> {
    let parts = ClientId::parse(id);
    let mut pairs = vec![
        (TYPE.to_owned(), parts.device_type?.to_owned()),
        ("deviceId".to_owned(), parts.device_id?.to_owned()),
        ("limit".to_owned(), PAGE.to_string()),
    ];
    let times = [("fromTime", from), (TO, to)];
    pairs.extend(times.into_iter().filter_map(|(name, time)| Some((name.to_owned(), time?.to_string()))));
    Some(format!("{LOGS}?{}", encode_pairs(&pairs)))
}

/// The address of the page after this one, if it is one of these addresses and there may be more.
pub(super) fn next(address: &str, entries: &[LogEntry]) -> Option<String> {
    let (path, query) = address.split_once('?')?;
    let mut pairs = decode_pairs(query);
    let is_plain = pairs.iter().any(|(name, _)| name == TYPE);
    let last = entries.last().filter(|_| is_plain && entries.len() >= PAGE)?.timestamp;
    let passed = pairs.iter().find(|(name, _)| name == OFFSET);
    let mut offset = passed.and_then(|(_, count)| count.parse::<usize>().ok()).unwrap_or(0) + entries.len();
    pairs.retain(|(name, _)| name != OFFSET);
    if offset > MAX_OFFSET {
        // From the last entry on anew, without those of the same time that are known.
        offset = entries.iter().filter(|entry| entry.timestamp == last).count();
        let to = (TO.to_owned(), last.to_string());
        if pairs.contains(&to) {
            // A thousand entries of one millisecond: there is no way past them.
            return None;
        }
        pairs.retain(|(name, _)| name != TO);
        pairs.push(to);
    }
    pairs.push((OFFSET.to_owned(), offset.to_string()));
    Some(format!("{path}?{}", encode_pairs(&pairs)))
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use super::*;

    /// Entries at these times, the newest first.
    fn page(times: impl IntoIterator<Item = i64>) -> Vec<LogEntry> {
        let entry = |time| {
            let json = serde_json::json!({ "message": "", "timestamp": Timestamp::from_millis(time) });
            serde_json::from_value(json).unwrap()
        };
        times.into_iter().map(entry).collect()
    }

    #[test]
    fn only_devices_and_gateways_have_a_log() {
        let of = |id| log_address(id, None, None);
        let device = "/api/v0002/logs/connection?typeId=pump&deviceId=p-1&limit=20";
        assert_eq!(of("d:acme01:pump:p-1").as_deref(), Some(device));
        assert_eq!(of("a:acme01:console"), None);
        assert_eq!(of("mqttjs_1"), None);
    }

    #[test]
    fn a_full_page_has_another_after_it_and_nothing_else_has() {
        let first = log_address("d:acme01:pump:p-1", None, None).unwrap();
        let second = next(&first, &page((1..=20).rev())).unwrap();
        assert_eq!(second, format!("{first}&offset=20"));
        assert_eq!(next(&second, &page((1..=20).rev())), Some(format!("{first}&offset=40")));
        assert_eq!(next(&second, &page((1..=19).rev())), None);
        assert_eq!(next("/api/v0002/logs/connection?clientId=x&limit=20", &page((1..=20).rev())), None);
    }

    /// More cannot be passed over, so the walk starts anew at the last entry, which must not come twice.
    #[test]
    fn after_a_thousand_entries_the_walk_goes_on_from_the_time_of_the_last() {
        let deep = "/api/v0002/logs/connection?typeId=pump&deviceId=p-1&limit=20&toTime=x&offset=1000";
        let entries = page((3..=20).rev().chain([2, 2]));
        let expected = "/api/v0002/logs/connection?typeId=pump&deviceId=p-1&limit=20\
                        &toTime=1970-01-01T00:00:00.002Z&offset=2";
        assert_eq!(next(deep, &entries).as_deref(), Some(expected));
    }
}
