//! Where values and buckets lie: round numbers for the axis, pixels from values, parts of the width from positions.
//! Pure.

/// An axis of whole numbers that begins and ends at a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    pub low: i64,
    pub high: i64,
    pub step: i64,
}

/// Not many more ticks than this.
const TICKS: i64 = 3;

impl Scale {
    /// An axis on which all from `low` to `high` have a place.
    #[must_use]
    pub fn new(low: i64, high: i64) -> Self {
        let (low, high) = (low.min(high), high.max(low.saturating_add(1)));
        let step = round_up((high.saturating_sub(low) + TICKS - 1) / TICKS);
        let down = |value: i64| value.div_euclid(step).saturating_mul(step);
        Self { low: down(low), high: -down(-high), step }
    }

    /// The axis of a line from `low` to `high`: from zero, unless what changes would be too small to see. Even then it
    /// covers a hundredth of the fleet and ten clients, so that the loss of one client does not look like that of all.
    #[must_use]
    pub fn of_line(low: i64, high: i64) -> Self {
        let change = high.saturating_sub(low);
        let is_steady = change > 0 && change.saturating_mul(10) < high;
        let covered = change.max(high / 100).max(10);
        Self::new(if is_steady { high - covered } else { 0 }, high)
    }

    pub fn ticks(self) -> impl Iterator<Item = i64> {
        (0..=(self.high - self.low) / self.step).map(move |at| self.low + at * self.step)
    }

    /// How far below the upper edge of a drawing a value lies, in tenths of a pixel.
    #[must_use]
    pub fn tenths(self, value: i64, height_px: i64) -> i64 {
        // Numbers of clients are far from overflowing this.
        (self.high - value).saturating_mul(height_px * 10) / (self.high - self.low).max(1)
    }
}

/// The least of 1, 2, 5, 10, 20, 50 … that is at least `value`.
fn round_up(value: i64) -> i64 {
    let mut unit = 1_i64;
    loop {
        for step in [unit, unit.saturating_mul(2), unit.saturating_mul(5)] {
            if step >= value || step == i64::MAX {
                return step;
            }
        }
        unit = unit.saturating_mul(10);
    }
}

/// Tenths of a pixel as an attribute of SVG, without the code that writes fractions.
#[must_use]
pub fn px(tenths: i64) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// `part` of `whole` as a percentage.
#[must_use]
pub fn percent(part: u64, whole: u64) -> String {
    let thousandths = part.saturating_mul(100_000) / whole.max(1);
    format!("{}.{:03}%", thousandths / 1_000, thousandths % 1_000)
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_axis_has_few_round_ticks() {
        let check = |low, high, expect: &[i64]| {
            assert_eq!(Scale::new(low, high).ticks().collect::<Vec<_>>(), expect, "{low} to {high}");
        };
        check(0, 0, &[0, 1]);
        check(0, 3, &[0, 1, 2, 3]);
        check(0, 41, &[0, 20, 40, 60]);
        check(-38, 41, &[-50, 0, 50]);
        check(910_870, 911_002, &[910_850, 910_900, 910_950, 911_000, 911_050]);
    }

    #[test]
    fn the_loss_of_few_clients_does_not_look_like_that_of_all() {
        let check = |low, high, expect: &[i64]| {
            assert_eq!(Scale::of_line(low, high).ticks().collect::<Vec<_>>(), expect, "{low} to {high}");
        };
        check(189, 190, &[180, 185, 190]);
        check(190, 190, &[0, 100, 200]);
        check(150, 190, &[0, 100, 200]);
        check(910_870, 911_002, &[900_000, 905_000, 910_000, 915_000]);
        check(850_000, 911_002, &[850_000, 900_000, 950_000]);
    }

    #[test]
    fn numbers_are_written_as_svg_wants_them() {
        assert_eq!([px(0), px(1_234)], ["0.0", "123.4"]);
        assert_eq!([percent(1, 3), percent(1, 1), percent(0, 0)], ["33.333%", "100.000%", "0.000%"]);
    }

    proptest! {
        #[test]
        fn every_value_has_its_place(a in -1_000_000_000_i64..1_000_000_000, b in -1_000_000_000_i64..1_000_000_000) {
            let scale = Scale::new(a.min(b), a.max(b));
            prop_assert!(scale.ticks().count() <= 7, "{scale:?}");
            prop_assert!(scale.ticks().any(|tick| tick == scale.high));
            for value in [a, b] {
                prop_assert!((0..=1_000).contains(&scale.tenths(value, 100)));
            }
        }
    }
}
