// Helpers are outside the test functions that clippy knows.
#![allow(clippy::unwrap_used)]
use proptest::prelude::*;
use rollcall_model::monitor::MonitorMessage;
use rollcall_model::query::{Term, Test};
use rollcall_model::{ClientState, ConnectionStatus, fold};

use super::*;

fn event(json: &str) -> ConnectionEvent {
    serde_json::from_str::<MonitorMessage>(json).unwrap().to_event()
}

fn connect(id: &str, seconds: u32) -> ConnectionEvent {
    let time = Timestamp::from_millis(i64::from(seconds) * 1000);
    event(&format!(
        r#"{{"Action":"Connect","Time":"{time}","ClientID":"{id}","ConnectTime":"{time}","Certainty":"reported"}}"#
    ))
}

fn disconnect(id: &str, started: u32, seconds: u32) -> ConnectionEvent {
    let [start, time] = [started, seconds].map(|s| Timestamp::from_millis(i64::from(s) * 1000));
    event(&format!(
        r#"{{"Action":"Disconnect","Time":"{time}","ClientID":"{id}","ConnectTime":"{start}","CloseCode":160,"Certainty":"reported"}}"#
    ))
}

fn activity(id: &str, seconds: u32) -> ConnectionEvent {
    let time = Timestamp::from_millis(i64::from(seconds) * 1000);
    event(&format!(r#"{{"Action":"Activity","Time":"{time}","ClientID":"{id}","Event":"mqttPublish"}}"#))
}

const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);

fn doc(id: &str, events: &[ConnectionEvent]) -> StateDoc {
    let mut state = ClientState::new(id.to_owned());
    for event in events {
        fold(&mut state, event);
    }
    state.doc(NOW, None)
}

fn window(filter: &[Term], docs: Vec<StateDoc>) -> Window {
    let mut window = Window::default();
    window.ask(Filter { terms: filter.to_vec() }, Vec::new());
    let total = Some(docs.len() as u64);
    window.install(Answer { start: 0, docs, total, has_more: false }, &(0..0), NOW);
    window
}

fn is(field: Field, value: &str) -> Term {
    Term { field, test: Test::AnyOf(vec![value.to_owned()]), negated: false }
}

fn status(window: &Window, id: &str) -> ConnectionStatus {
    window.row(window.index_of(id).unwrap()).unwrap().doc.connection_status
}

#[test]
fn a_message_changes_its_row_at_once() {
    let mut window = window(&[], vec![doc("a", &[connect("a", 1)]), doc("b", &[connect("b", 2)])]);
    let touched = window.apply(&disconnect("b", 2, 9), false, NOW);
    assert_eq!(touched, Touched { row: true, order: false, counts: true });
    assert_eq!(status(&window, "b"), ConnectionStatus::Disconnected);
    assert_eq!(status(&window, "a"), ConnectionStatus::Connected);
    assert_eq!(window.row(1).unwrap().doc.mqtt_reason_code, Some(0x8D));
}

#[test]
fn a_row_that_no_longer_passes_the_filter_is_leaving() {
    let filter = [is(Field::ConnectionStatus, "connected")];
    let mut window = window(&filter, vec![doc("a", &[connect("a", 1)])]);
    assert!(window.apply(&disconnect("a", 1, 9), false, NOW).order);
    assert!(window.row(0).unwrap().is_leaving);
}

#[test]
fn a_repeated_or_older_message_changes_nothing() {
    let mut window = window(&[], vec![doc("a", &[connect("a", 5)])]);
    assert_eq!(window.apply(&connect("a", 5), false, NOW), Touched::default());
    assert!(!window.apply(&disconnect("a", 1, 3), false, NOW).counts);
    assert_eq!(status(&window, "a"), ConnectionStatus::Connected);
}

/// A refetch was answered from before a message that had already been painted, and the row jumped back.
#[test]
fn an_answer_that_is_older_than_a_message_does_not_undo_it() {
    let old = doc("a", &[connect("a", 1)]);
    let mut window = window(&[], vec![old.clone()]);
    window.apply(&disconnect("a", 1, 9), true, NOW);
    window.install(Answer { docs: vec![old], total: Some(1), ..Answer::default() }, &(0..1), NOW);
    assert_eq!(status(&window, "a"), ConnectionStatus::Disconnected);
}

#[test]
fn a_client_that_cannot_be_on_the_page_asks_for_nothing() {
    let mut window = window(&[is(Field::DeviceType, "pump")], vec![]);
    assert_eq!(window.apply(&connect("d:o:thermo:1", 9), false, NOW), Touched::default());
    assert!(window.apply(&connect("d:o:pump:1", 9), false, NOW).order);
}

/// The server may have a pattern that makes a pump of it.
#[test]
fn a_client_whose_id_says_nothing_to_the_browser_may_be_on_the_page() {
    let mut window = window(&[is(Field::DeviceType, "pump")], Vec::new());
    assert!(window.apply(&connect("pump/7", 5), false, NOW).counts);
}

#[test]
fn activity_elsewhere_matters_only_where_activity_is_asked_for() {
    let mut window = window(&[], vec![]);
    assert_eq!(window.apply(&activity("x", 9), false, NOW), Touched::default());
    window.ask(Filter::default(), vec![SortKey { field: Field::LastActivityTime, descending: true }]);
    assert!(window.apply(&activity("x", 9), false, NOW).order);
}

#[test]
fn the_readers_place_is_kept_when_rows_come_above() {
    let all: Vec<StateDoc> = ["b", "c", "d"].iter().map(|id| doc(id, &[connect(id, 1)])).collect();
    let mut window = window(&[], all.clone());
    let more = [vec![doc("a", &[connect("a", 1)])], all].concat();
    let moved = window.install(Answer { docs: more, total: Some(4), ..Answer::default() }, &(1..3), NOW);
    assert_eq!(moved, 1);
}

#[test]
fn without_totals_the_table_has_room_for_more() {
    let mut window = Window::default();
    let docs = vec![doc("a", &[connect("a", 1)])];
    window.install(Answer { docs, has_more: true, ..Answer::default() }, &(0..0), NOW);
    assert!(window.len() > 1 && window.total().is_none());
}

#[test]
fn pages_are_appended_once_each_client() {
    let mut window = Window::default();
    let page = |ids: &[&str]| ids.iter().map(|id| doc(id, &[connect(id, 1)])).collect::<Vec<_>>();
    window.install(Answer { docs: page(&["a", "b"]), has_more: true, ..Answer::default() }, &(0..0), NOW);
    window.append(page(&["b", "c"]), false, NOW);
    assert_eq!((window.len(), window.index_of("c")), (3, Some(2)));
}

proptest! {
    #[test]
    fn the_window_ends_in_what_the_server_would_say(
        events in proptest::collection::vec((0_u32..3, 1_u32..40, 0_u32..3), 0..30),
    ) {
        // One client; sessions start at multiples of ten seconds.
        let events: Vec<ConnectionEvent> = events.into_iter().map(|(kind, at, length)| match kind {
            0 => connect("a", at / 10 * 10 + 10),
            1 => disconnect("a", at / 10 * 10 + 10, at / 10 * 10 + 11 + length),
            _ => activity("a", at),
        }).collect();
        let mut window = window(&[], vec![doc("a", &[connect("a", 10)])]);
        for event in &events {
            window.apply(event, true, NOW);
        }
        let server = doc("a", &[vec![connect("a", 10)], events].concat());
        let row = window.row(0).unwrap().doc.clone();
        prop_assert_eq!(row.connection_status, server.connection_status);
        prop_assert_eq!(row.last_connect_time, server.last_connect_time);
        prop_assert_eq!(row.last_activity_time, server.last_activity_time);
    }

    #[test]
    fn what_is_asked_for_covers_what_is_in_view(start in 0_u64..1_000, rows in 1_u64..300) {
        let visible = start..start + rows;
        let asked = Window::around(&visible);
        let mut window = Window::default();
        prop_assert!(window.is_short_of(&visible));
        let docs = (asked.clone()).map(|at| doc(&at.to_string(), &[])).collect();
        let answer = Answer { start: asked.start, docs, total: Some(2_000), has_more: true };
        window.install(answer, &visible, NOW);
        prop_assert!(!window.is_short_of(&visible));
        prop_assert!(asked.start <= visible.start && asked.end >= visible.end);
        prop_assert!(asked.end - asked.start <= u64::from(rollcall_model::query::MAX_LIMIT));
    }
}

#[test]
fn a_window_moves_when_messages_decide_on_its_rows() {
    let sorted = |field| {
        let mut window = Window::default();
        window.ask(Filter::default(), vec![SortKey { field, descending: true }]);
        window.is_moving()
    };
    assert!(!Window::default().is_moving());
    assert!(!sorted(Field::DeviceType));
    assert!(sorted(Field::LastActivityTime));
    assert!(window(&[is(Field::ConnectionStatus, "connected")], Vec::new()).is_moving());
    assert!(!window(&[is(Field::DeviceType, "pump")], Vec::new()).is_moving());
}

/// Whoever read on row 100 was shown other rows when more came at once than an answer has.
#[test]
fn when_none_of_the_rows_in_view_is_in_an_answer_one_that_did_not_move_says_where_the_reader_was() {
    let docs = |ids: &[&str]| ids.iter().map(|id| doc(id, &[connect(id, 1)])).collect::<Vec<_>>();
    let mut window = window(&[], docs(&["a", "b", "c", "d"]));
    let others = docs(&["x", "y"]);
    assert_eq!(window.lost(&others, &(1..4)), Some(("b".to_owned(), 1)));
    // At the top nobody's place is kept, and a row that is still there tells it.
    assert_eq!(window.lost(&others, &(0..3)), None);
    assert_eq!(window.lost(&docs(&["x", "c"]), &(1..4)), None);
    // What changed since may have moved of itself.
    window.apply(&disconnect("b", 1, 9), false, NOW);
    assert_eq!(window.lost(&others, &(1..4)), Some(("c".to_owned(), 2)));

    window.shift(40, Some(44));
    assert_eq!((window.held(), window.total(), window.index_of("c")), (40..44, Some(44), Some(42)));
    assert_eq!(window.lost(&others, &(41..44)), Some(("c".to_owned(), 42)));
}
