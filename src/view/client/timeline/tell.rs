//! The time line in words: what is pointed at, what is in view altogether, how far back the log is known, and a table of
//! all that for screen readers.

use rollcall_model::log::{LogEntry, LogEvent};
use rollcall_model::{Initiator, Timestamp};

use super::line::{Item, Line, State};
use crate::format;
use crate::i18n::t;
use crate::store::{ClientSession, Ending, History, stores};
use crate::view::client::sessions::duration;
use crate::view::dom::{El, el};
use crate::words::{self, Cause};

/// So many lines the table for screen readers has; beyond that one zooms in.
const LINES_MAX: usize = 200;
/// Of less than this no share is told.
const KNOWN_MIN_MS: i64 = 60_000;

/// What is chosen, or what there is in view.
pub fn told(line: Line) -> String {
    // The line is a little ahead of the time.
    let now = stores().clock.exact();
    line.read(|state| match state.chosen_item() {
        Some(item) => tell(state, &item, now),
        None => summary(state, now),
    })
}

fn tell(state: &State, item: &Item, now: Timestamp) -> String {
    let count = item.mark.count() as u64;
    let moment = |time: Timestamp| format::moment_exact(time, now);
    let range = item.mark.first..=item.mark.last;
    if item.is_refused {
        return match state.found.refused.get(range) {
            Some([entry]) => refused_once(entry, &moment(entry.timestamp)),
            Some([first, .., last]) => {
                t::refused_many(count, &moment(first.timestamp), &moment(last.timestamp))
            }
            _ => String::new(),
        };
    }
    match state.found.sessions.get(range) {
        Some([session]) => session_in_words(session, now),
        Some([first, .., last]) => t::sessions_merged(count, &moment(first.start), &moment(last.end_or(now))),
        _ => String::new(),
    }
}

fn refused_once(entry: &LogEntry, time: &str) -> String {
    let why = Cause::of_entry(entry).map(|cause| cause_in_words(&cause)).unwrap_or_default();
    t::refused_once(time, &why)
}

fn cause_in_words(cause: &Cause) -> String {
    match cause.codes_in_words() {
        Some(codes) => cause.short() + &t::codes_in(&codes),
        None => cause.short(),
    }
}

/// `07:52:03 – 08:52:01 · 59 min 58 s · network: connection lost (close code 91)`.
fn session_in_words(session: &ClientSession, now: Timestamp) -> String {
    let moment = |time: Timestamp| format::moment_exact(time, now);
    let start = if session.has_start { moment(session.start) } else { t::session_no_start() };
    let end = match session.end {
        Ending::Open => t::session_open(),
        Ending::At(time, _) => moment(time),
        Ending::Unknown => t::session_no_end(),
    };
    let why = session.disconnect.as_ref().and_then(|entry| {
        let cause = Cause::of_entry(entry)?;
        let why = cause_in_words(&cause);
        Some(match cause.initiator {
            Some(who) => t::chip(&words::initiator(who), &why),
            None => why,
        })
    });
    let is_inferred = session.is_inferred() && session.end != Ending::Unknown;
    // How long one has been open is told at the top, to the second; here it would be old a second later.
    let lasted = duration(session, now).filter(|_| session.end != Ending::Open);
    let parts = [Some(t::range_from_to(&start, &end)), lasted, why, is_inferred.then(t::inferred_mark)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// How many sessions and attempts there are in view, and for how much of the time that is known it was connected.
fn summary(state: &State, now: Timestamp) -> String {
    let count = |is_refused| -> usize {
        let items = state.items.iter().filter(|item| item.is_refused == is_refused);
        items.map(|item| item.mark.count()).sum()
    };
    let scale = &state.scale;
    let (from, to) = (scale.from.max(state.known_since.unwrap_or(scale.to)), scale.to.min(now.millis()));
    let inside = |session: &ClientSession| {
        (session.end_or(now).millis().min(to) - session.start.millis().max(from)).max(0)
    };
    let connected: i64 = state.found.sessions.iter().map(inside).sum();
    let share = (to > from).then(|| connected.min(to - from) as f64 / (to - from) as f64);
    let refused = count(true) as u64;
    let parts = [
        Some(t::session_count(count(false) as u64)),
        (refused > 0).then(|| t::refused_count(refused)),
        share.and_then(|share| {
            let share = format::percent(share);
            // Of a part of the line nobody knows the rest; of a moment nothing follows.
            match from > scale.from {
                true if to - from < KNOWN_MIN_MS => None,
                true => Some(t::connected_share_known(&share, &format::duration(to - from))),
                false => Some(t::connected_share(&share)),
            }
        }),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// How the reading goes.
pub fn reading(history: &History, now: Timestamp) -> Option<String> {
    if let Some(problem) = &history.problem {
        return Some(crate::view::banner::name_of(problem));
    }
    let since = history.known_since().map(|since| format::moment(since, now));
    match (history.is_reading, since) {
        (true, Some(since)) if history.from.is_none() => {
            Some(t::log_reading_back(history.entries.len() as u64, &since))
        }
        (true, None) => Some(t::loading()),
        _ => None,
    }
}

/// That the log does not go back as far as the time line.
pub fn reach(history: &History, from: i64, now: Timestamp) -> Option<String> {
    if history.is_stopped {
        let since = history.known_since()?;
        return Some(t::log_stopped(history.entries.len() as u64, &format::moment_exact(since, now)));
    }
    if history.before == Some(None) && history.entries.is_empty() {
        return Some(t::log_empty_yet());
    }
    let begins = history.begins().filter(|begins| begins.millis() > from)?;
    Some(t::log_kept_since(&format::moment_exact(begins, now)))
}

/// What the shapes mean.
pub fn legend() -> [El; 6] {
    type Part = (&'static str, &'static str, fn() -> String);
    let parts: [Part; 6] = [
        ("", "", t::legend_ended_by),
        ("", "| ", || words::initiator(Initiator::Client)),
        ("ended-server", "■ ", || words::initiator(Initiator::Server)),
        ("ended-network", "▲ ", || words::initiator(Initiator::Network)),
        ("ended-network", "✕ ", || words::log_event(Some(LogEvent::FailedConnect))),
        ("", "▨ ", t::inferred_mark),
    ];
    parts.map(|(class, sign, name)| el("span", class).text(sign).live_text(name))
}

/// What is in view, line by line, newest first.
pub fn table(line: Line) -> Vec<El> {
    let now = stores().clock.exact();
    line.read(|state| {
        let lines = state.items.iter().rev().take(LINES_MAX);
        let lines = lines.map(|item| el("tr", "").child(&el("td", "").text(&tell(state, item, now))));
        std::iter::once(el("caption", "").text(&t::timeline_label())).chain(lines).collect()
    })
}
