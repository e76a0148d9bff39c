//! A chart: a line, mirrored bars or stacked bars over the same buckets of time, drawn as SVG.
//!
//! Every mark is a link. The arrow keys move between them, and a line of text says what is under the pointer or the focus.
//! Behind each chart lies a table with the same numbers, for screen readers and for whoever prefers it. Called by the
//! overview, which says what the numbers are; knows no store.

mod draw;
mod marks;
mod scale;
mod table;

use std::rc::Rc;

use leptos::prelude::{Get, RwSignal, Update};

pub use scale::{Scale, percent};

use crate::boxed::effect;
use crate::i18n::t;
use crate::view::dom::{El, el, svg};

/// The height of what is drawn, without the axis of time.
const HEIGHT_PX: i64 = 132;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One series, a point at the end of each bucket.
    Line,
    /// Two series, one up and one down.
    Mirrored,
    /// Any number of series on top of each other.
    Stacked,
}

/// What the numbers of one kind are called and how they look.
#[derive(Debug, Clone)]
pub struct Kind {
    pub name: String,
    /// The end of the classes `fill-…`: colours and patterns are in the style sheet.
    pub look: &'static str,
    /// All of them together, and the query string of a link to the clients.
    pub total: Option<(u64, String)>,
}

/// One bucket of time.
#[derive(Debug, Clone)]
pub struct Column {
    pub time_ms: i64,
    /// When: `13:40 – 13:41`.
    pub name: String,
    /// What stands below it.
    pub tick: Option<String>,
    /// One for each kind; `None` where it is not known.
    pub values: Vec<Option<u64>>,
    /// Something more to say of it.
    pub note: Option<String>,
    /// The number was reckoned, not counted.
    pub is_inferred: bool,
}

/// All that a chart shows.
pub struct Content {
    pub kinds: Vec<Kind>,
    pub columns: Vec<Column>,
    /// The query string of the clients behind a mark: the column, then the kind.
    pub link: Box<dyn Fn(usize, usize) -> String>,
}

/// What a column says in one line.
fn told(content: &Content, at: usize) -> String {
    let Some(column) = content.columns.get(at) else { return String::new() };
    let mut text = column.name.clone();
    for (kind, value) in content.kinds.iter().zip(&column.values) {
        let value = value.map_or_else(t::not_known, crate::format::number);
        text = text + " · " + &t::chart_value(&kind.name, &value);
    }
    match &column.note {
        Some(note) => text + " · " + note,
        None => text,
    }
}

/// A chart with its title, its legend, and its table. `content` is `None` while nothing is known yet.
pub fn chart(
    hook: &'static str,
    shape: Shape,
    title: impl Fn() -> String + 'static,
    hint: fn() -> String,
    content: impl Fn() -> Option<Content> + 'static,
) -> El {
    frame(hook, shape, Rc::new(title), hint, Box::new(content))
}

fn frame(
    hook: &'static str,
    shape: Shape,
    title: Rc<dyn Fn() -> String>,
    hint: fn() -> String,
    content: Box<dyn Fn() -> Option<Content>>,
) -> El {
    let is_table = RwSignal::new(false);
    // A single kind is what the title says.
    let legend = el("ul", if shape == Shape::Line { "chart-legend spare" } else { "chart-legend" });
    let [legend, readout, axis, plot, table] =
        [legend, el("p", "readout"), svg("svg", "axis"), svg("svg", "plot"), el("div", "behind")];
    // The height is an attribute, so that nothing moves when the numbers come.
    let height = (HEIGHT_PX + 20).to_string();
    let axis = axis.attrs(&[("height", &height), ("aria-hidden", "true")]);
    let hint_id = format!("{hook}-hint");
    let plot = plot.attrs(&[("height", &height), ("role", "group"), ("aria-describedby", &hint_id)]);
    let marks = marks::Marks::new(shape, plot.clone(), readout.clone());
    let name = Rc::clone(&title);
    let plot = plot.live_attr("aria-label", move || Some(name()));
    let toggle = el("button", "table-toggle").attrs(&[("type", "button"), ("data-testid", "toggle-table")]);
    let toggle =
        toggle.live_text(t::table).on("click", move |_| is_table.update(|is_table| *is_table = !*is_table));
    let toggle = toggle.live_attr("aria-pressed", move || Some(is_table.get().to_string()));
    let caption = Rc::clone(&title);
    let parts = [legend.clone(), axis.clone(), table.clone()];
    effect(move || {
        let [legend, axis, table] = &parts;
        let content = content();
        let is_shown = is_table.get();
        legend.refill(&content.as_ref().map(legend_of).unwrap_or_default());
        table.refill(
            &content
                .as_ref()
                .map(|content| table::of(content, &caption(), is_shown))
                .into_iter()
                .collect::<Vec<_>>(),
        );
        let drawing = content.as_ref().map(|content| draw::draw(shape, content));
        let (ticks, drawn) = drawing.unwrap_or_default();
        axis.refill(&ticks);
        marks.show(content, &drawn);
    });
    // What scrolls can be reached by keyboard.
    let table = table.live_attr("tabindex", move || is_table.get().then(|| "0".to_owned()));
    let drawing = el("div", "chart-drawing").children(&[readout, axis, plot]);
    let drawing = drawing.live_attr("hidden", move || is_table.get().then(String::new));
    let table = table
        .live_attr("class", move || Some(if is_table.get() { "behind" } else { "for-readers" }.to_owned()));
    let head = el("header", "").children(&[el("h2", "").live_text(move || title()), toggle]);
    let hint = el("p", "hint").attr("id", &hint_id).live_text(hint);
    el("section", "card chart").attr("data-testid", hook).children(&[head, legend, drawing, table, hint])
}

/// The kinds with their looks and their totals.
fn legend_of(content: &Content) -> Vec<El> {
    let entry = |kind: &Kind| {
        let swatch =
            svg("svg", "swatch").attrs(&[("width", "12"), ("height", "12"), ("aria-hidden", "true")]);
        let swatch =
            swatch.child(&draw::filled("rect", kind.look).attrs(&[("width", "12"), ("height", "12")]));
        let parts = [swatch, el("span", "").text(&kind.name)];
        let entry = match &kind.total {
            Some((count, query)) => {
                let number = el("b", "").text(&crate::format::number(*count));
                super::link(query).children(&parts).child(&number)
            }
            None => el("span", "").children(&parts),
        };
        el("li", "").child(&entry)
    };
    content.kinds.iter().filter(|_| content.kinds.len() > 1).map(entry).collect()
}
