//! Joins the style sheets of Trunk's page: a file for each subject is good to work on, one request is good for the first
//! paint, and a second one brings what comes later: those that are `disabled`, which browsers do not fetch until a script
//! enables them. Called by `dashboard` after Trunk; works on text, the caller reads and writes the files.

use anyhow::{Context, bail};

use crate::{fingerprint, split};

/// A page with joined style sheets.
#[derive(Debug)]
pub struct Page {
    pub html: String,
    pub sheets: Vec<Sheet>,
    /// The names of the files that are part of one and not needed any more.
    pub joined: Vec<String>,
}

/// One file in the place of several.
#[derive(Debug, PartialEq, Eq)]
pub struct Sheet {
    /// With a hash of the content, so that browsers may keep it for ever.
    pub name: String,
    pub content: String,
}

/// Puts one link in the place of the first style sheet's, and one in the place of the first that comes later, and takes
/// the others out. `read` gives the content of a file by its name, which is its address without `base`.
pub fn join(html: &str, base: &str, read: impl Fn(&str) -> anyhow::Result<String>) -> anyhow::Result<Page> {
    let mut page = Page { html: String::new(), sheets: Vec::new(), joined: Vec::new() };
    // What is joined, and where its link goes.
    let mut groups = [("style-", "", None, String::new()), (split::LATER, " disabled", None, String::new())];
    let mut rest = html;
    while let Some((ahead, tag, after)) = next_link(rest) {
        let address = tag
            .split_once("href=\"")
            .and_then(|(_, value)| value.split_once('"'))
            .with_context(|| format!("{tag} has no address"))?
            .0;
        let name = address.strip_prefix(base).with_context(|| format!("{address} is not below {base}"))?;
        let [first, later] = &mut groups;
        let (_, _, at, content) = if tag.contains(" disabled") { later } else { first };
        content.push_str(&compact(&read(name)?));
        page.joined.push(name.to_owned());
        page.html.push_str(if at.is_none() { ahead } else { ahead.trim_start_matches('\n') });
        at.get_or_insert(page.html.len());
        rest = after;
    }
    page.html.push_str(rest);
    if groups[0].2.is_none() {
        bail!("index.html has no style sheet");
    }
    // From behind, so that what is put in moves no place that is still needed.
    groups.sort_by_key(|(_, _, at, _)| std::cmp::Reverse(*at));
    for (prefix, state, at, content) in groups {
        let Some(at) = at else { continue };
        let name = format!("{prefix}{}.css", fingerprint::of(content.as_bytes()));
        page.html.insert_str(at, &format!("<link rel=\"stylesheet\" href=\"{base}{name}\"{state}/>"));
        page.sheets.push(Sheet { name, content });
    }
    Ok(page)
}

/// The next link to a style sheet: what stands before it, the tag, what stands after it.
fn next_link(html: &str) -> Option<(&str, &str, &str)> {
    let start = html.find("<link rel=\"stylesheet\"")?;
    let end = start + html[start..].find('>')? + 1;
    Some((&html[..start], &html[start..end], &html[end..]))
}

/// Without comments, and without the blanks and line ends that nobody reads in the finished file. Strings with signs of the
/// language in them would be harmed; ours have none.
fn compact(css: &str) -> String {
    let mut bare = String::with_capacity(css.len());
    let mut rest = css;
    while let Some((code, comment)) = rest.split_once("/*") {
        bare.push_str(code);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    bare.push_str(rest);
    let mut short: String = bare.lines().map(str::trim).collect();
    for (long, sign) in
        [(" {", "{"), ("{ ", "{"), (": ", ":"), ("; ", ";"), (", ", ","), (" }", "}"), (";}", "}")]
    {
        short = short.replace(long, sign);
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "<head>\n<link rel=\"stylesheet\" href=\"/a-1.css\"/>\n<link rel=\"stylesheet\" href=\"/b-2.css\"/>\n<title>Rollcall</title></head>";

    fn read(name: &str) -> anyhow::Result<String> {
        Ok(format!("/* {name} */\n\n.x {{\n  color: red; /* why */\n}}\n"))
    }

    #[test]
    fn the_page_has_one_style_sheet_with_the_content_of_all() {
        let page = join(PAGE, "/", read).unwrap();
        let [sheet] = &*page.sheets else { panic!("{:?}", page.sheets) };
        assert_eq!(sheet.content, ".x{color:red}.x{color:red}");
        assert_eq!(page.joined, ["a-1.css", "b-2.css"]);
        let expect = format!(
            "<head>\n<link rel=\"stylesheet\" href=\"/{}\"/>\n<title>Rollcall</title></head>",
            sheet.name
        );
        assert_eq!(page.html, expect);
    }

    #[test]
    fn what_comes_later_is_a_second_one_that_nobody_fetches_yet() {
        let later = "<link rel=\"stylesheet\" href=\"/c-3.css\" disabled/>\n";
        let page = join(&PAGE.replace("<title>", &format!("{later}{later}<title>")), "/", read).unwrap();
        let [later, first] = &*page.sheets else { panic!("{:?}", page.sheets) };
        assert_eq!(page.joined.len(), 4);
        assert!(later.name.starts_with("later-") && first.name.starts_with("style-"));
        let expect = format!(
            "<head>\n<link rel=\"stylesheet\" href=\"/{}\"/>\n<link rel=\"stylesheet\" href=\"/{}\" disabled/>\n<title>Rollcall</title></head>",
            first.name, later.name
        );
        assert_eq!(page.html, expect);
    }

    #[test]
    fn a_page_without_style_is_refused() {
        assert!(join("<head></head>", "/", read).is_err());
        assert!(join("<link rel=\"stylesheet\" href=\"//elsewhere/a.css\"/>", "/base/", read).is_err());
    }
}
