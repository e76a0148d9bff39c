//! What only a browser has: `Intl`, and the whole page on recycled rows with a stand-in for the server.

// Helpers are outside the test functions that clippy knows.
#![allow(clippy::unwrap_used)]
#![cfg(target_arch = "wasm32")]

use rollcall::format;
use rollcall::i18n::{Catalogue, set_catalogue};
use rollcall_model::Timestamp;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};
use web_sys::{Element, HtmlElement};

wasm_bindgen_test_configure!(run_in_browser);

const SECOND: i64 = 1_000;
const HOUR: i64 = 3_600 * SECOND;

fn ago(ms: i64) -> String {
    let now = Timestamp::from_millis(1_800_000_000_000);
    format::relative(now.plus_ms(-ms), now)
}

#[wasm_bindgen_test]
fn times_numbers_and_plurals_follow_the_language() {
    assert_eq!(format::number(911_002), "911,002");
    assert_eq!(format::plural_category(1), "one");
    assert_eq!((ago(3 * HOUR), ago(-5 * SECOND)), ("3h ago".to_owned(), "0s ago".to_owned()));
    assert_eq!(format::duration(3 * HOUR + 240 * SECOND), "3 hr 4 min");
    assert_eq!((format::latency(18.4), format::latency(240.0)), ("18 ms".to_owned(), "0.2s".to_owned()));

    set_catalogue(Catalogue::parse("ja", "{}").unwrap());
    assert_eq!(ago(3 * HOUR), "3時間前");
    assert_eq!(format::plural_category(1), "other");
    set_catalogue(Catalogue::source());
}

#[wasm_bindgen_test]
fn a_local_time_survives_the_input_field() {
    let minute = Timestamp::from_millis(1_800_000_000_000 / 60_000 * 60_000);
    assert_eq!(format::from_local_input(&format::to_local_input(minute)), Some(minute));
    assert_eq!(format::from_local_input(""), None);
    assert_eq!(format::from_local_input("2026-11-20"), None);
}

/// Ten thousand clients, `c-00000` to `c-09999`, in any window that is asked for.
const SERVER: &str = r#"
window.fetch = async (address) => {
  const url = new URL(address, location.href);
  const json = (value, status = 200) => new Response(JSON.stringify(value), { status });
  if (url.pathname.endsWith("/status")) {
    return json({ version: "0", org: "acme01", now: new Date().toISOString(), demoClients: 1 });
  }
  if (!url.pathname.endsWith("/clientconnectionstates")) return json({ message: "not here" }, 404);
  const skip = Number(url.searchParams.get("_skip") ?? 0), limit = Number(url.searchParams.get("_limit") ?? 25);
  const results = [];
  for (let at = skip; at < Math.min(skip + limit, 10000); at++) {
    const id = "c-" + String(at).padStart(5, "0");
    results.push({ id, clientType: "other", connectionStatus: "connected", lastConnectTime: "2026-11-20T08:00:00.000Z" });
  }
  return json({ results, meta: { total_rows: 10000, facets: { connectionStatus: { connected: 10000 } } } });
};"#;

async fn sleep(ms: i32) {
    let promise = js_sys::Promise::new(&mut |resolve, _| {
        let _ =
            web_sys::window().unwrap().set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, ms);
    });
    JsFuture::from(promise).await.unwrap();
}

fn all(selector: &str) -> Vec<Element> {
    let list = web_sys::window().unwrap().document().unwrap().query_selector_all(selector).unwrap();
    (0..list.length()).filter_map(|at| list.get(at)?.dyn_into().ok()).collect()
}

fn one<T: JsCast>(selector: &str) -> T {
    all(selector).remove(0).dyn_into().map_err(|_| selector.to_owned()).unwrap()
}

async fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..100 {
        if is_so() {
            return;
        }
        sleep(50).await;
    }
    panic!("{what} did not happen");
}

fn press(key: &str) {
    let options = web_sys::KeyboardEventInit::new();
    options.set_key(key);
    options.set_bubbles(true);
    let event = web_sys::KeyboardEvent::new_with_keyboard_event_init_dict("keydown", &options).unwrap();
    one::<HtmlElement>("#grid").dispatch_event(&event).unwrap();
}

/// The client that the keyboard is on, by what a screen reader is told.
fn active() -> Option<String> {
    let row = one::<Element>("#grid").get_attribute("aria-activedescendant")?;
    all(&format!("#{row}")).first()?.get_attribute("data-client-id")
}

#[wasm_bindgen_test]
async fn rows_are_recycled_and_the_focus_survives_it() {
    js_sys::eval(SERVER).unwrap();
    let style = web_sys::window().unwrap().document().unwrap().create_element("style").unwrap();
    style.set_text_content(Some(
        "#grid { height: 400px; overflow-y: scroll } .rows { position: relative } .row { position: absolute; height: 32px }",
    ));
    web_sys::window().unwrap().document().unwrap().body().unwrap().append_child(&style).unwrap();
    rollcall::mount();

    let shows = |id: &str| !all(&format!("[data-testid=row][data-client-id='{id}']")).is_empty();
    wait_for("the first row", || shows("c-00000")).await;
    // Those to spare come after the first rows; the head takes the room of one.
    let all_slots = usize::div_ceil(400 - 32, 32) + 8;
    wait_for("rows to spare", || all(".row").len() >= all_slots).await;
    let slots = all(".row").len();
    assert!((12..60).contains(&slots), "{slots} row elements for ten thousand rows");

    press("j");
    press("j");
    press("j");
    wait_for("the focus on the third row", || active().as_deref() == Some("c-00002")).await;

    let grid: HtmlElement = one("#grid");
    grid.set_scroll_top(5_000 * 32);
    wait_for("row 5,000", || shows("c-05000")).await;
    assert!(!shows("c-00000"));
    assert_eq!(all(".row").len(), slots, "rows were added instead of recycled");

    press("k");
    wait_for("the way back to the focused row", || active().as_deref() == Some("c-00001")).await;
    assert!(grid.scroll_top() < 400);
    press("End");
    wait_for("the last row", || active().as_deref() == Some("c-09999")).await;
}
