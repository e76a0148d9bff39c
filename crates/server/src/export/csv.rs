//! CSV as RFC 4180 has it, safe to open in a spreadsheet.
//!
//! Client ids and reasons come from strangers, and a spreadsheet runs a cell that begins with `=`, `+`, `-` or `@` as
//! a formula. Such a cell gets an apostrophe in front, which spreadsheets take as “this is text”, and so does one that
//! has nothing but apostrophes before such a character. A program that reads the file and wants the text back removes
//! one apostrophe from cells that begin so.

/// The characters that start a formula, in some spreadsheet, some locale or after trimming.
const DANGEROUS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// Appends a record; an absent cell is empty.
pub fn push_record<'a>(out: &mut Vec<u8>, cells: impl IntoIterator<Item = Option<&'a str>>) {
    for (at, cell) in cells.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        push_cell(out, cell.unwrap_or_default());
    }
    out.extend_from_slice(b"\r\n");
}

fn push_cell(out: &mut Vec<u8>, text: &str) {
    let guard: &[u8] = if text.trim_start_matches('\'').starts_with(DANGEROUS) { b"'" } else { b"" };
    if !text.contains(['"', ',', '\r', '\n']) {
        out.extend_from_slice(guard);
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    out.extend_from_slice(guard);
    for (at, part) in text.split('"').enumerate() {
        if at > 0 {
            out.extend_from_slice(b"\"\"");
        }
        out.extend_from_slice(part.as_bytes());
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(cells: &[Option<&str>], expect: &str) {
        let mut out = Vec::new();
        push_record(&mut out, cells.iter().copied());
        assert_eq!(String::from_utf8(out).unwrap(), expect);
    }

    #[test]
    fn cells_are_quoted_only_where_they_must_be_and_quotes_are_doubled() {
        check(&[Some("a b"), None, Some("")], "a b,,\r\n");
        check(
            &[Some("a,b"), Some("say \"hi\""), Some("two\nlines")],
            "\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\"\r\n",
        );
        check(&[Some("d:acme01:thermo:t-17"), Some("köln")], "d:acme01:thermo:t-17,köln\r\n");
    }

    /// A client id such as `=HYPERLINK(…)` would run when an administrator opens the list.
    #[test]
    fn a_cell_that_a_spreadsheet_would_run_as_a_formula_is_marked_as_text() {
        for start in DANGEROUS {
            let mut out = Vec::new();
            push_record(&mut out, [Some(format!("{start}cmd|' /C calc'!A0").as_str())]);
            let text = String::from_utf8(out).unwrap();
            assert!(text.trim_start_matches('"').starts_with('\''), "{text}");
        }
        check(&[Some("=1+\"1\",2")], "\"'=1+\"\"1\"\",2\"\r\n");
        check(&[Some("a=b"), Some("1-2"), Some("'a")], "a=b,1-2,'a\r\n");
    }

    /// Else nobody could tell `=1` from `'=1`, which are two clients.
    #[test]
    fn a_text_that_looks_as_if_it_were_marked_is_marked_too() {
        check(&[Some("=1"), Some("'=1"), Some("''=1")], "'=1,''=1,'''=1\r\n");
    }
}
