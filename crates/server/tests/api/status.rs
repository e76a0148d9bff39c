//! What the dashboard learns about the server.

use serde_json::json;

use crate::app::{TestApp, connect, refuse, time_out};

#[test]
fn the_status_counts_the_fleet_and_gives_each_dashboard_its_own_client_id() {
    let app = TestApp::with([connect("a", 9), connect("b", 9), time_out("b", 9, 5), refuse("c", 1)]);
    app.fleet.set_feed_lost(Some(crate::app::at("2026-11-20T11:59:00Z")));
    let answer = app.get("/api/rollcall/v1/status");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let mut body = answer.body.clone();
    let id = body["monitorClientId"].take();
    let id = id.as_str().unwrap();
    assert_eq!(
        body,
        json!({
            "version": "0.1.0", "org": "acme01", "demoClients": 0, "hadDemo": true, "mqttAddr": "0.0.0.0:1883",
            "mqttsAddr": "0.0.0.0:8883", "acceptsAnonymous": false, "lostEvents": 3,
            "started": "2026-11-20T09:00:00.000Z", "fleetVersion": 2, "counts": { "connected": 1, "disconnected": 2, "stale": 3 },
            "now": "2026-11-20T12:00:00.000Z", "monitorClientId": null,
        })
    );
    assert!(id.starts_with("rollcall-dashboard-") && id.len() == 41, "{id}");
    assert!(app.observers.is_observer(id, false));
    let other = app.get("/api/rollcall/v1/status");
    assert_ne!(other.body["monitorClientId"], id);
}
