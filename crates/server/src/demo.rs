//! The demo fleet: real MQTT clients over loopback sockets, so that a newcomer sees the dashboard at work.
//!
//! The server starts it when asked to (`--demo N`) and stops it before the broker. Its clients are devices,
//! gateways and applications that publish, subscribe, ping, leave, get lost and come back. What each does is
//! decided by `plan`, a pure function of the seed; `link` is one MQTT connection; `client` plays the
//! plan on links, one task per client. The fleet knows nothing of the server but the broker's address: what
//! the dashboard shows of it went through the same sockets as everybody else's.

mod client;
mod link;
mod packet;
mod plan;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use plan::{Pace, Roster};

/// How long the fleet may take to say goodbye when it is stopped.
const GOODBYE_LIMIT: Duration = Duration::from_secs(2);

/// What fleet to run.
#[derive(Clone)]
pub struct DemoConfig {
    /// How many clients; 0 is an empty fleet.
    pub clients: u32,
    /// The broker's TCP listener.
    pub broker: SocketAddr,
    /// The organisation in the client ids.
    pub org: String,
    /// The same seed plans the same fleet.
    pub seed: u64,
    /// What every client presents. Nobody else may know it: the rest of the fleet is the same for everybody.
    pub token: String,
}

/// A running fleet. Dropping it ends every client at once, without a goodbye.
#[derive(Debug)]
pub struct DemoHandle {
    stop: watch::Sender<bool>,
    clients: JoinSet<()>,
}

/// Starts the fleet on the current runtime and returns at once; the clients arrive within some seconds.
///
/// `credentials` is called, before any client starts, with the client id and the user name of every client: the
/// broker must then accept the token for these and refuse everything else for that id.
pub fn spawn(config: &DemoConfig, credentials: impl Fn(&str, &str)) -> DemoHandle {
    spawn_at_pace(config, credentials, Pace::CALM)
}

fn spawn_at_pace(config: &DemoConfig, credentials: impl Fn(&str, &str), pace: Pace) -> DemoHandle {
    let roster = Roster::new(config.clients, &config.org, config.seed, pace);
    for member in roster.members() {
        credentials(&member.client_id, &member.user);
    }
    let (stop, stopped) = watch::channel(false);
    let start = Instant::now();
    let (roster, token) = (Arc::new(roster), Arc::<str>::from(config.token.as_str()));
    let mut clients = JoinSet::new();
    for index in 0..roster.members().len() {
        let (roster, token) = (Arc::clone(&roster), Arc::clone(&token));
        clients.spawn(client::run(roster, index, config.broker, token, start, stopped.clone()));
    }
    DemoHandle { stop, clients }
}

impl DemoHandle {
    /// Lets every client that is connected say goodbye, and waits until all have gone (two seconds at most).
    pub async fn stop(mut self) {
        // No receiver means that no client is left, which is what is wanted.
        let _ = self.stop.send(true);
        let gone = async { while self.clients.join_next().await.is_some() {} };
        if tokio::time::timeout(GOODBYE_LIMIT, gone).await.is_err() {
            self.clients.shutdown().await;
        }
    }
}
