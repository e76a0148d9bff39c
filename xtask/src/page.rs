//! Makes the page of the finished dashboard fit the content security policy, which allows scripts and styles from files only:
//! refuses what the browser would ignore, and leaves out comments. Called by `dashboard`; works on text and touches no file.

use anyhow::bail;

/// The page without comments.
///
/// # Errors
/// When it has an inline script, style or event handler: the browser would ignore it without a word to the person who wrote it.
pub fn fit(html: &str) -> anyhow::Result<String> {
    let mut page = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(tag) = next_tag(rest) {
        refuse_inline(tag.text)?;
        push_without_comments(&mut page, tag.before);
        page.push_str(tag.text);
        rest = tag.after;
    }
    push_without_comments(&mut page, rest);
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
    let element = names.next();
    let names: Vec<_> = names.collect();
    let is_inline = match element {
        Some("style") => true,
        Some("script") if !names.contains(&"src") => true,
        _ => names.iter().any(|name| *name == "style" || name.starts_with("on")),
    };
    if is_inline {
        bail!(
            "the content security policy forbids inline scripts, styles and event handlers: take {tag} out of index.html"
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

    #[test]
    fn the_page_stays_as_it_is_but_comments() {
        let page = |comment: &str| {
            format!("<head>{comment}<script type=\"module\" src=\"/a.js\"></script></head>\n<body></body>\n")
        };
        assert_eq!(fit(&page("\n<!-- <script>no script</script> -->")).unwrap(), page(""));
    }

    #[test]
    fn what_the_policy_would_silently_ignore_is_refused() {
        for html in [
            "<script>start()</script>",
            "<style>body { margin: 0 }</style>",
            r#"<div class="a" style="color: red">"#,
            r#"<body onload="start()">"#,
        ] {
            let error = fit(html).unwrap_err().to_string();
            assert!(error.contains("content security policy"), "{error}");
        }
    }

    #[test]
    fn words_in_values_are_not_attributes() {
        let html = r#"<meta content="style onload src">"#;
        assert_eq!(fit(html).unwrap(), html);
    }
}
