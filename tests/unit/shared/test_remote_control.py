"""The remaining parts of a command that a monitor sends to workers."""

from __future__ import annotations

import base64
import json

from shared.broker import remote_control
from tests.support.jobs import hostile_messages


def test_an_admitted_command_contains_only_names_of_its_sender() -> None:
    command = hostile_messages.command(
        headers={"clock": "x"},
        method="active",
        arguments={"safe": False, "evil": 1},
        ticket="0" * 36,
        reply_to={"exchange": "elsewhere", "routing_key": "1" * 36},
        more="x",
    )
    found = remote_control.sanitized(command)
    assert json.loads(base64.b64decode(found["body"])) == {
        "method": "active",
        "arguments": {"safe": True},
        "destination": None,
        "ticket": "0" * 36,
        "reply_to": {"exchange": remote_control.ANSWERS, "routing_key": "1" * 36},
    }
    assert found["headers"] == {}
