//! Compared with `serde_json`.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;

/// Every kind of variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle(u8),
    Line(i8, i8),
    Text { text: String },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
enum Tagged {
    Flapping { connects: u32, since: Option<String> },
    Calm,
}

/// Every kind of value that an answer may hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sample {
    text: String,
    #[serde(default)]
    flag: bool,
    count: u32,
    balance: i64,
    share: f64,
    maybe: Option<u64>,
    kind: Kind,
    list: Vec<i16>,
    pair: (u8, String),
    map: BTreeMap<String, u64>,
    inner: Option<Box<Sample>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    Connected,
    LongAgo,
}

fn sample() -> impl Strategy<Value = Sample> {
    let leaf = (
        (".*", any::<bool>(), any::<u32>(), any::<i64>(), -1_000_000i32..1_000_000),
        (any::<Option<u64>>(), prop_oneof![Just(Kind::Connected), Just(Kind::LongAgo)]),
        (any::<Vec<i16>>(), any::<u8>(), "[\"\\\\/a\u{1}-\u{1f}é😀]{0,9}"),
        proptest::collection::btree_map(".{0,4}", any::<u64>(), 0..3),
    )
        .prop_map(|((text, flag, count, balance, share), (maybe, kind), (list, small, odd), map)| Sample {
            text,
            flag,
            count,
            balance,
            share: f64::from(share) / 64.0,
            maybe,
            kind,
            list,
            pair: (small, odd),
            map,
            inner: None,
        });
    (leaf.clone(), proptest::option::of(leaf))
        .prop_map(|(outer, inner)| Sample { inner: inner.map(Box::new), ..outer })
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1_000i32..1_000).prop_map(|number| Value::from(f64::from(number) / 8.0)),
        ".{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(".{0,4}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn check(text: &str) -> Result<(), TestCaseError> {
    // serde_json may be off by the last bit of a number.
    let rounded = |sample: Sample| Sample { share: f64::from(sample.share as f32), ..sample };
    let expect: Option<Sample> = serde_json::from_str(text).ok();
    prop_assert_eq!(from_str(text).ok().map(rounded), expect.map(rounded), "{}", text);
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    prop_assert_eq!(from_str::<serde::de::IgnoredAny>(text).is_ok(), is_json, "{}", text);
    Ok(())
}

proptest! {
    #[test]
    fn what_serde_json_reads_is_read_alike(sample in sample(), unknown in anything(), is_pretty in any::<bool>()) {
        let mut value = serde_json::to_value(&sample).unwrap();
        value["unknown"] = unknown;
        let text = if is_pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        prop_assert_eq!(from_str::<Sample>(&text), Ok(sample));
        check(&text)?;
        prop_assert_eq!(from_str::<Value>(&text).ok(), Some(value));
    }

    #[test]
    fn what_serde_json_refuses_is_refused(
        sample in sample(),
        unknown in anything(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), 0usize..3, "[]\\[{}\",:0-9.eE+\\\\utfn \n\u{1}aé-]{0,3}"), 1..4),
    ) {
        let mut value = serde_json::to_value(&sample).unwrap();
        value["unknown"] = unknown;
        let mut chars: Vec<char> = value.to_string().chars().collect();
        for (at, length, put) in changes {
            let at = at.index(chars.len() + 1);
            let end = (at + length).min(chars.len());
            chars.splice(at..end, put.chars());
        }
        check(&chars.into_iter().collect::<String>())?;
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40), text in "[]\\[{}\",:0-9.eE+\\\\utfn \n-]{0,40}") {
        let _ = from_slice::<Sample>(&bytes);
        check(&text)?;
    }

    #[test]
    fn what_is_written_is_read_by_serde_json(text in "[\"\\\\/a\u{0}-\u{7f}é😀]{0,9}", other in ".*") {
        let read: Value = serde_json::from_str(&object(&[("text", &text), ("ot\"her", &other)])).unwrap();
        prop_assert_eq!(read, json!({ "text": text, "ot\"her": other }));
    }

    #[test]
    fn members_are_those_of_the_object(value in anything()) {
        let text = value.to_string();
        let expect = value.as_object().map(|members| {
            members.iter().map(|(name, value)| (name.clone(), value.clone())).collect::<Vec<_>>()
        });
        let found = members(&text).ok().map(|members| {
            members.into_iter().map(|(name, text)| (name, serde_json::from_str(text).unwrap())).collect::<Vec<_>>()
        });
        prop_assert_eq!(found, expect);
    }
}

#[test]
fn strings_and_numbers_at_the_edge_are_read_as_serde_json_reads_them() {
    for text in [
        r#""\u00e9\ud83d\ude00\"\\\/\b\f\n\r\t""#,
        r#""\ud83d""#,
        r#""\ude00\ud83d""#,
        r#""\ud83d\n""#,
        r#""\ud83dA""#,
        r#""\uD83D\uDE0""#,
        r#""\u+123""#,
        r#""\x""#,
        r#""\"#,
        "\"\u{1f}\"",
        "\"\u{7f}\"",
    ] {
        assert_eq!(from_str::<String>(text).ok(), serde_json::from_str(text).ok(), "{text}");
        let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        assert_eq!(from_str::<serde::de::IgnoredAny>(text).is_ok(), is_json, "{text}");
    }
    for text in [
        "0",
        "-0",
        "00",
        "01",
        "-",
        "1.",
        ".1",
        "1e",
        "1e+",
        "1e5",
        "1.0",
        "18446744073709551615",
        "+1",
        " 7\n",
        "7 7",
    ] {
        assert_eq!(from_str::<u64>(text).ok(), serde_json::from_str(text).ok(), "{text}");
        assert_eq!(from_str::<i64>(text).ok(), serde_json::from_str(text).ok(), "{text}");
        assert_eq!(from_str::<f64>(text).ok(), serde_json::from_str(text).ok(), "{text}");
        assert_eq!(from_str::<Value>(text).ok(), serde_json::from_str(text).ok(), "{text}");
    }
    for text in ["18446744073709551616", "1e999", "-9223372036854775808", "-9223372036854775809"] {
        assert_eq!(from_str::<u64>(text).ok(), serde_json::from_str(text).ok(), "{text}");
        assert_eq!(from_str::<i64>(text).ok(), serde_json::from_str(text).ok(), "{text}");
        assert_eq!(from_str::<f64>(text).ok(), serde_json::from_str(text).ok(), "{text}");
    }
}

#[test]
fn enums_are_read_in_every_way_that_serde_writes_them() {
    let shapes = [Shape::Point, Shape::Circle(7), Shape::Line(-1, 2), Shape::Text { text: "é".into() }];
    let text = serde_json::to_string_pretty(&shapes).unwrap();
    assert_eq!(from_str::<[Shape; 4]>(&text), Ok(shapes));
    let tagged = [Tagged::Flapping { connects: 9, since: None }, Tagged::Calm];
    assert_eq!(from_str::<[Tagged; 2]>(&serde_json::to_string(&tagged).unwrap()), Ok(tagged));
    for text in [
        r#"{"Point":null}"#,
        r#"{"Point":1}"#,
        r#"{"Circle":7"#,
        r#"{"Circle":7,"Point":null}"#,
        r#"{}"#,
        r#""Circle""#,
        r#""Square""#,
        r#"{"Square":1}"#,
        r#"{"Line":[1]}"#,
        r#"{"Line":[1,2,3]}"#,
        "7",
    ] {
        assert_eq!(from_str::<Shape>(text).ok(), serde_json::from_str(text).ok(), "{text}");
    }
}

#[test]
fn deep_nesting_is_refused_before_the_stack_ends() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(from_str::<Value>(&nested(127)).is_ok());
    assert!(from_str::<Value>(&nested(128)).is_err());
    assert!(from_str::<serde::de::IgnoredAny>(&nested(1_000_000)).is_err());
    let siblings = json!(vec![json!([[]]); 1_000]).to_string();
    assert!(from_str::<Value>(&siblings).is_ok());
}
