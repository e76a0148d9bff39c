//! Views that a reader saved by name, in the form in which the browser remembers them: one line for each, its name and
//! its query string. Pure.

/// A view by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedView {
    pub name: String,
    /// Without `?`.
    pub query: String,
}

/// More views and longer names than a list can show are not kept.
const MAX_VIEWS: usize = 100;
const MAX_NAME: usize = 80;

/// A name without line breaks and the like; `None` if nothing is left of it.
#[must_use]
pub fn clean_name(name: &str) -> Option<String> {
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    let name: String = name.trim().chars().take(MAX_NAME).collect();
    (!name.is_empty()).then_some(name)
}

/// Reads what [`to_text`] writes; what is not understood is left out.
#[must_use]
pub fn parse(text: &str) -> Vec<SavedView> {
    let view = |line: &str| {
        let (name, query) = line.split_once('\t')?;
        Some(SavedView { name: clean_name(name)?, query: query.to_owned() })
    };
    text.lines().filter_map(view).take(MAX_VIEWS).collect()
}

#[must_use]
pub fn to_text(views: &[SavedView]) -> String {
    views.iter().map(|view| format!("{}\t{}\n", view.name, view.query)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_survive_being_remembered_whatever_their_names() {
        let name = clean_name(" Night\tshift\n\u{7} ").unwrap();
        assert_eq!(name, "Nightshift");
        let views = vec![SavedView { name, query: "search=a%09b".to_owned() }];
        assert_eq!(parse(&to_text(&views)), views);
        assert_eq!(parse("no tab\n\tno name\n"), []);
        assert_eq!(clean_name(" \n "), None);
    }
}
