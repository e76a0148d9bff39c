//! Counts of filters that are not in force: `_count=connectedAfter=now-15m` asks how many of the rows would be left. What
//! facets are for values, these are for spans of time, least numbers and networks.

use super::{Query, Term};

/// So many are answered in one request: each is a pass over the rows.
const COUNTS_MAX: usize = 32;

/// A filter whose rows are to be counted among those that pass all filters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Count {
    asked: String,
    term: Term,
}

impl Count {
    /// Reads a filter as it would stand in a query string, decoded: `name=value`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(asked: &str) -> Result<Self, String> {
        let (name, value) =
            asked.split_once('=').ok_or("a filter is needed, as in connectedAfter=now-15m")?;
        let mut query = Query::default();
        query.read_filter(name, value)?;
        match <[Term; 1]>::try_from(query.filter.terms) {
            Ok([term]) => Ok(Self { asked: asked.to_owned(), term }),
            Err(_) => Err("a filter with one value is needed".to_owned()),
        }
    }

    /// Of a filter with one value.
    #[must_use]
    pub fn of(term: Term) -> Self {
        Self { asked: format!("{}={}", term.parameter(), term.values().join(",")), term }
    }

    /// The filter as it was asked for, under which its count is answered.
    #[must_use]
    pub fn asked(&self) -> &str {
        &self.asked
    }

    #[must_use]
    pub const fn term(&self) -> &Term {
        &self.term
    }
}

/// # Errors
/// A sentence, when the value is no filter, or one too many.
pub(super) fn read(counts: &mut Vec<Count>, value: &str) -> Result<(), String> {
    let count = Count::parse(value)?;
    if counts.contains(&count) {
        return Ok(());
    }
    if counts.len() == COUNTS_MAX {
        return Err(format!("a request may have at most {COUNTS_MAX} counts"));
    }
    counts.push(count);
    Ok(())
}
