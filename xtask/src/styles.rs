//! Joins the style sheets of Trunk's page into one: a file for each subject is good to work on, one request is good for
//! the first paint. Called by `dashboard` after Trunk; works on text, the caller reads and writes the files.

use anyhow::{Context, bail};

use crate::fingerprint;

/// A page with one style sheet, and what became of the others.
#[derive(Debug)]
pub struct Page {
    pub html: String,
    /// The file's name, with a hash of the content, so that browsers may keep it for ever.
    pub name: String,
    pub content: String,
    /// The names of the files that are part of it and not needed any more.
    pub joined: Vec<String>,
}

/// Puts one link in the place of the first style sheet's and takes the others out. `read` gives the content of a file
/// by its name, which is its address without `base`.
pub fn join(html: &str, base: &str, read: impl Fn(&str) -> anyhow::Result<String>) -> anyhow::Result<Page> {
    let mut page =
        Page { html: String::new(), name: String::new(), content: String::new(), joined: Vec::new() };
    let (mut before, mut rest) = (String::new(), html);
    while let Some((ahead, tag, after)) = next_link(rest) {
        let address = tag
            .split_once("href=\"")
            .and_then(|(_, value)| value.split_once('"'))
            .with_context(|| format!("{tag} has no address"))?
            .0;
        let name = address.strip_prefix(base).with_context(|| format!("{address} is not below {base}"))?;
        page.content.push_str(&compact(&read(name)?));
        page.joined.push(name.to_owned());
        if page.joined.len() == 1 {
            before = std::mem::take(&mut page.html) + ahead;
        } else {
            page.html.push_str(ahead.trim_start_matches('\n'));
        }
        rest = after;
    }
    if page.joined.is_empty() {
        bail!("index.html has no style sheet");
    }
    page.name = format!("style-{}.css", fingerprint::of(page.content.as_bytes()));
    page.html = format!("{before}<link rel=\"stylesheet\" href=\"{base}{}\"/>{}{rest}", page.name, page.html);
    Ok(page)
}

/// The next link to a style sheet: what stands before it, the tag, what stands after it.
fn next_link(html: &str) -> Option<(&str, &str, &str)> {
    let start = html.find("<link rel=\"stylesheet\"")?;
    let end = start + html[start..].find('>')? + 1;
    Some((&html[..start], &html[start..end], &html[end..]))
}

/// Without comments, indents and empty lines: nobody reads the finished file.
fn compact(css: &str) -> String {
    let mut bare = String::with_capacity(css.len());
    let mut rest = css;
    while let Some((code, comment)) = rest.split_once("/*") {
        bare.push_str(code);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    bare.push_str(rest);
    let lines = bare.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.fold(String::with_capacity(bare.len()), |all, line| all + line + "\n")
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
        assert_eq!(page.content, ".x {\ncolor: red;\n}\n.x {\ncolor: red;\n}\n");
        assert_eq!(page.joined, ["a-1.css", "b-2.css"]);
        let expect = format!(
            "<head>\n<link rel=\"stylesheet\" href=\"/{}\"/>\n<title>Rollcall</title></head>",
            page.name
        );
        assert_eq!(page.html, expect);
    }

    #[test]
    fn a_page_without_style_is_refused() {
        assert!(join("<head></head>", "/", read).is_err());
        assert!(join("<link rel=\"stylesheet\" href=\"//elsewhere/a.css\"/>", "/base/", read).is_err());
    }
}
