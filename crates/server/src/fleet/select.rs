//! Selection: the rows from one rank to another in an order, in time that does not depend on the ranks.
//!
//! A random sample of the rows tells between which two of its rows the wanted ones lie. One pass over all
//! rows then counts those before the first and keeps those in between, which are few, and only these are sorted.
//! Should the sample mislead, which the count shows, everything is kept and sorted instead.

use std::cmp::Ordering;
use std::ops::Range;

use super::bitmap::Bitmap;
use super::pieces;

/// An order of rows.
pub trait Ranking: Sync {
    /// A row on its way into a window.
    type Row: Copy + Send;
    /// A place in the order: that of a row, or of one that was there once.
    type Bound: Sync;

    fn slot(row: &Self::Row) -> u32;
    fn compare(&self, a: &Self::Row, b: &Self::Row) -> Ordering;
    fn bound(&self, row: &Self::Row) -> Self::Bound;

    /// Of the rows in some of the words: adds those after `from` and up to `to`, the latter included, to `found`. Returns
    /// how many are before these.
    fn scan_words(
        &self,
        rows: &Bitmap,
        words: Range<usize>,
        from: Option<&Self::Bound>,
        to: Option<&Self::Bound>,
        found: &mut Vec<Self::Row>,
    ) -> usize;
}

/// Of all rows: how many are before those after `from` and up to `to`, and the latter.
fn scan<R: Ranking>(
    ranking: &R,
    rows: &Bitmap,
    from: Option<&R::Bound>,
    to: Option<&R::Bound>,
) -> (usize, Vec<R::Row>) {
    let pieces = pieces::each(rows.words().len(), |words| {
        let mut found = Vec::new();
        (ranking.scan_words(rows, words, from, to, &mut found), found)
    });
    let (before, found): (Vec<usize>, Vec<_>) = pieces.into_iter().unzip();
    (before.into_iter().sum(), found.concat())
}

/// So few rows are sorted without much ado. Small in tests, so that they take every way.
pub const SORTED_MAX: usize = if cfg!(test) { 16 } else { 20_000 };
/// One row in so many, too: finding a sample of them by chance would take longer.
const SORTED_SHARE: usize = 32;
/// Rows in a sample: reading one is a wait for the memory, so there are no more than the rows at the beginning need.
const SAMPLE_FOR_FIRST: usize = if cfg!(test) { 8 } else { 2_048 };
/// The same for rows that are deep in the order, which a smaller sample tells less well from those around them.
const SAMPLE_FOR_DEEP: usize = if cfg!(test) { 16 } else { 8_192 };
/// How far from its place in the sample a rank may be, in standard deviations.
const DEVIATIONS: f64 = 4.5;

/// The slots of `wanted` rows in order (fewer at the end), after passing over those up to `after` and `skip` more.
pub fn select<R: Ranking>(
    ranking: &R,
    rows: &Bitmap,
    after: Option<&R::Bound>,
    skip: usize,
    wanted: usize,
) -> Vec<u32> {
    let count = rows.count() as usize;
    if after.is_none() && skip >= count {
        return Vec::new();
    }
    let end = skip.saturating_add(wanted);
    if count > SORTED_MAX.max(rows.places() / SORTED_SHARE) {
        let (from, to) = between(ranking, rows, count, after, skip, end);
        let (counted, found) = scan(ranking, rows, from.as_ref().or(after), to.as_ref());
        // Only without `after` is it known what is counted.
        let before = if from.is_some() { counted } else { 0 };
        let is_hit = before <= skip && (to.is_none() || before + found.len() >= end);
        if is_hit {
            return window(ranking, found, skip - before, wanted);
        }
    }
    let (_, found) = scan(ranking, rows, after, None);
    window(ranking, found, skip, wanted)
}

/// Two places between which the rows of these ranks are, most likely; `None` where there is no such place.
fn between<R: Ranking>(
    ranking: &R,
    rows: &Bitmap,
    count: usize,
    after: Option<&R::Bound>,
    skip: usize,
    end: usize,
) -> (Option<R::Bound>, Option<R::Bound>) {
    let sample = rows.sample(count, if skip == 0 { SAMPLE_FOR_FIRST } else { SAMPLE_FOR_DEEP });
    let (_, mut sampled) = scan(ranking, &sample, after, None);
    let share = sample.count() as f64 / count as f64;
    // The deviation of a rank in the sample, and some rows more for ranks at the border.
    let margin = |place: f64| {
        let rest = (sampled.len() as f64 - place).max(0.0);
        DEVIATIONS * (place.min(rest) + 1.0).sqrt() + 4.0
    };
    let place = skip as f64 * share;
    let from = place - margin(place);
    // With a place to begin after, the rows before it are not counted among the skipped ones.
    let from = (after.is_none() && from >= 0.0).then_some(from as usize);
    let place = end as f64 * share;
    let to = (place + margin(place)) as usize;
    let mut at = |place: usize| {
        let is_there = place < sampled.len();
        is_there.then(|| *sampled.select_nth_unstable_by(place, |a, b| ranking.compare(a, b)).1)
    };
    (from.and_then(&mut at).map(|row| ranking.bound(&row)), at(to).map(|row| ranking.bound(&row)))
}

fn window<R: Ranking>(ranking: &R, mut found: Vec<R::Row>, skip: usize, wanted: usize) -> Vec<u32> {
    if skip >= found.len() {
        return Vec::new();
    }
    if skip > 0 {
        found.select_nth_unstable_by(skip, |a, b| ranking.compare(a, b));
        found.drain(..skip);
    }
    if found.len() > wanted {
        found.select_nth_unstable_by(wanted, |a, b| ranking.compare(a, b));
        found.truncate(wanted);
    }
    found.sort_unstable_by(|a, b| ranking.compare(a, b));
    found.iter().map(R::slot).collect()
}
