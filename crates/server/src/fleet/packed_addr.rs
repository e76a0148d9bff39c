//! Addresses as numbers that compare as their texts do: a column of them is sorted and searched without texts.
//!
//! An address is up to 15 symbols (`255.255.255.255`, `fe80::1`), each of which is one of few, so all of them fit into
//! one number like digits. Of a text that is longer, or has other symbols, the number holds the beginning, and a mark;
//! the text is in the cold part of the row ([`super::cold`]).

/// See the module. The least bit is the mark.
pub type PackedAddr = u64;
/// No address: greater than any.
pub const NO_ADDR: PackedAddr = u64::MAX;

/// The symbols in the order of their bytes. Before them comes the end of the text.
const SYMBOLS: &[u8; 18] = b".0123456789:abcdef";
/// So many things can be in a place.
const RANKS: u64 = SYMBOLS.len() as u64 + 1;
const PLACES: usize = 15;
/// In the last place there can be the end or a digit: more would not fit.
const LAST_RANKS: u64 = 11;
/// Places before the last one.
const FIRST_PLACES: usize = PLACES - 1;

pub fn pack(addr: Option<&str>) -> PackedAddr {
    addr.map_or(NO_ADDR, |addr| packed(addr, Behind::Nothing))
}

/// The first and the last number of texts that begin with this one, which is short and has no other symbols.
pub fn beginning_with(text: &str) -> (PackedAddr, PackedAddr) {
    (packed(text, Behind::Nothing), packed(text, Behind::Greatest))
}

/// Whether the number does not hold the whole text.
pub const fn is_long(addr: PackedAddr) -> bool {
    addr & 1 != 0 && addr != NO_ADDR
}

/// The whole address; `None` for none and for long ones.
pub fn unpack(addr: PackedAddr) -> Option<String> {
    let mut bytes = [0; PLACES];
    text(addr, &mut bytes).map(|text| String::from_utf8_lossy(text).into_owned())
}

/// As [`unpack`].
pub fn text(addr: PackedAddr, bytes: &mut [u8; PLACES]) -> Option<&[u8]> {
    if addr & 1 != 0 {
        return None;
    }
    let symbol = |rank: u64| rank.checked_sub(1).and_then(|at| SYMBOLS.get(at as usize)).copied();
    let mut rest = addr / 2;
    // The last place has digits only, which are behind the dot.
    let last = rest % LAST_RANKS;
    bytes[FIRST_PLACES] = if last == 0 { 0 } else { symbol(last + 1).unwrap_or_default() };
    rest /= LAST_RANKS;
    for byte in bytes[..FIRST_PLACES].iter_mut().rev() {
        *byte = symbol(rest % RANKS).unwrap_or_default();
        rest /= RANKS;
    }
    let len = bytes.iter().position(|byte| *byte == 0).unwrap_or(PLACES);
    Some(&bytes[..len])
}

/// What is taken to be behind a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Behind {
    Nothing,
    Greatest,
}

fn packed(text: &str, behind: Behind) -> PackedAddr {
    let mut bytes = text.bytes();
    let mut behind = behind;
    let mut addr = 0;
    for _ in 0..FIRST_PLACES {
        let rank = match bytes.next().map(|byte| RANK_OF[usize::from(byte)]) {
            Some((rank, true)) => rank,
            Some((rank, false)) => {
                // What follows lies between this symbol and the next: behind everything that has this one.
                (bytes, behind) = ("".bytes(), Behind::Greatest);
                rank
            }
            None if behind == Behind::Greatest => RANKS - 1,
            None => 0,
        };
        addr = addr * RANKS + rank;
    }
    let (last, is_whole) = match bytes.next() {
        Some(byte @ b'0'..=b'9') => {
            (u64::from(byte - b'0') + 1, bytes.len() == 0 && behind == Behind::Nothing)
        }
        Some(byte) => (if byte < b'0' { 0 } else { LAST_RANKS - 1 }, false),
        None if behind == Behind::Greatest => (LAST_RANKS - 1, false),
        None => (0, true),
    };
    2 * (addr * LAST_RANKS + last) + u64::from(!is_whole)
}

/// Of each byte how many symbols are not greater, and whether it is a symbol.
const RANK_OF: [(u64, bool); 256] = {
    let mut ranks = [(0, false); 256];
    let mut byte = 0;
    while byte < ranks.len() {
        let mut at = 0;
        while at < SYMBOLS.len() && SYMBOLS[at] as usize <= byte {
            at += 1;
        }
        ranks[byte] = (at as u64, at > 0 && SYMBOLS[at - 1] as usize == byte);
        byte += 1;
    }
    ranks
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_text() -> impl Strategy<Value = String> {
        let like_an_address = "(::ffff:|fe80::)?[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}";
        prop_oneof![like_an_address, "[01.:f]{0,17}", "[01.f%Fg\\x00é]{0,17}", "1{13}[01.:fF-]{0,4}"]
    }

    fn is_whole(text: &str) -> bool {
        let places = text.bytes().enumerate();
        let mut symbols = places.map(|(at, byte)| match at {
            ..FIRST_PLACES => SYMBOLS.contains(&byte),
            FIRST_PLACES => byte.is_ascii_digit(),
            _ => false,
        });
        symbols.all(|is_symbol| is_symbol)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]

        #[test]
        fn packed_addresses_compare_as_their_texts_and_come_back(a in any_text(), b in any_text()) {
            let (packed_a, packed_b) = (pack(Some(&a)), pack(Some(&b)));
            if packed_a == packed_b {
                prop_assert!(a == b || is_long(packed_a));
            } else {
                prop_assert_eq!(packed_a.cmp(&packed_b), a.cmp(&b));
            }
            prop_assert_eq!(is_long(packed_a), !is_whole(&a));
            prop_assert_eq!(unpack(packed_a), is_whole(&a).then(|| a.clone()));
            prop_assert!(packed_a < NO_ADDR);
        }

        #[test]
        fn texts_that_begin_alike_are_between_two_numbers(begin in "[0-9a-f.:]{0,14}|[0-9]{15}", rest in any_text()) {
            let (first, last) = beginning_with(&begin);
            let text = format!("{begin}{rest}");
            prop_assert!((first..=last).contains(&pack(Some(&text))));
            let other = pack(Some(&rest));
            prop_assert!(rest.starts_with(&begin) || is_long(other) || !(first..=last).contains(&other));
        }
    }

    #[test]
    fn the_greatest_address_is_less_than_none() {
        assert!(pack(Some("\u{10FFFF}")) < NO_ADDR);
        assert_eq!(unpack(NO_ADDR), None);
    }
}
