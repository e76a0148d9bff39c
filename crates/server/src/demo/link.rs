//! One MQTT connection of a demo client: a TCP socket, and the protocol's state machine over it.
//!
//! A link keeps itself alive while it is tended. How it ends is the caller's choice: politely, rudely or not
//! at all. It decides nothing about when.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::{Event, TimerKind};
use mqtt_protocol_core::mqtt::packet::{GenericPacketTrait as _, Packet};
use mqtt_protocol_core::mqtt::result_code::{ConnectReasonCode, ConnectReturnCode, MqttError};
use mqtt_protocol_core::mqtt::{Connection, Version, role};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

use super::packet::{self, Hello};

/// The broker answers a connect within this time, or the attempt has failed.
const OPEN_LIMIT: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    #[error("the broker did not answer in time")]
    NoAnswer,
    #[error("the broker refused the connection ({0})")]
    Refused(u8),
    #[error("the broker closed the connection")]
    Closed,
    #[error("the protocol was violated: {0:?}")]
    Protocol(MqttError),
}

impl From<MqttError> for LinkError {
    fn from(error: MqttError) -> Self {
        Self::Protocol(error)
    }
}

/// An open connection. Dropping it closes the socket without a DISCONNECT.
pub struct Link {
    stream: TcpStream,
    mqtt: Connection<role::Client>,
    version: Version,
    ping_at: Option<Instant>,
    accepted: bool,
}

impl Link {
    /// Connects and waits for the broker's consent.
    ///
    /// # Errors
    /// [`LinkError::Refused`] when the broker said no; the others when nobody answered in MQTT.
    pub async fn open(broker: SocketAddr, hello: &Hello) -> Result<Self, LinkError> {
        timeout(OPEN_LIMIT, Self::open_unlimited(broker, hello)).await.unwrap_or(Err(LinkError::NoAnswer))
    }

    async fn open_unlimited(broker: SocketAddr, hello: &Hello) -> Result<Self, LinkError> {
        let stream = TcpStream::connect(broker).await?;
        stream.set_nodelay(true)?;
        let mut mqtt = Connection::new(hello.version);
        mqtt.set_auto_pub_response(true);
        let mut link = Self { stream, mqtt, version: hello.version, ping_at: None, accepted: false };
        link.send(packet::connect(hello)?).await?;
        while !link.accepted {
            link.stream.readable().await?;
            link.receive().await?;
        }
        Ok(link)
    }

    /// Answers, pings and reads over what comes in, until the deadline.
    ///
    /// # Errors
    /// When the connection ended before.
    pub async fn tend_until(&mut self, deadline: Instant) -> Result<(), LinkError> {
        loop {
            let wake = self.ping_at.map_or(deadline, |ping_at| ping_at.min(deadline));
            tokio::select! {
                readable = self.stream.readable() => {
                    readable?;
                    self.receive().await?;
                }
                () = sleep_until(wake) => {
                    if Instant::now() >= deadline {
                        return Ok(());
                    }
                    self.ping_at = None;
                    let events = self.mqtt.notify_timer_fired(TimerKind::PingreqSend);
                    self.handle(events).await?;
                }
            }
        }
    }

    /// Sends nothing more, not even a ping, and waits until the broker has closed the connection.
    pub async fn wait_in_silence(self) {
        let mut buffer = [0; 512];
        while self.stream.readable().await.is_ok() {
            match self.stream.try_read(&mut buffer) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }

    /// # Errors
    /// When the connection has ended.
    pub async fn publish(&mut self, topic: &str, payload: &str) -> Result<(), LinkError> {
        self.send(packet::publish(self.version, topic, payload)?).await
    }

    /// # Errors
    /// When the connection has ended.
    pub async fn subscribe(&mut self, filter: &str) -> Result<(), LinkError> {
        let packet_id = self.mqtt.acquire_packet_id()?;
        self.send(packet::subscribe(self.version, packet_id, filter)?).await
    }

    /// # Errors
    /// When the connection has ended.
    pub async fn unsubscribe(&mut self, filter: &str) -> Result<(), LinkError> {
        let packet_id = self.mqtt.acquire_packet_id()?;
        self.send(packet::unsubscribe(self.version, packet_id, filter)?).await
    }

    /// DISCONNECT, asking for the will to be published or not, then closes the socket.
    ///
    /// # Errors
    /// When the connection has ended before.
    pub async fn say_goodbye(mut self, with_will: bool) -> Result<(), LinkError> {
        match self.send(packet::disconnect(self.version, with_will)?).await {
            // The state machine asks for the close that follows a DISCONNECT.
            Ok(()) | Err(LinkError::Closed) => Ok(self.stream.shutdown().await?),
            Err(error) => Err(error),
        }
    }

    /// Closes the socket in order, but without a DISCONNECT.
    ///
    /// # Errors
    /// When the connection has ended before.
    pub async fn hang_up(mut self) -> Result<(), LinkError> {
        Ok(self.stream.shutdown().await?)
    }

    /// Resets the socket.
    ///
    /// # Errors
    /// When the system refuses the socket option.
    pub fn reset(self) -> Result<(), LinkError> {
        Ok(self.stream.set_zero_linger()?)
    }

    async fn send(&mut self, packet: Packet) -> Result<(), LinkError> {
        let events = self.mqtt.send(packet);
        self.handle(events).await
    }

    async fn receive(&mut self) -> Result<(), LinkError> {
        let mut buffer = [0; 1024];
        let length = match self.stream.try_read(&mut buffer) {
            Ok(0) => return Err(LinkError::Closed),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let mut cursor = Cursor::new(&buffer[..length]);
        while cursor.position() < length as u64 {
            let events = self.mqtt.recv(&mut cursor);
            self.handle(events).await?;
        }
        Ok(())
    }

    async fn handle(&mut self, events: Vec<Event>) -> Result<(), LinkError> {
        for event in events {
            match event {
                Event::RequestSendPacket { packet, .. } => {
                    self.stream.write_all(&packet.to_continuous_buffer()).await?;
                }
                Event::NotifyPacketReceived(packet) => self.note(&packet)?,
                Event::RequestTimerReset { kind: TimerKind::PingreqSend, duration_ms } => {
                    self.ping_at = Some(Instant::now() + Duration::from_millis(duration_ms));
                }
                Event::RequestTimerCancel(TimerKind::PingreqSend) => self.ping_at = None,
                Event::RequestClose => return Err(LinkError::Closed),
                Event::NotifyError(error) => return Err(error.into()),
                Event::RequestTimerReset { .. }
                | Event::RequestTimerCancel(_)
                | Event::NotifyPacketIdReleased(_) => {}
            }
        }
        Ok(())
    }

    fn note(&mut self, packet: &Packet) -> Result<(), LinkError> {
        match packet {
            Packet::V5_0Connack(connack) => match connack.reason_code() {
                ConnectReasonCode::Success => self.accepted = true,
                refusal => return Err(LinkError::Refused(refusal as u8)),
            },
            Packet::V3_1_1Connack(connack) => match connack.return_code() {
                ConnectReturnCode::Accepted => self.accepted = true,
                refusal => return Err(LinkError::Refused(refusal as u8)),
            },
            _ => {}
        }
        Ok(())
    }
}
