//! States and sessions in few bytes: how the snapshot keeps a state, and how ends wait to be appended.
//!
//! A tenth of the time and a third of the bytes of JSON. Numbers as in [`crate::codec`], times as distances from the
//! start of the newest session, one bit for each thing that may be absent. It has no version of its own: whoever
//! keeps the bytes says which encoding they are in, and that they are whole. Called by [`super::packed`] and
//! [`super::sqlite`].

use rollcall_model::event::MqttVersion;
use rollcall_model::{
    ActivityEvent, Certainty, ClientState, Counters, End, Initiator, Peer, Protocol, Session, SessionKey,
    Timestamp,
};

use crate::codec::{Reader, Writer};

/// Which parts a state has.
const CURRENT: u8 = 1;
const PREVIOUS: u8 = 2;
const LOOSE_END: u8 = 4;
const ACTIVITY: u8 = 8;
const REFUSED: u8 = 16;
const HEARD: u8 = 32;
const MISSED: u8 = 64;
/// The recent connects are not just the start of the newest session, if there is one.
const RECENT_LIST: u8 = 128;

/// Which more parts it has.
const PUBLISH: u8 = 1;

/// Which parts a session and its peer have. The low two bits are its certainty.
const ADDR: u8 = 4;
const PORT: u8 = 8;
const SERVER_PORT: u8 = 16;
const USER: u8 = 32;
const PROTOCOL: u8 = 64;
const END: u8 = 128;

const fn bit(is_present: bool, bit: u8) -> u8 {
    if is_present { bit } else { 0 }
}

/// Writes a state.
pub fn write_state(w: &mut Writer, state: &ClientState) {
    w.text(&state.id);
    let base = state.current.as_ref().map_or(0, |session| session.key.start.millis());
    let has_recent_list = !state.recent_connects.iter().eq(state.current.iter().map(|s| &s.key.start));
    w.byte(
        bit(state.current.is_some(), CURRENT)
            | bit(state.previous.is_some(), PREVIOUS)
            | bit(state.loose_end.is_some(), LOOSE_END)
            | bit(state.last_activity.is_some(), ACTIVITY)
            | bit(state.last_refused.is_some(), REFUSED)
            | bit(state.heard.is_some(), HEARD)
            | bit(state.missed.is_some(), MISSED)
            | bit(has_recent_list, RECENT_LIST),
    );
    w.byte(bit(state.last_publish.is_some(), PUBLISH));
    if let Some(session) = &state.current {
        write_session(w, session, 0);
    }
    if let Some(session) = &state.previous {
        write_session(w, session, base);
    }
    if let Some(end) = &state.loose_end {
        write_end(w, end, base);
    }
    if let Some((time, event)) = state.last_activity {
        write_time(w, time, base);
        w.byte(event as u8);
    }
    for time in [state.last_publish, state.last_refused, state.heard, state.missed].into_iter().flatten() {
        write_time(w, time, base);
    }
    if has_recent_list {
        w.uint(state.recent_connects.len() as u64);
        state.recent_connects.iter().for_each(|time| write_time(w, *time, base));
    }
}

/// Reads what [`write_state`] wrote, or, with `is_first`, what it wrote when it did not know of messages; `None` when it is
/// something else.
pub fn read_state(r: &mut Reader<'_>, is_first: bool) -> Option<ClientState> {
    let mut state = ClientState::new(r.text()?.to_owned());
    let parts = r.byte()?;
    let more = if is_first { 0 } else { r.byte()? };
    let has = |part: u8| parts & part != 0;
    if has(CURRENT) {
        state.current = Some(read_session(r, 0)?);
    }
    let start = state.current.as_ref().map(|session| session.key.start);
    let base = start.map_or(0, Timestamp::millis);
    if has(PREVIOUS) {
        state.previous = Some(read_session(r, base)?);
    }
    if has(LOOSE_END) {
        state.loose_end = Some(read_end(r, base)?);
    }
    if has(ACTIVITY) {
        state.last_activity = Some((read_time(r, base)?, read_one(r, &ActivityEvent::ALL)?));
    }
    let mut time = |is_there: bool| if is_there { read_time(r, base).map(Some) } else { Some(None) };
    state.last_publish = time(more & PUBLISH != 0)?;
    (state.last_refused, state.heard, state.missed) =
        (time(has(REFUSED))?, time(has(HEARD))?, time(has(MISSED))?);
    if is_first {
        // A message that was the last activity is known.
        let message = state.last_activity.filter(|(_, event)| *event == ActivityEvent::Publish);
        state.last_publish = message.map(|(time, _)| time);
    }
    if has(RECENT_LIST) {
        let count = r.uint()?;
        state.recent_connects = (0..count).map(|_| read_time(r, base)).collect::<Option<_>>()?;
    } else {
        state.recent_connects.extend(start);
    }
    Some(state)
}

/// Writes a session whose start is told as its distance from `base`, in milliseconds.
pub fn write_session(w: &mut Writer, session: &Session, base: i64) {
    let peer = &session.peer;
    write_time(w, session.key.start, base);
    w.uint(session.key.connection);
    w.byte(
        session.certainty as u8
            | bit(peer.addr.is_some(), ADDR)
            | bit(peer.port.is_some(), PORT)
            | bit(peer.server_port.is_some(), SERVER_PORT)
            | bit(peer.user.is_some(), USER)
            | bit(peer.protocol.is_some(), PROTOCOL)
            | bit(session.end.is_some(), END),
    );
    w.byte(peer.secure.map_or(0, |secure| 1 + u8::from(secure)));
    [&peer.addr, &peer.user].into_iter().flatten().for_each(|text| w.text(text));
    [peer.port, peer.server_port].into_iter().flatten().for_each(|port| w.uint(u64::from(port)));
    if let Some(protocol) = peer.protocol {
        w.byte(2 * protocol.version as u8 + u8::from(protocol.websocket));
    }
    if let Some(end) = &session.end {
        write_end(w, end, session.key.start.millis());
    }
}

/// Reads what [`write_session`] wrote with the same base.
pub fn read_session(r: &mut Reader<'_>, base: i64) -> Option<Session> {
    let key = SessionKey { start: read_time(r, base)?, connection: r.uint()? };
    let bits = r.byte()?;
    let secure = match r.byte()? {
        0 => None,
        code => Some(code == 2),
    };
    let mut text =
        |part| if bits & part != 0 { r.text().map(|text| Some(text.to_owned())) } else { Some(None) };
    let (addr, user) = (text(ADDR)?, text(USER)?);
    let mut port = |part| if bits & part != 0 { u16::try_from(r.uint()?).ok().map(Some) } else { Some(None) };
    let (port, server_port) = (port(PORT)?, port(SERVER_PORT)?);
    let protocol = if bits & PROTOCOL != 0 { Some(read_protocol(r)?) } else { None };
    let end = if bits & END != 0 { Some(read_end(r, key.start.millis())?) } else { None };
    let certainty = *Certainty::ALL.get(usize::from(bits & 3))?;
    let peer = Peer { addr, port, server_port, protocol, secure, user };
    Some(Session { key, certainty, peer, end })
}

fn read_protocol(r: &mut Reader<'_>) -> Option<Protocol> {
    let code = r.byte()?;
    let version = *MqttVersion::ALL.get(usize::from(code / 2))?;
    Some(Protocol { version, websocket: code % 2 == 1 })
}

fn write_end(w: &mut Writer, end: &End, base: i64) {
    let counters =
        [end.counters.read_msg, end.counters.read_bytes, end.counters.write_msg, end.counters.write_bytes];
    // Two bits of certainty, two of initiator, then one for each of what may be absent.
    let mut bits = end.certainty as u64 | end.initiator.map_or(0, |initiator| 1 + initiator as u64) << 2;
    let presence = [end.mqtt_reason_code.is_some(), end.close_code.is_some(), end.reason.is_some()];
    for (at, is_present) in presence.into_iter().chain(counters.map(|counter| counter.is_some())).enumerate()
    {
        bits |= u64::from(is_present) << (4 + at);
    }
    w.uint(bits);
    write_time(w, end.time, base);
    if let Some(code) = end.mqtt_reason_code {
        w.byte(code);
    }
    if let Some(code) = end.close_code {
        w.uint(u64::from(code));
    }
    if let Some(reason) = &end.reason {
        w.text(reason);
    }
    counters.into_iter().flatten().for_each(|counter| w.uint(counter));
}

fn read_end(r: &mut Reader<'_>, base: i64) -> Option<End> {
    let bits = r.uint()?;
    let has = |at: u32| bits >> (4 + at) & 1 != 0;
    let initiator = match bits >> 2 & 3 {
        0 => None,
        code => Some(*Initiator::ALL.get(code as usize - 1)?),
    };
    Some(End {
        certainty: *Certainty::ALL.get((bits & 3) as usize)?,
        time: read_time(r, base)?,
        initiator,
        mqtt_reason_code: if has(0) { Some(r.byte()?) } else { None },
        close_code: if has(1) { Some(u16::try_from(r.uint()?).ok()?) } else { None },
        reason: if has(2) { Some(r.text()?.to_owned()) } else { None },
        counters: Counters {
            read_msg: if has(3) { Some(r.uint()?) } else { None },
            read_bytes: if has(4) { Some(r.uint()?) } else { None },
            write_msg: if has(5) { Some(r.uint()?) } else { None },
            write_bytes: if has(6) { Some(r.uint()?) } else { None },
        },
    })
}

/// Distances wrap around, so that any two times have one.
fn write_time(w: &mut Writer, time: Timestamp, base: i64) {
    w.int(time.millis().wrapping_sub(base));
}

fn read_time(r: &mut Reader<'_>, base: i64) -> Option<Timestamp> {
    Some(Timestamp::from_millis(base.wrapping_add(r.int()?)))
}

fn read_one<T: Copy>(r: &mut Reader<'_>, all: &[T]) -> Option<T> {
    all.get(usize::from(r.byte()?)).copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fleet::tests::{any_events, folded};

    proptest! {
        #[test]
        fn any_state_comes_back_as_it_was(events in any_events()) {
            let states: Vec<_> = folded(&events).into_values().collect();
            let mut writer = Writer::default();
            states.iter().for_each(|state| write_state(&mut writer, state));
            let mut reader = Reader::new(&writer.bytes);
            let read: Vec<_> = states.iter().map_while(|_| read_state(&mut reader, false)).collect();
            prop_assert_eq!(read, states);
            prop_assert!(reader.is_at_end());
        }

        #[test]
        fn no_bytes_make_reading_a_state_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            for is_first in [false, true] {
                let mut reader = Reader::new(&bytes);
                while read_state(&mut reader, is_first).is_some() {}
            }
        }
    }

    /// As the snapshot had it before times of messages were kept: `a`, a publish at 7 as the last activity, heard then.
    #[test]
    fn a_state_from_before_times_of_messages_is_read_and_its_last_message_is_known_if_it_was_the_last_activity()
     {
        let bytes = |event: ActivityEvent| {
            let mut w = Writer::default();
            w.text("a");
            w.byte(ACTIVITY | HEARD);
            w.int(7);
            w.byte(event as u8);
            w.int(7);
            w.bytes
        };
        let read = |event| read_state(&mut Reader::new(&bytes(event)), true).unwrap();
        let at = Some(Timestamp::from_millis(7));
        let publish = read(ActivityEvent::Publish);
        assert_eq!((publish.last_publish, publish.heard), (at, at));
        assert_eq!(read(ActivityEvent::Ping).last_publish, None);
    }
}
