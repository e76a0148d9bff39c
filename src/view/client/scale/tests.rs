use proptest::prelude::*;
use rollcall_model::Certainty;

use super::*;
use crate::store::Ending;

const WHOLE: (i64, i64) = (0, DAY_MS);

fn session(start: i64, end: i64) -> ClientSession {
    let end = Ending::At(Timestamp::from_millis(end), Certainty::Reported);
    let start = Timestamp::from_millis(start);
    ClientSession { start, has_start: true, end, connect: None, disconnect: None }
}

fn now() -> Timestamp {
    Timestamp::from_millis(WHOLE.1)
}

/// A thousand pixels for a thousand seconds.
const SECONDS: Scale = Scale { from: 0, to: 1_000_000, width: 1_000.0 };

#[test]
fn what_is_narrower_than_a_pixel_is_merged_and_counted() {
    let short: Vec<ClientSession> = (0..50).map(|n| session(10_000 + n * 100, 10_050 + n * 100)).collect();
    let marks = SECONDS.bars(&short, now());
    assert_eq!(marks.iter().map(Mark::count).collect::<Vec<_>>(), [50]);
    let wide = [session(0, 5_000), session(5_100, 5_200), session(5_300, 5_400), session(9_000, 9_100)];
    let marks = SECONDS.bars(&wide, now());
    assert_eq!(marks.iter().map(|m| (m.first, m.last)).collect::<Vec<_>>(), [(0, 0), (1, 2), (3, 3)]);
}

#[test]
fn a_session_that_reaches_into_view_is_cut_at_the_edge() {
    let scale = Scale { from: 500_000, ..SECONDS };
    let marks =
        scale.bars(&[session(0, 1_000), session(100_000, 600_000), session(2_000_000, 3_000_000)], now());
    assert_eq!(marks, [Mark { x0: 0.0, x1: 200.0, first: 1, last: 1 }]);
}

#[test]
fn columns_tell_for_how_much_of_the_time_a_session_was_open() {
    // Half of each second for ten seconds, then a quarter; the last column is half as wide.
    let restless = (0..10).map(|n| session(n * 1_000, n * 1_000 + 500));
    let restless: Vec<_> = restless.chain((10..15).map(|n| session(n * 1_000, n * 1_000 + 250))).collect();
    let shares = SECONDS.shares(&restless, now(), (0.0, 15.0), 2.0);
    assert_eq!(shares, [0.5, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]);
    // What reaches beyond the columns counts for what is in them.
    assert_eq!(SECONDS.shares(&[session(0, 9_000)], now(), (4.0, 8.0), 2.0), [1.0, 1.0]);
    assert_eq!(
        SECONDS.shares(&[session(0, 3_000), session(20_000, 30_000)], now(), (4.0, 8.0), 2.0),
        [0.0, 0.0]
    );
}

proptest! {
    /// However sessions and columns lie, the columns add up to the time that was open in them.
    #[test]
    fn columns_add_up(lengths in prop::collection::vec((1_i64..5_000, 1_i64..5_000), 1..40), x0 in 0.0..40.0, wide in 0.5..60.0) {
        let mut at = 0;
        let sessions: Vec<ClientSession> = lengths.iter().map(|(pause, length)| {
            let start = at + pause;
            at = start + length;
            session(start, at)
        }).collect();
        let x1 = x0 + wide;
        let shares = SECONDS.shares(&sessions, now(), (x0, x1), 2.0);
        let open: f64 = shares.iter().enumerate().map(|(column, share)| share * (x1 - x0 - column as f64 * 2.0).min(2.0)).sum();
        let inside = |session: &ClientSession| {
            let (from, to) = (SECONDS.x(session.start.millis()), SECONDS.x(session.end_or(now()).millis()));
            (to.min(x1) - from.max(x0)).max(0.0)
        };
        let expected: f64 = sessions.iter().map(inside).sum();
        prop_assert!((open - expected).abs() < 1e-6, "{open} of {expected}");
    }
}

#[test]
fn attempts_too_close_to_tell_apart_are_one_cross() {
    let marks = SECONDS.points(&[1_000, 2_000, 3_000, 50_000], 8.0);
    assert_eq!(marks.iter().map(Mark::count).collect::<Vec<_>>(), [3, 1]);
}

#[test]
fn zooming_keeps_what_is_under_the_pointer_there() {
    let scale = Scale { from: WHOLE.0, to: WHOLE.1, width: 600.0 };
    let (from, to) = scale.zoomed(0.5, 150.0, WHOLE);
    let zoomed = Scale { from, to, ..scale };
    assert!((zoomed.at(150.0) - scale.at(150.0)).abs() < 2, "{zoomed:?}");
    assert_eq!(scale.zoomed(2.0, 150.0, WHOLE), WHOLE, "there is nothing beyond the whole");
    assert_eq!(scale.between(10.0, 12.0, WHOLE), None, "a click is no range");
}

#[test]
fn days_begin_at_midnight_of_the_readers_zone() {
    let scale = Scale { from: 0, to: 30 * DAY_MS, width: 600.0 };
    let ticks = scale.ticks(80.0, &|_| 2 * HOUR_MS);
    assert!(ticks.len() > 3 && ticks.iter().all(|(_, is_day)| *is_day));
    assert_eq!(ticks[0].0.rem_euclid(DAY_MS), 22 * HOUR_MS);
}

proptest! {
    #[test]
    fn whatever_is_done_the_view_stays_within_the_whole(
        moves in prop::collection::vec((0..3_u8, 0.1..4.0_f64, 0.0..600.0_f64), 0..40),
    ) {
        let mut scale = Scale { from: WHOLE.0, to: WHOLE.1, width: 600.0 };
        for (kind, amount, x) in moves {
            let (from, to) = match kind {
                0 => scale.zoomed(amount, x, WHOLE),
                1 => scale.panned(amount - 2.0, WHOLE),
                _ => scale.between(x, x + amount * 50.0, WHOLE).unwrap_or((scale.from, scale.to)),
            };
            scale = Scale { from, to, ..scale };
            prop_assert!(from >= WHOLE.0 && to <= WHOLE.1 && to > from, "{scale:?}");
        }
    }

    #[test]
    fn however_many_sessions_there_are_what_is_drawn_is_bounded_by_the_width(
        spans in prop::collection::vec((1..2_000_i64, 1..2_000_i64), 0..3_000),
    ) {
        let mut at = 0;
        let mut all = Vec::new();
        for (gap, length) in &spans {
            all.push(session(at + gap, at + gap + length));
            at += gap + length;
        }
        let scale = Scale { from: 0, to: at.max(1), width: 400.0 };
        let marks = scale.bars(&all, now());
        prop_assert!(marks.len() <= 802, "{}", marks.len());
        prop_assert_eq!(marks.iter().map(Mark::count).sum::<usize>(), all.len(), "none is lost");
        prop_assert!(marks.is_sorted_by_key(|mark| mark.first));
    }
}
