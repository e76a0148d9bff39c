//! The monitor: how long after an event its message is there, with many subscribers and one that never reads. Real
//! MQTT 5 connections over TCP, as a dashboard has them: without the retained messages.

use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rollcall_model::Timestamp;
use rollcall_server::clock;
use rollcall_server::identity::NewKey;

use crate::asking::Asked;
use crate::machine;
use crate::measure::{Better, Row, Times};

const SUBSCRIBERS: usize = 20;
const RATE: u32 = 5_000;
/// Subscribers that never read, to be told from everything else that takes memory meanwhile.
const STUCK: usize = 50;
/// How long they are let be.
const STUCK_FOR: Duration = Duration::from_secs(8);
/// Until the first messages are through.
const WARM_UP: Duration = Duration::from_secs(2);

pub fn measure(asked: &mut Asked, duration: Duration) -> anyhow::Result<Vec<Row>> {
    eprintln!("watching with {SUBSCRIBERS} subscribers while {RATE} events a second arrive …");
    let (address, key) = (asked.server.mqtt, asked.key.clone());
    let is_measured = Arc::new(AtomicBool::new(false));
    let is_over = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..SUBSCRIBERS)
        .map(|number| {
            let reader = subscribe(address, &key, number)?;
            let (is_measured, is_over) = (Arc::clone(&is_measured), Arc::clone(&is_over));
            Ok(std::thread::spawn(move || read(reader, &is_measured, &is_over)))
        })
        .collect::<anyhow::Result<_>>()?;
    asked.server.tell(&format!("rate {RATE} 0"))?;
    std::thread::sleep(WARM_UP);
    let resident = || Ok::<_, anyhow::Error>(machine::memory(asked.server.pid())?.resident as f64);
    let start = resident()?;
    is_measured.store(true, Ordering::Relaxed);
    std::thread::sleep(duration);
    is_measured.store(false, Ordering::Relaxed);
    let without = resident()?;
    // The server closes such a connection in the end; until then it is the worst that there is.
    let stuck: Vec<_> = (0..STUCK)
        .map(|number| subscribe(address, &key, SUBSCRIBERS + number))
        .collect::<anyhow::Result<_>>()?;
    std::thread::sleep(duration.min(STUCK_FOR));
    let with = resident()?;
    asked.server.tell("rate 0 0")?;
    is_over.store(true, Ordering::Relaxed);
    drop(stuck);
    let mut latencies = Vec::new();
    for reader in readers {
        match reader.join() {
            Ok(times) => latencies.extend(times?),
            Err(_) => bail!("a subscriber panicked"),
        }
    }
    let told = latencies.len() as f64 / SUBSCRIBERS as f64 / duration.as_secs_f64();
    let meanwhile = (without - start) * duration.min(STUCK_FOR).as_secs_f64() / duration.as_secs_f64();
    let grown = (with - without - meanwhile).max(0.0) / STUCK as f64 / 1e6;
    let latencies = Times::new(latencies);
    Ok(vec![
        Row::times("monitor message, 20 subscribers, 5,000 events/s", (50.0, 50.0), &latencies, None),
        Row::figure("messages that each of them gets", "/s", Better::More, None, told, None),
        Row::figure("memory that a subscriber takes who never reads", "MB", Better::Less, None, grown, None),
    ])
}

/// Connects and subscribes to all devices.
fn subscribe(address: SocketAddr, key: &NewKey, number: usize) -> anyhow::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::with_capacity(1 << 16, stream);
    let mut connect = b"\x00\x04MQTT\x05\xC2\x00\x00\x00".to_vec();
    for text in [format!("a:acme01:watch-{number}").as_str(), &key.key, &key.token] {
        push_text(&mut connect, text);
    }
    send(&mut reader, 0x10, &connect)?;
    let (kind, body) = packet(&mut reader)?;
    ensure!(kind >> 4 == 2 && body.get(1) == Some(&0), "the broker refused a subscriber: {body:?}");
    let mut subscribe = vec![0, 1, 0];
    push_text(&mut subscribe, "iot-2/type/+/id/+/mon");
    // QoS 0, and none of the retained messages.
    subscribe.push(0x20);
    send(&mut reader, 0x82, &subscribe)?;
    let (kind, body) = packet(&mut reader)?;
    ensure!(kind >> 4 == 9 && body.last() == Some(&0), "the broker refused a subscription: {body:?}");
    Ok(reader)
}

/// The age of each message when it comes, in milliseconds.
fn read(
    mut reader: BufReader<TcpStream>,
    is_measured: &AtomicBool,
    is_over: &AtomicBool,
) -> anyhow::Result<Vec<f64>> {
    reader.get_ref().set_read_timeout(Some(Duration::from_millis(500)))?;
    let mut ages = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let body = match packet(&mut reader) {
            Ok((kind, body)) if kind >> 4 == 3 => body,
            Ok((kind, _)) => bail!("the broker sent a packet of type {}", kind >> 4),
            Err(error) if is_timeout(&error) => continue,
            Err(error) => return Err(error),
        };
        if is_measured.load(Ordering::Relaxed) {
            let text = String::from_utf8_lossy(&body);
            let (_, rest) = text.split_once("\"Time\":\"").context("a message without a time")?;
            let time = Timestamp::parse(rest.split('"').next().unwrap_or_default())?;
            ages.push((clock::now().millis() - time.millis()) as f64);
        }
    }
    Ok(ages)
}

fn is_timeout(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    matches!(kind, Some(ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

fn push_text(packet: &mut Vec<u8>, text: &str) {
    packet.extend((text.len() as u16).to_be_bytes());
    packet.extend(text.as_bytes());
}

/// Sends a packet of less than 128 bytes.
fn send(reader: &mut BufReader<TcpStream>, kind: u8, body: &[u8]) -> anyhow::Result<()> {
    ensure!(body.len() < 128, "a packet of {} bytes", body.len());
    let packet = [&[kind, body.len() as u8], body].concat();
    Ok(reader.get_mut().write_all(&packet)?)
}

/// The next packet: its first byte, and what follows the length.
fn packet(reader: &mut BufReader<TcpStream>) -> anyhow::Result<(u8, Vec<u8>)> {
    let mut byte = [0];
    reader.read_exact(&mut byte)?;
    let kind = byte[0];
    let (mut length, mut shift) = (0_usize, 0);
    loop {
        reader.read_exact(&mut byte)?;
        length |= usize::from(byte[0] & 0x7F) << shift;
        if byte[0] & 0x80 == 0 {
            break;
        }
        shift += 7;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((kind, body))
}
