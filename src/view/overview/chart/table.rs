//! The numbers of a chart as a table, the newest first.

use super::{Column, Content};
use crate::format;
use crate::i18n::t;
use crate::view::dom::{El, el};
use crate::view::overview::link;

/// `has_links` where it can be seen: what is only heard has the links of the drawing.
pub fn of(content: &Content, caption: &str, has_links: bool) -> El {
    let head = |text: &str| el("th", "").attr("scope", "col").text(text);
    let heads: Vec<El> = content.kinds.iter().map(|kind| head(&kind.name)).collect();
    let head = el("tr", "").child(&head(&t::time())).children(&heads);
    let row = |(at, column): (usize, &Column)| {
        let cell = |(kind, value): (usize, &Option<u64>)| {
            let Some(value) = value else { return el("td", "").text("–") };
            let number = format::number(*value);
            if has_links && *value > 0 {
                return el("td", "").child(&link(&(content.link)(at, kind)).text(&number));
            }
            el("td", "").text(&number)
        };
        let cells: Vec<El> = column.values.iter().enumerate().map(cell).collect();
        el("tr", "").child(&el("th", "").attr("scope", "row").text(&column.name)).children(&cells)
    };
    let rows: Vec<El> = content.columns.iter().enumerate().rev().map(row).collect();
    let parts = [
        el("caption", "for-readers").text(caption),
        el("thead", "").child(&head),
        el("tbody", "").children(&rows),
    ];
    el("table", "").children(&parts)
}
