//! Draws the time line: one path for each kind of thing. Called by the time line's effect; reads and decides nothing.

use rollcall_model::{Certainty, Initiator, Timestamp};

use super::line::State;
use crate::format;
use crate::store::{ClientSession, Ending};
use crate::view::dom::{El, px, svg};

/// From top to bottom: failed attempts, how sessions ended, the sessions, the axis. In pixels.
const CROSS_Y: f64 = 7.0;
const SIGN_Y: f64 = 19.0;
pub const BAR_TOP: f64 = 25.0;
const BAR_BOTTOM: f64 = 45.0;
const TICK_BOTTOM: f64 = 49.0;
const LABEL_Y: f64 = 61.0;
const HEIGHT: f64 = 66.0;
/// What is narrower is drawn this wide.
const BAR_MIN_PX: f64 = 1.5;
/// Where a sign would cover the one before, it is left out.
const SIGN_PX: f64 = 8.0;
/// How wide the columns are that tell for how much of the time one was connected, where sessions are drawn as one.
const SHARE_PX: f64 = 2.0;
/// However little it was, it is seen.
const SHARE_MIN_PX: f64 = 1.5;
/// The part of a session's bar that shows that its end was inferred.
const HATCHED_PX: f64 = 12.0;
/// Labels of the axis need so much room.
const LABEL_PX: f64 = 76.0;

/// The kinds of path, from the back to the front, by their class in the style sheet.
const KINDS: [&str; 10] = [
    "unknown",
    "tick",
    "bar",
    "bar many",
    "share",
    "hatched",
    "sign-server",
    "sign-network",
    "sign-client",
    "cross",
];
const UNKNOWN: usize = 0;
const TICK: usize = 1;
const BAR: usize = 2;
const MANY: usize = 3;
const SHARE: usize = 4;
const HATCHED: usize = 5;
const SERVER: usize = 6;
const NETWORK: usize = 7;
const CLIENT: usize = 8;
const CROSS: usize = 9;

pub fn draw(holder: &El, state: &State) {
    let scale = &state.scale;
    let mut paths: [String; KINDS.len()] = Default::default();
    let unknown_to = scale.x(state.known_since.unwrap_or(scale.to)).max(0.0).min(scale.width);
    if unknown_to > 0.0 {
        rect(&mut paths[UNKNOWN], 0.0, unknown_to, 0.0, BAR_BOTTOM);
    }
    let mut last_sign = f64::MIN;
    for item in &state.items {
        if item.is_refused {
            cross(&mut paths[CROSS], item.mark.x0);
            continue;
        }
        let (x0, x1) = (item.mark.x0, item.mark.x1.max(item.mark.x0 + BAR_MIN_PX));
        if item.mark.count() > 1 {
            rect(&mut paths[MANY], x0, x1, BAR_TOP, BAR_BOTTOM);
            let merged = state.found.sessions.get(item.mark.first..=item.mark.last).unwrap_or_default();
            columns(&mut paths[SHARE], &scale.shares(merged, state.now, (x0, x1), SHARE_PX), (x0, x1));
        } else {
            rect(&mut paths[BAR], x0, x1, BAR_TOP, BAR_BOTTOM);
        }
        let Some(session) = state.found.sessions.get(item.mark.last) else { continue };
        if session.is_inferred() {
            rect(&mut paths[HATCHED], x0.max(x1 - HATCHED_PX), x1, BAR_TOP, BAR_BOTTOM);
        }
        let is_end_in_view = session.end_or(state.now).millis() <= scale.to;
        if let (Ending::At(..), true) = (session.end, is_end_in_view && x1 - last_sign >= SIGN_PX) {
            sign(&mut paths, session, x1);
            last_sign = x1;
        }
    }
    let ticks = scale.ticks(LABEL_PX, &|ms| format::zone_offset_ms(Timestamp::from_millis(ms)));
    for (ms, _) in &ticks {
        let x = scale.x(*ms);
        rect(&mut paths[TICK], x, x + 1.0, 0.0, TICK_BOTTOM);
    }
    let mut children = vec![pattern()];
    children.extend(
        KINDS
            .iter()
            .zip(&paths)
            .filter(|(_, d)| !d.is_empty())
            .map(|(class, d)| svg("path", class).attr("d", d)),
    );
    children.extend(ticks.iter().filter_map(|(ms, is_day)| label(scale.x(*ms), scale.width, *ms, *is_day)));
    if let Some(item) = state.chosen_item() {
        let (top, bottom) =
            if item.is_refused { (0.0, CROSS_Y * 2.0) } else { (BAR_TOP - 2.0, BAR_BOTTOM + 2.0) };
        children.push(frame("chosen", item.mark.x0 - 4.0, item.mark.x1 + 4.0, top, bottom));
    }
    if let Some((a, b)) = state.drag.filter(|(a, b)| a != b) {
        children.push(frame("dragged", a.min(b), a.max(b), 0.0, BAR_BOTTOM));
    }
    let drawing = svg("svg", "")
        .attr("width", &px(scale.width))
        .attr("height", &px(HEIGHT))
        .attr("aria-hidden", "true");
    holder.fill(&[drawing.children(&children)]);
}

/// Slanted lines: what was inferred, and where nothing is known.
fn pattern() -> El {
    let lines = svg("path", "hatch").attr("d", "M-1 1l2-2M0 6l6-6M5 7l2-2");
    let pattern = svg("pattern", "").attr("id", "hatch").attr("width", "6").attr("height", "6");
    svg("defs", "").child(&pattern.attr("patternUnits", "userSpaceOnUse").child(&lines))
}

fn rect(path: &mut String, x0: f64, x1: f64, y0: f64, y1: f64) {
    let parts = ["M", &px(x0), " ", &px(y0), "H", &px(x1), "V", &px(y1), "H", &px(x0), "Z"];
    path.extend(parts);
}

/// Columns from the foot of the bars up, as high as their shares.
fn columns(path: &mut String, shares: &[f64], (x0, x1): (f64, f64)) {
    for (at, share) in shares.iter().enumerate().filter(|(_, share)| **share > 0.0) {
        let left = x0 + at as f64 * SHARE_PX;
        let height = ((BAR_BOTTOM - BAR_TOP) * share.min(1.0)).max(SHARE_MIN_PX);
        rect(path, left, (left + SHARE_PX).min(x1), BAR_BOTTOM - height, BAR_BOTTOM);
    }
}

fn frame(class: &str, x0: f64, x1: f64, y0: f64, y1: f64) -> El {
    let mut path = String::new();
    rect(&mut path, x0, x1, y0, y1);
    svg("path", class).attr("d", &path)
}

fn cross(path: &mut String, x: f64) {
    path.extend(["M", &px(x - 3.5), " ", &px(CROSS_Y - 3.5), "l7 7m0-7l-7 7"]);
}

/// Who ended a session, as a shape: a square, a triangle, or a short line.
fn sign(paths: &mut [String; KINDS.len()], session: &ClientSession, x: f64) {
    let who = session.disconnect.as_ref().and_then(|entry| entry.disconnect_initiator);
    match who {
        Some(Initiator::Server) => rect(&mut paths[SERVER], x - 3.0, x + 3.0, SIGN_Y - 3.0, SIGN_Y + 3.0),
        Some(Initiator::Network) => {
            paths[NETWORK].extend(["M", &px(x), " ", &px(SIGN_Y - 4.0), "l4 7h-8Z"]);
        }
        Some(Initiator::Client) => rect(&mut paths[CLIENT], x - 0.8, x + 0.8, SIGN_Y - 2.0, BAR_TOP),
        None if session.end != Ending::At(session.end_or(session.start), Certainty::Reported) => {}
        None => rect(&mut paths[CLIENT], x - 0.8, x + 0.8, SIGN_Y - 2.0, BAR_TOP),
    }
}

/// A label of the axis, unless it would be cut off.
fn label(x: f64, width: f64, ms: i64, is_day: bool) -> Option<El> {
    let time = Timestamp::from_millis(ms);
    let text = match () {
        () if is_day => format::day(time),
        () if ms % 60_000 == 0 => format::clock_short(time),
        () => format::clock(time),
    };
    let is_inside = x > LABEL_PX / 3.0 && x < width - LABEL_PX / 3.0;
    is_inside.then(|| svg("text", "").attr("x", &px(x)).attr("y", &px(LABEL_Y)).text(&text))
}
