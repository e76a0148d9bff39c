//! Lines of CSV as the server writes them: safe to open in a spreadsheet. Pure; called by the export.

/// A line of CSV (RFC 4180).
pub fn line(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| csv_cell(cell)).collect();
    cells.join(",") + "\r\n"
}

/// Whether a spreadsheet would run the text as a formula, or would if some apostrophes in front were not.
pub fn is_formula(text: &str) -> bool {
    let dangerous = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
    text.trim_start_matches('\'').starts_with(dangerous)
}

/// A cell of CSV, as the server writes them. A text that a spreadsheet would run as a formula gets an apostrophe in front.
pub fn csv_cell(text: &str) -> String {
    let guard = if is_formula(text) { "'" } else { "" };
    if !text.contains([',', '"', '\n', '\r']) {
        return format!("{guard}{text}");
    }
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_where_it_must_be_and_is_never_a_formula() {
        let check = |text: &str, expect: &str| assert_eq!(csv_cell(text), expect);
        check("d:acme01:thermo:t-17", "d:acme01:thermo:t-17");
        check("", "");
        check("a,b", "\"a,b\"");
        check("say \"hi\"", "\"say \"\"hi\"\"\"");
        check("two\nlines", "\"two\nlines\"");
        for formula in ["=1+1", "+1", "-1", "@sum", "\tx", "'=1"] {
            check(formula, &format!("'{formula}"));
        }
        check("=a,b", "\"'=a,b\"");
        assert_eq!(line(&["a".to_owned(), String::new()]), "a,\r\n");
    }
}
