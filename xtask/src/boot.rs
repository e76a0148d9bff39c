//! Makes Trunk's page fit the content security policy. Trunk starts the dashboard with an inline script, and the policy
//! allows scripts from files only; so the script is moved to `boot-<hash>.js` next to the page. Called by `dashboard`
//! after Trunk; works on text and touches no file. Comments are left out.

use anyhow::bail;

use crate::fingerprint;

/// A page without inline scripts, and the files that hold them now.
#[derive(Debug)]
pub struct Page {
    pub html: String,
    pub scripts: Vec<Script>,
}

/// A script that was inline.
#[derive(Debug, PartialEq, Eq)]
pub struct Script {
    /// The file's name, with a hash of the content, so that browsers may keep it for ever.
    pub name: String,
    pub content: String,
}

/// Moves every inline script of a page to a file of its own, served from `base` (which ends in `/`).
///
/// Inline styles and event handlers cannot be moved mechanically; a page that has one is refused, because the browser
/// would ignore it without a word to the person who wrote it.
pub fn externalize(html: &str, base: &str) -> anyhow::Result<Page> {
    let mut page = Page { html: String::with_capacity(html.len()), scripts: Vec::new() };
    let mut rest = html;
    while let Some(tag) = next_tag(rest) {
        refuse_inline(tag.text)?;
        push_without_comments(&mut page.html, tag.before);
        rest = tag.after;
        if !tag.is_inline_script() {
            page.html.push_str(tag.text);
            continue;
        }
        let Some((content, after)) = rest.split_once("</script>") else {
            bail!("index.html has a <script> without </script>");
        };
        let content = format!("{}\n", content.trim());
        let name = format!("boot-{}.js", fingerprint::of(content.as_bytes()));
        let opening = tag.text.trim_end_matches('>');
        page.html.push_str(&format!("{opening} src=\"{base}{name}\"></script>"));
        page.scripts.push(Script { name, content });
        rest = after;
    }
    push_without_comments(&mut page.html, rest);
    Ok(page)
}

/// Comments are for who writes the page; whoever opens it would wait for them.
fn push_without_comments(html: &mut String, mut text: &str) {
    while let Some((before, rest)) = text.split_once("<!--") {
        html.push_str(before.trim_end());
        text = rest.split_once("-->").map_or("", |(_, after)| after);
    }
    html.push_str(text);
}

/// A tag and what surrounds it.
struct Tag<'a> {
    before: &'a str,
    /// From `<` to `>`.
    text: &'a str,
    after: &'a str,
}

impl Tag<'_> {
    fn is_inline_script(&self) -> bool {
        let mut names = attribute_names(self.text);
        names.next() == Some("script") && !names.any(|name| name == "src")
    }
}

/// The next tag; comments are stepped over, because what they hold is not part of the page.
fn next_tag(html: &str) -> Option<Tag<'_>> {
    let mut from = 0;
    loop {
        let start = from + html.get(from..)?.find('<')?;
        let (end_mark, is_comment) =
            if html[start..].starts_with("<!--") { ("-->", true) } else { (">", false) };
        let end = start + html[start..].find(end_mark)? + end_mark.len();
        if is_comment {
            from = end;
            continue;
        }
        return Some(Tag { before: &html[..start], text: &html[start..end], after: &html[end..] });
    }
}

fn refuse_inline(tag: &str) -> anyhow::Result<()> {
    let mut names = attribute_names(tag);
    let inline = names.next() == Some("style") || names.any(|name| name == "style" || name.starts_with("on"));
    if inline {
        bail!(
            "the content security policy forbids inline styles and event handlers: take {tag} out of index.html"
        );
    }
    Ok(())
}

/// The element's name (with `/` in a closing tag), then the names of its attributes. Values are stepped over; ours hold
/// neither `>` nor escapes.
fn attribute_names(tag: &str) -> impl Iterator<Item = &str> {
    tag.trim_start_matches('<')
        .trim_end_matches(['/', '>'])
        .split('"')
        .step_by(2)
        .flat_map(str::split_whitespace)
        .map(|word| word.split('=').next().unwrap_or(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Trunk 0.21.14 writes.
    const TRUNK_PAGE: &str = r#"<!doctype html>
<html lang="en">
<head>
<!-- <script>not a script</script> -->
<link rel="stylesheet" href="/main-1f.css" integrity="sha384-a=">
<script type="module">
import init from '/rollcall-2e.js';
const wasm = await init({ module_or_path: '/rollcall-2e_bg.wasm' });


dispatchEvent(new CustomEvent("TrunkApplicationStarted", {detail: {wasm}}));

</script>
<link rel="modulepreload" href="/rollcall-2e.js" crossorigin="anonymous">
<link rel="preload" href="/rollcall-2e_bg.wasm" as="fetch" type="application/wasm" crossorigin="anonymous"></head>
<body></body>
</html>
"#;

    #[test]
    fn the_inline_script_moves_to_a_file_and_the_rest_of_the_page_stays_but_comments() {
        let page = externalize(TRUNK_PAGE, "/").unwrap();

        let [script] = &page.scripts[..] else {
            panic!("one script expected: {:?}", page.scripts);
        };
        assert!(script.content.starts_with("import init from '/rollcall-2e.js';\n"));
        assert!(script.content.ends_with("{detail: {wasm}}));\n"));

        let (before, rest) = TRUNK_PAGE.split_once("<script type=\"module\">").unwrap();
        let (_, after) = rest.split_once("</script>").unwrap();
        let tag = format!("<script type=\"module\" src=\"/{}\"></script>", script.name);
        let before = before.replace("\n<!-- <script>not a script</script> -->", "");
        assert_eq!(page.html, format!("{before}{tag}{after}"));
    }

    #[test]
    fn the_name_follows_the_content() {
        let name = |html| externalize(html, "/").unwrap().scripts[0].name.clone();
        assert_eq!(name("<script>a()</script>"), name("<script> a() </script>"));
        assert_ne!(name("<script>a()</script>"), name("<script>b()</script>"));
    }

    #[test]
    fn a_script_that_is_a_file_already_stays() {
        let html = r#"<script type="module" src="/element.js"></script>"#;
        let page = externalize(html, "/").unwrap();
        assert_eq!(page.html, html);
        assert_eq!(page.scripts, []);
    }

    #[test]
    fn what_the_policy_would_silently_ignore_is_refused() {
        for html in [
            "<style>body { margin: 0 }</style>",
            r#"<div class="a" style="color: red">"#,
            r#"<body onload="start()">"#,
        ] {
            let error = externalize(html, "/").unwrap_err().to_string();
            assert!(error.contains("content security policy"), "{error}");
        }
    }

    #[test]
    fn words_in_values_are_not_attributes() {
        let html = r#"<meta content="style onload src">"#;
        assert_eq!(externalize(html, "/").unwrap().html, html);
    }
}
