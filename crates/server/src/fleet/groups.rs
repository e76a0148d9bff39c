//! Sorts that begin with fields of the profile (the status, the type, the reason). The rows with the same values in
//! these are a group, and how many rows each profile has tells in which groups the wanted ones are: only these are
//! looked at, in the order that the rest of the sort gives.

use ahash::AHashMap;
use rollcall_model::query::SortKey;

use super::bookmark::Position;
use super::plan::Plan;
use super::profiles::Profile;
use super::rows::Rows;
use super::select::SORTED_MAX;
use super::view::View;
use super::window;

/// Looking at more profiles takes longer than looking at the rows.
const PROFILES_MAX: usize = if cfg!(test) { 32 } else { 65_536 };

/// The rows with the same values, which are one number.
struct Group {
    rank: u128,
    rows: usize,
}

/// As [`window::slots`]; `None` for other sorts, and where it would take longer.
pub fn slots(
    rows: &Rows<'_>,
    view: View<'_>,
    sort: &[SortKey],
    after: Option<&Position>,
    mut skip: usize,
    wanted: usize,
) -> Option<Vec<u32>> {
    let leading = sort.iter().take_while(|key| Profile::has(key.field)).count();
    let is_known = after.is_none() || skip == 0;
    if leading == 0 || !is_known || view.table.profiles.bound() > PROFILES_MAX {
        return None;
    }
    if rows.count() <= SORTED_MAX as u64 {
        return None;
    }
    let plan = Plan::new(view, &sort[..leading]);
    if !plan.is_exact {
        return None;
    }
    let counts = rows.by_profile();
    // Of each profile, by number.
    let ranks: Vec<u128> =
        (0..counts.len()).map(|number| plan.pack(|part| part.of_profile(number as u32))).collect();
    let of_ranks = |first: u128, last: u128| {
        let is_within = |(rank, rows): (&u128, &u64)| *rows > 0 && (first..=last).contains(rank);
        rows.of(ranks.iter().zip(counts).map(is_within).collect())
    };
    let groups = groups(&ranks, counts);
    let mut rest = groups.as_slice();
    let mut found = Vec::new();
    if let Some(after) = after {
        let mut values = after.values.iter();
        let rank = plan.pack(|part| values.next().map_or(0, |value| part.of_value(value)));
        rest = &rest[rest.partition_point(|group| group.rank < rank)..];
        if let Some((_, later)) = rest.split_first().filter(|(first, _)| first.rank == rank) {
            let rows = of_ranks(rank, rank);
            let after = Position {
                values: after.values.get(leading..).unwrap_or_default().to_vec(),
                id: after.id.clone(),
            };
            found = window::slots(&rows, view, &sort[leading..], Some(&after), 0, wanted);
            rest = later;
        }
    }
    while let Some(first) = rest.first().filter(|_| found.len() < wanted) {
        if skip >= first.rows {
            skip -= first.rows;
            rest = &rest[1..];
            continue;
        }
        // Small groups are sorted together.
        let mut together = 0;
        let small = rest.iter().take_while(|group| {
            together += group.rows;
            together <= SORTED_MAX
        });
        let (run, later) = rest.split_at(small.count().max(1));
        let sort = if run.len() == 1 { &sort[leading..] } else { sort };
        let rows = of_ranks(first.rank, run.last().map_or(first.rank, |last| last.rank));
        found.extend(window::slots(&rows, view, sort, None, skip, wanted - found.len()));
        (skip, rest) = (0, later);
    }
    Some(found)
}

/// The groups in order, from the rank of each profile and the number of its rows.
fn groups(ranks: &[u128], counts: &[u64]) -> Vec<Group> {
    // Ranks are few and profiles many.
    let mut groups = AHashMap::<u128, usize>::new();
    for (rank, rows) in ranks.iter().zip(counts).filter(|(_, rows)| **rows > 0) {
        *groups.entry(*rank).or_default() += *rows as usize;
    }
    let mut groups: Vec<_> = groups.into_iter().map(|(rank, rows)| Group { rank, rows }).collect();
    groups.sort_unstable_by_key(|group| group.rank);
    groups
}
