//! One row slot: shows whatever row it is given, cell by cell, and is recycled while scrolling.

use leptos::prelude::*;
use rollcall_model::{Certainty, StateDoc, Timestamp};

use super::icons::mark_of;
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
    // One closure for each attribute; each is asked again when the slot changes and writes only what differs.
    let doc = move |read: fn(&StateDoc) -> String| slot.with(|slot| slot.doc().map(read));
    let is = move |read: fn(&Slot) -> bool| slot.with(read);
    let is_stale = move || is(|slot| slot.doc().is_some_and(|doc| doc.stale_since.is_some()));
    let offset = move || {
        format!("translateY({}px)", origin.get() + slot.with(|slot| slot.index) as f64 * row_px.get())
    };
    let row_index = move || (slot.with(|slot| slot.index) + 2).to_string();
    let ui = ui();
    let activate = move |_| {
        on_open(slot.with_untracked(|slot| slot.index));
        ui.focus_grid();
    };
    view! {
        <div id=id class="row" role="row" aria-rowindex=row_index
            aria-selected=move || is(|slot| slot.is_active).to_string()
            data-testid=move || is(|slot| slot.row.is_some() && slot.is_shown).then_some("row")
            data-client-id=move || doc(|doc| doc.id.clone())
            data-status=move || doc(|doc| doc.connection_status.as_str().to_owned())
            data-initiator=move || slot.with(|slot| {
                slot.doc().and_then(|doc| doc.disconnect_initiator).map(|who| who.as_str())
            })
            class:active=move || is(|slot| slot.is_active)
            class:open=move || is(|slot| slot.is_open)
            class:leaving=move || is(|slot| slot.row.as_ref().is_some_and(|row| row.is_leaving))
            class:skeleton=move || is(|slot| slot.row.is_none())
            class:stale=is_stale
            hidden=move || !is(|slot| slot.is_shown)
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
    let doc = move |read: fn(&StateDoc) -> String| slot.with(|slot| slot.doc().map(read).unwrap_or_default());
    let mark = move || slot.with(|slot| slot.doc().map_or("mark mark-none", mark_of));
    let as_of = move || {
        let now = stores().clock.now();
        slot.with(|slot| {
            slot.doc().and_then(|doc| doc.stale_since).map(|time| t::as_of(&format::moment(time, now)))
        })
    };
    let shown =
        Memo::new(move |_| slot.with(|slot| slot.doc().map(|doc| text::middle(&doc.id)).unwrap_or_default()));
    let kind = move || {
        doc(|doc| match &doc.device_type {
            Some(name) => text::limited(name, 60),
            None => words::client_type(doc.client_type),
        })
    };
    view! {
        <div role="gridcell" class=move || glow(slot, "cell c-status", |change| change.connection)>
            <i class=mark aria-hidden="true"></i>
            <span class="word">{move || doc(words::state)}</span>
            <span class="as-of">{as_of}</span>
        </div>
        <div role="gridcell" class="cell c-id" data-id=move || doc(|doc| doc.id.clone())>
            <bdi class="id"><span class="id-head">{move || shown.with(|id| id.head.clone())}</span>
            <span class="id-tail">{move || shown.with(|id| id.tail.clone())}</span></bdi>
        </div>
        <div role="gridcell" class="cell c-type"><bdi>{kind}</bdi></div>
    }
}

/// The three times and the last activity.
#[component]
fn Times(#[prop(name = "of")] slot: RwSignal<Slot>) -> impl IntoView {
    let event =
        move || slot.with(|slot| slot.doc().and_then(|doc| doc.last_activity_event).map(words::activity));
    let connection: fn(Change) -> bool = |change| change.connection;
    let activity: fn(Change) -> bool = |change| change.activity;
    view! {
        <Time of=slot class="cell c-connect" time=|doc| doc.last_connect_time glows=connection/>
        <Time of=slot class="cell c-disconnect" time=|doc| doc.last_disconnect_time glows=connection/>
        <Time of=slot class="cell c-activity" time=|doc| doc.last_activity_time glows=activity/>
        <div role="gridcell" class="cell c-event">{event}</div>
    }
}

/// A time: when, and how long ago. Only the second ticks.
#[component]
fn Time(
    #[prop(name = "of")] slot: RwSignal<Slot>,
    class: &'static str,
    time: fn(&StateDoc) -> Option<Timestamp>,
    glows: fn(Change) -> bool,
) -> impl IntoView {
    let clock = stores().clock;
    let value = Memo::new(move |_| slot.with(|slot| slot.doc().and_then(time)));
    let at = move || value.get().map(|time| format::moment(time, clock.exact()));
    let ago = move || value.get().map(|time| format::relative(time, clock.now()));
    view! {
        <div role="gridcell" class=move || glow(slot, class, glows)
            data-ms=move || value.get().map(|time| time.millis().to_string())>
            <span class="at">{at}</span><span class="ago">{ago}</span>
        </div>
    }
}

/// Who ended the connection, and why.
#[component]
fn End(#[prop(name = "of")] slot: RwSignal<Slot>) -> impl IntoView {
    let who =
        move || slot.with(|slot| slot.doc().and_then(|doc| doc.disconnect_initiator).map(words::initiator));
    let who_class = move || {
        slot.with(|slot| match slot.doc().and_then(|doc| doc.disconnect_initiator) {
            Some(who) => format!("ended ended-{}", who.as_str()),
            None => "ended".to_owned(),
        })
    };
    let cause = Memo::new(move |_| slot.with(|slot| slot.doc().and_then(Cause::of_state)));
    let words = move || cause.get().map(|cause| cause.short());
    let code = move || cause.get().and_then(|cause| cause.mqtt.map(words::code).or_else(|| cause.codes()));
    let meaning = move || cause.get().map(|cause| cause.meaning());
    let mark = move || {
        let is_inferred =
            slot.with(|slot| slot.doc().is_some_and(|doc| doc.certainty == Certainty::Inferred));
        is_inferred.then(t::inferred_mark)
    };
    view! {
        <div role="gridcell" class="cell c-ended"><span class=who_class>{who}</span></div>
        <div role="gridcell" class="cell c-reason" title=meaning>
            <span class="why">{words}</span><span class="code">{code}</span><em class="inferred">{mark}</em>
        </div>
    }
}

/// The class of a cell that glows once when it changed; two names in turn, so that each change starts anew.
fn glow(slot: RwSignal<Slot>, class: &'static str, concerns: fn(Change) -> bool) -> String {
    match slot.with(|slot| slot.glow.filter(|change| concerns(*change))) {
        Some(change) if change.is_odd => format!("{class} glow-a"),
        Some(_) => format!("{class} glow-b"),
        None => class.to_owned(),
    }
}
