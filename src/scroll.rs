//! The scroll map: which rows are in view at a scroll position, and where a row is painted.
//!
//! Browsers clamp the height of an element (Chromium near 33.5 million pixels, Firefox near half of that), so a
//! table of a million rows cannot be as tall as its rows. The content is capped, and beyond the cap a scroll
//! position stands for more than its own pixels. Small movements stay one to one, so that a wheel notch moves
//! three rows whatever the size of the fleet; large ones (the scrollbar's thumb) are scaled. Called by the table
//! view; never touches the page.

use std::ops::Range;

/// The shape of a scrolled table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScrollMap {
    pub rows: u64,
    pub row_px: f64,
    /// Height of the part of the table that shows rows.
    pub view_px: f64,
    /// The tallest that the content may be.
    pub cap_px: f64,
}

/// Where a table is scrolled to: the scrollbar's position and the row at the upper edge, with its fraction.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Position {
    pub scroll_px: f64,
    pub top_row: f64,
}

impl ScrollMap {
    /// Height of the scrolled content.
    #[must_use]
    pub fn content_px(&self) -> f64 {
        self.rows_px().min(self.cap_px)
    }

    /// The position that shows `top_row` at the upper edge, or the nearest there is.
    #[must_use]
    pub fn at_row(&self, top_row: f64) -> Position {
        let top_row = within(top_row, self.max_top_row());
        let max_top = self.max_top_row();
        let scroll_px =
            if !self.is_scaled() { top_row * self.row_px } else { top_row / max_top * self.max_scroll_px() };
        Position { scroll_px, top_row }
    }

    /// The position after the scrollbar went to `scroll_px`.
    #[must_use]
    pub fn scrolled(&self, from: Position, scroll_px: f64) -> Position {
        let scroll_px = within(scroll_px, self.max_scroll_px());
        if !self.is_scaled() {
            return Position { scroll_px, top_row: scroll_px / self.row_px };
        }
        let scaled = scroll_px / self.max_scroll_px() * self.max_top_row();
        let moved_px = scroll_px - from.scroll_px;
        let at_edge = scroll_px <= 0.0 || scroll_px >= self.max_scroll_px();
        let top_row = if at_edge || moved_px.abs() > self.view_px {
            scaled
        } else {
            from.top_row + moved_px / self.row_px
        };
        Position { scroll_px, top_row: within(top_row, self.max_top_row()) }
    }

    /// The position nearest to `from` that shows row `index` whole.
    #[must_use]
    pub fn reveal(&self, from: Position, index: u64) -> Position {
        let index = index as f64;
        let rows_in_view = self.view_px / self.row_px;
        if index < from.top_row {
            self.at_row(index)
        } else if index + 1.0 > from.top_row + rows_in_view {
            self.at_row(index + 1.0 - rows_in_view)
        } else {
            from
        }
    }

    /// The rows that are at least partly in view.
    #[must_use]
    pub fn visible(&self, position: Position) -> Range<u64> {
        let first = (position.top_row.floor().max(0.0) as u64).min(self.rows);
        let last = (position.top_row + self.view_px / self.row_px).ceil().max(0.0) as u64;
        first..last.clamp(first, self.rows)
    }

    /// Where row 0 would be painted, from the upper edge of the content; row `n` is `n * row_px` below. Small
    /// movements leave it as it is, so that they repaint nothing.
    #[must_use]
    pub fn origin_px(&self, position: Position) -> f64 {
        if self.is_scaled() { position.scroll_px - position.top_row * self.row_px } else { 0.0 }
    }

    fn rows_px(&self) -> f64 {
        self.rows as f64 * self.row_px
    }

    fn is_scaled(&self) -> bool {
        self.rows_px() > self.cap_px
    }

    fn max_scroll_px(&self) -> f64 {
        (self.content_px() - self.view_px).max(0.0)
    }

    fn max_top_row(&self) -> f64 {
        (self.rows as f64 - self.view_px / self.row_px).max(0.0)
    }
}

/// From 0 to `most`. `f64::clamp` would bring all the code that writes numbers for a message about its limits.
const fn within(value: f64, most: f64) -> f64 {
    value.max(0.0).min(most)
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn maps() -> impl Strategy<Value = ScrollMap> {
        let cap_px = prop_oneof![Just(8e6), Just(4e6)];
        let row_px = prop_oneof![Just(32.0), Just(56.0), Just(26.0)];
        let rows = prop_oneof![0_u64..100, 0_u64..400_000, 0_u64..100_000_000];
        (rows, row_px, 100_u32..3_000, cap_px).prop_map(|(rows, row_px, view_px, cap_px)| ScrollMap {
            rows,
            row_px,
            view_px: f64::from(view_px),
            cap_px,
        })
    }

    proptest! {
        #[test]
        fn the_content_is_never_taller_than_the_cap(map in maps()) {
            prop_assert!(map.content_px() <= map.cap_px);
        }

        #[test]
        fn both_ends_are_reached_by_the_scrollbar(map in maps(), from in 0.0..1.0_f64) {
            let from = map.at_row(from * map.rows as f64);
            prop_assert_eq!(map.scrolled(from, 0.0).top_row, 0.0);
            let end = map.scrolled(from, map.content_px());
            prop_assert_eq!(map.visible(end).end, map.rows);
        }

        #[test]
        fn every_row_can_be_brought_into_view(map in maps(), from in 0.0..1.0_f64, to in 0.0..1.0_f64) {
            prop_assume!(map.rows > 0);
            let from = map.at_row(from * map.rows as f64);
            let index = (to * (map.rows - 1) as f64) as u64;
            let there = map.reveal(from, index);
            prop_assert!(map.visible(there).contains(&index));
            let top_px = map.origin_px(there) + index as f64 * map.row_px - there.scroll_px;
            prop_assert!(top_px > -1.0 && top_px + map.row_px < map.view_px + 1.0, "painted at {top_px}");
        }

        #[test]
        fn a_small_movement_moves_rows_by_its_own_pixels(
            map in maps(), from in 0.05..0.95_f64, by in -90.0..90.0_f64,
        ) {
            let from = map.at_row(from * map.rows as f64);
            let to = map.scrolled(from, from.scroll_px + by);
            prop_assume!(to.scroll_px > 0.0 && to.scroll_px < map.content_px() - map.view_px);
            prop_assume!(to.top_row > 0.0 && to.top_row < map.rows as f64 - map.view_px / map.row_px);
            prop_assert!(((to.top_row - from.top_row) * map.row_px - by).abs() < 0.01);
            prop_assert!((map.origin_px(to) - map.origin_px(from)).abs() < 0.01);
        }

        #[test]
        fn scrolling_down_never_goes_up(map in maps(), a in 0.0..1.0_f64, b in 0.0..1.0_f64) {
            let from = map.at_row(a * map.rows as f64);
            let to_px = from.scroll_px + b * (map.content_px() - from.scroll_px).max(0.0);
            prop_assert!(map.scrolled(from, to_px).top_row >= from.top_row - 1e-3);
        }

        #[test]
        fn the_visible_rows_exist(map in maps(), at in 0.0..2.0_f64) {
            let rows = map.visible(map.at_row(at * map.rows as f64));
            prop_assert!(rows.start <= rows.end && rows.end <= map.rows);
        }
    }
}
