//! The time line of the open client: its sessions over a day, a week or a month, drawn to scale.
//!
//! One path for each kind of thing, however many there are; what falls into one pixel is drawn as one and says how many
//! it is. Wheel, keys and dragging zoom; whatever is pointed at, or stepped to with the arrow keys, is told in words
//! below. A table says the same to screen readers.

mod draw;
mod line;
mod tell;

use leptos::prelude::*;
use rollcall_model::Timestamp;
use rollcall_model::time::TimeExpr;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;
use web_sys::{Element, Event, KeyboardEvent, MouseEvent, PointerEvent, ResizeObserver, WheelEvent};

use super::tools;
use crate::boxed::effect;
use crate::browser::steady_ms;
use crate::format;
use crate::i18n::t;
use crate::store::stores;
use crate::url::{Range, Span, Tab};
use crate::view::dom::{El, button, el, icon_button, toggle};

pub use line::Line;

/// How much a key or a button zooms, and how far a key moves, as shares of what is in view.
const ZOOM: f64 = 0.5;
const STEP: f64 = 0.2;
/// A wheel that is turning to scroll the page does not begin to zoom when the time line passes under it.
const WHEEL_REST_MS: f64 = 400.0;

pub fn timeline(line: Line) -> El {
    let view = stores().view;
    let spans = Span::ALL.map(|one| {
        let is_on = move || view.with(|view| view.page.span == one);
        let click = move || view.adjust(|view| view.page.span = one);
        let (amount, unit) = one.amount();
        toggle(&format!("span-{}", one.name()), is_on, click).live_text(move || format::amount(amount, unit))
    });
    let is_zoomed = move || line.read(|state| state.zoom.is_some());
    let disabled = move || (!is_zoomed()).then(String::new);
    let group = el("div", "spans").attr("role", "group").says("aria-label", t::timeline_span);
    let header = el("header", "").children(&[
        group.children(&spans),
        tools::gap(),
        icon_button("+", "zoom-in", t::zoom_in, move || line.zoom_by(ZOOM, None)),
        icon_button("−", "zoom-out", t::zoom_out, move || line.zoom_by(1.0 / ZOOM, None))
            .live_attr("disabled", disabled),
        icon_button("⟲", "zoom-reset", t::zoom_reset, move || line.show_all())
            .live_attr("disabled", disabled),
    ]);
    el("section", "timeline")
        .says("aria-label", t::timeline_label)
        .children(&[header, drawing(line)])
        .children(&below(line))
}

/// The drawing itself, and what the pointer and the keys do with it.
fn drawing(line: Line) -> El {
    let holder = el("div", "drawing")
        .attr("tabindex", "0")
        .attr("role", "group")
        .attr("data-testid", "timeline")
        .attr("aria-describedby", "timeline-keys")
        .says("aria-label", t::timeline_label);
    follow_width(&holder, line);
    effect({
        let holder = holder.clone();
        move || line.read(|state| draw::draw(&holder, state))
    });
    let place = {
        let holder = holder.clone();
        move |event: &Event| {
            let rect = holder.element().map(Element::get_bounding_client_rect);
            let mouse = event.dyn_ref::<MouseEvent>();
            mouse.zip(rect).map_or((0.0, 0.0), |(mouse, rect)| {
                (f64::from(mouse.client_x()) - rect.left(), f64::from(mouse.client_y()) - rect.top())
            })
        }
    };
    let on_pointer = {
        let place = place.clone();
        move |event: &Event| {
            let (x, y) = place(event);
            let pointer = event.dyn_ref::<PointerEvent>();
            match event.type_().as_str() {
                "pointerdown" if pointer.is_some_and(|pointer| pointer.button() == 0) => {
                    line.begin_drag(x);
                    let target = event.current_target().and_then(|target| target.dyn_into::<Element>().ok());
                    // It can only fail for a pointer that is gone by now.
                    let _ = target.zip(pointer).map(|(target, p)| target.set_pointer_capture(p.pointer_id()));
                }
                "pointermove" => line.point_at(x, y < draw::BAR_TOP),
                "pointerup" => line.end_drag(true),
                "pointercancel" => line.end_drag(false),
                "pointerleave" => line.choose(None),
                _ => {}
            }
        }
    };
    let on_wheel = move |event: &Event| on_wheel(line, event, place(event).0);
    let names = ["pointerdown", "pointermove", "pointerup", "pointercancel", "pointerleave"];
    names
        .into_iter()
        .fold(holder, |holder, name| holder.on(name, on_pointer.clone()))
        .on("wheel", on_wheel)
        .on("dblclick", move |_| line.show_all())
        .on("keydown", move |event| on_key(line, event))
}

fn on_wheel(line: Line, event: &Event, x: f64) {
    let Some(wheel) = event.dyn_ref::<WheelEvent>() else { return };
    let (dx, dy) = (wheel.delta_x(), wheel.delta_y());
    let (is_zoomed, scrolled_ms) = line.read_untracked(|state| (state.zoom.is_some(), state.scrolled_ms));
    if steady_ms() - scrolled_ms < WHEEL_REST_MS || (dy > 0.0 && !is_zoomed) {
        return;
    }
    event.prevent_default();
    if wheel.shift_key() || dx.abs() > dy.abs() {
        line.pan((dx + dy).signum() * STEP / 2.0);
    } else {
        line.zoom_by(if dy < 0.0 { 0.8 } else { 1.25 }, Some(x));
    }
}

fn on_key(line: Line, event: &Event) {
    let Some(key) = event.dyn_ref::<KeyboardEvent>() else { return };
    if key.ctrl_key() || key.meta_key() || key.alt_key() {
        return;
    }
    match key.key().as_str() {
        "+" | "=" => line.zoom_by(ZOOM, None),
        "-" => line.zoom_by(1.0 / ZOOM, None),
        "0" | "Home" => line.show_all(),
        "ArrowLeft" => line.pan(-STEP),
        "ArrowRight" => line.pan(STEP),
        "ArrowUp" => line.step(false),
        "ArrowDown" => line.step(true),
        _ => return,
    }
    event.prevent_default();
}

fn follow_width(holder: &El, line: Line) {
    let measured = holder.clone();
    let measure = move || {
        let width = measured.element().map_or(0.0, |element| f64::from(element.client_width()));
        if width > 0.0 {
            line.set_width(width);
        }
    };
    let on_resize = Closure::<dyn Fn()>::new(measure);
    let observer = ResizeObserver::new(on_resize.as_ref().unchecked_ref()).ok();
    if let (Some(observer), Some(element)) = (&observer, holder.element()) {
        observer.observe(element);
    }
    let kept = StoredValue::new_local((on_resize, observer));
    on_cleanup(move || {
        let _ = kept.try_with_value(|(_, observer)| observer.as_ref().map(ResizeObserver::disconnect));
    });
}

/// What is chosen in words, how far the log reaches, and the legend.
fn below(line: Line) -> [El; 7] {
    let stores = stores();
    let history = stores.detail.history;
    let reading = move || history.state.with(|history| tell::reading(history, stores.clock.exact()));
    let reach = move || {
        let from = line.read(|state| state.scale.from);
        history.state.with(|history| tell::reach(history, from, stores.clock.exact()))
    };
    let zoomed = move || {
        let (from, to) = line.read(|state| state.zoom)?;
        let now = stores.clock.exact();
        let [from, to] = [from, to].map(|ms| format::moment_exact(Timestamp::from_millis(ms), now));
        Some(t::range_from_to(&from, &to))
    };
    let to_log = move || {
        let scale = line.read_untracked(|state| state.scale);
        let at = |ms| Some(TimeExpr::At(Timestamp::from_millis(ms)));
        stores.view.change(|view| {
            view.log = Range { after: at(scale.from), before: at(scale.to) };
            view.page.tab = Tab::Log;
        });
    };
    let table = el("table", "");
    effect({
        let table = table.clone();
        move || table.fill(&tell::table(line))
    });
    let told = el("p", "told").attr("role", "status").attr("data-testid", "timeline-told");
    let reached = el("p", "hint").attr("data-testid", "timeline-reach");
    let is_stopped = move || history.state.with(|history| history.is_stopped);
    [
        told.live_text(move || tell::told(line)),
        reached.maybe_text(move || reading().or_else(reach)),
        button("", "read-on", t::read_on, move || history.read_on()).shown_if(is_stopped),
        el("p", "zoomed").attr("data-testid", "timeline-zoomed").maybe_text(zoomed).text(" ").child(&button(
            "plain",
            "zoom-log",
            t::zoom_to_log,
            to_log,
        )),
        el("p", "legend").children(&tell::legend()),
        el("p", "for-readers").attr("id", "timeline-keys").live_text(t::timeline_keys),
        el("div", "for-readers").child(&table),
    ]
}
