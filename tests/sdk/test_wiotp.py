"""IBM's SDK for Python, unmodified, as somebody uses it who has changed nothing but its domain, key and token.

What it cannot do itself, whatever the server:
- It has no call for the status of applications, and its own handler of such messages refuses their topic, so that
  its callback is never called. The test takes the MQTT client that the SDK offers as `client`.
- `find` knows four filters and no `_sort`; pages have 50 entries.
- A refused CONNECT raises in the thread of its MQTT client and leaves `connect` to wait for a minute, so wrong
  credentials are tried over HTTP only.
"""

import json
from datetime import datetime, timedelta, timezone

import iso8601
import pytest
from wiotp.sdk.api.registry.devices import Devices
from wiotp.sdk.exceptions import ApiException

# What Watson promises for every client; the two disconnect fields come while it is disconnected.
WATSON = {
    "id",
    "clientType",
    "connectionStatus",
    "lastConnectTime",
    "lastActivityEvent",
    "lastActivityTime",
    "mqttConnectProtocol",
}


def ids(found):
    return [state["id"] for state in found]


def test_all_states_are_iterated_page_after_page_each_once(rollcall, states):
    found = ids(states)
    assert len(found) == len(set(found))
    assert len(found) >= rollcall.sensors + rollcall.applications
    assert {f"d:{rollcall.org}:sensor:s-000", f"a:{rollcall.org}:app-0"} <= set(found)


def test_states_are_found_by_type_through_many_pages(rollcall, states):
    found = list(states.find(typeId="sensor"))
    assert ids(found) == [f"d:{rollcall.org}:sensor:s-{n:03}" for n in range(rollcall.sensors)]
    for state in found:
        assert WATSON | {"lastDisconnectTime", "disconnectInitiator", "mqttReasonCode"} <= set(state)
        assert state["connectionStatus"] == "disconnected"


def test_states_are_found_by_type_and_device(rollcall, states):
    assert ids(states.find(typeId="sensor", deviceId="s-017")) == [f"d:{rollcall.org}:sensor:s-017"]
    assert ids(states.find(deviceId="s-017")) == [f"d:{rollcall.org}:sensor:s-017"]
    assert ids(states.find(typeId="valve", deviceId="s-017")) == []


def test_states_are_found_by_connection_status(rollcall, states):
    connected = list(states.find(connectionStatus="connected"))
    assert {f"a:{rollcall.org}:app-{n}" for n in range(rollcall.applications)} <= set(ids(connected))
    assert all(state["connectionStatus"] == "connected" for state in connected)
    disconnected = ids(states.find(connectionStatus="disconnected"))
    assert len(disconnected) >= rollcall.sensors
    assert not set(disconnected) & set(ids(connected))
    assert ids(states.find(typeId="sensor", connectionStatus="connected")) == []


@pytest.mark.parametrize(
    "spell",
    [
        lambda time: time.replace(tzinfo=None).isoformat(),
        lambda time: time.replace(tzinfo=None, microsecond=0).isoformat(),
        lambda time: time.isoformat(),
        lambda time: time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        lambda time: time.astimezone(timezone(timedelta(hours=2))).isoformat(),
    ],
    ids=["no-zone", "no-zone-seconds", "utc-offset", "z", "other-zone"],
)
def test_states_are_found_by_the_time_of_the_last_connect(rollcall, states, spell):
    now = datetime.now(timezone.utc)
    recent = ids(states.find(typeId="sensor", connectedAfter=spell(now - timedelta(hours=1))))
    assert len(recent) == rollcall.sensors
    assert ids(states.find(connectedAfter=spell(now + timedelta(hours=1)))) == []


def test_one_state_is_read_by_its_client_id(rollcall, states):
    client_id = f"d:{rollcall.org}:sensor:s-042"
    assert client_id in states
    state = states[client_id]
    assert (state["id"], state["clientType"]) == (client_id, "device")
    for name in ["lastConnectTime", "lastDisconnectTime", "lastActivityTime"]:
        assert iso8601.parse_date(state[name]) <= datetime.now(timezone.utc)


def test_the_state_of_an_unknown_client_is_a_key_error(rollcall, states):
    assert f"d:{rollcall.org}:sensor:nobody" not in states
    with pytest.raises(KeyError, match="nobody"):
        states[f"d:{rollcall.org}:sensor:nobody"]


def test_a_wrong_filter_value_and_a_wrong_token_are_errors(rollcall, clients, states):
    with pytest.raises(Exception, match="= 400 .*connectionStatus"):
        list(states.find(connectionStatus="asleep"))
    stranger = clients.application("py-stranger")
    stranger._config["auth"]["token"] = "wrong"
    with pytest.raises(ApiException) as error:
        stranger.registry.connectionStatus[f"d:{rollcall.org}:sensor:s-000"]
    assert error.value.response.status_code == 401
    assert error.value.message and error.value.id


def test_the_connection_log_of_a_device_tells_all_four_kinds_newest_first(rollcall, clients):
    device = clients.application("py-reader").registry.devices[f"d:{rollcall.org}:valve:veteran"]
    log = device.getConnectionLogs()
    times = [entry.timestamp for entry in log]
    assert times == sorted(times, reverse=True)
    messages = [entry.message for entry in log]
    identity = f"ClientID='d:{rollcall.org}:valve:veteran', ClientIP=127.0.0.1"
    assert messages.count(f"Token auth succeeded: {identity}") == 3
    assert sum(text.startswith("Token auth failed (") and text.endswith(identity) for text in messages) == 1
    assert sum(text.startswith("Closed connection from 127.0.0.1.") for text in messages) == 3
    assert {entry.get("disconnectInitiator") for entry in log} >= {"client", "server", "network"}


def test_devices_are_looked_up_and_iterated(rollcall, clients):
    application = clients.application("py-reader")
    devices = application.registry.devices
    assert f"d:{rollcall.org}:sensor:nobody" not in devices
    with pytest.raises(KeyError):
        devices[f"d:{rollcall.org}:sensor:nobody"]
    device = devices[f"d:{rollcall.org}:sensor:s-001"]
    assert (device.typeId, device.deviceId) == ("sensor", "s-001")
    assert device["refs"]["clientState"].endswith("/clientconnectionstates/" + device.clientId)
    everything = [one.clientId for one in devices]
    assert len(everything) == len(set(everything)) > rollcall.sensors
    sensors = [one.deviceId for one in Devices(devices._apiClient, "sensor")]
    assert sensors == [f"s-{n:03}" for n in range(rollcall.sensors)]


def subscribed(application, until, subscribe):
    """Subscribes with the SDK and waits for the answer."""
    acknowledged = {}
    application.subscriptionCallback = lambda mid, qos: acknowledged.update({mid: qos})
    # 0 is a refusal to send, and later 128 the server's to subscribe.
    mid = subscribe()
    assert mid != 0
    assert until("the subscription is answered", lambda: acknowledged.get(mid)) == (0,)


# The ports say whether there is TLS. On 443 the server speaks HTTPS, and so MQTT over WebSocket.
@pytest.mark.parametrize(
    "mqtt, protocol, port",
    [
        ({}, "mqtt4", "8883"),
        ({"port": 8883}, "mqtt4", "8883"),
        ({"port": 1883}, "mqtt4", "1883"),
        ({"port": 443, "transport": "websockets"}, "mqtt4-ws", "443"),
    ],
    ids=["default", "tls", "plain", "websocket"],
)
@pytest.mark.parametrize("which", [{"typeId": "valve", "deviceId": "py-device"}, {}], ids=["exact", "any"])
def test_device_status_arrives(rollcall, clients, until, states, mqtt, protocol, port, which):
    client_id = f"d:{rollcall.org}:valve:py-device"
    watcher = clients.application("py-watcher", **mqtt)
    watcher.connect()
    seen = []
    watcher.deviceStatusCallback = lambda status: status.clientId == client_id and seen.append(status)
    subscribed(watcher, until, lambda: watcher.subscribeToDeviceStatus(**which))
    device = clients.device(client_id, **mqtt)
    device.connect()
    live = lambda action: next((one for one in seen if one.action == action and not one.retained), None)
    connect = until("the connect arrives", lambda: live("Connect"))
    assert (connect.typeId, connect.deviceId, connect.clientAddr) == ("valve", "py-device", "127.0.0.1")
    assert (connect.protocol, connect.port) == (protocol, rollcall.ports[port])
    assert connect.payload["Secure"] is (port != "1883")
    state = until("the API knows", lambda: (s := states[client_id])["connectionStatus"] == "connected" and s)
    assert state["secure"] is (port != "1883")

    # Whoever subscribes now learns from the retained message.
    late = clients.application("py-late", **mqtt)
    late.connect()
    known = []
    late.deviceStatusCallback = lambda status: status.clientId == client_id and known.append(status)
    subscribed(late, until, lambda: late.subscribeToDeviceStatus(**which))
    until("the retained status arrives", lambda: known)
    assert (known[0].action, known[0].retained, known[0].time) == ("Connect", 1, connect.time)

    assert device.publishEvent("status", "json", {"open": True}, qos=1)
    device.disconnect()
    disconnect = until("the disconnect arrives", lambda: live("Disconnect"))
    assert disconnect.connectTime == connect.connectTime
    assert disconnect.time >= connect.time
    assert disconnect.closeCode in (None, 0) and disconnect.readMsg >= 1


@pytest.mark.parametrize("which", ["py-seen", "+"], ids=["exact", "any"])
def test_application_status_arrives(rollcall, clients, until, which):
    client_id = f"a:{rollcall.org}:py-seen"
    watcher = clients.application("py-watcher")
    watcher.connect()
    seen = []

    def note(_client, _userdata, message):
        # Empty: the retained message of an application that left is cleared.
        payload = json.loads(message.payload) if message.payload else {}
        if payload.get("ClientID") == client_id:
            seen.append((payload["Action"], bool(message.retain)))

    watcher.client.message_callback_add("iot-2/app/+/mon", note)
    acknowledged = []
    watcher.client.on_subscribe = lambda _client, _userdata, _mid, qos: acknowledged.append(qos)
    watcher.client.subscribe(f"iot-2/app/{which}/mon", 0)
    assert until("the subscription is answered", lambda: acknowledged) == [(0,)]
    other = clients.application("py-seen")
    other.connect()
    until("the connect arrives", lambda: ("Connect", False) in seen)
    other.disconnect()
    until("the disconnect arrives", lambda: ("Disconnect", False) in seen)


@pytest.mark.parametrize("mqtt", [{}, {"port": 1883}], ids=["tls", "plain"])
@pytest.mark.parametrize("kind", ["device", "gateway"])
def test_a_device_and_a_gateway_come_publish_and_go_as_what_they_are(
    rollcall, clients, until, states, kind, mqtt
):
    client_id = {
        "device": f"d:{rollcall.org}:valve:py-plain",
        "gateway": f"g:{rollcall.org}:hub:py-gateway",
    }[kind]
    began = datetime.now(timezone.utc) - timedelta(milliseconds=1)
    client = getattr(clients, kind)(client_id, **mqtt)
    client.connect()
    published = []
    assert client.publishEvent("status", "json", {"a": 1}, qos=1, onPublish=lambda: published.append(True))
    until("the server acknowledges the event", lambda: published)

    def after_publish():
        # The SDK subscribes to commands in a thread of its own, perhaps after the first event.
        client.publishEvent("status", "json", {"a": 1}, qos=1)
        state = states[client_id] if client_id in states else {}
        return state.get("lastActivityEvent") == "mqttPublish" and state

    state = until("the API tells of the event", after_publish)
    assert (state["clientType"], state["connectionStatus"]) == (kind, "connected")
    assert (state["deviceType"], state["deviceId"]) == tuple(client_id.split(":")[2:])
    assert state["mqttConnectProtocol"] == "3.1.1" and state["secure"] is not bool(mqtt)
    assert iso8601.parse_date(state["lastConnectTime"]) >= began
    client.disconnect()

    def after_leave():
        state = states[client_id]
        return state["connectionStatus"] == "disconnected" and state

    state = until("the API tells of the end", after_leave)
    assert (state["disconnectInitiator"], state["lastActivityEvent"]) == ("client", "mqttDisconnect")
    assert state["lastDisconnectTime"] >= state["lastConnectTime"]
