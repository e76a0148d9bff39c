//! What the time line shows: the sessions, the part of them in view, and what is chosen. Changed by the time line's
//! controls; whoever reads it is asked again after each change.

use std::cmp::Ordering;
use std::sync::Arc;

use leptos::prelude::{
    Get, LocalStorage, RwSignal, StoredValue, Track, Update, UpdateValue, With, WithValue,
};
use rollcall_model::{ConnectionStatus, StateDoc, Timestamp};

use crate::boxed::effect;
use crate::store::{ClientSession, History, Sessions, stores};
use crate::view::client::scale::{Mark, Scale};
use crate::view::client::with_doc;

/// Failed attempts nearer to each other are one cross, in pixels.
const CROSS_PX: f64 = 9.0;
/// No line is narrower, in pixels; until it is measured it has no width at all.
const WIDTH_MIN: i64 = 200;
/// So near to a mark, in pixels, the pointer means it.
const NEAR_PX: f64 = 5.0;

/// Something that is drawn: sessions or failed attempts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Item {
    pub is_refused: bool,
    pub mark: Mark,
}

/// What the sessions are made of, to see whether they have to be put together again.
type Made = ([Option<Timestamp>; 3], Option<ConnectionStatus>, usize, [Option<Timestamp>; 2], bool);

pub struct State {
    pub found: Sessions,
    made: Option<Made>,
    /// Before this nothing is known, in milliseconds.
    pub known_since: Option<i64>,
    /// The end of the line: a little ahead of the time, so that it moves by whole pixels.
    pub now: Timestamp,
    span: i64,
    /// What is zoomed to; `None` for the whole span up to now.
    pub zoom: Option<(i64, i64)>,
    pub scale: Scale,
    /// By their left edge.
    pub items: Vec<Item>,
    /// What is stepped to or pointed at: a failed attempt or a session, and which.
    chosen: Option<(bool, usize)>,
    /// Where a drag began and where it is, in pixels.
    pub drag: Option<(f64, f64)>,
    /// When the page last scrolled, by the steady clock.
    pub scrolled_ms: f64,
}

impl State {
    const fn whole(&self) -> (i64, i64) {
        (self.now.millis() - self.span, self.now.millis())
    }

    /// What the choice is drawn as at the present zoom.
    #[must_use]
    pub fn chosen_item(&self) -> Option<Item> {
        let (is_refused, at) = self.chosen?;
        let is_it =
            |item: &&Item| item.is_refused == is_refused && (item.mark.first..=item.mark.last).contains(&at);
        self.items.iter().find(is_it).copied()
    }

    /// Moves the end of the line on, by whole pixels. Returns whether it did.
    fn tick(&mut self, now: Timestamp) -> bool {
        let step = (self.span / (self.scale.width as i64).max(WIDTH_MIN)).max(1_000);
        let next = Timestamp::from_millis((now.millis().div_euclid(step) + 1) * step);
        std::mem::replace(&mut self.now, next) != next
    }

    fn lay_out(&mut self) {
        let (from, to) = self.zoom.unwrap_or_else(|| self.whole());
        self.scale = Scale { from, to, ..self.scale };
        let times: Vec<i64> = self.found.refused.iter().map(|entry| entry.timestamp.millis()).collect();
        let bars = self.scale.bars(&self.found.sessions, self.now);
        let crosses = self.scale.points(&times, CROSS_PX);
        let item = |is_refused| move |mark| Item { is_refused, mark };
        self.items = bars.into_iter().map(item(false)).chain(crosses.into_iter().map(item(true))).collect();
        self.items.sort_by(|a, b| a.mark.x0.total_cmp(&b.mark.x0));
    }

    fn show(&mut self, part: (i64, i64)) {
        self.zoom = (part != self.whole()).then_some(part);
        self.lay_out();
    }

    /// Moves what is in view to the session that comes after (or before) everything there, and chooses it.
    fn step_beyond(&mut self, forward: bool) {
        let Some(item) = self.chosen_item() else { return };
        let at = if forward { item.mark.last } else { item.mark.first };
        let sessions = &self.found.sessions;
        let time = if item.is_refused {
            self.found.refused.get(at).map(|entry| entry.timestamp)
        } else {
            sessions.get(at).map(|session| session.start)
        };
        let Some(time) = time else { return };
        let next = if forward {
            Some(sessions.partition_point(|session| session.start <= time))
        } else {
            sessions.partition_point(|session| session.start < time).checked_sub(1)
        };
        let Some((next, session)) = next.and_then(|next| Some((next, sessions.get(next)?))) else { return };
        let end = session.end_or(self.now).millis();
        if end >= self.whole().0 {
            // Its end says why it is looked at.
            self.show(self.scale.around(end, self.whole()));
            self.chosen = Some((false, next));
        }
    }

    /// The mark at that place, if one is near; above the bars the crosses come first.
    fn near(&self, x: f64, is_above: bool) -> Option<(bool, usize)> {
        let distance = |item: &Item| (item.mark.x0 - x).max(x - item.mark.x1).max(0.0);
        let rank = |item: &Item| (item.is_refused != is_above, distance(item));
        let near = self.items.iter().filter(|item| distance(item) <= NEAR_PX);
        let best = near.min_by(|a, b| rank(a).partial_cmp(&rank(b)).unwrap_or(Ordering::Equal));
        best.map(|item| (item.is_refused, item.mark.first))
    }
}

/// A handle: copying is free.
#[derive(Clone, Copy)]
pub struct Line {
    state: StoredValue<State, LocalStorage>,
    /// Counts the changes.
    revision: RwSignal<u64>,
    /// Counts the changes of the sessions themselves.
    found: RwSignal<u64>,
}

impl Line {
    /// A line that follows the open client, its history and the time, as long as its owner lives.
    pub fn new() -> Self {
        let stores = stores();
        let state = State {
            found: Sessions::default(),
            made: None,
            known_since: None,
            now: stores.clock.exact(),
            span: stores.view.get_untracked().page.span.ms(),
            zoom: None,
            scale: Scale { from: 0, to: 1, width: 0.0 },
            items: Vec::new(),
            chosen: None,
            drag: None,
            scrolled_ms: f64::MIN,
        };
        let line = Self {
            state: StoredValue::new_local(state),
            revision: RwSignal::new(0),
            found: RwSignal::new(0),
        };
        effect(move || {
            let span = stores.view.with(|view| view.page.span.ms());
            line.change(|state| {
                // Another span begins with all of it.
                if std::mem::replace(&mut state.span, span) != span {
                    state.zoom = None;
                }
                state.tick(stores.clock.exact());
                state.lay_out();
            });
        });
        effect(move || {
            let now = stores.clock.now();
            if line.state.try_update_value(|state| state.tick(now)) == Some(true) {
                line.change(State::lay_out);
            }
        });
        effect(move || {
            let doc = with_doc(|doc| Some(Arc::clone(doc)));
            stores.detail.history.state.with(|history| line.take(history, doc.as_deref()));
        });
        line
    }

    /// Puts the sessions together again if what they are made of has changed.
    fn take(self, history: &History, doc: Option<&StateDoc>) {
        let ends =
            [history.entries.first(), history.entries.last()].map(|entry| entry.map(|entry| entry.timestamp));
        let made: Made = (
            doc.map_or([None; 3], |doc| [doc.last_connect_time, doc.last_disconnect_time, doc.stale_since]),
            doc.map(|doc| doc.connection_status),
            history.entries.len(),
            ends,
            history.before.as_ref().is_some_and(Option::is_some),
        );
        let known_since = history.begins().or_else(|| history.known_since()).map(Timestamp::millis);
        if self.read_untracked(|state| state.made == Some(made) && state.known_since == known_since) {
            return;
        }
        let is_new = self.read_untracked(|state| state.found.sessions.is_empty());
        self.change(|state| {
            state.found = history.sessions(doc);
            state.made = Some(made);
            state.known_since = known_since;
            // Another client begins with the whole line.
            if history.entries.is_empty() || is_new {
                state.zoom = None;
                state.chosen = None;
            }
            state.lay_out();
        });
        self.found.update(|count| *count += 1);
    }

    /// Reads the state; whoever asks in an effect is asked again after each change.
    pub fn read<T>(self, read: impl FnOnce(&State) -> T) -> T {
        self.revision.track();
        self.state.with_value(read)
    }

    pub fn read_untracked<T>(self, read: impl FnOnce(&State) -> T) -> T {
        self.state.with_value(read)
    }

    /// The sessions, oldest first; asked again when they change, not when the line does.
    pub fn with_sessions<T>(self, read: impl FnOnce(&[ClientSession]) -> T) -> T {
        self.found.track();
        self.state.with_value(|state| read(&state.found.sessions))
    }

    /// How often the sessions have changed.
    pub fn session_changes(self) -> u64 {
        self.found.get()
    }

    fn change(self, change: impl FnOnce(&mut State)) {
        self.state.update_value(change);
        self.revision.update(|revision| *revision += 1);
    }

    pub fn set_width(self, width: f64) {
        if self.read_untracked(|state| state.scale.width != width) {
            self.change(|state| {
                state.scale.width = width;
                state.lay_out();
            });
        }
    }

    pub fn show_all(self) {
        self.change(|state| state.show(state.whole()));
    }

    /// Zooms around a place, or else around what is chosen, or the middle.
    pub fn zoom_by(self, factor: f64, x: Option<f64>) {
        self.change(|state| {
            let chosen = || state.chosen_item().map(|item| (item.mark.x0 + item.mark.x1) / 2.0);
            let x = x.or_else(chosen).unwrap_or(state.scale.width / 2.0);
            state.show(state.scale.zoomed(factor, x, state.whole()));
        });
    }

    pub fn pan(self, share: f64) {
        self.change(|state| state.show(state.scale.panned(share, state.whole())));
    }

    pub fn begin_drag(self, x: f64) {
        self.change(|state| state.drag = Some((x, x)));
    }

    pub fn end_drag(self, zooms: bool) {
        self.change(|state| {
            let drag = state.drag.take().filter(|_| zooms);
            if let Some(part) = drag.and_then(|(a, b)| state.scale.between(a, b, state.whole())) {
                state.show(part);
            }
        });
    }

    /// The pointer is there: chooses what is near it, and drags on.
    pub fn point_at(self, x: f64, is_above: bool) {
        let (chosen, is_dragged) =
            self.read_untracked(|state| (state.near(x, is_above), state.drag.is_some()));
        if is_dragged {
            self.change(|state| state.drag = state.drag.map(|(from, _)| (from, x)));
        }
        self.choose(chosen);
    }

    pub fn choose(self, chosen: Option<(bool, usize)>) {
        if self.read_untracked(|state| state.chosen != chosen) {
            self.change(|state| state.chosen = chosen);
        }
    }

    /// Goes to the mark before or after the chosen one; to the newest at first.
    pub fn step(self, forward: bool) {
        let next = self.read_untracked(|state| {
            let chosen = state.chosen_item();
            let at = chosen.and_then(|chosen| state.items.iter().position(|item| *item == chosen));
            let next = match (at, forward) {
                (None, _) => state.items.len().checked_sub(1),
                (Some(at), true) => Some(at + 1),
                (Some(at), false) => at.checked_sub(1),
            };
            next.and_then(|at| state.items.get(at)).map(|item| (item.is_refused, item.mark.first))
        });
        match next {
            Some(_) => self.choose(next),
            None => self.change(|state| state.step_beyond(forward)),
        }
    }

    pub fn scrolled(self, steady_ms: f64) {
        self.state.update_value(|state| state.scrolled_ms = steady_ms);
    }
}
