//! The rows of a file as it comes over the network: where whole ones end, how many there are, and which client the last
//! one is. Pure; called by the export, which goes on after that client when the network breaks off.

use super::Format;
use super::csv::is_formula;
use crate::json;

/// A longer id does not fit into an address together with the rest of the question.
const ID_BYTES_MAX: usize = 2_000;

#[derive(Debug)]
pub struct Rows {
    format: Format,
    has_head: bool,
    lines: u64,
    is_quoted: bool,
    /// The row that has not come to its end.
    open: Vec<u8>,
    /// The last whole one.
    last: Vec<u8>,
}

impl Rows {
    /// `has_head`: the first line of a CSV says what its columns are.
    #[must_use]
    pub const fn new(format: Format, has_head: bool) -> Self {
        Self { format, has_head, lines: 0, is_quoted: false, open: Vec::new(), last: Vec::new() }
    }

    /// Takes what has come, and gives what has come to the end of a row with it; empty if nothing has.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        let (mut last_from, mut end) = (None, 0);
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                // In NDJSON no line end is within quotes.
                b'"' if self.format == Format::Csv => self.is_quoted = !self.is_quoted,
                b'\n' if !self.is_quoted => {
                    self.lines += 1;
                    last_from = (end > 0).then_some(end);
                    end = at + 1;
                }
                _ => {}
            }
        }
        let (whole, rest) = bytes.split_at(end);
        if end == 0 {
            self.open.extend_from_slice(rest);
            return Vec::new();
        }
        let mut rows = std::mem::replace(&mut self.open, rest.to_vec());
        rows.extend_from_slice(whole);
        self.last = last_from.and_then(|from| whole.get(from..)).unwrap_or(&rows).to_vec();
        rows
    }

    /// How many whole rows have come.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.lines.saturating_sub(self.has_head as u64)
    }

    /// Whether the file ends with a whole row.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.open.is_empty()
    }

    /// The client of the last whole row; `None` without one, and where its id is too long to ask for.
    #[must_use]
    pub fn last_id(&self) -> Option<String> {
        let row = std::str::from_utf8(&self.last).ok().filter(|_| self.count() > 0)?;
        let id = match self.format {
            Format::Csv => unmarked(&first_cell(row)).to_owned(),
            Format::Ndjson => {
                let members = json::members(row).ok()?;
                json::from_str(members.iter().find(|(name, _)| name == "id")?.1).ok()?
            }
        };
        (!id.is_empty() && id.len() <= ID_BYTES_MAX).then_some(id)
    }
}

/// The first cell of a record (RFC 4180).
fn first_cell(row: &str) -> String {
    let Some(quoted) = row.strip_prefix('"') else {
        return row.split([',', '\r', '\n']).next().unwrap_or_default().to_owned();
    };
    // Between two quotes within the cell there is nothing.
    let mut cell = String::new();
    let mut parts = quoted.split('"');
    cell.push_str(parts.next().unwrap_or_default());
    while parts.next() == Some("") {
        let Some(more) = parts.next() else { break };
        cell.push('"');
        cell.push_str(more);
    }
    cell
}

/// The text of a cell without the apostrophe that keeps a spreadsheet from running it.
fn unmarked(cell: &str) -> &str {
    let is_marked = cell.starts_with('\'') && is_formula(cell);
    cell.strip_prefix('\'').filter(|_| is_marked).unwrap_or(cell)
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use super::super::Format;
    use super::super::csv::csv_cell;
    use super::*;

    /// Cuts a file at every place, and goes on after the last row of the first part.
    fn check(format: Format, head: &str, rows: &[(&str, String)]) {
        let whole: String = head.to_owned() + &rows.iter().map(|(_, row)| row.as_str()).collect::<String>();
        for cut in 0..=whole.len() {
            let mut read = Rows::new(format, !head.is_empty());
            let (first, second) = whole.as_bytes().split_at(cut);
            let mut kept = read.take(first);
            assert!(whole.as_bytes().starts_with(&kept));
            let count = read.count() as usize;
            let last = count.checked_sub(1).map(|at| rows[at].0.to_owned());
            assert_eq!(read.last_id(), last, "{cut}");
            kept.extend(read.take(second));
            assert_eq!((kept.as_slice(), read.is_whole()), (whole.as_bytes(), true));
            assert_eq!(read.count() as usize, rows.len());
        }
    }

    const IDS: [&str; 9] = ["a", "=1", "'=1", "''=1", "a,b", "two\nlines", "\"", "say \"\"", "ü\r"];

    #[test]
    fn wherever_a_csv_breaks_off_the_last_whole_row_is_known() {
        let row = |id: &'static str| (id, format!("{},\"x\ny\",\r\n", csv_cell(id)));
        check(Format::Csv, "id,reason,other\r\n", &IDS.map(row));
        check(Format::Csv, "", &IDS.map(row));
    }

    #[test]
    fn wherever_ndjson_breaks_off_the_last_whole_row_is_known() {
        let row = |id: &'static str| {
            (id, format!("{}\n", serde_json::json!({ "clientType": "\"", "id": id, "reason": "\"id\"" })))
        };
        check(Format::Ndjson, "", &IDS.map(row));
    }

    #[test]
    fn an_id_that_is_too_long_to_ask_for_is_none() {
        let mut rows = Rows::new(Format::Csv, false);
        rows.take(format!("{},x\r\n", "x".repeat(ID_BYTES_MAX + 1)).as_bytes());
        assert_eq!((rows.last_id(), rows.count()), (None, 1));
    }
}
