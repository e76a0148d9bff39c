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
use super::window;

/// Looking at more profiles takes longer than looking at the rows.
const PROFILES_MAX: usize = if cfg!(test) { 32 } else { 65_536 };

/// The rows with the same values, which are one number.
struct Group {
    rank: u128,
    rows: usize,
}

/// Some rows by the values of the first fields of a sort.
struct Groups<'a> {
    rows: &'a Rows<'a>,
    plan: Plan<'a>,
    /// Of each profile, by number.
    ranks: Vec<u128>,
    in_order: Vec<Group>,
}

/// As [`window::slots`]; `None` for other sorts, and where it would take longer.
pub fn slots(
    rows: &Rows<'_>,
    sort: &[SortKey],
    after: Option<&Position>,
    mut skip: usize,
    wanted: usize,
) -> Option<Vec<u32>> {
    // How many rows of its group are up to a place is not known.
    if after.is_some() && skip > 0 {
        return None;
    }
    let leading = sort.iter().take_while(|key| Profile::has(key.field)).count();
    let (by_group, within) = sort.split_at(leading);
    let groups = Groups::of(rows, by_group)?;
    let mut rest = groups.in_order.as_slice();
    let mut found = Vec::new();
    if let Some(after) = after {
        let rank = groups.rank_of(after);
        rest = &rest[rest.partition_point(|group| group.rank < rank)..];
        if let Some((_, later)) = rest.split_first().filter(|(first, _)| first.rank == rank) {
            let after = after.without_first(leading);
            found = window::slots(&groups.rows(rank, rank), within, Some(&after), 0, wanted);
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
        let sort = if run.len() == 1 { within } else { sort };
        let rows = groups.rows(first.rank, run.last().map_or(first.rank, |last| last.rank));
        found.extend(window::slots(&rows, sort, None, skip, wanted - found.len()));
        (skip, rest) = (0, later);
    }
    Some(found)
}

impl<'a> Groups<'a> {
    fn of(rows: &'a Rows<'a>, sort: &'a [SortKey]) -> Option<Self> {
        if sort.is_empty() || rows.view.table.profiles.bound() > PROFILES_MAX {
            return None;
        }
        if rows.count() <= SORTED_MAX as u64 {
            return None;
        }
        let plan = Plan::new(rows.view, sort);
        if !plan.is_exact {
            return None;
        }
        let counts = rows.by_profile();
        let rank = |number: usize| plan.pack(|part| part.of_profile(number as u32));
        let ranks: Vec<u128> = (0..counts.len()).map(rank).collect();
        // Ranks are few and profiles many.
        let mut groups = AHashMap::<u128, usize>::new();
        for (rank, rows) in ranks.iter().zip(counts).filter(|(_, rows)| **rows > 0) {
            *groups.entry(*rank).or_default() += *rows as usize;
        }
        let mut in_order: Vec<_> = groups.into_iter().map(|(rank, rows)| Group { rank, rows }).collect();
        in_order.sort_unstable_by_key(|group| group.rank);
        Some(Self { rows, plan, ranks, in_order })
    }

    /// Those in the groups from one rank to another.
    fn rows(&self, first: u128, last: u128) -> Rows<'_> {
        let ranks = self.ranks.iter().zip(self.rows.by_profile());
        self.rows.of(ranks.map(|(rank, rows)| *rows > 0 && (first..=last).contains(rank)).collect())
    }

    /// Where a place is or was.
    fn rank_of(&self, place: &Position) -> u128 {
        let mut values = place.values.iter();
        self.plan.pack(|part| values.next().map_or(0, |value| part.of_value(value)))
    }
}
