//! The question for the status: the first one there is, and the one that tells a Rollcall from a server that has Watson's API
//! and nothing more. Called where requests are made ([`super::fetch`]).
//!
//! A plain server says 401 to every stranger and challenges the browser, which must not cover the page with a prompt of its
//! own; signed in, it says 404, or what a gateway in front of it says of a path that it does not know. Something that stands in
//! between for a while may say so, too, so a server is plain only when it has Watson's API to show.

use std::cell::RefCell;

use super::fetch::{
    Answer, Request, Token, is_plain, learn_dialect, remember_session, send, send_cookies, sends_cookies,
};
use super::session::{ENABLED, OWN_MESSAGE};
use super::{ApiError, Dated, STATUS};
use crate::browser;

thread_local! {
    static DATE: RefCell<Option<Dated>> = const { RefCell::new(None) };
}

/// What the answer said of the time by which a server turned out to be plain; once.
#[must_use]
pub fn first_date() -> Option<Dated> {
    DATE.take()
}

/// Whether there is more to find out about a refusal. What a Rollcall says itself is what it says; so is that nobody answers or
/// can answer now, unless it is for want of cookies.
pub(super) fn is_doubtful(error: &ApiError) -> bool {
    match error {
        ApiError::Refused { status, message, .. } if *status < 500 => !message.starts_with(OWN_MESSAGE),
        ApiError::Aborted => false,
        _ => !sends_cookies(),
    }
}

/// Whether a status can mean that there is no such resource.
const fn is_unknown(status: u16) -> bool {
    matches!(status, 400 | 403..=406 | 410 | 501)
}

/// What comes of it after another look; nothing from a plain server.
pub(super) async fn doubt(mut error: ApiError, token: Token) -> Result<Option<Answer>, ApiError> {
    let had_cookies = sends_cookies();
    if matches!(error, ApiError::Refused { is_challenge: true, .. }) {
        send_cookies(false);
        // Where the page itself takes a password the browser knows it, and sends it with the cookies only.
        let page = send(&Request::get("/"), &token).await;
        if !matches!(page, Err(ApiError::Refused { status: 401, .. })) {
            learn_dialect(true);
            remember_session(false);
            return Err(error);
        }
        send_cookies(had_cookies);
    }
    if !had_cookies && !is_plain() && !matches!(error, ApiError::Refused { status: 404, .. }) {
        // What is in between may want a cookie, a certificate or a password of its own.
        send_cookies(true);
        match send(&Request::get(STATUS), &token).await {
            Err(again) => error = again,
            told => return told,
        }
    }
    if matches!(error, ApiError::Refused { status, .. } if is_unknown(status)) {
        let asked_ms = browser::wall_ms();
        match send(&Request::get(ENABLED), &token).await {
            Ok(answer) => {
                let date = answer.and_then(|answer| answer.date);
                DATE.set(date.map(|date| Dated { date, asked_ms, told_ms: browser::wall_ms() }));
                return Ok(None);
            }
            Err(stranger @ ApiError::Refused { status: 401, .. }) => return Err(stranger),
            Err(_) => {}
        }
    }
    Err(error)
}
