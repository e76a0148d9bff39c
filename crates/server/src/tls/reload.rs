//! Takes up a renewed certificate while the server runs.
//!
//! `serve` runs [`watch`] beside the listeners. It looks at the files every few seconds, which works in
//! containers and on network file systems too, and at once on SIGHUP (not for a self-signed certificate). It drops no client and never leaves the
//! server without a certificate: one that cannot be used is reported once, and the one in use stays.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};

use super::Tls;

const POLL_INTERVAL: Duration = Duration::from_secs(3);
const SELF_SIGNED_INTERVAL: Duration = Duration::from_secs(3_600);

/// By this a file is recognised as a new one; `None` where there is none.
type Stamp = [Option<(SystemTime, u64)>; 2];

/// Never returns.
pub async fn watch(tls: Arc<Tls>) {
    let mut poll = interval(POLL_INTERVAL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut hourly = interval_at(Instant::now() + SELF_SIGNED_INTERVAL, SELF_SIGNED_INTERVAL);
    // Whoever tries it out in a terminal and closes that expects the server to end.
    let mut hangup = if tls.self_signed.is_some() { None } else { hangups() };
    let mut tried = stamp(&tls).await;
    let mut seen = tried;
    loop {
        tokio::select! {
            _ = poll.tick() => {
                let now = stamp(&tls).await;
                // The two files are not written in one moment: they are read when they have come to rest.
                if now == seen && now != tried {
                    tried = now;
                    reload(&tls).await;
                }
                seen = now;
            }
            () = next(hangup.as_mut()) => {
                tried = stamp(&tls).await;
                seen = tried;
                reload(&tls).await;
            }
            _ = hourly.tick() => renew_self_signed(&tls).await,
        }
    }
}

fn hangups() -> Option<Signal> {
    signal(SignalKind::hangup())
        .inspect_err(|error| {
            tracing::warn!(%error, "cannot listen for SIGHUP; a renewed certificate is found all the same");
        })
        .ok()
}

async fn next(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

async fn reload(tls: &Arc<Tls>) {
    let loading = Arc::clone(tls);
    match tokio::task::spawn_blocking(move || loading.reload()).await {
        Ok(Ok(())) => {
            tracing::info!(certificate = %tls.certificate.display(), "took up the renewed TLS certificate");
        }
        Ok(Err(error)) => tracing::error!("{error}. The TLS certificate in use stays"),
        Err(error) => tracing::error!(%error, "the TLS certificate could not be loaded"),
    }
}

/// A new file is taken up like any other renewal.
async fn renew_self_signed(tls: &Arc<Tls>) {
    let renewing = Arc::clone(tls);
    let renewed = tokio::task::spawn_blocking(move || renewing.self_signed.as_ref().map(|own| own.ensure()));
    match renewed.await {
        Ok(None | Some(Ok(_))) => {}
        Ok(Some(Err(error))) => tracing::error!(%error, "the self-signed certificate was not renewed"),
        Err(error) => tracing::error!(%error, "the self-signed certificate was not renewed"),
    }
}

async fn stamp(tls: &Tls) -> Stamp {
    [stamp_of(&tls.certificate).await, stamp_of(&tls.key).await]
}

async fn stamp_of(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = tokio::fs::metadata(path).await.ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
