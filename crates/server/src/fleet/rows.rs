//! The rows that pass the filters of a question. Which profiles pass tells much of them without looking at a row: how
//! many there are, their facets, and where in an order they are. The rows themselves are made out only when needed.

use std::cell::OnceCell;

use super::bitmap::Bitmap;
use super::pieces;
use super::profiles::Profile;
use super::view::View;

/// The counters of so many profiles fit into the fastest cache.
const FEW_PROFILES: usize = 4_096;

/// See the module.
#[derive(Debug)]
pub struct Rows<'a> {
    pub view: View<'a>,
    /// Whether the rows of each profile can pass, by number.
    profiles: Vec<bool>,
    /// The rows that can pass, where the profile does not tell.
    among: Option<&'a Bitmap>,
    /// Whether nothing but the profile was asked.
    are_told: bool,
    bits: OnceCell<Bitmap>,
    by_profile: OnceCell<Vec<u64>>,
}

impl<'a> Rows<'a> {
    /// The rows of these profiles, by number.
    pub fn of_profiles(view: View<'a>, profiles: Vec<bool>) -> Self {
        let (bits, by_profile) = (OnceCell::new(), OnceCell::new());
        Self { view, profiles, among: None, are_told: true, bits, by_profile }
    }

    /// Takes away rows for reasons that are not in their profiles.
    pub fn retain(&mut self, retain: impl FnOnce(&mut Bitmap)) {
        let mut bits = self.bits.take().unwrap_or_else(|| self.made_out());
        retain(&mut bits);
        self.bits = OnceCell::from(bits);
        self.by_profile = OnceCell::new();
        self.are_told = false;
    }

    /// Of these rows, those of some profiles, by number; all of them must be profiles of which rows can pass.
    pub fn of(&self, profiles: Vec<bool>) -> Rows<'_> {
        let among = (!self.are_told).then(|| self.bits());
        let (bits, by_profile) = (OnceCell::new(), OnceCell::new());
        Rows { view: self.view, profiles, among, are_told: self.are_told, bits, by_profile }
    }

    /// The profiles of which rows can pass.
    pub fn profiles(&self) -> impl Iterator<Item = &Profile> {
        let profiles = self.view.table.profiles.iter().zip(&self.profiles);
        profiles.filter(|((_, rows), passes)| *rows > 0 && **passes).map(|((profile, _), _)| profile)
    }

    pub fn bits(&self) -> &Bitmap {
        self.bits.get_or_init(|| self.made_out())
    }

    fn made_out(&self) -> Bitmap {
        let profiles = &self.profiles;
        let passes = |profile: u32| profiles[profile as usize];
        let column = &self.view.table.columns.profile;
        match self.among {
            Some(among) => {
                let mut bits = among.clone();
                bits.retain_values(column, false, passes);
                bits
            }
            None if profiles.iter().all(|passes| *passes) => Bitmap::full(column.len()),
            None => Bitmap::of_values(column, passes),
        }
    }

    pub fn has(&self, slot: u32) -> bool {
        let passes = || self.profiles[self.view.table.columns.profile[slot as usize] as usize];
        match self.bits.get() {
            Some(bits) => bits.has(slot),
            None => self.among.is_none_or(|among| among.has(slot)) && passes(),
        }
    }

    pub fn count(&self) -> u64 {
        if self.are_told { self.by_profile().iter().sum() } else { self.bits().count() }
    }

    /// How many of the rows have each profile, by number.
    pub fn by_profile(&self) -> &[u64] {
        self.by_profile.get_or_init(|| {
            let profiles = self.view.table.profiles.iter().zip(&self.profiles);
            if self.are_told {
                return profiles.map(|((_, rows), passes)| u64::from(rows) * u64::from(*passes)).collect();
            }
            counted(self.bits(), &self.view.table.columns.profile, self.profiles.len())
        })
    }
}

/// How many of the rows have each of these profiles.
fn counted(rows: &Bitmap, column: &[u32], profiles: usize) -> Vec<u64> {
    if profiles > FEW_PROFILES {
        let mut counts = vec![0_u32; profiles];
        rows.for_each(|slot| counts[column[slot as usize] as usize] += 1);
        return counts.into_iter().map(u64::from).collect();
    }
    let counts = pieces::each(rows.words().len(), |words| {
        // Two counters each, taken in turn: neighbours often have the same profile, and an addition to a counter waits
        // for the one before it.
        let mut counts = vec![[0_u32; 2]; profiles];
        rows.for_each_in(words, |slot| counts[column[slot as usize] as usize][slot as usize & 1] += 1);
        counts
    });
    let sum = |at: usize| counts.iter().map(|counts| counts[at].map(u64::from).iter().sum::<u64>()).sum();
    (0..profiles).map(sum).collect()
}
