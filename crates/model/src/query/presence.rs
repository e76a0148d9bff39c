//! Filters that ask whether a field is there: `stale=true`. Called by [`super::Query::parse`] only.
//!
//! Their two values are alternatives like those of other filters, but a test has one of them. So each value is a term of
//! its own until all parameters have been read.

use super::{Field, Term, Test};

/// # Errors
/// A sentence, when a value is neither `true` nor `false`.
pub fn read(terms: &mut Vec<Term>, field: Field, negated: bool, value: &str) -> Result<(), String> {
    for value in value.split(',').map(str::trim) {
        let present = value.parse().map_err(|_| "true or false is needed".to_owned())?;
        let term = Term { field, test: Test::Present(present), negated };
        if !terms.contains(&term) {
            terms.push(term);
        }
    }
    Ok(())
}

/// Whoever asks for one or the other asks for everybody. Excluding both leaves nobody, which two terms say.
pub fn drop_either_way(terms: &mut Vec<Term>) {
    let asked = |term: &Term| match term.test {
        Test::Present(present) if !term.negated => Some((term.field, present)),
        _ => None,
    };
    let all: Vec<_> = terms.iter().filter_map(asked).collect();
    terms.retain(|term| asked(term).is_none_or(|(field, present)| !all.contains(&(field, !present))));
}
