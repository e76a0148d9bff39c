//! The MQTT packets of a subscriber in QoS 0: what the dashboard sends, written, and what a server sends, read.
//!
//! Called by [`super::session`]. It works on bytes, in both versions of MQTT, and knows no order of packets. It is our own
//! because a library for all of MQTT was a tenth of the dashboard's code; the tests compare it with one.

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests;

/// The version of MQTT that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MqttVersion {
    V311,
    V5,
}

/// What a server may send to such a subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    /// The answer to CONNECT; 0 is success in both versions.
    Connack { code: u8 },
    /// The answer to SUBSCRIBE, with one code for each topic; 0x80 and above are refusals.
    Suback { id: u16, codes: &'a [u8] },
    /// A message; `to_acknowledge` is its packet id, should it come in QoS 1.
    Publish { payload: &'a [u8], is_retained: bool, to_acknowledge: Option<u16> },
    /// The answer to a ping.
    Pingresp,
    /// The server ends the connection (MQTT 5).
    Disconnect,
}

/// What came is no MQTT, or nothing that a server may send to a subscriber in QoS 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// No monitor message comes near this size; a server that announces more must not fill the memory of the page.
const MAX_PACKET_BYTES: usize = 16 << 20;

pub const PINGREQ: [u8; 2] = [0xC0, 0];

/// CONNECT with a clean session; `login` is user and password. `None` when a text is longer than MQTT can say, which is
/// 65,535 bytes.
pub fn connect(
    version: MqttVersion,
    client_id: &str,
    login: Option<&(String, String)>,
    keep_alive_s: u16,
) -> Option<Vec<u8>> {
    const CLEAN: u8 = 0x02;
    const USER_AND_PASSWORD: u8 = 0xC0;
    let mut body = Vec::new();
    put_string(&mut body, "MQTT")?;
    let flags = if login.is_some() { CLEAN | USER_AND_PASSWORD } else { CLEAN };
    body.extend([if version == MqttVersion::V5 { 5 } else { 4 }, flags]);
    body.extend(keep_alive_s.to_be_bytes());
    put_no_properties(&mut body, version);
    put_string(&mut body, client_id)?;
    if let Some((user, password)) = login {
        put_string(&mut body, user)?;
        put_string(&mut body, password)?;
    }
    Some(packet(0x10, &body))
}

/// SUBSCRIBE in QoS 0. MQTT 5 can be asked not to send what is retained: the State API has told it already.
pub fn subscribe(version: MqttVersion, id: u16, topics: &[&str]) -> Option<Vec<u8>> {
    const NO_RETAINED: u8 = 0x20;
    let mut body = id.to_be_bytes().to_vec();
    put_no_properties(&mut body, version);
    for topic in topics {
        put_string(&mut body, topic)?;
        body.push(if version == MqttVersion::V5 { NO_RETAINED } else { 0 });
    }
    Some(packet(0x82, &body))
}

/// The receipt of a message in QoS 1.
pub fn puback(id: u16) -> Vec<u8> {
    packet(0x40, &id.to_be_bytes())
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut length = body.len();
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend(body);
    bytes
}

fn put_string(body: &mut Vec<u8>, text: &str) -> Option<()> {
    body.extend(u16::try_from(text.len()).ok()?.to_be_bytes());
    body.extend(text.bytes());
    Some(())
}

fn put_no_properties(body: &mut Vec<u8>, version: MqttVersion) {
    if version == MqttVersion::V5 {
        body.push(0);
    }
}

/// Reads the first packet; returns it and the bytes after it, or `None` when a part of it is still to come.
///
/// # Errors
/// When it cannot become a packet that may be sent to a subscriber in QoS 0.
pub fn read(bytes: &[u8], version: MqttVersion) -> Result<Option<(Packet<'_>, &[u8])>, Malformed> {
    let Some((&first, rest)) = bytes.split_first() else { return Ok(None) };
    let mut rest = Body(rest);
    let length = match rest.variable_int() {
        Some(length) if length <= MAX_PACKET_BYTES => length,
        None if rest.0.len() < 4 => return Ok(None),
        _ => return Err(Malformed),
    };
    let Some((body, rest)) = rest.0.split_at_checked(length) else { return Ok(None) };
    let packet = Body(body).packet(first, version).ok_or(Malformed)?;
    Ok(Some((packet, rest)))
}

/// What is still to be read of a packet. Where it ends too early, the answer is `None`.
struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    fn packet(mut self, first: u8, version: MqttVersion) -> Option<Packet<'a>> {
        match first {
            0x20 => {
                let [_session_present, code] = *self.take(2)? else { return None };
                self.skip_properties(version)?;
                self.0.is_empty().then_some(Packet::Connack { code })
            }
            0x30..=0x3F => self.publish(first, version),
            0x90 => {
                let id = self.u16()?;
                self.skip_properties(version)?;
                Some(Packet::Suback { id, codes: self.0 })
            }
            0xD0 if self.0.is_empty() => Some(Packet::Pingresp),
            0xE0 if version == MqttVersion::V5 => Some(Packet::Disconnect),
            _ => None,
        }
    }

    fn publish(mut self, first: u8, version: MqttVersion) -> Option<Packet<'a>> {
        let topic_bytes = self.u16()?;
        self.take(topic_bytes.into())?;
        let to_acknowledge = match (first >> 1) & 3 {
            0 => None,
            1 => Some(self.u16()?),
            _ => return None,
        };
        self.skip_properties(version)?;
        Some(Packet::Publish { payload: self.0, is_retained: first & 1 == 1, to_acknowledge })
    }

    fn skip_properties(&mut self, version: MqttVersion) -> Option<()> {
        if version == MqttVersion::V5 {
            let length = self.variable_int()?;
            self.take(length)?;
        }
        Some(())
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_be_bytes(*taken))
    }

    /// Seven bits in each byte, the lowest first, in at most four bytes. Takes nothing when it is not complete.
    fn variable_int(&mut self) -> Option<usize> {
        let last = self.0.iter().take(4).position(|byte| byte & 0x80 == 0)?;
        let bytes = self.take(last + 1)?;
        Some(bytes.iter().rev().fold(0, |value, byte| value << 7 | usize::from(byte & 0x7F)))
    }
}
