"""Which open request the same command follows: none but the same one of this user."""

from __future__ import annotations

import msgspec
import pytest

from producer.requests import existing
from producer.requests.client import user_name
from producer.requests.open_requests import PAUSED, OpenRequest
from shared.errors import BrokerAway
from shared.messages.requests import ComputeFeatures
from shared.settings import Settings

WORK = ComputeFeatures("/photos")
OURS = OpenRequest("ours", "running", WORK, user_name(), 0.0)
OTHERS = (
    {"work": ComputeFeatures("/other")},
    {"work": None, "state": "unreadable"},
    {"who": "another@host"},
)


@pytest.mark.parametrize("other", OTHERS)
def test_an_interrupted_request_is_followed_and_no_other_one(
    monkeypatch: pytest.MonkeyPatch, other: dict[str, object]
) -> None:
    listed = [msgspec.structs.replace(OURS, request="other", **other)]
    monkeypatch.setattr(existing, "open_requests", lambda settings: listed)
    assert existing.own_open_request(Settings(), WORK) == ""
    listed.append(msgspec.structs.replace(OURS, state=PAUSED))
    assert existing.own_open_request(Settings(), WORK) == "ours"


def test_a_broker_that_is_away_is_left_to_the_submission(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(settings: Settings) -> list[OpenRequest]:
        raise BrokerAway("Redis does not answer")

    monkeypatch.setattr(existing, "open_requests", away)
    assert existing.own_open_request(Settings(), WORK) == ""
