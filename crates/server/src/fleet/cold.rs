//! The cold part of a row: what no query reads but the next event or a look at the one client needs. Packed into
//! a few bytes, because there are a million of them.
//!
//! Columns and cold part together are exactly the [`ClientState`]: nothing is rounded, nothing is dropped.

use rollcall_model::{
    Certainty, ClientState, Counters, End, Initiator, Peer, Session, SessionKey, Timestamp,
};

use crate::codec::{Reader, Writer};

use super::columns::{pack_bool, pack_protocol, unpack_bool, unpack_code, unpack_protocol};
use super::symbols::Dictionary;

const CURRENT: u8 = 1;
const PREVIOUS: u8 = 2;
const LOOSE_END: u8 = 4;
const RECENT_LIST: u8 = 8;

/// Bits of a session and its peer. The low two bits are its certainty.
const ADDR: u8 = 4;
const PORT: u8 = 8;
const SERVER_PORT: u8 = 16;
const USER: u8 = 32;
const END: u8 = 64;

/// Packs what the columns do not hold into `row`. `recent_list` and `long_addr` say whether the columns lack those;
/// `w` is a place to work in.
pub fn pack(
    state: &ClientState,
    recent_list: bool,
    long_addr: bool,
    dictionary: &mut Dictionary,
    w: &mut Writer,
    row: &mut Box<[u8]>,
) {
    w.bytes.clear();
    let bit = |present: bool, bit: u8| if present { bit } else { 0 };
    w.byte(
        bit(state.current.is_some(), CURRENT)
            | bit(state.previous.is_some(), PREVIOUS)
            | bit(state.loose_end.is_some(), LOOSE_END)
            | bit(recent_list, RECENT_LIST),
    );
    // First, so that counting recent connects reads no further.
    if recent_list {
        w.uint(state.recent_connects.len() as u64);
        let mut before = 0;
        for time in &state.recent_connects {
            w.int(time.millis() - before);
            before = time.millis();
        }
    }
    let base = state.current.as_ref().map_or(0, |session| session.key.start.millis());
    if let Some(session) = &state.current {
        let addr = session.peer.addr.as_deref().filter(|_| long_addr);
        pack_session(w, session, addr, dictionary);
    }
    if let Some(session) = &state.previous {
        w.int(session.key.start.millis() - base);
        w.byte(pack_protocol(session.peer.protocol));
        w.byte(pack_bool(session.peer.secure));
        pack_session(w, session, session.peer.addr.as_deref(), dictionary);
    }
    if let Some(end) = &state.loose_end {
        pack_end(w, end, base, dictionary);
    }
    // Most changes keep the length, and so the allocation.
    if row.len() == w.bytes.len() {
        row.copy_from_slice(&w.bytes);
    } else {
        *row = Box::from(w.bytes.as_slice());
    }
}

fn pack_session(w: &mut Writer, session: &Session, addr: Option<&str>, dictionary: &mut Dictionary) {
    let peer = &session.peer;
    let bit = |present: bool, bit: u8| if present { bit } else { 0 };
    w.byte(
        session.certainty as u8
            | bit(addr.is_some(), ADDR)
            | bit(peer.port.is_some(), PORT)
            | bit(peer.server_port.is_some(), SERVER_PORT)
            | bit(peer.user.is_some(), USER)
            | bit(session.end.is_some(), END),
    );
    w.uint(session.key.connection);
    if let Some(addr) = addr {
        w.text(addr);
    }
    if let Some(port) = peer.port {
        w.uint(u64::from(port));
    }
    if let Some(port) = peer.server_port {
        w.uint(u64::from(port));
    }
    if let Some(user) = &peer.user {
        pack_text(w, user, dictionary);
    }
    if let Some(end) = &session.end {
        pack_end(w, end, session.key.start.millis(), dictionary);
    }
}

/// A number in the dictionary plus one, or 0 and the text.
fn pack_text(w: &mut Writer, text: &str, dictionary: &mut Dictionary) {
    match dictionary.number(text) {
        Some(number) => w.uint(u64::from(number) + 1),
        None => {
            w.uint(0);
            w.text(text);
        }
    }
}

fn pack_end(w: &mut Writer, end: &End, base: i64, dictionary: &mut Dictionary) {
    let counters =
        [end.counters.read_msg, end.counters.read_bytes, end.counters.write_msg, end.counters.write_bytes];
    // Two bits of certainty, two of initiator, then one for each of what may be absent.
    let mut bits = end.certainty as u64 | end.initiator.map_or(0, |initiator| 1 + initiator as u64) << 2;
    let presence = [end.mqtt_reason_code.is_some(), end.close_code.is_some(), end.reason.is_some()];
    for (at, present) in presence.into_iter().chain(counters.map(|counter| counter.is_some())).enumerate() {
        bits |= u64::from(present) << (4 + at);
    }
    w.uint(bits);
    w.int(end.time.millis() - base);
    if let Some(code) = end.mqtt_reason_code {
        w.byte(code);
    }
    if let Some(code) = end.close_code {
        w.uint(u64::from(code));
    }
    if let Some(reason) = &end.reason {
        pack_text(w, reason, dictionary);
    }
    for counter in counters.into_iter().flatten() {
        w.uint(counter);
    }
}

/// The connects within the hour before `now`, of a row that has its own list of them.
pub fn recent_connects(bytes: &[u8]) -> Vec<Timestamp> {
    let mut reader = Reader::new(bytes);
    reader.byte().and_then(|_| unpack_recent(&mut reader)).unwrap_or_default()
}

fn unpack_recent(reader: &mut Reader<'_>) -> Option<Vec<Timestamp>> {
    let count = reader.uint()?;
    let mut before = 0;
    (0..count)
        .map(|_| {
            before += reader.int()?;
            Some(Timestamp::from_millis(before))
        })
        .collect()
}

/// What the columns know of the newest session.
pub struct CurrentInColumns {
    pub start: Option<Timestamp>,
    pub addr: Option<String>,
    pub protocol: u8,
    pub secure: u8,
}

/// Reads the cold part into a state whose other fields come from the columns. The bytes are those that [`pack`]
/// wrote, so reading cannot fail; should it, what was read so far stays.
pub fn unpack(bytes: &[u8], current: CurrentInColumns, state: &mut ClientState, dictionary: &Dictionary) {
    let complete = unpack_checked(bytes, current, state, dictionary);
    debug_assert!(complete.is_some(), "the cold part of {} is torn", state.id);
}

fn unpack_checked(
    bytes: &[u8],
    current: CurrentInColumns,
    state: &mut ClientState,
    dictionary: &Dictionary,
) -> Option<()> {
    let mut r = Reader::new(bytes);
    let parts = r.byte()?;
    if parts & RECENT_LIST != 0 {
        state.recent_connects = unpack_recent(&mut r)?;
    }
    let base = current.start.map_or(0, Timestamp::millis);
    if parts & CURRENT != 0 {
        let mut session = unpack_session(&mut r, current.start?, dictionary)?;
        session.peer.addr = session.peer.addr.or(current.addr);
        session.peer.protocol = unpack_protocol(current.protocol);
        session.peer.secure = unpack_bool(current.secure);
        state.current = Some(session);
    }
    if parts & PREVIOUS != 0 {
        let start = Timestamp::from_millis(base + r.int()?);
        let (protocol, secure) = (r.byte()?, r.byte()?);
        let mut session = unpack_session(&mut r, start, dictionary)?;
        session.peer.protocol = unpack_protocol(protocol);
        session.peer.secure = unpack_bool(secure);
        state.previous = Some(session);
    }
    if parts & LOOSE_END != 0 {
        state.loose_end = Some(unpack_end(&mut r, base, dictionary)?);
    }
    Some(())
}

fn unpack_session(r: &mut Reader<'_>, start: Timestamp, dictionary: &Dictionary) -> Option<Session> {
    let bits = r.byte()?;
    let connection = r.uint()?;
    let mut peer = Peer::default();
    if bits & ADDR != 0 {
        peer.addr = Some(r.text()?.to_owned());
    }
    if bits & PORT != 0 {
        peer.port = Some(u16::try_from(r.uint()?).ok()?);
    }
    if bits & SERVER_PORT != 0 {
        peer.server_port = Some(u16::try_from(r.uint()?).ok()?);
    }
    if bits & USER != 0 {
        peer.user = Some(unpack_text(r, dictionary)?);
    }
    let end = if bits & END != 0 { Some(unpack_end(r, start.millis(), dictionary)?) } else { None };
    let certainty = unpack_code(&Certainty::ALL, 1 + (bits & 3))?;
    Some(Session { key: SessionKey { start, connection }, certainty, peer, end })
}

fn unpack_text(r: &mut Reader<'_>, dictionary: &Dictionary) -> Option<String> {
    match r.uint()?.checked_sub(1) {
        None => r.text().map(str::to_owned),
        Some(number) => dictionary.text(u32::try_from(number).ok()?).map(str::to_owned),
    }
}

fn unpack_end(r: &mut Reader<'_>, base: i64, dictionary: &Dictionary) -> Option<End> {
    let bits = r.uint()?;
    let has = |at: u32| bits >> (4 + at) & 1 != 0;
    let time = Timestamp::from_millis(base + r.int()?);
    let mqtt_reason_code = if has(0) { Some(r.byte()?) } else { None };
    let close_code = if has(1) { Some(u16::try_from(r.uint()?).ok()?) } else { None };
    let reason = if has(2) { Some(unpack_text(r, dictionary)?) } else { None };
    let mut counter = |at| if has(at) { r.uint().map(Some) } else { Some(None) };
    let counters = Counters {
        read_msg: counter(3)?,
        read_bytes: counter(4)?,
        write_msg: counter(5)?,
        write_bytes: counter(6)?,
    };
    Some(End {
        certainty: unpack_code(&Certainty::ALL, 1 + (bits & 3) as u8)?,
        time,
        initiator: unpack_code(&Initiator::ALL, (bits >> 2 & 3) as u8),
        mqtt_reason_code,
        close_code,
        reason,
        counters,
    })
}
