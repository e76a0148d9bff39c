"""What the tests of the Python SDK share. `beside-server.mjs` starts the server and says in ROLLCALL_SDK where it is."""

import json
import logging
import os
import time
from types import SimpleNamespace

import pytest
import wiotp.sdk.application
import wiotp.sdk.device
import wiotp.sdk.gateway

import localhost

# How long a condition may take on a busy machine.
LIMIT_S = 20


@pytest.fixture(scope="session")
def rollcall():
    fixture = SimpleNamespace(**json.loads(os.environ["ROLLCALL_SDK"]))
    localhost.redirect(fixture.ports)
    return fixture


@pytest.fixture
def until():
    return wait


def wait(what, probe, limit_s=LIMIT_S):
    """Polls until `probe` gives something truthy and returns that."""
    deadline = time.monotonic() + limit_s
    while True:
        value = probe()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {limit_s} s in vain: {what} (last: {value})"
        time.sleep(0.03)


@pytest.fixture
def clients(rollcall):
    """Makes clients of the SDK, and ends what is left of them after the test."""
    made = []

    def client(kind, client_id, **mqtt):
        parts = client_id.split(":")
        options = {"domain": rollcall.domain, "mqtt": {"caFile": rollcall.ca, **mqtt}}
        if parts[0] == "a":
            identity = {"appId": parts[2]}
            auth = {"key": rollcall.key, "token": rollcall.token}
        else:
            identity = dict(zip(["orgId", "typeId", "deviceId"], parts[1:]))
            auth = {"token": rollcall.tokens[client_id]}
        config = {"identity": identity, "auth": auth, "options": options}
        made.append(kind(config, logHandlers=[logging.NullHandler()]))
        return made[-1]

    yield SimpleNamespace(
        application=lambda app_id, **mqtt: client(
            wiotp.sdk.application.ApplicationClient, f"a:{rollcall.org}:{app_id}", **mqtt
        ),
        device=lambda client_id, **mqtt: client(wiotp.sdk.device.DeviceClient, client_id, **mqtt),
        gateway=lambda client_id, **mqtt: client(wiotp.sdk.gateway.GatewayClient, client_id, **mqtt),
    )
    for one in made:
        if one.isConnected():
            one.disconnect()


@pytest.fixture
def states(clients):
    """The connection states, as the SDK gives them to an application that is not connected itself."""
    return clients.application("py-reader").registry.connectionStatus
