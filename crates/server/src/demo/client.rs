//! One client of the demo fleet: plays its plan on links to the broker, for as long as the fleet runs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::link::{Link, LinkError};
use super::packet::Hello;
use super::plan::{Deed, Member, Roster, Stretch, Temper, Turn, WILL_TOPIC};

/// The first wait after a failed attempt to connect; doubled each time.
const BACK_OFF_FIRST: Duration = Duration::from_secs(1);
const BACK_OFF_MAX: Duration = Duration::from_secs(30);

/// Runs until `stopped` turns true; then the client says goodbye if it is connected.
pub async fn run(
    roster: Arc<Roster>,
    index: usize,
    broker: SocketAddr,
    token: Arc<str>,
    start: Instant,
    mut stopped: watch::Receiver<bool>,
) {
    let Some(member) = roster.members().get(index) else { return };
    let mut client =
        Client { roster: &roster, member, broker, token: &token, link: None, stretch: 0, deed: 0 };
    tokio::select! {
        () = client.live(start) => {}
        // An error means that the fleet's handle has gone, which also means to stop.
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
    if let Some(link) = client.link.take() {
        // A connection that is already lost needs no goodbye.
        let _ = link.say_goodbye(false).await;
    }
}

struct Client<'a> {
    roster: &'a Roster,
    member: &'a Member,
    broker: SocketAddr,
    token: &'a str,
    link: Option<Link>,
    /// Numbers of the next stretch and of the next deed.
    stretch: u32,
    deed: u32,
}

impl Client<'_> {
    async fn live(&mut self, start: Instant) {
        sleep_until(start + self.roster.arrival(self.member)).await;
        loop {
            let stretch = self.roster.stretch(self.member, self.stretch);
            self.stretch = self.stretch.wrapping_add(1);
            let away = match self.member.temper {
                Temper::LockedOut => self.stay_out(&stretch).await,
                Temper::Steady | Temper::Flapping => self.play(&stretch).await,
            };
            if let Err(error) = away {
                // The broker's end of the connection; everything else comes back as planned.
                tracing::debug!(client = self.member.client_id, %error, "a demo client lost its connection");
                self.link = None;
                sleep(BACK_OFF_FIRST).await;
            }
        }
    }

    /// One stretch: connects if need be, holds, takes its turn and stays away if the turn ended the connection.
    async fn play(&mut self, stretch: &Stretch) -> Result<(), LinkError> {
        if self.link.is_none() {
            self.link = Some(self.open_patiently(stretch).await);
        }
        let end = Instant::now() + stretch.hold;
        if let (Some(link), Some(filter)) = (&mut self.link, self.member.first_subscription()) {
            link.subscribe(filter).await?;
        }
        self.work_until(end).await?;
        self.take(stretch).await?;
        if self.link.is_none() {
            sleep(stretch.away).await;
        }
        Ok(())
    }

    /// Tries to connect until it works, ever more slowly.
    async fn open_patiently(&self, stretch: &Stretch) -> Link {
        let mut wait = BACK_OFF_FIRST;
        loop {
            match Link::open(self.broker, &self.hello(stretch.keep_alive_s)).await {
                Ok(link) => return link,
                Err(error) => {
                    tracing::debug!(client = self.member.client_id, %error, "a demo client cannot connect");
                }
            }
            sleep(wait).await;
            wait = (wait * 2).min(BACK_OFF_MAX);
        }
    }

    /// Does the deeds that fall due before `end`.
    async fn work_until(&mut self, end: Instant) -> Result<(), LinkError> {
        let Some(link) = &mut self.link else { return Ok(()) };
        loop {
            let (wait, deed) = self.member.deed(self.deed);
            let due = Instant::now() + wait;
            if due >= end {
                return link.tend_until(end).await;
            }
            link.tend_until(due).await?;
            self.deed = self.deed.wrapping_add(1);
            match deed {
                Deed::Publish { topic, payload } => link.publish(topic, &payload).await?,
                Deed::Subscribe(filter) => link.subscribe(filter).await?,
                Deed::Unsubscribe(filter) => link.unsubscribe(filter).await?,
            }
        }
    }

    async fn take(&mut self, stretch: &Stretch) -> Result<(), LinkError> {
        match stretch.turn {
            Turn::WrongPassword => {
                self.knock().await;
                return Ok(());
            }
            Turn::TakenOver => {
                let double = Link::open(self.broker, &self.hello(stretch.keep_alive_s)).await?;
                self.link = Some(double);
                return Ok(());
            }
            _ => {}
        }
        let Some(link) = self.link.take() else { return Ok(()) };
        match stretch.turn {
            Turn::GoodbyeWithWill => link.say_goodbye(true).await,
            Turn::Reset => link.reset(),
            Turn::HangUp => link.hang_up().await,
            Turn::Silence => {
                link.wait_in_silence().await;
                Ok(())
            }
            Turn::Goodbye | Turn::TakenOver | Turn::WrongPassword => link.say_goodbye(false).await,
        }
    }

    /// A stretch of a client that never gets in: it waits, and tries again.
    async fn stay_out(&self, stretch: &Stretch) -> Result<(), LinkError> {
        self.knock().await;
        sleep(stretch.away.max(Duration::from_secs(60))).await;
        Ok(())
    }

    /// Tries this client's id with a wrong password. Whatever the broker says to it is fine.
    async fn knock(&self) {
        let hello = Hello { password: "not-the-token".to_owned(), will: None, ..self.hello(60) };
        if let Ok(link) = Link::open(self.broker, &hello).await {
            tracing::debug!(client = self.member.client_id, "the broker accepted a wrong password");
            // The connection is of no use; that it may already be lost does not matter.
            let _ = link.say_goodbye(false).await;
        }
    }

    fn hello(&self, keep_alive_s: u16) -> Hello {
        Hello {
            client_id: self.member.client_id.clone(),
            version: self.member.version,
            keep_alive_s,
            user: self.member.user.clone(),
            password: self.token.to_owned(),
            will: Some((WILL_TOPIC, self.member.will())),
        }
    }
}
