//! One row slot: shows whatever row it is given, cell by cell, and is recycled while scrolling.

use leptos::prelude::*;
use rollcall_model::{Certainty, StateDoc, Timestamp};

use super::icons::mark_of;
use super::live::{flag, live, maybe};
use super::ui::ui;
use crate::i18n::t;
use crate::store::stores;
use crate::window::{Change, Row};
use crate::words::{self, Cause};
use crate::{format, text};

/// What a slot shows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Slot {
    pub index: u64,
    /// `None` while the row is on its way from the server.
    pub row: Option<Row>,
    /// There is such a row.
    pub is_shown: bool,
    pub is_active: bool,
    pub is_open: bool,
    pub glow: Option<Change>,
}

impl Slot {
    fn doc(&self) -> Option<&StateDoc> {
        self.row.as_ref().map(|row| &*row.doc)
    }
}

#[component]
pub fn RowView(
    #[prop(name = "of")] slot: RwSignal<Slot>,
    id: String,
    origin: Memo<f64>,
    row_px: Memo<f64>,
    on_open: impl Fn(u64) + Copy + 'static,
) -> impl IntoView {
    // One signal for each attribute; each is asked again when the slot changes and writes only what differs.
    let doc = move |read: fn(&StateDoc) -> Option<String>| {
        maybe(move || slot.with(|slot| slot.doc().and_then(read)))
    };
    let is = move |read: fn(&Slot) -> bool| flag(move || slot.with(read));
    let hook =
        maybe(move || slot.with(|slot| (slot.row.is_some() && slot.is_shown).then(|| "row".to_owned())));
    let offset = live(move || {
        let index = slot.with(|slot| slot.index) as f64;
        // Whole pixels: text stays sharp, and the program needs no code that writes fractions.
        format!("translateY({}px)", (origin.get() + index * row_px.get()).round() as i64)
    });
    let row_index = live(move || (slot.with(|slot| slot.index) + 2).to_string());
    let is_selected = live(move || slot.with(|slot| slot.is_active).to_string());
    let ui = ui();
    let activate = move |_| {
        on_open(slot.with_untracked(|slot| slot.index));
        ui.focus_grid();
    };
    view! {
        <div id=id class="row" role="row" aria-rowindex=row_index
            aria-selected=is_selected
            data-testid=hook
            data-client-id=doc(|doc| Some(doc.id.clone()))
            data-status=doc(|doc| Some(doc.connection_status.as_str().to_owned()))
            data-initiator=doc(|doc| doc.disconnect_initiator.map(|who| who.as_str().to_owned()))
            class:active=is(|slot| slot.is_active)
            class:open=is(|slot| slot.is_open)
            class:leaving=is(|slot| slot.row.as_ref().is_some_and(|row| row.is_leaving))
            class:skeleton=is(|slot| slot.row.is_none())
            class:stale=is(|slot| slot.doc().is_some_and(|doc| doc.stale_since.is_some()))
            hidden=is(|slot| !slot.is_shown)
            style:transform=offset
            on:click=activate>
            <Identity of=slot/>
            <Times of=slot/>
            <End of=slot/>
        </div>
    }
}

/// Status, id and type.
#[component]
fn Identity(#[prop(name = "of")] slot: RwSignal<Slot>) -> impl IntoView {
    let clock = stores().clock;
    let doc = move |read: fn(&StateDoc) -> String| {
        live(move || slot.with(|slot| slot.doc().map(read).unwrap_or_default()))
    };
    let mark = live(move || slot.with(|slot| slot.doc().map_or("mark mark-none", mark_of)).to_owned());
    let as_of = maybe(move || {
        let since = slot.with(|slot| slot.doc().and_then(|doc| doc.stale_since));
        since.map(|time| t::as_of(&format::moment(time, clock.exact())))
    });
    let shown =
        Memo::new(move |_| slot.with(|slot| slot.doc().map(|doc| text::middle(&doc.id)).unwrap_or_default()));
    let head = live(move || shown.with(|id| id.head.clone()));
    let tail = live(move || shown.with(|id| id.tail.clone()));
    let kind = doc(|doc| match &doc.device_type {
        Some(name) => text::limited(name, 60),
        None => words::client_type(doc.client_type),
    });
    view! {
        <div role="gridcell" class=glow(slot, "cell c-status", |change| change.status)>
            <i class=mark aria-hidden="true"></i>
            <span class="word">{doc(words::state)}</span>
            <span class="as-of">{as_of}</span>
        </div>
        <div role="gridcell" class="cell c-id" data-id=doc(|doc| doc.id.clone())>
            <bdi class="id"><span class="id-head">{head}</span><span class="id-tail">{tail}</span></bdi>
        </div>
        <div role="gridcell" class="cell c-type"><bdi>{kind}</bdi></div>
    }
}

/// The three times and the last activity.
#[component]
fn Times(#[prop(name = "of")] slot: RwSignal<Slot>) -> impl IntoView {
    let event = maybe(move || {
        slot.with(|slot| slot.doc().and_then(|doc| doc.last_activity_event)).map(words::activity)
    });
    view! {
        {time(slot, "cell c-connect", |doc| doc.last_connect_time, |change| change.connect)}
        {time(slot, "cell c-disconnect", |doc| doc.last_disconnect_time, |change| change.disconnect)}
        {time(slot, "cell c-activity", |doc| doc.last_activity_time, |change| change.activity)}
        <div role="gridcell" class="cell c-event">{event}</div>
    }
}

/// A time: when, and how long ago. Only the second ticks.
fn time(
    slot: RwSignal<Slot>,
    class: &'static str,
    read: fn(&StateDoc) -> Option<Timestamp>,
    glows: fn(Change) -> bool,
) -> impl IntoView {
    let clock = stores().clock;
    let value = Memo::new(move |_| slot.with(|slot| slot.doc().and_then(read)));
    let at = maybe(move || value.get().map(|time| format::moment(time, clock.exact())));
    let ago = maybe(move || value.get().map(|time| format::relative(time, clock.now())));
    let ms = maybe(move || value.get().map(|time| time.millis().to_string()));
    view! {
        <div role="gridcell" class=glow(slot, class, glows) data-ms=ms>
            <span class="at">{at}</span><span class="ago">{ago}</span>
        </div>
    }
}

/// Who ended the connection, and why.
#[component]
fn End(#[prop(name = "of")] slot: RwSignal<Slot>) -> impl IntoView {
    let by = move || slot.with(|slot| slot.doc().and_then(|doc| doc.disconnect_initiator));
    let who = maybe(move || by().map(words::initiator));
    let who_class = live(move || match by() {
        Some(who) => format!("ended ended-{}", who.as_str()),
        None => "ended".to_owned(),
    });
    let cause = Memo::new(move |_| slot.with(|slot| slot.doc().and_then(Cause::of_state)));
    let why = maybe(move || cause.get().map(|cause| cause.short()));
    let code =
        maybe(move || cause.get().and_then(|cause| cause.mqtt.map(words::code).or_else(|| cause.codes())));
    let meaning = maybe(move || cause.get().map(|cause| cause.meaning()));
    let mark = maybe(move || {
        let certainty = slot.with(|slot| slot.doc().map(|doc| doc.certainty));
        (certainty == Some(Certainty::Inferred)).then(t::inferred_mark)
    });
    view! {
        <div role="gridcell" class="cell c-ended"><span class=who_class>{who}</span></div>
        <div role="gridcell" class="cell c-reason" title=meaning>
            <span class="why">{why}</span><span class="code">{code}</span><em class="inferred">{mark}</em>
        </div>
    }
}

/// The class of a cell that glows once when it changed; two names in turn, so that each change starts anew.
fn glow(slot: RwSignal<Slot>, class: &'static str, concerns: fn(Change) -> bool) -> Signal<String> {
    live(move || match slot.with(|slot| slot.glow.filter(|change| concerns(*change))) {
        Some(change) if change.is_odd => format!("{class} glow-a"),
        Some(_) => format!("{class} glow-b"),
        None => class.to_owned(),
    })
}
