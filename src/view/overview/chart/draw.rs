//! From numbers to shapes. Across, everything is a part of the width, so that nothing has to be measured; downwards it is
//! pixels.

use super::scale::{Scale, percent, px};
use super::{Content, HEIGHT_PX, Shape};
use crate::format;
use crate::i18n::t;
use crate::view::dom::{El, svg};
use crate::view::overview::svg_link;

/// Where the axis of time has its texts.
const TICK_Y: i64 = HEIGHT_PX + 15;

/// The texts of the axis of values, and the plot.
pub fn draw(shape: Shape, content: &Content) -> (Vec<El>, Vec<El>) {
    let scale = scale(shape, content);
    let mut plot: Vec<El> = scale.ticks().map(|tick| line_at(scale, tick)).collect();
    plot.extend(unknown(content));
    if shape == Shape::Line {
        plot.push(curve(scale, content));
    }
    plot.extend((0..content.columns.len()).map(|at| column(shape, scale, content, at)));
    plot.extend(ticks(content));
    let values = scale.ticks().map(|tick| {
        let y = scale.tenths(tick, HEIGHT_PX) + 40;
        let text =
            svg("text", "").attrs(&[("x", "100%"), ("dx", "-6"), ("y", &px(y)), ("text-anchor", "end")]);
        text.text(&format::number(tick.unsigned_abs()))
    });
    (values.collect(), plot)
}

/// A shape in the look of a kind: a colour, and over it a pattern where the look has one.
pub fn filled(name: &str, look: &str) -> El {
    let shape = svg(name, &format!("fill-{look}"));
    if matches!(look, "server" | "unknown" | "client") {
        // In the style sheet, an address would be one beside the style sheet.
        return shape.attr("fill", &format!("url(#pattern-{look})"));
    }
    shape
}

fn scale(shape: Shape, content: &Content) -> Scale {
    let values = || content.columns.iter().map(|column| &column.values);
    let all = |kind: usize| {
        values().filter_map(move |values| values.get(kind).copied().flatten()).map(|v| v as i64)
    };
    match shape {
        Shape::Line => Scale::of_line(all(0).min().unwrap_or(0), all(0).max().unwrap_or(0)),
        Shape::Mirrored => Scale::new(-all(1).max().unwrap_or(0), all(0).max().unwrap_or(0)),
        Shape::Stacked => {
            let sums = values().map(|values| values.iter().flatten().sum::<u64>());
            Scale::new(0, sums.max().unwrap_or(0) as i64)
        }
    }
}

fn line_at(scale: Scale, tick: i64) -> El {
    let y = px(scale.tenths(tick, HEIGHT_PX));
    let class = if tick == 0 { "base" } else { "rule" };
    svg("line", class).attrs(&[("x1", "0"), ("x2", "100%"), ("y1", &y), ("y2", &y)])
}

/// A band over the time that nothing is known of.
fn unknown(content: &Content) -> Option<El> {
    let count = content.columns.iter().take_while(|column| column.values.iter().all(Option::is_none)).count();
    let width = percent(count as u64, content.columns.len() as u64);
    let band = svg("rect", "not-known").attrs(&[("fill", "url(#pattern-not-known)"), ("width", &width)]);
    (count > 0).then(|| band.attr("height", &HEIGHT_PX.to_string()))
}

/// The line, drawn in units of half a bucket and stretched to the width.
fn curve(scale: Scale, content: &Content) -> El {
    let width = content.columns.len() * 2;
    let frame = svg("svg", "").attrs(&[
        ("width", "100%"),
        ("height", &HEIGHT_PX.to_string()),
        ("viewBox", &format!("0 0 {} {HEIGHT_PX}", width.max(1))),
        ("preserveAspectRatio", "none"),
    ]);
    [false, true].into_iter().fold(frame, |frame, is_inferred| {
        let path = path(scale, content, is_inferred);
        let class = if is_inferred { "curve inferred" } else { "curve" };
        frame.child(&svg("path", class).attrs(&[("d", &path), ("vector-effect", "non-scaling-stroke")]))
    })
}

/// The parts of the line that are counted, or those that are reckoned. A part reaches to the point before it.
fn path(scale: Scale, content: &Content, is_inferred: bool) -> String {
    let mut path = String::new();
    let mut before: Option<String> = None;
    let mut is_drawing = false;
    for (at, column) in content.columns.iter().enumerate() {
        let value = column.values.first().copied().flatten();
        let point =
            value.map(|value| format!("{} {}", at * 2 + 1, px(scale.tenths(value as i64, HEIGHT_PX))));
        let is_mine = column.is_inferred == is_inferred;
        if let Some(point) = point.as_ref().filter(|_| is_mine) {
            let start = before.as_ref().unwrap_or(point);
            path += &if is_drawing { format!("L{point}") } else { format!("M{start}L{point}") };
        }
        is_drawing = is_mine && point.is_some();
        before = point;
    }
    path
}

/// One bucket: what can be pointed at, and its marks.
fn column(shape: Shape, scale: Scale, content: &Content, at: usize) -> El {
    let group = svg("g", "column").attr("data-at", &at.to_string());
    let place = Place::new(at, content.columns.len());
    let group = group.child(&place.area(0, HEIGHT_PX * 10));
    let Some(column) = content.columns.get(at) else { return group };
    let is_only = column.values.iter().flatten().filter(|value| **value > 0).count() == 1;
    let mut below = 0_i64;
    let values = content.kinds.iter().zip(&column.values).enumerate();
    values.fold(group, |group, (kind_at, (kind, value))| {
        let Some(value) = value.filter(|value| *value > 0 || shape == Shape::Line) else { return group };
        let name = t::chart_mark(&column.name, &t::chart_value(&kind.name, &format::number(value)));
        let link = svg_link(&(content.link)(at, kind_at)).attrs(&[
            ("aria-label", &name),
            ("data-kind", &kind_at.to_string()),
            ("data-time", &column.time_ms.to_string()),
            ("tabindex", "-1"),
        ]);
        let value = value as i64;
        let (from, to) = match shape {
            Shape::Line => return group.child(&link.children(&place.point(scale.tenths(value, HEIGHT_PX)))),
            Shape::Mirrored if kind_at == 1 => (-value, 0),
            Shape::Mirrored => (0, value),
            Shape::Stacked => (below, below + value),
        };
        below = to;
        let base = scale.tenths(0, HEIGHT_PX);
        let touch = match shape {
            Shape::Mirrored if kind_at == 1 => Some(place.area(base, HEIGHT_PX * 10 - base)),
            Shape::Mirrored => Some(place.area(0, base)),
            _ => is_only.then(|| place.area(0, HEIGHT_PX * 10)),
        };
        let (top, bottom) = (scale.tenths(to, HEIGHT_PX), scale.tenths(from, HEIGHT_PX));
        // What there is at all can be seen.
        let height = (bottom - top).max(15);
        let top = if from < 0 { top } else { (bottom - height).max(0) };
        group.child(&link.children(touch.as_slice()).child(&place.bar(kind.look, top, height)))
    })
}

/// Where a column lies, as parts of the width.
struct Place {
    left: String,
    width: String,
    bar_left: String,
    bar_width: String,
    middle: String,
}

impl Place {
    fn new(at: usize, columns: usize) -> Self {
        let tenth = |tenths: usize| percent(tenths as u64, columns as u64 * 10);
        Self {
            left: tenth(at * 10),
            width: tenth(10),
            bar_left: tenth(at * 10 + 1),
            bar_width: tenth(8),
            middle: tenth(at * 10 + 5),
        }
    }

    /// What can be pointed at, from and how far down in tenths of a pixel.
    fn area(&self, top: i64, height: i64) -> El {
        let area = svg("rect", "area").attrs(&[("x", &self.left), ("width", &self.width), ("y", &px(top))]);
        area.attr("height", &px(height.max(0)))
    }

    fn bar(&self, look: &str, top: i64, height: i64) -> El {
        let bar = filled("rect", look).attrs(&[("x", &self.bar_left), ("width", &self.bar_width)]);
        bar.attrs(&[("y", &px(top)), ("height", &px(height))])
    }

    fn point(&self, y: i64) -> [El; 2] {
        let dot = svg("circle", "dot").attrs(&[("cx", &self.middle), ("cy", &px(y)), ("r", "3.5")]);
        [self.area(0, HEIGHT_PX * 10), dot]
    }
}

/// The times below the plot.
fn ticks(content: &Content) -> Vec<El> {
    let count = content.columns.len();
    let tick = |(at, column): (usize, &super::Column)| {
        let text = column.tick.as_ref()?;
        // The outermost would be cut off.
        let (anchor, part) = match at {
            at if at * 20 < count => ("start", at * 2),
            at if (at + 1) * 20 > count * 19 => ("end", at * 2 + 2),
            _ => ("middle", at * 2),
        };
        let x = percent(part as u64, count as u64 * 2);
        let label = svg("text", "").attrs(&[("x", &x), ("y", &TICK_Y.to_string()), ("text-anchor", anchor)]);
        Some(label.text(text))
    };
    content.columns.iter().enumerate().filter_map(tick).collect()
}
