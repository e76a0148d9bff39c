//! The time line of the open client: its sessions over a day, a week or a month, drawn to scale.
//!
//! One path for each kind of thing, however many there are; what falls into one pixel is drawn as one and says how many
//! it is. Wheel, keys and dragging zoom; whatever is pointed at, or stepped to with the arrow keys, is told in words
//! below. A table says the same to screen readers.

mod draw;
mod tell;

use std::sync::Arc;

use leptos::ev;
use leptos::html;
use leptos::prelude::*;
use rollcall_model::StateDoc;
use rollcall_model::time::TimeExpr;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;
use web_sys::{Element, ResizeObserver};

use super::scale::{Mark, Scale};
use crate::browser::steady_ms;
use crate::format;
use crate::i18n::t;
use crate::store::{ClientSession, History, stores};
use crate::url::{Range, Span, Tab};
use crate::view::live::{flag, live, maybe, say};
use rollcall_model::Timestamp;

/// How much a key or a button zooms, and how far a key moves, as shares of what is in view.
const ZOOM: f64 = 0.5;
const STEP: f64 = 0.2;
/// Failed attempts nearer to each other are one cross, in pixels.
const CROSS_PX: f64 = 9.0;
/// So near to a mark, in pixels, the pointer means it.
const NEAR_PX: f64 = 5.0;
/// A wheel that is turning to scroll the page does not begin to zoom when the time line passes under it.
const WHEEL_REST_MS: f64 = 400.0;

/// Something that is drawn: sessions or failed attempts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Item {
    pub is_refused: bool,
    pub mark: Mark,
}

/// What a drawing is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    pub scale: Scale,
    pub now: Timestamp,
    /// Before this nothing is known.
    pub known_since: i64,
    /// By their left edge.
    pub items: Vec<Item>,
}

/// What is stepped to or pointed at: which list, and which of it.
type Choice = Option<(bool, usize)>;

#[derive(Clone, Copy)]
pub struct Line {
    pub sessions: Memo<Vec<ClientSession>>,
    pub refused: Memo<Vec<Arc<rollcall_model::log::LogEntry>>>,
    /// What is zoomed to; `None` for the whole span up to now.
    zoom: RwSignal<Option<(i64, i64)>>,
    width: RwSignal<f64>,
    chosen: RwSignal<Choice>,
    /// Where a drag began and where it is, in pixels.
    drag: RwSignal<Option<(f64, f64)>>,
    pub picture: Memo<Picture>,
}

impl Line {
    fn new(doc: Signal<Option<Arc<StateDoc>>>) -> Self {
        let stores = stores();
        let (zoom, width) = (RwSignal::new(None), RwSignal::new(0.0));
        let history = stores.detail.history.state;
        let found =
            Memo::new(move |_| doc.with(|doc| history.with(|history| history.sessions(doc.as_deref()))));
        let sessions = Memo::new(move |_| found.with(|found| found.sessions.clone()));
        let refused = Memo::new(move |_| found.with(|found| found.refused.clone()));
        let span = Memo::new(move |_| stores.view.with(|view| view.page.span.ms()));
        // The picture moves on by whole pixels.
        let now = Memo::new(move |_| {
            let step = (span.get() / (width.get() as i64).max(1)).max(1_000);
            Timestamp::from_millis((stores.clock.now().millis() + 999).div_euclid(step) * step + step)
        });
        let picture = Memo::new(move |_| {
            let whole = (now.get().millis() - span.get(), now.get().millis());
            let (from, to) = zoom.get().unwrap_or(whole);
            let scale = Scale { from, to, width: width.get() };
            let items =
                sessions.with(|sessions| refused.with(|refused| items(&scale, sessions, refused, now.get())));
            let known_since = history.with(|history| known_since(history, &scale));
            Picture { scale, now: now.get(), known_since, items }
        });
        Self {
            sessions,
            refused,
            zoom,
            width,
            chosen: RwSignal::new(None),
            drag: RwSignal::new(None),
            picture,
        }
    }

    fn whole(self) -> (i64, i64) {
        let span = stores().view.get_untracked().page.span.ms();
        let now = self.picture.with_untracked(|picture| picture.now.millis());
        (now - span, now)
    }

    fn scale(self) -> Scale {
        self.picture.with_untracked(|picture| picture.scale)
    }

    /// Shows that part; the whole when it is no part.
    fn show(self, part: (i64, i64)) {
        let is_whole = part == self.whole();
        self.zoom.set((!is_whole).then_some(part));
    }

    fn zoom_by(self, factor: f64, x: Option<f64>) {
        let scale = self.scale();
        let x = x.or_else(|| self.chosen_item().map(|item| (item.mark.x0 + item.mark.x1) / 2.0));
        self.show(scale.zoomed(factor, x.unwrap_or(scale.width / 2.0), self.whole()));
    }

    /// What the choice is drawn as at the present zoom.
    pub fn chosen_item(self) -> Option<Item> {
        let (is_refused, at) = self.chosen.get()?;
        self.picture.with(|picture| {
            let mut items = picture.items.iter();
            items
                .find(|item| {
                    item.is_refused == is_refused && (item.mark.first..=item.mark.last).contains(&at)
                })
                .copied()
        })
    }

    /// Goes to the item before or after the chosen one; to the newest at first.
    fn step(self, forward: bool) {
        let chosen = self.chosen_item();
        let next = self.picture.with_untracked(|picture| {
            let items = &picture.items;
            let at = chosen.and_then(|chosen| items.iter().position(|item| *item == chosen));
            let next = match (at, forward) {
                (None, _) => items.len().checked_sub(1),
                (Some(at), true) => Some(at + 1),
                (Some(at), false) => at.checked_sub(1),
            };
            next.and_then(|at| items.get(at)).map(|item| (item.is_refused, item.mark.first))
        });
        if next.is_some() {
            self.chosen.set(next);
        }
    }

    fn point_at(self, x: f64, is_above: bool) {
        let distance = |item: &Item| (item.mark.x0 - x).max(x - item.mark.x1).max(0.0);
        let found = self.picture.with_untracked(|picture| {
            let near = picture.items.iter().filter(|item| distance(item) <= NEAR_PX);
            let best = near.min_by(|a, b| {
                (a.is_refused != is_above, distance(a))
                    .partial_cmp(&(b.is_refused != is_above, distance(b)))
                    .unwrap_or(std::cmp::Ordering::Equal)
            });
            best.map(|item| (item.is_refused, item.mark.first))
        });
        if found != self.chosen.get_untracked() {
            self.chosen.set(found);
        }
    }

    /// Returns whether the key was used.
    fn on_key(self, key: &str) -> bool {
        match key {
            "+" | "=" => self.zoom_by(ZOOM, None),
            "-" => self.zoom_by(1.0 / ZOOM, None),
            "0" | "Home" => self.zoom.set(None),
            "ArrowLeft" => self.show(self.scale().panned(-STEP, self.whole())),
            "ArrowRight" => self.show(self.scale().panned(STEP, self.whole())),
            "ArrowUp" => self.step(false),
            "ArrowDown" => self.step(true),
            _ => return false,
        }
        true
    }
}

fn items(
    scale: &Scale,
    sessions: &[ClientSession],
    refused: &[Arc<rollcall_model::log::LogEntry>],
    now: Timestamp,
) -> Vec<Item> {
    let times: Vec<i64> = refused.iter().map(|entry| entry.timestamp.millis()).collect();
    let bars = scale.bars(sessions, now).into_iter().map(|mark| Item { is_refused: false, mark });
    let crosses = scale.points(&times, CROSS_PX).into_iter().map(|mark| Item { is_refused: true, mark });
    let mut items: Vec<Item> = bars.chain(crosses).collect();
    items.sort_by(|a, b| a.mark.x0.total_cmp(&b.mark.x0));
    items
}

/// Since when the log says what happened, as far as it was read.
fn known_since(history: &History, scale: &Scale) -> i64 {
    let known = history.begins().or_else(|| history.known_since());
    known.map_or(scale.to, Timestamp::millis)
}

#[component]
pub fn Timeline(
    doc: Signal<Option<Arc<StateDoc>>>,
    /// When the page last scrolled, by the steady clock.
    scrolled_ms: StoredValue<f64>,
) -> impl IntoView {
    let line = Line::new(doc);
    let stores = stores();
    let span = Memo::new(move |_| stores.view.with(|view| view.page.span));
    // Another client or another span begins with all of it.
    Effect::new(move || {
        span.track();
        stores.view.with(|view| view.client.is_some());
        line.zoom.set(None);
        line.chosen.set(None);
    });
    let spans = Span::ALL.map(|one| {
        let choose = move |_| stores.view.adjust(|view| view.page.span = one);
        view! {
            <button type="button" class="toggle" data-testid=format!("span-{}", one.name())
                aria-pressed=live(move || (span.get() == one).to_string()) on:click=choose>
                {live(move || format::amount(amount(one).0, amount(one).1))}
            </button>
        }
    });
    let zooms: [(&'static str, &'static str, fn() -> String); 3] =
        [("+", "zoom-in", t::zoom_in), ("−", "zoom-out", t::zoom_out), ("⟲", "zoom-reset", t::zoom_reset)];
    let zooms = zooms.map(|(sign, name, label)| {
        let click = move |_| match sign {
            "+" => line.zoom_by(ZOOM, None),
            "−" => line.zoom_by(1.0 / ZOOM, None),
            _ => line.zoom.set(None),
        };
        view! {
            <button type="button" class="icon" data-testid=name title=say(label) aria-label=say(label)
                disabled=flag(move || sign != "+" && line.zoom.get().is_none()) on:click=click>
                <span aria-hidden="true">{sign}</span>
            </button>
        }
    });
    view! {
        <section class="timeline" aria-label=say(t::timeline_label)>
            <header>
                <div class="spans" role="group" aria-label=say(t::timeline_span)>{spans.into_iter().collect_view()}</div>
                <span class="grow"></span>
                {zooms.into_iter().collect_view()}
            </header>
            <Drawing line=line scrolled_ms=scrolled_ms/>
            <Below line=line/>
        </section>
    }
}

const fn amount(span: Span) -> (u32, rollcall_model::time::TimeUnit) {
    use rollcall_model::time::TimeUnit;
    match span {
        Span::Day => (24, TimeUnit::Hour),
        Span::Week => (7, TimeUnit::Day),
        Span::Month => (30, TimeUnit::Day),
    }
}

/// The drawing itself, and what the pointer and the keys do with it.
#[component]
fn Drawing(line: Line, scrolled_ms: StoredValue<f64>) -> impl IntoView {
    let holder = NodeRef::<html::Div>::new();
    follow_width(holder, line.width);
    Effect::new(move || {
        let Some(holder) = holder.get() else { return };
        let chosen = line.chosen_item();
        let sessions = line.sessions;
        line.picture.with(|picture| {
            sessions.with(|sessions| draw::draw(&holder, picture, sessions, chosen, line.drag.get()));
        });
    });
    let place = move |event: &web_sys::MouseEvent| {
        let rect = holder.get_untracked().map(|holder| holder.get_bounding_client_rect());
        rect.map_or((0.0, 0.0), |rect| {
            (f64::from(event.client_x()) - rect.left(), f64::from(event.client_y()) - rect.top())
        })
    };
    let on_down = move |event: ev::PointerEvent| {
        if event.button() == 0 {
            let x = place(&event).0;
            line.drag.set(Some((x, x)));
            let target = event.current_target().and_then(|target| target.dyn_into::<Element>().ok());
            // It can only fail for a pointer that is gone by now.
            let _ = target.map(|target| target.set_pointer_capture(event.pointer_id()));
        }
    };
    let on_move = move |event: ev::PointerEvent| {
        let (x, y) = place(&event);
        line.drag.update(|drag| {
            if let Some(drag) = drag {
                drag.1 = x;
            }
        });
        line.point_at(x, y < draw::BAR_TOP);
    };
    let on_up = move |_: ev::PointerEvent| {
        let drag = line.drag.get_untracked();
        line.drag.set(None);
        if let Some(part) = drag.and_then(|(a, b)| line.scale().between(a, b, line.whole())) {
            line.show(part);
        }
    };
    let on_wheel = move |event: ev::WheelEvent| {
        let is_scrolling = steady_ms() - scrolled_ms.get_value() < WHEEL_REST_MS;
        let out_of_all = event.delta_y() > 0.0 && line.zoom.get_untracked().is_none();
        if is_scrolling || out_of_all {
            return;
        }
        event.prevent_default();
        if event.shift_key() || event.delta_x().abs() > event.delta_y().abs() {
            let share = (event.delta_x() + event.delta_y()).signum() * STEP / 2.0;
            line.show(line.scale().panned(share, line.whole()));
        } else {
            line.zoom_by(if event.delta_y() < 0.0 { 0.8 } else { 1.25 }, Some(place(&event).0));
        }
    };
    let on_key = move |event: ev::KeyboardEvent| {
        let is_plain = !event.ctrl_key() && !event.meta_key() && !event.alt_key();
        if is_plain && line.on_key(&event.key()) {
            event.prevent_default();
        }
    };
    view! {
        <div class="drawing" tabindex="0" role="group" data-testid="timeline" node_ref=holder
            aria-label=say(t::timeline_label) aria-describedby="timeline-keys"
            on:pointerdown=on_down on:pointermove=on_move on:pointerup=on_up
            on:pointercancel=move |_| line.drag.set(None)
            on:pointerleave=move |_| line.chosen.set(None)
            on:wheel=on_wheel on:keydown=on_key on:dblclick=move |_| line.zoom.set(None)></div>
    }
}

fn follow_width(holder: NodeRef<html::Div>, width: RwSignal<f64>) {
    let measure = move || {
        if let Some(holder) = holder.get_untracked() {
            let new = f64::from(holder.client_width());
            if new > 0.0 && new != width.get_untracked() {
                width.set(new);
            }
        }
    };
    let on_resize = Closure::<dyn Fn()>::new(measure);
    let observer = ResizeObserver::new(on_resize.as_ref().unchecked_ref()).ok();
    let kept = StoredValue::new_local((on_resize, observer));
    Effect::new(move || {
        if let Some(holder) = holder.get() {
            let _ = kept
                .try_with_value(|(_, observer)| observer.as_ref().map(|observer| observer.observe(&holder)));
        }
    });
    on_cleanup(move || {
        let _ = kept.try_with_value(|(_, observer)| observer.as_ref().map(ResizeObserver::disconnect));
    });
}

/// What is chosen in words, how far the log reaches, and the legend.
#[component]
fn Below(line: Line) -> impl IntoView {
    let stores = stores();
    let history = stores.detail.history;
    let told = live(move || tell::told(line));
    let reading = maybe(move || history.state.with(|history| tell::reading(history, stores.clock.exact())));
    let reach = maybe(move || {
        let from = line.picture.with(|picture| picture.scale.from);
        history.state.with(|history| tell::reach(history, from, stores.clock.exact()))
    });
    let is_stopped = move || history.state.with(|history| history.is_stopped);
    let zoomed = maybe(move || {
        let (from, to) = line.zoom.get()?;
        let now = stores.clock.exact();
        let [from, to] = [from, to].map(|ms| format::moment_exact(Timestamp::from_millis(ms), now));
        Some(t::range_from_to(&from, &to))
    });
    let to_log = move |_| {
        let scale = line.scale();
        let at = |ms| Some(TimeExpr::At(Timestamp::from_millis(ms)));
        stores.view.change(|view| {
            view.log = Range { after: at(scale.from), before: at(scale.to) };
            view.page.tab = Tab::Log;
        });
    };
    let table = NodeRef::<html::Table>::new();
    Effect::new(move || {
        if let Some(table) = table.get() {
            super::dom::fill(&table, &tell::table(line));
        }
    });
    view! {
        <p class="told" role="status" data-testid="timeline-told">{told}</p>
        <p class="hint" data-testid="timeline-reach">{reading}{reach}</p>
        <Show when=is_stopped>
            <button type="button" on:click=move |_| history.read_on()>{say(t::read_on)}</button>
        </Show>
        <Show when=move || line.zoom.with(Option::is_some)>
            <p class="zoomed" data-testid="timeline-zoomed">{zoomed}" "
                <button type="button" class="plain" data-testid="zoom-log" on:click=to_log>{say(t::zoom_to_log)}</button>
            </p>
        </Show>
        <p class="legend">{live(|| tell::legend(0))}" "<span class="ended-server">"■ "{live(|| tell::legend(1))}</span>" "
            <span class="ended-network">"▲ "{live(|| tell::legend(2))}</span>" "
            <span class="ended-network">"✕ "{live(|| tell::legend(3))}</span>" "<span>"▨ "{live(|| tell::legend(4))}</span></p>
        <p class="for-readers" id="timeline-keys">{say(t::timeline_keys)}</p>
        <div class="for-readers"><table node_ref=table></table></div>
    }
}
