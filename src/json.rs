//! Reads JSON into any type that serde can make, and writes what little is sent, in as little code as will do.
//!
//! Called for the answers of the API and what is sent to it, the monitor messages and the catalogues. Nobody here looks
//! at what is wrong with a text, so an error says nothing; that saves 60 KB of code, which would put numbers and
//! positions into messages that are never shown. It takes what `serde_json` takes, which the tests compare it with,
//! except an array in place of an object.

mod de;
#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests;

use std::borrow::Cow;

use serde::Deserialize;

/// The text is no JSON, or not what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

type Result<T, E = Malformed> = std::result::Result<T, E>;

/// How deep arrays and objects may lie in each other.
const MAX_DEPTH: u8 = 127;

/// Reads one value that is the whole text.
///
/// # Errors
/// When the text is no JSON, or not what the type wants.
pub fn from_str<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T> {
    let mut reader = Reader { rest: text, depth: 0 };
    let value = T::deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// The same for bytes, which have to be UTF-8.
///
/// # Errors
/// Like [`from_str`].
pub fn from_slice<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T> {
    from_str(std::str::from_utf8(bytes).map_err(|_| Malformed)?)
}

/// What an object holds: its names, each with the text of its value.
///
/// # Errors
/// When the text is no JSON object.
pub fn members(text: &str) -> Result<Vec<(String, &str)>> {
    let mut reader = Reader { rest: text, depth: 0 };
    let mut members = Vec::new();
    let mut list = reader.open('{', '}')?;
    while list.has_next()? {
        let name = list.reader.string()?.into_owned();
        list.reader.expect(':')?;
        members.push((name, list.reader.skipped()?));
    }
    list.close()?;
    reader.end()?;
    Ok(members)
}

/// What an array holds: the text of each value.
///
/// # Errors
/// When the text is no JSON array.
pub fn items(text: &str) -> Result<Vec<&str>> {
    let mut reader = Reader { rest: text, depth: 0 };
    let mut items = Vec::new();
    let mut list = reader.open('[', ']')?;
    while list.has_next()? {
        items.push(list.reader.skipped()?);
    }
    list.close()?;
    reader.end()?;
    Ok(items)
}

/// Writes an object of texts.
pub fn object(members: &[(&str, &str)]) -> String {
    let members: Vec<_> = members.iter().map(|(name, value)| (*name, text(value))).collect();
    object_of(&members)
}

/// Writes an object whose values are written already.
pub fn object_of(members: &[(&str, String)]) -> String {
    let mut json = String::from("{");
    for (name, value) in members {
        if json.len() > 1 {
            json.push(',');
        }
        quote(&mut json, name);
        json.push(':');
        json.push_str(value);
    }
    json.push('}');
    json
}

/// Writes a text.
pub fn text(text: &str) -> String {
    let mut json = String::new();
    quote(&mut json, text);
    json
}

fn quote(json: &mut String, text: &str) {
    json.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            '\0'..' ' => json.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => json.push(c),
        }
    }
    json.push('"');
}

/// What is still to be read.
struct Reader<'de> {
    rest: &'de str,
    depth: u8,
}

impl<'de> Reader<'de> {
    /// The next byte that is no blank; 0 at the end.
    fn peek(&mut self) -> u8 {
        self.rest = self.rest.trim_start_matches([' ', '\n', '\t', '\r']);
        self.rest.bytes().next().unwrap_or_default()
    }

    /// The text of the next value, which is passed over.
    fn skipped(&mut self) -> Result<&'de str> {
        self.peek();
        let before = self.rest;
        self.skip()?;
        before.get(..before.len() - self.rest.len()).ok_or(Malformed)
    }

    fn expect(&mut self, wanted: char) -> Result<()> {
        self.peek();
        self.rest = self.rest.strip_prefix(wanted).ok_or(Malformed)?;
        Ok(())
    }

    fn word(&mut self, wanted: &str) -> Result<()> {
        self.peek();
        self.rest = self.rest.strip_prefix(wanted).ok_or(Malformed)?;
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        self.peek();
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed) }
    }

    /// Takes that many bytes, which end between two characters.
    fn take(&mut self, bytes: usize) -> Result<&'de str> {
        let (taken, rest) = self.rest.split_at_checked(bytes).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    /// What stands between the quotation marks, escapes and all, and whether it has escapes.
    fn quoted(&mut self) -> Result<(&'de str, bool)> {
        self.expect('"')?;
        let mut has_escapes = false;
        let mut bytes = self.rest.bytes().enumerate();
        loop {
            match bytes.next().ok_or(Malformed)? {
                (end, b'"') => {
                    let text = self.take(end)?;
                    self.expect('"')?;
                    return Ok((text, has_escapes));
                }
                (_, b'\\') => {
                    has_escapes = true;
                    // What is escaped must not end the string; whether it may be escaped is seen later.
                    bytes.next();
                }
                (_, 0..0x20) => return Err(Malformed),
                _ => {}
            }
        }
    }

    fn string(&mut self) -> Result<Cow<'de, str>> {
        let (text, has_escapes) = self.quoted()?;
        if has_escapes { unescaped(text).map(Cow::Owned) } else { Ok(Cow::Borrowed(text)) }
    }

    /// A number as it is written.
    fn number(&mut self) -> Result<&'de str> {
        self.peek();
        let bytes = self.rest.as_bytes();
        let digits = |from: usize| bytes.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
        let at = |index: usize| bytes.get(index).copied().unwrap_or_default();
        let mut end = usize::from(at(0) == b'-');
        let whole = digits(end);
        if whole == 0 || whole > 1 && at(end) == b'0' {
            return Err(Malformed);
        }
        end += whole;
        if at(end) == b'.' {
            let fraction = digits(end + 1);
            if fraction == 0 {
                return Err(Malformed);
            }
            end += 1 + fraction;
        }
        if matches!(at(end), b'e' | b'E') {
            let sign = usize::from(matches!(at(end + 1), b'+' | b'-'));
            let exponent = digits(end + 1 + sign);
            if exponent == 0 {
                return Err(Malformed);
            }
            end += 1 + sign + exponent;
        }
        self.take(end)
    }

    /// Steps over one value of any kind.
    fn skip(&mut self) -> Result<()> {
        match self.peek() {
            b'"' => {
                let (text, has_escapes) = self.quoted()?;
                if has_escapes { check_escapes(text) } else { Ok(()) }
            }
            b'[' => {
                let mut list = self.open('[', ']')?;
                while list.has_next()? {
                    list.reader.skip()?;
                }
                list.close()
            }
            b'{' => {
                let mut list = self.open('{', '}')?;
                while list.has_next()? {
                    list.reader.string()?;
                    list.reader.expect(':')?;
                    list.reader.skip()?;
                }
                list.close()
            }
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => self.number().map(|_| ()),
        }
    }

    fn open(&mut self, first: char, last: char) -> Result<List<'_, 'de>> {
        self.expect(first)?;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Malformed);
        }
        Ok(List { reader: self, last, is_first: true })
    }
}

/// The inside of an array or of an object.
struct List<'a, 'de> {
    reader: &'a mut Reader<'de>,
    last: char,
    is_first: bool,
}

impl List<'_, '_> {
    /// Whether another element follows; steps over the comma before it.
    fn has_next(&mut self) -> Result<bool> {
        let is_first = std::mem::take(&mut self.is_first);
        if char::from(self.reader.peek()) == self.last {
            return Ok(false);
        }
        if !is_first {
            self.reader.expect(',')?;
        }
        Ok(true)
    }

    fn close(self) -> Result<()> {
        self.reader.depth -= 1;
        self.reader.expect(self.last)
    }
}

/// The four hexadecimal digits of an escape.
fn hex(rest: &str) -> Result<(u32, &str)> {
    let (digits, rest) = rest.split_at_checked(4).ok_or(Malformed)?;
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let value = u32::from_str_radix(digits, 16).map_err(|_| Malformed)?;
    if is_hex { Ok((value, rest)) } else { Err(Malformed) }
}

/// One escape after its backslash, as a character; `None` for half of a surrogate pair.
fn escape(rest: &str) -> Result<(Option<char>, &str)> {
    let mut chars = rest.chars();
    let plain = match chars.next().ok_or(Malformed)? {
        c @ ('"' | '\\' | '/') => c,
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => {
            let (first, rest) = hex(chars.as_str())?;
            return Ok(match (first, rest.strip_prefix("\\u").map(hex)) {
                (0xD800..0xDC00, Some(Ok((second @ 0xDC00..0xE000, after)))) => {
                    (char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00)), after)
                }
                _ => (char::from_u32(first), rest),
            });
        }
        _ => return Err(Malformed),
    };
    Ok((Some(plain), chars.as_str()))
}

fn unescaped(text: &str) -> Result<String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let (c, after) = escape(after)?;
        plain.push(c.ok_or(Malformed)?);
        rest = after;
    }
    plain.push_str(rest);
    Ok(plain)
}

/// Half of a surrogate pair does no harm in a text that nobody reads.
fn check_escapes(text: &str) -> Result<()> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('\\') {
        rest = escape(after)?.1;
    }
    Ok(())
}
